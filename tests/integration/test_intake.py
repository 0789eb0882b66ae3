"""Files that are dropped into the bucket and events on the bus become videos, and are answered where they came from."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import JsonValue

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.videos import VideoStore
from sandbox.snapshot import STACK_NAME
from tests.integration.stack import DeployedStack, new_prompt, target, wait_for

SOURCE = "shop.orders"


def new_name(what: str = "request") -> str:
    """Make a name in the inbox that no other test has."""
    return f"{what}-{uuid.uuid4().hex}"


def drop(stack: DeployedStack, name: str, content: bytes) -> str:
    """Drop a file into the inbox, and give its version."""
    answer = stack.aws("s3").put_object(Bucket=stack.world.stack.bucket, Key=f"inbox/{name}", Body=content)
    version_id: str = answer["VersionId"]
    return version_id


def write(prompt: str, **fields: JsonValue) -> bytes:
    return json.dumps({"prompt": prompt, **fields}, ensure_ascii=False).encode()


def find_answer(stack: DeployedStack, name: str) -> dict[str, Any] | None:
    s3, key = stack.aws("s3"), f"outbox/{name}.result.json"
    found = s3.list_objects_v2(Bucket=stack.world.stack.bucket, Prefix=key).get("Contents")
    if not found:
        return None
    answer: dict[str, Any] = json.loads(s3.get_object(Bucket=stack.world.stack.bucket, Key=key)["Body"].read())
    return answer


def wait_for_answer(stack: DeployedStack, name: str) -> dict[str, Any]:
    return wait_for(lambda: find_answer(stack, name), what=f"an answer to {name}")


def find_queue(stack: DeployedStack, name: str) -> str:
    """Give the URL of a queue by its logical id."""
    described = stack.aws("cloudformation").describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=name)
    url: str = described["StackResourceDetail"]["PhysicalResourceId"]
    return url


class Listener:
    """Hears what this stack says on its bus about requests."""

    def __init__(self, stack: DeployedStack) -> None:
        self._stack = stack
        self._sqs = stack.aws("sqs")
        self._heard: list[dict[str, Any]] = []
        name = new_name("listener")
        self.queue_url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])
        events = stack.aws("events")
        pattern = {"source": ["mediaposter"], "detail-type": ["video.queued", "video.rejected"]}
        events.put_rule(Name=name, EventBusName=STACK_NAME, EventPattern=json.dumps(pattern))
        events.put_targets(
            Rule=name, EventBusName=STACK_NAME, Targets=[{"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}]
        )

    def ask(self, *, source: str = SOURCE, **detail: JsonValue) -> str:
        """Ask for a video, and give the id of the event."""
        entry = {
            "EventBusName": STACK_NAME,
            "Source": source,
            "DetailType": "video.requested",
            "Detail": json.dumps(detail),
        }
        answer = self._stack.aws("events").put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0
        event_id: str = answer["Entries"][0]["EventId"]
        return event_id

    def heard_of(self, correlation_id: str) -> list[dict[str, Any]]:
        """Give the events that answer a request."""
        while messages := self._sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._heard.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in self._heard if event["detail"].get("correlation_id") == correlation_id]

    def wait_for(self, correlation_id: str) -> dict[str, Any]:
        (event,) = wait_for(lambda: self.heard_of(correlation_id), what=f"an answer to {correlation_id}")
        return event


@pytest.fixture(scope="module")
def listener(stack: DeployedStack) -> Listener:
    return Listener(stack)


def test_a_dropped_request_of_any_name_becomes_a_video_that_is_posted(stack: DeployedStack) -> None:
    name, prompt = new_name("in/a folder/Drachen über dem Meer 🪁 100%25+1 & more"), new_prompt("Dropped")
    began_at = datetime.now(UTC)

    version_id = drop(stack, f"{name}.json", write(prompt, publish=[target("twitter")]))
    answer = wait_for_answer(stack, name)

    assert answer["error"] is None
    assert answer["request"] == {"key": f"inbox/{name}.json", "version_id": version_id}
    assert answer["video"]["status"] == "queued"
    video = stack.follow(answer["video"]["id"])
    assert (video.status, video.prompt) == (VideoStatus.COMPLETED, prompt)
    assert [post.status for post in video.posts] == ["published"]
    video_store = VideoStore(LibraryTable(stack.aws("dynamodb"), stack.world.stack.table))
    assert video_store.get_unchecked(video.id).owner == "inbox"
    logs = stack.read_logs(since=began_at)
    assert video.id in logs
    assert [secret for secret in (prompt, name, name.rpartition("-")[2]) if secret in logs] == []


def test_what_lies_elsewhere_in_the_bucket_is_not_taken(stack: DeployedStack) -> None:
    name, prompt, after = new_name(), new_prompt("Elsewhere"), new_name("after")
    s3, bucket = stack.aws("s3"), stack.world.stack.bucket
    for folder in ("outbox", "inbox-2", "drafts/inbox"):
        s3.put_object(Bucket=bucket, Key=f"{folder}/{name}.json", Body=write(prompt))

    drop(stack, f"{after}.json", write(new_prompt("After")))
    wait_for_answer(stack, after)

    answers = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix="outbox/")["Contents"]]
    assert f"outbox/{name}.json" in answers
    assert not any(f"{name}.result" in key or f"{after}.result.result" in key for key in answers)
    assert stack.count_accepted(prompt) == 0


def test_an_event_that_asks_for_a_video_is_answered_on_the_bus(stack: DeployedStack, listener: Listener) -> None:
    correlation_id, prompt = new_name("order"), new_prompt("Asked for")

    event_id = listener.ask(prompt=prompt, correlation_id=correlation_id, publish=[target("twitter")])
    event = listener.wait_for(correlation_id)

    assert (event["source"], event["detail-type"]) == ("mediaposter", "video.queued")
    assert (event["detail"]["request_id"], event["detail"]["owner"]) == (event_id, "events")
    video = stack.follow(event["detail"]["video_id"])
    assert (video.status, video.prompt) == (VideoStatus.COMPLETED, prompt)
    assert [post.status for post in video.posts] == ["published"]


def test_what_the_stack_itself_says_asks_for_nothing(stack: DeployedStack, listener: Listener) -> None:
    correlation_id, after = new_name("order"), new_name("after")

    listener.ask(source="mediaposter", prompt=new_prompt("Itself"), correlation_id=correlation_id)
    listener.ask(prompt=new_prompt("After"), correlation_id=after)
    listener.wait_for(after)

    assert listener.heard_of(correlation_id) == []


def test_a_message_that_cannot_be_read_lies_with_the_dead_letters(stack: DeployedStack) -> None:
    sqs, queue_url = stack.aws("sqs"), find_queue(stack, "IntakeQueue")
    dead_letters, mark = find_queue(stack, "DeadLetterQueue"), new_name("no-notice")
    kept = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["VisibilityTimeout", "RedrivePolicy"])
    policy = json.loads(kept["Attributes"]["RedrivePolicy"])
    assert int(policy["maxReceiveCount"]) == 5
    # Five tries of the template's are waited for between.
    once = {"VisibilityTimeout": "1", "RedrivePolicy": json.dumps({**policy, "maxReceiveCount": 1})}
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes=once)

    try:
        sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"detail-type": mark}))
        (message,) = wait_for(
            lambda: sqs.receive_message(QueueUrl=dead_letters).get("Messages"),
            what="a message among the dead letters",
        )
    finally:
        sqs.set_queue_attributes(QueueUrl=queue_url, Attributes=kept["Attributes"])

    sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
    assert mark in message["Body"]
