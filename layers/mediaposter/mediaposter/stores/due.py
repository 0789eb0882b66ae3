"""Due times: when the sweep visits a record that is not over and that no worker has moved on by then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from mediaposter.stores.table import INDEX_PAGE_MAX, IndexEntry, Table

DUE_INDEX = "Due"


def give_due_attributes(due_at: datetime | None) -> Mapping[str, str]:
    """Give the index attributes that list a record while it has a due time."""
    return {} if due_at is None else {"due": "yes", "due_at": _to_text(due_at)}


class DueStore:
    """Lists and postpones due records of every kind."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def list(self, *, now: datetime) -> Iterator[IndexEntry]:
        """List the records due by now, the longest overdue first: one query for each 100."""
        page: list[IndexEntry] = []
        while True:
            page = self._table.query_index(
                DUE_INDEX,
                hash_name="due",
                value="yes",
                range_name="due_at",
                before=_to_text(now),
                after=page[-1] if page else None,
            )
            yield from page
            if len(page) < INDEX_PAGE_MAX:
                return

    def postpone(self, entry: IndexEntry, until: datetime) -> IndexEntry | None:
        """Move the due time of a record without making a new version of it.

        Returns:
            The new index entry; None if another worker moved or ended the record since it was listed.
        """
        wanted = _to_text(until)
        is_ours = self._table.swap(entry.key, "due_at", expected=entry.value, wanted=wanted)
        return IndexEntry(entry.key, wanted) if is_ours else None  # guard: swept once


def _to_text(moment: datetime) -> str:
    """Write a time as text that sorts chronologically."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
