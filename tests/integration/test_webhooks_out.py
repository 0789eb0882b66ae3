"""Events reach their receivers over the deployed bus, queue and function."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from openai import OpenAI
from pydantic import JsonValue

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.ai.webhook_signature import verify_standard_webhook
from mediaposter.events import EventBus, VideoEvent
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.scheduled.recorded_events import describe_end
from mediaposter.wire.webhooks import derive_webhook_secret
from sandbox.faults import Respond
from sandbox.hooks import Deliveries, Delivery, HookScript, OnDelivery, create_app
from sandbox.serving import serve_in_thread
from sandbox.snapshot import STACK_NAME, WEBHOOK_SIGNING_KEY
from tests.integration.stack import DeployedStack, new_prompt, wait_for

TOKEN = "tk_of_the_receiver"
OWNER = "key_of_the_test"


class Receiver:
    """A receiver on loopback, and what it was sent."""

    def __init__(self, base_url: str) -> None:
        self.url = f"{base_url}/mediaposter?token={TOKEN}"
        self._http = httpx.Client(base_url=base_url, timeout=10)

    def play(self, match: str, action: Respond, *, times: int | None = None) -> None:
        script = HookScript(rules=(OnDelivery(match=match, action=action, times=times),))
        self._http.post("/_sandbox/faults", content=script.model_dump_json()).raise_for_status()

    def deliveries_of(self, video_id: str) -> list[Delivery]:
        calls = Deliveries.model_validate_json(self._http.get("/_sandbox/calls").content).calls
        return [call for call in calls if f'"{video_id}"' in call.body]

    def wait_for_deliveries(self, video_id: str, count: int) -> list[Delivery]:
        def are_there() -> list[Delivery] | None:
            deliveries = self.deliveries_of(video_id)
            return deliveries if len(deliveries) >= count else None

        return wait_for(are_there, what=f"{count} deliveries about {video_id}")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with serve_in_thread(create_app(), base_path="") as base_url:
        yield Receiver(base_url)


def tell_the_bus(stack: DeployedStack, receiver: Receiver, video_id: str) -> VideoEvent:
    """Record a completed video, and say so as CloseVideoFunction does: what no record says is told to no receiver."""
    now = datetime.now(UTC)
    video = Video(
        id=video_id,
        owner=OWNER,
        created_at=now,
        updated_at=now,
        stage=Stage.DONE,
        prompt="Told",
        model="sora-2",
        resolved_model="sora-2",
        provider="sora",
        seconds=4,
        size="720x1280",
        webhook_url=receiver.url,
        cost_estimate_micros=0,
        expected_render_seconds=1,
        completed_at=now,
        is_told=True,
    )
    VideoStore(LibraryTable(stack.aws("dynamodb"), stack.world.stack.table)).create(video, [])
    event = describe_end(video)
    EventBus(stack.aws("events"), STACK_NAME).send(event)
    return event


def ask_to_be_told(stack: DeployedStack, video_id: str, url: str) -> str:
    """Write a receiver into a record, and give its owner: the API takes https only, and loopback has no certificate."""
    changed = stack.aws("dynamodb").update_item(
        TableName=stack.world.stack.table,
        Key={"pk": {"S": f"VIDEO#{video_id}"}, "sk": {"S": "VIDEO"}},
        UpdateExpression="SET webhook_url = :url, version = version + :one",
        ExpressionAttributeValues={":url": {"S": url}, ":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )
    owner: str = changed["Attributes"]["owner"]["S"]
    return owner


def read_body(delivery: Delivery) -> dict[str, JsonValue]:
    body: dict[str, JsonValue] = json.loads(delivery.body)
    return body


def find_queue(stack: DeployedStack, name: str) -> str:
    """Give the URL of a queue by its logical id."""
    described = stack.aws("cloudformation").describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=name)
    url: str = described["StackResourceDetail"]["PhysicalResourceId"]
    return url


@contextmanager
def giving_up_after_one_try(stack: DeployedStack, queue_url: str) -> Iterator[None]:
    """Have the queue give a message up after one try: the twelve of the template take a day."""
    sqs = stack.aws("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["RedrivePolicy"])["Attributes"]
    policy = json.loads(attributes["RedrivePolicy"])
    sqs.set_queue_attributes(
        QueueUrl=queue_url, Attributes={"RedrivePolicy": json.dumps({**policy, "maxReceiveCount": 1})}
    )
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue_url, Attributes=attributes)


def test_the_owner_of_a_video_is_told_of_its_post_and_of_its_end(stack: DeployedStack, receiver: Receiver) -> None:
    prompt = new_prompt("Told")
    stack.play_on_videos(prompt, "retrieve", {"type": "delay", "seconds": 1}, times=3)
    video_id = stack.submit(prompt, "twitter").id
    owner = ask_to_be_told(stack, video_id, receiver.url)

    video = stack.follow(video_id)
    deliveries = receiver.wait_for_deliveries(video_id, 2)

    assert video.status is VideoStatus.COMPLETED
    told: dict[Any, Any] = {read_body(delivery)["type"]: read_body(delivery)["data"] for delivery in deliveries}
    assert told.keys() == {"post.published", "video.completed"}
    assert told["video.completed"] == {"id": video_id}
    assert told["post.published"] == {
        "video_id": video_id,
        "platform": "twitter",
        "account_id": video.posts[0].account_id,
        "url": video.posts[0].url,
    }
    secret = derive_webhook_secret(WEBHOOK_SIGNING_KEY, owner)
    for delivery in deliveries:
        OpenAI(api_key="unused").webhooks.verify_signature(delivery.body, delivery.headers, secret=secret)
        verified_id = verify_standard_webhook(
            delivery.headers, delivery.body.encode(), secrets=[secret], now=datetime.now(UTC)
        )
        assert verified_id == read_body(delivery)["id"]


def test_what_could_not_be_delivered_lies_with_the_dead_letters(stack: DeployedStack, receiver: Receiver) -> None:
    video_id = new_prompt("video").replace(" ", "_")
    receiver.play(video_id, Respond(status=500))
    dead_letters, sqs = find_queue(stack, "DeadLetterQueue"), stack.aws("sqs")

    with giving_up_after_one_try(stack, find_queue(stack, "WebhookQueue")):
        tell_the_bus(stack, receiver, video_id)
        found = wait_for(
            lambda: sqs.receive_message(QueueUrl=dead_letters).get("Messages"), what="a message among the dead letters"
        )

    (message,) = found
    sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
    assert json.loads(message["Body"])["detail"]["video_id"] == video_id
    assert len(receiver.deliveries_of(video_id)) == 1


def test_no_token_of_a_receiver_and_no_secret_is_logged(stack: DeployedStack, receiver: Receiver) -> None:
    video_id = new_prompt("video").replace(" ", "_")
    began_at = datetime.now(UTC)
    receiver.play(video_id, Respond(status=500), times=1)
    tell_the_bus(stack, receiver, video_id)
    deliveries = receiver.wait_for_deliveries(video_id, 2)
    # The queue holds a message back, for longer after each try.
    first, second = (int(delivery.webhook_timestamp) for delivery in deliveries)
    assert second - first >= 4

    def read_logs() -> str | None:
        """Read what was logged once the function's lines have come: that is a moment after its delivery."""
        written = stack.read_logs(since=began_at)
        return written if deliveries[0].webhook_id in written else None

    written = wait_for(read_logs, what="the log of the delivery")
    secrets = (TOKEN, WEBHOOK_SIGNING_KEY, derive_webhook_secret(WEBHOOK_SIGNING_KEY, OWNER))
    for secret in (*secrets, *(delivery.webhook_signature for delivery in deliveries)):
        assert secret not in written
