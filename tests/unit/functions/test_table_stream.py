"""The functions behind the table's stream: who is started, what the bus is told, and what the stream is asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import DynamoDBStreamModel

from checks.cloudformation import Template
from mediaposter.stores.budget import Limit, reserve
from mediaposter.stores.capacity import CapacityStore, SlotCount, count_change
from mediaposter.stores.video_record import Reservation
from mediaposter.stores.videos import VideoStore
from tests.builders import NOW, OWNER, a_video
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import STACK, Stack, read_event

_PROMPT = "A prompt that no log may hold"


def let_wait(stack: Stack, video_id: str, *, provider: str = "sora") -> None:
    """Record a video that waits for a slot."""
    slots = CapacityStore(stack.table, lambda _: 1)
    video = a_video(id=video_id, provider=provider, prompt=_PROMPT, is_accepted=True)
    waiting = video.model_copy(update={"place": slots.choose_place(video, now=NOW)})
    VideoStore(stack.table).create(waiting, [], conditions=count_change(None, waiting.held, {}))


def filters_of(template: Template, mapping: str) -> list[dict[str, Any]]:
    return [json.loads(rule["Pattern"]) for rule in template.resources[mapping].properties["FilterCriteria"]["Filters"]]


def read_change(sample: str) -> Any:
    (record,) = read_event(sample)["Records"]
    return record


@pytest.mark.parametrize("sample", ["dispatch", "announce"])
def test_a_sample_is_one_of_a_tables_stream(sample: str) -> None:
    DynamoDBStreamModel.model_validate(read_event(sample))


def test_the_filters_take_what_the_samples_tell(template: Template) -> None:
    """Written out, since a filter that takes nothing is an event that never comes."""
    (waiting,) = filters_of(template, "DispatchMapping")
    (recorded,) = filters_of(template, "AnnounceMapping")
    change, insert = read_change("dispatch"), read_change("announce")

    assert change["dynamodb"]["Keys"]["sk"]["S"] in waiting["dynamodb"]["Keys"]["sk"]["S"]
    assert waiting["dynamodb"]["NewImage"] == {"waiting": {"N": [{"anything-but": ["0"]}]}}
    assert change["dynamodb"]["NewImage"]["waiting"]["N"] != "0"
    assert insert["eventName"] in recorded["eventName"]
    assert insert["dynamodb"]["Keys"]["sk"]["S"] in recorded["dynamodb"]["Keys"]["sk"]["S"]


def test_those_who_wait_are_started(stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
    let_wait(stack, "video_1")
    let_wait(stack, "video_2")
    stack.tell(ProviderConcurrency="sora=1")

    assert invoke("DispatchFunction", read_event("dispatch")) is None

    assert stack.executions() == [("video_1", '{"video_id": "video_1", "launch": 0}')]
    assert CapacityStore(stack.table, lambda _: 1).count("sora") == SlotCount(in_flight=1, waiting=1)
    assert json.loads(log.getvalue())["dispatched"] == 1
    assert _PROMPT not in log.getvalue()


def test_the_catalog_says_how_many_where_the_stack_does_not(stack: Stack, invoke: Invoke) -> None:
    for number in range(3):
        let_wait(stack, f"video_{number}", provider="runway")
    event = read_event("dispatch")
    event["Records"][0]["dynamodb"]["Keys"]["pk"]["S"] = "SLOTS#runway"

    invoke("DispatchFunction", event)

    assert len(stack.executions()) == 2


def test_the_sweep_starts_videos_that_the_stream_did_not_report(stack: Stack, invoke: Invoke) -> None:
    let_wait(stack, "video_1")

    invoke("SweepFunction", read_event("sweep"))

    assert [name for name, _ in stack.executions()] == ["video_1"]


@pytest.fixture
def told(stack: Stack) -> Callable[[], list[dict[str, Any]]]:
    """Listen on the bus, and give what came."""
    queue, bus = stack.client("sqs"), stack.client("events")
    url = queue.create_queue(QueueName="listener")["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_rule(Name="listener", EventBusName=STACK, EventPattern=json.dumps({"source": ["mediaposter"]}))
    bus.put_targets(Rule="listener", EventBusName=STACK, Targets=[{"Id": "listener", "Arn": arn}])

    def receive() -> list[dict[str, Any]]:
        messages = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["detail"] for message in messages]

    return receive


def test_the_bus_is_told_of_every_recorded_video(
    stack: Stack, invoke: Invoke, log: io.StringIO, told: Callable[[], list[dict[str, Any]]]
) -> None:
    stack.keep(a_video(prompt=_PROMPT, request_id="event-1", correlation_id="order-1", batch_id="batch_1"))

    assert invoke("AnnounceFunction", read_event("announce")) is None

    (event,) = told()
    assert event == {
        "type": "video.queued",
        "video_id": "video_1",
        "owner": OWNER,
        "occurred_at": "2026-12-01T12:00:00Z",
        "request_id": "event-1",
        "correlation_id": "order-1",
        "batch_id": "batch_1",
    }
    assert _PROMPT not in log.getvalue()


def test_a_limit_that_is_nearly_used_up_is_told_once(
    stack: Stack, invoke: Invoke, told: Callable[[], list[dict[str, Any]]]
) -> None:
    reservation = Reservation(on=date(2026, 12, 1), micros=400_000, limit_micros=450_000)
    stack.keep(a_video(reservation=reservation, key_webhook_url="https://hooks.example/mine"))
    stack.table.commit([reserve(Limit(OWNER, 450_000), reservation.on, 400_000)])

    for _ in range(2):
        invoke("AnnounceFunction", read_event("announce"))

    events = told()
    assert [event["type"] for event in events] == ["video.queued", "budget.warning", "video.queued"]
    warning = events[1]
    assert (warning["period_name"], warning["used_usd"], warning["limit_usd"]) == ("2026-12-01", "0.4", "0.45")
    assert warning["webhook_url"] == "https://hooks.example/mine"
