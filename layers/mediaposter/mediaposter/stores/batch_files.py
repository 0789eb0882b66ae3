"""The files of a batch in S3: what it is made from, what became of its rows, and the results.

Each is written whole, and written again with the same content by whoever repeats a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, NamedTuple

from mediaposter.domain.errors import NotFound
from mediaposter.stores.media import upload_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_READ_BYTES = 64 * 1024
_MEMORY_BYTES = 8 * 1024**2
_MISSING_CODES = frozenset({"404", "NoSuchKey", "NoSuchVersion"})


class FileVersion(NamedTuple):
    """A version of a file, and the type that it was put with."""

    key: str
    version_id: str
    content_type: str


def input_key(batch_id: str) -> str:
    """Give where the rows lie that came with a request."""
    return f"batches/{batch_id}/input.jsonl"


def rows_key(batch_id: str) -> str:
    """Give where each row lies as it was understood, or refused."""
    return f"batches/{batch_id}/rows.jsonl"


def parts_key(batch_id: str) -> str:
    """Give where the parts lie that the rows are taken in."""
    return f"batches/{batch_id}/parts.jsonl"


def outcomes_key(batch_id: str, part: int) -> str:
    """Give where it lies what became of the rows of a part."""
    return f"batches/{batch_id}/parts/{part:05}.jsonl"


def results_key(batch_id: str, file_format: str) -> str:
    """Give where the results lie."""
    return f"batches/{batch_id}/results.{file_format}"


class BatchFileStore:
    """The files of the batches of one bucket, which is versioned.

    The role needs ListBucket on the bucket: without it S3 answers 403, not 404, for a key that is not there.
    """

    def __init__(self, s3_client: S3Client, bucket: str) -> None:
        self._s3 = s3_client
        self._bucket = bucket

    def find_upload(self, owner: str, upload_id: str) -> FileVersion:
        """Find a file that was put to the URL of POST /uploads.

        Raises:
            NotFound: there is none.
        """
        key = upload_key(owner, upload_id)
        with self._named_errors(key):
            found = self._s3.head_object(Bucket=self._bucket, Key=key)
        return FileVersion(key, found["VersionId"], found["ContentType"])

    @contextmanager
    def open_version(self, key: str, version_id: str) -> Iterator[Iterator[bytes]]:
        """Open a version of a file to be read once, in bounded chunks.

        Raises:
            NotFound: there is none.
        """
        with self._named_errors(key):
            response = self._s3.get_object(Bucket=self._bucket, Key=key, VersionId=version_id)
        with closing(response["Body"]) as body:
            yield body.iter_chunks(_READ_BYTES)

    def read(self, key: str) -> bytes:
        """Read a file.

        Raises:
            NotFound: there is none.
        """
        with self._named_errors(key):
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def read_range(self, key: str, first_byte: int, size_bytes: int) -> bytes:
        """Read some of a file.

        Raises:
            NotFound: there is none.
        """
        span = f"bytes={first_byte}-{first_byte + size_bytes - 1}"
        with self._named_errors(key):
            return self._s3.get_object(Bucket=self._bucket, Key=key, Range=span)["Body"].read()

    def put(self, key: str, content: bytes, *, content_type: str = "application/jsonl") -> FileVersion:
        """Put a file, in place of an earlier one."""
        put = self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=content_type)
        return FileVersion(key, put["VersionId"], content_type)

    @contextmanager
    def write(self, *keys: str, content_type: str = "application/jsonl") -> Iterator[IO[bytes]]:
        """Write a file under some keys, when the block ends well; its content is not held in memory."""
        with SpooledTemporaryFile(max_size=_MEMORY_BYTES) as spool:
            yield spool
            for key in keys:
                spool.seek(0)
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=spool, ContentType=content_type)

    @contextmanager
    def _named_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _MISSING_CODES:
                raise NotFound(f"There is no {key} in the bucket.", what="file") from error
            raise
