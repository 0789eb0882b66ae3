"""Telling how posts end, and delivering what happened to whoever wants to be told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from openai import OpenAI
from pydantic import JsonValue, ValidationError

from checks.cloudformation import read_template
from mediaposter.ai.webhook_signature import verify_standard_webhook
from mediaposter.domain.errors import ConfigurationError, ErrorCode, PublisherError, VideoModelError
from mediaposter.events import AnyEvent, PostEvent, VideoEvent
from mediaposter.publishing.publisher_interface import PostReport, PostStatus
from mediaposter.stores.posts import PostState
from mediaposter.stores.videos import Stage
from mediaposter.usecases.scheduled.deliver_webhook import RETRY_AFTER_SECONDS, DeliverEvent, Delivery, DeliveryOutcome
from mediaposter.usecases.steps import CloseInput, Outcome, PostStepInput
from mediaposter.usecases.videos.resume import POSTED_WITHIN
from mediaposter.wire.webhooks import QueuedEvent, derive_webhook_secret, sign_webhook
from tests.builders import NOW, OWNER, VIDEO_ID, a_post, a_stored_video, a_video
from tests.fakes.answers import Drop, Refuse
from tests.fakes.clock import Clock
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.publisher import FakePublisher
from tests.fakes.video_model import MP4
from tests.fakes.world import World

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
UNREACHABLE = VideoModelError(ErrorCode.PROVIDER_ERROR, "hooks.example cannot be reached.", transient=True)
LAST_TRY = len(RETRY_AFTER_SECONDS) + 1

STEP = PostStepInput(video_id=VIDEO_ID, post_id="twitter#101")
REFUSED = PublisherError(ErrorCode.INVALID_REQUEST, "No such account.")


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
        self._answers = list(answers or [200])
        self._signing_key = signing_key
        self.recorded: Callable[[AnyEvent], AnyEvent | None] = lambda event: event
        self.deliver = DeliverEvent(
            find_recorded=self._find_recorded,
            post_json=self._receive,
            put_off=lambda receipt_handle, seconds: self.put_off.append((receipt_handle, seconds)),
            signing_key=self._read_signing_key,
            count_metric=self.metrics.append,
            clock=self.clock,
        )

    def bring(self, event: AnyEvent = COMPLETED, *, tries: int = 1) -> Delivery:
        return self.deliver(queued(event, tries=tries))

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


def queued(event: AnyEvent, *, tries: int = 1) -> QueuedEvent:
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


def kept_world(*, publisher: Callable[[Effects], FakePublisher] = FakePublisher, state: PostState) -> World:
    """Build a world whose video is kept, and whose owner wants to be told of its one post."""
    world = World(publisher=publisher)
    stored = a_stored_video().model_copy(update={"size_bytes": len(MP4)})
    world.media.objects[stored.key] = MP4
    video = a_video(stage=Stage.PUBLISHING, stored=stored, completed_at=NOW, webhook_url=URL)
    world.keep(video, a_post(state=state, submission_id="submission-1"))
    return world


def checks_of(status: PostStatus, **facts: str) -> Callable[[Effects], FakePublisher]:
    return partial(FakePublisher, checks=[PostReport(submission_id="", status=status, **facts)])


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_an_event_that_is_taken_is_over(status: int) -> None:
    queue = Queue(status)

    delivery = queue.bring()

    assert delivery == Delivery(outcome=DeliveryOutcome.DELIVERED, reason=f"answered {status}", subject=VIDEO_ID)
    assert delivery.is_over
    assert queue.put_off == []


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


def test_a_failed_video_is_told_with_its_reason() -> None:
    queue = Queue()
    failed = COMPLETED.model_copy(update={"type": "video.failed", "error_code": ErrorCode.CONTENT_POLICY})
    queue.bring(failed)

    body = queue.sent[0].read()
    assert isinstance(body, dict)
    assert (body["type"], body["data"]) == ("video.failed", {"id": VIDEO_ID, "error": {"code": "content_policy"}})


def test_a_video_that_waits_for_a_person_is_told_with_the_end_of_the_wait() -> None:
    queue = Queue()
    queue.bring(COMPLETED.model_copy(update={"type": "video.awaiting_approval", "expires_at": NOW}))

    body = queue.sent[0].read()
    assert isinstance(body, dict)
    expected = {"id": VIDEO_ID, "expires_at": int(NOW.timestamp())}
    assert (body["type"], body["data"]) == ("video.awaiting_approval", expected)


def test_a_published_post_is_told_with_its_address() -> None:
    queue = Queue()
    queue.bring(PUBLISHED)

    body = queue.sent[0].read()
    assert isinstance(body, dict)
    assert body["type"] == "post.published"
    assert body["data"] == {
        "video_id": VIDEO_ID,
        "platform": "twitter",
        "account_id": "101",
        "url": "https://x.example/1",
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


def test_our_own_verification_accepts_the_signature() -> None:
    queue = Queue()
    queue.bring(PUBLISHED)

    (sent,) = queue.sent
    now = queue.clock()
    assert verify_standard_webhook(sent.headers, sent.content, secrets=[SECRET], now=now) == PUBLISHED.id


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


def test_a_receiver_that_is_gone_is_not_tried_again() -> None:
    queue = Queue(410)

    delivery = queue.bring()

    assert (delivery.outcome, delivery.is_over) == (DeliveryOutcome.GONE, True)
    assert queue.put_off == []
    assert queue.metrics == ["WebhooksGone"]


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


def test_after_the_last_try_the_queue_moves_the_message_away_at_once() -> None:
    queue = Queue(500)

    delivery = queue.bring(tries=LAST_TRY)

    assert (delivery.outcome, delivery.is_over) == (DeliveryOutcome.GIVEN_UP, False)
    assert queue.put_off == [(f"handle-{LAST_TRY}", 0)]
    assert queue.metrics == ["WebhooksGivenUp"]


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


def test_each_owner_has_a_secret_of_its_own() -> None:
    assert derive_webhook_secret(SIGNING_KEY, "key_1") != derive_webhook_secret(SIGNING_KEY, "key_2")
    assert derive_webhook_secret(SIGNING_KEY, "key_1") == derive_webhook_secret(SIGNING_KEY, "key_1")


def test_an_event_that_nobody_wants_to_be_told_of_is_dropped() -> None:
    queue = Queue()

    delivery = queue.bring(COMPLETED.model_copy(update={"webhook_url": None}))

    assert (delivery.outcome, delivery.is_over, delivery.subject) == (DeliveryOutcome.DROPPED, True, VIDEO_ID)
    assert (queue.sent, queue.put_off) == ([], [])


def test_what_the_table_does_not_tell_is_dropped_counted_and_not_repeated() -> None:
    queue = Queue()
    queue.recorded = lambda _: None

    delivery = queue.bring()

    assert (delivery.outcome, delivery.is_over, delivery.subject) == (DeliveryOutcome.DROPPED, True, None)
    assert (queue.sent, queue.put_off, queue.metrics) == ([], [], ["WebhooksDropped"])
    assert VIDEO_ID not in delivery.model_dump_json()


def test_what_is_told_and_to_whom_is_what_the_table_says() -> None:
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


def test_an_event_that_is_no_longer_true_when_it_is_tried_again_is_dropped() -> None:
    queue = Queue(500)
    queue.bring(tries=1)
    queue.recorded = lambda _: None

    assert queue.bring(tries=2).outcome is DeliveryOutcome.DROPPED
    assert len(queue.sent) == 1


@pytest.mark.parametrize(
    "body", ["?tk_of_the_receiver", '{"detail": {"type": "video.completed", "webhook_url": ["?tk_of_the_receiver"]}}']
)
def test_a_message_that_cannot_be_read_is_a_fault_that_does_not_repeat_it(body: str) -> None:
    attributes = {"ApproximateReceiveCount": "1"}
    record = {"messageId": "1", "receiptHandle": "1", "attributes": attributes, "body": body}

    with pytest.raises(ValidationError) as raised:
        QueuedEvent.model_validate(record)

    assert "tk_of_the_receiver" not in str(raised.value)


def test_an_event_keeps_its_id_on_its_way_through_the_queue() -> None:
    assert queued(PUBLISHED).event == PUBLISHED
    assert queued(PUBLISHED).event.id == PUBLISHED.id
    assert queued(COMPLETED).event.id == COMPLETED.id


def test_what_happened_to_another_is_another_event() -> None:
    changes: Sequence[dict[str, object]] = [
        {"type": "post.failed"},
        {"video_id": "video_2"},
        {"platform": "tiktok"},
        {"account_id": "102"},
        {"occurred_at": datetime(2026, 12, 2, tzinfo=UTC)},
    ]

    ids = {PUBLISHED.model_copy(update=change).id for change in changes}

    assert len(ids | {PUBLISHED.id}) == len(changes) + 1


def test_the_owner_is_told_of_a_published_post() -> None:
    world = kept_world(
        publisher=checks_of(PostStatus.PUBLISHED, public_url="https://x.example/1"), state=PostState.SUBMITTED
    )

    world.check_post(STEP)

    assert world.post_events == [PUBLISHED.model_copy(update={"occurred_at": world.posts[0].updated_at})]
    assert world.posts[0].is_told


def test_the_owner_is_told_of_a_post_that_the_network_refused() -> None:
    world = kept_world(publisher=checks_of(PostStatus.FAILED, error_message="Too long."), state=PostState.SUBMITTED)

    world.check_post(STEP)

    (event,) = world.post_events
    assert (event.type, event.error_code, event.url) == ("post.failed", ErrorCode.PROVIDER_ERROR, None)


def test_the_owner_is_told_of_a_post_that_the_publisher_refused() -> None:
    world = kept_world(publisher=partial(FakePublisher, publishes=[Refuse(REFUSED)]), state=PostState.PENDING)

    world.create_post(STEP)

    (event,) = world.post_events
    assert (event.type, event.error_code) == ("post.failed", ErrorCode.INVALID_REQUEST)


def test_the_owner_is_told_of_a_post_that_was_never_sent() -> None:
    world = kept_world(state=PostState.PENDING)
    world.clock.advance(POSTED_WITHIN.total_seconds())

    world.close(CloseInput(video_id=VIDEO_ID, fault="States.Timeout"))

    (event,) = world.post_events
    assert (event.type, event.error_code) == ("post.failed", ErrorCode.INTERNAL_ERROR)


def test_of_a_post_in_doubt_there_is_nothing_to_tell() -> None:
    world = kept_world(publisher=partial(FakePublisher, publishes=[Drop(is_accepted=True)]), state=PostState.PENDING)

    world.create_post(STEP)
    world.close(CloseInput(video_id=VIDEO_ID))

    assert world.posts[0].state is PostState.IN_DOUBT
    assert world.post_events == []


def test_of_the_post_of_a_deleted_video_there_is_nobody_to_tell() -> None:
    world = kept_world(publisher=checks_of(PostStatus.PUBLISHED), state=PostState.SUBMITTED)
    world.library.delete(world.video, 0, now=world.clock())

    assert world.check_post(STEP).outcome is Outcome.SETTLED

    assert world.posts[0].state is PostState.PUBLISHED
    assert world.post_events == []


def test_of_a_scheduled_post_there_is_nothing_to_tell_yet() -> None:
    world = kept_world(publisher=checks_of(PostStatus.SCHEDULED), state=PostState.SUBMITTED)

    world.check_post(STEP)

    assert world.post_events == []


@pytest.mark.parametrize("state", [PostState.PUBLISHED, PostState.FAILED])
def test_an_end_that_was_never_told_is_told_by_either_step_that_comes_back(state: PostState) -> None:
    created, checked = kept_world(state=state), kept_world(state=state)

    created.create_post(STEP)
    checked.check_post(STEP)

    assert [event.type for event in created.post_events] == [f"post.{state}"]
    assert [event.type for event in checked.post_events] == [f"post.{state}"]


@pytest.mark.parametrize("state", [PostState.PUBLISHED, PostState.FAILED])
def test_an_end_that_was_never_told_is_told_by_the_close(state: PostState) -> None:
    world = kept_world(state=state)

    world.close(CloseInput(video_id=VIDEO_ID))
    world.close(CloseInput(video_id=VIDEO_ID))

    assert [event.type for event in world.post_events] == [f"post.{state}"]


def test_an_end_is_told_only_when_the_ledger_has_it() -> None:
    # Meanwhile the worker of a stopped execution may make the post; whoever hears that it failed makes another.
    world = World(effects=Effects(never_taken="write POST#twitter#101 failed"))
    world.keep(a_video(stage=Stage.PUBLISHING, stored=a_stored_video(), completed_at=NOW), a_post())
    world.clock.advance(POSTED_WITHIN.total_seconds())

    with pytest.raises(SimulatedCrash):
        world.close(CloseInput(video_id=VIDEO_ID, fault="execution ABORTED"))

    assert world.post_events == []


def test_an_end_that_is_told_twice_has_one_id() -> None:
    world = kept_world(publisher=checks_of(PostStatus.PUBLISHED), state=PostState.SUBMITTED)
    world.clock.advance(60)

    world.check_post(STEP)
    told_but_not_noted = world.posts[0].model_copy(update={"is_told": False})
    world.table.replace(told_but_not_noted, expected_version=told_but_not_noted.version, allowed={})
    world.close(CloseInput(video_id=VIDEO_ID))

    first, second = world.post_events
    assert first == second
    assert first.id == second.id


def test_the_event_of_a_video_names_who_wants_to_be_told() -> None:
    world = kept_world(state=PostState.PUBLISHED)

    world.close(CloseInput(video_id=VIDEO_ID))

    assert world.events == [COMPLETED]


def test_a_crash_before_the_end_was_told_is_made_good_by_the_same_step() -> None:
    # The first effect keeps the records, the second writes the end, the third is to tell it.
    world = World(effects=Effects(Crash(3, Moment.BEFORE)), publisher=checks_of(PostStatus.PUBLISHED))
    world.keep(a_video(webhook_url=URL), a_post(state=PostState.SUBMITTED, submission_id="submission-1"))

    with pytest.raises(SimulatedCrash):
        world.check_post(STEP)
    world.check_post(STEP)

    assert [event.type for event in world.post_events] == ["post.published"]
