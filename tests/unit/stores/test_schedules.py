"""Which posts are listed as waiting for their time, and where they stand in the list."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mediaposter.stores.posts import Post, PostState, PostStore
from tests.builders import NOW, OWNER, VIDEO_ID, a_post, a_target
from tests.fakes.table import InMemoryTable


def scheduled_post(account_id: str = "101", **changes: Any) -> Post:
    fields = {"owner": OWNER, "state": PostState.SCHEDULED, "scheduled_time": NOW}
    return a_post(a_target("twitter", account_id), **{**fields, **changes})


def ledger_of(*posts: Post) -> PostStore:
    table = InMemoryTable()
    table.create(posts)
    return PostStore(table)


def list_accounts(post_store: PostStore, **query: Any) -> list[str]:
    page = post_store.list_schedules(OWNER, **{"limit": 100, "after": None, **query})
    return [post.target.account_id for post in page.posts]


def test_only_what_is_scheduled_is_in_the_index() -> None:
    for state in set(PostState) - {PostState.SCHEDULED}:
        assert scheduled_post(state=state).index_attributes() == {}


@pytest.mark.parametrize("owner", [None, "key_of_another"])
def test_what_is_not_the_owners_is_not_listed(owner: str | None) -> None:
    assert list_accounts(ledger_of(scheduled_post(owner=owner))) == []
    assert "" not in scheduled_post(owner=owner).index_attributes().values()


def test_the_sweep_finds_a_scheduled_post_as_well() -> None:
    assert {"due", "due_at", "schedule_owner", "schedule_place"} == set(scheduled_post(due_at=NOW).index_attributes())


def test_times_are_compared_whatever_their_offset() -> None:
    east = (NOW - timedelta(hours=1)).astimezone(timezone(timedelta(hours=9)))

    assert list_accounts(ledger_of(scheduled_post("1"), scheduled_post("2", scheduled_time=east))) == ["2", "1"]


def test_a_post_whose_time_the_publisher_kept_to_itself_is_listed() -> None:
    assert list_accounts(ledger_of(scheduled_post(scheduled_time=None))) == ["101"]


def test_the_pages_of_posts_that_go_out_at_once_hold_each_once() -> None:
    post_store = ledger_of(*(scheduled_post(account_id) for account_id in "abcde"))
    seen: list[str] = []
    after = None

    for _ in range(3):
        page = post_store.list_schedules(OWNER, limit=2, after=after)
        seen += [post.target.account_id for post in page.posts]
        after = page.last

    assert (seen, page.has_more) == (list("abcde"), False)


def test_a_post_that_was_moved_stands_at_its_new_place() -> None:
    post_store = ledger_of(scheduled_post("1"), scheduled_post("2", scheduled_time=NOW + timedelta(hours=1)))

    post_store.advance(
        post_store.get_unchecked(VIDEO_ID, "twitter#1"),
        PostState.SCHEDULED,
        now=NOW,
        scheduled_time=NOW + timedelta(hours=2),
    )

    assert list_accounts(post_store) == ["2", "1"]


class LaggingTable(InMemoryTable):
    """A table whose indexes still show what was scheduled."""

    def get_many(self, keys: Any) -> list[dict[str, Any]]:
        return [{**item, "state": "published"} for item in super().get_many(keys)]


def test_what_went_out_a_moment_ago_is_left_out_and_the_page_goes_on_behind_it() -> None:
    table = LaggingTable()
    table.create([scheduled_post("1"), scheduled_post("2")])

    page = PostStore(table).list_schedules(OWNER, limit=1, after=None)

    assert (page.posts, page.has_more) == ([], True)
    assert page.last == scheduled_post("1").place


def test_places_are_texts_that_sort_as_times_do() -> None:
    times = [datetime.fromisoformat(text) for text in ("2026-12-01T09:00:00.5Z", "2026-12-01T09:00:01Z")]

    places = [scheduled_post(scheduled_time=time).place for time in times]

    assert places == sorted(places)
    assert places[0] == f"2026-12-01T09:00:00.500000Z~{VIDEO_ID}~twitter~101"
