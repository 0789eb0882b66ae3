"""The table of a stack in trouble: in memory or in SQLite, beneath calls that may fail, die and sleep."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from mediaposter.domain.errors import Contention
from mediaposter.host.database import Database
from mediaposter.host.table import SqliteTable
from mediaposter.host.walker import WaitWrite
from mediaposter.stores.table import Change, Delete, Increase, IndexEntry, Key, Page, PageQuery, Table
from tests.fakes.clock import Clock
from tests.fakes.effects import Effects
from tests.fakes.table import InMemoryTable, describe_effect
from tests.fakes.trouble.vendors import Weather, fault

SeeWrite = Callable[[Key, dict[str, Any], dict[str, Any]], object]


class KeptInMemory(InMemoryTable):
    """Items in memory.

    Attributes:
        on_write: is told of every item that was written, with what it was before.
    """

    def __init__(self, effects: Effects) -> None:
        super().__init__(effects)
        self.on_write: SeeWrite = lambda _key, _before, _after: None

    def write_wait(self, wait: WaitWrite) -> bool:
        """Write down what a machine listens with, as DynamoDB would; False is that the condition does not hold."""
        key = Key(wait.pk, wait.sk)
        item = self.items.get(key, dict(key._asdict()))
        if "hinted_at" in item:
            return False
        version = item.get("version", Decimal(0)) + 1
        self.items[key] = {**item, "task_token": wait.task_token, "ttl": Decimal(wait.ttl), "version": version}
        return True

    def fail(self, call: str, *, is_done: bool) -> ClientError:
        """Build what botocore raises when it has given up, whether or not the call was done."""
        del is_done
        return fault(call)

    def _make(self, change: Change) -> None:
        key = change.key if isinstance(change, Delete | Increase) else change.record.key
        before = self.items.get(key, {}).copy()
        super()._make(change)
        self.on_write(key, before, self.items.get(key, {}))


class KeptInSqlite(SqliteTable):
    """Items in a SQLite file, as a host keeps them.

    Attributes:
        on_write: is told of every item that is written, within its transaction, with what it was before.
    """

    def __init__(self, database: Database, effects: Effects, clock: Clock) -> None:
        super().__init__(database, clock=clock.monotonic, record_change=self._see)
        self.on_write: SeeWrite = lambda _key, _before, _after: None
        self._effects = effects
        self._seen: dict[Key, dict[str, Any]] | None = None

    @property
    def items(self) -> dict[Key, dict[str, Any]]:
        """Read all that is in the file, and alive; only what was written since is read again."""
        if self._seen is None:
            with self._database.read() as connection:
                rows = connection.execute("SELECT pk, sk, content FROM items").fetchall()
            self._seen = {Key(pk, sk): json.loads(content, parse_int=Decimal) for pk, sk, content in rows}
        return {key: item for key, item in self._seen.items() if item.get("ttl", self._now) >= self._now}

    def swap(self, key: Key, name: str, *, expected: str, wanted: str) -> bool:
        """Replace the value of one attribute."""
        with self._effects.take(f"swap {name} of {key.sk}"):
            return super().swap(key, name, expected=expected, wanted=wanted)

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes, all or none."""
        with self._effects.take(describe_effect(changes[0])):
            super().commit(changes)
            self._seen = None  # of what was deleted it is not told

    def fail(self, call: str, *, is_done: bool) -> Exception:
        """Build what the host lets through: another program holds the file, or the disk fails behind a write."""
        if is_done:
            return sqlite3.OperationalError(f"{call}: disk I/O error")
        return Contention(f"{call}: another program holds the file; nothing was changed.")

    def _see(self, _: sqlite3.Connection, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        self._seen = None
        self.on_write(Key(after["pk"], after["sk"]), dict(before), dict(after))


KeptTable = KeptInMemory | KeptInSqlite
BuildTable = Callable[[Effects, Clock], KeptTable]


def keep_in_memory(effects: Effects, _: Clock) -> KeptTable:
    """Keep the items in memory."""
    return KeptInMemory(effects)


class TroubledTable(Table):
    """A table whose calls may fail: before they did anything, or after.

    Attributes:
        read_at: when each item was last read.
    """

    def __init__(self, kept: KeptTable, weather: Weather, clock: Clock) -> None:
        self.name = kept.name
        self.read_at: dict[Key, datetime] = {}
        self._kept = kept
        self._weather = weather
        self._clock = clock

    @property
    def items(self) -> dict[Key, dict[str, Any]]:
        """Give all that is kept, as the test sees it, whatever is wrong with the table."""
        return self._kept.items

    def watch(self, on_write: SeeWrite) -> None:
        """Tell `on_write` of every item that is written, with what it was before."""
        self._kept.on_write = on_write

    def write_wait(self, wait: WaitWrite) -> bool:
        """Write down what a machine listens with."""
        return self._kept.write_wait(wait)

    def get(self, key: Key) -> dict[str, Any]:
        self._read()
        self.read_at[key] = self._clock()
        return self._kept.get(key)

    def get_many(self, keys: Sequence[Key]) -> list[dict[str, Any]]:
        self._read()
        return self._kept.get_many(keys)

    def query_prefix(self, pk: str, sk_prefix: str) -> list[dict[str, Any]]:
        self._read()
        items = self._kept.query_prefix(pk, sk_prefix)
        self.read_at.update(dict.fromkeys((Key(item["pk"], item["sk"]) for item in items), self._clock()))
        return items

    def query_range(self, pk: str, sk_from: str, sk_to: str) -> list[dict[str, Any]]:
        self._read()
        return self._kept.query_range(pk, sk_from, sk_to)

    def query_page(self, index: str, query: PageQuery) -> Page:
        self._read()
        return self._kept.query_page(index, query)

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
        self._read()
        return self._kept.query_index(
            index, hash_name=hash_name, value=value, range_name=range_name, before=before, after=after
        )

    def count_values(self, index: str, *, hash_name: str, value: str, attribute: str) -> Counter[str]:
        self._read()
        return self._kept.count_values(index, hash_name=hash_name, value=value, attribute=attribute)

    def swap(self, key: Key, name: str, *, expected: str, wanted: str) -> bool:
        how = self._write("UpdateItem")
        is_swapped = self._kept.swap(key, name, expected=expected, wanted=wanted)
        if how == "deaf":
            raise self._kept.fail("UpdateItem", is_done=True)
        return is_swapped

    def take_number(self, key: Key, *, at_least: int, expires_at: int | None = None) -> int:
        self._write("UpdateItem")
        return self._kept.take_number(key, at_least=at_least, expires_at=expires_at)

    def commit(self, changes: Sequence[Change]) -> None:
        how = self._write("TransactWriteItems")
        self._kept.commit(changes)
        if how == "deaf":
            raise self._kept.fail("TransactWriteItems", is_done=True)

    def _read(self) -> None:
        if self._weather.find("table") == "down":
            raise self._kept.fail("GetItem", is_done=False)

    def _write(self, call: str) -> str | None:
        how = self._weather.find("table", "table writes")
        if how == "down":
            raise self._kept.fail(call, is_done=False)
        return how
