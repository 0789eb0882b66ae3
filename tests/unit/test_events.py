"""Telling the stack's bus what happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from mediaposter.errors import ErrorCode
from mediaposter.events import EventBus, EventNotSent, VideoEvent
from tests.builders import OWNER, VIDEO_ID

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

FAILED = VideoEvent(type="video.failed", video_id=VIDEO_ID, owner=OWNER, error_code=ErrorCode.TIMEOUT)
COMPLETED = VideoEvent(type="video.completed", video_id=VIDEO_ID, owner=OWNER)


@pytest.fixture
def client() -> EventBridgeClient:
    return boto3.client(
        "events", region_name="eu-central-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )


@pytest.fixture
def service(client: EventBridgeClient) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        (COMPLETED, {"type": "video.completed", "video_id": VIDEO_ID, "owner": OWNER}),
        (FAILED, {"type": "video.failed", "video_id": VIDEO_ID, "owner": OWNER, "error_code": "timeout"}),
    ],
)
def test_an_event_says_what_happened_to_which_video(
    client: EventBridgeClient, service: Stubber, event: VideoEvent, detail: dict[str, str]
) -> None:
    entry = {
        "EventBusName": "the-bus",
        "Source": "mediaposter",
        "DetailType": event.type,
        "Detail": json.dumps(detail, separators=(",", ":")),
    }
    service.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}, {"Entries": [entry]})

    EventBus(client, "the-bus").send(event)


def test_an_event_the_bus_did_not_take_is_a_fault_that_names_it(client: EventBridgeClient, service: Stubber) -> None:
    service.add_response(
        "put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}]}
    )

    with pytest.raises(EventNotSent, match=r"video\.failed of video_1: ThrottlingException"):
        EventBus(client, "the-bus").send(FAILED)


def test_a_bus_that_cannot_be_reached_is_a_fault(client: EventBridgeClient, service: Stubber) -> None:
    service.add_client_error("put_events", "InternalException")

    with pytest.raises(ClientError):
        EventBus(client, "the-bus").send(COMPLETED)
