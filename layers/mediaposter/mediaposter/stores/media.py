"""Videos in a bucket: streamed in and verified, and signed for download. Also the reference pictures of requests.

A video appears at its key only when it is whole, and only once. A video that does not play is removed before any
record or event mentions it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mediaposter.domain.errors import ConfigurationError, MediaError, NotFound, VersionConflict
from mediaposter.media.ingest import MAX_VIDEO_BYTES, OpenStream, VideoIngest
from mediaposter.media.inspection import Inspection, StoredVersion
from mediaposter.media.probe import Probe, draw_spritesheet, draw_thumbnail, probe_video
from mediaposter.media.provenance import Provenance
from mediaposter.media.video_stream import VideoStream
from mediaposter.stores.bucket import Bucket

# An upload is read into memory. No model accepts a larger picture.
MAX_UPLOAD_BYTES = 20 * 1024**2

PRESIGNED_SECONDS = 900
# Reading the largest video at 80 MiB/s; ProbeVideoFunction has the rest of its time for the decoder.
_INSPECT_READ_SECONDS = 70.0


class StoredVideo(BaseModel):
    """A whole, playable video in the bucket, its thumbnail (WebP) and its spritesheet (JPEG).

    The video has the bytes that came from the provider, so that what its `provenance` says of them stays true.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    thumbnail_key: str
    spritesheet_key: str
    size_bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    probe: Probe
    # Beside the probe: earlier versions of this stack refuse a reply of ProbeVideoFunction with a further field.
    provenance: Provenance | None = None


class PresignedUpload(BaseModel):
    """A URL for putting one object of one type and size until `expires_at`, with exactly these headers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(repr=False)  # anyone who has it can put the object
    headers: tuple[tuple[str, str], ...]
    expires_at: AwareDatetime


class _Received(NamedTuple):
    size_bytes: int
    sha256: str
    provenance: Provenance | None


class MediaStore:
    """The videos in one bucket, and the reference pictures of requests."""

    def __init__(
        self,
        bucket: Bucket,
        *,
        inspect: Callable[[StoredVersion], Inspection] | None = None,
        spool_directory: Path | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Open a bucket; `inspect` decodes a stored video outside this process."""
        self._bucket = bucket
        self._inspect = inspect or self.inspect
        self._spool_directory = spool_directory
        self._wall_clock = wall_clock

    def read_text(self, key: str) -> str:
        """Read a small file of the stack's owner.

        Raises:
            ConfigurationError: it does not exist, or is not UTF-8.
        """
        try:
            content = self._bucket.read(key)
        except NotFound as error:
            raise ConfigurationError(f"There is no {key} in the bucket {self._bucket.name}. Put it there.") from error
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"The file {key} is not UTF-8.") from error

    def store_video(
        self,
        video_id: str,
        open_stream: OpenStream,
        *,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        max_bytes: int = MAX_VIDEO_BYTES,
    ) -> StoredVideo:
        """Stream a video into the bucket, verify it, and store its thumbnail and spritesheet.

        A video that is already stored is read back and verified instead, without calling `open_stream`. Previews that a
        crashed run did not draw are drawn then; existing ones are not written again.

        Raises:
            MediaError: it is not a whole, playable MP4; nothing was stored.
            VideoModelError: the provider did not deliver it before `deadline`; nothing was stored.
            VersionConflict: another worker used the same key, and left nothing there.
        """
        key = _video_key(video_id)
        receive = partial(_receive, deadline=deadline, clock=clock, sleep=sleep, max_bytes=max_bytes)
        found = self._find(key)
        received: _Received | None = None
        if found is None:
            try:
                with self._bucket.create(key, content_type="video/mp4") as upload:
                    received = receive(open_stream, upload.write)
                    found = StoredVersion(key=key, version_id=upload.complete())
            except VersionConflict:
                found, received = self._find(key), None
                if found is None:
                    raise
        if received is None:
            # Another run stored it, and may have crashed before it inspected the video or stored its previews.
            received = receive(partial(self._reopen, found), _discard)
        try:
            inspection = self._inspect(found)
        except MediaError:
            # Delete exactly the inspected version: another worker may have stored a better one meanwhile.
            self._bucket.delete(found.key, version_id=found.version_id)  # guard: inspected version
            raise
        stored = StoredVideo(
            key=key,
            thumbnail_key=_thumbnail_key(video_id),
            spritesheet_key=_spritesheet_key(video_id),
            size_bytes=received.size_bytes,
            sha256=received.sha256,
            probe=inspection.probe,
            provenance=received.provenance,
        )
        self._put_previews(stored, inspection)
        return stored

    def inspect(self, stored: StoredVersion) -> Inspection:
        """Decode a stored video in this process, and draw its thumbnail and spritesheet.

        Raises:
            MediaError: it is not a playable video.
            NotFound: there is none.
        """
        # Not a NamedTemporaryFile: Windows cannot open one twice.
        with TemporaryDirectory(dir=self._spool_directory) as folder:
            path = Path(folder, "video.mp4")
            deadline = time.monotonic() + _INSPECT_READ_SECONDS
            with path.open("w+b") as spool:
                for _ in VideoIngest(partial(self._reopen, stored), spool, deadline=deadline):
                    pass  # the ingest spools the bytes that the decoder needs
            return Inspection(
                probe=probe_video(path), thumbnail=draw_thumbnail(path), spritesheet=draw_spritesheet(path)
            )

    def _reopen(
        self, stored: StoredVersion, _start_byte: int, _validator: str | None
    ) -> AbstractContextManager[VideoStream]:
        return self.open_stored(stored.key, version_id=stored.version_id)

    @contextmanager
    def open_stored(self, key: str, *, version_id: str | None = None) -> Iterator[VideoStream]:
        """Open a stored object, or a version of it, for one read in bounded chunks.

        Raises:
            NotFound: there is none.
        """
        with self._bucket.open(key, version_id=version_id) as found:
            yield VideoStream(
                chunks=found.chunks,
                size_bytes=found.stored.size_bytes,
                content_type=found.stored.content_type,
                validator=found.stored.etag,
            )

    def presign_download(self, key: str, *, filename: str, seconds: int = PRESIGNED_SECONDS) -> str:
        """Sign a URL with which anyone can download the object as `filename`; by default for 15 minutes."""
        return self._bucket.sign_get(key, filename=filename, seconds=seconds)

    def delete_video(self, video_id: str) -> int:
        """Remove every version of a video's files and its unfinished uploads, and count them.

        Missing files are no error. An upload that begins during the call stays, so stop the execution first.
        """
        return self._bucket.delete_all(_video_prefix(video_id))

    def presign_upload(self, owner: str, upload_id: str, *, content_type: str, size_bytes: int) -> PresignedUpload:
        """Sign a URL with which anyone can put one object of this type and size, for 15 minutes."""
        # Read before signing and cut to the second, like the signature: so `expires_at` is never too late.
        expires_at = datetime.fromtimestamp(int(self._wall_clock()) + PRESIGNED_SECONDS, UTC)
        url = self._bucket.sign_put(
            upload_key(owner, upload_id),
            content_type=content_type,
            size_bytes=size_bytes,
            seconds=PRESIGNED_SECONDS,
        )
        return PresignedUpload(
            url=url,
            headers=(("Content-Type", content_type), ("Content-Length", str(size_bytes))),
            expires_at=expires_at,
        )

    def keep_upload(self, owner: str, upload_id: str, content: bytes, content_type: str) -> None:
        """Store a picture that came with a request."""
        self._bucket.put(upload_key(owner, upload_id), content, content_type=content_type)

    def read_upload(self, owner: str, upload_id: str) -> bytes:
        """Read a picture that came with a request or was put to an upload URL.

        Raises:
            NotFound: there is none of at most 20 MiB.
        """
        key = upload_key(owner, upload_id)
        with self._bucket.open(key) as found:
            if found.stored.size_bytes > MAX_UPLOAD_BYTES:
                raise NotFound(f"The upload {upload_id} is larger than {MAX_UPLOAD_BYTES} bytes: it is not read.")
            return b"".join(found.chunks)

    def _find(self, key: str) -> StoredVersion | None:
        try:
            found = self._bucket.head(key)
        except NotFound:
            return None
        return StoredVersion(key=key, version_id=found.version_id)

    def _put_previews(self, stored: StoredVideo, inspection: Inspection) -> None:
        for key, content, content_type in (
            (stored.thumbnail_key, inspection.thumbnail, "image/webp"),
            (stored.spritesheet_key, inspection.spritesheet, "image/jpeg"),
        ):
            # Putting it again would store, and bill, one more version.
            if self._find(key) is None:
                self._bucket.put(key, content, content_type=content_type)


def _receive(
    open_stream: OpenStream,
    consume: Callable[[bytes], object],
    *,
    deadline: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    max_bytes: int,
) -> _Received:
    ingest = VideoIngest(open_stream, deadline=deadline, clock=clock, sleep=sleep, max_bytes=max_bytes)
    with closing(iter(ingest)) as chunks:
        for chunk in chunks:
            consume(chunk)
    return _Received(ingest.size_bytes, ingest.sha256, ingest.provenance)


def _video_prefix(video_id: str) -> str:
    # The slash keeps video_1 apart from video_10.
    return f"videos/{video_id}/"


def _video_key(video_id: str) -> str:
    return f"{_video_prefix(video_id)}video.mp4"


def _thumbnail_key(video_id: str) -> str:
    return f"{_video_prefix(video_id)}thumbnail.webp"


def _spritesheet_key(video_id: str) -> str:
    return f"{_video_prefix(video_id)}spritesheet.jpg"


def upload_key(owner: str, upload_id: str) -> str:
    """Give the key of an upload."""
    return f"uploads/{owner}/{upload_id}"


def _discard(_chunk: bytes) -> None:
    """Discard a chunk that the bucket already holds."""
