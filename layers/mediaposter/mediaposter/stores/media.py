"""Keep videos in S3: stream them in, verified; hand them out. Keep the pictures that videos begin with.

A video lies at its key only when it is whole, and only once. One that does not play is removed again before anything is
told of it.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote
from zlib import crc32

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mediaposter.domain.errors import ConfigurationError, MediaError, NotFound, VersionConflict
from mediaposter.media.ingest import MAX_VIDEO_BYTES, OpenStream, VideoIngest
from mediaposter.media.inspection import Inspection, StoredVersion
from mediaposter.media.probe import Probe, draw_spritesheet, draw_thumbnail, probe_video
from mediaposter.media.video_stream import VideoStream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# What is held in memory is one part being filled and one in each thread. S3 takes 10,000 parts of 5 MiB or more.
_PART_BYTES = 8 * 1024**2
_UPLOAD_THREADS = 2
_READ_BYTES = 256 * 1024

# An upload is read into memory. No model takes a larger picture.
MAX_UPLOAD_BYTES = 20 * 1024**2

PRESIGNED_SECONDS = 900
# The largest video at 80 MiB/s; ProbeVideoFunction has the rest of its time for the decoder.
_INSPECT_READ_SECONDS = 70.0

_MISSING_CODES = frozenset({"404", "NoSuchKey"})
# An upload that is gone was completed or removed by another worker.
_TAKEN_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"})


class StoredVideo(BaseModel):
    """A whole, playable video in the bucket, its thumbnail (WebP) and its spritesheet (JPEG)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    thumbnail_key: str
    spritesheet_key: str
    size_bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    probe: Probe


class PresignedUpload(BaseModel):
    """Where one object of one type and size may be put until `expires_at`, with exactly these headers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(repr=False)  # whoever has it may put the object
    headers: tuple[tuple[str, str], ...]
    expires_at: AwareDatetime


class _Received(NamedTuple):
    size_bytes: int
    sha256: str


class MediaStore:
    """The videos in one bucket, and the pictures that videos are to begin with.

    The role needs ListBucket on the bucket: without it S3 answers 403, not 404, for a key that is not there. The
    bucket needs a lifecycle rule for unfinished multipart uploads: a killed process leaves one behind.
    """

    def __init__(
        self,
        s3_client: S3Client,
        bucket: str,
        *,
        inspect: Callable[[StoredVersion], Inspection] | None = None,
        spool_directory: Path | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Open a bucket; `inspect` decodes a stored video somewhere else than in this process."""
        self._s3 = s3_client
        self._inspect = inspect or self.inspect
        self._bucket = bucket
        self._spool_directory = spool_directory
        self._wall_clock = wall_clock

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
        """Stream a video into the bucket, verified, and put its thumbnail and its spritesheet beside it.

        A video that is there already is read back and verified instead, and `open_stream` is not called. What a run
        that died left undrawn is then drawn; what is there is not written again.

        Raises:
            MediaError: it is not a whole, playable MP4; nothing was stored.
            VideoModelError: the provider did not hand it over, or not before `deadline`; nothing was stored.
            VersionConflict: another worker was at the same key, and left nothing there.
        """
        key = _video_key(video_id)
        receive = partial(_receive, deadline=deadline, clock=clock, sleep=sleep, max_bytes=max_bytes)
        found = self._find(key)
        received: _Received | None = None
        if found is None:
            try:
                with self._upload(key) as upload:
                    received = receive(open_stream, upload.write)
                    found = StoredVersion(key=key, version_id=upload.complete())
            except VersionConflict:
                found, received = self._find(key), None
                if found is None:
                    raise
        if received is None:
            # Another run stored it, and may have died before it was inspected or its previews were put.
            received = receive(partial(self._reopen, found), _discard)
        try:
            inspection = self._inspect(found)
        except MediaError:
            # Exactly what was looked at: another worker may have stored a better one meanwhile.
            self._delete_version(found)
            raise
        stored = StoredVideo(
            key=key,
            thumbnail_key=_thumbnail_key(video_id),
            spritesheet_key=_spritesheet_key(video_id),
            size_bytes=received.size_bytes,
            sha256=received.sha256,
            probe=inspection.probe,
        )
        self._put_previews(stored, inspection)
        return stored

    def inspect(self, stored: StoredVersion) -> Inspection:
        """Decode a stored video in this process, and draw its thumbnail and its spritesheet.

        Raises:
            MediaError: it is no playable video.
            NotFound: there is none.
        """
        with NamedTemporaryFile(suffix=".mp4", dir=self._spool_directory) as spool:
            deadline = time.monotonic() + _INSPECT_READ_SECONDS
            for _ in VideoIngest(partial(self._reopen, stored), spool, deadline=deadline):
                pass  # the ingest keeps in the spool what the decoder needs
            path = Path(spool.name)
            return Inspection(
                probe=probe_video(path), thumbnail=draw_thumbnail(path), spritesheet=draw_spritesheet(path)
            )

    def _reopen(
        self, stored: StoredVersion, _start_byte: int, _validator: str | None
    ) -> AbstractContextManager[VideoStream]:
        return self.open_stored(stored.key, version_id=stored.version_id)

    @contextmanager
    def open_stored(self, key: str, *, version_id: str | None = None) -> Iterator[VideoStream]:
        """Open a stored object, or a version of it, to be read once in bounded chunks.

        Raises:
            NotFound: there is none.
        """
        with self._named_errors(key):
            response = (
                self._s3.get_object(Bucket=self._bucket, Key=key)
                if version_id is None
                else self._s3.get_object(Bucket=self._bucket, Key=key, VersionId=version_id)
            )
        with closing(response["Body"]) as body:
            yield VideoStream(
                chunks=body.iter_chunks(_READ_BYTES),
                size_bytes=response["ContentLength"],
                content_type=response["ContentType"],
                validator=response["ETag"],
            )

    def presign_download(self, key: str, *, filename: str) -> str:
        """Sign a URL under which anyone may save the object as `filename`, for 15 minutes.

        It dies with the session of the role that signs it, if that ends before.
        """
        return self._s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ResponseContentDisposition": _write_disposition(filename),
            },
            ExpiresIn=PRESIGNED_SECONDS,
        )

    def delete_video(self, video_id: str) -> int:
        """Remove every version of all that is kept of a video and its uploads in progress, and count them.

        What is not there is left so. An upload that begins meanwhile stays: whatever stores the video is stopped first.
        """
        # Uploads first, lest one become an object after those were listed.
        return self._abort_uploads(_video_prefix(video_id)) + self._delete_versions(_video_prefix(video_id))

    def presign_upload(self, owner: str, upload_id: str, *, content_type: str, size_bytes: int) -> PresignedUpload:
        """Sign a URL under which anyone may put one object of this type and size, for 15 minutes.

        It dies with the session of the role that signs it, if that ends before.
        """
        # Read before signing and cut to the second, as the signature is: it promises no moment too much.
        expires_at = datetime.fromtimestamp(int(self._wall_clock()) + PRESIGNED_SECONDS, UTC)
        url = self._s3.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self._bucket,
                "Key": upload_key(owner, upload_id),
                "ContentType": content_type,
                "ContentLength": size_bytes,
            },
            ExpiresIn=PRESIGNED_SECONDS,
        )
        return PresignedUpload(
            url=url,
            headers=(("Content-Type", content_type), ("Content-Length", str(size_bytes))),
            expires_at=expires_at,
        )

    def keep_upload(self, owner: str, upload_id: str, content: bytes, content_type: str) -> None:
        """Keep a picture that came with a request."""
        self._s3.put_object(
            Bucket=self._bucket, Key=upload_key(owner, upload_id), Body=content, ContentType=content_type
        )

    def read_upload(self, owner: str, upload_id: str) -> bytes:
        """Read a picture that was kept or put.

        Raises:
            NotFound: there is none of at most 20 MiB.
        """
        key = upload_key(owner, upload_id)
        with self._named_errors(key):
            response = self._s3.get_object(Bucket=self._bucket, Key=key)
        with closing(response["Body"]) as body:
            if response["ContentLength"] > MAX_UPLOAD_BYTES:
                raise NotFound(f"The upload {upload_id} is larger than {MAX_UPLOAD_BYTES} bytes: it is not read.")
            return body.read()

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

    def _find(self, key: str) -> StoredVersion | None:
        try:
            with self._named_errors(key):
                found = self._s3.head_object(Bucket=self._bucket, Key=key)
        except NotFound:
            return None
        return StoredVersion(key=key, version_id=found.get("VersionId"))

    def _abort_uploads(self, prefix: str) -> int:
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=prefix)
        # All pages first: what one is continued from would be gone.
        uploads = [upload for page in pages for upload in page.get("Uploads", [])]
        aborted = 0
        for upload in uploads:
            try:
                with self._named_errors(upload["Key"]):
                    self._s3.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            except VersionConflict:
                continue  # It ended by itself, and is an object now if it was completed.
            aborted += 1
        return aborted

    def _delete_versions(self, prefix: str) -> int:
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
        # All pages first, here too.
        versions = [
            (version["Key"], version["VersionId"])
            for page in pages
            for version in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ]
        for key, version_id in versions:
            self._s3.delete_object(Bucket=self._bucket, Key=key, VersionId=version_id)
        return len(versions)

    def _delete_version(self, stored: StoredVersion) -> None:
        if stored.version_id is None:
            self._s3.delete_object(Bucket=self._bucket, Key=stored.key)
        else:
            self._s3.delete_object(Bucket=self._bucket, Key=stored.key, VersionId=stored.version_id)

    def _put_previews(self, stored: StoredVideo, inspection: Inspection) -> None:
        for key, content, content_type in (
            (stored.thumbnail_key, inspection.thumbnail, "image/webp"),
            (stored.spritesheet_key, inspection.spritesheet, "image/jpeg"),
        ):
            # Put again it would be one more version, kept and billed.
            if self._find(key) is None:
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=content_type)

    @contextmanager
    def _named_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except self._s3.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _MISSING_CODES:
                raise NotFound(f"There is no {key} in the bucket.") from error
            if code in _TAKEN_CODES:
                raise VersionConflict(
                    f"Another worker stored or removed {key} first; this copy was dropped."
                ) from error
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

    def complete(self) -> str | None:
        """Make the parts an object, unless its key is taken; give its version, if the bucket keeps versions."""
        if self._part.tell():
            self._send_part()
        while self._sending:
            self._await_part()
        completed = self._s3.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": self._sent},
            IfNoneMatch="*",
        )
        return completed.get("VersionId")

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
    return _Received(ingest.size_bytes, ingest.sha256)


def _allocate_part() -> BytesIO:
    # At its full size: one that grows is moved again and again.
    return BytesIO(bytes(_PART_BYTES))


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
    """Give where an upload lies."""
    return f"uploads/{owner}/{upload_id}"


def _write_disposition(filename: str) -> str:
    # RFC 6266: a name that cannot be said plainly follows in the form of RFC 8187. Neither lets it break out of the
    # header.
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", filename)
    exact = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'attachment; filename="{plain}"{exact}'


def _discard(_chunk: bytes) -> None:
    """Take a chunk that is in the bucket already."""
