"""Reads and writes the records of videos; a video makes only the transitions of its stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Unpack

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import BudgetExceeded, NotFound, SlotsTaken, VersionConflict
from mediaposter.domain.viewer import Viewer
from mediaposter.stores.batches import count_recorded
from mediaposter.stores.capacity import count_change, read_queue_cursor
from mediaposter.stores.derived_videos import list_derived_ids, list_entries
from mediaposter.stores.posts import Post
from mediaposter.stores.table import Change, Create, Delete, Key, Put, Record, Replace, Table
from mediaposter.stores.trail import Actor, DeletedTrail, Trail, TrailEntry, TrailType, keep_trail
from mediaposter.stores.video_leftovers import CANCEL_AGAIN_AFTER, LEFTOVERS_AFTER, Leftovers, find_unwanted_render
from mediaposter.stores.video_lists import VideoPage, VideoQuery, count_batch, list_page
from mediaposter.stores.video_money import book_settlement, promise_more
from mediaposter.stores.video_record import (
    VIDEO_ID_MAX_CHARACTERS,
    Video,
    VideoChanges,
    VideoFailure,
    VideoFields,
    video_key,
)
from mediaposter.stores.video_stages import (
    ASKED_AFTER,
    EARLIER_STAGES,
    STAGES_AT_A_PROVIDER,
    STAGES_THAT_CAN_FAIL,
    STARTED_WITHIN,
    WAITS_FOR,
    Stage,
)
from mediaposter.stores.video_trail import note_changes

# After this time no webhook or job list of a provider can refer to a job.
JOB_KEPT_FOR = timedelta(days=90)


class JobClaim(Record):
    """Which video a provider's job belongs to: a job belongs to one video only."""

    provider: str
    job: str
    video_id: str
    ttl: int | None = None

    @property
    def key(self) -> Key:
        return job_key(self.provider, self.job)


def job_key(provider: str, job: str) -> Key:
    """Give the primary key of a claim."""
    return Key(f"JOB#{provider}#{job}", "JOB")


class VideoStore:
    """Reads and writes the records of videos."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, video: Video, posts: Sequence[Post], *, conditions: Sequence[Change] = ()) -> None:
        """Keep a new video and its posts, all or nothing.

        Args:
            video: the new record.
            posts: the records of its posts.
            conditions: changes that must succeed with it: the reservation, the idempotency record.

        Raises:
            VersionConflict: its `changes` has the indexes of the failed conditions.
        """
        due_at = video.created_at + (STARTED_WITHIN if video.place is None else WAITS_FOR)
        records: list[Change] = [Create(video.copy_with(due_at=due_at)), *map(Create, posts)]
        records += map(Put, list_entries(video))
        if video.batch_id is not None:
            records.append(count_recorded(video.batch_id))
        try:
            self._table.commit([*records, *conditions])
        except VersionConflict as conflict:
            forbidden = tuple(index - len(records) for index in conflict.changes if index >= len(records))
            raise VersionConflict(str(conflict), changes=forbidden) from conflict

    def get(self, video_id: str, *, caller: Viewer) -> Video:
        """Read a video for a caller.

        Raises:
            NotFound: there is none, or another owner's; a caller cannot tell the two apart.
        """
        video = self.get_unchecked(video_id)
        if not caller.may_see(video.owner):  # guard: owner of video
            raise NotFound(f"There is no video {video_id}.")
        return video

    def get_unchecked(self, video_id: str) -> Video:
        """Read a video without checking its owner: for the state machine's steps and the sweep.

        Raises:
            NotFound: there is none.
        """
        if len(video_id) > VIDEO_ID_MAX_CHARACTERS:
            raise NotFound("There is no video with this id.")  # nor could it be a key: DynamoDB limits the length
        return Video.model_validate(self._table.get(video_key(video_id)))

    def reload(self, video: Video) -> Video:
        """Read a video again, with what other workers have written since.

        Raises:
            NotFound: it was deleted meanwhile.
        """
        return self.get_unchecked(video.id)

    def advance(
        self,
        video: Video,
        stage: Stage,
        *,
        now: datetime,
        at_most: Mapping[str, int] = MappingProxyType({}),
        more_micros: int = 0,
        **changes: Unpack[VideoChanges],
    ) -> Video:
        """Move a video to its next stage.

        Args:
            video: as it was read.
            stage: the next one.
            now: the time.
            at_most: the maximum of each capacity counter of the provider, if it takes a slot.
            more_micros: its possible cost beyond its reservation.
            changes: the fields that change with the stage.

        Raises:
            SlotsTaken: the provider has no free slot.
            BudgetExceeded: the limit of the day or month has no room for `more_micros`.
            VersionConflict: the record changed since it was read, or cannot make this transition.
            InvalidChange: a changed field is not in `VideoChanges`. Every method with changes raises it.
        """
        return self._replace(
            video,
            EARLIER_STAGES[stage],
            now,
            changes,
            {"stage": stage},
            at_most=at_most,
            more_micros=more_micros,
        )

    def dequeue(self, video: Video, place: str, *, now: datetime, at_most: Mapping[str, int]) -> Video:
        """Give the video at a queue position a slot of its provider, if the counters stay within `at_most`.

        Raises:
            SlotsTaken: the provider has no free slot.
            VersionConflict: the record changed since it was read.
        """
        cursor = Put(read_queue_cursor(video.provider, place))
        taken: VideoFields = {"slot": video.provider, "place": None}
        return self._replace(video, (Stage.QUEUED,), now, {}, taken, together=[cursor], at_most=at_most)

    def park(self, video: Video, place: str, *, now: datetime) -> Video:
        """Put a queued video into the queue for a slot, without an execution: a new one starts it later.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        parked: VideoFields = {
            "place": place,
            "launch": video.launch + 1,
            "is_accepted": True,
            "deadline_at": None,
        }
        return self._replace(video, (Stage.QUEUED,), now, {}, parked)

    def advance_with(
        self,
        video: Video,
        stage: Stage,
        *,
        now: datetime,
        together: Sequence[Change],
        by: Actor | None = None,
        noted: TrailEntry | None = None,
        **changes: Unpack[VideoChanges],
    ) -> Video:
        """Move a video to its next stage together with other changes, all or nothing; `noted` goes into its trail.

        Raises:
            VersionConflict: the record changed since it was read or cannot make this transition, or another change
                cannot be made.
        """
        return self._replace(
            video, EARLIER_STAGES[stage], now, changes, {"stage": stage}, together=together, by=by, noted=noted
        )

    def note(self, video: Video, *, now: datetime, **changes: Unpack[VideoChanges]) -> Video:
        """Change fields of a video within its stage.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        return self._replace(video, (video.stage,), now, changes, {})

    def fail(
        self,
        video: Video,
        failure: VideoFailure,
        *,
        now: datetime,
        by: Actor | None = None,
        **changes: Unpack[VideoChanges],
    ) -> Video:
        """End a video as failed; its stage stays and shows where it failed.

        Raises:
            VersionConflict: the record changed since it was read, or its MP4 is already stored.
        """
        failed: VideoFields = {"failure": failure, "lease_expires_at": None}
        return self._replace(video, STAGES_THAT_CAN_FAIL, now, changes, failed, by=by)

    def store_again(
        self,
        video: Video,
        *,
        now: datetime,
        store_until: datetime,
        together: Sequence[Change],
        by: Actor | None = None,
    ) -> Video:
        """Resume a video whose download failed; its cost is already recorded and stays.

        Raises:
            VersionConflict: the record changed since it was read, or it failed elsewhere.
        """
        if video.failure is None or video.stage is not Stage.STORING:
            raise VersionConflict(f"The video {video.id} did not fail in its download.")
        changed = video.copy_with(
            failure=None,
            fault=None,
            is_told=False,
            store_until=store_until,
            launch=video.launch + 1,
            due_at=now + ASKED_AFTER[Stage.STORING],
            version=video.version + 1,
            updated_at=now,
        )
        retried = TrailEntry(at=now, type=TrailType.RETRIED, by=by)
        changed = note_changes(video, changed, now=now, noted=retried)
        allowed: Mapping[str, Sequence[str]] = {"stage": [Stage.STORING], "status": [VideoStatus.FAILED]}
        self._table.commit([Replace(changed, video.version, allowed), *together])
        return changed

    def keep_job(self, video: Video, job: str, *, now: datetime, **changes: Unpack[VideoChanges]) -> Video:
        """Record that a provider's job renders this video and no other.

        Raises:
            VersionConflict: the record changed since it was read, or the job belongs to another video.
        """
        ttl = int((now + JOB_KEPT_FOR).timestamp())
        claim = JobClaim(provider=video.provider, job=job, video_id=video.id, ttl=ttl)
        rendering: VideoFields = {"stage": Stage.RENDERING}
        return self._replace(  # guard: one video a job
            video, EARLIER_STAGES[Stage.RENDERING], now, changes, rendering, together=[Create(claim)]
        )

    def find_video_of_job(self, provider: str, job: str) -> str | None:
        """Find the id of the video that a provider's job renders."""
        try:
            return JobClaim.model_validate(self._table.get(job_key(provider, job))).video_id
        except NotFound:
            return None

    def list_ids(self, video_ids: Sequence[str], *, caller: Viewer) -> list[Video]:
        """Read up to 100 videos by their ids, in this order, without those that the caller may not see."""
        keys = [video_key(video_id) for video_id in dict.fromkeys(video_ids)]
        videos = [Video.model_validate(item) for item in self._table.get_many(keys)]
        return [video for video in videos if caller.may_see(video.owner)]  # guard: owner of listed ids

    def list_page(self, query: VideoQuery) -> VideoPage:
        """List an owner's videos by time."""
        return list_page(self._table, query)

    def list_derived(self, source_id: str, query: VideoQuery, *, caller: Viewer) -> VideoPage:
        """List the videos that are made from a video; of `query` its limit and its order count."""
        ids = list_derived_ids(self._table, source_id)
        if query.newest_first:
            ids.reverse()
        if query.after is not None:
            after = query.after
            ids = [each for each in ids if (each < after if query.newest_first else each > after)]
        return VideoPage(self.list_ids(ids[: query.limit], caller=caller), has_more=len(ids) > query.limit)

    def count_batch(self, owner: str, batch_id: str) -> Counter[str]:
        """Count the videos of a batch by status."""
        return count_batch(self._table, owner, batch_id)

    def settle(self, video: Video, spent_micros: int, *, now: datetime) -> Video:
        """Record the cost of a video and release its reservation; once, however often it is called.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        if video.reservation is None or video.reservation.settled_micros is not None:
            return video
        reservation = video.reservation.copy_with(settled_micros=spent_micros)
        changed = video.copy_with(reservation=reservation, version=video.version + 1, updated_at=now)
        self._table.commit([Replace(changed, video.version), *book_settlement(video, video.reservation, spent_micros)])
        return changed

    def mark_event_sent(self, video: Video) -> Video:
        """Record that the event of a video's end was sent; the time of its end stays.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        told = video.copy_with(is_told=True, version=video.version + 1)
        self._table.commit([Replace(told, video.version)])
        return told

    def delete(self, video: Video, spent_micros: int, *, now: datetime, by: Actor | None = None) -> None:
        """Delete the record of a video, and settle it if needed; its trail and the records of its posts stay.

        The sweep later removes files that a running step may still leave.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        books: list[Change] = [*count_change(video.held, None, {})]
        if video.reservation is not None and video.reservation.settled_micros is None:
            books += book_settlement(video, video.reservation, spent_micros)
        render = find_unwanted_render(video)
        leftovers = Leftovers(
            video_id=video.id,
            due_at=now + (CANCEL_AGAIN_AFTER if render else LEFTOVERS_AFTER),
            remove_at=now + LEFTOVERS_AFTER,
            render=render,
        )
        trail = keep_trail(video.id, video.owner, video.trail, by=by, now=now)
        books += [Delete(entry.key) for entry in list_entries(video)]
        gone: list[Change] = [Delete(video.key, video.version), Put(leftovers), *books]  # guard: leftovers listed
        self._table.commit([*gone, Put(trail)])

    def read_trail(self, video_id: str, *, caller: Viewer, now: datetime) -> Trail:
        """Read who did what to a video for a caller; for a while also of a deleted one.

        Raises:
            NotFound: there is none, or another owner's; a caller cannot tell the two apart.
        """
        try:
            return self.get(video_id, caller=caller).trail
        except NotFound:
            if len(video_id) > VIDEO_ID_MAX_CHARACTERS:
                raise
            deleted = DeletedTrail.model_validate(self._table.get(DeletedTrail.key_of(video_id)))
            # The table removes what is expired late.
            if now.timestamp() >= deleted.ttl or not caller.may_see(deleted.owner):
                raise
            return deleted.trail

    def find_leftovers(self, video_id: str) -> Leftovers:
        """Read the leftovers record of a deleted video.

        Raises:
            NotFound: there is none.
        """
        return Leftovers.model_validate(self._table.get(Leftovers.key_of(video_id)))

    def forget_leftovers(self, video_id: str) -> None:
        """Remove the leftovers record of a deleted video."""
        self._table.commit([Delete(Leftovers.key_of(video_id))])

    def _replace(
        self,
        video: Video,
        earlier: tuple[Stage, ...],
        now: datetime,
        changes: VideoChanges,
        own: VideoFields,
        *,
        together: Sequence[Change] = (),
        at_most: Mapping[str, int] = MappingProxyType({}),
        more_micros: int = 0,
        by: Actor | None = None,
        noted: TrailEntry | None = None,
    ) -> Video:
        """Write a video with the changes of a step and of the store, all or nothing."""
        video.refuse_changes_but(VideoChanges.__optional_keys__, changes)
        if video.failure is not None or video.stage not in earlier:
            raise VersionConflict(f"The video {video.id} is {video.status} at {video.stage} and stays so.")
        promised = promise_more(video, more_micros)
        written: VideoFields = {
            **changes,
            **own,
            **promised.changes,
            "version": video.version + 1,
            "updated_at": now,
        }
        changed = note_changes(video, _release(video.copy_with(**written)), now=now, by=by, noted=noted)
        if "due_at" not in changes:
            changed = changed.copy_with(due_at=_give_due_at(video, changed, now))
        counts = count_change(video.held, changed.held, at_most)
        allowed = {
            "stage": earlier,
            "status": [VideoStatus.QUEUED, VideoStatus.IN_PROGRESS, VideoStatus.COMPLETED],
        }
        records = [Replace(changed, video.version, allowed), *together]
        try:
            self._table.commit([*records, *promised.books, *counts])
        except VersionConflict as conflict:
            first = min(conflict.changes, default=0)
            if first >= len(records) + len(promised.books):
                raise SlotsTaken(f"{changed.provider} has no slot for {video.id}.") from conflict
            if first >= len(records):
                raise BudgetExceeded(
                    f"The limit of the day or month has no room for another try of {video.id}."
                ) from conflict
            raise
        return changed


def _give_due_at(before: Video, after: Video, now: datetime) -> datetime | None:
    """Give the next due time of a written video; its current one stays if it still fits."""
    if after.is_over:
        return None
    if after.place is not None:
        return before.due_at if before.place is not None else now + WAITS_FOR
    has_failed = after.failure is not None and before.failure is None
    if has_failed or before.place is not None:
        return now + STARTED_WITHIN
    if after.stage is before.stage or after.stage not in ASKED_AFTER:
        return before.due_at or now + STARTED_WITHIN
    if after.stage is Stage.PUBLISHING and before.stage is Stage.STORING:
        return before.due_at or now + STARTED_WITHIN
    due_at = now + ASKED_AFTER[after.stage]
    if after.stage is Stage.SUBMITTING:
        return due_at + timedelta(seconds=after.expected_render_seconds)
    return due_at


def _release(video: Video) -> Video:
    """Release a claim that a video no longer needs: the provider is done with it, or another one takes over."""
    if video.failure is not None or video.stage not in STAGES_AT_A_PROVIDER:
        return video.copy_with(slot=None, place=None)
    if video.slot not in (None, video.provider):
        return video.copy_with(slot=None)
    return video
