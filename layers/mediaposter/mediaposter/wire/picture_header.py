"""The type, size and orientation of a picture, from its header; and whether the file is whole.

No pixel is decoded. A file that was cut short is found here because the provider would find it only after the video was
paid for.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

ContentType: TypeAlias = Literal["image/png", "image/jpeg", "image/webp"]

UPRIGHT = 1  # the Exif orientation of a picture that is shown unrotated
# A picture is measured while its sender waits. Encoders write parts of kilobytes, so a picture has some thousands.
PARTS_MAX = 50_000

_SIGNATURES: Mapping[ContentType, re.Pattern[bytes]] = MappingProxyType(
    {
        "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
        "image/jpeg": re.compile(rb"\xff\xd8\xff"),
        "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    }
)
_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112
_WHOLE_NUMBERS = MappingProxyType({3: "H", 4: "I"})  # by TIFF type


class DamagedPictureError(Exception):
    """The file does not match the format that its first bytes announce."""


class PictureHeader(NamedTuple):
    """The pixel size as stored in the file, and the orientation for display (Exif 2.32, tag 0x0112)."""

    width: int
    height: int
    orientation: int = UPRIGHT


def detect_type(content: bytes) -> ContentType | None:
    """Detect the type of a file by its first bytes; None if it is none of the three."""
    return next((name for name, signature in _SIGNATURES.items() if signature.match(content)), None)


def read_header(content: bytes, content_type: ContentType) -> PictureHeader:
    """Read the header of a whole file.

    Raises:
        DamagedPictureError: the header is not valid, the file ends early, or it is an animation.
    """
    return _READERS[content_type](content)


def _refuse_animation() -> DamagedPictureError:
    return DamagedPictureError("it is an animation; send one picture")


def _read_png(content: bytes) -> PictureHeader:
    """Read a PNG's chunks to its end (w3.org/TR/png-3, sections 5 and 11)."""
    header = None
    has_pixels = False
    for kind, data in _list_png_chunks(content):
        if header is None:
            if kind != b"IHDR" or len(data) != 13:
                raise DamagedPictureError("it does not begin with its header")
            header = PictureHeader(*struct.unpack_from(">II", data))
        if kind == b"acTL":
            raise _refuse_animation()
        if kind == b"eXIf":
            header = header._replace(orientation=_read_orientation(data))
        has_pixels = has_pixels or (kind == b"IDAT" and bool(data))
        if kind == b"IEND" and has_pixels:
            return header
    raise DamagedPictureError("it ends early")


def _list_png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 8
    for _ in range(PARTS_MAX):
        if start + 12 > len(content):
            return
        size, kind = struct.unpack_from(">I4s", content, start)
        end = start + 8 + size
        if end + 4 > len(content):
            return
        if zlib.crc32(content[start + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise DamagedPictureError("it is damaged: a checksum in it does not match")
        yield kind, content[start + 8 : end]
        start = end + 4
    raise _refuse_parts()


def _refuse_parts() -> DamagedPictureError:
    return DamagedPictureError(f"it has more than {PARTS_MAX:,} parts")


# A marker, after any number of fill bytes; those without a segment of their own (ITU T.81, B.1.1.2 and table B.1).
_JPEG_MARKER = re.compile(rb"\xff+([^\xff])")
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_NOT_HERE = frozenset({0x00, 0xD8, 0xD9})  # a zero is data; a start or an end has no place among the segments
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive; no common encoder or decoder uses the others
_JPEG_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_JPEG_SCAN = 0xDA
_JPEG_EXIF = 0xE1
_JPEG_END = b"\xff\xd9"


def _read_jpeg(content: bytes) -> PictureHeader:
    """Read a JPEG's segments up to its pixels (ITU T.81, annex B); thumbnails are inside segments, and are skipped.

    In the coded pixels 0xFF is always followed by a zero or a restart, so that the next end is that of the picture.
    """
    header = None
    orientation = None
    for marker, start, end in _list_jpeg_segments(content):
        if marker in _JPEG_OTHER_FRAMES:
            raise DamagedPictureError("it is neither baseline nor progressive")
        if marker in _JPEG_FRAMES and header is None:
            if end - start < 6:
                break
            height, width = struct.unpack_from(">xHH", content, start)
            header = PictureHeader(width, height)
        if marker == _JPEG_EXIF and orientation is None and content.startswith(_EXIF, start):
            orientation = _read_orientation(content[start + len(_EXIF) : end])
        if marker == _JPEG_SCAN:
            if header is not None and content.find(_JPEG_END, end) > end:
                return header._replace(orientation=orientation or UPRIGHT)
            break
    raise DamagedPictureError("it is damaged or ends early")


def _list_jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """List the markers with the start and the end of their segments."""
    position = 2
    for _ in range(PARTS_MAX):
        found = _JPEG_MARKER.match(content, position)
        if found is None or found[1][0] in _JPEG_NOT_HERE:
            return
        position = found.end()
        if found[1][0] in _JPEG_BARE:
            continue
        size = int.from_bytes(content[position : position + 2], "big")
        if size < 2 or position + size > len(content):
            return
        yield found[1][0], position + 2, position + size
        position += size
    raise _refuse_parts()


def _read_webp(content: bytes) -> PictureHeader:
    """Read a WebP's chunks (RFC 9649): its frame, and the orientation beside it."""
    frame = None
    orientation = UPRIGHT
    for kind, data in _list_riff_chunks(content):
        if kind == b"VP8X" and data[:1] and data[0] & 0x02:
            raise _refuse_animation()
        if kind == b"EXIF":
            orientation = _read_orientation(data.removeprefix(_EXIF))
        if kind in _WEBP_FRAMES and frame is None:
            frame = _WEBP_FRAMES[kind](data)
    if frame is None:
        raise DamagedPictureError("it has no pixels")
    return frame._replace(orientation=orientation)


def _list_riff_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise DamagedPictureError("it ends early")
    start = 12
    for _ in range(PARTS_MAX):
        if start + 8 > end:
            return
        kind, size = struct.unpack_from("<4sI", content, start)
        if start + 8 + size > end:
            raise DamagedPictureError("it is damaged: a part of it is longer than the file")
        yield kind, content[start + 8 : start + 8 + size]
        start += 8 + size + size % 2
    raise _refuse_parts()


def _read_vp8_frame(data: bytes) -> PictureHeader:
    """Read the header of a key frame (RFC 6386, section 9.1)."""
    if len(data) < 10 or data[0] & 1 or data[3:6] != b"\x9d\x01\x2a":
        raise DamagedPictureError("its header is not valid")
    width, height = struct.unpack_from("<HH", data, 6)
    return PictureHeader(width & 0x3FFF, height & 0x3FFF)


def _read_vp8l_frame(data: bytes) -> PictureHeader:
    """Read the header of a lossless frame (RFC 9649, section 3.4)."""
    if len(data) <= 5 or data[0] != 0x2F or data[4] >> 5:
        raise DamagedPictureError("its header is not valid")
    bits = int.from_bytes(data[1:5], "little")
    return PictureHeader((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)


_WEBP_FRAMES = MappingProxyType({b"VP8 ": _read_vp8_frame, b"VP8L": _read_vp8l_frame})
_READERS = MappingProxyType({"image/png": _read_png, "image/jpeg": _read_jpeg, "image/webp": _read_webp})


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
