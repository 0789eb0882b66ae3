"""Map a provider's HTTP responses, and the lack of one, to our errors, for any vendor.

After a paid call, the first question is not what went wrong, but whether a job may exist all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from mediaposter.domain.errors import ErrorCode, SubmissionUnknown, VideoModelError
from mediaposter.http.reply import CODES_BY_STATUS, Reply, ReplyError, clean_sentence, describe_error

_LOOK_FIRST = "Look for it in the provider's list of jobs before you submit it again."


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

    def refuse_request(self, reason: str) -> VideoModelError:
        """Report a request that cannot be written."""
        return VideoModelError(
            ErrorCode.INVALID_REQUEST, f"The request cannot be written, so nothing was sent: {reason}."
        )

    def refuse_submission(self, reply: Reply, *, gone: ErrorCode) -> VideoModelError:
        """Distinguish a submission that was certainly not accepted from one that may have been.

        Args:
            reply: a response without a readable job.
            gone: the code for a 404 or 410.
        """
        if reply.is_success or reply.is_ambiguous:
            said = self.clean(reply.error.message) or "it gave no job and no reason."
            return SubmissionUnknown(
                f"{self._host} answered {reply.status_code} to a submission, which it may have accepted: "
                f"{said} {_LOOK_FIRST}",
                request_id=reply.request_id,
            )
        code = self.find_code(reply.error) or (
            gone if reply.is_gone else CODES_BY_STATUS.get(reply.status_code, ErrorCode.PROVIDER_ERROR)
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
                f"The connection to {self._host} broke after a submission, which it may have accepted: "
                f"{describe_error(error)}. {_LOOK_FIRST}"
            )
        return VideoModelError(
            ErrorCode.PROVIDER_ERROR,
            f"{self._host} cannot be reached, so nothing was submitted: {describe_error(error)}.",
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
            code = self.find_code(reply.error) or CODES_BY_STATUS.get(reply.status_code, code)
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
            ErrorCode.PROVIDER_ERROR, f"{self._host} gave no answer: {describe_error(error)}.", transient=True
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
