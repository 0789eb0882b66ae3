"""What somebody has to come back to by a certain time, and the sweep does if nobody did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from mediaposter.library.table import Key, LibraryTable

DUE_INDEX = "Due"


def give_due_attributes(due_at: datetime | None) -> Mapping[str, str]:
    """Give the attributes that list a record until it is due no more."""
    return {} if due_at is None else {"due": "yes", "due_at": _to_text(due_at)}


class DueList:
    """The records that are due, of every kind."""

    def __init__(self, table: LibraryTable) -> None:
        self._table = table

    def list(self, *, now: datetime) -> list[Key]:
        """List the keys of what should have been done by now, the longest due first, at most 100."""
        return self._table.query_index(
            DUE_INDEX, hash_name="due", value="yes", range_name="due_at", before=_to_text(now)
        )


def _to_text(moment: datetime) -> str:
    """Write a time so that texts sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
