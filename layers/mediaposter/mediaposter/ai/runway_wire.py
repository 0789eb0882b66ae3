"""Read the tasks of Runway's API (https://docs.dev.runwayml.com), version 2024-11-06."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import BeforeValidator, Field

from mediaposter.ai.provider_errors import ProviderErrors
from mediaposter.ai.video_job import MAX_JOB_ID_LENGTH, VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ErrorCode
from mediaposter.http.reply import OptionalText, Reply, WireModel, read_model, take_text

# Runway allows no more frequent polling of a task (the description of GET /v1/tasks/{id}).
MIN_POLL_SECONDS = 5.0
# A credit costs a cent.
_MICROS_PER_CREDIT = 10_000
# No video costs ten million dollars: a larger number is not a number of credits.
_CREDITS_MAX = 1e9

# Runway's statuses of a task; any other status means that it still runs.
_STATUSES: Mapping[str, VideoStatus] = MappingProxyType(
    {
        "PENDING": VideoStatus.QUEUED,
        # The account's tier runs no more tasks at once: the task waits in the queue, which is no error.
        "THROTTLED": VideoStatus.QUEUED,
        "RUNNING": VideoStatus.IN_PROGRESS,
        "SUCCEEDED": VideoStatus.COMPLETED,
        "FAILED": VideoStatus.FAILED,
        "CANCELLED": VideoStatus.FAILED,
    }
)

# Beginnings of `failureCode`, an open, dot-separated code that gets more specific from left to right.
_CODES_BY_BEGINNING: Mapping[str, ErrorCode] = MappingProxyType(
    {
        "SAFETY": ErrorCode.CONTENT_POLICY,
        "INPUT_PREPROCESSING.SAFETY": ErrorCode.CONTENT_POLICY,
        "ASSET.INVALID": ErrorCode.INVALID_REQUEST,
    }
)


def _take_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _read_percentage(value: object) -> int | None:
    fraction = _take_number(value)
    return None if fraction is None else round(min(max(fraction, 0.0), 1.0) * 100)


def _read_cost_micros(value: object) -> int | None:
    credits_spent = _take_number(value.get("credits")) if isinstance(value, dict) else None
    if credits_spent is None or not 0 <= credits_spent <= _CREDITS_MAX:
        return None
    return round(credits_spent * _MICROS_PER_CREDIT)


def _find_first_url(value: object) -> str | None:
    urls = value if isinstance(value, list) else []
    return next((url.strip() for url in urls if isinstance(url, str) and url.strip()), None)


class WireTask(WireModel):
    """The parts of a task that we use; a new task has only its id."""

    id: Annotated[str, BeforeValidator(take_text)] = Field(min_length=1, max_length=MAX_JOB_ID_LENGTH)
    status: Annotated[str, BeforeValidator(lambda value: (take_text(value) or "").upper())] = ""
    progress: Annotated[int | None, BeforeValidator(_read_percentage)] = None
    video_url: Annotated[str | None, BeforeValidator(_find_first_url)] = Field(default=None, alias="output")
    failure: OptionalText = None
    failure_code: OptionalText = Field(default=None, alias="failureCode")
    cost_micros: Annotated[int | None, BeforeValidator(_read_cost_micros)] = Field(default=None, alias="cost")
    error: object = None


def read_task(body: object) -> WireTask | None:
    """Parse a body as a task."""
    task = read_model(WireTask, body)
    # An error with an id (of the request, perhaps) is not a task.
    return task if task and (task.status or task.error is None) else None


def translate_task(task: WireTask, reply: Reply, errors: ProviderErrors, *, job_id: str) -> VideoGenerationJob:
    """Translate Runway's task into a job."""
    status = _STATUSES.get(task.status, VideoStatus.IN_PROGRESS)
    error_code: ErrorCode | None = None
    error_message: str | None = None
    if task.status == "CANCELLED":
        error_code, error_message = ErrorCode.CANCELLED, "The provider says that the task was cancelled."
    elif status is VideoStatus.FAILED:
        error_code = _judge_failure(task.failure_code)
        error_message = (
            errors.clean(task.failure or task.failure_code) or "The provider gave no reason for the failure."
        )
    elif status is VideoStatus.COMPLETED and task.video_url is None:
        # Only a video proves success.
        status = VideoStatus.FAILED
        error_code = ErrorCode.PROVIDER_ERROR
        error_message = "The provider says that the task succeeded, but gave no video."
    return VideoGenerationJob(
        job_id=job_id,
        status=status,
        progress=task.progress,
        video_url=task.video_url,
        error_code=error_code,
        error_message=error_message,
        retry_after_seconds=max(MIN_POLL_SECONDS, reply.retry_after_seconds or 0.0),
        cost_micros=task.cost_micros,
    )


def _judge_failure(failure_code: str | None) -> ErrorCode:
    """Look up the code's beginning, segment by segment; without a match it is a provider error."""
    word = f"{failure_code or ''}.".upper()
    for beginning, code in _CODES_BY_BEGINNING.items():
        if word.startswith(f"{beginning}."):
            return code
    return ErrorCode.PROVIDER_ERROR
