"""Telling the stack's bus what happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from mediaposter.domain.errors import ErrorCode
from mediaposter.events import AnyEvent, EventBus, EventNotSent, PostEvent, VideoEvent
from tests.builders import OWNER, VIDEO_ID

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

THEN = datetime(2026, 12, 1, 12, tzinfo=UTC)
COMPLETED = VideoEvent(type="video.completed", video_id=VIDEO_ID, owner=OWNER, occurred_at=THEN)
FAILED = COMPLETED.model_copy(update={"type": "video.failed", "error_code": ErrorCode.TIMEOUT})
PUBLISHED = PostEvent(
    type="post.published",
    video_id=VIDEO_ID,
    owner=OWNER,
    occurred_at=THEN,
    webhook_url="https://hooks.example/mediaposter",
    platform="twitter",
    account_id="101",
    url="https://x.example/1",
)
_TOLD = {"video_id": VIDEO_ID, "owner": OWNER, "occurred_at": "2026-12-01T12:00:00Z"}


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
        (COMPLETED, {**_TOLD, "type": "video.completed"}),
        (FAILED, {**_TOLD, "type": "video.failed", "error_code": "timeout"}),
        (
            PUBLISHED,
            {
                **_TOLD,
                "webhook_url": "https://hooks.example/mediaposter",
                "type": "post.published",
                "platform": "twitter",
                "account_id": "101",
                "url": "https://x.example/1",
            },
        ),
    ],
)
def test_an_event_says_what_happened_to_which_video(
    client: EventBridgeClient, service: Stubber, event: AnyEvent, detail: dict[str, str]
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
