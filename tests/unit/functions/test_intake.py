"""The function behind the queue of requests: its samples, what it takes, and what it does not say."""

from __future__ import annotations

import io
import json
import traceback
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import (
    EventBridgeModel,
    S3EventNotificationEventBridgeModel,
    SqsModel,
)
from botocore.exceptions import ClientError

from checks.cloudformation import Template
from mediaposter.stores.keys import check_owner
from mediaposter.stores.s3_bucket import S3Bucket
from mediaposter.stores.series import Series, SeriesStore, Sheet, SheetFormat
from mediaposter.stores.sheets import SheetStore
from mediaposter.stores.video_record import Video
from mediaposter.wire.intake import QueuedNotice, write_schedule_event
from tests.builders import NOW
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import BUCKET, Event, Stack, read_event

_PROMPT = "A red kite over the sea at dawn, filmed from a cliff"
_PROMPT_OF_ROW = "A red kite that nobody else is to read of"
_KEY = "inbox/autumn/red kite.json"
_ANSWER_KEY = "outbox/autumn/red kite.result.json"


def read_notice(sample: str) -> Any:
    (record,) = read_event(sample)["Records"]
    return json.loads(record["body"])


def write_event(notice: Any) -> Event:
    event = read_event("intake-dropped")
    event["Records"][0]["body"] = json.dumps(notice)
    return event


def ask() -> Event:
    """Build the sample without its posts, whose accounts could not be checked."""
    notice = read_notice("intake-requested")
    del notice["detail"]["publish"]
    return write_event(notice)


@pytest.fixture
def dropped(stack: Stack) -> Event:
    """Drop the file of the sample, and tell of it."""
    s3 = stack.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    body = json.dumps({"prompt": _PROMPT, "seconds": 8})
    version_id = s3.put_object(Bucket=BUCKET, Key=_KEY, Body=body)["VersionId"]
    notice = read_notice("intake-dropped")
    notice["detail"]["object"]["version-id"] = version_id
    return write_event(notice)


@pytest.fixture
def series(stack: Stack) -> Series:
    """Make the series that the sample tells of, with two rows."""
    sheets = SheetStore(S3Bucket(stack.client("s3"), BUCKET))
    content = f"id,prompt,seconds\na,{_PROMPT_OF_ROW},8\nb,Another,4\n".encode()
    key = sheets.put("morning-kites", content, SheetFormat.CSV, now=NOW)
    made = Series(
        name="morning-kites",
        owner="studio",
        timing="daily 08:00",
        expression="cron(0 8 * * ? *)",
        timezone="UTC",
        sheet=Sheet(key=key, format=SheetFormat.CSV),
        waiting=(1, 2),
        created_at=NOW,
    )
    stack.keep(made)
    return made


def list_videos(stack: Stack) -> list[Video]:
    return [stack.video(video_id) for video_id, _ in stack.executions()]


@pytest.mark.parametrize("sample", ["intake-dropped", "intake-requested"])
def test_a_sample_is_a_message_of_a_queue_with_an_event_of_eventbridge(sample: str) -> None:
    SqsModel.model_validate(read_event(sample))
    EventBridgeModel.model_validate(read_notice(sample))


def test_the_sample_of_a_file_is_what_s3_tells_and_is_read() -> None:
    told = S3EventNotificationEventBridgeModel.model_validate(read_notice("intake-dropped"))
    (record,) = read_event("intake-dropped")["Records"]

    read = QueuedNotice.model_validate(record).body

    assert read.model_dump(by_alias=True)["detail"]["object"] == {
        "key": told.detail.object.key,
        "version-id": told.detail.object.version_id,
    }


def test_the_samples_are_what_the_rules_let_through(template: Template) -> None:
    inbox = template.resources["InboxRule"].properties["EventPattern"]
    requested = template.resources["RequestedRule"].properties["EventPattern"]
    file, request = read_notice("intake-dropped"), read_notice("intake-requested")

    assert ([file["source"]], [file["detail-type"]]) == (inbox["source"], inbox["detail-type"])
    (prefix,) = inbox["detail"]["object"]["key"]
    assert file["detail"]["object"]["key"].startswith(prefix["prefix"])
    assert [request["detail-type"]] == requested["detail-type"]
    assert requested["source"] == [{"anything-but": "mediaposter"}]


def test_the_sample_of_a_turn_is_what_scheduler_makes_of_an_entrys_message() -> None:
    (record,) = read_event("intake-series")["Records"]
    SqsModel.model_validate(read_event("intake-series"))

    told = write_schedule_event("morning-kites").replace("<aws.scheduler.execution-id>", "d32c5kddcf5bb8c3")

    assert record["body"] == told.replace("<aws.scheduler.scheduled-time>", "2026-12-01T08:00:00Z")


@pytest.mark.parametrize("name", ["InboxOwner", "EventsOwner"])
def test_an_owner_that_a_stack_is_given_is_one_that_a_key_may_have(template: Template, name: str) -> None:
    parameter = template.parameters[name]

    assert check_owner(parameter["Default"]) == parameter["Default"]
    assert parameter["AllowedPattern"] == "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"


def test_a_file_and_an_event_are_taken_for_the_owners_of_the_stack_and_logged_without_prompt_and_name(
    stack: Stack, invoke: Invoke, dropped: Event, log: io.StringIO
) -> None:
    stack.tell(InboxOwner="ann", EventsOwner="shop")

    assert invoke("IntakeFunction", dropped) is None
    invoke("IntakeFunction", ask())

    taken = {video.owner: video for video in list_videos(stack)}
    assert [(taken[owner].prompt, taken[owner].seconds) for owner in ("ann", "shop")] == [(_PROMPT, 8)] * 2
    answer = json.loads(stack.client("s3").get_object(Bucket=BUCKET, Key=_ANSWER_KEY)["Body"].read())
    assert answer["video"]["id"] == taken["ann"].id
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["outcome"], line["video_id"]) for line in lines] == [
        ("taken", taken["ann"].id),
        ("taken", taken["shop"].id),
    ]
    assert _PROMPT not in log.getvalue()
    assert "red kite" not in log.getvalue()


def test_a_turn_takes_a_row_of_its_series_once_and_says_nothing_of_its_prompt(
    stack: Stack, invoke: Invoke, series: Series, log: io.StringIO
) -> None:
    for _ in range(2):
        assert invoke("IntakeFunction", read_event("intake-series")) is None

    (video,) = list_videos(stack)
    assert (video.owner, video.prompt, video.seconds) == ("studio", _PROMPT_OF_ROW, 8)
    book = SeriesStore(stack.table)
    assert book.get(series.name).waiting == (2,)
    assert [(turn.row_id, turn.video_id) for turn in book.list_runs(series.name)] == [("a", video.id)]
    assert _PROMPT_OF_ROW not in log.getvalue()


def test_a_used_up_sheet_is_logged_and_counted(
    stack: Stack, invoke: Invoke, series: Series, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    SeriesStore(stack.table).change(series, waiting=())

    invoke("IntakeFunction", read_event("intake-series"))

    assert "The sheet of the series morning-kites is used up" in log.getvalue()
    assert '"SeriesExhausted":[1.0]' in capsys.readouterr().out
    assert list_videos(stack) == []


def test_a_fault_says_nothing_of_the_prompt(stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
    stack.tell(LibraryTable="gone")

    with pytest.raises(ClientError) as caught:
        invoke("IntakeFunction", ask())

    assert _PROMPT not in "".join(traceback.format_exception(caught.value)) + log.getvalue()
