"""Read a server's response as data, whatever its compression, and even if its JSON is damaged."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Annotated, TypeVar, cast

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import from_json

from mediaposter.domain.errors import ErrorCode

MAX_SENTENCE_LENGTH = 1000
MAX_REASON_LENGTH = 200
MAX_REQUEST_ID_LENGTH = 200
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

# What a 4xx means if its body says no more. A 404 or 410 depends on the call.
CODES_BY_STATUS: Mapping[int, ErrorCode] = MappingProxyType(
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


def take_text(value: object) -> str | None:
    """Read a string or a number as text, and anything else as missing."""
    if isinstance(value, int | str) and not isinstance(value, bool):
        return str(value).strip() or None
    return None


OptionalText = Annotated[str | None, BeforeValidator(take_text)]


def keep_objects(value: object) -> list[object]:
    """Keep the objects of a list; treat anything else as an empty list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


class WireModel(BaseModel):
    """The base of the parts of a response that we read; it is open to new fields."""

    model_config = ConfigDict(frozen=True, extra="ignore")


WireT = TypeVar("WireT", bound=BaseModel)


def read_model(kind: type[WireT], body: object) -> WireT | None:
    """Parse a body as a model; None if it is something else."""
    try:
        return kind.model_validate(body)
    except ValidationError:
        return None


class ReplyError(WireModel):
    """A server's error: an object, a message, or FastAPI's list of invalid fields."""

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
        return None if request_id is None else request_id[:MAX_REQUEST_ID_LENGTH]


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
        raise httpx.DecodingError(f"the response has an unsupported compression: {', '.join(encodings)[:100]}")


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


def describe_error(error: BaseException) -> str:
    """Return an exception's own text, shortened since it may repeat the server's data, or else its type."""
    return str(error)[:MAX_REASON_LENGTH].rstrip(".") or type(error).__name__


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
        raise httpx.DecodingError(f"the response is not compressed as its header says: {error}") from error


def _begins_zlib(piece: bytes) -> bool:
    """Tell whether a body begins with the header of RFC 1950: method 8, and a checksum divisible by 31."""
    return piece[0] & 0x0F == 8 and (len(piece) < 2 or int.from_bytes(piece[:2], "big") % 31 == 0)


def _describe_invalid_field(value: object) -> str | None:
    """Turn one entry of FastAPI's list of invalid fields into a sentence."""
    if not isinstance(value, dict):
        return take_text(value)
    place = value.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else "request"
    return f"{where}: {take_text(value.get('msg')) or 'not valid'}"


def _mend(part: re.Match[bytes]) -> bytes:
    return part[1] or rb"\ufffd"
