"""The files of a batch: its input, the outcome of each row, and the results.

Each file is written whole. A repeated step writes it again with the same content.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple, cast

from mediaposter.stores.bucket import Bucket, StoredObject
from mediaposter.stores.media import upload_key

_READ_BYTES = 64 * 1024
_MEMORY_BYTES = 8 * 1024**2


class FileVersion(NamedTuple):
    """A version of a file, and the content type that it was put with."""

    key: str
    version_id: str
    content_type: str


def input_key(batch_id: str) -> str:
    """Give the key of the rows that came in the request body."""
    return f"batches/{batch_id}/input.jsonl"


def rows_key(batch_id: str) -> str:
    """Give the key of the parsed rows, the refused ones included."""
    return f"batches/{batch_id}/rows.jsonl"


def parts_key(batch_id: str) -> str:
    """Give the key of the list of chunks in which the rows are submitted."""
    return f"batches/{batch_id}/parts.jsonl"


def outcomes_key(batch_id: str, part: int) -> str:
    """Give the key of the outcomes of one chunk's rows."""
    return f"batches/{batch_id}/parts/{part:05}.jsonl"


def results_key(batch_id: str, file_format: str) -> str:
    """Give the key of the results in a format."""
    return f"batches/{batch_id}/results.{file_format}"


class BatchFileStore:
    """The files of the batches of one bucket, which keeps versions."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def find_upload(self, owner: str, upload_id: str) -> FileVersion:
        """Find a file that a caller put to the URL of POST /uploads.

        Raises:
            NotFound: there is none.
        """
        return _name_version(self._bucket.head(upload_key(owner, upload_id)))

    @contextmanager
    def open_version(self, key: str, version_id: str) -> Iterator[Iterator[bytes]]:
        """Open a version of a file for one read, in bounded chunks.

        Raises:
            NotFound: there is none.
        """
        with self._bucket.open(key, version_id=version_id, chunk_bytes=_READ_BYTES) as found:
            yield found.chunks

    def read(self, key: str) -> bytes:
        """Read a file.

        Raises:
            NotFound: there is none.
        """
        return self._bucket.read(key)

    def read_range(self, key: str, first_byte: int, size_bytes: int) -> bytes:
        """Read some of a file.

        Raises:
            NotFound: there is none.
        """
        return self._bucket.read(key, first_byte=first_byte, size_bytes=size_bytes)

    def put(self, key: str, content: bytes, *, content_type: str = "application/jsonl") -> FileVersion:
        """Put a file; it replaces an earlier one."""
        return _name_version(self._bucket.put(key, content, content_type=content_type))

    @contextmanager
    def write(self, *keys: str, content_type: str = "application/jsonl") -> Iterator[IO[bytes]]:
        """Write a file under several keys when the block ends without an error; its content is not held in memory."""
        with SpooledTemporaryFile(max_size=_MEMORY_BYTES) as spool:
            yield spool
            for key in keys:
                spool.seek(0)
                self._bucket.put(key, cast(IO[bytes], spool), content_type=content_type)


def _name_version(stored: StoredObject) -> FileVersion:
    # "null" is what S3 calls the version of an object that was put before the bucket kept versions.
    return FileVersion(stored.key, stored.version_id or "null", stored.content_type)
