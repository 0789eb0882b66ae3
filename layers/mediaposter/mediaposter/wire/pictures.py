"""The picture that a video begins with: in the request, at a URL, or uploaded before."""

from __future__ import annotations

import base64
import hashlib
import math
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from mediaposter.domain.errors import InvalidRequest, RequestTooLarge
from mediaposter.wire.picture_header import MEASURES, SIGNATURES, UPRIGHT, ContentType, DamagedError
from mediaposter.wire.urls import HttpsUrl, check_https_url

PICTURE_MAX_BYTES = 20 * 1024 * 1024  # as the models' adapters take it
# A Lambda event has 6 MB at most (docs.aws.amazon.com/lambda, quotas), and holds the body as base64 and its headers.
REQUEST_PICTURE_MAX_BYTES = 4_500_000
SIDE_MIN_PIXELS = 64
SIDE_MAX_PIXELS = 8_192

# Aspect ratios that differ by less look the same: 720x1280 and 704x1280.
_SAME_SHAPE = 0.03
_TURNED = frozenset({5, 6, 7, 8})  # by 90°, so that width and height swap


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
            measures = MEASURES[content_type](content)
        except DamagedError as error:
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


def _tell_type(content: bytes) -> ContentType:
    for content_type, signature in SIGNATURES.items():
        if signature.match(content):
            return content_type
    raise _unusable("it is empty" if not content else "it is not a PNG, JPEG or WebP file")
