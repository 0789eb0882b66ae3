"""Map Blotato's refusals, and the lack of an answer, to our errors: above all, whether a post may be public.

No message holds an httpx error's text, which may repeat the URL: a presigned one is a secret.
"""

from __future__ import annotations

import httpx

from mediaposter.domain.errors import ErrorCode, PostUnknown, PublisherError
from mediaposter.http.reply import CODES_BY_STATUS, Reply, clean_sentence, parse_json
from mediaposter.publishing.blotato_wire import Refusal, read_wait_seconds

# Another presigned URL does not help against these.
_FINAL_UPLOAD_STATUSES = (413, 415, 422)


class BlotatoErrors:
    """Map Blotato's answers, and the lack of one, to our errors."""

    def __init__(self, api_key: str) -> None:
        """Take the key, which is removed from all of Blotato's messages."""
        self._api_key = api_key

    def refuse_request(self, reason: str) -> PublisherError:
        """Report a call that cannot be written."""
        sentence = f"The call to Blotato cannot be written, so nothing was sent: {clean_sentence(reason)}."
        return PublisherError(ErrorCode.INVALID_REQUEST, sentence)

    def lose_submission(self, error: httpx.RequestError, *, was_sent: bool) -> PublisherError:
        """Report a post without an answer; `was_sent` unless the connection broke before the first byte."""
        if was_sent:
            return PostUnknown(f"Blotato did not answer the post: {_name(error)}. It may be public.")
        return self.lose_question(error)

    def lose_question(self, error: httpx.RequestError) -> PublisherError:
        """Report a call without an answer that publishes nothing."""
        return PublisherError(
            ErrorCode.PROVIDER_ERROR, f"Blotato could not be reached: {_name(error)}.", transient=True
        )

    def lose_upload(self, error: httpx.RequestError) -> PublisherError:
        """Report an upload without an answer."""
        return PublisherError(
            ErrorCode.PROVIDER_ERROR, f"The upload to Blotato broke off: {_name(error)}.", transient=True
        )

    def refuse_post(self, reply: Reply) -> PublisherError:
        """Distinguish a post that was certainly refused from one that may be public."""
        if reply.status_code >= 500 or 300 <= reply.status_code < 400 or reply.status_code == 408:
            return PostUnknown(f"Blotato answered {reply.status_code} to the post. It may be public.")
        return self.refuse(reply)

    def refuse_upload(self, reply: Reply, size_bytes: int) -> PublisherError:
        """Map a failed upload. It may mean an expired presigned URL, which a retry replaces."""
        is_final = reply.status_code in _FINAL_UPLOAD_STATUSES
        return PublisherError(
            ErrorCode.INVALID_REQUEST if is_final else ErrorCode.PROVIDER_ERROR,
            f"Blotato's storage answered {reply.status_code} to the upload of {size_bytes} bytes.",
            transient=not is_final,
        )

    def refuse(self, reply: Reply) -> PublisherError:
        """Map a failed call, with Blotato's own sentence."""
        try:
            message = Refusal.model_validate(parse_json(reply.content)).message
        except ValueError:
            message = ""
        message = clean_sentence(message, self._api_key)
        is_client_error = 400 <= reply.status_code < 500
        default = ErrorCode.INVALID_REQUEST if is_client_error else ErrorCode.PROVIDER_ERROR
        return PublisherError(
            CODES_BY_STATUS.get(reply.status_code, default),
            message or f"Blotato answered {reply.status_code}.",
            # Every 4xx but these two is final (Blotato, errors and retries).
            transient=reply.status_code in (408, 429) or reply.status_code >= 500,
            retry_after_seconds=read_wait_seconds(reply.headers.get("retry-after", ""), message)
            if reply.status_code == 429
            else None,
        )


def _name(error: httpx.RequestError) -> str:
    return type(error).__name__
