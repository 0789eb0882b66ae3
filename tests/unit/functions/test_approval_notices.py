"""DeliverWebhookFunction tells the people of a stack: in chats by their secrets, and by e-mail through its topic."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mediaposter.stores.approvals import open_approval
from mediaposter.stores.video_stages import Stage
from sandbox.people import SLACK_PATH, TELEGRAM_CHAT, TELEGRAM_TOKEN, People, meet_people
from tests.builders import a_post, a_stored_video, a_target, a_video, an_attempt
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import BUCKET, STACK, Event, Stack, read_event

pytestmark = pytest.mark.enable_socket(reason="the chats listen on loopback")

_VIDEO_ID = "video_019ad1c2e4f08c1de2f3a4b5c6d7e8f9"
_OWNER = "key_5f0c1d2e3a4b5c6d"
_FUNCTION = "DeliverWebhookFunction"
_PUBLIC_URL = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1"


@pytest.fixture
def people(stack: Stack) -> Iterator[People]:
    """Keep a video that waits, and run the chats."""
    stored = a_stored_video(_VIDEO_ID)
    video = a_video(id=_VIDEO_ID, owner=_OWNER, stage=Stage.AWAITING_APPROVAL, stored=stored, attempts=(an_attempt(),))
    stack.keep(video, a_post(a_target("threads"), video_id=_VIDEO_ID, text="Up & away"))
    stack.table.commit([open_approval(_VIDEO_ID, now=datetime.now(UTC) - timedelta(hours=1), hours=24)])
    stack.client("s3").put_object(Bucket=BUCKET, Key=stored.spritesheet_key, Body=b"\xff\xd8frames")
    stack.tell(WebhookTransport="any", ApprovalTelegramChat=TELEGRAM_CHAT)
    with meet_people() as people:
        put_secret(stack, "public-url", _PUBLIC_URL)
        put_secret(stack, "approvals/slack-url", people.variables["APPROVAL_SLACK_URL"])
        put_secret(stack, "approvals/telegram-token", TELEGRAM_TOKEN)
        yield people


def put_secret(stack: Stack, name: str, value: str) -> None:
    stack.client("ssm").put_parameter(Name=f"/mediaposter/{STACK}/{name}", Value=value, Type="SecureString")


def a_notice(channel: str) -> Event:
    event = read_event("deliverwebhook-approval-notice")
    (record,) = event["Records"]
    record["body"] = record["body"].replace('"channel":"slack"', f'"channel":"{channel}"')
    return event


def test_slack_is_sent_to_the_address_in_the_secret_with_a_signed_picture(
    stack: Stack, invoke: Invoke, people: People, log: io.StringIO
) -> None:
    assert invoke(_FUNCTION, a_notice("slack")) == {"batchItemFailures": []}

    (message,) = people.slack
    text = json.dumps(message)
    assert f"{_PUBLIC_URL}/studio#/approvals/{_VIDEO_ID}" in text
    assert "Up &amp; away" in text
    assert "X-Amz-Signature" in message["blocks"][-1]["image_url"]
    logged = log.getvalue()
    assert "answered 200" in logged
    assert SLACK_PATH not in logged


def test_an_email_is_published_to_the_topic(stack: Stack, invoke: Invoke, people: People) -> None:
    del people
    topic = stack.client("sns").create_topic(Name="approvals")["TopicArn"]
    queue = stack.client("sqs").create_queue(QueueName="mail")["QueueUrl"]
    attributes = stack.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"])
    stack.tell(ApprovalEmail="ann@people.example", ApprovalTopic=topic)

    assert invoke(_FUNCTION, a_notice("email")) == {"batchItemFailures": []}

    (mail,) = stack.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    published: dict[str, Any] = json.loads(mail["Body"])
    assert published["Subject"] == "A video waits for your approval: 1 post, $0.40"
    assert f"/studio#/approvals/{_VIDEO_ID}" in published["Message"]


def test_the_question_goes_to_each_channel_that_the_stack_has(stack: Stack) -> None:
    assert stack.environment_of("AwaitApprovalFunction")["APPROVAL_CHANNELS"] == ","
    stack.tell(ApprovalChannels="slack, telegram", ApprovalEmail="ann@people.example")

    assert stack.environment_of("AwaitApprovalFunction")["APPROVAL_CHANNELS"] == "slack, telegram,email"
