"""Lists an owner's videos, each list with one query of one index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.stores.table import Page, PageQuery, Table
from mediaposter.stores.video_record import Video, join_index_key

OWNERS_INDEX = "ByOwner"
STATUS_INDEX = "ByOwnerStatus"
MODEL_INDEX = "ByOwnerModel"
STATUS_MODEL_INDEX = "ByOwnerStatusModel"
BATCH_INDEX = "ByOwnerBatch"
STAGE_INDEX = "ByOwnerStage"
QUERIES_A_PAGE_MAX = 10
# Enough to fill a page if one entry in five passes the filter.
FILTERED_ENTRIES_MAX = 500


@dataclass(frozen=True)
class VideoQuery:
    """Which videos to list; None means no condition.

    Attributes:
        created_after: the first second, included, since 1970.
        created_before: the second of the end, not included.
    """

    owner: str
    limit: int
    after: str | None = None
    newest_first: bool = True
    status: VideoStatus | None = None
    resolved_model: str | None = None
    batch_id: str | None = None
    created_after: int | None = None
    created_before: int | None = None


class IndexChoice(NamedTuple):
    """The index and the group to query; `filters` drop the entries that the query does not want."""

    index_name: str
    hash_name: str
    value: str
    filters: Mapping[str, str] = MappingProxyType({})


def choose_index(query: VideoQuery) -> IndexChoice:
    """Choose the index that holds exactly the entries that a query wants.

    A query of a batch with more conditions has no index: a batch is bounded, so its index is filtered.
    """
    owner, status, model, batch_id = query.owner, query.status, query.resolved_model, query.batch_id
    if batch_id is not None:
        asked = {"status": status, "resolved_model": model}
        filters = {name: value for name, value in asked.items() if value is not None}
        return IndexChoice(BATCH_INDEX, "owner_batch", join_index_key(owner, batch_id), filters)
    if status is not None and model is not None:
        return IndexChoice(STATUS_MODEL_INDEX, "owner_status_model", join_index_key(owner, status, model))
    if status is not None:
        return IndexChoice(STATUS_INDEX, "owner_status", join_index_key(owner, status))
    if model is not None:
        return IndexChoice(MODEL_INDEX, "owner_model", join_index_key(owner, model))
    return IndexChoice(OWNERS_INDEX, "owner", owner)


class VideoPage(NamedTuple):
    """A page of videos."""

    videos: list[Video]
    has_more: bool


def list_page(table: Table, query: VideoQuery) -> VideoPage:
    """List an owner's videos by time, with one query of one index however many videos are stored.

    Only queries of a batch are filtered: their page may be short although there are more. If no entry of one query
    fits, the search continues, a megabyte at a time and a few times at most.
    """
    choice = choose_index(query)
    times = _Times.of(query)
    wanted = PageQuery(
        hash_name=choice.hash_name,
        value=choice.value,
        range_name="id",
        # One entry tells whether it is in time, where none is wanted.
        limit=max(query.limit, times.end is not None),
        after=times.begin(query.after),
        newest_first=query.newest_first,
        filters=choice.filters,
        read_max=FILTERED_ENTRIES_MAX,
    )
    for _ in range(QUERIES_A_PAGE_MAX):
        page = times.cut(table.query_page(choice.index_name, wanted))
        if page.keys or page.reached is None:
            break
        wanted = replace(wanted, after=page.reached, read_max=None)
    # The index lags behind the record: videos deleted meanwhile are left out.
    keys = page.keys[: query.limit]
    videos = [Video.model_validate(item) for item in table.get_many(keys)]
    return VideoPage(videos=videos, has_more=page.has_more or len(keys) < len(page.keys))


class _Times(NamedTuple):
    """The ids between which a list lies, in its order: ids are sorted by their time, and so are all indexes."""

    first: str | None
    end: str | None
    newest_first: bool

    @classmethod
    def of(cls, query: VideoQuery) -> _Times:
        oldest, newest = (_name_second(at) for at in (query.created_after, query.created_before))
        return cls(newest, oldest, True) if query.newest_first else cls(oldest, newest, False)

    def begin(self, after: str | None) -> str | None:
        """Give the id that the list begins after: that of the page before, or of the time."""
        if after is None or self.first is None:
            return after or self.first
        return min(after, self.first) if self.newest_first else max(after, self.first)

    def cut(self, page: Page) -> Page:
        """Leave out what is beyond the end; after that there is no more."""
        if self.end is None:
            return page
        keys = tuple(key for key in page.keys if not self._is_beyond(key.pk.removeprefix("VIDEO#")))
        is_over = len(keys) < len(page.keys) or (page.reached is not None and self._is_beyond(page.reached))
        return Page(keys, has_more=False) if is_over else page

    def _is_beyond(self, video_id: str) -> bool:
        return self.end is not None and (video_id < self.end if self.newest_first else video_id >= self.end)


def _name_second(at: int | None) -> str | None:
    """Give what the ids of videos begin with that are requested in a second (SharedEdges.new_id)."""
    return None if at is None else f"video_{at * 1000:012x}"


def count_batch(table: Table, owner: str, batch_id: str) -> Counter[str]:
    """Count the videos of a batch by status."""
    return table.count_values(
        BATCH_INDEX, hash_name="owner_batch", value=join_index_key(owner, batch_id), attribute="status"
    )
