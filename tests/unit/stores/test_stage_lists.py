"""Lists of an owner's videos by their stages: each that is there now, once, without a look at all others."""

from __future__ import annotations

from itertools import combinations

import pytest

from mediaposter.domain.errors import ErrorCode
from mediaposter.stores.stage_lists import StageLists, StageQuery
from mediaposter.stores.table import Page, PageQuery
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import STAGES_OF_A_KEPT_VIDEO, Stage
from mediaposter.stores.videos import VideoStore
from tests.builders import NOW, OWNER, VIDEO_ID, a_stored_video, a_video
from tests.fakes.table import InMemoryTable

FAILURE = VideoFailure(code=ErrorCode.TIMEOUT, message="too late")


class CountingTable(InMemoryTable):
    """Counts what is read of its indexes."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []

    def query_page(self, index: str, query: PageQuery) -> Page:
        self.queries.append(index)
        return super().query_page(index, query)


def make(number: int, stage: Stage, *, owner: str = OWNER, failure: VideoFailure | None = None) -> Video:
    stored = a_stored_video() if stage in STAGES_OF_A_KEPT_VIDEO else None
    return a_video(id=f"video_{owner}_{number:03}", owner=owner, stage=stage, stored=stored, failure=failure)


VIDEOS = [
    *(make(number, stage) for number, stage in enumerate([*Stage] * 3)),
    *(make(number, stage, owner=f"{OWNER}-2") for number, stage in enumerate(Stage)),
    *(make(100 + number, stage, failure=FAILURE) for number, stage in enumerate([Stage.QUEUED, Stage.RENDERING])),
]


@pytest.fixture
def table() -> CountingTable:
    table = CountingTable()
    table.create(VIDEOS)
    return table


def list_all(table: InMemoryTable, query: StageQuery) -> list[str]:
    found: list[str] = []
    for _ in range(len(VIDEOS) + 1):
        page = StageLists(table).list_page(query)
        assert len(page.videos) <= query.limit
        found += [video.id for video in page.videos]
        if not page.has_more:
            return found
        assert page.videos, "an empty page would end the SDK's paging"
        query = query._replace(after=page.videos[-1].id)
    raise AssertionError("the pages never end")


@pytest.mark.parametrize(("limit", "newest_first"), [(2, True), (100, False)])
def test_whichever_stages_are_asked_for_the_pages_hold_each_video_at_them_once(
    table: CountingTable, limit: int, newest_first: bool
) -> None:
    for stages in [frozenset(chosen) for count in (1, 2, 3) for chosen in combinations(Stage, count)]:
        there = [video.id for video in VIDEOS if video.owner == OWNER and video.stage in stages and not video.failure]

        found = list_all(table, StageQuery(OWNER, stages, limit, newest_first=newest_first))

        assert found == sorted(there, reverse=newest_first), stages


@pytest.mark.parametrize(
    ("stages", "indexes"),
    [
        ({Stage.AWAITING_APPROVAL}, ["ByOwnerStage"]),
        ({Stage.QUEUED}, ["ByOwnerStatus"]),
        ({Stage.SUBMITTING, Stage.RENDERING, Stage.STORING}, ["ByOwnerStatus"]),
        ({Stage.PUBLISHING, Stage.QUEUED}, ["ByOwnerStage", "ByOwnerStatus"]),
    ],
)
def test_a_page_of_what_has_a_group_of_its_own_is_one_query_of_it(
    table: CountingTable, stages: set[Stage], indexes: list[str]
) -> None:
    StageLists(table).list_page(StageQuery(OWNER, frozenset(stages), 1))

    assert sorted(table.queries) == indexes


def test_of_the_other_stages_a_thousand_videos_are_looked_at_and_no_more() -> None:
    table = CountingTable()
    for start in range(0, 1_100, 100):
        table.create([make(number, Stage.PUBLISHING) for number in range(start, start + 100)])

    page = StageLists(table).list_page(StageQuery(OWNER, frozenset({Stage.DONE}), 20))

    assert (page.videos, page.has_more, len(table.queries)) == ([], True, 10)


def test_a_video_is_listed_as_waiting_until_it_is_decided() -> None:
    table = InMemoryTable()
    videos = VideoStore(table)
    videos.create(make(1, Stage.AWAITING_APPROVAL).copy_with(place=None), [])
    waiting = StageQuery(OWNER, frozenset({Stage.AWAITING_APPROVAL}), 20)
    [video] = StageLists(table).list_page(waiting).videos

    videos.advance(video, Stage.DONE, now=NOW)

    assert StageLists(table).list_page(waiting).videos == []
    assert VIDEO_ID not in list_all(table, waiting)
