"""The record of a video, and the only transitions it can make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, NamedTuple, Self, TypedDict, Unpack

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    computed_field,
)

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import BudgetExceeded, ErrorCode, NotFound, SlotsTaken, VersionConflict
from mediaposter.domain.problem import Problem
from mediaposter.domain.viewer import Viewer
from mediaposter.stores.batches import count_recorded, count_settled
from mediaposter.stores.budget import STACK_OWNER, Limit, count_usage, reserve_more, settle
from mediaposter.stores.capacity import Claim, count_change, read_queue_cursor
from mediaposter.stores.checked_model import CheckedModel
from mediaposter.stores.due import give_due_attributes
from mediaposter.stores.media import StoredVideo
from mediaposter.stores.posts import Post
from mediaposter.stores.table import Change, Create, Delete, Key, PageQuery, Put, Record, Replace, Table

VIDEO_ID_MAX_CHARACTERS = 128
OWNERS_INDEX = "ByOwner"
STATUS_INDEX = "ByOwnerStatus"
MODEL_INDEX = "ByOwnerModel"
STATUS_MODEL_INDEX = "ByOwnerStatusModel"
BATCH_INDEX = "ByOwnerBatch"
STAGE_INDEX = "ByOwnerStage"
QUERIES_A_PAGE_MAX = 10
# Enough to fill a page if one entry in five passes the filter.
FILTERED_ENTRIES_MAX = 500


class Stage(StrEnum):
    """The stage of a video; finer than OpenAI's four statuses."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    RENDERING = "rendering"
    STORING = "storing"
    AWAITING_APPROVAL = "awaiting_approval"
    PUBLISHING = "publishing"
    DONE = "done"


# For each stage, the stages that lead to it; no other transition exists. A video returns to queued when its provider
# certainly accepted nothing, when another model takes over, or when its owner asked to send it again.
EARLIER_STAGES: Mapping[Stage, tuple[Stage, ...]] = {
    Stage.QUEUED: (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING),
    Stage.SUBMITTING: (Stage.QUEUED,),
    Stage.RENDERING: (Stage.SUBMITTING,),
    Stage.STORING: (Stage.RENDERING,),
    Stage.AWAITING_APPROVAL: (Stage.STORING,),
    Stage.PUBLISHING: (Stage.STORING, Stage.AWAITING_APPROVAL, Stage.DONE),
    Stage.DONE: (Stage.STORING, Stage.AWAITING_APPROVAL, Stage.PUBLISHING),
}
# Once the MP4 is stored the video is completed: nothing after that can fail it.
STAGES_THAT_CAN_FAIL = (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING, Stage.STORING)
# At these stages a video holds a slot of its provider, or waits for one.
STAGES_AT_A_PROVIDER = (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING)
# Few videos are at these stages and many more have their status, so an index of its own lists them.
STAGES_WITH_AN_INDEX = (Stage.AWAITING_APPROVAL, Stage.PUBLISHING)
STAGES_OF_A_KEPT_VIDEO = (Stage.AWAITING_APPROVAL, Stage.PUBLISHING, Stage.DONE)
# Posts may be sent only at these stages: a required approval was given.
STAGES_OF_POSTING = (Stage.PUBLISHING, Stage.DONE)
# Longer than any submit can run, so that the sweep never visits a video during one.
STARTED_WITHIN = timedelta(minutes=5)
# The dispatcher starts a video that waits for a slot; the sweep only checks that it still waits.
WAITS_FOR = timedelta(hours=1)
# How long after a video entered a stage the sweep checks its execution; a render also gets its expected time. Between
# stages the due time moves as rarely as possible: moving it costs two index writes.
ASKED_AFTER: Mapping[Stage, timedelta] = {
    Stage.SUBMITTING: timedelta(minutes=15),
    Stage.STORING: timedelta(minutes=25),
    Stage.PUBLISHING: timedelta(minutes=25),
}
# Longer than StoreVideoFunction can still run after its video was deleted.
LEFTOVERS_AFTER = timedelta(minutes=20)
# Until then a render that was under way is cancelled again and again: the provider may not have answered.
CANCEL_AGAIN_AFTER = timedelta(minutes=3)
# After this time no webhook or job list of a provider can refer to a job.
JOB_KEPT_FOR = timedelta(days=90)


class VideoFailure(Problem):
    """Why a video failed. Its code is one of ours: it decides whether another model takes over, and what was spent."""

    code: ErrorCode


class AttemptChanges(TypedDict, total=False):
    """The fields of `Attempt` that change after it began."""

    provider_job_id: str | None
    failure: VideoFailure | None
    cost_micros: int | None


class Attempt(CheckedModel):
    """One submission to a provider: its outcome and its cost. A refused one costs nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    model: str
    started_at: AwareDatetime
    estimate_micros: int = 0
    provider_job_id: str | None = None
    failure: VideoFailure | None = None
    cost_micros: int | None = None

    def copy_with(self, **fields: Unpack[AttemptChanges]) -> Self:
        return self.model_copy(update=fields)


class DerivationKind(StrEnum):
    """How a video is made from another."""

    REMIX = "remix"
    EDIT = "edit"
    EXTEND = "extend"


class Derivation(CheckedModel):
    """The video that another is made from. `extend_seconds` is the length that an extension adds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: DerivationKind
    video_id: str
    provider_job_id: str
    extend_seconds: int | None = None


class ReservationChanges(TypedDict, total=False):
    """The fields of `Reservation` that change: another try raises the amount, and the end settles it."""

    micros: int
    settled_micros: int | None


class Reservation(CheckedModel):
    """The money reserved for a video on its owner's day, and on the stack's if that has a limit.

    The limits are those at the time of the reservation; they also apply to amounts reserved later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: date
    micros: int
    of_stack: bool = False
    settled_micros: int | None = None
    limit_micros: int | None = None
    stack_limit_micros: int | None = None

    def copy_with(self, **fields: Unpack[ReservationChanges]) -> Self:
        return self.model_copy(update=fields)


class CandidateChanges(TypedDict, total=False):
    """The fields of `Candidate` that change when the posts are planned."""

    warnings: tuple[str, ...]


class Candidate(CheckedModel):
    """A fallback model, and the video it would make."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    provider: str
    seconds: int
    size: str
    cost_estimate_micros: int
    expected_render_seconds: int
    warnings: tuple[str, ...] = ()

    def copy_with(self, **fields: Unpack[CandidateChanges]) -> Self:
        return self.model_copy(update=fields)


class Estimate(NamedTuple):
    """The video that a request would become, and its cost."""

    candidates: list[Candidate]
    reserved_micros: int


def _read_json_text(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


# Stored as text: DynamoDB has no floats, and these are the vendor's own fields of any type.
ProviderOptions = Annotated[
    dict[str, JsonValue], BeforeValidator(_read_json_text), PlainSerializer(json.dumps, when_used="json")
]


class VideoChanges(TypedDict, total=False):
    """The fields of `Video` that a step may change, with the same types."""

    resolved_model: str
    provider: str
    seconds: int
    size: str
    fallbacks: tuple[Candidate, ...]
    warnings: tuple[str, ...]
    cost_estimate_micros: int
    expected_render_seconds: int
    cost_micros: int | None
    attempts: tuple[Attempt, ...]
    provider_job_id: str | None
    progress: int
    lease_expires_at: AwareDatetime | None
    deadline_at: AwareDatetime | None
    rendering_since: AwareDatetime | None
    store_until: AwareDatetime | None
    stored: StoredVideo | None
    completed_at: AwareDatetime | None
    publishing_since: AwareDatetime | None
    slot: str | None
    launch: int
    is_accepted: bool
    fault: str | None
    due_at: AwareDatetime | None


class VideoFields(VideoChanges, total=False):
    """All fields that change: also those that transitions and settlements write, and that submit adds."""

    version: int
    updated_at: AwareDatetime
    stage: Stage
    failure: VideoFailure | None
    reservation: Reservation | None
    place: str | None
    is_told: bool
    input_image: str | None
    request_id: str | None
    correlation_id: str | None


class Video(Record):
    """One video, from the request to the stored MP4. Money is in micro-dollars."""

    id: str
    owner: str
    created_at: AwareDatetime
    updated_at: AwareDatetime

    # The request. `model` is as requested, `resolved_model` is the catalog's name.
    prompt: str
    model: str
    resolved_model: str
    provider: str
    seconds: int
    size: str
    # The reference picture: the caller's URL, or a key in our bucket.
    input_image: str | None = None
    derivation: Derivation | None = None
    provider_options: ProviderOptions = Field(default_factory=dict)
    metadata: dict[str, str] = Field(default_factory=dict)
    # The models to try after this one.
    fallbacks: tuple[Candidate, ...] = ()
    # The owner allows sending a lost submission again, at the risk of paying twice.
    resubmit: bool = False
    # The differences between the video and the request.
    warnings: tuple[str, ...] = ()
    batch_id: str | None = None
    # The id of the event that requested it, and the correlation id for the answer.
    request_id: str | None = None
    correlation_id: str | None = None
    webhook_url: str | None = None

    # The money.
    cost_estimate_micros: int
    cost_micros: int | None = None
    reservation: Reservation | None = None

    # The generation. The video is completed once the MP4 is stored.
    stage: Stage = Stage.QUEUED
    failure: VideoFailure | None = None
    progress: int = 0
    attempts: tuple[Attempt, ...] = ()
    provider_job_id: str | None = None
    expected_render_seconds: int
    # Bounds the provider call that a `submitting` record announces.
    lease_expires_at: AwareDatetime | None = None
    # When the generation must end; the first step of the execution sets it.
    deadline_at: AwareDatetime | None = None
    rendering_since: AwareDatetime | None = None
    # When the provider removes its copy.
    store_until: AwareDatetime | None = None
    stored: StoredVideo | None = None
    completed_at: AwareDatetime | None = None

    # The posts. They wait this many hours for an approval; None means that they need none.
    approval_hours: int | None = None
    publishing_since: AwareDatetime | None = None

    # The execution. `slot` is the provider whose slot it holds, `place` is its queue position while it waits for one.
    slot: str | None = None
    place: str | None = None
    # The number of the execution. A new one takes over when the video waits for another provider's slot, when an
    # execution crashed, and when the video is posted again.
    launch: int = 0
    # The caller got 200 for it, though no execution was seen to run.
    is_accepted: bool = False
    # The error that ended the last execution.
    fault: str | None = None
    # When the sweep checks whether its execution still runs.
    due_at: AwareDatetime | None = None
    # The event of its end was sent.
    is_told: bool = False

    def copy_with(self, **fields: Unpack[VideoFields]) -> Self:
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        return video_key(self.id)

    @computed_field  # type: ignore[prop-decorator]  # mypy cannot see through a decorated property
    @property
    def status(self) -> VideoStatus:
        """Give OpenAI's status of the video."""
        if self.failure is not None:
            return VideoStatus.FAILED
        if self.stage in STAGES_OF_A_KEPT_VIDEO:
            return VideoStatus.COMPLETED
        return VideoStatus.QUEUED if self.stage is Stage.QUEUED else VideoStatus.IN_PROGRESS

    @property
    def was_taken_up(self) -> bool:
        """Tell whether an execution ever ran its first step."""
        return self.stage is not Stage.QUEUED or self.deadline_at is not None

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is left to do: it has ended, its money is settled, and its event was sent."""
        has_ended = self.failure is not None or self.stage is Stage.DONE
        is_settled = self.reservation is None or self.reservation.settled_micros is not None
        return has_ended and is_settled and self.is_told  # guard: nothing left

    @property
    def held(self) -> Claim | None:
        """Give the slot or the queue position that it holds at a provider."""
        if self.slot is not None:
            return Claim(self.slot, has_slot=True)
        return Claim(self.provider, has_slot=False) if self.place is not None else None

    def index_attributes(self) -> Mapping[str, str]:
        """Give the attributes for its owner's lists, and list it for the sweep until it is over."""
        attributes = {
            "owner_status": join_index_key(self.owner, self.status),
            "owner_model": join_index_key(self.owner, self.resolved_model),
            "owner_status_model": join_index_key(self.owner, self.status, self.resolved_model),
        }
        if self.batch_id is not None:
            attributes["owner_batch"] = join_index_key(self.owner, self.batch_id)
        if self.stage in STAGES_WITH_AN_INDEX:
            attributes["owner_stage"] = join_index_key(self.owner, self.stage)
        if self.place is not None:
            attributes["waiting_for"] = self.provider
        # Every record that is not over has a due time, whichever step wrote it.
        # guard: listed until over
        return {**attributes, **give_due_attributes(None if self.is_over else self.due_at or self.updated_at)}


def count_spent_micros(video: Video, attempts: Sequence[Attempt] | None = None) -> int:
    """Count the cost of a video, or of some of its attempts, as far as it is known.

    If the provider reported no cost, a successful render counts as its estimate. So does a render that may still run or
    may have been accepted. A render that the provider failed counts as nothing.
    """
    return sum(_count_attempt_micros(video, attempt) for attempt in (video.attempts if attempts is None else attempts))


def _count_attempt_micros(video: Video, attempt: Attempt) -> int:
    if attempt.cost_micros is not None:
        return attempt.cost_micros
    if attempt.failure is None:
        # Still queued: the provider refused it for a while and never accepted it.
        return 0 if video.stage is Stage.QUEUED else attempt.estimate_micros
    may_be_charged = attempt.failure.code in (ErrorCode.SUBMISSION_UNKNOWN, ErrorCode.TIMEOUT, ErrorCode.EXPIRED)
    return attempt.estimate_micros if may_be_charged else 0


class JobClaim(Record):
    """Which video a provider's job belongs to: a job belongs to one video only."""

    provider: str
    job: str
    video_id: str
    ttl: int | None = None

    @property
    def key(self) -> Key:
        return job_key(self.provider, self.job)


class UnwantedRender(CheckedModel):
    """A provider's job that was under way when its video was deleted."""

    provider: str
    model: str
    job_id: str


class Leftovers(Record):
    """What may be left of a deleted video: a render, and files of a running step, which are removed at `remove_at`.

    The sweep comes at `due_at`. Records of earlier versions have no `remove_at`: their files are removed at once.
    """

    video_id: str
    due_at: AwareDatetime
    remove_at: AwareDatetime | None = None
    render: UnwantedRender | None = None

    @property
    def key(self) -> Key:
        return self.key_of(self.video_id)

    @staticmethod
    def key_of(video_id: str) -> Key:
        return Key(f"VIDEO#{video_id}", "LEFTOVERS")

    def index_attributes(self) -> Mapping[str, str]:
        """List it for the sweep."""
        return give_due_attributes(self.due_at)


def _find_unwanted_render(video: Video) -> UnwantedRender | None:
    """Give the job of a video that was stopped before it was stored."""
    was_stopped = video.failure is not None and video.failure.code is ErrorCode.CANCELLED and video.stored is None
    if not was_stopped or video.provider_job_id is None:
        return None
    return UnwantedRender(provider=video.provider, model=video.resolved_model, job_id=video.provider_job_id)


def job_key(provider: str, job: str) -> Key:
    """Give the primary key of a claim."""
    return Key(f"JOB#{provider}#{job}", "JOB")


def video_key(video_id: str) -> Key:
    """Give the primary key of a video."""
    return Key(f"VIDEO#{video_id}", "VIDEO")


@dataclass(frozen=True)
class VideoQuery:
    """Which videos to list; None means no condition."""

    owner: str
    limit: int
    after: str | None = None
    newest_first: bool = True
    status: VideoStatus | None = None
    resolved_model: str | None = None
    batch_id: str | None = None


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


def join_index_key(owner: str, *parts: str) -> str:
    """Join the parts of an index group; an owner has no `#`, so no query reads into another owner's group."""
    return "#".join((owner, *parts))


class VideoPage(NamedTuple):
    """A page of videos."""

    videos: list[Video]
    has_more: bool


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
            BudgetExceeded: the day's limit has no room for `more_micros`.
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
        self, video: Video, stage: Stage, *, now: datetime, together: Sequence[Change], **changes: Unpack[VideoChanges]
    ) -> Video:
        """Move a video to its next stage together with other changes, all or nothing.

        Raises:
            VersionConflict: the record changed since it was read or cannot make this transition, or another change
                cannot be made.
        """
        return self._replace(video, EARLIER_STAGES[stage], now, changes, {"stage": stage}, together=together)

    def note(self, video: Video, *, now: datetime, **changes: Unpack[VideoChanges]) -> Video:
        """Change fields of a video within its stage.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        return self._replace(video, (video.stage,), now, changes, {})

    def fail(self, video: Video, failure: VideoFailure, *, now: datetime, **changes: Unpack[VideoChanges]) -> Video:
        """End a video as failed; its stage stays and shows where it failed.

        Raises:
            VersionConflict: the record changed since it was read, or its MP4 is already stored.
        """
        failed: VideoFields = {"failure": failure, "lease_expires_at": None}
        return self._replace(video, STAGES_THAT_CAN_FAIL, now, changes, failed)

    def store_again(self, video: Video, *, now: datetime, store_until: datetime, together: Sequence[Change]) -> Video:
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
        """List an owner's videos by time, with one query of one index however many videos are stored.

        Only queries of a batch are filtered: their page may be short although there are more. If no entry of one query
        fits, the search continues, a megabyte at a time and a few times at most.
        """
        choice = choose_index(query)
        wanted = PageQuery(
            hash_name=choice.hash_name,
            value=choice.value,
            range_name="id",
            limit=query.limit,
            after=query.after,
            newest_first=query.newest_first,
            filters=choice.filters,
            read_max=FILTERED_ENTRIES_MAX,
        )
        for _ in range(QUERIES_A_PAGE_MAX):
            page = self._table.query_page(choice.index_name, wanted)
            if page.keys or page.reached is None:
                break
            wanted = replace(wanted, after=page.reached, read_max=None)
        # The index lags behind the record: videos deleted meanwhile are left out.
        videos = [Video.model_validate(item) for item in self._table.get_many(page.keys)]
        return VideoPage(videos=videos, has_more=page.has_more)

    def count_batch(self, owner: str, batch_id: str) -> Counter[str]:
        """Count the videos of a batch by status."""
        return self._table.count_values(
            BATCH_INDEX, hash_name="owner_batch", value=join_index_key(owner, batch_id), attribute="status"
        )

    def settle(self, video: Video, spent_micros: int, *, now: datetime) -> Video:
        """Record the cost of a video and release its reservation; once, however often it is called.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        if video.reservation is None or video.reservation.settled_micros is not None:
            return video
        reservation = video.reservation.copy_with(settled_micros=spent_micros)
        changed = video.copy_with(reservation=reservation, version=video.version + 1, updated_at=now)
        self._table.commit([Replace(changed, video.version), *_book(video, video.reservation, spent_micros)])
        return changed

    def mark_event_sent(self, video: Video) -> Video:
        """Record that the event of a video's end was sent; the time of its end stays.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        told = video.copy_with(is_told=True, version=video.version + 1)
        self._table.commit([Replace(told, video.version)])
        return told

    def delete(self, video: Video, spent_micros: int, *, now: datetime) -> None:
        """Delete the record of a video, and settle it if needed; the records of its posts stay.

        The sweep later removes files that a running step may still leave.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        books: list[Change] = [*count_change(video.held, None, {})]
        if video.reservation is not None and video.reservation.settled_micros is None:
            books += _book(video, video.reservation, spent_micros)
        render = _find_unwanted_render(video)
        leftovers = Leftovers(
            video_id=video.id,
            due_at=now + (CANCEL_AGAIN_AFTER if render else LEFTOVERS_AFTER),
            remove_at=now + LEFTOVERS_AFTER,
            render=render,
        )
        self._table.commit([Delete(video.key, video.version), Put(leftovers), *books])  # guard: leftovers listed

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
    ) -> Video:
        """Write a video with the changes of a step and of the store, all or nothing."""
        video.refuse_changes_but(VideoChanges.__optional_keys__, changes)
        if video.failure is not None or video.stage not in earlier:
            raise VersionConflict(f"The video {video.id} is {video.status} at {video.stage} and stays so.")
        promised = _promise_more(video, more_micros)
        written: VideoFields = {
            **changes,
            **own,
            **promised.changes,
            "version": video.version + 1,
            "updated_at": now,
        }
        changed = _release(video.copy_with(**written))
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
                raise BudgetExceeded(f"The day's limit has no room for another try of {video.id}.") from conflict
            raise
        return changed


class _Promise(NamedTuple):
    """The changes of a record and of the budgets when more is reserved for a video."""

    changes: VideoFields
    books: Sequence[Change]


def _promise_more(video: Video, more_micros: int) -> _Promise:
    """Reserve more for a video on its owner's day, and on the stack's if that has a limit."""
    reservation = video.reservation
    if reservation is None or more_micros <= 0:
        return _Promise({}, [])
    limits = [Limit(video.owner, reservation.limit_micros)]
    if reservation.of_stack:  # guard: stack limit
        limits.append(Limit(STACK_OWNER, reservation.stack_limit_micros))
    more = reservation.copy_with(micros=reservation.micros + more_micros)
    return _Promise({"reservation": more}, [reserve_more(limit, reservation.on, more_micros) for limit in limits])


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


def _book(video: Video, reservation: Reservation, spent_micros: int) -> list[Change]:
    owners = [video.owner, STACK_OWNER] if reservation.of_stack else [video.owner]
    promises = [
        settle(owner, reservation.on, reserved_micros=reservation.micros, spent_micros=spent_micros) for owner in owners
    ]
    of_batch = [] if video.batch_id is None else [count_settled(video.batch_id, spent_micros=spent_micros)]
    return [*promises, *_count_usage(video, reservation.on, spent_micros), *of_batch]


def _count_usage(video: Video, day: date, spent_micros: int) -> list[Change]:
    """Record the cost by model; the video itself counts for the last model."""
    by_model = Counter({video.resolved_model: spent_micros})
    for attempt in video.attempts:
        charged_micros = _count_attempt_micros(video, attempt)
        if attempt.model != video.resolved_model and charged_micros > 0:
            by_model[attempt.model] += charged_micros
            by_model[video.resolved_model] -= charged_micros
    return [
        count_usage(video.owner, day, model, videos=int(model == video.resolved_model), spent_micros=micros)
        for model, micros in by_model.items()
    ]
