"""Every list of an owner's videos, filtered in every way: each video that fits, once, by one query of its index."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from checks.cloudformation import Template, read_template
from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode
from mediaposter.stores.table import Page, PageQuery
from mediaposter.stores.video_lists import FILTERED_ENTRIES_MAX, VideoQuery, choose_index
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from tests.builders import NOW, OWNER, VIDEO_ID, a_stored_video, a_video
from tests.fakes.table import InMemoryTable

TEMPLATE = Path(__file__).parents[3] / "template.yaml"

OF_STATUS: dict[VideoStatus, dict[str, Any]] = {
    VideoStatus.QUEUED: {},
    VideoStatus.IN_PROGRESS: {"stage": Stage.RENDERING},
    VideoStatus.COMPLETED: {"stage": Stage.DONE, "stored": a_stored_video()},
    VideoStatus.FAILED: {"failure": VideoFailure(code=ErrorCode.TIMEOUT, message="too late")},
}
MODELS = ("sora-2", "kite-1")
BATCHES = (None, "batch_1", "batch_2")
KINDS = list(product(OF_STATUS, MODELS, BATCHES))
# What each may be asked for: nothing, what there is, and what there is not.
FILTERS = list(product([None, *VideoStatus], [None, *MODELS, "glider-1"], [*BATCHES, "batch_3"]))


def make_videos() -> list[Video]:
    """Make two of each kind, those of a kind apart, and as many of an owner whose name begins the same."""
    return [
        a_video(
            id=f"video_{owner}_{number:03}", owner=owner, resolved_model=model, batch_id=batch_id, **OF_STATUS[status]
        )
        for owner in (OWNER, f"{OWNER}-2")
        for number, (status, model, batch_id) in enumerate(KINDS * 2)
    ]


VIDEOS = make_videos()


@cache
def template() -> Template:
    return read_template(TEMPLATE)


@pytest.fixture(scope="module")
def video_store() -> VideoStore:
    table = InMemoryTable()
    table.create(VIDEOS)
    return VideoStore(table)


def list_all(video_store: VideoStore, query: VideoQuery) -> list[str]:
    """Turn the pages until there are no more."""
    found: list[str] = []
    after = query.after
    for _ in range(len(VIDEOS) + 1):
        page = video_store.list_page(VideoQuery(**{**vars(query), "after": after}))
        assert len(page.videos) <= query.limit
        found += [video.id for video in page.videos]
        if not page.has_more:
            return found
        assert page.videos, "an empty page would end the SDK's paging"
        after = page.videos[-1].id
    raise AssertionError("the pages never end")


@pytest.mark.parametrize(("limit", "newest_first"), [(3, True), (100, False)])
def test_whatever_is_asked_for_the_pages_hold_each_video_that_fits_once(
    video_store: VideoStore, limit: int, newest_first: bool
) -> None:
    for status, model, batch_id in FILTERS:
        query = VideoQuery(
            OWNER, limit, newest_first=newest_first, status=status, resolved_model=model, batch_id=batch_id
        )
        fitting = [
            video.id
            for video in VIDEOS
            if video.owner == OWNER
            and status in (None, video.status)
            and model in (None, video.resolved_model)
            and batch_id in (None, video.batch_id)
        ]

        assert list_all(video_store, query) == sorted(fitting, reverse=newest_first), query


@pytest.mark.parametrize(("count", "has_more"), [(2, False), (3, True)])
def test_a_filtered_page_tells_whether_there_are_more(count: int, has_more: bool) -> None:
    video_store = VideoStore(InMemoryTable())
    for number in range(count):
        video_store.create(a_video(id=f"fits_{number}", **OF_STATUS[VideoStatus.FAILED]), [])
        video_store.create(a_video(id=f"other_{number}"), [])

    page = video_store.list_page(VideoQuery(OWNER, 2, status=VideoStatus.FAILED))

    assert (len(page.videos), page.has_more) == (2, has_more)


def test_a_transition_moves_a_video_from_one_list_to_another() -> None:
    video_store = VideoStore(InMemoryTable())
    video_store.create(a_video(), [])
    video_store.advance(video_store.get_unchecked(VIDEO_ID), Stage.SUBMITTING, now=NOW, resolved_model="kite-1")

    def count(**filters: Any) -> int:
        return len(video_store.list_page(VideoQuery(OWNER, 10, **filters)).videos)

    assert (count(status=VideoStatus.QUEUED), count(status=VideoStatus.IN_PROGRESS)) == (0, 1)
    assert (count(resolved_model="sora-2"), count(resolved_model="kite-1")) == (0, 1)
    assert count(status=VideoStatus.IN_PROGRESS, resolved_model="kite-1") == 1


class CountingTable(InMemoryTable):
    """Remembers the pages that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[PageQuery] = []

    def query_page(self, index: str, query: PageQuery) -> Page:
        """Read one page of an index."""
        self.queries.append(query)
        return super().query_page(index, query)


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"status": VideoStatus.FAILED},
        {"resolved_model": "sora-2"},
        {"status": VideoStatus.FAILED, "resolved_model": "kite-1"},
        {"batch_id": "batch_1"},
    ],
    ids=repr,
)
def test_a_page_is_one_query_that_leaves_nothing_out(filters: dict[str, Any]) -> None:
    table = CountingTable()
    for number in range(FILTERED_ENTRIES_MAX + 50):
        table.create([a_video(id=f"video_{number:03}")])

    VideoStore(table).list_page(VideoQuery(OWNER, 20, **filters))

    [query] = table.queries
    assert not query.filters


def test_a_filter_of_a_batch_goes_on_until_it_finds_something() -> None:
    video_store = VideoStore(InMemoryTable())
    video_store.create(a_video(id="video_000", batch_id="batch_1", **OF_STATUS[VideoStatus.COMPLETED]), [])
    for number in range(1, FILTERED_ENTRIES_MAX + 10):
        video_store.create(a_video(id=f"video_{number:03}", batch_id="batch_1"), [])

    page = video_store.list_page(VideoQuery(OWNER, 20, status=VideoStatus.COMPLETED, batch_id="batch_1"))

    assert [video.id for video in page.videos] == ["video_000"]


def test_every_index_that_is_asked_is_in_the_template_with_what_is_asked_of_it_and_may_be_read() -> None:
    resources = template().resources
    indexes = {index["IndexName"]: index for index in resources["LibraryTable"].properties["GlobalSecondaryIndexes"]}
    statements = [
        statement
        for policy in resources["ApiFunction"].properties["Policies"]
        for statement in policy.get("Statement", [])
        if statement["Sid"] == "ListLibrary"
    ]
    readable = {resource["Fn::Sub"].rpartition("/")[2] for resource in statements[0]["Resource"]}
    for status, model, batch_id in FILTERS:
        choice = choose_index(VideoQuery(OWNER, 1, status=status, resolved_model=model, batch_id=batch_id))
        index = indexes[choice.index_name]

        assert index["KeySchema"] == [
            {"AttributeName": choice.hash_name, "KeyType": "HASH"},
            {"AttributeName": "id", "KeyType": "RANGE"},
        ]
        assert choice.filters.keys() <= set(index["Projection"].get("NonKeyAttributes", []))
        assert choice.index_name in readable


def test_no_query_reads_another_owners_videos() -> None:
    video_store = VideoStore(InMemoryTable())
    video_store.create(a_video(owner="ann"), [])

    questions: list[dict[str, Any]] = [{"resolved_model": "ann#sora-2"}, {"resolved_model": "sora-2"}]
    for asked in [*questions, {"batch_id": "ann#batch_1"}]:
        assert video_store.list_page(VideoQuery("bob", 10, **asked)).videos == []
