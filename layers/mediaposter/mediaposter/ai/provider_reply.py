"""Read what a provider answers over HTTP, and say in our words what it means, for any vendor.

Where money is spent the first question is not what went wrong, but whether a job may exist all the same.
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

# No vendor's id of a job is as long; one that is fits no key of ours, and so is none.
MAX_JOB_ID_LENGTH = 1024
_MAX_REQUEST_ID_LENGTH = 200
_MAX_REASON_LENGTH = 200

_LOOK_FIRST = "Look for it in the provider's list of jobs before you submit it again."

# What a 4xx means when its body does not say; any other is a `provider_error`. What a 404 or 410 means depends on the
# call: a create asked for a model that is not there, everything else for a job.
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
    """An answer, whatever its status; the look-up in `headers` must ignore case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """Tell whether it is a 2xx."""
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
        """Tell whether what was asked for is not there."""
        return self.status_code in (404, 410)

    @property
    def body(self) -> object:
        """Give the parsed JSON, or None for anything else."""
        try:
            return parse_json(self.content)
        except ValueError:
            return None

    @property
    def error(self) -> ReplyError:
        """Find the error in `{"error": …}`, `{"detail": …}`, one inside the other, or a bare sentence."""
        found = self.body
        if found is None and self.headers.get("content-type", "").startswith("text/plain"):
            found = self.content.decode(errors="replace")
        for _ in range(2):
            if isinstance(found, dict):
                found = found.get("error") or found.get("detail") or found
        return ReplyError.model_validate(found)

    @property
    def retry_after_seconds(self) -> float | None:
        """Give the wait that its Retry-After asks for."""
        return parse_retry_after(self.headers.get("retry-after"), now=datetime.now(UTC))

    @property
    def request_id(self) -> str | None:
        """Give the vendor's id of the call."""
        request_id = self.headers.get("x-request-id")
        return None if request_id is None else request_id[:_MAX_REQUEST_ID_LENGTH]


def take_text(value: object) -> str | None:
    """Take a word or a number as text, and anything else as absent."""
    if isinstance(value, int | str) and not isinstance(value, bool):
        return str(value).strip() or None
    return None


OptionalText = Annotated[str | None, BeforeValidator(take_text)]


class ReplyError(BaseModel):
    """What a server says went wrong: an object, a sentence, or FastAPI's list of invalid fields."""

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
    """Map a provider's answers, and what came instead of one, onto our errors."""

    def __init__(self, *, host: str, api_key: str, codes_by_word: Mapping[str, ErrorCode]) -> None:
        """Take what the sentences need.

        Args:
            host: names the provider.
            api_key: is taken out of whatever the provider says.
            codes_by_word: what the vendor's machine-readable words mean, in lower case.
        """
        self._host = host
        self._api_key = api_key
        self._codes_by_word = codes_by_word

    def refuse_submission(self, reply: Reply, *, gone: ErrorCode) -> VideoModelError:
        """Tell a submission that was certainly not accepted from one that may have been.

        Args:
            reply: holds no job that could be read.
            gone: what a 404 or 410 means here.
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
        """Map a connection that broke; `was_sent` unless it certainly did so before the first byte."""
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
        """Map an answer that leaves a question about a job open; asking does no harm, so a fault may pass."""
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
        """Map a question, or a download, whose connection broke."""
        return VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"{self._host} gave no answer: {_name(error)}.", transient=True
        )

    def find_code(self, error: ReplyError) -> ErrorCode | None:
        """Look the machine-readable words up; the sentence is for people."""
        for word in (error.code, error.type):
            if word is not None and word.lower() in self._codes_by_word:
                return self._codes_by_word[word.lower()]
        return None

    def clean(self, sentence: str | None) -> str | None:
        """Shorten a vendor's sentence, and take the key and the signatures of URLs out of it: it is logged."""
        return None if sentence is None else clean_sentence(sentence, self._api_key)

    def _explain(self, reply: Reply) -> str:
        """Give the vendor's own sentence, or say what came instead of one."""
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
    """Make a sentence of one entry of FastAPI's list of invalid fields."""
    if not isinstance(value, dict):
        return take_text(value)
    place = value.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else "request"
    return f"{where}: {take_text(value.get('msg')) or 'not valid'}"


def _name(error: BaseException) -> str:
    # It may repeat what the server sent.
    return str(error)[:_MAX_REASON_LENGTH].rstrip(".") or type(error).__name__
