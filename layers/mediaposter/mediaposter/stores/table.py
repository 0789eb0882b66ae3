"""The table's interface: every write is conditional. Each host has a subclass that stores the items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from pydantic import ConfigDict

from mediaposter.stores.checked_model import CheckedModel

# The maximum number of index entries in one list.
INDEX_PAGE_MAX = 100


class Key(NamedTuple):
    """The primary key of an item."""

    pk: str
    sk: str


class Record(CheckedModel, ABC):
    """A stored record: immutable, with a version so that of two concurrent writers only one wins."""

    # A record holds prompts and captions, and errors are logged.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    version: int = 1

    @property
    @abstractmethod
    def key(self) -> Key: ...

    def index_attributes(self) -> Mapping[str, str]:
        """Give the attributes that only an index reads."""
        return {}

    def _describe_itself(self) -> str:
        return f"{type(self).__name__} {self.key.pk} {self.key.sk}"


@dataclass(frozen=True)
class PageQuery:
    """Which page of an index to read.

    Attributes:
        hash_name: the attribute that the index is grouped by.
        value: the group to read.
        range_name: the attribute that the index is sorted by.
        limit: the maximum number of keys in a page.
        after: where the previous page ended.
        newest_first: whether the order is descending.
        filters: the required values of other attributes.
        read_max: how many entries to read for a filter; None is a megabyte of them.
    """

    hash_name: str
    value: str
    range_name: str
    limit: int
    after: str | None = None
    newest_first: bool = True
    filters: Mapping[str, str] = field(default_factory=dict)
    read_max: int | None = None


class IndexEntry(NamedTuple):
    """An index entry: the record's key, and the value that the index is sorted by."""

    key: Key
    value: str


class Page(NamedTuple):
    """A page of keys; `reached` is how far an empty page with more to read has come."""

    keys: tuple[Key, ...]
    has_more: bool
    reached: str | None = None


@dataclass(frozen=True)
class Create:
    """Put a new record; an expired one in its place counts as gone.

    Attributes:
        record: the new content.
        now: in seconds since 1970, if an expired record may still be there: DynamoDB removes it late.
    """

    record: Record
    now: int | None = None


@dataclass(frozen=True)
class Put:
    """Put a record, whether or not one exists."""

    record: Record


@dataclass(frozen=True)
class Replace:
    """Replace the version that a record was made from, if its states still allow that.

    Attributes:
        record: the new content.
        expected_version: the version that was read.
        allowed: for each state attribute, the values it may have now.
    """

    record: Record
    expected_version: int
    allowed: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Delete:
    """Remove a record, if its version is still the one that was read."""

    key: Key
    expected_version: int | None = None


@dataclass(frozen=True)
class Increase:
    """Add to the numbers of an item, which start at zero, unless one would exceed its maximum.

    Attributes:
        key: the item's key.
        amounts: the amount to add to each number; may be negative.
        at_most: the maximum of each number.
        expires_at: when the item may be removed, in seconds since 1970.
    """

    key: Key
    amounts: Mapping[str, int]
    at_most: Mapping[str, int] = field(default_factory=dict)
    expires_at: int | None = None


Change: TypeAlias = Create | Put | Replace | Delete | Increase


class Table(ABC):
    """Conditional reads and writes of records. Numbers come back as `Decimal`; a fraction is refused with TypeError."""

    name: str

    @abstractmethod
    def get(self, key: Key) -> dict[str, Any]:
        """Read one item, consistently.

        Raises:
            NotFound: there is none.
        """

    @abstractmethod
    def get_many(self, keys: Sequence[Key]) -> list[dict[str, Any]]:
        """Read up to 100 items, in the order of `keys`; missing items are left out."""

    @abstractmethod
    def query_prefix(self, pk: str, sk_prefix: str) -> list[dict[str, Any]]:
        """Read all items of one partition whose sort key begins with `sk_prefix`."""

    @abstractmethod
    def query_range(self, pk: str, sk_from: str, sk_to: str) -> list[dict[str, Any]]:
        """Read all items of one partition whose sort key lies between two values, both included."""

    @abstractmethod
    def query_page(self, index: str, query: PageQuery) -> Page:
        """Read one page of an index, which holds only the keys and the filtered attributes."""

    @abstractmethod
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
        """List up to 100 entries of one group of an index, oldest first, up to `before` and beyond `after`."""

    @abstractmethod
    def count_values(self, index: str, *, hash_name: str, value: str, attribute: str) -> Counter[str]:
        """Count a group of an index by an attribute that the index holds."""

    @abstractmethod
    def swap(self, key: Key, name: str, *, expected: str, wanted: str) -> bool:
        """Replace an attribute that an index sorts by, without a new version; tell whether `expected` was there.

        A writer that read the record before overwrites this and is not refused. So base no decision on this attribute.
        """

    @abstractmethod
    def take_number(self, key: Key, *, at_least: int, expires_at: int | None = None) -> int:
        """Take the next number of a counter item, which gives each number once and none below `at_least`.

        With `expires_at`, in seconds since 1970, the item is removed then, and the count restarts.

        Raises:
            Contention: other writers changed the counter at each try; no number was taken.
        """

    @abstractmethod
    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes of up to 100 items, all or none.

        Raises:
            VersionConflict: a condition does not hold; its `changes` has the indexes of the failed changes.
            Contention: other writers changed the same items at each try; nothing was changed.
        """

    def create(self, records: Sequence[Record]) -> None:
        """Put new records, all or none.

        Raises:
            VersionConflict: one of them already exists.
        """
        self.commit([Create(record) for record in records])

    def replace(self, record: Record, *, expected_version: int, allowed: Mapping[str, Sequence[str]]) -> None:
        """Replace the version that a record was made from, if its states still allow that.

        Raises:
            VersionConflict: another writer came first.
        """
        self.commit([Replace(record, expected_version, allowed)])


def change_key(change: Change) -> Key:
    """Give the key of the item that is changed."""
    return change.key if isinstance(change, Delete | Increase) else change.record.key


def describe_conflict(changes: Sequence[Change], failed: Sequence[int]) -> str:
    """Name the items whose condition did not hold."""
    return f"{' and '.join(name_item(changes[number]) for number in failed)} changed meanwhile, or exists already."


def name_item(change: Change) -> str:
    """Name the changed item for a message."""
    return " ".join(change_key(change))


def build_item(record: Record) -> dict[str, Any]:
    """Build the item of a record: its fields, its index attributes and its key."""
    content = record.model_dump(mode="json", exclude_none=True)
    return {**content, **record.index_attributes(), **record.key._asdict()}
