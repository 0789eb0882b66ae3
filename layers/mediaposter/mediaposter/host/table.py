"""The table in SQLite: each item a row of JSON, and beside it a column for each attribute that an index reads."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.host.database import Database
from mediaposter.host.walker import WaitWrite
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
    Replace,
    Table,
    build_item,
    change_key,
    describe_conflict,
)

_PURGED_AT_ONCE = 1_000


class Index(NamedTuple):
    """What an index is grouped by, what it is sorted by, and what it keeps beside the keys."""

    hash_name: str
    range_name: str
    included: tuple[str, ...] = ()


# As in template.yaml; a test compares them.
INDEXES: Mapping[str, Index] = MappingProxyType(
    {
        "Due": Index("due", "due_at"),
        "Waiting": Index("waiting_for", "place"),
        "SchedulesByOwner": Index("schedule_owner", "schedule_place"),
        "ByOwner": Index("owner", "id"),
        "ByOwnerStatus": Index("owner_status", "id"),
        "ByOwnerModel": Index("owner_model", "id"),
        "ByOwnerStatusModel": Index("owner_status_model", "id"),
        "ByOwnerStage": Index("owner_stage", "id"),
        "ByOwnerBatch": Index("owner_batch", "id", ("status", "resolved_model")),
    }
)

Item: TypeAlias = dict[str, Any]
RecordChange: TypeAlias = Callable[[sqlite3.Connection, Item, Item], None]


class SqliteTable(Table):
    """The table in a SQLite file, on disk before a write returns.

    An item whose `ttl` (seconds since 1970) is over is gone at once; DynamoDB takes its time for that.
    """

    def __init__(
        self,
        database: Database,
        *,
        indexes: Mapping[str, Index] = INDEXES,
        clock: Callable[[], float] = time.time,
        record_change: RecordChange | None = None,
    ) -> None:
        """Make what the file lacks: the table, its indexes and their columns.

        Args:
            database: the file.
            indexes: by their names.
            clock: seconds since 1970.
            record_change: is given each item as it was (empty where there was none) and as it is written, within its
                transaction: what it writes there is kept with the item or not at all. It is not called for deletions.
        """
        self.name = str(database.path)
        self._database = database
        self._indexes = indexes
        self._clock = clock
        self._record_change = record_change
        self._columns = _list_columns(indexes)
        self._put_sql = _write_put(self._columns)
        with database.write() as connection:
            _make_schema(connection, indexes, self._columns)

    def get(self, key: Key) -> Item:
        """Read one row."""
        with self._database.read() as connection:
            found = connection.execute(
                f"SELECT content FROM items WHERE pk = ? AND sk = ? AND {_LIVES}", (*key, self._now)
            ).fetchone()
        if found is None:
            raise NotFound(f"There is no {key.pk}.")
        return _decode(found[0])

    def get_many(self, keys: Sequence[Key]) -> list[Item]:
        """Read rows in one statement."""
        if not keys:
            return []
        pairs = ", ".join(["(?, ?)"] * len(keys))
        # SQLite looks up no pair of columns IN a list: it would read the whole table. A cross join keeps this order
        # (https://www.sqlite.org/optoverview.html#crossjoin): one search of the key's index for each wanted key.
        with self._database.read() as connection:
            rows = connection.execute(
                f"WITH wanted (pk, sk) AS (VALUES {pairs}) SELECT items.pk, items.sk, content "
                f"FROM wanted CROSS JOIN items ON items.pk = wanted.pk AND items.sk = wanted.sk WHERE {_LIVES}",
                (*(part for key in keys for part in key), self._now),
            ).fetchall()
        found = {Key(pk, sk): content for pk, sk, content in rows}
        return [_decode(found[key]) for key in keys if key in found]

    def query_prefix(self, pk: str, sk_prefix: str) -> list[Item]:
        """Read the rows between the prefix and what follows all that begins with it."""
        return self.query_range(pk, sk_prefix, f"{sk_prefix}\U0010ffff")

    def query_range(self, pk: str, sk_from: str, sk_to: str) -> list[Item]:
        """Read rows in the order of their sort keys: by their UTF-8 bytes, as DynamoDB has it."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT content FROM items WHERE pk = ? AND sk BETWEEN ? AND ? AND {_LIVES} ORDER BY sk",
                (pk, sk_from, sk_to, self._now),
            ).fetchall()
        return [_decode(content) for (content,) in rows]

    def query_page(self, index: str, query: PageQuery) -> Page:
        """Read one page in one statement; a filter is applied to what the index gives."""
        hash_name, range_name = self._name_columns(index, query.hash_name, query.range_name)
        direction, beyond = ("DESC", "<") if query.newest_first else ("ASC", ">")
        filtered = [self._name_included(index, name) for name in query.filters]
        after = "" if query.after is None else f"AND {range_name} {beyond} ?"
        # One more row than asked for tells whether there are more.
        wanted = query.read_max if query.filters else query.limit
        sql = (
            f"SELECT {', '.join(['pk', 'sk', range_name, *filtered])} FROM items "
            f"WHERE {hash_name} = ? AND {range_name} IS NOT NULL {after} AND {_LIVES} "
            f"ORDER BY {range_name} {direction}, pk {direction}, sk {direction} LIMIT ?"
        )
        placed = () if query.after is None else (query.after,)
        with self._database.read() as connection:
            rows = connection.execute(
                sql, (query.value, *placed, self._now, -1 if wanted is None else wanted + 1)
            ).fetchall()
        is_cut = wanted is not None and len(rows) > wanted
        seen = rows[:wanted]
        contents = tuple(query.filters.values())
        fitting = [row for row in seen if tuple(row[3:]) == contents]
        return Page(
            keys=tuple(Key(row[0], row[1]) for row in fitting[: query.limit]),
            has_more=is_cut or len(fitting) > query.limit,
            reached=str(seen[-1][2]) if query.filters and is_cut and not fitting else None,
        )

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
        """List entries in one statement."""
        hash_name, range_name = self._name_columns(index, hash_name, range_name)
        beyond = "" if after is None else f"AND ({range_name}, pk, sk) > (?, ?, ?)"
        placed = () if after is None else (after.value, *after.key)
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT pk, sk, {range_name} FROM items WHERE {hash_name} = ? AND {range_name} < ? {beyond} "
                f"AND {_LIVES} ORDER BY {range_name}, pk, sk LIMIT {INDEX_PAGE_MAX}",
                (value, before, *placed, self._now),
            ).fetchall()
        return [IndexEntry(Key(pk, sk), place) for pk, sk, place in rows]

    def count_values(self, index: str, *, hash_name: str, value: str, attribute: str) -> Counter[str]:
        """Count within SQLite."""
        column = self._name_included(index, attribute)
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {column}, count(*) FROM items WHERE {_quote(hash_name)} = ? "
                f"AND {_quote(self._indexes[index].range_name)} IS NOT NULL AND {_LIVES} GROUP BY {column}",
                (value, self._now),
            ).fetchall()
        return Counter({str(content): count for content, count in rows})

    def swap(self, key: Key, name: str, *, expected: str, wanted: str) -> bool:
        """Replace the value of one attribute within a transaction."""
        with self._database.write() as connection:
            item = self._find(connection, key)
            if item.get(name) != expected:
                return False
            self._put(connection, item, {**item, name: wanted})
        return True

    def write_wait(self, wait: WaitWrite) -> bool:
        """Write what a job's wait listens with, as the state Listen does; False if a webhook came before."""
        key = Key(wait.pk, wait.sk)
        with self._database.write() as connection:
            kept = self._find(connection, key)
            if "hinted_at" in kept:
                return False
            version = kept.get("version", 0) + 1
            item = {**key._asdict(), **kept, "task_token": wait.task_token, "ttl": wait.ttl, "version": version}
            self._put(connection, kept, item)
        return True

    def take_number(self, key: Key, *, at_least: int, expires_at: int | None = None) -> int:
        """Take a number within a transaction; other counters never cause Contention."""
        with self._database.write() as connection:
            kept = self._find(connection, key)
            number = max(kept.get("next_number", at_least), at_least)
            item = {**key._asdict(), **kept, "next_number": number + 1}
            if expires_at is not None:
                item["ttl"] = expires_at
            self._put(connection, kept, item)
        return int(number)

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes in one transaction: first all conditions are looked at, then all is written.

        Raises:
            VersionConflict: a condition does not hold; `changes` numbers those of whose it does not.
            Contention: another program held the file too long; nothing was changed.
            StorageFull: the disk is full; nothing was changed.
        """
        # Encoded before the file is held: a value that cannot be kept is refused here.
        made = [build_item(change.record) if isinstance(change, Create | Put | Replace) else {} for change in changes]
        for item in made:
            _refuse_fractions(item)
        with self._database.write() as connection:
            kept = [self._find(connection, change_key(change)) for change in changes]
            failed = tuple(number for number, change in enumerate(changes) if not _allows(kept[number], change))
            if failed:
                raise VersionConflict(describe_conflict(changes, failed), changes=failed)
            for number, change in enumerate(changes):
                if isinstance(change, Delete):
                    connection.execute("DELETE FROM items WHERE pk = ? AND sk = ?", change.key)
                elif isinstance(change, Increase):
                    self._put(connection, kept[number], _add(kept[number], change))
                else:
                    self._put(connection, kept[number], made[number])

    def purge(self) -> int:
        """Remove up to 1,000 expired items, and count them; a host calls it now and then."""
        with self._database.write() as connection:
            return connection.execute(
                f"DELETE FROM items WHERE row IN (SELECT row FROM items WHERE ttl < ? LIMIT {_PURGED_AT_ONCE})",
                (self._now,),
            ).rowcount

    @property
    def _now(self) -> int:
        return int(self._clock())

    def _find(self, connection: sqlite3.Connection, key: Key) -> Item:
        """Read an item to change it: its numbers are `int`. Nothing is there where it is empty."""
        found = connection.execute(
            f"SELECT content FROM items WHERE pk = ? AND sk = ? AND {_LIVES}", (*key, self._now)
        ).fetchone()
        return {} if found is None else dict(json.loads(found[0]))

    def _put(self, connection: sqlite3.Connection, kept: Item, item: Item) -> None:
        connection.execute(
            self._put_sql,
            (item["pk"], item["sk"], item.get("ttl"), json.dumps(item), *(item.get(name) for name in self._columns)),
        )
        if self._record_change is not None:
            self._record_change(connection, kept, item)

    def _name_columns(self, index: str, hash_name: str, range_name: str) -> tuple[str, str]:
        known = self._indexes[index]
        if (hash_name, range_name) != known[:2]:
            raise ValueError(f"The index {index} is grouped by {known.hash_name} and sorted by {known.range_name}.")
        return _quote(hash_name), _quote(range_name)

    def _name_included(self, index: str, attribute: str) -> str:
        if attribute not in self._indexes[index].included:
            raise ValueError(f"The index {index} does not keep {attribute}.")
        return _quote(attribute)


_LIVES = "(ttl IS NULL OR ttl >= ?)"


def _quote(name: str) -> str:
    # A column has the name of its attribute after a word of its own, so that none meets another or a word of SQL.
    return f'"in_{name}"'


def _list_columns(indexes: Mapping[str, Index]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            name for index in indexes.values() for name in (index.hash_name, index.range_name, *index.included)
        )
    )


def _write_put(columns: Sequence[str]) -> str:
    names = ["ttl", "content", *map(_quote, columns)]
    return (
        f"INSERT INTO items (pk, sk, {', '.join(names)}) VALUES ({', '.join('?' * (len(names) + 2))}) "
        f"ON CONFLICT (pk, sk) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in names)}"
    )


def _make_schema(connection: sqlite3.Connection, indexes: Mapping[str, Index], columns: Sequence[str]) -> None:
    """Make the table, and its indexes anew where they are not those of this program."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS items "
        "(row INTEGER PRIMARY KEY, pk TEXT NOT NULL, sk TEXT NOT NULL, ttl INTEGER, content TEXT NOT NULL, "
        "UNIQUE (pk, sk))"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS items_ttl ON items (ttl) WHERE ttl IS NOT NULL")
    connection.execute("CREATE TABLE IF NOT EXISTS items_indexes (made TEXT NOT NULL)")
    wanted = json.dumps(dict(indexes))
    if connection.execute("SELECT made FROM items_indexes").fetchall() == [(wanted,)]:
        return
    for (name,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'items\\_by\\_%' ESCAPE '\\'"
    ).fetchall():
        connection.execute(f'DROP INDEX "{name}"')
    present = {row[1] for row in connection.execute("PRAGMA table_info(items)")}
    for name in columns:
        if _quote(name).strip('"') not in present:
            connection.execute(f"ALTER TABLE items ADD COLUMN {_quote(name)} TEXT")
    # Also what is there: a program that did not know an index left its columns as they were.
    settings = ", ".join(f"{_quote(name)} = ?" for name in columns)
    for row, content in connection.execute("SELECT row, content FROM items").fetchall():
        item = json.loads(content)
        connection.execute(f"UPDATE items SET {settings} WHERE row = ?", (*(item.get(name) for name in columns), row))
    for name, index in indexes.items():
        # The whole of what a list reads of it, so that no row is read. `ttl` is read for each.
        listed = [index.hash_name, index.range_name, *index.included]
        hash_column, range_column, *included = map(_quote, listed)
        connection.execute(
            f'CREATE INDEX "items_by_{name}" ON items ({hash_column}, {range_column}, '
            f"{', '.join(['pk', 'sk', *included, 'ttl'])}) "
            f"WHERE {hash_column} IS NOT NULL AND {range_column} IS NOT NULL"
        )
    connection.execute("DELETE FROM items_indexes")
    connection.execute("INSERT INTO items_indexes VALUES (?)", (wanted,))


def _allows(kept: Mapping[str, Any], change: Change) -> bool:
    """Tell whether an item, empty where there is none, is as a change demands."""
    if isinstance(change, Put):
        return True
    if isinstance(change, Create):
        return not kept or (change.now is not None and "ttl" in kept and kept["ttl"] < change.now)
    if isinstance(change, Replace):
        return kept.get("version") == change.expected_version and all(
            kept.get(attribute) in states for attribute, states in change.allowed.items()
        )
    if isinstance(change, Delete):
        return change.expected_version is None or kept.get("version") == change.expected_version
    return all(
        kept.get(attribute, 0) + amount <= change.at_most[attribute]
        for attribute, amount in change.amounts.items()
        if attribute in change.at_most
    )


def _add(item: Item, change: Increase) -> Item:
    added = {
        **change.key._asdict(),
        **item,
        **{name: item.get(name, 0) + amount for name, amount in change.amounts.items()},
    }
    if change.expires_at is not None:
        added["ttl"] = change.expires_at
    return added


def _refuse_fractions(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("Float types are not supported. Use Decimal types instead.")
    if isinstance(value, Mapping):
        for part in value.values():
            _refuse_fractions(part)
    elif isinstance(value, list | tuple):
        for part in value:
            _refuse_fractions(part)


def _decode(content: str) -> Item:
    return dict(json.loads(content, parse_int=Decimal))
