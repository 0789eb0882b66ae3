"""Sending the events of posts, and delivering events to their receivers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from openai import OpenAI
from pydantic import JsonValue, ValidationError

from checks.cloudformation import read_template
from mediaposter.ai.webhook_signature import verify_standard_webhook
from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError
from mediaposter.domain.receipt import Receipt
from mediaposter.events import AnyEvent, ApprovalNotice, PostEvent, VideoEvent
from mediaposter.publishing.publisher_interface import PostReport, PostStatus
from mediaposter.stores.posts import PostState
from mediaposter.usecases.scheduled.deliver_webhook import RETRY_AFTER_SECONDS, DeliverEvent, Delivery, DeliveryOutcome
from mediaposter.usecases.steps import CloseInput
from mediaposter.usecases.videos.resume import POSTED_WITHIN
from mediaposter.wire.chats import ChatAddress
from mediaposter.wire.webhooks import QueuedEvent, derive_webhook_secret, sign_webhook
from tests.builders import NOW, OWNER, VIDEO_ID
from tests.fakes.clock import Clock
from tests.fakes.effects import Effects, SimulatedCrash
from tests.unit.usecases.posting import STEP, a_kept_video, kept_world

URL = "https://hooks.example/mediaposter?token=tk_of_the_receiver"
SIGNING_KEY = "a signing key of thirty-two characters, and more"
SECRET = derive_webhook_secret(SIGNING_KEY, OWNER)
COMPLETED = VideoEvent(
    type="video.completed", video_id=VIDEO_ID, owner=OWNER, occurred_at=NOW, webhook_url=URL, error_code=None
)
PUBLISHED = PostEvent(
    type="post.published",
    video_id=VIDEO_ID,
    owner=OWNER,
    occurred_at=NOW,
    webhook_url=URL,
    platform="twitter",
    account_id="101",
    url="https://x.example/1",
)
NOTICE = ApprovalNotice(video_id=VIDEO_ID, owner=OWNER, occurred_at=NOW, channel="slack")
UNREACHABLE = VideoModelError(ErrorCode.PROVIDER_ERROR, "hooks.example cannot be reached.", transient=True)
LAST_TRY = len(RETRY_AFTER_SECONDS) + 1


class Sent(NamedTuple):
    """What a receiver was sent."""

    url: str
    content: bytes
    headers: Mapping[str, str]

    def read(self) -> JsonValue:
        read: JsonValue = json.loads(self.content)
        return read


class Queue:
    """A queue and a receiver behind it, which answers in turn and repeats its last answer."""

    def __init__(self, *answers: int | VideoModelError, signing_key: str | None = SIGNING_KEY) -> None:
        self.sent: list[Sent] = []
        self.put_off: list[tuple[str, int]] = []
        self.metrics: list[str] = []
        self.clock = Clock()
        self.asked: list[tuple[str, int]] = []
        self.told: list[tuple[str, str, int]] = []
        self.receipt: Receipt | None = Receipt(200)
        self._answers = list(answers or [200])
        self._signing_key = signing_key
        self.recorded: Callable[[AnyEvent], AnyEvent | None] = lambda event: event
        self.deliver = DeliverEvent(
            find_recorded=self._find_recorded,
            post_json=self._receive,
            notices=self,
            put_off=lambda receipt_handle, seconds: self.put_off.append((receipt_handle, seconds)),
            signing_key=self._read_signing_key,
            count_metric=self.metrics.append,
            clock=self.clock,
        )

    def bring(self, event: AnyEvent | ApprovalNotice = COMPLETED, *, tries: int = 1) -> Delivery:
        return self.deliver(queued(event, tries=tries))

    def ask(self, notice: ApprovalNotice, *, tries: int) -> Receipt | None:
        """Take a notice for the people of the stack."""
        self.asked.append((notice.channel, tries))
        return self.receipt

    def tell(self, event: AnyEvent, address: ChatAddress, *, tries: int) -> Receipt | None:
        """Take an event for the chat of a key."""
        self.told.append((event.type, address.kind, tries))
        return self.receipt

    def _find_recorded(self, event: AnyEvent) -> AnyEvent | None:
        return self.recorded(event)

    def _receive(self, url: str, content: bytes, *, headers: Mapping[str, str]) -> int:
        self.sent.append(Sent(url, content, headers))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, VideoModelError):
            raise answer
        return answer

    def _read_signing_key(self) -> str:
        if self._signing_key is None:
            raise ConfigurationError("The secret webhook-signing-key is missing.")
        return self._signing_key


def queued(event: AnyEvent | ApprovalNotice, *, tries: int = 1) -> QueuedEvent:
    """Put an event into a queue's message, as EventBridge and Lambda do."""
    announcement = {
        "id": "c3f1a9d2-4b57-4e86-9f0a-1d2e3f4a5b6c",
        "detail-type": event.type,
        "source": "mediaposter",
        "detail": event.model_dump(mode="json", exclude_none=True),
    }
    return QueuedEvent.model_validate(
        {
            "messageId": "message-1",
            "receiptHandle": f"handle-{tries}",
            "attributes": {"ApproximateReceiveCount": str(tries)},
            "body": json.dumps(announcement),
        }
    )


def test_a_completed_video_is_told_as_openai_tells_it() -> None:
    queue = Queue()
    queue.bring()

    (sent,) = queue.sent
    assert sent.url == URL
    assert sent.read() == {
        "id": COMPLETED.id,
        "object": "event",
        "type": "video.completed",
        "created_at": int(NOW.timestamp()),
        "data": {"id": VIDEO_ID},
    }


def test_neither_the_receivers_address_nor_the_owner_is_in_the_body() -> None:
    queue = Queue()
    queue.bring(PUBLISHED)

    assert b"hooks.example" not in queue.sent[0].content
    assert OWNER.encode() not in queue.sent[0].content


def test_the_sdk_of_openai_accepts_the_signature() -> None:
    queue = Queue()
    queue.clock.now = datetime.now(UTC)  # the SDK looks at the clock itself
    queue.bring()

    (sent,) = queue.sent
    OpenAI(api_key="mp_unused").webhooks.verify_signature(sent.content, sent.headers, secret=SECRET)


def test_a_signature_is_that_of_the_specification() -> None:
    # The example of github.com/standard-webhooks/standard-webhooks, in its libraries' tests.
    headers = sign_webhook(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        now=datetime.fromtimestamp(1614265330, UTC),
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_another_try_is_the_same_webhook_signed_anew() -> None:
    queue = Queue(500, 200)
    queue.bring(tries=1)
    queue.clock.advance(5)
    queue.bring(tries=2)

    first, second = queue.sent
    assert first.content == second.content
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == COMPLETED.id
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 5
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


@pytest.mark.parametrize(
    ("answer", "tries", "outcome", "put_off", "metric"),
    [
        (410, 1, DeliveryOutcome.GONE, [], "WebhooksGone"),
        (500, LAST_TRY, DeliveryOutcome.GIVEN_UP, [(f"handle-{LAST_TRY}", 0)], "WebhooksGivenUp"),
    ],
    ids=["gone", "the last try, after which the queue moves it away at once"],
)
def test_a_receiver_is_not_tried_for_ever(
    answer: int, tries: int, outcome: DeliveryOutcome, put_off: list[tuple[str, int]], metric: str
) -> None:
    queue = Queue(answer)

    delivery = queue.bring(tries=tries)

    assert (delivery.outcome, delivery.is_over) == (outcome, outcome is DeliveryOutcome.GONE)
    assert (queue.put_off, queue.metrics) == (put_off, [metric])


@pytest.mark.parametrize("answer", [100, 199, 300, 302, 400, 401, 404, 409, 429, 500, 503, UNREACHABLE], ids=str)
def test_whatever_else_a_receiver_does_it_is_tried_again(answer: int | VideoModelError) -> None:
    queue = Queue(answer)

    delivery = queue.bring()

    assert (delivery.outcome, delivery.is_over) == (DeliveryOutcome.PUT_OFF, False)
    assert queue.put_off == [("handle-1", 5)]


@pytest.mark.parametrize(("tries", "seconds"), list(enumerate(RETRY_AFTER_SECONDS, start=1)))
def test_each_try_is_longer_after_the_one_before(tries: int, seconds: int) -> None:
    queue = Queue(500)

    assert queue.bring(tries=tries).retry_after_seconds == seconds
    assert queue.put_off == [(f"handle-{tries}", seconds)]


def test_a_receiver_is_tried_for_a_day() -> None:
    assert sum(RETRY_AFTER_SECONDS) == 24 * 60 * 60
    # SQS hides a message for 12 hours at the most.
    assert max(RETRY_AFTER_SECONDS) <= 12 * 60 * 60


def test_the_queue_brings_a_message_as_often_and_as_long_as_it_is_tried() -> None:
    template = read_template(Path(__file__).parents[3] / "template.yaml")
    queue = template.resources["WebhookQueue"].properties

    assert queue["RedrivePolicy"]["maxReceiveCount"] == LAST_TRY
    # What is older is dropped, not moved to the dead letters. An hour is for the tries themselves.
    assert queue["MessageRetentionPeriod"] >= sum(RETRY_AFTER_SECONDS) + 3_600
    assert queue["VisibilityTimeout"] >= 6 * template.globals["Timeout"]


def test_without_a_signing_key_an_event_is_kept_and_nothing_is_sent() -> None:
    queue = Queue(signing_key=None)

    delivery = queue.bring()

    assert queue.sent == []
    assert queue.put_off == [("handle-1", 5)]
    assert delivery.reason == "The secret webhook-signing-key is missing."


def test_a_signing_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="fewer than 32 characters"):
        derive_webhook_secret("x" * 31, OWNER)


@pytest.mark.parametrize(
    ("recorded", "subject"),
    [(COMPLETED.model_copy(update={"webhook_url": None}), VIDEO_ID), (None, None)],
    ids=["without a receiver", "not in the table"],
)
def test_what_is_to_be_told_to_nobody_is_dropped_counted_and_not_repeated(
    recorded: AnyEvent | None, subject: str | None
) -> None:
    queue = Queue()
    queue.recorded = lambda _: recorded

    delivery = queue.bring()

    assert (delivery.outcome, delivery.is_over, delivery.subject) == (DeliveryOutcome.DROPPED, True, subject)
    assert (queue.sent, queue.put_off, queue.metrics) == ([], [], ["WebhooksDropped"])
    assert (VIDEO_ID in delivery.model_dump_json()) is (subject is not None)


def test_the_event_and_its_receiver_are_those_of_the_table() -> None:
    queue = Queue()
    queue.recorded = lambda _: COMPLETED
    forged = COMPLETED.model_copy(
        update={"webhook_url": "https://attacker.example/", "owner": "key_of_another", "type": "video.failed"}
    )

    queue.bring(forged)

    (sent,) = queue.sent
    body = sent.read()
    assert isinstance(body, dict)
    assert (sent.url, body["type"]) == (URL, "video.completed")
    assert verify_standard_webhook(sent.headers, sent.content, secrets=[SECRET], now=queue.clock()) == COMPLETED.id


@pytest.mark.parametrize(
    "body", ["?tk_of_the_receiver", '{"detail": {"type": "video.completed", "webhook_url": ["?tk_of_the_receiver"]}}']
)
def test_a_message_that_cannot_be_read_is_a_fault_that_does_not_repeat_it(body: str) -> None:
    attributes = {"ApproximateReceiveCount": "1"}
    record = {"messageId": "1", "receiptHandle": "1", "attributes": attributes, "body": body}

    with pytest.raises(ValidationError) as raised:
        QueuedEvent.model_validate(record)

    assert "tk_of_the_receiver" not in str(raised.value)


def test_the_people_of_the_stack_are_told_without_a_receiver_of_the_owner() -> None:
    queue = Queue()

    delivery = queue.bring(NOTICE, tries=3)

    assert (delivery.outcome, delivery.subject) == (DeliveryOutcome.DELIVERED, VIDEO_ID)
    assert (queue.asked, queue.sent) == ([("slack", 3)], [])


def test_a_question_that_was_answered_is_dropped() -> None:
    queue = Queue()
    queue.receipt = None

    assert queue.bring(NOTICE).outcome is DeliveryOutcome.DROPPED
    assert queue.put_off == []


@pytest.mark.parametrize(("asked_for", "seconds"), [(1.5, 5), (41.2, 42), (90_000, 3_600)], ids=str)
def test_a_chat_that_asks_for_time_gets_it_within_an_hour(asked_for: float, seconds: int) -> None:
    queue = Queue()
    queue.receipt = Receipt(429, asked_for)

    assert queue.bring(NOTICE).retry_after_seconds == seconds


def test_the_webhook_of_a_chat_gets_a_message_in_its_shape() -> None:
    queue = Queue()

    queue.bring(PUBLISHED.model_copy(update={"webhook_url": "https://hooks.slack.com/services/T0/B0/secret"}))

    assert (queue.told, queue.sent) == ([("post.published", "slack", 1)], [])


def test_what_happened_to_another_is_another_event() -> None:
    others = {"type": "post.failed", "video_id": "video_2", "platform": "tiktok", "account_id": "102"}
    changes: list[dict[str, object]] = [{name: other} for name, other in others.items()]
    changes.append({"occurred_at": datetime(2026, 12, 2, tzinfo=UTC)})

    ids = {PUBLISHED.model_copy(update=change).id for change in changes}

    assert len(ids | {PUBLISHED.id}) == len(changes) + 1


def test_the_owner_is_told_of_a_published_post() -> None:
    published = PostReport(submission_id="", status=PostStatus.PUBLISHED, public_url="https://x.example/1")
    submitted: dict[str, Any] = {"state": PostState.SUBMITTED, "submission_id": "submission-1"}
    world = kept_world(checks=(published,), video=a_kept_video(webhook_url=URL), **submitted)

    world.check_post(STEP)

    assert world.post_events == [PUBLISHED.model_copy(update={"occurred_at": world.posts[0].updated_at})]
    assert world.posts[0].is_told


def test_an_end_is_told_only_when_the_ledger_has_it() -> None:
    # Meanwhile the worker of a stopped execution may make the post; a receiver of the failure makes another.
    world = kept_world(effects=Effects(never_taken="write POST#twitter#101 failed"))
    world.clock.advance(POSTED_WITHIN.total_seconds())

    with pytest.raises(SimulatedCrash):
        world.close(CloseInput(video_id=VIDEO_ID, fault="execution ABORTED"))

    assert world.post_events == []
