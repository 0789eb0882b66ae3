"""Parse the jobs and events of OpenAI's `/v1/videos`, as tolerantly as its servers differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError

from mediaposter.ai.provider_errors import ProviderErrors
from mediaposter.ai.video_job import MAX_JOB_ID_LENGTH, VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ErrorCode, WebhookRejected
from mediaposter.http.reply import (
    OptionalText,
    Reply,
    ReplyError,
    WireModel,
    parse_retry_after,
    read_model,
    take_text,
)

# The meaning of a machine-readable `code` or `type`, in a refusal and in a failed job. Messages are never matched.
CODES_BY_WORD: Mapping[str, ErrorCode] = MappingProxyType(
    {
        "moderation_blocked": ErrorCode.CONTENT_POLICY,
        "content_policy": ErrorCode.CONTENT_POLICY,
        "content_policy_violation": ErrorCode.CONTENT_POLICY,
        "content_filter": ErrorCode.CONTENT_POLICY,
        "sentinel_block": ErrorCode.CONTENT_POLICY,
        "insufficient_quota": ErrorCode.INSUFFICIENT_CREDIT,
        "billing_hard_limit_reached": ErrorCode.INSUFFICIENT_CREDIT,
        "rate_limit_exceeded": ErrorCode.RATE_LIMITED,
        "model_not_found": ErrorCode.MODEL_NOT_FOUND,
        "invalid_api_key": ErrorCode.AUTHENTICATION,
        # vLLM-Omni uses the HTTP status of a failed job as its code.
        "400": ErrorCode.INVALID_REQUEST,
        "422": ErrorCode.INVALID_REQUEST,
    }
)

# The servers' statuses of a job; any other status means that it still runs.
_STATUSES: Mapping[str, VideoStatus] = MappingProxyType(
    {
        "queued": VideoStatus.QUEUED,
        "pending": VideoStatus.QUEUED,
        "in_progress": VideoStatus.IN_PROGRESS,
        "processing": VideoStatus.IN_PROGRESS,
        "running": VideoStatus.IN_PROGRESS,
        "completed": VideoStatus.COMPLETED,
        "succeeded": VideoStatus.COMPLETED,
        "failed": VideoStatus.FAILED,
        "cancelled": VideoStatus.FAILED,
        "canceled": VideoStatus.FAILED,
        "deleted": VideoStatus.FAILED,
        "expired": VideoStatus.FAILED,
    }
)

# Final statuses that are the reason by themselves, whatever the job's `error` says.
_ENDS: Mapping[str, tuple[ErrorCode, str]] = MappingProxyType(
    {
        "cancelled": (ErrorCode.CANCELLED, "The provider says that the job was cancelled."),
        "canceled": (ErrorCode.CANCELLED, "The provider says that the job was cancelled."),
        "deleted": (ErrorCode.CANCELLED, "The provider says that the job was deleted."),
        "expired": (ErrorCode.EXPIRED, "The provider says that the job has expired."),
    }
)


def _read_percentage(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return round(min(max(value, 0), 100))


def _read_moment(value: object) -> datetime | None:
    """Read Unix seconds, and anything else as missing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _read_seconds(value: object) -> int | None:
    """Read whole seconds, which OpenAI writes as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 4:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # A whole number is not converted to float: one beyond the range of floats would raise.
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 9_999 else None


OptionalMoment = Annotated[datetime | None, BeforeValidator(_read_moment)]


class WireJob(WireModel):
    """The parts of a video object that all servers have, in different formats."""

    id: Annotated[str, BeforeValidator(take_text)] = Field(min_length=1, max_length=MAX_JOB_ID_LENGTH)
    # An id without a status is still a job: dropping it would lose a paid render.
    status: Annotated[str, BeforeValidator(lambda value: (take_text(value) or "").lower())] = ""
    progress: Annotated[int | None, BeforeValidator(_read_percentage)] = None
    error: ReplyError | None = None
    url: OptionalText = None
    video_url: OptionalText = None
    # Unchanged, since a lost submission is found by the prompt that was sent.
    prompt: Annotated[str | None, BeforeValidator(lambda value: value if isinstance(value, str) else None)] = None
    model: OptionalText = None
    size: OptionalText = None
    seconds: Annotated[int | None, BeforeValidator(_read_seconds)] = None
    created_at: OptionalMoment = None
    created: OptionalMoment = None


class WirePage(WireModel):
    """A page of jobs; all of them or none are read."""

    data: list[WireJob]


class _WireSubject(WireModel):
    id: str = Field(min_length=1)


class _WireEvent(WireModel):
    """A webhook's body, the same for all of OpenAI's events; the SDK has no type for those of videos."""

    object: Literal["event"] = "event"
    type: Literal["video.completed", "video.failed"]
    data: _WireSubject


def read_job(body: object) -> WireJob | None:
    """Parse a body as a job."""
    job = read_model(WireJob, body)
    # An error with an id (of the request, perhaps) is not a job.
    return job if job and (job.status or job.error is None) else None


def read_failed_job(body: object) -> WireJob | None:
    """Find a failed job in the body of an error, which may wrap it as the error itself."""
    inner = (body.get("error"), body.get("detail")) if isinstance(body, dict) else ()
    for candidate in (body, *inner):
        job = read_job(candidate)
        if job is not None and _STATUSES.get(job.status) is VideoStatus.FAILED:
            return job
    return None


def read_jobs(body: object) -> WirePage | None:
    """Parse a page of jobs."""
    return read_model(WirePage, body)


def read_event(body: bytes) -> str:
    """Find the job id in a webhook.

    Raises:
        WebhookRejected: it is about something else.
    """
    try:
        return _WireEvent.model_validate_json(body).data.id
    except ValidationError as error:
        raise WebhookRejected(
            "The webhook is signed, but it is not about a video that has ended. Subscribe this address only to "
            "video.completed and video.failed."
        ) from error


def translate_job(job: WireJob, reply: Reply, errors: ProviderErrors, *, job_id: str) -> VideoGenerationJob:
    """Translate a server's reply into a job."""
    status = _STATUSES.get(job.status, VideoStatus.IN_PROGRESS)
    error_code: ErrorCode | None = None
    error_message: str | None = None
    if status is VideoStatus.FAILED:
        error = job.error or ReplyError()
        error_code, ours = _ENDS.get(job.status) or (
            errors.find_code(error) or ErrorCode.PROVIDER_ERROR,
            "The provider gave no reason for the failure.",
        )
        error_message = errors.clean(error.message) or ours
    return VideoGenerationJob(
        job_id=job_id,
        status=status,
        progress=job.progress,
        video_url=job.url or job.video_url,
        error_code=error_code,
        error_message=error_message,
        retry_after_seconds=_read_pace(reply),
        prompt=job.prompt,
        model=job.model,
        size=job.size,
        seconds=job.seconds,
        created_at=job.created_at or job.created,
    )


def _read_pace(reply: Reply) -> float | None:
    """Read the polling interval that the server asks for."""
    milliseconds = reply.headers.get("openai-poll-after-ms")
    pace_seconds = parse_retry_after(milliseconds, now=datetime.now(UTC), unit_seconds=0.001)
    return reply.retry_after_seconds if pace_seconds is None else pace_seconds
