"""The sheets of series in the bucket: each has its own key, which is never overwritten."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from mediaposter.domain.errors import ConfigurationError, NotFound
from mediaposter.stores.bucket import Bucket
from mediaposter.stores.series import Sheet, SheetFormat

if TYPE_CHECKING:
    from datetime import datetime

SHEETS = "series/"

_CONTENT_TYPES = {SheetFormat.CSV: "text/csv", SheetFormat.JSONL: "application/jsonl"}


class SheetStore:
    """The sheets in one bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, name: str, content: bytes, sheet_format: SheetFormat, *, now: datetime) -> str:
        """Store a sheet of a series, and give its key.

        It never replaces another sheet: the bucket expires old versions, and a run may still need one.
        """
        key = f"{SHEETS}{name}/{now:%Y-%m-%d}-{uuid.uuid4().hex[:12]}.{sheet_format}"
        self._bucket.put(key, content, content_type=_CONTENT_TYPES[sheet_format])
        return key

    def read(self, sheet: Sheet) -> bytes:
        """Read a sheet.

        Raises:
            ConfigurationError: it was removed.
        """
        try:
            return self._bucket.read(sheet.key)
        except NotFound as error:
            raise ConfigurationError(
                f"The sheet {sheet.key} is not in the bucket {self._bucket.name} any more. Give the series another: "
                "mediaposter schedule replace-sheet."
            ) from error

    def remove_all(self, name: str) -> None:
        """Remove the sheets of a series; the bucket expires their old versions later."""
        for key in self._bucket.list_keys(f"{SHEETS}{name}/"):
            self._bucket.delete(key)
