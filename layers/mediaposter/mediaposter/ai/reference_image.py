"""Read the image that a request refers to, from a path, a data URI or a URL, for any video model."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.http.outbound import PUBLIC_INTERNET, PublicInternet, fetch_bytes

MAX_IMAGE_BYTES = 20 * 1024 * 1024

# Detected from the content, so that a path never sends anything but a picture.
_SIGNATURES: Mapping[str, re.Pattern[bytes]] = MappingProxyType(
    {
        "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
        "image/jpeg": re.compile(rb"\xff\xd8\xff"),
        "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    }
)


@dataclass(frozen=True, slots=True)
class ReferenceImage:
    """A PNG, JPEG or WebP file of at most `MAX_IMAGE_BYTES`."""

    content: bytes
    content_type: str

    @property
    def filename(self) -> str:
        """Return a name that matches its type and reveals nothing about its source."""
        return f"reference.{self.content_type.removeprefix('image/')}"

    @property
    def base64(self) -> str:
        """Return its content as base64."""
        return b64encode(self.content).decode("ascii")

    @property
    def data_uri(self) -> str:
        """Return it as a data URI, which many vendors accept as a URL."""
        return f"data:{self.content_type};base64,{self.base64}"


def read_reference_image(
    source: str, *, timeout_seconds: float, internet: PublicInternet = PUBLIC_INTERNET
) -> ReferenceImage:
    """Read a reference image before anything is submitted.

    Args:
        source: a path, an https URL or a data URI.
        timeout_seconds: for the whole download of a URL.
        internet: how to reach a URL.

    Raises:
        VideoModelError: with code `invalid_request`, since the request named it; `transient` when a retry may help.
    """
    if source.startswith("data:"):
        content = _decode_data_uri(source)
    elif "://" in source:
        content = fetch_bytes(source, max_bytes=MAX_IMAGE_BYTES, timeout_seconds=timeout_seconds, internet=internet)
    else:
        content = _read_file(source)
    if len(content) > MAX_IMAGE_BYTES:
        raise _unusable(f"it is longer than {MAX_IMAGE_BYTES} bytes")
    for content_type, signature in _SIGNATURES.items():
        if signature.match(content):
            return ReferenceImage(content, content_type)
    raise _unusable("it is not a PNG, JPEG or WebP file")


def _decode_data_uri(uri: str) -> bytes:
    """Decode `data:[type][;base64],data` (RFC 2397)."""
    header, _, data = uri.partition(",")
    content = unquote_to_bytes(data)
    if not header.endswith(";base64"):
        return content
    try:
        return b64decode(content, validate=True)
    except binascii.Error as error:
        raise _unusable(f"its data URI is not base64: {error}") from error


def _read_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unusable(f"it cannot be read: {error}") from error


def _unusable(reason: str) -> VideoModelError:
    return VideoModelError(
        ErrorCode.INVALID_REQUEST, f"The reference image cannot be used, and nothing was submitted: {reason}."
    )
