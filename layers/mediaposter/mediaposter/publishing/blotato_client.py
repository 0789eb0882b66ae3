"""Blotato's REST API v2: media, posts.

Wire facts: help.blotato.com, rest-api-reference. The key goes verbatim into `blotato-api-key` and is
sent to Blotato's own origin only, never with an upload to a presigned URL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from mediaposter.errors import ConfigurationError, ErrorCode, PostUnknown, PublisherError
from mediaposter.publishing.publisher_interface import PostReport, PostStatus
from mediaposter.publishing.targets import AnyTarget, PublishTarget

BASE_URL = "https://backend.blotato.com/v2"
_CALL_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_UPLOAD_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_READ_BYTES = 256 * 1024
_FINAL_UPLOAD_STATUSES = (413, 415, 422)


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class _Upload(_Reply):
    presigned_url: str
    public_url: str


class _Media(_Reply):
    url: str


class _Accepted(_Reply):
    post_submission_id: str = Field(min_length=1)
    scheduled_time: datetime | None = None


class _PostState(_Reply):
    status: str
    public_url: str | None = None
    error_message: str | None = None
    scheduled_time: datetime | None = None


class _Refusal(_Reply):
    message: str = Field(default="")


# DNS, TCP or TLS failed, or no connection was free: not a byte of the request went out.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

ReplyType = TypeVar("ReplyType", bound=_Reply)


class BlotatoClient:
    """A client of one Blotato account. Nothing is ever sent twice by itself."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Make a client; the key may come from `BLOTATO_API_KEY`, another address from `BLOTATO_BASE_URL`.

        Raises:
            ConfigurationError: there is no key.
        """
        key = api_key or os.environ.get("BLOTATO_API_KEY")
        if not key:
            raise ConfigurationError("Blotato needs BLOTATO_API_KEY in the environment (or api_key as an argument).")
        self._key = key
        self._base_url = (base_url or os.environ.get("BLOTATO_BASE_URL") or BASE_URL).rstrip("/")
        self._http = httpx.Client(
            transport=transport,
            timeout=_CALL_TIMEOUT,
            trust_env=False,
            # A connection that died while a Lambda was frozen would make the next post look sent and lost.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def upload_media(self, path_or_url: str | os.PathLike[str]) -> str:
        """Give Blotato a video and get the URL a post may name.

        A public URL is fetched by Blotato; a file is sent.

        Raises:
            PublisherError: with Blotato's own sentence.
        """
        if re.match(r"https?://", str(path_or_url)):
            answer = self._call("POST", "/media", json={"url": str(path_or_url)})
            return _read(answer, _Media).url
        path = Path(path_or_url)
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(_READ_BYTES), b"")
            return self.upload_stream(chunks, size_bytes=path.stat().st_size, filename=path.name)

    def upload_stream(self, chunks: Iterator[bytes], *, size_bytes: int, filename: str) -> str:
        """Send the bytes of a video and get the URL a post may name.

        The presigned URL is short-lived, so it is asked for right before; it takes no chunked body.

        Raises:
            PublisherError: with Blotato's own sentence.
        """
        upload = _read(self._call("POST", "/media/uploads", json={"filename": filename}), _Upload)
        headers = {"Content-Type": "video/mp4", "Content-Length": str(size_bytes)}
        try:
            answer = self._http.put(upload.presigned_url, content=chunks, headers=headers, timeout=_UPLOAD_TIMEOUT)
        except httpx.HTTPError as error:
            raise PublisherError(
                ErrorCode.PROVIDER_ERROR, f"The upload to Blotato broke off: {_name(error)}.", transient=True
            ) from error
        if not answer.is_success:
            # Too large stays too large; anything else may be a presigned URL that ran out, and a fresh one helps.
            raise PublisherError(
                ErrorCode.INVALID_REQUEST if answer.status_code in _FINAL_UPLOAD_STATUSES else ErrorCode.PROVIDER_ERROR,
                f"Blotato's storage answered {answer.status_code} to the upload of {size_bytes} bytes.",
                transient=answer.status_code not in _FINAL_UPLOAD_STATUSES,
            )
        return upload.public_url

    def create_post(
        self,
        *,
        account_id: str,
        platform: str,
        text: str,
        media_urls: list[str],
        **target_fields: object,
    ) -> PostReport:
        """Submit one post. `target_fields` are those of the network's target, `privacy_level=…` for TikTok.

        Raises:
            ValueError: the target is not complete, or the text does not fit.
            PostUnknown: it was sent, and nobody can tell what became of it.
            PublisherError: it certainly was not accepted.
        """
        fields = {"platform": platform, "account_id": account_id, "text": text, **target_fields}
        target: PublishTarget = TypeAdapter[PublishTarget](AnyTarget).validate_python(fields)
        return self._post(target, text, media_urls)

    def publish(self, target: PublishTarget, *, text: str, media_url: str) -> PostReport:
        """Submit one post of one video.

        Raises:
            PostUnknown: it was sent, and nobody can tell what became of it.
            PublisherError: it certainly was not accepted.
        """
        return self._post(target, text, [media_url])

    def get_post(self, submission_id: str) -> PostReport:
        """Ask how a submitted post stands; an id Blotato does not know reads as in progress for ever.

        Raises:
            PublisherError: Blotato did not answer the question.
        """
        state = _read(self._call("GET", f"/posts/{quote(submission_id, safe='')}"), _PostState)
        # A word we do not know is not an end: ask again, under the caller's deadline.
        known = state.status in set(PostStatus)
        return PostReport(
            submission_id=submission_id,
            status=PostStatus(state.status) if known else PostStatus.IN_PROGRESS,
            public_url=state.public_url,
            error_message=state.error_message,
            scheduled_time=state.scheduled_time,
        )

    def _post(self, target: PublishTarget, text: str, media_urls: list[str]) -> PostReport:
        content = {"text": text, "mediaUrls": media_urls, "platform": target.platform}
        body = {"post": {"accountId": target.account_id, "content": content, "target": target.to_wire()}}
        try:
            answer = self._send("POST", "/posts", json=body)
        except _NEVER_SENT as error:
            raise _unreachable(error) from error
        except httpx.HTTPError as error:
            raise PostUnknown(f"Blotato did not answer the post: {_name(error)}. It may be public.") from error
        if answer.status_code >= 500 or answer.is_redirect or answer.status_code == 408:
            raise PostUnknown(f"Blotato answered {answer.status_code} to the post. It may be public.")
        _refuse_failure(answer)
        try:
            accepted = _Accepted.model_validate_json(answer.content)
        except ValidationError as error:
            raise PostUnknown("Blotato took the post but its answer has no id. It may be public.") from error
        return PostReport(
            submission_id=accepted.post_submission_id,
            status=PostStatus.SCHEDULED if accepted.scheduled_time else PostStatus.IN_PROGRESS,
            scheduled_time=accepted.scheduled_time,
        )

    def _call(self, method: str, path: str, *, json: object = None) -> httpx.Response:
        """Make a call that nobody sees, so that a failure is only a failure."""
        try:
            answer = self._send(method, path, json=json)
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        _refuse_failure(answer)
        return answer

    def _send(self, method: str, path: str, *, json: object) -> httpx.Response:
        return self._http.request(method, self._base_url + path, json=json, headers={"blotato-api-key": self._key})


def _read(answer: httpx.Response, reply_type: type[ReplyType]) -> ReplyType:
    try:
        return reply_type.model_validate_json(answer.content)
    except ValidationError as error:
        host = urlsplit(str(answer.request.url)).hostname
        raise PublisherError(
            ErrorCode.PROVIDER_ERROR,
            f"{host} answered {answer.status_code} with something else than expected.",
            transient=True,
        ) from error


_CODES = {
    401: ErrorCode.AUTHENTICATION,
    402: ErrorCode.INSUFFICIENT_CREDIT,
    403: ErrorCode.AUTHENTICATION,
    429: ErrorCode.RATE_LIMITED,
}


def _refuse_failure(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    try:
        message = _Refusal.model_validate_json(answer.content).message
    except ValidationError:
        message = ""
    is_client_error = 400 <= answer.status_code < 500
    default = ErrorCode.INVALID_REQUEST if is_client_error else ErrorCode.PROVIDER_ERROR
    raise PublisherError(
        _CODES.get(answer.status_code, default),
        message or f"Blotato answered {answer.status_code}.",
        # Every 4xx but these two is final (Blotato, errors and retries).
        transient=answer.status_code in (408, 429) or answer.status_code >= 500,
        retry_after_seconds=_read_wait(answer, message) if answer.status_code == 429 else None,
    )


def _read_wait(answer: httpx.Response, message: str) -> float:
    """Find how long to wait: Blotato says it in the message, a proxy in front of it in the header."""
    header = answer.headers.get("retry-after", "")
    if header.isascii() and header.isdigit():
        return float(header)
    found = re.search(r"(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|sec|seconds?|m|min|minutes?)\b", message, re.IGNORECASE)
    if found is None:
        return 60.0  # the limits are per minute
    unit = found[2].lower()
    factor = 0.001 if unit.startswith(("ms", "milli")) else 60.0 if unit.startswith("m") else 1.0
    return float(found[1]) * factor


def _unreachable(error: httpx.HTTPError) -> PublisherError:
    return PublisherError(ErrorCode.PROVIDER_ERROR, f"Blotato could not be reached: {_name(error)}.", transient=True)


def _name(error: httpx.HTTPError) -> str:
    # The text of an httpx error may hold the URL, and a presigned one is a secret.
    return type(error).__name__
