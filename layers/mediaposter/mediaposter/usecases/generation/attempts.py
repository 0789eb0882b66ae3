"""How an attempt ends: the video fails, or the next model takes over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from mediaposter.ai.video_model_interface import VideoModelInterface
from mediaposter.domain.errors import ErrorCode
from mediaposter.stores.video_record import Attempt, Video, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.steps import Outcome, StepResult

Clock = Callable[[], datetime]
# Builds the model that renders a video; raises ConfigurationError if its key or address is missing.
Models = Callable[[Video], VideoModelInterface]


# Refusals for reasons of the provider, not of the video: another model may accept.
CODES_OF_THE_PROVIDER = frozenset(
    {
        ErrorCode.AUTHENTICATION,
        ErrorCode.INSUFFICIENT_CREDIT,
        ErrorCode.MODEL_NOT_FOUND,
        ErrorCode.PROVIDER_ERROR,
        ErrorCode.RATE_LIMITED,
    }
)
# How long a silent provider is polled beyond the deadline: the render may be paid for and done.
ANSWER_GRACE = timedelta(hours=24)


class EndedAttempt(NamedTuple):
    """Why the last attempt failed, and all attempts with that recorded."""

    failure: VideoFailure
    attempts: tuple[Attempt, ...]


def end_attempt(video: Video, code: ErrorCode, message: str, *, cost_micros: int | None = None) -> EndedAttempt:
    """Record how the last attempt failed, and its cost if that is known."""
    failure = VideoFailure(code=code, message=message)
    last = video.attempts[-1].copy_with(failure=failure, cost_micros=cost_micros)
    return EndedAttempt(failure, (*video.attempts[:-1], last))


def add_costs(attempts: tuple[Attempt, ...]) -> int | None:
    """Add up the costs of the attempts; None if no attempt's cost is known."""
    costs = [attempt.cost_micros for attempt in attempts]
    return None if costs[-1] is None else sum(cost for cost in costs if cost is not None)


def can_fall_back(video: Video, code: ErrorCode) -> bool:
    """Tell whether another model is left that may accept despite this error."""
    return code in CODES_OF_THE_PROVIDER and bool(video.fallbacks)


def fall_back(videos: VideoStore, video: Video, ended: EndedAttempt, now: datetime) -> None:
    """Queue the video again, for the next model."""
    candidate, *rest = video.fallbacks
    videos.advance(
        video,
        Stage.QUEUED,
        now=now,
        attempts=ended.attempts,
        deadline_at=video.deadline_at,
        resolved_model=candidate.model,
        provider=candidate.provider,
        seconds=candidate.seconds,
        size=candidate.size,
        cost_estimate_micros=candidate.cost_estimate_micros,
        expected_render_seconds=candidate.expected_render_seconds,
        fallbacks=tuple(rest),
        warnings=(
            *video.warnings,
            f"model: {video.resolved_model} refused ({ended.failure.code}); {candidate.model} takes over.",
            *candidate.warnings,
        ),
        progress=0,
        provider_job_id=None,
        rendering_since=None,
        lease_expires_at=None,
    )


def fail(videos: VideoStore, video: Video, ended: EndedAttempt, now: datetime) -> StepResult:
    """End a video as its last attempt ended, with what all of them cost."""
    videos.fail(video, ended.failure, now=now, attempts=ended.attempts, cost_micros=add_costs(ended.attempts))
    return StepResult(outcome=Outcome.FAILED)


def explain_unknown(message: str) -> str:
    """Say what to do about a submission with an unknown outcome."""
    return (
        f"{message} The provider may have accepted the video and may charge for it, so it was not sent again. Check "
        "the provider, then send a new request if it has no such video."
    )
