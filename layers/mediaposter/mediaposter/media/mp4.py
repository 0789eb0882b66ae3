"""Check the top-level boxes of an MP4 while its bytes arrive, in constant memory.

The box layout is ISO/IEC 14496-12, section 4.2: a 32-bit size and a four-character type; size 1 means that a
64-bit size follows, size 0 that the box runs to the end of the file.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass

from mediaposter.domain.errors import IncompleteMedia
from mediaposter.media.provenance import BODY_BYTES, Provenance, find_provenance

_HEADER_BYTES = 8
_LARGE_HEADER_BYTES = 16


@dataclass(frozen=True, slots=True)
class Box:
    """The position of a top-level box.

    Attributes:
        offset: of its first header byte in the file.
        size_bytes: header included; None when it runs to the end of the file.
        type: four characters.
        header: its 8 or 16 header bytes.
    """

    offset: int
    size_bytes: int | None
    type: str
    header: bytes


class Mp4Walker:
    """Check that the bytes fed to it are one whole MP4: `ftyp` first, `moov` and `mdat` there, sizes that sum up.

    Attributes:
        provenance: what the boxes so far say of where it comes from.
    """

    def __init__(self) -> None:
        self._position = 0
        self._header = bytearray()
        self._header_bytes = _HEADER_BYTES
        self._box: Box | None = None
        self._left_in_box_bytes = 0
        self._has_moov = False
        self._has_mdat = False
        # The beginning of the current box, without its header.
        self._body = bytearray()
        self.provenance: Provenance | None = None

    def feed(self, chunk: bytes | memoryview) -> list[Box]:
        """Take the next bytes, and return the boxes whose headers ended in them.

        Raises:
            IncompleteMedia: these bytes cannot belong to an MP4.
        """
        begun: list[Box] = []
        rest = memoryview(chunk)
        while rest:
            if self._left_in_box_bytes:
                taken_bytes = min(self._left_in_box_bytes, len(rest))
                self._left_in_box_bytes -= taken_bytes
                self._note_body(rest[:taken_bytes])
            else:
                taken_bytes = min(self._header_bytes - len(self._header), len(rest))
                self._header += rest[:taken_bytes]
            self._position += taken_bytes
            rest = rest[taken_bytes:]
            if len(self._header) == self._header_bytes:
                box = self._read_header()
                if box is not None:
                    self._enter(box)
                    begun.append(box)
        return begun

    def finish(self, total_bytes: int | None) -> None:
        """Check that the file is whole, after its last byte.

        `total_bytes` is the declared length, or None if the server sent none.

        Raises:
            IncompleteMedia: it is not; the message says what is missing.
        """
        if total_bytes is not None and self._position != total_bytes:
            raise IncompleteMedia(f"The video has {self._position} bytes where {total_bytes} were declared.")
        if self._box is None:
            raise IncompleteMedia(f"The video ends after {self._position} bytes, before its first box.")
        if self._header:
            raise IncompleteMedia(f"The video is cut off at byte {self._position}, inside the header of a box.")
        if self._box.size_bytes is not None and self._left_in_box_bytes:
            raise IncompleteMedia(
                f"The video is cut off at byte {self._position}: its {self._box.type!r} box, which begins at byte "
                f"{self._box.offset}, has {self._box.size_bytes} bytes."
            )
        if self._box.size_bytes is None and total_bytes is None:
            raise IncompleteMedia(
                f"The video's last box, {self._box.type!r}, runs to the end of the file and the server declared no "
                "length, so it may be incomplete."
            )
        if not self._has_moov:
            raise IncompleteMedia("The video has no 'moov' box, so it cannot be played.")
        if not self._has_mdat:
            raise IncompleteMedia("The video has no 'mdat' box, so there is nothing to play.")

    def _note_body(self, content: memoryview) -> None:
        if self._box is None or self.provenance is not None or len(self._body) == BODY_BYTES:
            return
        self._body += content[: BODY_BYTES - len(self._body)]
        if len(self._body) == BODY_BYTES or not self._left_in_box_bytes:
            self.provenance = find_provenance(self._box.type, bytes(self._body))

    def _read_header(self) -> Box | None:
        size_bytes, kind = struct.unpack_from(">I4s", self._header)
        box_type = kind.decode("latin-1")
        offset = self._position - self._header_bytes
        if self._box is None and box_type != "ftyp":
            raise IncompleteMedia("What came is not an MP4: its first box is not 'ftyp'.")
        if size_bytes == 1 and self._header_bytes == _HEADER_BYTES:
            self._header_bytes = _LARGE_HEADER_BYTES
            return None
        if size_bytes == 1:
            (size_bytes,) = struct.unpack_from(">Q", self._header, _HEADER_BYTES)
        if 0 < size_bytes < self._header_bytes or (size_bytes == 0 and self._header_bytes == _LARGE_HEADER_BYTES):
            raise IncompleteMedia(
                f"The {box_type!r} box at byte {offset} claims {size_bytes} bytes, fewer than its own header."
            )
        return Box(offset=offset, size_bytes=size_bytes or None, type=box_type, header=bytes(self._header))

    def _enter(self, box: Box) -> None:
        self._box = box
        self._left_in_box_bytes = sys.maxsize if box.size_bytes is None else box.size_bytes - len(box.header)
        self._header.clear()
        self._body.clear()
        self._header_bytes = _HEADER_BYTES
        self._has_moov = self._has_moov or box.type == "moov"
        self._has_mdat = self._has_mdat or box.type == "mdat"
