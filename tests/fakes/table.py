"""The table in memory. tests/unit/stores/test_table.py holds it to the same contract as DynamoDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.table import (
    INDEX_PAGE_MAX,
    Change,
    Create,
    Delete,
    Increase,
    IndexEntry,
    Key,
    Page,
    PageQuery,
    Put,
    Record,
    Replace,
    Table,
    build_item,
    name_item,
)
from tests.fakes.effects import Effects


class InMemoryTable(Table):
    """Items by their key, under the same conditions as the real table's.

    Attributes:
        meanwhile: what another worker does, once, right before the next write.
    """

    def __init__(self, effects: Effects | None = None) -> None:
        self.name = "in-memory"
        self.items: dict[Key, dict[str, Any]] = {}
        self.meanwhile: Callable[[], object] | None = None
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

    def query_index(
        self,
        index: str,
        *,
        hash_name: str,
        value: str,
        range_name: str,
        before: str,
        after: IndexEntry | None = None,
    ) -> list[IndexEntry]:
        """List entries of an index that holds only items with both of its attributes."""
        found = sorted(
            (str(item[range_name]), key)
            for key, item in self.items.items()
            if item.get(hash_name) == value and range_name in item and str(item[range_name]) < before
        )
        beyond = [entry for entry in found if after is None or entry > (after.value, after.key)]
        return [IndexEntry(key, place) for place, key in beyond[:INDEX_PAGE_MAX]]

    def swap(self, key: Key, name: str, *, expected: str, wanted: str) -> bool:
        """Replace the value of one attribute."""
        with self._effects.take(f"swap {name} of {key.sk}"):
            item = self.items.get(key, {})
            if item.get(name) != expected:
                return False
            self.items[key] = {**item, name: wanted}
            return True

    def take_number(self, key: Key, *, at_least: int, expires_at: int | None = None) -> int:
        """Take the next number of an item."""
        item = self.items.setdefault(key, dict(key._asdict()))
        number = max(int(item.get("next_number", at_least)), at_least)
        item["next_number"] = Decimal(number + 1)
        if expires_at is not None:
            item["ttl"] = Decimal(expires_at)
        return number

    def query_range(self, pk: str, sk_from: str, sk_to: str) -> list[dict[str, Any]]:
        """Read the items of a partition between two sort keys, in their order."""
        keys = sorted(key for key in self.items if key.pk == pk and sk_from <= key.sk <= sk_to)
        return [dict(self.items[key]) for key in keys]

    def get_many(self, keys: Sequence[Key]) -> list[dict[str, Any]]:
        """Read items in the order of their keys."""
        return [dict(self.items[key]) for key in keys if key in self.items]

    def query_page(self, index: str, query: PageQuery) -> Page:
        """Read one page of an index."""
        found = sorted(
            (
                (str(item[query.range_name]), key)
                for key, item in self.items.items()
                if item.get(query.hash_name) == query.value and query.range_name in item
            ),
            reverse=query.newest_first,
        )
        beyond = [
            (place, key)
            for place, key in found
            if query.after is None or (place < query.after if query.newest_first else place > query.after)
        ]
        seen = beyond[: query.read_max] if query.filters else beyond
        is_cut = len(seen) < len(beyond)
        fitting = [
            key
            for _, key in seen
            if all(self.items[key].get(name) == content for name, content in query.filters.items())
        ]
        return Page(
            keys=tuple(fitting[: query.limit]),
            has_more=len(fitting) > query.limit or is_cut,
            reached=seen[-1][0] if is_cut and not fitting else None,
        )

    def count_values(self, index: str, *, hash_name: str, value: str, attribute: str) -> Counter[str]:
        """Count a group of an index by an attribute."""
        return Counter(str(item[attribute]) for item in self.items.values() if item.get(hash_name) == value)

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes, all or none, or raise Conflict with those that cannot be."""
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            happen()
        with self._effects.take(describe_effect(changes[0])):
            failed = tuple(number for number, change in enumerate(changes) if not self._may(change))
            if failed:
                raise VersionConflict(
                    f"{name_item(changes[failed[0]])} changed meanwhile, or exists already.", changes=failed
                )
            for change in changes:
                self._make(change)

    def _may(self, change: Change) -> bool:
        if isinstance(change, Put):
            return True
        if isinstance(change, Create):
            kept = self.items.get(change.record.key)
            return kept is None or (change.now is not None and "ttl" in kept and kept["ttl"] < change.now)
        if isinstance(change, Replace):
            kept = self.items.get(change.record.key, {})
            return kept.get("version") == change.expected_version and all(
                kept.get(attribute) in states for attribute, states in change.allowed.items()
            )
        kept = self.items.get(change.key, {})
        if isinstance(change, Delete):
            return change.expected_version is None or kept.get("version") == change.expected_version
        return all(
            kept.get(attribute, 0) + amount <= change.at_most[attribute]
            for attribute, amount in change.amounts.items()
            if attribute in change.at_most
        )

    def _make(self, change: Change) -> None:
        if isinstance(change, Create | Put | Replace):
            self.items[change.record.key] = _to_item(change.record)
        elif isinstance(change, Delete):
            self.items.pop(change.key, None)
        else:
            item = self.items.setdefault(change.key, dict(change.key._asdict()))
            for attribute, amount in change.amounts.items():
                item[attribute] = Decimal(int(item.get(attribute, 0)) + amount)
            if change.expires_at is not None:
                item["ttl"] = Decimal(change.expires_at)


def describe_effect(change: Change) -> str:
    """Name the effect of a transaction by its first change."""
    if isinstance(change, Increase):
        return f"add to {change.key.sk}"
    if isinstance(change, Delete):
        return f"delete {change.key.sk}"
    if isinstance(change, Create):
        return f"create {change.record.key.sk}"
    record = change.record
    return f"write {record.key.sk} {getattr(record, 'stage', None) or getattr(record, 'state', None)}"


def _to_item(record: Record) -> dict[str, Any]:
    return {name: _to_attribute(value) for name, value in build_item(record).items()}


def _to_attribute(value: Any) -> Any:
    """Give a value as DynamoDB gives it back: numbers are decimal, and a float is refused."""
    # Most values are of these very types; a subclass, as an enumeration, is what its base is.
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict or isinstance(value, dict):
        return {name: _to_attribute(part) for name, part in value.items()}
    if kind is list or isinstance(value, list):
        return [_to_attribute(part) for part in value]
    if isinstance(value, float):
        raise TypeError("Float types are not supported. Use Decimal types instead.")
    return Decimal(value) if isinstance(value, int) else value
