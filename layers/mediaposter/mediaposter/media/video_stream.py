"""The stream of a finished video from a provider or a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VideoStream:
    """The bytes of a finished video as they arrive.

    Attributes:
        chunks: the body from `start_byte` on.
        start_byte: offset of the first chunk; 0 when the server ignored a requested range.
        size_bytes: length of the whole video, if the server sent it.
        content_type: as sent, without parameters.
        validator: a strong ETag that a later range request may name in If-Range.
    """

    chunks: Iterator[bytes]
    start_byte: int = 0
    size_bytes: int | None = None
    content_type: str | None = None
    validator: str | None = None
