"""The table in memory. tests/unit/library/test_table.py holds it to the same contract as DynamoDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mediaposter.errors import Conflict, NotFound
from mediaposter.library.table import Key, LibraryTable, Record
from tests.fakes.effects import Effects

_INDEX_PAGE_ITEMS = 100


class InMemoryTable(LibraryTable):
    """Items by their key, under the same conditions as the real table's."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.name = "in-memory"
        self.items: dict[Key, dict[str, Any]] = {}
        self._effects = effects or Effects()

    def get(self, key: Key) -> dict[str, Any]:
        """Read one item, or raise NotFound."""
        if key not in self.items:
            raise NotFound(f"There is no {key.pk}.")
        return dict(self.items[key])

    def query_prefix(self, pk: str, sk_prefix: str) -> list[dict[str, Any]]:
        """Read the items of a partition by the beginning of their sort key, in its order."""
        keys = sorted(key for key in self.items if key.pk == pk and key.sk.startswith(sk_prefix))
        return [dict(self.items[key]) for key in keys]

    def query_index(self, index: str, *, hash_name: str, value: str, range_name: str, before: str) -> list[str]:
        """List partition keys by an index that holds only items with both of its attributes."""
        found = sorted(
            (str(item[range_name]), key.pk)
            for key, item in self.items.items()
            if item.get(hash_name) == value and range_name in item and str(item[range_name]) < before
        )
        return [pk for _, pk in found[:_INDEX_PAGE_ITEMS]]

    def create(self, records: Sequence[Record]) -> None:
        """Put new records, all or none, or raise Conflict."""
        with self._effects.take(f"create {records[0].key.sk}"):
            if any(record.key in self.items for record in records):
                raise Conflict(f"{records[0].key.pk} exists already.")
            self.items.update({record.key: _to_item(record) for record in records})

    def replace(
        self,
        record: Record,
        *,
        expected_version: int,
        allowed: Mapping[str, Sequence[str]],
        also_create: Sequence[Record] = (),
    ) -> None:
        """Put a record over the version and the states it was made from, or raise Conflict."""
        item = _to_item(record)
        with self._effects.take(f"write {record.key.sk} {item.get('stage') or item.get('state')}"):
            kept = self.items.get(record.key, {})
            if kept.get("version") != expected_version or any(
                kept.get(attribute) not in states for attribute, states in allowed.items()
            ):
                raise Conflict(f"{record.key.pk} {record.key.sk} changed meanwhile.")
            if any(new.key in self.items for new in also_create):
                raise Conflict(f"{record.key.pk} {record.key.sk} changed meanwhile.")
            self.items[record.key] = item
            self.items.update({new.key: _to_item(new) for new in also_create})


def _to_item(record: Record) -> dict[str, Any]:
    content = record.model_dump(mode="json", exclude_none=True)
    return {
        name: _to_attribute(value)
        for name, value in {**content, **record.index_attributes(), **record.key._asdict()}.items()
    }


def _to_attribute(value: Any) -> Any:
    """Give a value as DynamoDB gives it back: numbers are decimal, and a float is refused."""
    if isinstance(value, float):
        raise TypeError("Float types are not supported. Use Decimal types instead.")
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, list):
        return [_to_attribute(part) for part in value]
    if isinstance(value, dict):
        return {name: _to_attribute(part) for name, part in value.items()}
    return value
