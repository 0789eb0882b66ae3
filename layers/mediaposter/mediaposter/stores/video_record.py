"""The record of a video and its parts, and which of its fields may change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, NamedTuple, Self, TypedDict, Unpack

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, JsonValue, PlainSerializer, computed_field

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode
from mediaposter.domain.problem import Problem
from mediaposter.stores.capacity import Claim
from mediaposter.stores.checked_model import CheckedModel
from mediaposter.stores.due import give_due_attributes
from mediaposter.stores.media import StoredVideo
from mediaposter.stores.table import Key, Record
from mediaposter.stores.trail import Trail
from mediaposter.stores.video_stages import STAGES_OF_A_KEPT_VIDEO, STAGES_WITH_AN_INDEX, Stage

VIDEO_ID_MAX_CHARACTERS = 128


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
    """The fields of `Reservation` that change: another try raises the amount, and the end settles it.

    `max_micros` is set by the request that makes it.
    """

    micros: int
    settled_micros: int | None
    max_micros: int | None


class Reservation(CheckedModel):
    """The money reserved for a video on its owner's day, and on the stack's if that has a limit.

    The limits are those at the time of the reservation; they also apply to amounts reserved later. `max_micros` is the
    most that the request lets its video cost, with all tries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: date
    micros: int
    of_stack: bool = False
    settled_micros: int | None = None
    limit_micros: int | None = None
    stack_limit_micros: int | None = None
    max_micros: int | None = None

    def copy_with(self, **fields: Unpack[ReservationChanges]) -> Self:
        return self.model_copy(update=fields)


class MonthLimits(CheckedModel):
    """The limits of the month in which a video's money is reserved, as they were then: its owner's, and the stack's.

    Beside the reservation, whose fields earlier versions of this stack refuse to add to.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    limit_micros: int | None = None
    stack_limit_micros: int | None = None


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
    approval_hours: int | None
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
    month_limits: MonthLimits | None
    key_webhook_url: str | None
    place: str | None
    is_told: bool
    input_image: str | None
    request_id: str | None
    correlation_id: str | None
    trail: Trail


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
    # The receiver of its key, for events that are not about it; `webhook_url` may be one that its request named.
    key_webhook_url: str | None = None

    # The money.
    cost_estimate_micros: int
    cost_micros: int | None = None
    reservation: Reservation | None = None
    # None if its money counts in no month: it was recorded before there were limits of a month.
    month_limits: MonthLimits | None = None

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

    # Who did what; the store adds to it with each change.
    trail: Trail = ()

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


def video_key(video_id: str) -> Key:
    """Give the primary key of a video."""
    return Key(f"VIDEO#{video_id}", "VIDEO")


def join_index_key(owner: str, *parts: str) -> str:
    """Join the parts of an index group; an owner has no `#`, so no query reads into another owner's group."""
    return "#".join((owner, *parts))
