"""Read what fal's queue says of a request (https://fal.ai/docs/api-reference/inference-api)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from os.path import commonprefix
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from mediaposter.ai.provider_reply import OptionalText, ProviderErrors, Reply, ReplyError, take_text
from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.http.reply import parse_json

_CONTENT_POLICY = "content_policy_violation"
_LOCKED = "exhausted_balance"

# Of the types that fal documents (https://fal.ai/docs/documentation/model-apis/errors, .../request-errors) those that
# mean something else than their HTTP status does; and our word for a locked account.
CODES_BY_WORD: Mapping[str, ErrorCode] = MappingProxyType(
    {
        _CONTENT_POLICY: ErrorCode.CONTENT_POLICY,
        # The model's own maker failed (400), or the model came to nothing (422): another model may do better.
        "downstream_service_error": ErrorCode.PROVIDER_ERROR,
        "no_media_generated": ErrorCode.PROVIDER_ERROR,
        "client_cancelled": ErrorCode.CANCELLED,
        _LOCKED: ErrorCode.INSUFFICIENT_CREDIT,
    }
)

# What the HTTP status of a failed request's result means, when its type says no more.
_CODES_BY_STATUS: Mapping[int, ErrorCode] = MappingProxyType(
    {
        400: ErrorCode.INVALID_REQUEST,
        # The queue takes any path below an application that exists; the application then does not know it.
        404: ErrorCode.MODEL_NOT_FOUND,
        422: ErrorCode.INVALID_REQUEST,
    }
)

# These answer the question, whatever the request came to: the key, the request's age, how often we ask.
_ABOUT_THE_QUESTION = frozenset({401, 403, 404, 410, 429})

# fal has no word for an account without money, only this sentence in a 403: {"detail": "User is locked. Reason:
# Exhausted balance. Top up your balance at fal.ai/dashboard/billing."} (github.com/fal-ai/fal/issues/1112, 1163). Any
# other lock is not about money.
_NO_MONEY = re.compile(r"User is locked\. Reason: (?:Exhausted balance|TOP_UP)\b")

# The vendor's words for where a request stands; one that is not here means that it still runs.
COMPLETED = "COMPLETED"
# What it answers to a cancel that comes too late (https://fal.ai/docs/inference-api/queue/cancel).
ALREADY_COMPLETED = "ALREADY_COMPLETED"
STATUSES: Mapping[str, VideoStatus] = MappingProxyType(
    {"IN_QUEUE": VideoStatus.QUEUED, "IN_PROGRESS": VideoStatus.IN_PROGRESS}
)


def _keep_objects(value: object) -> list[object]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


class _WireDetail(BaseModel):
    """One thing that a model found wrong."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: OptionalText = None


class _WireRefusal(BaseModel):
    """The types in a refusal: of each thing that a model found wrong, or one of fal's own beside a sentence."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    detail: Annotated[tuple[_WireDetail, ...], BeforeValidator(_keep_objects)] = ()
    error_type: OptionalText = None

    @property
    def type(self) -> str | None:
        """Give the type that decides."""
        types = [detail.type for detail in self.detail if detail.type is not None]
        if _CONTENT_POLICY in types:
            return _CONTENT_POLICY
        return types[0] if types else self.error_type


class FalReply(Reply):
    """An answer of fal's, whose errors have a type in the body or in a header."""

    __slots__ = ()

    @property
    def body(self) -> object:
        """Give the parsed JSON, or None for anything else.

        A refusal repeats what it refuses, which may be a picture of many megabytes: it is read as far as it was taken.
        """
        try:
            return parse_json(self.content, allow_partial=not self.is_success)
        except ValueError:
            return None

    @property
    def error(self) -> ReplyError:
        """Find the error in `{"detail": …}`: a sentence, or a list of what a model found wrong."""
        message = super().error.message
        if self.status_code == 403 and message is not None and _NO_MONEY.match(message):
            return ReplyError(type=_LOCKED, message=message)
        refusal = _WireRefusal.model_validate(self.body if isinstance(self.body, dict) else {})
        return ReplyError(type=refusal.type or self.headers.get("x-fal-error-type"), message=message)

    @property
    def request_id(self) -> str | None:
        """Give fal's id of the call."""
        return self.headers.get("x-fal-request-id") or super().request_id


RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
# A job's id holds three paths, and is kept with its video.
MAX_PATH_LENGTH = 1024
_Path = Annotated[str, StringConstraints(pattern=r"^/[!-~]*$")]
# What the paths begin with, and how the status, the result and the cancel go on.
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
        """Write it as one word."""
        paths = (self.status_path, self.response_path, self.cancel_path)
        shared = commonprefix(paths)  # noqa: RUF071 (characters are meant: they are put together again as they were)
        status, response, cancel = (path.removeprefix(shared) for path in paths)
        encoded = base64.urlsafe_b64encode(_PATHS.dump_json((shared, status, response, cancel)))
        return f"{self.request_id}.{encoded.decode('ascii').rstrip('=')}"

    @classmethod
    def from_job_id(cls, job_id: str) -> Self:
        """Read it from the word.

        Raises:
            VideoModelError: with code `invalid_request`: it is another provider's id, or none.
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
                f"{job_id[:80]!r} is not the id of a job at fal; pass the id as its submission gave it.",
            ) from error


class WireTicket(BaseModel):
    """What a submission gives: the request's id, and where to ask for it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    request_id: RequestId
    status_url: OptionalText = None
    response_url: OptionalText = None
    cancel_url: OptionalText = None


class WireStatus(BaseModel):
    """How a request stands; that it is completed is not to say that it succeeded."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Annotated[str, BeforeValidator(take_text)]
    error: OptionalText = None
    error_type: OptionalText = None

    @property
    def failure(self) -> ReplyError | None:
        """Give why it failed, when fal says here already that it did."""
        if self.error is None and self.error_type is None:
            return None
        return ReplyError(type=self.error_type, message=self.error)


class _WireFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    url: OptionalText = None


class _WireResult(BaseModel):
    """What a video model gives."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    video: Annotated[_WireFile, BeforeValidator(lambda value: value if isinstance(value, dict) else {})] = _WireFile()


def read_ticket(body: object) -> WireTicket | None:
    """Find the request that a submission made."""
    try:
        return WireTicket.model_validate(body)
    except ValidationError:
        return None


def read_status(body: object) -> WireStatus | None:
    """Find how a request stands."""
    try:
        return WireStatus.model_validate(body)
    except ValidationError:
        return None


def translate_result(
    status: WireStatus, reply: Reply, errors: ProviderErrors, *, job_id: str
) -> VideoGenerationJob | None:
    """Say in our words how a completed request ended, from the answer to the question for its result.

    Only a video proves success. A failed request's result has the HTTP status that its model answered with
    (https://fal.ai/docs/inference-api/queue/result), so it looks like an answer that failed on its way; but it has a
    type, as fal documents it for every failure, of a model or of the request. A 5xx without one, from an ingress
    perhaps, passes, and so does a 429. A 422 is the model's own in any case: not all of them give types yet
    (https://fal.ai/docs/documentation/model-apis/errors).

    Args:
        status: says `COMPLETED`.
        reply: to the question for the result.
        errors: names the provider's words.
        job_id: is put into the job.

    Returns:
        None when the answer tells nothing of the request.
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
    # It has failed, and the result only says why in more detail, if not now, then the next time it is asked for.
    if reply.status_code == 429 or not (is_told or 400 <= reply.status_code < 500):
        return None
    if said.message is None or reply.status_code in (401, 403):
        return _fail(status.failure, ErrorCode.PROVIDER_ERROR, errors, job_id)
    return _fail(said.model_copy(update={"type": said.type or status.failure.type}), otherwise, errors, job_id)


def _translate_output(
    status: WireStatus, body: object, errors: ProviderErrors, job_id: str
) -> VideoGenerationJob | None:
    try:
        video_url = _WireResult.model_validate(body).video.url
    except ValidationError:
        return None
    if video_url is not None:
        return VideoGenerationJob(job_id=job_id, status=VideoStatus.COMPLETED, video_url=video_url)
    nothing = ReplyError(message="The provider says that the request is completed, but gave no video.")
    return _fail(status.failure or nothing, ErrorCode.PROVIDER_ERROR, errors, job_id)


def _fail(error: ReplyError, otherwise: ErrorCode, errors: ProviderErrors, job_id: str) -> VideoGenerationJob:
    return VideoGenerationJob(
        job_id=job_id,
        status=VideoStatus.FAILED,
        error_code=errors.find_code(error) or otherwise,
        error_message=errors.clean(error.message or error.type) or "The provider gave no reason for the failure.",
    )
