"""The Video object: OpenAI's fields as its SDK types them, plus ours.

Source of the first part: `openai.types.Video` of openai-python 3.x. `seconds` is a string there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.problem import Problem
from mediaposter.media.probe import Probe
from mediaposter.media.provenance import Provenance
from mediaposter.stores.approvals import Approval, Decision
from mediaposter.stores.media import StoredVideo
from mediaposter.stores.posts import Post, PostState
from mediaposter.stores.trail import Actor
from mediaposter.stores.video_record import DerivationKind, Video
from mediaposter.stores.video_stages import Stage


class ProbeObject(Probe):
    """What a stored video is, as a player shows it: width and height are in square pixels, after its rotation.

    `provenance` is `c2pa` if the file has Content Credentials, a manifest of C2PA, which is not verified. The file is
    stored as it came from the provider, byte for byte, so they stay valid.
    """

    provenance: Provenance | None = None


class VideoErrorObject(BaseModel):
    """Why a video failed."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str


class PostObject(BaseModel):
    """One post of a video; `text` is its caption, `scheduled_time` when it goes out if not at once."""

    model_config = ConfigDict(frozen=True)

    object: Literal["video.post"] = "video.post"
    video_id: str
    platform: str
    account_id: str
    status: PostState
    url: str | None
    text: str
    scheduled_time: datetime | None
    submitted_at: int | None
    error: VideoErrorObject | None


class ActorObject(BaseModel):
    """The key that was used: its id, and the beginning of what its maker knows it by."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str


class ApprovalObject(BaseModel):
    """Whether a video may be posted. It can be decided until it expires; `comment` is of the person who decided."""

    model_config = ConfigDict(frozen=True)

    status: Decision
    expires_at: int
    decided_at: int | None
    decided_by: ActorObject | None = None
    comment: str | None = None


class AttemptObject(BaseModel):
    """One submission to a provider."""

    model_config = ConfigDict(frozen=True)

    provider: str
    model: str
    started_at: int
    provider_job_id: str | None
    error: VideoErrorObject | None
    cost_usd: str | None


class LinksObject(BaseModel):
    """Where a kept video, its thumbnail and its spritesheet can be fetched without a key, until `expires_at`."""

    model_config = ConfigDict(frozen=True)

    video: str = Field(repr=False)
    thumbnail: str = Field(repr=False)
    spritesheet: str = Field(repr=False)
    expires_at: int


class Outlook(NamedTuple):
    """What is to come of a video that waits or is rendered.

    Attributes:
        queue_position: its place in the queue for its provider, from 1.
        eta_at: when its render is likely to end, in seconds since 1970.
    """

    queue_position: int | None = None
    eta_at: int | None = None


NO_OUTLOOK = Outlook()


class VideoDetails(NamedTuple):
    """What is shown of a video beside its record."""

    posts: Sequence[Post] = ()
    approval: Approval | None = None
    links: LinksObject | None = None
    outlook: Outlook = NO_OUTLOOK


NO_DETAILS = VideoDetails()


class VideoObject(BaseModel):
    """A video as the API answers it. Times are seconds since 1970, costs are dollars as text.

    `queue_position` counts from 1 while it waits for a slot of its provider; null also if more than 500 are before it.
    `eta_at` is when its render is likely to end, by the render times of its model; null once that is over, or if it is
    not known. Both are of the moment of a GET; other requests answer null. `links` is null until it is stored, and in
    the answer to a request for a new video.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    object: Literal["video"] = "video"
    status: VideoStatus
    progress: int
    model: str
    created_at: int
    completed_at: int | None
    expires_at: int | None = None  # ours never expire
    seconds: str
    size: str
    prompt: str
    remixed_from_video_id: str | None = None
    derivation: DerivationKind | None = None  # how it is made from that one
    error: VideoErrorObject | None

    stage: Stage
    provider: str
    resolved_model: str
    attempts: list[AttemptObject]
    fallback_models: list[str]
    warnings: list[str]
    cost_estimate_usd: str
    cost_usd: str | None
    size_bytes: int | None
    sha256: str | None
    probe: ProbeObject | None
    approval: ApprovalObject | None
    approval_hours: int | None = None  # how long the posts wait for it; None where none is needed
    posts: list[PostObject]
    metadata: dict[str, str]
    links: LinksObject | None = None  # once it is stored
    queue_position: int | None = None
    eta_at: int | None = None


def present_video(
    video: Video,
    posts: Iterable[Post],
    approval: Approval | None = None,
    links: LinksObject | None = None,
    outlook: Outlook = NO_OUTLOOK,
) -> VideoObject:
    """Write a record as the API answers it."""
    return VideoObject(
        id=video.id,
        status=video.status,
        progress=video.progress,
        model=video.model,
        created_at=int(video.created_at.timestamp()),
        completed_at=int(video.completed_at.timestamp()) if video.completed_at else None,
        seconds=str(video.seconds),
        size=video.size,
        prompt=video.prompt,
        remixed_from_video_id=video.derivation.video_id if video.derivation else None,
        derivation=video.derivation.kind if video.derivation else None,
        error=_present_problem(video.failure),
        stage=video.stage,
        provider=video.provider,
        resolved_model=video.resolved_model,
        attempts=[
            AttemptObject(
                provider=attempt.provider,
                model=attempt.model,
                started_at=int(attempt.started_at.timestamp()),
                provider_job_id=attempt.provider_job_id,
                error=_present_problem(attempt.failure),
                cost_usd=_show_cost(attempt.cost_micros),
            )
            for attempt in video.attempts
        ],
        fallback_models=[candidate.model for candidate in video.fallbacks],
        warnings=list(video.warnings),
        cost_estimate_usd=to_dollars(video.cost_estimate_micros),
        cost_usd=_show_cost(video.cost_micros),
        size_bytes=video.stored.size_bytes if video.stored else None,
        sha256=video.stored.sha256 if video.stored else None,
        probe=_present_probe(video.stored) if video.stored else None,
        approval=_present_approval(approval),
        approval_hours=video.approval_hours,
        posts=[present_post(post) for post in posts],
        metadata=video.metadata,
        links=links,
        queue_position=outlook.queue_position,
        eta_at=outlook.eta_at,
    )


def present_details(video: Video, details: VideoDetails) -> VideoObject:
    """Write a record with what was found beside it."""
    return present_video(video, *details)


def present_post(post: Post) -> PostObject:
    """Write a post as the API answers it."""
    # Until Blotato has the post, the requested time is the expected time.
    planned = post.target.scheduled_time if post.state is PostState.PENDING else None
    return PostObject(
        video_id=post.video_id,
        platform=post.target.platform,
        account_id=post.target.account_id,
        status=post.state,
        url=post.public_url,
        text=post.text,
        scheduled_time=post.scheduled_time or planned,
        submitted_at=int(post.submitted_at.timestamp()) if post.submitted_at else None,
        error=_present_problem(post.problem),
    )


def _present_probe(stored: StoredVideo) -> ProbeObject:
    return ProbeObject(**stored.probe.model_dump(), provenance=stored.provenance)


def _present_approval(approval: Approval | None) -> ApprovalObject | None:
    if approval is None:
        return None
    return ApprovalObject(
        status=approval.decision,
        expires_at=int(approval.expires_at.timestamp()),
        decided_at=int(approval.decided_at.timestamp()) if approval.decided_at else None,
        decided_by=present_actor(approval.decider),
        comment=approval.comment,
    )


def present_actor(actor: Actor | None) -> ActorObject | None:
    """Write who did something."""
    return None if actor is None else ActorObject(id=actor.key, name=actor.name)


def _present_problem(problem: Problem | None) -> VideoErrorObject | None:
    return VideoErrorObject(code=problem.code, message=problem.message) if problem else None


def _show_cost(micros: int | None) -> str | None:
    return None if micros is None else to_dollars(micros)


def to_dollars(micros: int) -> str:
    """Write micro-dollars as dollars."""
    return f"{Decimal(micros) / 1_000_000:f}"
