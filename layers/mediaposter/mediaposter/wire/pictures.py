"""The picture that a video begins with: in the request, at a URL, or uploaded before."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from mediaposter.domain.errors import InvalidRequest, RequestTooLarge

PICTURE_MAX_BYTES = 20 * 1024 * 1024  # as the models' adapters take it
# A Lambda event has 6 MB at most (docs.aws.amazon.com/lambda, quotas), and holds the body as base64 and its headers.
REQUEST_PICTURE_MAX_BYTES = 4_500_000
SIDE_MIN_PIXELS = 64
SIDE_MAX_PIXELS = 8_192
URL_MAX_CHARACTERS = 2_048

UPRIGHT = 1  # the Exif orientation of a picture that is shown unrotated
# A picture is measured while its sender waits. Encoders write parts of kilobytes, so a picture has some thousands.
PARTS_MAX = 50_000

# Aspect ratios that differ by less look the same: 720x1280 and 704x1280.
_SAME_SHAPE = 0.03
_TURNED = frozenset({5, 6, 7, 8})  # by 90°, so that width and height swap

ContentType: TypeAlias = Literal["image/png", "image/jpeg", "image/webp"]

# The characters of a URL; parsers disagree on whether a backslash ends the host.
_URL_CHARACTERS = re.compile(r"[!-\[\]-~]+")


def check_https_url(url: str) -> str:
    """Refuse anything but a plain https URL.

    Raises:
        ValueError: names the rule that it breaks, but not the URL, which may hold a token.
    """
    if len(url) > URL_MAX_CHARACTERS:
        raise ValueError(f"must be a URL of at most {URL_MAX_CHARACTERS} characters")
    if not _URL_CHARACTERS.fullmatch(url):
        raise ValueError("must be an https URL; characters other than printable ASCII are percent-encoded in it")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError("must be an https URL, and its host or port is not valid") from error
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("must be an https URL")
    if "@" in parts.netloc:
        raise ValueError("must be an https URL without a user name or password")
    return url


HttpsUrl = Annotated[str, AfterValidator(check_https_url)]

# A program on the host's own machine.
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(?=[:/?#]|$)")


def is_own_machine(url: str) -> bool:
    """Tell whether a URL leads to a program on this machine, over plain http."""
    return _LOOPBACK.match(url) is not None


def check_receiver_url(url: str) -> str:
    """Refuse anything but a plain https URL, or one of this machine's own, which the use case refuses elsewhere.

    Raises:
        ValueError: names the rule that it breaks, but not the URL.
    """
    check_https_url(url.replace("http", "https", 1) if is_own_machine(url) else url)
    return url


ReceiverUrl = Annotated[str, AfterValidator(check_receiver_url)]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class UploadedPicture(BaseModel):
    """A complete picture from the request itself; JSON holds only its hash.

    `width` and `height` are as displayed, after its `orientation` (Exif 2.32, tag 0x0112; 1 is upright).
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    content: Annotated[bytes, Field(repr=False), PlainSerializer(_hash, return_type=str, when_used="json")]
    content_type: ContentType
    width: int
    height: int
    # The hash of the content is enough.
    orientation: int = Field(default=UPRIGHT, exclude=True, repr=False)

    @classmethod
    def read(cls, content: bytes) -> UploadedPicture:
        """Detect the type of a picture from its content, and measure it.

        Raises:
            InvalidRequest: it is not a complete PNG, JPEG or WebP file of a sane size.
            RequestTooLarge: it has too many bytes.
        """
        if len(content) > PICTURE_MAX_BYTES:
            raise _too_large(
                f"it has {len(content)} bytes, and may have {PICTURE_MAX_BYTES} at most; send a smaller one"
            )
        content_type = _tell_type(content)
        try:
            measures = _MEASURES[content_type](content)
        except _DamagedError as error:
            raise _unusable(f"as {content_type} {error}") from error
        width, height = measures.height, measures.width
        if measures.orientation not in _TURNED:
            width, height = height, width
        if not (SIDE_MIN_PIXELS <= width <= SIDE_MAX_PIXELS and SIDE_MIN_PIXELS <= height <= SIDE_MAX_PIXELS):
            raise _unusable(
                f"it is {width}×{height} pixels, and each side must have {SIDE_MIN_PIXELS} to {SIDE_MAX_PIXELS}"
            )
        return cls(
            content=content, content_type=content_type, width=width, height=height, orientation=measures.orientation
        )

    def list_warnings(self, *, size: str) -> list[str]:
        """Warn how a video of a size, `WIDTHxHEIGHT`, may change the look of this picture."""
        width, height = map(int, size.split("x"))
        warnings = []
        if self.orientation != UPRIGHT:
            warnings.append(
                f"input_reference: the picture is to be turned before it is shown, to {self.width}x{self.height} (its "
                f"Exif orientation is {self.orientation}). Some providers do not do so: send it turned already."
            )
        if abs(math.log(self.width * height / (self.height * width))) > _SAME_SHAPE:
            warnings.append(
                f"input_reference: the picture is shown as {self.width}x{self.height}, and the video is {size}: the "
                "provider may cut it, stretch it or refuse it. Send one of the video's shape."
            )
        return warnings


class PictureUrl(BaseModel):
    """A picture at a URL, fetched when the video is started."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    url: HttpsUrl


class UploadReference(BaseModel):
    """A picture that was uploaded before, with POST /uploads."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    upload_id: Annotated[str, Field(pattern=r"^upload_[0-9a-f]{32}$")]


InputReference: TypeAlias = UploadedPicture | PictureUrl | UploadReference


def read_input_reference(value: object) -> InputReference:
    """Read the picture of a request.

    Args:
        value: the bytes of a file; `{"image_url": …}` with an https or data URL, or `{"upload_id": …}`; or one of those
            three strings alone. A data URL is the picture itself, and is read like a file.

    Raises:
        InvalidRequest: names what is wrong with it.
    """
    if isinstance(value, UploadedPicture | PictureUrl | UploadReference):
        return value
    if isinstance(value, bytes):
        return _read_sent(value)
    if isinstance(value, str):
        return _read_upload_id(value) if value.startswith("upload_") else _read_url(value)
    if isinstance(value, dict) and len(value) == 1:
        ((kind, text),) = value.items()
        if kind == "image_url" and isinstance(text, str):
            return _read_url(text)
        if kind == "upload_id" and isinstance(text, str):
            return _read_upload_id(text)
    raise _unusable(
        'it must be a file, {"image_url": an https or data URL} or {"upload_id": an id that POST /uploads gave}, and '
        "only one of them"
    )


def _read_sent(content: bytes) -> UploadedPicture:
    _check_sent_size(len(content))
    return UploadedPicture.read(content)


def _check_sent_size(size_bytes: int) -> None:
    if size_bytes > REQUEST_PICTURE_MAX_BYTES:
        raise _too_large(
            f"it has {size_bytes} bytes, and a request carries {REQUEST_PICTURE_MAX_BYTES} at most. Put it to the URL "
            "that POST /uploads gives, and send the id that comes with it as input_reference[upload_id]"
        )


def _read_url(url: str) -> InputReference:
    if url[:5].lower() == "data:":
        return _read_data_url(url)
    try:
        check_https_url(url)
    except ValueError as error:
        raise _unusable(f"its URL {error}, or be a data URL") from error
    return PictureUrl(url=url)


def _read_data_url(url: str) -> UploadedPicture:
    """Decode `data:image/png;base64,…` (RFC 2397)."""
    header, _, data = url.partition(",")
    if not header[5:].lower().startswith("image/") or not header.lower().endswith(";base64"):
        raise _unusable("a data URL must be data:image/png;base64,… or of JPEG or WebP in its place")
    _check_sent_size(len(data) * 3 // 4 - data[-2:].count("="))
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError as error:
        raise _unusable("its data URL is not base64") from error
    return _read_sent(content)


def _read_upload_id(upload_id: str) -> UploadReference:
    try:
        return UploadReference(upload_id=upload_id)
    except ValueError as error:
        raise _unusable(
            "an upload is named by the id that POST /uploads gave: upload_ and 32 hexadecimal digits"
        ) from error


def _unusable(reason: str) -> InvalidRequest:
    return InvalidRequest(_explain(reason), param="input_reference", code="invalid_value")


def _too_large(reason: str) -> RequestTooLarge:
    return RequestTooLarge(_explain(reason), param="input_reference")


def _explain(reason: str) -> str:
    return f"The reference picture cannot be used: {reason}."


# Parsers for the three formats. They decode no pixel: a file is complete if all its parts are, up to its end.


class _Measures(NamedTuple):
    """The pixel size as stored in the file, and the orientation for display."""

    width: int
    height: int
    orientation: int = UPRIGHT


class _DamagedError(Exception):
    """The file does not match the format that its first bytes announce."""


_SIGNATURES: Mapping[ContentType, re.Pattern[bytes]] = MappingProxyType(
    {
        "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
        "image/jpeg": re.compile(rb"\xff\xd8\xff"),
        "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    }
)


def _tell_type(content: bytes) -> ContentType:
    for content_type, signature in _SIGNATURES.items():
        if signature.match(content):
            return content_type
    raise _unusable("it is empty" if not content else "it is not a PNG, JPEG or WebP file")


Part = TypeVar("Part")


def _bound_parts(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts of a file up to a maximum number; without it, empty parts would take seconds."""
    for count, part in enumerate(parts):
        if count == PARTS_MAX:
            raise _DamagedError(f"it has more than {PARTS_MAX:,} parts")
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


def _measure_png(content: bytes) -> _Measures:
    """Read a PNG's chunks to its end (w3.org/TR/png-3, sections 5 and 11)."""
    measures = None
    has_pixels = False
    for kind, data in _bound_parts(_list_png_chunks(content)):
        if measures is None:
            if kind != b"IHDR" or len(data) != 13:
                raise _DamagedError("it does not begin with its header")
            width, height, bit_depth, colour_type, compression, filtering, interlacing = struct.unpack(">IIBBBBB", data)
            is_known = bit_depth in _PNG_BIT_DEPTHS.get(colour_type, ()) and (compression, filtering) == (0, 0)
            if not is_known or interlacing > 1:
                raise _DamagedError("its header is not valid")
            measures = _Measures(width, height)
        if kind == b"acTL":
            raise _DamagedError("it is an animation; send one picture")
        if kind == b"eXIf":
            measures = measures._replace(orientation=_read_orientation(data))
        has_pixels = has_pixels or (kind == b"IDAT" and bool(data))
        if kind == b"IEND" and has_pixels:
            return measures
    raise _DamagedError("it ends early")


def _list_png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 8
    while start + 12 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, start)
        end = start + 8 + size
        if end + 4 > len(content):
            return
        if zlib.crc32(content[start + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise _DamagedError("it is damaged: a checksum in it does not match")
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


def _measure_jpeg(content: bytes) -> _Measures:
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
            raise _DamagedError("it is neither baseline nor progressive")
        if marker in _JPEG_FRAMES:
            if measures is not None:
                raise _DamagedError("it has two headers")
            measures = _read_jpeg_frame(segment)
        if marker == _JPEG_EXIF and orientation is None and segment.startswith(_EXIF):
            orientation = _read_orientation(segment.removeprefix(_EXIF))
        if marker == _JPEG_SCAN:
            has_pixels = scan > 0
    raise _DamagedError("it is damaged or ends early")


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


def _read_jpeg_frame(segment: bytes) -> _Measures:
    if len(segment) < 6:
        raise _DamagedError("its header is not valid")
    _precision, height, width, components = struct.unpack_from(">BHHB", segment)
    if components not in {1, 3, 4} or len(segment) != 6 + 3 * components:
        raise _DamagedError("its header is not valid")
    return _Measures(width, height)


def _measure_webp(content: bytes) -> _Measures:
    """Read a WebP's chunks (RFC 9649): the canvas if there is one, the frame, and then the orientation."""
    canvas = frame = None
    has_exif = False
    for kind, data in _bound_parts(_list_riff_chunks(content)):
        if kind == b"VP8X" and frame is None:
            if canvas is not None or len(data) < 10:
                raise _DamagedError("its header is not valid")
            if data[0] & 0x02:
                raise _DamagedError("it is an animation; send one picture")
            has_exif = bool(data[0] & 0x08)
            canvas = _Measures(int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1)
        if kind in {b"VP8 ", b"VP8L"} and frame is None:
            frame = _read_vp8_frame(data) if kind == b"VP8 " else _read_vp8l_frame(data)
            if canvas not in {None, frame}:
                raise _DamagedError("its two headers do not agree on its size")
        if frame is not None and not has_exif:
            return frame
        if frame is not None and kind == b"EXIF":
            return frame._replace(orientation=_read_orientation(data.removeprefix(_EXIF)))
    if frame is None:
        raise _DamagedError("it has no pixels")
    return frame


def _list_riff_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    size = int.from_bytes(content[4:8], "little")
    if 8 + size > len(content):
        raise _DamagedError("it ends early")
    start = 12
    while start + 8 <= 8 + size:
        kind, chunk_size = struct.unpack_from("<4sI", content, start)
        if start + 8 + chunk_size > 8 + size:
            raise _DamagedError("it is damaged: a part of it is longer than the file")
        yield kind, content[start + 8 : start + 8 + chunk_size]
        start += 8 + chunk_size + chunk_size % 2


def _read_vp8_frame(data: bytes) -> _Measures:
    """Read the header of a key frame (RFC 6386, section 9.1); its first part must fit."""
    if len(data) < 10 or data[0] & 1 or data[3:6] != b"\x9d\x01\x2a":
        raise _DamagedError("its header is not valid")
    if 10 + (int.from_bytes(data[:3], "little") >> 5) > len(data):
        raise _DamagedError("it ends early")
    width, height = struct.unpack_from("<HH", data, 6)
    return _Measures(width & 0x3FFF, height & 0x3FFF)


def _read_vp8l_frame(data: bytes) -> _Measures:
    if len(data) <= 5 or data[0] != 0x2F or data[4] >> 5:
        raise _DamagedError("its header is not valid")
    bits = int.from_bytes(data[1:5], "little")
    return _Measures((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)


_MEASURES = MappingProxyType({"image/png": _measure_png, "image/jpeg": _measure_jpeg, "image/webp": _measure_webp})
