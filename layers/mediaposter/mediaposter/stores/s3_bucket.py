"""The bucket in S3. Our own multipart upload streams videos in: docs/decisions/0004."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from io import BytesIO
from typing import IO, TYPE_CHECKING
from zlib import crc32

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.bucket import READ_BYTES, Bucket, NewObject, OpenObject, StoredObject, write_disposition

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, GetObjectRequestTypeDef

# Memory holds one part being filled and one in each thread. S3 accepts 10,000 parts of 5 MiB or more.
_PART_BYTES = 8 * 1024**2
_UPLOAD_THREADS = 2

_MISSING_CODES = frozenset({"404", "NoSuchKey", "NoSuchVersion"})
# If an upload is gone, another worker completed or removed it.
_TAKEN_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"})


class S3Bucket(Bucket):
    """One S3 bucket.

    The role needs ListBucket on the bucket: without it S3 answers 403, not 404, for a missing key. The bucket needs a
    lifecycle rule for unfinished multipart uploads, because a killed process leaves one behind.
    """

    def __init__(self, client: S3Client, name: str) -> None:
        self._s3 = client
        self.name = name

    def head(self, key: str) -> StoredObject:
        with self._named_errors(key):
            found = self._s3.head_object(Bucket=self.name, Key=key)
        return StoredObject(key, found.get("VersionId"), found["ContentLength"], found["ContentType"], found["ETag"])

    @contextmanager
    def open(
        self,
        key: str,
        *,
        version_id: str | None = None,
        first_byte: int = 0,
        size_bytes: int | None = None,
        chunk_bytes: int = READ_BYTES,
    ) -> Iterator[OpenObject]:
        arguments: GetObjectRequestTypeDef = {"Bucket": self.name, "Key": key}
        if version_id is not None:
            arguments["VersionId"] = version_id
        if first_byte or size_bytes is not None:
            last_byte = "" if size_bytes is None else first_byte + size_bytes - 1
            arguments["Range"] = f"bytes={first_byte}-{last_byte}"
        with self._named_errors(key):
            found = self._s3.get_object(**arguments)
        # In the answer to a range, `bytes 0-9/100` gives the size of the whole.
        whole_bytes = int(found.get("ContentRange", f"/{found['ContentLength']}").rpartition("/")[2])
        stored = StoredObject(key, found.get("VersionId"), whole_bytes, found["ContentType"], found["ETag"])
        with closing(found["Body"]) as body:
            yield OpenObject(stored, body.iter_chunks(chunk_bytes))

    def put(self, key: str, content: bytes | IO[bytes], *, content_type: str) -> StoredObject:
        put = self._s3.put_object(Bucket=self.name, Key=key, Body=content, ContentType=content_type)
        size_bytes = len(content) if isinstance(content, bytes) else content.tell()
        return StoredObject(key, put.get("VersionId"), size_bytes, content_type, put["ETag"])

    @contextmanager
    def create(self, key: str, *, content_type: str) -> Iterator[NewObject]:
        """Send parts as they fill, and complete the upload only if the key is free."""
        # boto3's upload_fileobj does not accept IfNoneMatch, and completes the upload before the probe is read.
        upload_id = self._s3.create_multipart_upload(
            Bucket=self.name, Key=key, ContentType=content_type, ChecksumAlgorithm="CRC32"
        )["UploadId"]
        try:
            # A part that ends after the abort would be stored and billed, so the pool is closed first.
            with ThreadPoolExecutor(_UPLOAD_THREADS) as pool, self._named_errors(key):
                yield _MultipartUpload(self._s3, self.name, key, upload_id, pool)
        except BaseException as error:
            try:
                self._s3.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload_id)
            except Exception as abort_error:  # The first error is the one to act on; this one goes with it.
                error.add_note(f"The unfinished upload {upload_id} of {key} is still there: {abort_error}")
            raise

    def delete(self, key: str, *, version_id: str | None = None) -> None:
        """Call DeleteObject: without a version it hides the object by a delete marker."""
        if version_id is None:
            self._s3.delete_object(Bucket=self.name, Key=key)
        else:
            self._s3.delete_object(Bucket=self.name, Key=key, VersionId=version_id)

    def delete_all(self, prefix: str) -> int:
        """Abort uploads, then delete versions and delete markers."""
        # Uploads first: otherwise one could become an object after the objects were listed.
        return self._abort_uploads(prefix) + self._delete_versions(prefix)

    def list_keys(self, prefix: str) -> Iterator[str]:
        """Call ListObjectsV2, a thousand keys at a time."""
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for found in page.get("Contents", []):
                yield found["Key"]

    def sign_get(self, key: str, *, filename: str, seconds: int) -> str:
        """Presign GetObject. The URL expires early if the session of the signing role ends before."""
        return self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.name, "Key": key, "ResponseContentDisposition": write_disposition(filename)},
            ExpiresIn=seconds,
        )

    def sign_put(self, key: str, *, content_type: str, size_bytes: int, seconds: int) -> str:
        """Presign PutObject. The URL expires early if the session of the signing role ends before."""
        return self._s3.generate_presigned_url(
            "put_object",
            Params={"Bucket": self.name, "Key": key, "ContentType": content_type, "ContentLength": size_bytes},
            ExpiresIn=seconds,
        )

    def _abort_uploads(self, prefix: str) -> int:
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
        # Read all pages first: deleting would remove the key at which the next page continues.
        uploads = [upload for page in pages for upload in page.get("Uploads", [])]
        aborted = 0
        for upload in uploads:
            try:
                with self._named_errors(upload["Key"]):
                    self._s3.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
            except VersionConflict:
                continue  # It ended meanwhile; if it was completed, it is an object now.
            aborted += 1
        return aborted

    def _delete_versions(self, prefix: str) -> int:
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix)
        # Read all pages first, for the same reason.
        versions = [
            (version["Key"], version["VersionId"])
            for page in pages
            for version in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ]
        for key, version_id in versions:
            self._s3.delete_object(Bucket=self.name, Key=key, VersionId=version_id)
        return len(versions)

    @contextmanager
    def _named_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except self._s3.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _MISSING_CODES:
                raise NotFound(f"There is no {key} in the bucket.", what="file") from error
            if code in _TAKEN_CODES:
                raise VersionConflict(
                    f"Another worker stored or removed {key} first; this copy was dropped."
                ) from error
            raise


class _MultipartUpload(NewObject):
    """A multipart upload in progress; `complete` makes it an object, if the key is free."""

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
        """Append the next bytes; wait while every thread is sending a part."""
        rest = memoryview(chunk)
        while rest:
            taken_bytes = self._part.write(rest[: _PART_BYTES - self._part.tell()])
            rest = rest[taken_bytes:]
            if self._part.tell() == _PART_BYTES:
                self._send_part()

    def complete(self) -> str | None:
        """Make the parts an object, unless its key is taken; give its version, if the bucket has versions."""
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
        # Buffers are reused after sending: fresh memory for every part costs more than the copying.
        self._part = _allocate_part() if len(self._sending) <= _UPLOAD_THREADS else self._await_part()

    def _await_part(self) -> BytesIO:
        part, response = self._sending.popleft()
        self._sent.append(response.result())
        part.seek(0)
        return part

    def _upload_part(self, part_number: int, part: BytesIO) -> CompletedPartTypeDef:
        # This is the buffer itself. With a given checksum, botocore sends the bytes without copying them.
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
    # Allocated at its full size: a growing buffer is copied again and again.
    return BytesIO(bytes(_PART_BYTES))
