"""Download a provider's video in one pass: hash it, check its MP4 boxes, and resume after a broken connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import IO, TypeAlias

from mediaposter.domain.errors import ErrorCode, IncompleteMedia, MediaError, VideoModelError
from mediaposter.media.mp4 import Box, Mp4Walker
from mediaposter.media.provenance import Provenance
from mediaposter.media.video_stream import VideoStream

# Opens the video from a byte on, with the validator (a strong ETag) of the earlier bytes.
OpenStream: TypeAlias = Callable[[int, str | None], AbstractContextManager[VideoStream]]

# S3 copies objects up to this size in one call, and no provider makes a video near it.
MAX_VIDEO_BYTES = 5 * 1024**3
# It holds the first seconds of any video; a Lambda's /tmp has 512 MiB.
SPOOL_HEAD_BYTES = 64 * 1024**2
# The index of an hour of video has a few MiB.
MAX_MOOV_BYTES = 64 * 1024**2
# A real file has ftyp, free, uuid, mdat and little else before it.
MAX_BOXES_BEFORE_MOOV = 1000

MAX_FUTILE_ATTEMPTS = 3
# A stream that delivers less than this during that much waiting time is dropped and resumed.
FLOOR_BYTES_PER_SECOND = 64 * 1024
FLOOR_WINDOW_SECONDS = 30.0


class VideoIngest:
    """One pass over a video: iterate to get its bytes; if the iteration completes, they are one whole MP4.

    If a body breaks off or is too slow, the download resumes at the next byte, with the validator of the first bytes.
    If the server cannot do that, the video is read from its start again. The part that was already yielded is compared
    by hash, not yielded twice. Time that the consumer spends between two chunks does not count as slowness.

    Attributes:
        size_bytes: the bytes received so far.
    """

    def __init__(
        self,
        open_stream: OpenStream,
        spool: IO[bytes] | None = None,
        *,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        max_bytes: int = MAX_VIDEO_BYTES,
    ) -> None:
        """Prepare the pass.

        Args:
            open_stream: opens the provider's stream; raises `VideoModelError`, also while the chunks are read.
            spool: an empty file, which receives the parts of the video that a probe needs.
            deadline: on `clock`.
            clock: monotonic seconds.
            sleep: waits between attempts.
            max_bytes: a larger video is refused.
        """
        self.size_bytes = 0
        self._open_stream = open_stream
        self._spool = None if spool is None else _Spool(spool)
        self._deadline = deadline
        self._clock = clock
        self._sleep = sleep
        self._max_bytes = max_bytes
        self._walker = Mp4Walker()
        self._sha256 = sha256()
        self._declared_bytes: int | None = None
        self._validator: str | None = None

    @property
    def provenance(self) -> Provenance | None:
        """Tell what the bytes so far say of where the video comes from."""
        return self._walker.provenance

    @property
    def sha256(self) -> str:
        """Return the hash of the bytes so far, in hex."""
        return self._sha256.hexdigest()

    def __iter__(self) -> Generator[bytes, None, None]:
        """Yield the video's bytes, each once and in order.

        Raises:
            MediaError: the bytes are not one whole MP4, are too large, or changed between two attempts.
            VideoModelError: the provider refused, broke off repeatedly, or the deadline passed.
        """
        futile_attempts = 0
        while True:
            bytes_before = self.size_bytes
            try:
                yield from self._attempt()
                break
            except VideoModelError as error:
                if self.size_bytes == self._declared_bytes:
                    break
                futile_attempts = 0 if self.size_bytes > bytes_before else futile_attempts + 1
                if not error.transient or futile_attempts == MAX_FUTILE_ATTEMPTS:
                    raise
                wait_seconds = error.retry_after_seconds or float(futile_attempts)
                if self._clock() + wait_seconds >= self._deadline:
                    raise
                self._sleep(wait_seconds)
        self._walker.finish(self._declared_bytes)
        if self._spool is not None:
            self._spool.finish(self.size_bytes)

    def _attempt(self) -> Iterator[bytes]:
        # Without a validator the rest could belong to another file, so the whole file is read again and compared.
        start_byte = self.size_bytes if self._validator else 0
        with self._open_stream(start_byte, self._validator) as stream:
            self._compare_terms(stream, start_byte)
            chunks = self._hurry(stream.chunks)
            if stream.start_byte < self.size_bytes:
                chunks = self._skip_known(chunks)
            for chunk in chunks:
                self._take(chunk)
                yield chunk
        if self._declared_bytes is not None and self.size_bytes < self._declared_bytes:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"The download ended after {self.size_bytes} of {self._declared_bytes} bytes; nothing was stored.",
                transient=True,
            )

    def _compare_terms(self, stream: VideoStream, start_byte: int) -> None:
        if stream.start_byte not in (0, start_byte):
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"The provider answered from byte {stream.start_byte} when asked for byte {start_byte}.",
            )
        if stream.start_byte > 0 and stream.validator not in (None, self._validator):
            raise IncompleteMedia(
                f"The video changed at the provider after {self.size_bytes} bytes; nothing was stored."
            )
        if stream.start_byte == 0:
            self._validator = stream.validator
        if stream.size_bytes is None:
            return
        if self._declared_bytes not in (None, stream.size_bytes):
            raise IncompleteMedia(
                f"The video changed at the provider from {self._declared_bytes} to {stream.size_bytes} bytes; "
                f"nothing was stored."
            )
        self._declared_bytes = stream.size_bytes
        self._check_size(stream.size_bytes)

    def _hurry(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        waited_seconds = 0.0
        came_bytes = 0
        asked_at = self._clock()
        for chunk in chunks:
            came_at = self._clock()
            if came_at > self._deadline:
                raise VideoModelError(
                    ErrorCode.TIMEOUT,
                    f"The time for storing ran out after {self.size_bytes} bytes; nothing was stored.",
                    transient=True,
                )
            waited_seconds += came_at - asked_at
            came_bytes += len(chunk)
            if waited_seconds >= FLOOR_WINDOW_SECONDS:
                if came_bytes < FLOOR_BYTES_PER_SECOND * waited_seconds:
                    raise VideoModelError(
                        ErrorCode.PROVIDER_ERROR,
                        f"The download crawled: {came_bytes} bytes in {waited_seconds:.0f} s; nothing was stored.",
                        transient=True,
                    )
                waited_seconds, came_bytes = 0.0, 0
            yield chunk
            asked_at = self._clock()

    def _skip_known(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        known = sha256()
        left_bytes = self.size_bytes
        for chunk in chunks:
            if not left_bytes:
                yield chunk
                continue
            known.update(chunk[:left_bytes])
            fresh = chunk[left_bytes:]
            left_bytes -= len(chunk) - len(fresh)
            if not left_bytes and known.digest() != self._sha256.digest():
                raise IncompleteMedia(
                    f"The video changed at the provider: its first {self.size_bytes} bytes came differently the "
                    f"second time; nothing was stored."
                )
            if fresh:
                yield fresh
        if left_bytes:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"The download ended before byte {self.size_bytes}, which it had reached before; nothing was stored.",
                transient=True,
            )

    def _take(self, chunk: bytes) -> None:
        end_byte = self.size_bytes + len(chunk)
        self._check_size(end_byte)
        if self._declared_bytes is not None and end_byte > self._declared_bytes:
            raise IncompleteMedia(f"More than the declared {self._declared_bytes} bytes came; nothing was stored.")
        self._sha256.update(chunk)
        begun = self._walker.feed(chunk)
        if self._spool is not None:
            self._spool.write(self.size_bytes, chunk, begun)
        self.size_bytes = end_byte

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise MediaError(f"The video is larger than {self._max_bytes} bytes; nothing was stored.")


class _Spool:
    """The parts of a video that a probe reads, at their original offsets in a sparse file.

    These are the head of the file, the `moov` box at any position, and the box headers before it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._boxes_before_moov = 0
        self._moov: range | None = None

    def write(self, offset: int, chunk: bytes, begun: list[Box]) -> None:
        """Store the needed part of the bytes at `offset`, in which the headers of `begun` ended."""
        for box in begun:
            if self._moov is None:
                self._note(box)
        view = memoryview(chunk)
        self._put(offset, view[: max(0, SPOOL_HEAD_BYTES - offset)])
        if self._moov is not None:
            first = max(offset, self._moov.start, SPOOL_HEAD_BYTES)
            last = min(offset + len(chunk), self._moov.stop)
            if first < last:
                self._put(first, view[first - offset : last - offset])

    def finish(self, size_bytes: int) -> None:
        """Extend the file to the video's size; the bytes that were not stored are a hole."""
        self._file.truncate(size_bytes)
        self._file.flush()

    def _note(self, box: Box) -> None:
        if box.type == "moov":
            size_bytes = MAX_MOOV_BYTES if box.size_bytes is None else box.size_bytes
            if size_bytes > MAX_MOOV_BYTES:
                raise MediaError(f"The video's 'moov' box claims {size_bytes} bytes; {MAX_MOOV_BYTES} are the limit.")
            self._moov = range(box.offset, box.offset + size_bytes)
        else:
            self._boxes_before_moov += 1
            if self._boxes_before_moov > MAX_BOXES_BEFORE_MOOV:
                raise MediaError(f"None of the video's first {MAX_BOXES_BEFORE_MOOV} boxes is 'moov'.")
        # The header may have begun in a chunk that was not stored.
        self._put(box.offset, memoryview(box.header))

    def _put(self, offset: int, view: memoryview) -> None:
        if view:
            self._file.seek(offset)
            self._file.write(view)
