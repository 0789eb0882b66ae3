"""Keep videos in S3: stream them in, verified; hand them out.

A video becomes visible at its key only when it is whole and playable, and only once.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING
from urllib.parse import quote
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field

from mediaposter.errors import ConfigurationError, Conflict, NotFound
from mediaposter.library.probe import Probe, draw_thumbnail, probe_video
from mediaposter.streaming.ingest import MAX_VIDEO_BYTES, OpenStream, VideoIngest
from mediaposter.streaming.video_stream import VideoStream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# What is held in memory is one part being filled and one in each thread. S3 takes 10,000 parts of 5 MiB or more.
_PART_BYTES = 8 * 1024**2
_UPLOAD_THREADS = 2
_READ_BYTES = 256 * 1024

_MISSING_CODES = frozenset({"404", "NoSuchKey"})
# An upload that is gone was completed or removed by another worker.
_TAKEN_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"})


class StoredVideo(BaseModel):
    """A whole, playable video in the bucket, and its thumbnail."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    thumbnail_key: str
    size_bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    probe: Probe


class MediaLibrary:
    """The videos in one bucket.

    The role needs ListBucket on the bucket: without it S3 answers 403, not 404, for a key that is not there. The
    bucket needs a lifecycle rule for unfinished multipart uploads: a killed process leaves one behind.
    """

    def __init__(self, s3_client: S3Client, bucket: str, *, spool_directory: Path | None = None) -> None:
        self._s3 = s3_client
        self._bucket = bucket
        self._spool_directory = spool_directory

    def read_text(self, key: str) -> str:
        """Read a small file of the stack's owner.

        Raises:
            ConfigurationError: it is not there, or not UTF-8.
        """
        try:
            content = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _MISSING_CODES:
                raise ConfigurationError(f"There is no {key} in the bucket {self._bucket}. Put it there.") from error
            raise
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
        """Stream a video into the bucket, verified, and draw its thumbnail.

        A video that is there already is read back and verified instead, and `open_stream` is not called.

        Raises:
            MediaError: it is not a whole, playable MP4; nothing was stored.
            VideoModelError: the provider did not hand it over, or not before `deadline`; nothing was stored.
            Conflict: another worker was at the same key, and left nothing there.
        """
        key = _video_key(video_id)
        receive = partial(self._receive, video_id, deadline=deadline, clock=clock, sleep=sleep, max_bytes=max_bytes)
        if not self._has(key):
            try:
                with self._upload(key) as upload:
                    stored, thumbnail = receive(open_stream, upload.write)
                    upload.complete()
            except Conflict:
                if not self._has(key):
                    raise
            else:
                self._put_thumbnail(stored, thumbnail)
                return stored
        # Another run stored it, and may have died before its thumbnail was put.
        stored, thumbnail = receive(lambda _start_byte, _validator: self.open_stored(key), _discard)
        self._put_thumbnail(stored, thumbnail)
        return stored

    @contextmanager
    def open_stored(self, key: str) -> Iterator[VideoStream]:
        """Open a stored object to be read once, in bounded chunks.

        Raises:
            NotFound: there is none.
        """
        with self._named_errors(key):
            response = self._s3.get_object(Bucket=self._bucket, Key=key)
        with closing(response["Body"]) as body:
            yield VideoStream(
                chunks=body.iter_chunks(_READ_BYTES),
                size_bytes=response["ContentLength"],
                content_type=response["ContentType"],
                validator=response["ETag"],
            )

    def presign_download(self, key: str, *, filename: str, expires_seconds: int = 900) -> str:
        """Sign a URL under which anyone may save the object as `filename`.

        It dies with the session of the role that signs it, however far off `expires_seconds` is.
        """
        return self._s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                # RFC 8187: quoted like this, no name can break out of the header.
                "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
            },
            ExpiresIn=expires_seconds,
        )

    def delete_video(self, video_id: str) -> None:
        """Delete a video and its thumbnail; what is not there is left so."""
        for key in (_thumbnail_key(video_id), _video_key(video_id)):
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def _receive(
        self,
        video_id: str,
        open_stream: OpenStream,
        consume: Callable[[bytes], object],
        *,
        deadline: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        max_bytes: int,
    ) -> tuple[StoredVideo, bytes]:
        with NamedTemporaryFile(suffix=".mp4", dir=self._spool_directory) as spool:
            ingest = VideoIngest(open_stream, spool, deadline=deadline, clock=clock, sleep=sleep, max_bytes=max_bytes)
            with closing(iter(ingest)) as chunks:
                for chunk in chunks:
                    consume(chunk)
            stored = StoredVideo(
                key=_video_key(video_id),
                thumbnail_key=_thumbnail_key(video_id),
                size_bytes=ingest.size_bytes,
                sha256=ingest.sha256,
                probe=probe_video(Path(spool.name)),
            )
            return stored, draw_thumbnail(Path(spool.name))

    @contextmanager
    def _upload(self, key: str) -> Iterator[_MultipartUpload]:
        # boto3's upload_fileobj does not take IfNoneMatch, and completes by itself before the probe could be read.
        upload_id = self._s3.create_multipart_upload(
            Bucket=self._bucket, Key=key, ContentType="video/mp4", ChecksumAlgorithm="CRC32"
        )["UploadId"]
        try:
            # A part that ends after the abort would be kept and billed: the pool is closed first.
            with ThreadPoolExecutor(_UPLOAD_THREADS) as pool, self._named_errors(key):
                yield _MultipartUpload(self._s3, self._bucket, key, upload_id, pool)
        except BaseException as error:
            try:
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            except Exception as abort_error:  # The first error is the one to act on; this one goes with it.
                error.add_note(f"The unfinished upload {upload_id} of {key} is still there: {abort_error}")
            raise

    def _has(self, key: str) -> bool:
        try:
            with self._named_errors(key):
                self._s3.head_object(Bucket=self._bucket, Key=key)
        except NotFound:
            return False
        return True

    def _put_thumbnail(self, stored: StoredVideo, thumbnail: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=stored.thumbnail_key, Body=thumbnail, ContentType="image/webp")

    @contextmanager
    def _named_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except self._s3.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _MISSING_CODES:
                raise NotFound(f"There is no {key} in the bucket.") from error
            if code in _TAKEN_CODES:
                raise Conflict(f"Another worker stored or removed {key} first; this copy was dropped.") from error
            raise


class _MultipartUpload:
    """A multipart upload in progress; it becomes an object by `complete`, if there is none yet."""

    def __init__(self, s3_client: S3Client, bucket: str, key: str, upload_id: str, pool: ThreadPoolExecutor) -> None:
        self._s3 = s3_client
        self._bucket = bucket
        self._key = key
        self._upload_id = upload_id
        self._pool = pool
        self._part = _allocate_part()
        self._sending: deque[tuple[BytesIO, Future[CompletedPartTypeDef]]] = deque()
        self._sent: list[CompletedPartTypeDef] = []

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; wait when every thread has a part to send."""
        rest = memoryview(chunk)
        while rest:
            taken_bytes = self._part.write(rest[: _PART_BYTES - self._part.tell()])
            rest = rest[taken_bytes:]
            if self._part.tell() == _PART_BYTES:
                self._send_part()

    def complete(self) -> None:
        """Make the parts an object, unless its key is taken."""
        if self._part.tell():
            self._send_part()
        while self._sending:
            self._await_part()
        self._s3.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": self._sent},
            IfNoneMatch="*",
        )

    def _send_part(self) -> None:
        part_number = len(self._sent) + len(self._sending) + 1
        self._part.truncate()
        self._sending.append((self._part, self._pool.submit(self._upload_part, part_number, self._part)))
        # A buffer that was sent is filled again: fresh memory for every part costs more than the copying.
        self._part = _allocate_part() if len(self._sending) <= _UPLOAD_THREADS else self._await_part()

    def _await_part(self) -> BytesIO:
        part, response = self._sending.popleft()
        self._sent.append(response.result())
        part.seek(0)
        return part

    def _upload_part(self, part_number: int, part: BytesIO) -> CompletedPartTypeDef:
        # This is the buffer itself. botocore sends bytes whose checksum it is given as they are, without copying them.
        body = part.getvalue()
        checksum = b64encode(crc32(body).to_bytes(4, "big")).decode("ascii")
        response = self._s3.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            PartNumber=part_number,
            Body=body,
            ChecksumCRC32=checksum,
        )
        return {"PartNumber": part_number, "ETag": response["ETag"], "ChecksumCRC32": checksum}


def _allocate_part() -> BytesIO:
    # At its full size: one that grows is moved again and again.
    return BytesIO(bytes(_PART_BYTES))


def _video_key(video_id: str) -> str:
    return f"videos/{video_id}/video.mp4"


def _thumbnail_key(video_id: str) -> str:
    return f"videos/{video_id}/thumbnail.webp"


def _discard(_chunk: bytes) -> None:
    """Take a chunk that is in the bucket already."""
