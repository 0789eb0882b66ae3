"""What can go wrong, in one closed vocabulary shared by every layer."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why a video or a post failed. Every adapter maps its vendor's words onto these."""

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
    # Ours alone, never a vendor's: the day's limit has no room for another try, and a fault in the pipeline itself.
    BUDGET_EXCEEDED = "budget_exceeded"
    INTERNAL_ERROR = "internal_error"


class MediaPosterError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigurationError(MediaPosterError):
    """A setting is missing or contradicts another; the message names it and where it is put."""


class InvalidRequest(MediaPosterError):
    """The caller asked for something that cannot be done; nothing was recorded or spent."""

    def __init__(self, message: str, *, param: str | None = None, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class Forbidden(MediaPosterError):
    """The caller's key may not do this: a scope or an account is missing; nothing was done."""

    def __init__(
        self, message: str, *, code: str = "insufficient_scope", scope: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.scope = scope
        self.param = param


class BudgetExceeded(MediaPosterError):
    """The day's limit has no room for what was asked for; nothing was recorded or spent."""


class RateExceeded(MediaPosterError):
    """The key, or its owner, has asked for as much as it may for now; nothing was recorded or spent.

    Attributes:
        retry_after_seconds: when there is room again.
    """

    def __init__(self, message: str, *, retry_after_seconds: int = 60) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class IdempotencyKeyReused(MediaPosterError):
    """The caller's key names another request; nothing was recorded or spent."""


class VideoDeleted(MediaPosterError):
    """A request is repeated whose video was deleted since; nothing was recorded or spent."""


class NotFound(MediaPosterError):
    """There is no such thing, or it belongs to someone else; the two are not told apart.

    Attributes:
        what: the kind of thing, which a caller may know; the message names a record and is not for him.
    """

    def __init__(self, message: str, *, what: str = "video") -> None:
        super().__init__(message)
        self.what = what


class VersionConflict(MediaPosterError):
    """The record changed under us: another worker made the transition first.

    Attributes:
        changes: which changes of a transaction their conditions forbade.
    """

    def __init__(self, message: str, *, changes: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.changes = changes


class InvalidChange(MediaPosterError):
    """A record has no such field, or the field takes no such value: a fault of ours; nothing was written."""


class SlotsTaken(VersionConflict):
    """Every slot of the provider is taken, or others wait for one; the record is as it was."""


class NotAllowedInState(MediaPosterError):
    """What is asked for was decided, or is no longer possible where the thing stands now; nothing was changed."""


class Contention(MediaPosterError):
    """Others hold what is to be written or read; nothing was changed, and asking again is safe."""


class StorageFull(Contention):
    """The disk that things are kept on has no room; nothing was changed, and asking again is safe."""


class PartiallyDone(MediaPosterError):
    """What was asked for was begun, and others hold what is left of it: asking again finishes it."""


class WebhookRejected(MediaPosterError):
    """A webhook does not show that its sender is who it should be, or that it is of now; nothing was done."""


class UnknownJob(WebhookRejected):
    """A webhook is its sender's, and speaks of a job that no video here has, or not yet."""


class NotStarted(MediaPosterError):
    """The execution of a video could not be started; nothing was spent, and sending again is safe."""


class VideoModelError(MediaPosterError):
    """A provider said no, or could not be reached before anything was sent: nothing was accepted.

    Attributes:
        code: the reason, in our vocabulary.
        message: the vendor's own sentence, or ours where it gave none.
        transient: asking again later may succeed.
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
    """The provider may have accepted the job, and nobody can tell: never send it again by itself."""

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(ErrorCode.SUBMISSION_UNKNOWN, message, request_id=request_id)


class UnsupportedOperation(MediaPosterError):
    """This model does not offer this operation."""

    def __init__(self, model: str, operation: str) -> None:
        super().__init__(f"The model {model} does not offer {operation}.")
        self.model = model
        self.operation = operation


class MediaError(MediaPosterError):
    """What came is not a complete, playable MP4; the message says in what way."""


class PublisherError(MediaPosterError):
    """The publisher said no, or could not be reached before anything was sent: nothing was posted.

    Attributes:
        code: the reason, in our vocabulary.
        message: the publisher's own sentence.
        transient: asking again later may succeed.
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
    """The post was sent and no answer came: it may be public. Look; never send it again by itself."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.SUBMISSION_UNKNOWN, message)
