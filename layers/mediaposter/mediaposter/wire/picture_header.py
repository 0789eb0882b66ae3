"""Measure a picture file: PNG, JPEG or WebP.

The parsers decode no pixel: a file is complete if all its parts are, up to its end.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias, TypeVar

UPRIGHT = 1  # the Exif orientation of a picture that is shown unrotated
# A picture is measured while its sender waits. Encoders write parts of kilobytes, so a picture has some thousands.
PARTS_MAX = 50_000

ContentType: TypeAlias = Literal["image/png", "image/jpeg", "image/webp"]


class Measures(NamedTuple):
    """The pixel size as stored in the file, and the orientation for display."""

    width: int
    height: int
    orientation: int = UPRIGHT


class DamagedError(Exception):
    """The file does not match the format that its first bytes announce."""


SIGNATURES: Mapping[ContentType, re.Pattern[bytes]] = MappingProxyType(
    {
        "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
        "image/jpeg": re.compile(rb"\xff\xd8\xff"),
        "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    }
)


Part = TypeVar("Part")


def _bound_parts(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts of a file up to a maximum number; without it, empty parts would take seconds."""
    for count, part in enumerate(parts):
        if count == PARTS_MAX:
            raise DamagedError(f"it has more than {PARTS_MAX:,} parts")
        yield part


_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112


def _read_orientation(exif: bytes) -> int:
    """Read the orientation of a picture from its first directory (TIFF 6.0, section 2).

    If the orientation is missing or unreadable, the picture is shown as stored.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return UPRIGHT
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if start + 2 > len(exif):
        return UPRIGHT
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", exif, entry)
        if tag == _ORIENTATION and values == 1 and kind in _WHOLE_NUMBERS:
            (orientation,) = struct.unpack_from(order + _WHOLE_NUMBERS[kind], exif, entry + 8)
            return orientation if 1 <= orientation <= 8 else UPRIGHT
    return UPRIGHT


_WHOLE_NUMBERS = MappingProxyType({3: "H", 4: "I"})  # by TIFF type

_PNG_BIT_DEPTHS = MappingProxyType(
    {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type
)


def _measure_png(content: bytes) -> Measures:
    """Read a PNG's chunks to its end (w3.org/TR/png-3, sections 5 and 11)."""
    measures = None
    has_pixels = False
    for kind, data in _bound_parts(_list_png_chunks(content)):
        if measures is None:
            if kind != b"IHDR" or len(data) != 13:
                raise DamagedError("it does not begin with its header")
            width, height, bit_depth, colour_type, compression, filtering, interlacing = struct.unpack(">IIBBBBB", data)
            is_known = bit_depth in _PNG_BIT_DEPTHS.get(colour_type, ()) and (compression, filtering) == (0, 0)
            if not is_known or interlacing > 1:
                raise DamagedError("its header is not valid")
            measures = Measures(width, height)
        if kind == b"acTL":
            raise DamagedError("it is an animation; send one picture")
        if kind == b"eXIf":
            measures = measures._replace(orientation=_read_orientation(data))
        has_pixels = has_pixels or (kind == b"IDAT" and bool(data))
        if kind == b"IEND" and has_pixels:
            return measures
    raise DamagedError("it ends early")


def _list_png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 8
    while start + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, start)
        end = start + 8 + size
        if end + 4 > len(content):
            return
        if zlib.crc32(content[start + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise DamagedError("it is damaged: a checksum in it does not match")
        yield kind, content[start + 8 : end]
        start = end + 4


_JPEG_FILL = re.compile(rb"\xff+")
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive; no common encoder or decoder uses the others
_JPEG_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_JPEG_START = 0xD8
_JPEG_SCAN = 0xDA
_JPEG_END = 0xD9
_JPEG_EXIF = 0xE1
_JPEG_NOT_HERE = (0x00, _JPEG_START, _JPEG_END)  # after the start marker, and before the end marker
_JPEG_BARE = (0x01, *range(0xD0, 0xD8))  # markers without a segment
# In the coded pixels 0xFF is followed by a zero or by a restart.
_JPEG_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _measure_jpeg(content: bytes) -> Measures:
    """Read a JPEG's segments to its end (ITU T.81, annex B); thumbnails are inside segments, and are skipped."""
    measures = None
    orientation = None
    has_pixels = False
    for marker, segment, scan in _bound_parts(_list_jpeg_segments(content)):
        if marker == _JPEG_END and measures is not None and has_pixels:
            return measures._replace(orientation=orientation or UPRIGHT)
        if marker in _JPEG_NOT_HERE:
            break
        if marker in _JPEG_OTHER_FRAMES:
            raise DamagedError("it is neither baseline nor progressive")
        if marker in _JPEG_FRAMES:
            if measures is not None:
                raise DamagedError("it has two headers")
            measures = _read_jpeg_frame(segment)
        if marker == _JPEG_EXIF and orientation is None and segment.startswith(_EXIF):
            orientation = _read_orientation(segment.removeprefix(_EXIF))
        if marker == _JPEG_SCAN:
            has_pixels = scan > 0
    raise DamagedError("it is damaged or ends early")


class _JpegSegment(NamedTuple):
    """A marker, its content, and the number of bytes of coded pixels after it."""

    marker: int
    content: bytes = b""
    scan_bytes: int = 0


def _list_jpeg_segments(content: bytes) -> Iterator[_JpegSegment]:
    """List the segments, and refuse an incomplete one."""
    position = 2
    while fill := _JPEG_FILL.match(content, position):
        if fill.end() == len(content):
            return
        marker = content[fill.end()]
        position = fill.end() + 1
        if marker in _JPEG_BARE or marker in _JPEG_NOT_HERE:
            yield _JpegSegment(marker)
            continue
        size = int.from_bytes(content[position : position + 2], "big")
        segment = content[position + 2 : position + size]
        if len(segment) != size - 2:
            return
        position += size
        scan_bytes = 0
        if marker == _JPEG_SCAN:
            after = _JPEG_AFTER_SCAN.search(content, position)
            if after is None:
                return
            scan_bytes = after.start() - position
            position = after.start()
        yield _JpegSegment(marker, segment, scan_bytes)


def _read_jpeg_frame(segment: bytes) -> Measures:
    if len(segment) < 6:
        raise DamagedError("its header is not valid")
    _precision, height, width, components = struct.unpack_from(">BHHB", segment)
    if components not in {1, 3, 4} or len(segment) != 6 + 3 * components:
        raise DamagedError("its header is not valid")
    return Measures(width, height)


def _measure_webp(content: bytes) -> Measures:
    """Read a WebP's chunks (RFC 9649): the canvas if there is one, the frame, and then the orientation."""
    canvas = frame = None
    has_exif = False
    for kind, data in _bound_parts(_list_riff_chunks(content)):
        if kind == b"VP8X" and frame is None:
            if canvas is not None or len(data) < 10:
                raise DamagedError("its header is not valid")
            if data[0] & 0x02:
                raise DamagedError("it is an animation; send one picture")
            has_exif = bool(data[0] & 0x08)
            canvas = Measures(int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1)
        if kind in {b"VP8 ", b"VP8L"} and frame is None:
            frame = _read_vp8_frame(data) if kind == b"VP8 " else _read_vp8l_frame(data)
            if canvas not in {None, frame}:
                raise DamagedError("its two headers do not agree on its size")
        if frame is not None and not has_exif:
            return frame
        if frame is not None and kind == b"EXIF":
            return frame._replace(orientation=_read_orientation(data.removeprefix(_EXIF)))
    if frame is None:
        raise DamagedError("it has no pixels")
    return frame


def _list_riff_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    size = int.from_bytes(content[4:8], "little")
    if 8 + size > len(content):
        raise DamagedError("it ends early")
    start = 12
    while start + 8 <= 8 + size:
        kind, chunk_size = struct.unpack_from("<4sI", content, start)
        if start + 8 + chunk_size > 8 + size:
            raise DamagedError("it is damaged: a part of it is longer than the file")
        yield kind, content[start + 8 : start + 8 + chunk_size]
        start += 8 + chunk_size + chunk_size % 2


def _read_vp8_frame(data: bytes) -> Measures:
    """Read the header of a key frame (RFC 6386, section 9.1); its first part must fit."""
    if len(data) < 10 or data[0] & 1 or data[3:6] != b"\x9d\x01\x2a":
        raise DamagedError("its header is not valid")
    if 10 + (int.from_bytes(data[:3], "little") >> 5) > len(data):
        raise DamagedError("it ends early")
    width, height = struct.unpack_from("<HH", data, 6)
    return Measures(width & 0x3FFF, height & 0x3FFF)


def _read_vp8l_frame(data: bytes) -> Measures:
    if len(data) <= 5 or data[0] != 0x2F or data[4] >> 5:
        raise DamagedError("its header is not valid")
    bits = int.from_bytes(data[1:5], "little")
    return Measures((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)


MEASURES = MappingProxyType({"image/png": _measure_png, "image/jpeg": _measure_jpeg, "image/webp": _measure_webp})
