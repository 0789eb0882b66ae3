"""The errors of this package, and how the API answers each: status, type, code, and whether to send it again."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import NamedTuple

from mediaposter.domain.problem import Problem

# How long to wait if a publisher or a provider does not say.
_PUBLISHER_AFTER_SECONDS = 5.0
_PROVIDER_AFTER_SECONDS = 60.0


class ErrorCode(StrEnum):
    """Why a video or a post failed. Every adapter maps its vendor's error codes to these."""

    CONTENT_POLICY = "content_policy"
    INVALID_REQUEST = "invalid_request"
    AUTHENTICATION = "authentication"
    INSUFFICIENT_CREDIT = "insufficient_credit"
    RATE_LIMITED = "rate_limited"
    MODEL_NOT_FOUND = "model_not_found"
    PROVIDER_ERROR = "provider_error"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    SUBMISSION_UNKNOWN = "submission_unknown"
    # No vendor reports these: the budget has no room for another attempt; the pipeline itself has a bug.
    BUDGET_EXCEEDED = "budget_exceeded"
    INTERNAL_ERROR = "internal_error"


class ErrorType(StrEnum):
    """OpenAI's kinds of errors (developers.openai.com, API reference, errors)."""

    INVALID_REQUEST = "invalid_request_error"
    RATE_LIMIT = "rate_limit_error"
    SERVER = "server_error"


class Retry(NamedTuple):
    """Whether the same request may succeed when it is sent again; `after_seconds` is the wait, if it is known."""

    may_succeed: bool
    after_seconds: float | None = None


NEVER = Retry(may_succeed=False)
LATER = Retry(may_succeed=True)


class MediaPosterError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigurationError(MediaPosterError):
    """A setting is missing or contradicts another; the message names the setting and where to set it."""


class InvalidChange(MediaPosterError):
    """A bug of ours: the record has no such field, or the field takes no such value; nothing was written."""


class ApiError(MediaPosterError):
    """An error that the API answers in OpenAI's envelope. Every other error is a fault: it is logged as one.

    Attributes:
        status: the HTTP status.
        type: OpenAI's kind of error.
        api_code: OpenAI's `code`, unless the error has a code of its own.
        retry: whether the same request may succeed later.
        public_message: the message for callers, if the error's own may name records or paths.
    """

    status: HTTPStatus
    type: ErrorType = ErrorType.INVALID_REQUEST
    api_code: str
    retry: Retry = NEVER
    public_message: str | None = None

    @property
    def problem(self) -> Problem:
        """Describe it for callers."""
        return Problem(code=self.api_code, message=self.public_message or str(self))


class RequestRefused(ApiError):
    """The request itself is refused; nothing was recorded or spent. Files and events get this as their answer."""


class InvalidRequest(RequestRefused):
    """The request cannot be fulfilled; nothing was recorded or spent."""

    status = HTTPStatus.BAD_REQUEST
    api_code = "invalid_request"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.api_code

    @property
    def problem(self) -> Problem:
        """Describe it for callers."""
        return Problem(code=self.code, message=self.message, param=self.param)


class RequestTooLarge(InvalidRequest):
    """The body, its file or its picture has too many bytes; nothing was recorded or spent."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    api_code = "request_too_large"


class IdempotencyKeyReused(RequestRefused):
    """The idempotency key was used for another request; nothing was recorded or spent."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    api_code = "idempotency_key_reused"


class VideoDeleted(RequestRefused):
    """A repeated request, whose video was deleted in the meantime; nothing was recorded or spent."""

    status = HTTPStatus.GONE
    api_code = "video_deleted"


class BudgetExceeded(RequestRefused):
    """The request would exceed the budget of the day or month; nothing was recorded or spent.

    There is room again in the next day or month, or when a video costs less than was reserved for it.
    """

    status = HTTPStatus.TOO_MANY_REQUESTS
    type = ErrorType.RATE_LIMIT
    api_code = "budget_exceeded"
    retry = LATER


class Forbidden(ApiError):
    """The caller's key lacks a scope or an account for this; nothing was done."""

    status = HTTPStatus.FORBIDDEN
    api_code = "insufficient_scope"

    def __init__(
        self, message: str, *, code: str | None = None, scope: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.api_code
        self.scope = scope
        self.param = param

    @property
    def problem(self) -> Problem:
        """Describe it for callers."""
        return Problem(code=self.code, message=self.message, param=self.param)


class RateExceeded(ApiError):
    """The key, or its owner, has reached its rate limit; nothing was recorded or spent.

    Args:
        retry_after_seconds: when the limit allows a request again.
    """

    status = HTTPStatus.TOO_MANY_REQUESTS
    type = ErrorType.RATE_LIMIT
    api_code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after_seconds: int = 60) -> None:
        super().__init__(message)
        self.retry = Retry(may_succeed=True, after_seconds=retry_after_seconds)


class NotFound(ApiError):
    """The record does not exist or belongs to another owner; callers cannot tell which.

    Attributes:
        what: the kind of record, which callers may see.
    """

    status = HTTPStatus.NOT_FOUND
    api_code = "not_found"

    def __init__(self, message: str, *, what: str = "video") -> None:
        super().__init__(message)
        self.what = what
        self.public_message = f"There is no such {what}."


class WriteConflict(ApiError):
    """Other requests are writing the same records; nothing was changed, and a retry is safe."""

    status = HTTPStatus.CONFLICT
    api_code = "conflict"
    retry = Retry(may_succeed=True, after_seconds=1)
    public_message = (
        "Another request is writing the same records just now. Nothing was changed; send this request again."
    )


class VersionConflict(WriteConflict):
    """Another worker changed the record first.

    Attributes:
        changes: the changes of a transaction whose conditions failed.
    """

    def __init__(self, message: str, *, changes: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.changes = changes


class SlotsTaken(VersionConflict):
    """Every slot of the provider is taken, or other videos wait for one; the record is unchanged."""


class Contention(WriteConflict):
    """Other workers held the record at each try."""


class CaptionsPending(Contention):
    """An earlier try of this request has its captions written; a retry finds them, or writes them if that try crashed.

    Args:
        after_seconds: when the earlier try is over, whatever became of it.
    """

    public_message = "An earlier try of this request has its captions written just now. Send it again in some seconds."

    def __init__(self, message: str, *, after_seconds: float) -> None:
        super().__init__(message)
        self.retry = Retry(may_succeed=True, after_seconds=after_seconds)


class Overloaded(WriteConflict):
    """The table took no more writes of these items at each try; nothing was changed, and a retry is safe."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = ErrorType.SERVER
    api_code = "overloaded"
    retry = Retry(may_succeed=True, after_seconds=5)
    public_message = "The stack takes no more requests just now. Nothing was changed; send this request again."


class PartiallyDone(ApiError):
    """Part of the request is done; other workers are using the rest. A retry finishes it."""

    status = HTTPStatus.CONFLICT
    api_code = "conflict"
    retry = Retry(may_succeed=True, after_seconds=1)


class NotAllowedInState(ApiError):
    """The record's state does not allow this (any more), or the decision was made before; nothing was changed."""

    status = HTTPStatus.CONFLICT
    api_code = "already_decided"


class StorageFull(ApiError):
    """The disk of an embedded host is full; what was written before is kept. The message names the path."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = ErrorType.SERVER
    api_code = "storage_full"
    retry = Retry(may_succeed=True, after_seconds=60)
    public_message = (
        "The disk of this host is full, so this request was not finished. What was written before is kept. Free some "
        "space on the disk, then send the request again."
    )


class NotStarted(ApiError):
    """The execution of a video could not be started; nothing was spent, and a retry is safe."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = ErrorType.SERVER
    api_code = "not_started"
    retry = Retry(may_succeed=True, after_seconds=5)


class WebhookRejected(ApiError):
    """A webhook's signature is missing, wrong or stale; nothing was done."""

    status = HTTPStatus.UNAUTHORIZED
    api_code = "invalid_signature"


class UnknownJob(WebhookRejected):
    """A webhook is genuine, but no video here has its job, or not yet."""

    api_code = "unknown_job"
    retry = LATER


class VideoModelError(ApiError):
    """A provider refused, or could not be reached before anything was sent: it accepted nothing.

    The API itself calls a provider only for the keys of its webhooks, so its callers may always try again.

    Attributes:
        code: the reason, as one of our codes. Callers of the API get `api_code`.
        message: the vendor's own sentence, or ours where it gave none.
        transient: a later retry may succeed.
        retry_after_seconds: the vendor's hint, when it gave one.
        request_id: the vendor's id of the refused call, for its support desk.
    """

    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = ErrorType.SERVER
    api_code = "provider_error"

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        transient: bool = False,
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.transient = transient
        self.retry_after_seconds = retry_after_seconds
        self.request_id = request_id
        self.retry = Retry(may_succeed=True, after_seconds=retry_after_seconds or _PROVIDER_AFTER_SECONDS)


class SubmissionUnknown(VideoModelError):
    """The provider may or may not have accepted the job: never submit it again automatically."""

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(ErrorCode.SUBMISSION_UNKNOWN, message, request_id=request_id)


class UnsupportedOperation(MediaPosterError):
    """The model does not support this operation."""

    def __init__(self, model: str, operation: str) -> None:
        super().__init__(f"The model {model} does not offer {operation}.")
        self.model = model
        self.operation = operation


class MediaError(MediaPosterError):
    """The file is not a complete, playable MP4; the message says what is wrong."""


class IncompleteMedia(MediaError):
    """The file did not arrive whole, or its provider has not finished writing it; it may be whole later."""


class PublisherError(ApiError):
    """The publisher refused, or could not be reached before anything was sent: nothing was posted.

    The API itself calls the publisher only to move or cancel a post, which may be repeated.

    Attributes:
        code: the reason, as one of our codes. Callers of the API get `api_code`.
        message: the publisher's own sentence.
        transient: a later retry may succeed.
        retry_after_seconds: how long the publisher asks to wait.
    """

    status = HTTPStatus.BAD_GATEWAY
    type = ErrorType.SERVER
    api_code = "publisher_error"

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        transient: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.transient = transient
        self.retry_after_seconds = retry_after_seconds
        self.public_message = f"The publisher did not do this: {message}"
        if transient:
            self.retry = Retry(may_succeed=True, after_seconds=retry_after_seconds or _PUBLISHER_AFTER_SECONDS)
            self.public_message = (
                f"The publisher did not confirm this: {message} It may have been done all the same. Send the request "
                "again: that does no harm."
            )


class CaptionsError(ApiError):
    """The model for captions refused, or did not answer; nothing was changed.

    Args:
        passes: the same request may succeed later.
        may_be_charged: the request was sent, and no answer says that it was refused.
    """

    status = HTTPStatus.BAD_GATEWAY
    type = ErrorType.SERVER
    api_code = "captions_error"

    def __init__(self, message: str, *, passes: bool, may_be_charged: bool = False) -> None:
        super().__init__(message)
        self.may_be_charged = may_be_charged
        self.retry = Retry(may_succeed=True, after_seconds=_PUBLISHER_AFTER_SECONDS) if passes else NEVER


class PostUnknown(PublisherError):
    """The post was sent and no answer came, so it may be public. Reconcile it; never send it again automatically."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.SUBMISSION_UNKNOWN, message)
