"""Parse the responses of Google's Interactions and Files APIs, in several formats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError

from mediaposter.ai.provider_errors import ProviderErrors
from mediaposter.ai.video_job import MAX_JOB_ID_LENGTH, VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ErrorCode
from mediaposter.http.reply import (
    MAX_RETRY_AFTER_SECONDS,
    OptionalText,
    Reply,
    ReplyError,
    WireModel,
    keep_objects,
    read_model,
    take_text,
)

# Longer than any error word or URI; it is searched for each meaning.
_MAX_WORD_LENGTH = 500
_RETRY_DELAY = re.compile(r"([0-9]{1,9}(?:\.[0-9]+)?)s")

# Maps a word to a code: a `reason` of google.rpc.ErrorInfo, a `status`, or the `code` of an interaction's error, which
# is an open string. The first matching row decides, since API_KEY_IP_ADDRESS_BLOCKED is about the key.
_MEANINGS: tuple[tuple[re.Pattern[str], ErrorCode], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        ("api_?key|unauthenticated|permission_denied", ErrorCode.AUTHENTICATION),
        ("safety|blocked|blocklist|prohibited|policy|recitation|spii", ErrorCode.CONTENT_POLICY),
        ("budget|billing|insufficient", ErrorCode.INSUFFICIENT_CREDIT),
        ("resource_exhausted|rate_limit|quota", ErrorCode.RATE_LIMITED),
        ("invalid_argument|invalid_request", ErrorCode.INVALID_REQUEST),
    )
)
# A step's error bears a number of google.rpc.Code instead; an HTTP status is no such number.
_MEANINGS_BY_NUMBER: Mapping[str, ErrorCode] = MappingProxyType(
    {
        "3": ErrorCode.INVALID_REQUEST,
        "7": ErrorCode.AUTHENTICATION,
        "8": ErrorCode.RATE_LIMITED,
        "16": ErrorCode.AUTHENTICATION,
    }
)
# `GeminiReply.error` already has our codes.
CODES_BY_WORD: Mapping[str, ErrorCode] = MappingProxyType({code.value: code for code in ErrorCode})

# Any other status (requires_action, requires_continuation, a new one) means that it still runs.
_STATUSES: Mapping[str, VideoStatus] = MappingProxyType(
    {
        "queued": VideoStatus.QUEUED,
        "completed": VideoStatus.COMPLETED,
        "failed": VideoStatus.FAILED,
        "cancelled": VideoStatus.FAILED,
        "incomplete": VideoStatus.FAILED,
        "budget_exceeded": VideoStatus.FAILED,
    }
)

# Final statuses that are the reason by themselves, whatever the errors say.
_ENDS: Mapping[str, tuple[ErrorCode, str]] = MappingProxyType(
    {
        "cancelled": (ErrorCode.CANCELLED, "Google says that the interaction was cancelled."),
        "incomplete": (ErrorCode.PROVIDER_ERROR, "Google says that the interaction ended before it was complete."),
        "budget_exceeded": (ErrorCode.INSUFFICIENT_CREDIT, "Google says that the budget is used up."),
    }
)


def _keep_object(value: object) -> object:
    return value if isinstance(value, dict) else None


class _WireDetail(WireModel):
    """The two kinds of google.rpc's details that we read: ErrorInfo and RetryInfo."""

    reason: OptionalText = None
    retry_delay: OptionalText = Field(default=None, alias="retryDelay")


class _WireError(WireModel):
    """An error: google.rpc.Status, or the error of an interaction."""

    code: OptionalText = None
    status: OptionalText = None
    message: OptionalText = None
    details: Annotated[tuple[_WireDetail, ...], BeforeValidator(keep_objects)] = ()

    @property
    def meaning(self) -> ErrorCode | None:
        """Return the first meaning among its words, the most specific first."""
        reasons = [detail.reason for detail in self.details]
        return next(filter(None, map(_find_meaning, [*reasons, self.status, self.code])), None)

    @property
    def retry_after_seconds(self) -> float | None:
        """Return the wait from google.rpc.RetryInfo."""
        delays = [_RETRY_DELAY.fullmatch(detail.retry_delay or "") for detail in self.details]
        return next((min(float(delay[1]), MAX_RETRY_AFTER_SECONDS) for delay in delays if delay), None)


class GeminiReply(Reply):
    """A response of Google, which has in its body what others send in headers."""

    __slots__ = ()

    @property
    def error(self) -> ReplyError:
        """Find the error in `{"error": …}`, with one of our codes."""
        found = _read_error(self.body)
        if found is None:
            return super().error
        return ReplyError(code=found.meaning, message=found.message)

    @property
    def retry_after_seconds(self) -> float | None:
        """Return the wait from Retry-After, or else from the error."""
        found = _read_error(self.body) or _WireError()
        return super().retry_after_seconds or found.retry_after_seconds


class WireVideo(WireModel):
    """A part of an interaction's output; it is a clip if it has data or an address."""

    type: OptionalText = None
    data: OptionalText = None
    uri: OptionalText = None
    mime_type: OptionalText = None


class _WireStep(WireModel):
    type: OptionalText = None
    content: Annotated[tuple[WireVideo, ...], BeforeValidator(keep_objects)] = ()
    error: Annotated[_WireError | None, BeforeValidator(_keep_object)] = None


class WireInteraction(WireModel):
    """The parts of an interaction that show the status of a video."""

    id: Annotated[str, BeforeValidator(take_text)] = Field(min_length=1, max_length=MAX_JOB_ID_LENGTH)
    # An id without a status is still a job: dropping it would lose a paid render.
    status: Annotated[str, BeforeValidator(lambda value: (take_text(value) or "").lower())] = ""
    steps: Annotated[tuple[_WireStep, ...], BeforeValidator(keep_objects)] = ()
    # The first revision of the API used this field instead of `steps`.
    outputs: Annotated[tuple[WireVideo, ...], BeforeValidator(keep_objects)] = ()
    error: Annotated[_WireError | None, BeforeValidator(_keep_object)] = None
    errors: Annotated[tuple[_WireError, ...], BeforeValidator(keep_objects)] = ()

    @property
    def videos(self) -> Sequence[WireVideo]:
        """List the model's clips, not the user's; the last one is the result."""
        outputs = [
            *self.outputs,
            *(part for step in self.steps if step.type == "model_output" for part in step.content),
        ]
        return [part for part in outputs if part.type == "video" and (part.data or part.uri)]

    @property
    def reason(self) -> ReplyError:
        """Return the most specific error, with one of our codes."""
        found = [*self.errors, *(error for error in (self.error, *(step.error for step in self.steps)) if error)]
        best = next((error for error in found if error.meaning), found[0] if found else _WireError())
        return ReplyError(code=best.meaning, message=best.message)


class WireFile(WireModel):
    """A file of the Files API."""

    state: OptionalText = None
    error: Annotated[_WireError | None, BeforeValidator(_keep_object)] = None


class _WireEventData(WireModel):
    id: str = Field(min_length=1)


class _WireEvent(WireModel):
    """A webhook's body (https://ai.google.dev/gemini-api/docs/webhooks, "Webhook envelope" and "Event catalog")."""

    type: Literal[
        "interaction.completed",
        "interaction.failed",
        "interaction.cancelled",
        "interaction.requires_action",
        "video.generated",
    ]
    data: _WireEventData


def read_event(body: bytes) -> str | None:
    """Find the interaction id in a webhook's body."""
    try:
        return _WireEvent.model_validate_json(body).data.id
    except ValidationError:
        return None


def read_interaction(body: object) -> WireInteraction | None:
    """Parse a body as an interaction."""
    interaction = read_model(WireInteraction, body)
    # An error with an id (of the request, perhaps) is no interaction.
    return interaction if interaction and (interaction.status or interaction.error is None) else None


def read_file(body: object) -> WireFile:
    """Read the status of a file; without a status, it is not ready."""
    return WireFile.model_validate(_keep_object(body) or {})


def translate_interaction(
    interaction: WireInteraction, reply: Reply, errors: ProviderErrors, *, job_id: str
) -> VideoGenerationJob:
    """Translate Google's interaction into a job.

    Only a clip proves success: a blocked interaction is `completed` too, without a clip.
    """
    status = _STATUSES.get(interaction.status, VideoStatus.IN_PROGRESS)
    error_code: ErrorCode | None = None
    error_message: str | None = None
    if status is VideoStatus.COMPLETED and not interaction.videos:
        status = VideoStatus.FAILED
        error_code = errors.find_code(interaction.reason) or ErrorCode.CONTENT_POLICY
        ours = "Google ended the interaction without a video: its filters took it out."
        error_message = errors.clean(interaction.reason.message) or ours
    elif status is VideoStatus.FAILED:
        error_code, ours = _ENDS.get(interaction.status) or (
            errors.find_code(interaction.reason) or ErrorCode.PROVIDER_ERROR,
            "Google gave no reason for the failure.",
        )
        error_message = errors.clean(interaction.reason.message) or ours
    return VideoGenerationJob(
        job_id=job_id,
        status=status,
        error_code=error_code,
        error_message=error_message,
        retry_after_seconds=reply.retry_after_seconds,
    )


def _read_error(body: object) -> _WireError | None:
    """Find the error in `{"error": {…}}`."""
    inner = body.get("error") if isinstance(body, dict) else None
    return _WireError.model_validate(inner) if isinstance(inner, dict) else None


def _find_meaning(word: str | None) -> ErrorCode | None:
    # The code of an interaction's error may be a URI, which ends in the word.
    last = re.split("[/#]", (word or "")[-_MAX_WORD_LENGTH:])[-1]
    found = next((code for pattern, code in _MEANINGS if pattern.search(last)), None)
    return found or _MEANINGS_BY_NUMBER.get(last)
