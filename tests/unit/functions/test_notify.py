"""The function behind the queue of webhooks: what it delivers, leaves in the queue, and does not log."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel, SqsModel
from openai import OpenAI

from checks.cloudformation import Template
from mediaposter.domain.errors import ErrorCode
from mediaposter.events import SOURCE, EventBus
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.scheduled.deliver_webhook import RETRY_AFTER_SECONDS
from mediaposter.wire.webhooks import QueuedEvent, derive_webhook_secret
from sandbox.faults import Respond
from sandbox.hooks import Deliveries, Delivery, HookScript, OnDelivery, create_app
from sandbox.serving import serve_in_thread
from tests.builders import a_post, a_stored_video, a_target, a_video
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import STACK, Event, Stack, read_event

_OWNER = "key_5f0c1d2e3a4b5c6d"
_VIDEO_ID = "video_019ad1c2e4f08c1de2f3a4b5c6d7e8f9"
_SIGNING_KEY = "a signing key of thirty-two characters, and more"
_TOKEN = "tk_of_the_receiver"
_SAMPLES = ["deliverwebhook-completed", "deliverwebhook-post-last-try"]
_LEAVES_THE_MACHINE = pytest.mark.enable_socket(reason="the receiver listens on loopback")


class Receiver:
    """A running receiver, and the queue before it."""

    def __init__(self, stack: Stack, base_url: str) -> None:
        self._stack = stack
        self._http = httpx.Client(base_url=base_url)
        self.url = f"{base_url}/mediaposter?token={_TOKEN}"

    def answer(self, status: int) -> None:
        rule = OnDelivery(action=Respond(status=status))
        self._http.post("/_sandbox/faults", content=HookScript(rules=(rule,)).model_dump_json()).raise_for_status()

    def deliveries(self) -> tuple[Delivery, ...]:
        return Deliveries.model_validate_json(self._http.get("/_sandbox/calls").content).calls

    def keep(self, webhook_url: str | None) -> None:
        """Keep what the samples tell of: a video that is completed, and a post of it that failed."""
        video = a_video(
            id=_VIDEO_ID, owner=_OWNER, stage=Stage.DONE, stored=a_stored_video(_VIDEO_ID), webhook_url=webhook_url
        )
        failed_at = datetime(2026, 12, 1, 12, 36, 9, 654321, tzinfo=UTC)
        post = a_post(
            a_target("twitter", "101"),
            video_id=_VIDEO_ID,
            state=PostState.FAILED,
            updated_at=failed_at,
            error_code=ErrorCode.PROVIDER_ERROR,
        )
        self._stack.keep(video, post)

    def queue(self, sample: str, **detail: str) -> Event:
        """Put a sample's message into the queue, and take it out as Lambda does."""
        event = read_event(sample)
        (record,) = event["Records"]
        body = json.loads(record["body"])
        body["detail"] |= detail
        queue, queue_url = self._stack.client("sqs"), self._stack.webhook_queue_url
        queue.send_message(QueueUrl=queue_url, MessageBody=json.dumps(body))
        (message,) = queue.receive_message(QueueUrl=queue_url, VisibilityTimeout=600)["Messages"]
        record |= {"body": message["Body"], "receiptHandle": message["ReceiptHandle"]}
        return event

    def is_visible_again(self) -> bool:
        return "Messages" in self._stack.client("sqs").receive_message(QueueUrl=self._stack.webhook_queue_url)


@pytest.fixture
def receiver(stack: Stack) -> Iterator[Receiver]:
    stack.tell(WebhookTransport="any")
    _put_signing_key(stack)
    with serve_in_thread(create_app(), base_path="") as base_url:
        receiver = Receiver(stack, base_url)
        receiver.keep(receiver.url)
        yield receiver


def _put_signing_key(stack: Stack) -> None:
    name = f"/mediaposter/{STACK}/webhook-signing-key"
    stack.client("ssm").put_parameter(Name=name, Value=_SIGNING_KEY, Type="SecureString")


def _message_id(event: Event) -> Any:
    return event["Records"][0]["messageId"]


@pytest.fixture
def bus(stack: Stack, template: Template) -> EventBus:
    """Give the stack's bus, with the template's rule between it and the queue."""
    rule = template.resources["WebhookRule"].properties
    queue = stack.client("sqs").get_queue_attributes(QueueUrl=stack.webhook_queue_url, AttributeNames=["QueueArn"])
    events = stack.client("events")
    events.put_rule(Name="webhooks", EventBusName=STACK, EventPattern=json.dumps(rule["EventPattern"]))
    target = {"Id": "queue", "Arn": queue["Attributes"]["QueueArn"]}
    events.put_targets(Rule="webhooks", EventBusName=STACK, Targets=[target])
    return EventBus(events, STACK)


@pytest.mark.parametrize("name", _SAMPLES)
def test_a_sample_is_what_the_queue_hands_over_of_the_bus(name: str) -> None:
    event = read_event(name)

    SqsModel.model_validate(event)
    body = event["Records"][0]["body"]
    announced = EventBridgeModel.model_validate_json(body)
    assert (announced.source, announced.detail_type) == (SOURCE, json.loads(body)["detail"]["type"])


@pytest.mark.parametrize("name", _SAMPLES)
def test_what_happened_goes_over_the_bus_into_the_queue(stack: Stack, bus: EventBus, name: str) -> None:
    (record,) = read_event(name)["Records"]
    event = QueuedEvent.model_validate(record).event

    bus.send(event)

    (message,) = stack.client("sqs").receive_message(QueueUrl=stack.webhook_queue_url)["Messages"]
    assert QueuedEvent.model_validate({**record, "body": message["Body"]}).event == event


def test_an_event_without_a_receiver_is_not_queued(stack: Stack, bus: EventBus) -> None:
    (record,) = read_event("deliverwebhook-completed")["Records"]
    event = QueuedEvent.model_validate(record).event

    bus.send(event.model_copy(update={"webhook_url": None}))

    assert "Messages" not in stack.client("sqs").receive_message(QueueUrl=stack.webhook_queue_url)


@_LEAVES_THE_MACHINE
def test_a_delivered_event_leaves_the_queue_and_the_sdk_of_openai_accepts_it(
    invoke: Invoke, receiver: Receiver
) -> None:
    assert invoke("DeliverWebhookFunction", receiver.queue("deliverwebhook-completed")) == {"batchItemFailures": []}

    (delivery,) = receiver.deliveries()
    secret = derive_webhook_secret(_SIGNING_KEY, _OWNER)
    OpenAI(api_key="mp_unused").webhooks.verify_signature(delivery.body, delivery.headers, secret=secret)


@_LEAVES_THE_MACHINE
def test_an_event_that_was_not_taken_stays_in_the_queue_for_later(invoke: Invoke, receiver: Receiver) -> None:
    receiver.answer(503)
    event = receiver.queue("deliverwebhook-completed")

    assert invoke("DeliverWebhookFunction", event) == {"batchItemFailures": [{"itemIdentifier": _message_id(event)}]}

    assert not receiver.is_visible_again()


@_LEAVES_THE_MACHINE
def test_after_the_last_try_an_event_is_let_go_at_once(invoke: Invoke, receiver: Receiver) -> None:
    receiver.answer(503)
    event = receiver.queue("deliverwebhook-post-last-try")
    assert event["Records"][0]["attributes"]["ApproximateReceiveCount"] == str(len(RETRY_AFTER_SECONDS) + 1)

    assert invoke("DeliverWebhookFunction", event) == {"batchItemFailures": [{"itemIdentifier": _message_id(event)}]}

    assert receiver.is_visible_again()


@_LEAVES_THE_MACHINE
def test_a_receiver_inside_is_not_reached_where_the_stack_does_not_say_so(
    stack: Stack, invoke: Invoke, receiver: Receiver, log: io.StringIO
) -> None:
    stack.tell(WebhookTransport="https-only")

    answer = invoke("DeliverWebhookFunction", receiver.queue("deliverwebhook-completed"))

    assert len(answer["batchItemFailures"]) == 1
    assert receiver.deliveries() == ()
    assert "Only https URLs" in log.getvalue()


@_LEAVES_THE_MACHINE
def test_a_missing_signing_key_keeps_the_event_and_says_where_it_goes(
    stack: Stack, invoke: Invoke, receiver: Receiver, log: io.StringIO
) -> None:
    stack.client("ssm").delete_parameter(Name=f"/mediaposter/{STACK}/webhook-signing-key")

    answer = invoke("DeliverWebhookFunction", receiver.queue("deliverwebhook-completed"))

    assert len(answer["batchItemFailures"]) == 1
    assert f"/mediaposter/{STACK}/webhook-signing-key" in log.getvalue()


@_LEAVES_THE_MACHINE
@pytest.mark.parametrize("status", [200, 503])
def test_a_log_names_the_event_and_neither_the_query_nor_a_secret(
    invoke: Invoke, receiver: Receiver, log: io.StringIO, status: int
) -> None:
    receiver.answer(status)

    invoke("DeliverWebhookFunction", receiver.queue("deliverwebhook-completed"))

    (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
    (delivery,) = receiver.deliveries()
    assert (line["message"], line["webhook_id"], line["tries"]) == ("webhook", delivery.webhook_id, 1)
    for secret in (_TOKEN, _SIGNING_KEY, derive_webhook_secret(_SIGNING_KEY, _OWNER), delivery.webhook_signature):
        assert secret not in log.getvalue()


@_LEAVES_THE_MACHINE
def test_what_the_table_does_not_tell_is_dropped_and_counted(
    invoke: Invoke,
    receiver: Receiver,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forged = receiver.queue("deliverwebhook-completed", owner="key_of_another")

    assert invoke("DeliverWebhookFunction", forged) == {"batchItemFailures": []}

    assert receiver.deliveries() == ()
    (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
    assert (line["outcome"], line["webhook_id"][:4]) == ("dropped", "evt_")
    assert not {_VIDEO_ID, "key_of_another"} & set(line.values())
    (metric,) = [json.loads(text) for text in capsys.readouterr().out.splitlines() if "_aws" in text]
    assert (metric["stack"], metric["WebhooksDropped"]) == (STACK, [1.0])
