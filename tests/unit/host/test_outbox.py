"""What is to be done after a write: kept with it, taken when it is due, and again until it was done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mediaposter.domain.receipt import Receipt
from mediaposter.events import AnyEvent, ApprovalNotice, VideoEvent
from mediaposter.host.database import Database
from mediaposter.host.outbox import Kind, Message, Outbox
from mediaposter.host.table import SqliteTable
from mediaposter.stores.table import Increase, Key
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.scheduled.deliver_webhook import RETRY_AFTER_SECONDS, DeliverEvent, DeliveryOutcome
from mediaposter.wire.chats import ChatAddress
from mediaposter.wire.webhooks import QueuedEvent
from tests.builders import a_video
from tests.fakes.clock import Clock


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "host.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(database: Database, clock: Clock) -> Outbox:
    return Outbox(database, clock=clock.monotonic)


def record(outbox: Outbox, database: Database, kept: Mapping[str, Any], item: Mapping[str, Any]) -> list[Message]:
    with database.write() as connection:
        outbox.record_change(connection, kept, item)
    return outbox.take()


# What is recorded

VIDEO = {"pk": "VIDEO#video_1", "sk": "VIDEO"}
SLOTS = {"pk": "SLOTS#sora", "sk": "SLOTS"}
TOTALS = {"pk": "BATCH#batch_1", "sk": "TOTALS"}
BATCH = {"pk": "BATCH#batch_1", "sk": "BATCH"}


@pytest.mark.parametrize(
    ("kept", "item", "expected"),
    [
        ({}, VIDEO, (Kind.ANNOUNCE, "video_1")),
        ({}, {**SLOTS, "waiting": 1}, (Kind.DISPATCH, "sora")),
        ({**SLOTS, "waiting": 2}, {**SLOTS, "waiting": 1}, (Kind.DISPATCH, "sora")),
        ({}, {**TOTALS, "videos": 2, "settled": 2}, (Kind.WATCH_BATCH, "batch_1")),
        ({**BATCH, "stage": "taking"}, {**BATCH, "stage": "running"}, (Kind.WATCH_BATCH, "batch_1")),
    ],
    ids=["a new video", "a first one waits", "one fewer waits", "the last video of a batch", "a batch runs"],
)
def test_a_write_that_has_a_consequence_leaves_a_message(
    outbox: Outbox, database: Database, kept: dict[str, Any], item: dict[str, Any], expected: tuple[Kind, str]
) -> None:
    assert [message[1:3] for message in record(outbox, database, kept, item)] == [expected]


@pytest.mark.parametrize(
    ("kept", "item"),
    [
        (VIDEO, VIDEO),
        ({}, {"pk": "VIDEO#video_1", "sk": "POST#twitter#101"}),
        ({**SLOTS, "waiting": 1}, {**SLOTS, "waiting": 0}),
        ({}, {**SLOTS, "in_flight": 1}),
        ({}, {**TOTALS, "videos": 2, "settled": 1}),
        ({**BATCH, "stage": "running"}, {**BATCH, "stage": "running"}),
    ],
    ids=["a video again", "a post", "none waits", "a slot is taken", "a batch has videos left", "a batch goes on"],
)
def test_any_other_write_leaves_none(
    outbox: Outbox, database: Database, kept: dict[str, Any], item: dict[str, Any]
) -> None:
    assert record(outbox, database, kept, item) == []


def test_a_message_is_kept_with_its_write_or_not_at_all(database: Database, outbox: Outbox) -> None:
    def break_down(*change: Any) -> None:
        outbox.record_change(*change)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        VideoStore(SqliteTable(database, record_change=break_down)).create(a_video(), [])
    assert outbox.take() == []

    VideoStore(SqliteTable(database, record_change=outbox.record_change)).create(a_video(), [])
    assert [message.kind for message in outbox.take()] == [Kind.ANNOUNCE]


def test_the_real_counters_are_what_is_listened_to(database: Database, outbox: Outbox) -> None:
    table = SqliteTable(database, record_change=outbox.record_change)

    table.commit([Increase(Key("SLOTS#sora", "SLOTS"), {"waiting": 1})])

    assert [message[1:3] for message in outbox.take()] == [(Kind.DISPATCH, "sora")]


# Taken, and again


def test_what_is_added_wakes_by_its_kind_and_is_taken_once(outbox: Outbox) -> None:
    woken: list[Kind] = []
    outbox.wake = woken.append

    outbox.add(Kind.WEBHOOK, "{}")
    outbox.add(Kind.INTAKE, "{}")

    assert woken == [Kind.WEBHOOK, Kind.INTAKE]
    assert [message.kind for message in outbox.take()] == [Kind.WEBHOOK, Kind.INTAKE]
    assert outbox.take() == []


def test_the_same_message_waits_once(outbox: Outbox) -> None:
    for _ in range(2):
        outbox.add(Kind.DISPATCH, "sora")
    outbox.add(Kind.DISPATCH, "fal")

    assert [message.body for message in outbox.take()] == ["sora", "fal"]


def test_only_the_kinds_that_are_asked_for_are_taken(outbox: Outbox, clock: Clock) -> None:
    outbox.add(Kind.WEBHOOK, "{}")
    clock.advance(1)
    outbox.add(Kind.DISPATCH, "sora")

    assert [message.kind for message in outbox.take([Kind.DISPATCH])] == [Kind.DISPATCH]
    assert (outbox.next_in([Kind.DISPATCH]), outbox.next_in([Kind.WEBHOOK])) == (2, 0)
    assert outbox.next_in([Kind.INTAKE]) is None


def test_what_is_not_removed_comes_again_twice_as_late_each_time_and_is_given_up_in_the_end(
    outbox: Outbox, clock: Clock
) -> None:
    outbox.add(Kind.ANNOUNCE, "video_1")
    waits: list[float] = []
    while not outbox.is_hopeless(message := outbox.take()[0]):
        wait = outbox.next_in()
        assert wait is not None
        clock.advance(wait - 0.001)
        assert outbox.take() == []
        clock.advance(0.001)
        waits.append(wait)

    assert [*waits[:4], *waits[-2:]] == [2, 4, 8, 16, 300, 300]
    assert message.tries == 50


def test_what_was_handled_is_removed(outbox: Outbox, clock: Clock) -> None:
    outbox.add(Kind.ANNOUNCE, "video_1")

    outbox.remove(outbox.take()[0])
    clock.advance(1_000)

    assert (outbox.take(), outbox.next_in()) == ([], None)


def test_what_was_added_again_while_it_was_handled_is_neither_removed_nor_put_off(outbox: Outbox) -> None:
    outbox.add(Kind.DISPATCH, "sora")
    [message] = outbox.take()
    outbox.add(Kind.DISPATCH, "sora")

    outbox.remove(message)
    outbox.put_off(message.receipt, 1_000)

    assert [again.tries for again in outbox.take()] == [1]


def test_a_message_of_a_process_that_was_killed_is_taken_by_the_next(database: Database, clock: Clock) -> None:
    before = Outbox(database, clock=clock.monotonic)
    before.add(Kind.WEBHOOK, "{}")
    before.take()

    clock.advance(2)

    assert [message.tries for message in Outbox(database, clock=clock.monotonic).take()] == [2]


# Webhooks: the use case counts by the tries of the outbox, and says when


class _NoNotices:
    """Nobody to tell: these events have receivers of their own."""

    def ask(self, notice: ApprovalNotice, *, tries: int) -> Receipt | None:
        raise NotImplementedError

    def tell(self, event: AnyEvent, address: ChatAddress, *, tries: int) -> Receipt | None:
        raise NotImplementedError


def test_a_receiver_that_is_down_is_tried_for_24_hours(outbox: Outbox, clock: Clock) -> None:
    def refuse(*_: object, **__: object) -> int:
        return 503

    began, tried = clock(), []
    event = VideoEvent.model_validate(
        {
            "type": "video.completed", "id": "evt_1", "owner": "ann", "video_id": "video_1", "status": "completed",
            "model": "sora-2", "webhook_url": "https://receiver.example/hook", "occurred_at": began,
        }
    )  # fmt: skip
    deliver = DeliverEvent(
        find_recorded=lambda found: found,
        post_json=refuse,
        notices=_NoNotices(),
        put_off=outbox.put_off,
        signing_key=lambda: "s" * 32,
        count_metric=lambda _: None,
        clock=clock,
    )
    outbox.add(Kind.WEBHOOK, event.model_dump_json(exclude_none=True))
    outcome = DeliveryOutcome.PUT_OFF
    while outcome is DeliveryOutcome.PUT_OFF:
        clock.advance(outbox.next_in() or 0)
        [message] = outbox.take()
        tried.append(clock() - began)
        outcome = deliver(_as_queued(message)).outcome

    assert outcome is DeliveryOutcome.GIVEN_UP
    assert (len(tried), tried[1], tried[-1]) == (
        len(RETRY_AFTER_SECONDS) + 1, timedelta(seconds=5), timedelta(hours=24),
    )  # fmt: skip


def _as_queued(message: Message) -> QueuedEvent:
    return QueuedEvent.model_validate(
        {
            "messageId": str(message.number),
            "receiptHandle": message.receipt,
            "attributes": {"ApproximateReceiveCount": message.tries},
            "body": f'{{"detail": {message.body}}}',
        }
    )
