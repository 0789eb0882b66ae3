"""The sheets of series in memory."""

from __future__ import annotations

from datetime import datetime

from mediaposter.domain.errors import ConfigurationError
from mediaposter.stores.series import Sheet, SheetFormat


class FakeSheetStore:
    """Keeps sheets by their keys."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self._count = 0

    def put(self, name: str, content: bytes, sheet_format: SheetFormat, *, now: datetime) -> str:
        """Keep a sheet, and give its key."""
        self._count += 1
        key = f"series/{name}/{now:%Y-%m-%d}-{self._count}.{sheet_format}"
        self.contents[key] = content
        return key

    def read(self, sheet: Sheet) -> bytes:
        """Read a sheet."""
        if sheet.key not in self.contents:
            raise ConfigurationError(f"The sheet {sheet.key} is gone.")
        return self.contents[sheet.key]

    def remove_all(self, name: str) -> None:
        """Remove the sheets of a series."""
        for key in [key for key in self.contents if key.startswith(f"series/{name}/")]:
            del self.contents[key]
