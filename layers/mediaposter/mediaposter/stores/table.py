"""The one table: items in and out, every write conditional. What keeps the items is a subclass, one for each host."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from pydantic import ConfigDict

from mediaposter.stores.checked_model import CheckedModel

# How many entries of an index are listed at once.
INDEX_PAGE_MAX = 100


class Key(NamedTuple):
    """The primary key of an item."""

    pk: str
    sk: str


class Record(CheckedModel, ABC):
    """A kept thing: immutable, and numbered so that two writers cannot both win."""

    # A record holds prompts and captions, and an error ends in a log.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    version: int = 1

    @property
    @abstractmethod
    def key(self) -> Key:
        """Give the primary key."""

    def index_attributes(self) -> Mapping[str, str]:
        """Give the attributes that only an index reads."""
        return {}

    def _describe_itself(self) -> str:
        return f"{type(self).__name__} {self.key.pk} {self.key.sk}"


@dataclass(frozen=True)
class PageQuery:
    """Which page of an index to read.

    Attributes:
        hash_name: the attribute that the index is grouped by, and
        value: the group.
        range_name: the attribute that it is sorted by.
        limit: how many keys a page has at most.
        after: where the page before ended.
        newest_first: whether it goes down.
        filters: what other attributes must be.
        read_max: how many entries are looked at for a filter; None is a megabyte of them.
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
    """What an index says of a record: its key, and the value that the index is sorted by."""

    key: Key
    value: str


class Page(NamedTuple):
    """A page of keys; `reached` is how far an empty one that has more has come."""

    keys: tuple[Key, ...]
    has_more: bool
    reached: str | None = None


@dataclass(frozen=True)
class Create:
    """Put a new record; one whose time is over counts as gone.

    Attributes:
        record: the new content.
        now: in seconds since 1970, where a record that has expired may still lie there: DynamoDB removes it late.
    """

    record: Record
    now: int | None = None


@dataclass(frozen=True)
class Put:
    """Put a record whether or not there is one."""

    record: Record


@dataclass(frozen=True)
class Replace:
    """Put a record over the version it was made from, if its states still allow that.

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
    """Remove a record, if it is still the version that was read."""

    key: Key
    expected_version: int | None = None


@dataclass(frozen=True)
class Increase:
    """Add to the numbers of an item, which begins at zero, as long as none becomes greater than it may.

    Attributes:
        key: of the item.
        amounts: what is added to each number; may be negative.
        at_most: how great a number may become.
        expires_at: when the item may be forgotten, in seconds since 1970.
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
        """Read up to 100 items, in the order of their keys; those that are gone are left out."""

    @abstractmethod
    def query_prefix(self, pk: str, sk_prefix: str) -> list[dict[str, Any]]:
        """Read all items of one partition whose sort key begins so."""

    @abstractmethod
    def query_range(self, pk: str, sk_from: str, sk_to: str) -> list[dict[str, Any]]:
        """Read all items of one partition whose sort key lies between two, both included."""

    @abstractmethod
    def query_page(self, index: str, query: PageQuery) -> Page:
        """Read one page of an index, of which only the keys and the filtered attributes are kept there."""

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
        """List up to 100 entries of an index under a value, oldest first, up to `before` and beyond `after`."""

    @abstractmethod
    def count_values(self, index: str, *, hash_name: str, value: str, attribute: str) -> Counter[str]:
        """Count a group of an index by an attribute that is kept there."""

    @abstractmethod
    def swap(self, key: Key, name: str, *, expected: str, wanted: str) -> bool:
        """Replace the value of one attribute that an index is sorted by, without a new version; tell whether it was so.

        A writer that read the record before overwrites this, and is not refused: it must never carry what is decided
        upon.
        """

    @abstractmethod
    def take_number(self, key: Key, *, at_least: int, expires_at: int | None = None) -> int:
        """Take the next number of an item that gives each number once, and none below `at_least`.

        With `expires_at`, in seconds since 1970, the item is forgotten then, and begins anew.

        Raises:
            Contention: others count the same item in a way that lets nobody through; no number was taken.
        """

    @abstractmethod
    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes of up to 100 items, all or none.

        Raises:
            VersionConflict: a condition does not hold; `changes` numbers those of whose it does not.
            Contention: others wrote the same items all the time; nothing was changed.
        """

    def create(self, records: Sequence[Record]) -> None:
        """Put new records, all or none.

        Raises:
            VersionConflict: one of them is there already.
        """
        self.commit([Create(record) for record in records])

    def replace(self, record: Record, *, expected_version: int, allowed: Mapping[str, Sequence[str]]) -> None:
        """Put a record over the version it was made from, if its states still allow that.

        Raises:
            VersionConflict: another writer came first.
        """
        self.commit([Replace(record, expected_version, allowed)])


def change_key(change: Change) -> Key:
    """Tell which item is changed."""
    return change.key if isinstance(change, Delete | Increase) else change.record.key


def describe_conflict(changes: Sequence[Change], failed: Sequence[int]) -> str:
    """Say which items were not as they had to be."""
    return f"{' and '.join(name_item(changes[number]) for number in failed)} changed meanwhile, or exists already."


def name_item(change: Change) -> str:
    """Name the item that is changed, for a message."""
    return " ".join(change_key(change))


def build_item(record: Record) -> dict[str, Any]:
    """Give the item of a record: what it says, what an index reads, its key."""
    content = record.model_dump(mode="json", exclude_none=True)
    return {**content, **record.index_attributes(), **record.key._asdict()}
