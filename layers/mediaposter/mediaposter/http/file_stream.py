"""Read a file from a response: its chunks, its offset and its length, within a limit and a deadline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

import httpx

from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.media.video_stream import VideoStream

MAX_VIDEO_BYTES = 4 * 1024**3
# As long as a Lambda may run: a longer download would outlive its reader.
MAX_DOWNLOAD_SECONDS = 900.0
CHUNK_BYTES = 128 * 1024
# How long to wait for the bytes of a chunk.
HOLD_SECONDS = 5.0


def download_headers(start_byte: int, validator: str | None) -> dict[str, str]:
    """Request a file uncompressed, from `start_byte` on if it still matches `validator`."""
    headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "mediaposter"}
    if start_byte > 0:
        headers["Range"] = f"bytes={start_byte}-"
        if validator is not None:
            headers["If-Range"] = validator
    return headers


def build_stream(
    status_code: int,
    headers: Mapping[str, str],
    received: Iterable[bytes],
    *,
    source: str,
    max_bytes: int,
    deadline: float,
    clock: Callable[[], float],
) -> VideoStream:
    """Make a stream of a 200 or 206 reply to a GET, as RFC 9110 reads its headers.

    Args:
        status_code: of the reply.
        headers: of the reply; their lookup must ignore case.
        received: its body in the pieces in which it arrives: a buffer would hide a sender of one byte a second.
        source: the sender, for the error message.
        max_bytes: the limit for the whole file.
        deadline: for the last byte, on `clock`.
        clock: monotonic seconds.

    Raises:
        VideoModelError: here, if the body's offset in the file is unknown, it is compressed or announces too much;
            while the chunks are read, if it is too long or too late.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        # Lengths and offsets would count compressed bytes, and a small body could decompress to any size.
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"{source} sent a compressed file; it was asked for an uncompressed one."
        )
    length = headers.get("content-length", "")
    size_bytes = int(length) if re.fullmatch("[0-9]{1,18}", length) else None
    start_byte = 0
    if status_code == httpx.codes.PARTIAL_CONTENT:
        content_range = re.fullmatch(
            r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", headers.get("content-range", "").strip()
        )
        if content_range is None:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR, f"{source} sent a part of the file, but did not say which part."
            )
        start_byte = int(content_range[1])
        if content_range[2] != "*":
            size_bytes = int(content_range[2])
        elif size_bytes is not None:
            size_bytes += start_byte
    if size_bytes is not None and size_bytes > max_bytes:
        raise _too_long(source, max_bytes)
    etag = headers.get("etag", "")
    return VideoStream(
        chunks=_pace(received, source, max_bytes - start_byte, deadline, clock),
        start_byte=start_byte,
        size_bytes=size_bytes,
        content_type=headers.get("content-type", "").partition(";")[0].strip().lower() or None,
        # RFC 9110 section 13.1.5: If-Range takes a strong validator only.
        validator=etag if etag.startswith('"') else None,
    )


def _pace(
    received: Iterable[bytes], source: str, max_bytes: int, deadline: float, clock: Callable[[], float]
) -> Iterator[bytes]:
    """Regroup a body into chunks of `CHUNK_BYTES`, up to a maximum length and a deadline.

    If bytes arrive too slowly to fill a chunk, yield a smaller one: the reader must be able to detect a slow server.
    """
    held = bytearray()
    held_since = clock()
    received_bytes = 0
    for piece in received:
        if clock() > deadline:
            raise too_late(source, received_bytes)
        received_bytes += len(piece)
        if received_bytes > max_bytes:
            raise _too_long(source, max_bytes)
        held += piece
        while len(held) >= CHUNK_BYTES or (held and clock() - held_since > HOLD_SECONDS):
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
            held_since = clock()
    if held:
        yield bytes(held)


def too_late(source: str, received_bytes: int | None = None) -> VideoModelError:
    """Report a file that did not arrive by its deadline."""
    so_far = "" if received_bytes is None else f"; {received_bytes} bytes had come by then"
    return VideoModelError(ErrorCode.TIMEOUT, f"{source} took too long{so_far}.", transient=True)


def _too_long(source: str, max_bytes: int) -> VideoModelError:
    return VideoModelError(ErrorCode.PROVIDER_ERROR, f"{source} sends more than the limit of {max_bytes} bytes.")
