"""List an owner's videos at some stages, by the indexes of their statuses and of those that wait for people.

A failed video is at no stage any more: `status=failed` lists it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.stores.table import INDEX_PAGE_MAX, Key, PageQuery, Table
from mediaposter.stores.video_lists import QUERIES_A_PAGE_MAX, STAGE_INDEX, STATUS_INDEX, VideoPage
from mediaposter.stores.video_record import Video, join_index_key
from mediaposter.stores.video_stages import STAGES_WITH_AN_INDEX, Stage

_STAGES_IN_PROGRESS = frozenset({Stage.SUBMITTING, Stage.RENDERING, Stage.STORING})


class StageQuery(NamedTuple):
    """Which videos to list: those of an owner that are at one of these stages."""

    owner: str
    stages: frozenset[Stage]
    limit: int
    after: str | None = None
    newest_first: bool = True


class _Group(NamedTuple):
    """A group of an index that has the videos of a stage."""

    index_name: str
    hash_name: str
    value: str


class StageLists:
    """Lists videos by their stages."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def list_page(self, query: StageQuery) -> VideoPage:
        """List a page by time, with one query of each group.

        The groups of `queued`, `awaiting_approval` and `publishing` have nothing else. Those of the other stages are
        read a hundred entries at a time, ten times at most: a page may then be empty although there are more.
        """
        groups = {_find_group(query.owner, stage) for stage in query.stages}
        is_exact = _have_nothing_else(query.stages)
        read_max = query.limit if is_exact else INDEX_PAGE_MAX
        found: list[Video] = []
        after = query.after
        for _ in range(QUERIES_A_PAGE_MAX):
            keys, has_more = self._read_keys(groups, query, after=after, limit=read_max)
            # The index lags behind the record: a video may have left the stage meanwhile.
            videos = [Video.model_validate(item) for item in self._table.get_many(keys)]
            found += [video for video in videos if video.stage in query.stages and video.failure is None]
            if not has_more or not keys:
                return VideoPage(found[: query.limit], has_more=has_more or len(found) > query.limit)
            if len(found) > query.limit or (is_exact and len(found) == query.limit):
                return VideoPage(found[: query.limit], has_more=True)
            after = keys[-1].pk.removeprefix("VIDEO#")
        return VideoPage(found[: query.limit], has_more=True)

    def _read_keys(
        self, groups: Collection[_Group], query: StageQuery, *, after: str | None, limit: int
    ) -> tuple[list[Key], bool]:
        """Read the next keys of all groups together, in the order of the videos' ids, and whether there are more."""
        pages = [
            self._table.query_page(
                group.index_name,
                PageQuery(
                    hash_name=group.hash_name,
                    value=group.value,
                    range_name="id",
                    limit=limit,
                    after=after,
                    newest_first=query.newest_first,
                ),
            )
            for group in groups
        ]
        # A video that changes its stage just now may be in two of them.
        keys = sorted({key for page in pages for key in page.keys}, reverse=query.newest_first)
        return keys[:limit], len(keys) > limit or any(page.has_more for page in pages)


def _find_group(owner: str, stage: Stage) -> _Group:
    if stage in STAGES_WITH_AN_INDEX:
        return _Group(STAGE_INDEX, "owner_stage", join_index_key(owner, stage))
    if stage is Stage.QUEUED:
        status = VideoStatus.QUEUED
    else:
        status = VideoStatus.IN_PROGRESS if stage in _STAGES_IN_PROGRESS else VideoStatus.COMPLETED
    return _Group(STATUS_INDEX, "owner_status", join_index_key(owner, status))


def _have_nothing_else(stages: frozenset[Stage]) -> bool:
    """Tell whether the groups of these stages have no videos of other stages."""
    in_progress = stages & _STAGES_IN_PROGRESS
    return Stage.DONE not in stages and in_progress in (frozenset(), _STAGES_IN_PROGRESS)
