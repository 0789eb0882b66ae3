"""The edges that are the same on every host: the stores of its bucket, the system's clock, and ids."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from mediaposter.vendors import Vendors

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaposter.config import Settings
    from mediaposter.stores.batch_files import BatchFileStore
    from mediaposter.stores.bucket import Bucket
    from mediaposter.stores.inbox import InboxStore
    from mediaposter.stores.media import MediaStore
    from mediaposter.stores.sheets import SheetStore


class SharedEdges(Vendors):
    """The providers and the publisher of a host, its files, its clock and its ids.

    Args:
        settings: of the stack.
        open_bucket: opens the bucket of all files, when the first of them is asked for.
        read_secret: gives a secret by its name.
    """

    def __init__(
        self, settings: Settings, *, open_bucket: Callable[[], Bucket], read_secret: Callable[[str], str]
    ) -> None:
        super().__init__(settings, read_secret=read_secret, read_text=self._read_text)
        self._open_bucket = open_bucket

    def _read_text(self, key: str) -> str:
        return self.media.read_text(key)

    @cached_property
    def _bucket(self) -> Bucket:
        return self._open_bucket()

    @cached_property
    def media(self) -> MediaStore:
        """The videos and the pictures."""
        from mediaposter.stores.media import MediaStore

        return MediaStore(self._bucket)

    @cached_property
    def batch_files(self) -> BatchFileStore:
        """The files of batches."""
        from mediaposter.stores.batch_files import BatchFileStore

        return BatchFileStore(self._bucket)

    @cached_property
    def inbox(self) -> InboxStore:
        """The folders inbox/ and outbox/ of the bucket."""
        from mediaposter.stores.inbox import InboxStore

        return InboxStore(self._bucket)

    @cached_property
    def sheets(self) -> SheetStore:
        """The sheets of series."""
        from mediaposter.stores.sheets import SheetStore

        return SheetStore(self._bucket)

    def now(self) -> datetime:
        """Tell the time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give the seconds of a monotonic clock."""
        return time.monotonic()

    def new_id(self, kind: str) -> str:
        """Make an id that sorts by its time: milliseconds since 1970, then 80 random bits."""
        return f"{kind}_{int(time.time() * 1000):012x}{uuid.uuid4().hex[:20]}"
