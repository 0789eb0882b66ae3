"""Reading posts, and no more than the caller asked for."""

from __future__ import annotations

from typing import Any

import pytest

from mediaposter.domain.errors import NotFound
from mediaposter.stores.approvals import Approval, ApprovalStore
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import PostState, PostStore
from mediaposter.stores.table import Key
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.read_posts import ReadPosts
from mediaposter.wire.caller import Caller
from mediaposter.wire.queries import ScheduleQuery
from tests.builders import NOW, OWNER, VIDEO_ID, a_caller, a_post, a_video
from tests.fakes.table import InMemoryTable

ADMIN = a_caller(owner="key_of_the_boss", scopes=frozenset({Scope.ADMIN}))
STRANGER = a_caller(owner="key_of_another")
SCHEDULED = a_post(owner=OWNER, state=PostState.SCHEDULED, scheduled_time=NOW)


class CountingTable(InMemoryTable):
    """A table that remembers what was read by its key."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[Key] = []

    def get(self, key: Key) -> dict[str, Any]:
        self.read.append(key)
        return super().get(key)


def read_of(table: InMemoryTable) -> ReadPosts:
    return ReadPosts(videos=VideoStore(table), posts=PostStore(table), approvals=ApprovalStore(table))


def kept_table() -> CountingTable:
    table = CountingTable()
    table.create([a_video(), SCHEDULED])
    return table


@pytest.mark.parametrize("caller", [a_caller(), ADMIN])
def test_who_may_see_a_video_sees_its_posts(caller: Caller) -> None:
    assert read_of(kept_table()).list_posts(VIDEO_ID, caller=caller) == [SCHEDULED]


def test_another_owners_posts_are_not_found() -> None:
    read = read_of(kept_table())

    with pytest.raises(NotFound):
        read.list_posts(VIDEO_ID, caller=STRANGER)
    with pytest.raises(NotFound) as caught:
        read.list_schedules(ScheduleQuery(owner=OWNER), caller=STRANGER)
    assert caught.value.what == "owner"


def test_a_caller_sees_its_own_scheduled_posts() -> None:
    page = read_of(kept_table()).list_schedules(ScheduleQuery(), caller=a_caller())

    assert page.posts == [SCHEDULED]


def test_how_an_approval_stands_is_read_where_there_may_be_one() -> None:
    table = kept_table()
    find = read_of(table).find_approval
    approval = Approval(video_id=VIDEO_ID, asked_at=NOW, expires_at=NOW)

    assert (find(a_video()), table.read) == (None, []), "without an approval, it costs no read"
    assert find(a_video(approval_hours=24)) is None, "a video that is not kept yet was not asked about"
    table.create([approval])
    assert find(a_video(approval_hours=24)) == approval
