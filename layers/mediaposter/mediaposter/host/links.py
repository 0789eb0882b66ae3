"""Links to files that need no key: signed with the host's secret, and the host's responses to them."""

from __future__ import annotations

import hmac
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from io import RawIOBase
from typing import IO, NamedTuple, cast
from urllib.parse import parse_qsl, quote_plus

from mediaposter.domain.errors import MediaPosterError
from mediaposter.stores.bucket import Bucket, StoredObject, write_disposition

FILES_PATH = "/files"
_SECRET_BYTES_MIN = 32
# One range of bytes (RFC 9110, 14.1.1). No file has a size of 20 digits, and `int` refuses thousands of them.
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.IGNORECASE)


class LinkRefused(MediaPosterError):
    """A link was not signed here, was changed, or has expired: 403."""


class Grant(NamedTuple):
    """What a link allows until `expires_at`, in seconds since 1970.

    `filename` is the name of a download; `content_type` and `size_bytes` are what an upload must have.
    """

    method: str
    key: str
    expires_at: int
    filename: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None


class Links:
    """Signs links, and tells what one allows. A link is valid until it expires, over restarts with the same secret."""

    def __init__(self, secret: bytes, base_url: Callable[[], str], *, clock: Callable[[], float] = time.time) -> None:
        """Take the secret, of 32 random bytes or more, and where the host is reached, without a slash at the end."""
        if len(secret) < _SECRET_BYTES_MIN:
            raise ValueError(f"The secret of links has {len(secret)} bytes; it must have {_SECRET_BYTES_MIN}.")
        self._secret = secret
        self._base_url = base_url
        self._clock = clock

    def sign_get(self, key: str, *, filename: str, seconds: int) -> str:
        """Sign a link that downloads a file."""
        return self._sign(Grant("GET", key, self._expire_in(seconds), filename=filename))

    def sign_put(self, key: str, *, content_type: str, size_bytes: int, seconds: int) -> str:
        """Sign a link that takes a file of a type and a size."""
        expires_at = self._expire_in(seconds)
        return self._sign(Grant("PUT", key, expires_at, content_type=content_type, size_bytes=size_bytes))

    def verify(self, method: str, query: str) -> Grant:
        """Tell what a link allows, by the method that it is opened with and its query. HEAD needs a link for GET.

        Raises:
            LinkRefused: it allows nothing.
        """
        given = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
        fields = dict(given)
        if len(fields) != len(given):
            raise LinkRefused("This link says something twice. Ask for a new one.")
        signature = fields.pop("signature", "")
        try:
            grant = Grant(
                method="GET" if method == "HEAD" else method,
                key=fields.pop("key"),
                expires_at=_read_number(fields.pop("expires")),
                filename=fields.pop("filename", None),
                content_type=fields.pop("content_type", None),
                size_bytes=_read_number(fields.pop("size")) if "size" in fields else None,
            )
        except (KeyError, ValueError) as error:
            raise LinkRefused("This link is not complete. Ask for a new one.") from error
        expected = self._compute_signature(grant)
        # As bytes: compare_digest takes no other text than ASCII.
        is_signed = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape"))
        if not is_signed:  # guard: link signature
            raise LinkRefused(f"This link was not made here for {method}, or it was changed. Ask for a new one.")
        if self._clock() >= grant.expires_at:  # guard: link expiry
            raise LinkRefused("This link has expired. Ask for a new one.")
        return grant

    def _expire_in(self, seconds: int) -> int:
        return int(self._clock()) + seconds

    def _sign(self, grant: Grant) -> str:
        # A page of a hundred videos has three hundred links: only what can need it is quoted.
        query = f"key={quote_plus(grant.key)}&expires={grant.expires_at}"
        if grant.filename is not None:
            query += f"&filename={quote_plus(grant.filename)}"
        if grant.content_type is not None:
            query += f"&content_type={quote_plus(grant.content_type)}"
        if grant.size_bytes is not None:
            query += f"&size={grant.size_bytes}"
        return f"{self._base_url()}{FILES_PATH}?{query}&signature={self._compute_signature(grant)}"

    def _compute_signature(self, grant: Grant) -> str:
        # As JSON, so that no field runs into the next.
        message = json.dumps(["mediaposter link 1", *grant]).encode("ascii")
        return hmac.digest(self._secret, message, "sha256").hex()


class FileAnswer(NamedTuple):
    """The response to a link: the head, and which bytes of the object follow; or a sentence.

    The bytes are those of the version that the answer was made for: `first_byte` and `size_bytes` of it.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    first_byte: int = 0
    size_bytes: int = 0
    message: str | None = None


def answer_download(stored: StoredObject, grant: Grant, method: str, headers: Mapping[str, str]) -> FileAnswer:
    """Answer GET or HEAD of a file as RFC 9110 has it: 200, 206, 304 or 416.

    Several ranges at once are answered with the whole, which RFC 9110 allows (14.2).

    Args:
        stored: the file as it is now.
        grant: what the link allows.
        method: GET or HEAD, which is answered without bytes.
        headers: of the request, their names in lower case.
    """
    head = (("ETag", stored.etag), ("Accept-Ranges", "bytes"), ("Cache-Control", "private"))
    # What others uploaded is no page of this host.
    content = (
        ("Content-Type", stored.content_type),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Disposition", write_disposition(grant.filename or "file")),
    )
    if _names_etag(headers.get("if-none-match"), stored.etag):
        return FileAnswer(304, head)
    span = None
    # Of HEAD a range is ignored (14.2); so is one that the client wants of another version alone (13.1.5).
    if method == "GET" and headers.get("if-range", stored.etag).strip() == stored.etag:
        span = _read_range(headers.get("range"), stored.size_bytes)
    if span is None:
        size_bytes = 0 if method == "HEAD" else stored.size_bytes
        return FileAnswer(200, (*head, *content, ("Content-Length", str(stored.size_bytes))), 0, size_bytes)
    if len(span) == 0:
        message = f"The file has {stored.size_bytes} bytes: there are none in this range."
        return FileAnswer(416, (*head, ("Content-Range", f"bytes */{stored.size_bytes}")), message=message)
    described = ("Content-Range", f"bytes {span[0]}-{span[-1]}/{stored.size_bytes}")
    length = ("Content-Length", str(len(span)))
    return FileAnswer(206, (*head, *content, described, length), span[0], len(span))


def receive_upload(bucket: Bucket, grant: Grant, headers: Mapping[str, str], chunks: Iterable[bytes]) -> FileAnswer:
    """Take a file that is put to a link, if its type and its length are those that were signed.

    Args:
        bucket: where it goes; it is seen there when it is whole.
        grant: what the link allows.
        headers: of the request, their names in lower case.
        chunks: the body as it comes. No more of it is read than was signed.

    Returns:
        200; or, and then nothing was stored: 403 for another type or length, 411 without a length, 400 for a body that
        is longer or shorter.
    """
    content_type, size_bytes = headers.get("content-type", ""), headers.get("content-length")
    if size_bytes is None:
        return FileAnswer(411, message="Send Content-Length. Nothing was stored.")
    if (content_type, size_bytes) != (grant.content_type, str(grant.size_bytes)):
        return FileAnswer(
            403,
            message=f"This link takes {grant.size_bytes} bytes of {grant.content_type}, and {size_bytes} bytes of "
            f"{content_type or 'no type'} came. Nothing was stored.",
        )
    try:
        body = cast(IO[bytes], _Body(chunks, int(size_bytes)))
        stored = bucket.put(grant.key, body, content_type=content_type)
    except _WrongLength as error:
        return FileAnswer(400, message=f"{error} Nothing was stored.")
    return FileAnswer(200, (("ETag", stored.etag),))


class _WrongLength(Exception):
    """A body has not the length that its request said."""


class _Body(RawIOBase):
    """A body as a file, which must have so many bytes."""

    def __init__(self, chunks: Iterable[bytes], size_bytes: int) -> None:
        self._chunks = iter(chunks)
        self._left_bytes = size_bytes

    def readable(self) -> bool:
        return True

    def read(self, _size: int = -1, /) -> bytes:
        """Give the next chunk, however long it is."""
        chunk = next((chunk for chunk in self._chunks if chunk), b"")
        self._left_bytes -= len(chunk)
        if self._left_bytes < 0:
            raise _WrongLength("The body is longer than Content-Length said.")
        if not chunk and self._left_bytes:
            raise _WrongLength(f"The body ended {self._left_bytes} bytes early.")
        return chunk


def _read_range(text: str | None, size_bytes: int) -> range | None:
    """Read which bytes are wanted: None is all of them, an empty range none that are there."""
    parsed = _RANGE.fullmatch(text or "")
    if parsed is None:
        return None
    first, last = parsed.groups()
    if not first:
        return None if not last else range(max(0, size_bytes - int(last)), size_bytes)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)


def _names_etag(text: str | None, etag: str) -> bool:
    """Tell whether If-None-Match names a version: it is compared weakly (RFC 9110, 13.1.2)."""
    named = [part.strip().removeprefix("W/") for part in (text or "").split(",")]
    return etag in named or named == ["*"]


def _read_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise ValueError("no number")
    return int(text)
