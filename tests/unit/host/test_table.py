"""What the table in SQLite has of its own; its contract is in tests/unit/stores/test_table.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from checks.cloudformation import read_template
from mediaposter.domain.errors import Contention, NotFound, StorageFull, VersionConflict
from mediaposter.host.database import Database
from mediaposter.host.table import INDEXES, Index, Item, SqliteTable
from mediaposter.stores.table import Create, Increase, Key, PageQuery, Put, Record, Replace

ROOT = Path(__file__).parents[3]
COUNTER = Key("COUNTER#1", "DAY")


class Note(Record):
    """A record with an owner, who lists it."""

    id: str = "1"
    owner: str = "ann"
    text: str = ""
    ttl: int | None = None

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return Key(f"NOTE#{self.id}", "NOTE")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "library.sqlite", busy_seconds=0.01)
    yield opened
    opened.close()


@pytest.fixture
def table(database: Database) -> SqliteTable:
    return SqliteTable(database)


def list_ids(table: SqliteTable, index: str = "ByOwner", hash_name: str = "owner") -> list[str]:
    page = table.query_page(index, PageQuery(hash_name, "ann", "id", limit=100, newest_first=False))
    return [key.pk for key in page.keys]


def test_its_indexes_are_those_of_the_template() -> None:
    properties = read_template(ROOT / "template.yaml").resources["LibraryTable"].properties

    assert {
        index["IndexName"]: Index(
            index["KeySchema"][0]["AttributeName"],
            index["KeySchema"][1]["AttributeName"],
            tuple(index["Projection"].get("NonKeyAttributes", ())),
        )
        for index in properties["GlobalSecondaryIndexes"]
    } == INDEXES
    assert properties["TimeToLiveSpecification"]["AttributeName"] == "ttl"


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_page_of_any_index_is_read_from_that_index_alone_and_not_sorted(
    database: Database, table: SqliteTable, name: str, newest_first: bool
) -> None:
    index = INDEXES[name]
    filters = dict.fromkeys(index.included, "open")
    query = PageQuery(
        index.hash_name, "ann", index.range_name, limit=20, after="5", newest_first=newest_first, filters=filters
    )
    asked: list[str] = []
    with database.read() as connection:
        connection.set_trace_callback(asked.append)
    table.query_page(name, query)

    with database.read() as connection:
        connection.set_trace_callback(None)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked[-1]}")]
    assert len(plan) == 1
    assert f"USING COVERING INDEX items_by_{name}" in plan[0]


def test_records_are_looked_up_by_their_keys_however_many_others_there_are(
    table: SqliteTable, database: Database
) -> None:
    notes = [Note(id=str(number)) for number in range(3)]
    table.create(notes)
    statements: list[str] = []
    with database.read() as connection:
        connection.set_trace_callback(statements.append)

    found = table.get_many([notes[2].key, Key("NOTE#9", "NOTE"), notes[0].key])

    assert [item["pk"] for item in found] == ["NOTE#2", "NOTE#0"]
    with database.read() as connection:
        connection.set_trace_callback(None)
        plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}")]
    assert any(step.startswith("SEARCH items USING INDEX") for step in plan)
    assert not any(step.startswith("SCAN items") for step in plan)


def test_an_index_that_is_not_told_as_it_is_is_refused(table: SqliteTable) -> None:
    with pytest.raises(ValueError, match="ByOwner is grouped by owner and sorted by id"):
        table.query_page("ByOwner", PageQuery("owner_status", "ann", "id", limit=1))
    with pytest.raises(ValueError, match="ByOwner does not keep status"):
        table.query_page("ByOwner", PageQuery("owner", "ann", "id", limit=1, filters={"status": "open"}))


def test_an_item_whose_time_is_over_is_gone_at_once(database: Database) -> None:
    now = [100.0]
    table = SqliteTable(database, clock=lambda: now[0])
    table.commit([Put(Note(ttl=100)), Increase(COUNTER, {"used": 7}, expires_at=100)])
    key = Note().key
    assert (table.get(key)["ttl"], list_ids(table)) == (100, ["NOTE#1"])

    now[0] = 101.0

    with pytest.raises(NotFound):
        table.get(key)
    assert (table.get_many([key]), table.query_prefix("NOTE#1", ""), list_ids(table)) == ([], [], [])
    with pytest.raises(VersionConflict):
        table.commit([Replace(Note(version=2), 1)])
    table.commit([Increase(COUNTER, {"used": 1}), Create(Note(text="new"))])
    assert (table.get(COUNTER)["used"], table.get(key)["text"]) == (1, "new")


def test_what_is_over_is_purged_and_what_is_not_stays(database: Database) -> None:
    table = SqliteTable(database, clock=lambda: 101.0)
    table.commit([Put(Note(id="1", ttl=100)), Put(Note(id="2", ttl=101)), Put(Note(id="3"))])

    assert (table.purge(), table.purge()) == (1, 0)

    with database.read() as connection:
        assert [pk for (pk,) in connection.execute("SELECT pk FROM items ORDER BY pk")] == ["NOTE#2", "NOTE#3"]


def test_an_index_that_comes_later_finds_what_was_there_before(tmp_path: Path) -> None:
    def open_with(indexes: Mapping[str, Index]) -> tuple[Database, SqliteTable]:
        database = Database(tmp_path / "library.sqlite")
        return database, SqliteTable(database, indexes=indexes)

    by_text = {**INDEXES, "ByText": Index("text", "id")}
    ids = []
    # The program that knows the index, then one that does not, then the first again.
    for number, indexes in enumerate([INDEXES, by_text, INDEXES, by_text]):
        database, table = open_with(indexes)
        table.commit([Put(Note(id=str(number), text="ann"))])
        ids = list_ids(table, *(("ByText", "text") if indexes is by_text else ()))
        database.close()

    assert ids == ["NOTE#0", "NOTE#1", "NOTE#2", "NOTE#3"]


def test_what_is_recorded_of_a_change_is_kept_with_it_or_not_at_all(database: Database) -> None:
    def record(connection: sqlite3.Connection, before: Item, after: Item) -> None:
        connection.execute("INSERT INTO told VALUES (?, ?)", (before.get("text"), after["text"]))

    with database.write() as connection:
        connection.execute("CREATE TABLE told (before TEXT, after TEXT UNIQUE)")
    table = SqliteTable(database, record_change=record)
    table.create([Note(id="1", text="new")])
    table.replace(Note(id="1", text="changed", version=2), expected_version=1, allowed={})
    with pytest.raises(sqlite3.IntegrityError):
        table.commit([Put(Note(id="2", text="another")), Put(Note(id="3", text="new"))])

    with database.read() as connection:
        assert connection.execute("SELECT * FROM told").fetchall() == [(None, "new"), ("new", "changed")]
    assert list_ids(table) == ["NOTE#1"]


def test_eight_threads_lose_no_write_and_take_no_number_twice(table: SqliteTable) -> None:
    def work(worker: int) -> list[int]:
        numbers = []
        for turn in range(10):
            table.commit([Increase(COUNTER, {"used": 1}), Create(Note(id=f"{worker}-{turn}"))])
            numbers.append(table.take_number(Key("COUNTER#2", "DAY"), at_least=0))
            table.get(Note(id=f"{worker}-{turn}").key)
        return numbers

    with ThreadPoolExecutor(8) as pool:
        taken = [number for numbers in pool.map(work, range(8)) for number in numbers]

    assert sorted(taken) == list(range(80))
    assert table.get(COUNTER)["used"] == 80
    page = table.query_page("ByOwner", PageQuery("owner", "ann", "id", limit=1_000))
    assert len(page.keys) == 80


def test_of_threads_that_replace_one_version_one_wins(table: SqliteTable) -> None:
    table.create([Note()])

    def replace(worker: int) -> bool:
        try:
            table.replace(Note(version=2, text=str(worker)), expected_version=1, allowed={})
        except VersionConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(replace, range(8))) == 1


def test_a_full_disk_is_told_and_changes_nothing(database: Database, table: SqliteTable) -> None:
    table.create([Note(text="kept")])
    with database.write() as connection:
        [pages] = connection.execute("PRAGMA page_count").fetchone()
    with database.write() as connection:
        connection.execute(f"PRAGMA max_page_count={pages + 2}")

    with pytest.raises(StorageFull, match="is full; nothing was changed"):
        table.commit([Put(Note(text="new")), Put(Note(id="2", text="x" * 100_000))])

    assert (table.get(Note().key)["text"], list_ids(table)) == ("kept", ["NOTE#1"])
    table.commit([Put(Note(text="there is room for this"))])


def test_a_file_that_another_program_holds_is_busy_and_nothing_was_changed(
    database: Database, table: SqliteTable
) -> None:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Contention, match="nothing was changed"):
        table.create([Note()])

    other.execute("ROLLBACK")
    other.close()
    table.create([Note()])
