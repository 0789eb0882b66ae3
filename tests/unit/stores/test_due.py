"""The due records, in the order of their times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mediaposter.stores.approvals import open_approval
from mediaposter.stores.due import DueStore, give_due_attributes
from mediaposter.stores.posts import PostStore, post_key
from tests.builders import NOW, a_post, a_target
from tests.fakes.table import InMemoryTable


@pytest.fixture
def table() -> InMemoryTable:
    return InMemoryTable()


def due_of(table: InMemoryTable, *, now: datetime = NOW) -> list[str]:
    return [entry.key.sk for entry in DueStore(table).list(now=now)]


def keep_due(table: InMemoryTable, account_id: str, due_at: datetime | None) -> None:
    table.create([a_post(a_target(account_id=account_id), due_at=due_at)])


def test_what_is_never_due_is_in_no_list(table: InMemoryTable) -> None:
    keep_due(table, "1", None)

    assert due_of(table, now=NOW + timedelta(days=9_999)) == []
    assert give_due_attributes(None) == {}


def test_what_is_due_is_listed_after_its_time(table: InMemoryTable) -> None:
    keep_due(table, "1", NOW)

    assert due_of(table, now=NOW - timedelta(seconds=1)) == []
    assert due_of(table, now=NOW) == []
    assert due_of(table, now=NOW + timedelta(microseconds=1)) == ["POST#twitter#1"]


def test_what_is_due_longest_comes_first_whatever_its_kind_and_its_time_zone(table: InMemoryTable) -> None:
    keep_due(table, "third", NOW.replace(microsecond=1))
    keep_due(table, "first", datetime(2026, 12, 1, 13, 59, tzinfo=timezone(timedelta(hours=3))))
    keep_due(table, "fourth", datetime(2026, 12, 1, 12, 1, tzinfo=UTC))
    table.commit([open_approval("video_2", now=NOW - timedelta(hours=1, seconds=1), hours=1)])

    assert due_of(table, now=NOW + timedelta(hours=1)) == [
        "POST#twitter#first",
        "APPROVAL",
        "POST#twitter#third",
        "POST#twitter#fourth",
    ]


def test_everything_that_is_due_is_listed_however_much_it_is(table: InMemoryTable) -> None:
    for number in range(250):
        # Many at the same moment: a page ends among them.
        keep_due(table, f"{number:03}", NOW + timedelta(seconds=number // 60))

    listed = due_of(table, now=NOW + timedelta(days=1))

    assert listed == [f"POST#twitter#{number:03}" for number in range(250)]


def test_an_alarm_is_moved_by_one_alone_and_is_no_new_version_of_its_record(table: InMemoryTable) -> None:
    keep_due(table, "1", NOW)
    later = NOW + timedelta(minutes=2)
    [entry] = DueStore(table).list(now=NOW + timedelta(seconds=1))
    assert entry.key == post_key("video_1", "twitter#1")

    moved = DueStore(table).postpone(entry, later)

    assert moved is not None
    assert DueStore(table).postpone(entry, later) is None, "another sweep has moved it"
    assert due_of(table, now=later) == []
    assert [table.items[entry.key][name] for name in ("version", "due_at")] == [1, moved.value]
    assert DueStore(table).postpone(moved, later + timedelta(hours=1)) is not None


def test_the_alarm_of_what_was_written_meanwhile_is_not_moved(table: InMemoryTable) -> None:
    keep_due(table, "1", NOW)
    [entry] = DueStore(table).list(now=NOW + timedelta(seconds=1))
    post_store = PostStore(table)
    post_store.note(post_store.get_unchecked("video_1", "twitter#1"), due_at=None)

    assert DueStore(table).postpone(entry, NOW + timedelta(days=1)) is None
    assert due_of(table, now=NOW + timedelta(days=9)) == []
