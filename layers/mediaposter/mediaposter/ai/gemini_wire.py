"""Parse the responses of Google's Interactions and Files APIs, of any length and in several formats.

An interaction may hold its clip as one base64 string of 100 MB and more, even where it was created with
`delivery: uri`. So a body is read as it arrives, and its long strings never enter memory.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import Annotated, BinaryIO, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mediaposter.ai.provider_reply import (
    MAX_JOB_ID_LENGTH,
    OptionalText,
    ProviderErrors,
    Reply,
    ReplyError,
    take_text,
)
from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.http.reply import MAX_RETRY_AFTER_SECONDS

MAX_KEPT_BYTES = 4 * 1024**2
# No message, id or address is longer; a clip of a second is.
MAX_STRING_BYTES = 64 * 1024
# A Lambda's /tmp holds 512 MiB; this is the base64 of a clip of 288 MiB.
MAX_ASIDE_BYTES = 384 * 1024**2
# Longer than any error word or URI; it is searched for each meaning.
_MAX_WORD_LENGTH = 500
# Characters of base64 that are decoded at once: a multiple of four, since four make three bytes.
_BLOCK_CHARACTERS = 128 * 1024

_STRING_END = re.compile(rb'["\\]')
_ESCAPE = re.compile(rb"\\(?:u00([0-7][0-9a-fA-F])|(/))")
_RETRY_DELAY = re.compile(r"([0-9]{1,9}(?:\.[0-9]+)?)s")

# Maps a word to a code: a `reason` of google.rpc.ErrorInfo, a `status`, or the `code` of an interaction's error, which
# is an open string. The first matching row decides, since API_KEY_IP_ADDRESS_BLOCKED is about the key.
_MEANINGS: tuple[tuple[re.Pattern[str], ErrorCode], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        ("api_?key|unauthenticated|permission_denied", ErrorCode.AUTHENTICATION),
        ("safety|blocked|blocklist|prohibited|policy|recitation|spii", ErrorCode.CONTENT_POLICY),
        ("budget|billing|insufficient", ErrorCode.INSUFFICIENT_CREDIT),
        ("resource_exhausted|rate_limit|quota", ErrorCode.RATE_LIMITED),
        ("invalid_argument|invalid_request", ErrorCode.INVALID_REQUEST),
    )
)
# A step's error bears a number of google.rpc.Code instead; an HTTP status is no such number.
_MEANINGS_BY_NUMBER: Mapping[str, ErrorCode] = MappingProxyType(
    {
        "3": ErrorCode.INVALID_REQUEST,
        "7": ErrorCode.AUTHENTICATION,
        "8": ErrorCode.RATE_LIMITED,
        "16": ErrorCode.AUTHENTICATION,
    }
)
# `GeminiReply.error` already has our codes.
CODES_BY_WORD: Mapping[str, ErrorCode] = MappingProxyType({code.value: code for code in ErrorCode})

# Any other status (requires_action, requires_continuation, a new one) means that it still runs.
_STATUSES: Mapping[str, VideoStatus] = MappingProxyType(
    {
        "queued": VideoStatus.QUEUED,
        "completed": VideoStatus.COMPLETED,
        "failed": VideoStatus.FAILED,
        "cancelled": VideoStatus.FAILED,
        "incomplete": VideoStatus.FAILED,
        "budget_exceeded": VideoStatus.FAILED,
    }
)

# Final statuses that are the reason by themselves, whatever the errors say.
_ENDS: Mapping[str, tuple[ErrorCode, str]] = MappingProxyType(
    {
        "cancelled": (ErrorCode.CANCELLED, "Google says that the interaction was cancelled."),
        "incomplete": (ErrorCode.PROVIDER_ERROR, "Google says that the interaction ended before it was complete."),
        "budget_exceeded": (ErrorCode.INSUFFICIENT_CREDIT, "Google says that the budget is used up."),
    }
)


@dataclass(frozen=True, slots=True)
class EncodedVideo:
    """A clip as base64 in a file."""

    file: BinaryIO
    offset: int
    length_characters: int
    size_bytes: int

    def decode(self, start_byte: int) -> Iterator[bytes]:
        """Decode it in pieces from `start_byte` on.

        Raises:
            VideoModelError: it is not base64 after all.
        """
        skipped_bytes = start_byte % 3
        position = start_byte // 3 * 4
        while position < self.length_characters:
            self.file.seek(self.offset + position)
            block = self.file.read(min(_BLOCK_CHARACTERS, self.length_characters - position))
            try:
                yield base64.b64decode(block, validate=True)[skipped_bytes:]
            except binascii.Error as error:
                raise _not_base64(str(error)) from error
            skipped_bytes = 0
            position += _BLOCK_CHARACTERS


class BodySkimmer:
    """Reads a JSON body as it arrives, and replaces long strings by a marker."""

    def __init__(self, aside: BinaryIO | None = None, *, max_aside_bytes: int = MAX_ASIDE_BYTES) -> None:
        """Take the file for the long strings; without one they are dropped."""
        self._aside = aside
        self._max_aside_bytes = max_aside_bytes
        self._aside_bytes = 0
        self._places: dict[str, tuple[int, int]] = {}
        self._kept = bytearray()
        self._string = bytearray()
        self._string_offset: int | None = None
        self._is_inside = False
        self._is_escaped = False

    def read(self, pieces: Iterable[bytes]) -> bytes:
        """Read a body, and return its shortened JSON.

        If more than `MAX_KEPT_BYTES` would be left, the result is cut off and so is not JSON.

        Raises:
            VideoModelError: the long strings exceed `max_aside_bytes`.
        """
        for piece in pieces:
            self._take(piece)
            if len(self._kept) > MAX_KEPT_BYTES:
                break
        return bytes(self._kept + self._string)

    def find_video(self, data: str) -> EncodedVideo:
        """Find the clip of a `data` field, which holds it or its marker.

        Raises:
            VideoModelError: its length is not valid for base64.
        """
        file: BinaryIO
        if data in self._places and self._aside is not None:
            file = self._aside
            offset, length = self._places[data]
        else:
            content = data.encode()
            file, offset, length = BytesIO(content), 0, len(content)
        if length % 4 != 0:
            raise _not_base64(f"it has {length} characters")
        file.seek(offset + length - 2)
        return EncodedVideo(file, offset, length, length // 4 * 3 - file.read(2).count(b"="))

    def _take(self, piece: bytes) -> None:
        position = 0
        while position < len(piece):
            if not self._is_inside:
                end = piece.find(b'"', position) + 1
                self._is_inside = end > 0
                self._kept += piece[position : end or len(piece)]
                position = end or len(piece)
            elif self._is_escaped:
                self._string += piece[position : position + 1]
                self._is_escaped = False
                position += 1
            else:
                found = _STRING_END.search(piece, position)
                end = len(piece) if found is None else found.start()
                self._string += piece[position:end]
                position = end + 1
                if found is None:
                    break
                if found[0] == b'"':
                    self._end_string()
                else:
                    self._string += b"\\"
                    self._is_escaped = True
        if len(self._string) > MAX_STRING_BYTES:
            self._put_aside(is_whole=False)

    def _end_string(self) -> None:
        if self._string_offset is not None or len(self._string) > MAX_STRING_BYTES:
            offset = self._put_aside(is_whole=True)
            mark = f"string {len(self._places)} put aside"
            self._places[mark] = (offset, self._aside_bytes - offset)
            self._string += mark.encode()
        self._kept += self._string + b'"'
        self._string.clear()
        self._string_offset = None
        self._is_inside = False

    def _put_aside(self, *, is_whole: bool) -> int:
        """Move the string, as far as it has arrived, out of memory, and return its start."""
        if self._string_offset is None:
            self._string_offset = self._aside_bytes
        cut = len(self._string)
        if not is_whole:
            # An incomplete escape waits for its rest.
            last_escape = self._string.rfind(b"\\", cut - 6)
            cut = cut if last_escape < 0 else last_escape
        # Google writes "=" as \u003d; other JSON writers write "/" as \/.
        plain = _ESCAPE.sub(_unescape, bytes(self._string[:cut]))
        del self._string[:cut]
        self._aside_bytes += len(plain)
        if self._aside is not None:
            if self._aside_bytes > self._max_aside_bytes:
                raise VideoModelError(
                    ErrorCode.PROVIDER_ERROR,
                    f"Google sends the video inside its answer, and more than {self._max_aside_bytes} bytes of it. "
                    "The interaction is kept at Google; ask for a smaller size or a shorter video.",
                )
            self._aside.write(plain)
        return self._string_offset


def _keep_objects(value: object) -> list[object]:
    """Keep the objects of a list; treat anything else as an empty list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _keep_object(value: object) -> object:
    return value if isinstance(value, dict) else None


class _WireDetail(BaseModel):
    """The two kinds of google.rpc's details that we read: ErrorInfo and RetryInfo."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: OptionalText = None
    retry_delay: OptionalText = Field(default=None, alias="retryDelay")


class _WireError(BaseModel):
    """An error: google.rpc.Status, or the error of an interaction."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: OptionalText = None
    status: OptionalText = None
    message: OptionalText = None
    details: Annotated[tuple[_WireDetail, ...], BeforeValidator(_keep_objects)] = ()

    @property
    def meaning(self) -> ErrorCode | None:
        """Return the first meaning among its words, the most specific first."""
        reasons = [detail.reason for detail in self.details]
        return next(filter(None, map(_find_meaning, [*reasons, self.status, self.code])), None)

    @property
    def retry_after_seconds(self) -> float | None:
        """Return the wait from google.rpc.RetryInfo."""
        delays = [_RETRY_DELAY.fullmatch(detail.retry_delay or "") for detail in self.details]
        return next((min(float(delay[1]), MAX_RETRY_AFTER_SECONDS) for delay in delays if delay), None)


class GeminiReply(Reply):
    """A response of Google, which has in its body what others send in headers."""

    __slots__ = ()

    @property
    def error(self) -> ReplyError:
        """Find the error in `{"error": …}`, with one of our codes."""
        found = _read_error(self.body)
        if found is None:
            return super().error
        return ReplyError(code=found.meaning, message=found.message)

    @property
    def retry_after_seconds(self) -> float | None:
        """Return the wait from Retry-After, or else from the error."""
        found = _read_error(self.body) or _WireError()
        return super().retry_after_seconds or found.retry_after_seconds


class WireVideo(BaseModel):
    """A part of an interaction's output; it is a clip if it has data or an address."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: OptionalText = None
    data: OptionalText = None
    uri: OptionalText = None
    mime_type: OptionalText = None


class _WireStep(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    type: OptionalText = None
    content: Annotated[tuple[WireVideo, ...], BeforeValidator(_keep_objects)] = ()
    error: Annotated[_WireError | None, BeforeValidator(_keep_object)] = None


class WireInteraction(BaseModel):
    """The parts of an interaction that show the status of a video."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[str, BeforeValidator(take_text)] = Field(min_length=1, max_length=MAX_JOB_ID_LENGTH)
    # An id without a status is still a job: dropping it would lose a paid render.
    status: Annotated[str, BeforeValidator(lambda value: (take_text(value) or "").lower())] = ""
    steps: Annotated[tuple[_WireStep, ...], BeforeValidator(_keep_objects)] = ()
    # The first revision of the API used this field instead of `steps`.
    outputs: Annotated[tuple[WireVideo, ...], BeforeValidator(_keep_objects)] = ()
    error: Annotated[_WireError | None, BeforeValidator(_keep_object)] = None
    errors: Annotated[tuple[_WireError, ...], BeforeValidator(_keep_objects)] = ()

    @property
    def videos(self) -> Sequence[WireVideo]:
        """List the model's clips, not the user's; the last one is the result."""
        outputs = [
            *self.outputs,
            *(part for step in self.steps if step.type == "model_output" for part in step.content),
        ]
        return [part for part in outputs if part.type == "video" and (part.data or part.uri)]

    @property
    def reason(self) -> ReplyError:
        """Return the most specific error, with one of our codes."""
        found = [*self.errors, *(error for error in (self.error, *(step.error for step in self.steps)) if error)]
        best = next((error for error in found if error.meaning), found[0] if found else _WireError())
        return ReplyError(code=best.meaning, message=best.message)


class WireFile(BaseModel):
    """A file of the Files API."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: OptionalText = None
    error: Annotated[_WireError | None, BeforeValidator(_keep_object)] = None


class _WireEventData(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1)


class _WireEvent(BaseModel):
    """A webhook's body (https://ai.google.dev/gemini-api/docs/webhooks, "Webhook envelope" and "Event catalog")."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal[
        "interaction.completed",
        "interaction.failed",
        "interaction.cancelled",
        "interaction.requires_action",
        "video.generated",
    ]
    data: _WireEventData


def read_event(body: bytes) -> str | None:
    """Find the interaction id in a webhook's body."""
    try:
        return _WireEvent.model_validate_json(body).data.id
    except ValidationError:
        return None


def read_interaction(body: object) -> WireInteraction | None:
    """Parse a body as an interaction."""
    try:
        interaction = WireInteraction.model_validate(body)
    except ValidationError:
        return None
    # An error with an id (of the request, perhaps) is no interaction.
    return interaction if interaction.status or interaction.error is None else None


def read_file(body: object) -> WireFile:
    """Read the status of a file; without a status, it is not ready."""
    return WireFile.model_validate(_keep_object(body) or {})


def translate_interaction(
    interaction: WireInteraction, reply: Reply, errors: ProviderErrors, *, job_id: str
) -> VideoGenerationJob:
    """Translate Google's interaction into a job.

    Only a clip proves success: a blocked interaction is `completed` too, without a clip.
    """
    status = _STATUSES.get(interaction.status, VideoStatus.IN_PROGRESS)
    error_code: ErrorCode | None = None
    error_message: str | None = None
    if status is VideoStatus.COMPLETED and not interaction.videos:
        status = VideoStatus.FAILED
        error_code = errors.find_code(interaction.reason) or ErrorCode.CONTENT_POLICY
        ours = "Google ended the interaction without a video: its filters took it out."
        error_message = errors.clean(interaction.reason.message) or ours
    elif status is VideoStatus.FAILED:
        error_code, ours = _ENDS.get(interaction.status) or (
            errors.find_code(interaction.reason) or ErrorCode.PROVIDER_ERROR,
            "Google gave no reason for the failure.",
        )
        error_message = errors.clean(interaction.reason.message) or ours
    return VideoGenerationJob(
        job_id=job_id,
        status=status,
        error_code=error_code,
        error_message=error_message,
        retry_after_seconds=reply.retry_after_seconds,
    )


def _read_error(body: object) -> _WireError | None:
    """Find the error in `{"error": {…}}`."""
    inner = body.get("error") if isinstance(body, dict) else None
    return _WireError.model_validate(inner) if isinstance(inner, dict) else None


def _find_meaning(word: str | None) -> ErrorCode | None:
    # The code of an interaction's error may be a URI, which ends in the word.
    last = re.split("[/#]", (word or "")[-_MAX_WORD_LENGTH:])[-1]
    found = next((code for pattern, code in _MEANINGS if pattern.search(last)), None)
    return found or _MEANINGS_BY_NUMBER.get(last)


def _unescape(escape: re.Match[bytes]) -> bytes:
    return escape[2] or bytes([int(escape[1], 16)])


def _not_base64(reason: str) -> VideoModelError:
    return VideoModelError(
        ErrorCode.PROVIDER_ERROR, f"The video inside Google's answer is not base64: {reason}.", transient=True
    )
