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
from mediaposter.domain.viewer import Viewer
from mediaposter.stores.batches import count_recorded, count_settled
from mediaposter.stores.budget import STACK_OWNER, Limit, count_usage, reserve_more, settle
from mediaposter.stores.capacity import Claim, count_change, read_turn
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
QUERIES_A_PAGE_MAX = 10
# Enough to fill a page of a filter that one in five fits.
FILTERED_ENTRIES_MAX = 500


class Stage(StrEnum):
    """How far a video has come; finer than OpenAI's four words."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    RENDERING = "rendering"
    STORING = "storing"
    AWAITING_APPROVAL = "awaiting_approval"
    PUBLISHING = "publishing"
    DONE = "done"


# From which stages each stage is reached. What is not here cannot happen. Back to queued a video goes when its
# provider certainly accepted nothing, when another model takes over, or when its owner asked to send it again.
EARLIER_STAGES: Mapping[Stage, tuple[Stage, ...]] = {
    Stage.QUEUED: (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING),
    Stage.SUBMITTING: (Stage.QUEUED,),
    Stage.RENDERING: (Stage.SUBMITTING,),
    Stage.STORING: (Stage.RENDERING,),
    Stage.AWAITING_APPROVAL: (Stage.STORING,),
    Stage.PUBLISHING: (Stage.STORING, Stage.AWAITING_APPROVAL, Stage.DONE),
    Stage.DONE: (Stage.STORING, Stage.AWAITING_APPROVAL, Stage.PUBLISHING),
}
# Once the MP4 is kept the video is completed: nothing after that can fail it.
STAGES_THAT_CAN_FAIL = (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING, Stage.STORING)
# While it is at one of these, a video holds a slot of its provider, or waits for one.
STAGES_AT_A_PROVIDER = (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING)
STAGES_OF_A_KEPT_VIDEO = (Stage.AWAITING_APPROVAL, Stage.PUBLISHING, Stage.DONE)
# Only at these may a post be sent: it was approved, where it has to be.
STAGES_OF_POSTING = (Stage.PUBLISHING, Stage.DONE)
# Longer than any submit can run, so that the sweep never meets one at work.
STARTED_WITHIN = timedelta(minutes=5)
# A video that waits for a slot is started by the dispatcher; the sweep only sees that it still waits.
WAITS_FOR = timedelta(hours=1)
# How long after a video came to a stage the sweep asks whether an execution still carries it; a render is given besides
# the time it is expected to take. From one stage to the next the alarm moves as seldom as it can: moving it costs two
# writes of an index.
ASKED_AFTER: Mapping[Stage, timedelta] = {
    Stage.SUBMITTING: timedelta(minutes=15),
    Stage.STORING: timedelta(minutes=25),
    Stage.PUBLISHING: timedelta(minutes=25),
}
# Longer than StoreVideoFunction can run on after its video was deleted.
LEFTOVERS_AFTER = timedelta(minutes=20)
# A job can be found by its provider's webhooks, or in its list, no longer than this.
JOB_KEPT_FOR = timedelta(days=90)


class VideoFailure(CheckedModel):
    """Why a video failed, in a sentence a person can act on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: ErrorCode
    message: str


class AttemptChanges(TypedDict, total=False):
    """What is learnt of an attempt after it began."""

    provider_job_id: str | None
    failure: VideoFailure | None
    cost_micros: int | None


class Attempt(CheckedModel):
    """One submission to a provider: what became of it, and what it cost. Nothing is what a refused one costs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    model: str
    started_at: AwareDatetime
    estimate_micros: int = 0
    provider_job_id: str | None = None
    failure: VideoFailure | None = None
    cost_micros: int | None = None

    def copy_with(self, **fields: Unpack[AttemptChanges]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)


class DerivationKind(StrEnum):
    """How a video is made from another."""

    REMIX = "remix"
    EDIT = "edit"
    EXTEND = "extend"


class Derivation(CheckedModel):
    """The video that another is made from. `extend_seconds` is what is added, where a video is extended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: DerivationKind
    video_id: str
    provider_job_id: str
    extend_seconds: int | None = None


class ReservationChanges(TypedDict, total=False):
    """What changes in a promise: another try makes it more, and its end settles it."""

    micros: int
    settled_micros: int | None


class Reservation(CheckedModel):
    """What a video was promised of its owner's day, and of the stack's where that has a limit.

    The limits are those of the day when it was promised: they hold for what is promised in addition, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: date
    micros: int
    of_stack: bool = False
    settled_micros: int | None = None
    limit_micros: int | None = None
    stack_limit_micros: int | None = None

    def copy_with(self, **fields: Unpack[ReservationChanges]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)


class CandidateChanges(TypedDict, total=False):
    """What is said of a candidate once the posts are planned."""

    warnings: tuple[str, ...]


class Candidate(CheckedModel):
    """A model that takes over when the one before it refuses, and the video it would make."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    provider: str
    seconds: int
    size: str
    cost_estimate_micros: int
    expected_render_seconds: int
    warnings: tuple[str, ...] = ()

    def copy_with(self, **fields: Unpack[CandidateChanges]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)


class Estimate(NamedTuple):
    """What a request would become, and what it would cost."""

    candidates: list[Candidate]
    reserved_micros: int


def _read_json_text(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


# Kept as text: DynamoDB has no floats, and these are the vendor's own fields, whatever they are.
ProviderOptions = Annotated[
    dict[str, JsonValue], BeforeValidator(_read_json_text), PlainSerializer(json.dumps, when_used="json")
]


class VideoChanges(TypedDict, total=False):
    """What a step may change in the record of a video; its types are those of `Video`."""

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
    """All that changes: besides, what transitions and settlements write, and what submit adds to a new record."""

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
    """One video, from the request to the kept MP4. Money is in micro-dollars."""

    id: str
    owner: str
    created_at: AwareDatetime
    updated_at: AwareDatetime

    # The request. `model` is what was asked for, `resolved_model` the catalog's name.
    prompt: str
    model: str
    resolved_model: str
    provider: str
    seconds: int
    size: str
    # The picture it begins with: the URL that the caller named, or a key in our bucket.
    input_image: str | None = None
    derivation: Derivation | None = None
    provider_options: ProviderOptions = Field(default_factory=dict)
    metadata: dict[str, str] = Field(default_factory=dict)
    # The models still to be tried after this one.
    fallbacks: tuple[Candidate, ...] = ()
    # The owner's word to send a lost submission again, at the risk of paying twice.
    resubmit: bool = False
    # Where the video differs from what was asked for.
    warnings: tuple[str, ...] = ()
    batch_id: str | None = None
    # The id of the event that asked for it, and what is to be told with the answer.
    request_id: str | None = None
    correlation_id: str | None = None
    webhook_url: str | None = None

    # The money.
    cost_estimate_micros: int
    cost_micros: int | None = None
    reservation: Reservation | None = None

    # The generation. Once the MP4 is stored, the video is completed.
    stage: Stage = Stage.QUEUED
    failure: VideoFailure | None = None
    progress: int = 0
    attempts: tuple[Attempt, ...] = ()
    provider_job_id: str | None = None
    expected_render_seconds: int
    # Bounds the provider call that a `submitting` record announces.
    lease_expires_at: AwareDatetime | None = None
    # Ends the generation; the first step of the execution sets it.
    deadline_at: AwareDatetime | None = None
    rendering_since: AwareDatetime | None = None
    # When the provider forgets its copy.
    store_until: AwareDatetime | None = None
    stored: StoredVideo | None = None
    completed_at: AwareDatetime | None = None

    # The posts. For so many hours they wait for a person; None is that they wait for nobody.
    approval_hours: int | None = None
    publishing_since: AwareDatetime | None = None

    # What carries it. `slot` is the provider of whom it holds a slot, `place` is where it waits for one.
    slot: str | None = None
    place: str | None = None
    # The number of the execution. Another takes over when one has to wait for another provider's slot, when one broke
    # off, and when it is posted again.
    launch: int = 0
    # Its caller was told that it is recorded, though no execution was seen to run.
    is_accepted: bool = False
    # What the last execution broke off with.
    fault: str | None = None
    # When the sweep asks whether an execution still carries it.
    due_at: AwareDatetime | None = None
    # The bus was told how it ended.
    is_told: bool = False

    def copy_with(self, **fields: Unpack[VideoFields]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return video_key(self.id)

    @computed_field  # type: ignore[prop-decorator]  # mypy cannot see through a decorated property
    @property
    def status(self) -> VideoStatus:
        """Give OpenAI's word for where the video stands."""
        if self.failure is not None:
            return VideoStatus.FAILED
        if self.stage in STAGES_OF_A_KEPT_VIDEO:
            return VideoStatus.COMPLETED
        return VideoStatus.QUEUED if self.stage is Stage.QUEUED else VideoStatus.IN_PROGRESS

    @property
    def was_taken_up(self) -> bool:
        """Tell whether an execution ever took its first step."""
        return self.stage is not Stage.QUEUED or self.deadline_at is not None

    @property
    def is_over(self) -> bool:
        """Tell whether nothing is left to do: it has ended, its money is settled, and the bus was told."""
        has_ended = self.failure is not None or self.stage is Stage.DONE
        is_settled = self.reservation is None or self.reservation.settled_micros is not None
        return has_ended and is_settled and self.is_told  # guard: nothing left

    @property
    def held(self) -> Claim | None:
        """Tell what it holds of a provider."""
        if self.slot is not None:
            return Claim(self.slot, has_slot=True)
        return Claim(self.provider, has_slot=False) if self.place is not None else None

    def index_attributes(self) -> Mapping[str, str]:
        """Give what its owner's lists are asked by, and list it for the sweep until it is over."""
        attributes = {
            "owner_status": join_index_key(self.owner, self.status),
            "owner_model": join_index_key(self.owner, self.resolved_model),
            "owner_status_model": join_index_key(self.owner, self.status, self.resolved_model),
        }
        if self.batch_id is not None:
            attributes["owner_batch"] = join_index_key(self.owner, self.batch_id)
        if self.place is not None:
            attributes["waiting_for"] = self.provider
        # What is not over has an alarm, whichever step wrote it.
        # guard: listed until over
        return {**attributes, **give_due_attributes(None if self.is_over else self.due_at or self.updated_at)}


def count_spent_micros(video: Video, attempts: Sequence[Attempt] | None = None) -> int:
    """Count what a video cost, or some of its attempts, as far as anyone can know.

    Where the provider told nothing, a render that came out well, and one that may go on or have been taken, count as
    their estimate; one that the provider failed counts as nothing.
    """
    return sum(_count_attempt_micros(video, attempt) for attempt in (video.attempts if attempts is None else attempts))


def _count_attempt_micros(video: Video, attempt: Attempt) -> int:
    if attempt.cost_micros is not None:
        return attempt.cost_micros
    if attempt.failure is None:
        # Still queued, it was refused for a while and never taken.
        return 0 if video.stage is Stage.QUEUED else attempt.estimate_micros
    may_be_charged = attempt.failure.code in (ErrorCode.SUBMISSION_UNKNOWN, ErrorCode.TIMEOUT, ErrorCode.EXPIRED)
    return attempt.estimate_micros if may_be_charged else 0


class JobClaim(Record):
    """Which video a provider's job belongs to: a job is taken by one video alone."""

    provider: str
    job: str
    video_id: str
    ttl: int | None = None

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return job_key(self.provider, self.job)


class Leftovers(Record):
    """What a step that ran on may have left of a deleted video; the sweep clears it up when `due_at` has come."""

    video_id: str
    due_at: AwareDatetime

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return self.key_of(self.video_id)

    @staticmethod
    def key_of(video_id: str) -> Key:
        """Give the primary key of what is left of a video."""
        return Key(f"VIDEO#{video_id}", "LEFTOVERS")

    def index_attributes(self) -> Mapping[str, str]:
        """List it for the sweep."""
        return give_due_attributes(self.due_at)


def job_key(provider: str, job: str) -> Key:
    """Give the primary key of a claim."""
    return Key(f"JOB#{provider}#{job}", "JOB")


def video_key(video_id: str) -> Key:
    """Give the primary key of a video."""
    return Key(f"VIDEO#{video_id}", "VIDEO")


@dataclass(frozen=True)
class VideoQuery:
    """Which videos to list; what is None is not asked for."""

    owner: str
    limit: int
    after: str | None = None
    newest_first: bool = True
    status: VideoStatus | None = None
    resolved_model: str | None = None
    batch_id: str | None = None


class IndexChoice(NamedTuple):
    """Which group of which index holds what is asked for; `filters` are for what it holds besides."""

    index_name: str
    hash_name: str
    value: str
    filters: Mapping[str, str] = MappingProxyType({})


def choose_index(query: VideoQuery) -> IndexChoice:
    """Choose the index that holds what is asked for and nothing else.

    There is none for what is asked of a batch besides: a batch is bounded, so its own is filtered.
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
    """Join what an index is grouped by; an owner has no `#`, so nobody's question reaches into another's group."""
    return "#".join((owner, *parts))


class VideoPage(NamedTuple):
    """A page of videos."""

    videos: list[Video]
    has_more: bool


class VideoStore:
    """The videos that are kept."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, video: Video, posts: Sequence[Post], *, conditions: Sequence[Change] = ()) -> None:
        """Keep a new video and the posts it is to become, all or nothing.

        Args:
            video: the new record.
            posts: theirs.
            conditions: what must be possible with it: a promise of its money, its request's name.

        Raises:
            VersionConflict: `changes` numbers the conditions that do not hold.
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
            NotFound: there is none, or it is somebody else's; the two look alike from outside.
        """
        video = self.get_unchecked(video_id)
        if not caller.may_see(video.owner):
            raise NotFound(f"There is no video {video_id}.")
        return video

    def get_unchecked(self, video_id: str) -> Video:
        """Read a video whoever owns it: for the state machine's own steps and the sweep.

        Raises:
            NotFound: there is none.
        """
        if len(video_id) > VIDEO_ID_MAX_CHARACTERS:
            raise NotFound("There is no video of such an id.")  # nor may it be a key: DynamoDB has a limit
        return Video.model_validate(self._table.get(video_key(video_id)))

    def reload(self, video: Video) -> Video:
        """Read a video again, as another worker has written it since.

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
            at_most: what the provider's numbers may become if it takes a slot.
            more_micros: what it may cost beyond what it was promised.
            changes: the fields that change with the stage.

        Raises:
            SlotsTaken: there is none.
            BudgetExceeded: the day's limit has no room for more.
            VersionConflict: the record changed since it was read, or cannot make this transition.
            InvalidChange: a change is none of `VideoChanges`. So it is of every method that takes changes.
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

    def take_turn(self, video: Video, place: str, *, now: datetime, at_most: Mapping[str, int]) -> Video:
        """Give a video that waits at a place a slot of its provider, as long as its numbers stay at most so great.

        Raises:
            SlotsTaken: there is none.
            VersionConflict: the record changed since it was read.
        """
        turn = Put(read_turn(video.provider, place))
        taken: VideoFields = {"slot": video.provider, "place": None}
        return self._replace(video, (Stage.QUEUED,), now, {}, taken, together=[turn], at_most=at_most)

    def park(self, video: Video, place: str, *, now: datetime) -> Video:
        """Let a queued video wait for a slot, without an execution: the next one is another.

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
        """Change what is known of a video within its stage.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        return self._replace(video, (video.stage,), now, changes, {})

    def fail(self, video: Video, failure: VideoFailure, *, now: datetime, **changes: Unpack[VideoChanges]) -> Video:
        """End a video as failed; its stage stays and tells where.

        Raises:
            VersionConflict: the record changed since it was read, or its MP4 is kept already.
        """
        failed: VideoFields = {"failure": failure, "lease_expires_at": None}
        return self._replace(video, STAGES_THAT_CAN_FAIL, now, changes, failed)

    def store_again(self, video: Video, *, now: datetime, store_until: datetime, together: Sequence[Change]) -> Video:
        """Take up a video that failed when it was fetched; what it cost is booked already and stays so.

        Raises:
            VersionConflict: the record changed since it was read, or it failed elsewhere.
        """
        if video.failure is None or video.stage is not Stage.STORING:
            raise VersionConflict(f"The video {video.id} did not fail when it was fetched.")
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
        """Write down that a provider's job renders a video, and that it renders no other.

        Raises:
            VersionConflict: the record changed since it was read, or the job is another video's.
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

    def list_page(self, query: VideoQuery) -> VideoPage:
        """List an owner's videos by their time, one query of one index whatever the size of the library.

        Of a batch alone a filter leaves out: such a page may be short, and there may be more all the same. Where
        nothing of what one query looks at fits, it goes on, a megabyte at a time and a few times at the most.
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
        # The index comes a moment after the record: what is gone meanwhile is left out.
        videos = [Video.model_validate(item) for item in self._table.get_many(page.keys)]
        return VideoPage(videos=videos, has_more=page.has_more)

    def count_batch(self, owner: str, batch_id: str) -> Counter[str]:
        """Count the videos of a batch by their status."""
        return self._table.count_values(
            BATCH_INDEX, hash_name="owner_batch", value=join_index_key(owner, batch_id), attribute="status"
        )

    def settle(self, video: Video, spent_micros: int, *, now: datetime) -> Video:
        """Book what a video cost, and take its promise back; once, however often it is asked for.

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
        """Write down that the bus was told how a video ended; that changes nothing about when it did.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        told = video.copy_with(is_told=True, version=video.version + 1)
        self._table.commit([Replace(told, video.version)])
        return told

    def delete(self, video: Video, spent_micros: int, *, now: datetime) -> None:
        """Forget a video, and settle it if it was not; its posts stay in the ledger.

        What a step that runs on may still leave of it is cleared up later.

        Raises:
            VersionConflict: the record changed since it was read.
        """
        books: list[Change] = [*count_change(video.held, None, {})]
        if video.reservation is not None and video.reservation.settled_micros is None:
            books += _book(video, video.reservation, spent_micros)
        leftovers = Leftovers(video_id=video.id, due_at=now + LEFTOVERS_AFTER)
        self._table.commit([Delete(video.key, video.version), Put(leftovers), *books])  # guard: leftovers listed

    def forget_leftovers(self, video_id: str) -> None:
        """Forget that something may be left of a deleted video."""
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
        """Write a video with the changes of a step and our own, all or nothing."""
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
    """What changes in a record, and in the books, when a video is promised more."""

    changes: VideoFields
    books: Sequence[Change]


def _promise_more(video: Video, more_micros: int) -> _Promise:
    """Promise a video more of its owner's day, and of the stack's where that has a limit."""
    reservation = video.reservation
    if reservation is None or more_micros <= 0:
        return _Promise({}, [])
    limits = [Limit(video.owner, reservation.limit_micros)]
    if reservation.of_stack:  # guard: stack limit
        limits.append(Limit(STACK_OWNER, reservation.stack_limit_micros))
    more = reservation.copy_with(micros=reservation.micros + more_micros)
    return _Promise({"reservation": more}, [reserve_more(limit, reservation.on, more_micros) for limit in limits])


def _give_due_at(before: Video, after: Video, now: datetime) -> datetime | None:
    """Give when the sweep is to come back to a video that was written: its alarm stays where it still fits."""
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
    """Let a video hold nothing that it does not need any more: the provider is done with it, or is another one."""
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
    """Book what each model was paid; the video itself counts for the one that came last."""
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
