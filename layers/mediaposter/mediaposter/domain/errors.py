"""The errors of this package: one closed list of codes, shared by every layer."""

from __future__ import annotations

from enum import StrEnum


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
    # No vendor reports these: the daily budget has no room for another attempt; the pipeline itself has a bug.
    BUDGET_EXCEEDED = "budget_exceeded"
    INTERNAL_ERROR = "internal_error"


class MediaPosterError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigurationError(MediaPosterError):
    """A setting is missing or contradicts another; the message names the setting and where to set it."""


class InvalidRequest(MediaPosterError):
    """The request cannot be fulfilled; nothing was recorded or spent."""

    def __init__(self, message: str, *, param: str | None = None, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class Forbidden(MediaPosterError):
    """The caller's key lacks a scope or an account for this; nothing was done."""

    def __init__(
        self, message: str, *, code: str = "insufficient_scope", scope: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.scope = scope
        self.param = param


class BudgetExceeded(MediaPosterError):
    """The request would exceed the daily budget; nothing was recorded or spent."""


class RateExceeded(MediaPosterError):
    """The key, or its owner, has reached its rate limit; nothing was recorded or spent.

    Attributes:
        retry_after_seconds: when the limit allows a request again.
    """

    def __init__(self, message: str, *, retry_after_seconds: int = 60) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class IdempotencyKeyReused(MediaPosterError):
    """The idempotency key was used for another request; nothing was recorded or spent."""


class VideoDeleted(MediaPosterError):
    """A repeated request, whose video was deleted in the meantime; nothing was recorded or spent."""


class NotFound(MediaPosterError):
    """The record does not exist or belongs to another owner; callers cannot tell which.

    Attributes:
        what: the kind of record, which callers may see. The message names the record itself: never show it to them.
    """

    def __init__(self, message: str, *, what: str = "video") -> None:
        super().__init__(message)
        self.what = what


class VersionConflict(MediaPosterError):
    """Another worker changed the record first.

    Attributes:
        changes: the changes of a transaction whose conditions failed.
    """

    def __init__(self, message: str, *, changes: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.changes = changes


class InvalidChange(MediaPosterError):
    """A bug of ours: the record has no such field, or the field takes no such value; nothing was written."""


class SlotsTaken(VersionConflict):
    """Every slot of the provider is taken, or other videos wait for one; the record is unchanged."""


class NotAllowedInState(MediaPosterError):
    """The record's state does not allow this (any more), or the decision was made before; nothing was changed."""


class Contention(MediaPosterError):
    """Other workers are using the record; nothing was changed, and a retry is safe."""


class StorageFull(Contention):
    """The disk is full; nothing was changed, and a retry is safe."""


class PartiallyDone(MediaPosterError):
    """Part of the request is done; other workers are using the rest. A retry finishes it."""


class WebhookRejected(MediaPosterError):
    """A webhook's signature is missing, wrong or stale; nothing was done."""


class UnknownJob(WebhookRejected):
    """A webhook is genuine, but no video here has its job, or not yet."""


class NotStarted(MediaPosterError):
    """The execution of a video could not be started; nothing was spent, and a retry is safe."""


class VideoModelError(MediaPosterError):
    """A provider refused, or could not be reached before anything was sent: it accepted nothing.

    Attributes:
        code: the reason, as one of our codes.
        message: the vendor's own sentence, or ours where it gave none.
        transient: a later retry may succeed.
        retry_after_seconds: the vendor's hint, when it gave one.
        request_id: the vendor's id of the refused call, for its support desk.
    """

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


class PublisherError(MediaPosterError):
    """The publisher refused, or could not be reached before anything was sent: nothing was posted.

    Attributes:
        code: the reason, as one of our codes.
        message: the publisher's own sentence.
        transient: a later retry may succeed.
        retry_after_seconds: how long the publisher asks to wait.
    """

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


class PostUnknown(PublisherError):
    """The post was sent and no answer came, so it may be public. Reconcile it; never send it again automatically."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.SUBMISSION_UNKNOWN, message)
