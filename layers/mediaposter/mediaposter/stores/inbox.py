"""The files that are dropped into the bucket, and the answers that are laid beside them.

Below `inbox/` others write and this stack reads; below `outbox/` it is the other way round.
"""

from __future__ import annotations

from typing import NamedTuple

from mediaposter.domain.errors import NotFound
from mediaposter.stores.bucket import Bucket

INBOX = "inbox/"
OUTBOX = "outbox/"


class InboxFile(NamedTuple):
    """A version of a file. The content of one that is larger than was asked for is None."""

    key: str
    version_id: str
    size_bytes: int
    content: bytes | None


class InboxStore:
    """The inbox and the outbox of one bucket, which keeps versions."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self, key: str, *, max_bytes: int, version_id: str | None = None) -> InboxFile:
        """Read a version of a file, or its newest.

        Raises:
            NotFound: there is none, or no such version.
        """
        with self._bucket.open(key, version_id=version_id) as found:
            stored = found.stored
            content = b"".join(found.chunks) if stored.size_bytes <= max_bytes else None
        # "null" is what S3 calls the version of an object that was put before the bucket kept versions.
        return InboxFile(key, stored.version_id or "null", stored.size_bytes, content)

    def has(self, key: str) -> bool:
        """Tell whether a file is there."""
        try:
            self._bucket.head(key)
        except NotFound:
            return False
        return True

    def read_answer(self, key: str) -> bytes | None:
        """Read an answer that was laid down before, if one was."""
        try:
            return self._bucket.read(key)
        except NotFound:
            return None

    def put_answer(self, key: str, content: bytes) -> None:
        """Lay an answer down, in place of an earlier one."""
        self._bucket.put(key, content, content_type="application/json")
