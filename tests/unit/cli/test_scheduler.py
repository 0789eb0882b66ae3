"""The entries of series at EventBridge Scheduler, at moto's and at the fake that the commands' tests have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from mediaposter.cli.scheduler import Places, Scheduler
from mediaposter.domain.errors import ConfigurationError
from mediaposter.stores.idempotency import KEPT_FOR
from mediaposter.stores.series import Series, SeriesState, Sheet, SheetFormat
from mediaposter.wire.intake import write_schedule_event
from tests.builders import NOW
from tests.fakes.scheduler import FakeSchedulerClient
from tests.unit.cli.stack import PLACES
from tests.unit.functions.stack import REPOSITORY, shipped_template


@pytest.fixture(params=["moto", "fake"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a client of a Scheduler with the stack's group."""
    if request.param == "fake":
        yield FakeSchedulerClient()
        return
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        made: Any = boto3.client(
            "scheduler", region_name="eu-central-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        made.create_schedule_group(Name=PLACES.group)
        yield made


@pytest.fixture
def scheduler(client: Any) -> Scheduler:
    return Scheduler(client, PLACES)


def a_series(name: str = "morning-kites", **changes: Any) -> Series:
    fields = {
        "name": name,
        "owner": "studio",
        "timing": "weekdays 09:00",
        "expression": "cron(0 9 ? * MON-FRI *)",
        "timezone": "Europe/Berlin",
        "sheet": Sheet(key="series/morning-kites/first.csv", format=SheetFormat.CSV),
        "waiting": (1, 2),
        "created_at": NOW,
    }
    return Series.model_validate({**fields, **changes})


def test_an_entry_tells_the_queue_of_each_turn_and_gives_up_with_the_dead_letters() -> None:
    client = FakeSchedulerClient()

    Scheduler(client, PLACES).put(a_series())

    assert client.entries["morning-kites"] == {
        "Name": "morning-kites",
        "GroupName": "mediaposter",
        "Description": "Runs of the series morning-kites; made by mediaposter schedule.",
        "ScheduleExpression": "cron(0 9 ? * MON-FRI *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": PLACES.queue_arn,
            "RoleArn": PLACES.role_arn,
            "Input": write_schedule_event("morning-kites"),
            "RetryPolicy": {"MaximumEventAgeInSeconds": 43_200, "MaximumRetryAttempts": 185},
            "DeadLetterConfig": {"Arn": PLACES.dead_letter_arn},
        },
    }


def test_a_turn_is_told_of_while_the_name_of_its_row_is_remembered() -> None:
    queue = shipped_template().resources["IntakeQueue"].properties
    client = FakeSchedulerClient()

    Scheduler(client, PLACES).put(a_series())

    age = client.entries["morning-kites"]["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"]
    assert age + queue["MessageRetentionPeriod"] <= KEPT_FOR.total_seconds()


def test_an_entry_is_made_changed_listed_and_removed(scheduler: Scheduler) -> None:
    scheduler.put(a_series())
    made = scheduler.list_enabled()
    scheduler.put(a_series(state=SeriesState.PAUSED))
    changed = scheduler.list_enabled()

    assert (made, changed) == ({"morning-kites": True}, {"morning-kites": False})
    assert [scheduler.remove("morning-kites") for _ in range(2)] == [True, False]
    assert scheduler.list_enabled() == {}


def test_all_pages_of_a_list_are_read(scheduler: Scheduler) -> None:
    names = [f"series-{number}" for number in range(5)]

    for name in names:
        scheduler.put(a_series(name))

    assert sorted(scheduler.list_enabled()) == names


def test_what_scheduler_refuses_otherwise_is_no_missing_entry() -> None:
    client = FakeSchedulerClient()
    client.refusal = "ValidationException"

    with pytest.raises(ClientError, match="ValidationException"):
        Scheduler(client, PLACES).put(a_series())


def test_a_stack_that_is_older_than_series_is_told_to_be_deployed_again() -> None:
    with pytest.raises(ConfigurationError, match="sam deploy"):
        Scheduler(FakeSchedulerClient(), Places("", "", "", "")).require()


def test_the_role_lets_the_entries_of_this_stack_alone_send_to_its_two_queues() -> None:
    role = shipped_template().resources["SeriesScheduleRole"].properties
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    (policy,) = role["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": "SeriesScheduleGroup.Arn"}},
    }
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == [{"Fn::GetAtt": "IntakeQueue.Arn"}, {"Fn::GetAtt": "DeadLetterQueue.Arn"}]


def test_what_an_entry_names_are_outputs_of_the_template() -> None:
    text = (REPOSITORY / "template.yaml").read_text(encoding="utf-8")
    _, _, outputs = text.partition("\nOutputs:\n")

    for name in ("ScheduleGroup", "ScheduleRoleArn", "IntakeQueueArn", "DeadLetterQueueArn"):
        assert f"\n  {name}:\n" in f"\n{outputs}"


def test_the_message_of_a_turn_is_json_with_the_two_attributes_that_scheduler_replaces() -> None:
    assert json.loads(write_schedule_event("morning-kites")) == {
        "detail-type": "series.turn",
        "source": "mediaposter.series",
        "id": "<aws.scheduler.execution-id>",
        "detail": {"series": "morning-kites", "scheduled_at": "<aws.scheduler.scheduled-time>"},
    }
