"""Parse the responses of fal's queue (https://fal.ai/docs/api-reference/inference-api)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from os.path import commonprefix
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, TypeAdapter

from mediaposter.ai.provider_errors import ProviderErrors
from mediaposter.ai.video_job import VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.http.reply import (
    OptionalText,
    Reply,
    ReplyError,
    WireModel,
    keep_objects,
    parse_json,
    read_model,
    take_text,
)

_CONTENT_POLICY = "content_policy_violation"
_LOCKED = "exhausted_balance"

# Of the types that fal documents (https://fal.ai/docs/documentation/model-apis/errors, .../request-errors) those whose
# meaning differs from their HTTP status, and our own word for a locked account.
CODES_BY_WORD: Mapping[str, ErrorCode] = MappingProxyType(
    {
        _CONTENT_POLICY: ErrorCode.CONTENT_POLICY,
        # The model's vendor failed (400), or the model produced nothing (422): another model may succeed.
        "downstream_service_error": ErrorCode.PROVIDER_ERROR,
        "no_media_generated": ErrorCode.PROVIDER_ERROR,
        "client_cancelled": ErrorCode.CANCELLED,
        _LOCKED: ErrorCode.INSUFFICIENT_CREDIT,
    }
)

# The meaning of a failed result's HTTP status, if its type says no more.
_CODES_BY_STATUS: Mapping[int, ErrorCode] = MappingProxyType(
    {
        400: ErrorCode.INVALID_REQUEST,
        # The queue accepts any path below an existing application, which may then not know it.
        404: ErrorCode.MODEL_NOT_FOUND,
        422: ErrorCode.INVALID_REQUEST,
    }
)

# These are about our call, not about the render: the key, the request's age, our rate.
_ABOUT_THE_QUESTION = frozenset({401, 403, 404, 410, 429})

# fal has no error type for an account without money, only this message in a 403: {"detail": "User is locked. Reason:
# Exhausted balance. Top up your balance at fal.ai/dashboard/billing."} (github.com/fal-ai/fal/issues/1112, 1163). Any
# other lock is not about money.
_NO_MONEY = re.compile(r"User is locked\. Reason: (?:Exhausted balance|TOP_UP)\b")

# fal's statuses of a request; any other status means that it still runs.
COMPLETED = "COMPLETED"
# The response to a cancel that comes too late (https://fal.ai/docs/inference-api/queue/cancel).
ALREADY_COMPLETED = "ALREADY_COMPLETED"
STATUSES: Mapping[str, VideoStatus] = MappingProxyType(
    {"IN_QUEUE": VideoStatus.QUEUED, "IN_PROGRESS": VideoStatus.IN_PROGRESS}
)


class _WireDetail(WireModel):
    """One thing that a model found wrong."""

    type: OptionalText = None


class _WireRefusal(WireModel):
    """The error types in a refusal: one per problem that a model found, or one of fal's own with a message."""

    detail: Annotated[tuple[_WireDetail, ...], BeforeValidator(keep_objects)] = ()
    error_type: OptionalText = None

    @property
    def type(self) -> str | None:
        """Return the decisive type."""
        types = [detail.type for detail in self.detail if detail.type is not None]
        if _CONTENT_POLICY in types:
            return _CONTENT_POLICY
        return types[0] if types else self.error_type


class FalReply(Reply):
    """A response of fal, whose errors have a type in the body or in a header."""

    __slots__ = ()

    @property
    def body(self) -> object:
        """Return the parsed JSON, or None for anything else.

        A refusal repeats the refused input, which may be a picture of many megabytes, so a cut-off body is parsed as
        far as it goes.
        """
        try:
            return parse_json(self.content, allow_partial=not self.is_success)
        except ValueError:
            return None

    @property
    def error(self) -> ReplyError:
        """Find the error in `{"detail": …}`: a message, or a list of problems."""
        message = super().error.message
        if self.status_code == 403 and message is not None and _NO_MONEY.match(message):
            return ReplyError(type=_LOCKED, message=message)
        refusal = _WireRefusal.model_validate(self.body if isinstance(self.body, dict) else {})
        return ReplyError(type=refusal.type or self.headers.get("x-fal-error-type"), message=message)

    @property
    def request_id(self) -> str | None:
        """Return fal's id of the call."""
        return self.headers.get("x-fal-request-id") or super().request_id


RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
# A job's id holds three paths, and is kept with its video.
MAX_PATH_LENGTH = 1024
_Path = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$")]
# The beginning of the paths, and their endings for status, result and cancel.
_PATHS = TypeAdapter(tuple[str, str, str, str])


class FalRequest(BaseModel):
    """A request to the queue, and the paths at which it is asked for, fetched and cancelled.

    A job's id carries it whole: fal asks that its addresses be kept and not built
    (https://fal.ai/docs/api-reference/inference-api), and the paths alone can be called at either of its hosts.
    """

    model_config = ConfigDict(frozen=True)

    request_id: RequestId
    status_path: _Path
    response_path: _Path
    cancel_path: _Path

    @property
    def job_id(self) -> str:
        """Write it as one string."""
        paths = (self.status_path, self.response_path, self.cancel_path)
        shared = commonprefix(paths)  # noqa: RUF071 (characters are meant: they are put together again as they were)
        status, response, cancel = (path.removeprefix(shared) for path in paths)
        encoded = base64.urlsafe_b64encode(_PATHS.dump_json((shared, status, response, cancel)))
        return f"{self.request_id}.{encoded.decode('ascii').rstrip('=')}"

    @classmethod
    def from_job_id(cls, job_id: str) -> Self:
        """Parse it from the string.

        Raises:
            VideoModelError: with code `invalid_request`: it is another provider's id, or no id.
        """
        request_id, _, encoded = job_id.partition(".")
        try:
            paths = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True)
            shared, status, response, cancel = _PATHS.validate_json(paths)
            return cls(
                request_id=request_id,
                status_path=shared + status,
                response_path=shared + response,
                cancel_path=shared + cancel,
            )
        except ValueError as error:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                f"{job_id[:80]!r} is not the id of a job at fal; pass the id as `create_video` returned it.",
            ) from error


class WireTicket(WireModel):
    """The response to a submission: the request's id, and its addresses."""

    request_id: RequestId
    status_url: OptionalText = None
    response_url: OptionalText = None
    cancel_url: OptionalText = None


class WireStatus(WireModel):
    """The status of a request; a completed request may have failed."""

    status: Annotated[str, BeforeValidator(take_text)]
    error: OptionalText = None
    error_type: OptionalText = None

    @property
    def failure(self) -> ReplyError | None:
        """Return why it failed, if the status already reports the failure."""
        if self.error is None and self.error_type is None:
            return None
        return ReplyError(type=self.error_type, message=self.error)


class _WireFile(WireModel):
    url: OptionalText = None


class _WireResult(WireModel):
    """The result of a video model."""

    video: Annotated[_WireFile, BeforeValidator(lambda value: value if isinstance(value, dict) else {})] = _WireFile()


def read_ticket(body: object) -> WireTicket | None:
    """Parse the request that a submission created."""
    return read_model(WireTicket, body)


def read_status(body: object) -> WireStatus | None:
    """Parse the status of a request."""
    return read_model(WireStatus, body)


def translate_result(
    status: WireStatus, reply: Reply, errors: ProviderErrors, *, job_id: str
) -> VideoGenerationJob | None:
    """Translate a completed request into a job, from the response for its result.

    Only a video proves success. A failed request's result has the HTTP status that its model answered with
    (https://fal.ai/docs/inference-api/queue/result), so it looks like a failed transfer. But it has a type, which fal
    documents for every failure, of a model or of the request. A 5xx without a type, for example from an ingress, is
    temporary, and so is a 429. A 422 always comes from the model: not all of them send types yet
    (https://fal.ai/docs/documentation/model-apis/errors).

    Args:
        status: says `COMPLETED`.
        reply: the response for the result.
        errors: maps the provider's error words.
        job_id: is put into the job.

    Returns:
        None if the response says nothing about the request.
    """
    if reply.status_code == 200:
        return _translate_output(status, reply.body, errors, job_id)
    said = reply.error
    otherwise = _CODES_BY_STATUS.get(reply.status_code, ErrorCode.PROVIDER_ERROR)
    is_told = said.type is not None or reply.status_code == 422
    if status.failure is None:
        if is_told and reply.status_code not in _ABOUT_THE_QUESTION:
            return _fail(said, otherwise, errors, job_id)
        return None
    # It has failed; the result only adds the reason, now or at the next call.
    if reply.status_code == 429 or not (is_told or 400 <= reply.status_code < 500):
        return None
    if said.message is None or reply.status_code in (401, 403):
        return _fail(status.failure, ErrorCode.PROVIDER_ERROR, errors, job_id)
    return _fail(said.model_copy(update={"type": said.type or status.failure.type}), otherwise, errors, job_id)


def _translate_output(
    status: WireStatus, body: object, errors: ProviderErrors, job_id: str
) -> VideoGenerationJob | None:
    result = read_model(_WireResult, body)
    if result is None:
        return None
    if result.video.url is not None:
        return VideoGenerationJob(job_id=job_id, status=VideoStatus.COMPLETED, video_url=result.video.url)
    nothing = ReplyError(message="The provider says that the request is completed, but gave no video.")
    return _fail(status.failure or nothing, ErrorCode.PROVIDER_ERROR, errors, job_id)


def _fail(error: ReplyError, otherwise: ErrorCode, errors: ProviderErrors, job_id: str) -> VideoGenerationJob:
    return VideoGenerationJob(
        job_id=job_id,
        status=VideoStatus.FAILED,
        error_code=errors.find_code(error) or otherwise,
        error_message=errors.clean(error.message or error.type) or "The provider gave no reason for the failure.",
    )
