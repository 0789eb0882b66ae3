"""Read a server's response as data, whatever its compression, and even if its JSON is damaged."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import cast

import httpx
from pydantic_core import from_json

MAX_SENTENCE_LENGTH = 1000
# If a server asks for a longer wait, we retry after a day.
MAX_RETRY_AFTER_SECONDS = 86_400.0
# A compressed body is yielded in pieces of at most this length, so that its reader can stop in time.
MAX_INFLATED_BYTES = 64 * 1024

_GZIP = zlib.MAX_WBITS | 16
_ZLIB = zlib.MAX_WBITS
_BARE = -zlib.MAX_WBITS
_WINDOWS: Mapping[str, int] = MappingProxyType({"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB})

# Matches valid JSON text as far as it goes (text, any escape except a surrogate's, and surrogate pairs), or else a lone
# surrogate. It finds no escape inside another: `\\ud83d` is text.
_HALF = rb"[dD][89a-fA-F][0-9a-fA-F]{2}"
_PAIR = rb"[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_WELL_OR_HALF = re.compile(rb"((?:[^\\]++|\\[^u]|\\u(?:" + _PAIR + rb"|(?!" + _HALF + rb")))++)|\\u" + _HALF)
# It also matches an address without a query and continues after it, so that it reads each character once.
_QUERY_OF_URL = re.compile(r"(https?://[^\s?]+)(?:\?\S+)?", re.IGNORECASE)


def read_pieces(response: httpx.Response) -> Iterator[bytes]:
    """Decompress a body in bounded pieces.

    httpx decodes each piece whole, layer by layer: 64 KiB become 64 MiB, and with two layers 64 GiB.

    Raises:
        httpx.DecodingError: it is compressed more than once, in an unknown way, or not as its header says.
        httpx.TransportError: the connection broke, or was too slow.
    """
    # Not iter_bytes, which decodes, nor iter_raw, which refuses the complete body of a test.
    body = cast(httpx.SyncByteStream, response.stream)
    written = map(str.strip, response.headers.get("content-encoding", "").lower().split(","))
    encodings = [encoding for encoding in written if encoding not in ("", "identity")]
    if not encodings:
        yield from body
    elif len(encodings) == 1 and encodings[0] in _WINDOWS:
        yield from _inflate(body, _WINDOWS[encodings[0]])
    else:
        raise httpx.DecodingError(f"the answer is compressed as {', '.join(encodings)[:100]}")


def parse_json(content: bytes, *, allow_partial: bool = False) -> object:
    """Parse JSON as servers write it: with a byte order mark, half an emoji, or bytes that are not UTF-8.

    If a server cuts a sentence within an emoji, we still need the id in the same body.

    Args:
        content: a body.
        allow_partial: whether the body may be cut off.

    Raises:
        ValueError: even so, it is not JSON.
    """
    parsed: object
    try:
        parsed = from_json(content, allow_partial=allow_partial)
    except ValueError:
        text = content.decode("utf-8-sig", errors="replace").encode()
        parsed = from_json(_WELL_OR_HALF.sub(_mend, text), allow_partial=allow_partial)
    return parsed


def clean_sentence(sentence: str, secret: str = "") -> str:
    """Shorten a server's message, and remove a secret and the queries of URLs, which may hold signatures."""
    # Remove the secret before the cut, which could leave half of it, and cut before the search.
    open_sentence = sentence.replace(secret, "[key]") if secret else sentence
    return _QUERY_OF_URL.sub(r"\1", open_sentence[: 4 * MAX_SENTENCE_LENGTH])[:MAX_SENTENCE_LENGTH]


def parse_retry_after(value: str | None, *, now: datetime, unit_seconds: float = 1.0) -> float | None:
    """Parse a Retry-After header, a number or an HTTP date, into seconds from `now`: a day at most.

    Args:
        value: of the header.
        now: the time in UTC.
        unit_seconds: the length of the unit that a number counts.

    Returns:
        None if the header is missing or malformed: it is only a hint, and callers have their own interval.
    """
    if value is None:
        return None
    try:
        seconds = float(value) * unit_seconds
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
            seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def _inflate(pieces: Iterable[bytes], window_bits: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(window_bits)
    try:
        for number, piece in enumerate(filter(None, pieces)):
            if number == 0 and window_bits == _ZLIB and not _begins_zlib(piece):
                # Some servers send "deflate" as the raw format, without the zlib header.
                inflater = zlib.decompressobj(_BARE)
            left = piece
            while left and not inflater.eof:
                yield inflater.decompress(left, MAX_INFLATED_BYTES)
                left = inflater.unconsumed_tail
            if inflater.eof:
                return
        yield inflater.flush()
    except zlib.error as error:
        raise httpx.DecodingError(f"the answer is not compressed as it says: {error}") from error


def _begins_zlib(piece: bytes) -> bool:
    """Tell whether a body begins with the header of RFC 1950: method 8, and a checksum divisible by 31."""
    return piece[0] & 0x0F == 8 and (len(piece) < 2 or int.from_bytes(piece[:2], "big") % 31 == 0)


def _mend(part: re.Match[bytes]) -> bytes:
    return part[1] or rb"\ufffd"
