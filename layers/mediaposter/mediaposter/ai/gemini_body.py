"""Read a response of Google's Interactions API as it arrives.

An interaction may hold its clip as one base64 string of 100 MB and more, even where it was created with
`delivery: uri`. So its long strings never enter memory.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from mediaposter.domain.errors import ErrorCode, VideoModelError

MAX_KEPT_BYTES = 4 * 1024**2
# No message, id or address is longer; a clip of a second is.
MAX_STRING_BYTES = 64 * 1024
# A Lambda's /tmp holds 512 MiB; this is the base64 of a clip of 288 MiB.
MAX_ASIDE_BYTES = 384 * 1024**2
# Characters of base64 that are decoded at once: a multiple of four, since four make three bytes.
_BLOCK_CHARACTERS = 128 * 1024

_STRING_END = re.compile(rb'["\\]')
_ESCAPE = re.compile(rb"\\(?:u00([0-7][0-9a-fA-F])|(/))")


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
                    f"Google sent the video inside its response, and it has more than {self._max_aside_bytes} bytes. "
                    "Google keeps the interaction; ask for a smaller size or a shorter video.",
                )
            self._aside.write(plain)
        return self._string_offset


def _unescape(escape: re.Match[bytes]) -> bytes:
    return escape[2] or bytes([int(escape[1], 16)])


def _not_base64(reason: str) -> VideoModelError:
    return VideoModelError(
        ErrorCode.PROVIDER_ERROR, f"The video inside Google's response is not base64: {reason}.", transient=True
    )
