"""Parse a provider's HTTP responses, and map them to our errors, for any vendor.

After a paid call, the first question is not what went wrong, but whether a job may exist all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from mediaposter.domain.errors import ErrorCode, SubmissionUnknown, VideoModelError
from mediaposter.http.reply import clean_sentence, parse_json, parse_retry_after

# No vendor's job id is as long; a longer one does not fit our keys, and counts as missing.
MAX_JOB_ID_LENGTH = 1024
_MAX_REQUEST_ID_LENGTH = 200
_MAX_REASON_LENGTH = 200

_LOOK_FIRST = "Look for it in the provider's list of jobs before you submit it again."

# The code for a 4xx whose body has none; any other is a `provider_error`. A 404 or 410 depends on the call: after a
# create the model is missing, after any other call the job.
_CODES_BY_STATUS: Mapping[int, ErrorCode] = MappingProxyType(
    {
        400: ErrorCode.INVALID_REQUEST,
        401: ErrorCode.AUTHENTICATION,
        402: ErrorCode.INSUFFICIENT_CREDIT,
        403: ErrorCode.AUTHENTICATION,
        413: ErrorCode.INVALID_REQUEST,
        422: ErrorCode.INVALID_REQUEST,
        429: ErrorCode.RATE_LIMITED,
    }
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response with any status; the lookup in `headers` must ignore case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """Tell whether the status is a 2xx."""
        return 200 <= self.status_code < 300

    @property
    def is_ambiguous(self) -> bool:
        """Tell whether the server may have acted although it reports a fault."""
        return self.status_code in (408, 409) or self.status_code >= 500

    @property
    def is_refusal(self) -> bool:
        """Tell whether the server understood and said no."""
        return 400 <= self.status_code < 500 and not self.is_ambiguous

    @property
    def is_gone(self) -> bool:
        """Tell whether the requested object does not exist."""
        return self.status_code in (404, 410)

    @property
    def body(self) -> object:
        """Return the parsed JSON, or None for anything else."""
        try:
            return parse_json(self.content)
        except ValueError:
            return None

    @property
    def error(self) -> ReplyError:
        """Find the error in `{"error": …}`, `{"detail": …}`, one inside the other, or a bare message."""
        found = self.body
        if found is None and self.headers.get("content-type", "").startswith("text/plain"):
            found = self.content.decode(errors="replace")
        for _ in range(2):
            if isinstance(found, dict):
                found = found.get("error") or found.get("detail") or found
        return ReplyError.model_validate(found)

    @property
    def retry_after_seconds(self) -> float | None:
        """Return the wait from its Retry-After."""
        return parse_retry_after(self.headers.get("retry-after"), now=datetime.now(UTC))

    @property
    def request_id(self) -> str | None:
        """Return the vendor's id of the call."""
        request_id = self.headers.get("x-request-id")
        return None if request_id is None else request_id[:_MAX_REQUEST_ID_LENGTH]


def take_text(value: object) -> str | None:
    """Read a string or a number as text, and anything else as missing."""
    if isinstance(value, int | str) and not isinstance(value, bool):
        return str(value).strip() or None
    return None


OptionalText = Annotated[str | None, BeforeValidator(take_text)]


class ReplyError(BaseModel):
    """A server's error: an object, a message, or FastAPI's list of invalid fields."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: OptionalText = None
    type: OptionalText = None
    message: OptionalText = None

    @model_validator(mode="before")
    @classmethod
    def _accept_any_form(cls, value: object) -> object:
        if isinstance(value, str):
            return {"message": value}
        if isinstance(value, list):
            return {"message": "; ".join(filter(None, map(_describe_invalid_field, value)))}
        return value if isinstance(value, dict) else {}


class ProviderErrors:
    """Map a provider's responses, and the lack of one, to our errors."""

    def __init__(self, *, host: str, api_key: str, codes_by_word: Mapping[str, ErrorCode]) -> None:
        """Take what the error messages need.

        Args:
            host: names the provider.
            api_key: removed from all of the provider's messages.
            codes_by_word: our codes for the vendor's error words, in lower case.
        """
        self._host = host
        self._api_key = api_key
        self._codes_by_word = codes_by_word

    def refuse_submission(self, reply: Reply, *, gone: ErrorCode) -> VideoModelError:
        """Distinguish a submission that was certainly not accepted from one that may have been.

        Args:
            reply: a response without a readable job.
            gone: the code for a 404 or 410.
        """
        if reply.is_success or reply.is_ambiguous:
            said = self.clean(reply.error.message) or "it gave neither a job nor a reason."
            return SubmissionUnknown(
                f"{self._host} answered {reply.status_code} to a submission that it may have accepted all the same: "
                f"{said} {_LOOK_FIRST}",
                request_id=reply.request_id,
            )
        code = self.find_code(reply.error) or (
            gone if reply.is_gone else _CODES_BY_STATUS.get(reply.status_code, ErrorCode.PROVIDER_ERROR)
        )
        return VideoModelError(
            code,
            self._explain(reply),
            transient=code is ErrorCode.RATE_LIMITED,
            retry_after_seconds=reply.retry_after_seconds,
            request_id=reply.request_id,
        )

    def lose_submission(self, error: BaseException, *, was_sent: bool) -> VideoModelError:
        """Map a broken connection; `was_sent` unless it certainly broke before the first byte."""
        if was_sent:
            return SubmissionUnknown(
                f"The connection to {self._host} broke after a submission that it may have accepted all the same: "
                f"{_name(error)}. {_LOOK_FIRST}"
            )
        return VideoModelError(
            ErrorCode.PROVIDER_ERROR,
            f"{self._host} cannot be reached, so nothing was submitted: {_name(error)}.",
            transient=True,
        )

    def refuse_question(self, reply: Reply) -> VideoModelError:
        """Map a failed query about a job; a query is safe to repeat, so a fault may be temporary."""
        code = ErrorCode.PROVIDER_ERROR
        message = self._explain(reply)
        if reply.is_gone:
            code = ErrorCode.EXPIRED
            message = f"The provider no longer knows this job or its video. {message}"
        elif reply.is_refusal:
            code = self.find_code(reply.error) or _CODES_BY_STATUS.get(reply.status_code, code)
        return VideoModelError(
            code,
            message,
            transient=not reply.is_refusal or reply.status_code == 429,
            retry_after_seconds=reply.retry_after_seconds,
            request_id=reply.request_id,
        )

    def lose_question(self, error: BaseException) -> VideoModelError:
        """Map the broken connection of a query or a download."""
        return VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"{self._host} gave no answer: {_name(error)}.", transient=True
        )

    def find_code(self, error: ReplyError) -> ErrorCode | None:
        """Map the machine-readable words to a code; the message is for people."""
        for word in (error.code, error.type):
            if word is not None and word.lower() in self._codes_by_word:
                return self._codes_by_word[word.lower()]
        return None

    def clean(self, sentence: str | None) -> str | None:
        """Shorten a vendor's message, and remove the key and the signatures of URLs, because it is logged."""
        return None if sentence is None else clean_sentence(sentence, self._api_key)

    def _explain(self, reply: Reply) -> str:
        """Return the vendor's own message, or describe the response without one."""
        sentence = self.clean(reply.error.message)
        if sentence is not None:
            return sentence
        if reply.is_success:
            return f"{self._host} answered {reply.status_code} with a body that is not a job."
        if 300 <= reply.status_code < 400:
            return (
                f"{self._host} answered {reply.status_code}: it redirects. Set base_url to the address it redirects to."
            )
        return f"{self._host} answered {reply.status_code} without an explanation."


def _describe_invalid_field(value: object) -> str | None:
    """Turn one entry of FastAPI's list of invalid fields into a sentence."""
    if not isinstance(value, dict):
        return take_text(value)
    place = value.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else "request"
    return f"{where}: {take_text(value.get('msg')) or 'not valid'}"


def _name(error: BaseException) -> str:
    # It may repeat the server's data.
    return str(error)[:_MAX_REASON_LENGTH].rstrip(".") or type(error).__name__
