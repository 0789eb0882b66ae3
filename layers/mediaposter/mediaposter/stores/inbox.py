"""The inbox and the outbox of the bucket: request files, and the results for them.

Users write below `inbox/` and this stack reads there. This stack writes below `outbox/` and users read there.
"""

from __future__ import annotations

from typing import NamedTuple

from mediaposter.domain.errors import NotFound
from mediaposter.stores.bucket import Bucket

INBOX = "inbox/"
OUTBOX = "outbox/"


class InboxFile(NamedTuple):
    """A version of a file; `content` is None if it is larger than `max_bytes`."""

    key: str
    version_id: str
    size_bytes: int
    content: bytes | None


class InboxStore:
    """The inbox and the outbox of one bucket, which keeps versions."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self, key: str, *, max_bytes: int, version_id: str | None = None) -> InboxFile:
        """Read a version of a file, by default the newest.

        Raises:
            NotFound: there is no such file or version.
        """
        with self._bucket.open(key, version_id=version_id) as found:
            stored = found.stored
            content = b"".join(found.chunks) if stored.size_bytes <= max_bytes else None
        # "null" is what S3 calls the version of an object that was put before the bucket kept versions.
        return InboxFile(key, stored.version_id or "null", stored.size_bytes, content)

    def has(self, key: str) -> bool:
        try:
            self._bucket.head(key)
        except NotFound:
            return False
        return True

    def read_answer(self, key: str) -> bytes | None:
        """Read a result that was written before; None if there is none."""
        try:
            return self._bucket.read(key)
        except NotFound:
            return None

    def put_answer(self, key: str, content: bytes) -> None:
        """Write a result; it replaces an earlier one."""
        self._bucket.put(key, content, content_type="application/json")
