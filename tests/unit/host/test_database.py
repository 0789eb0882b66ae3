"""The SQLite file of a host, and the lock on its folder."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.database import SCHEMA_VERSION, Database
from mediaposter.host.lock import HostLock
from mediaposter.host.table import SqliteTable
from mediaposter.stores.table import Key

WRITER = """
import sys
from pathlib import Path
from mediaposter.host.database import Database
from mediaposter.host.table import SqliteTable
from mediaposter.stores.table import Increase, Key

table = SqliteTable(Database(Path(sys.argv[1])))
while True:
    table.commit([Increase(Key("COUNTER", name), {"used": 1}) for name in "ab"])
    print("x", end="", flush=True)
"""
HOLDER = """
import sys, time
from pathlib import Path
from mediaposter.host.lock import HostLock

lock = HostLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def start(program: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)


def test_a_commit_syncs_the_log_and_the_drive(tmp_path: Path) -> None:
    database = Database(tmp_path / "library.sqlite")
    with database.write() as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "fullfsync", "checkpoint_fullfsync")
        }
    database.close()

    assert settings == {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "checkpoint_fullfsync": 1}


@pytest.mark.parametrize("commits", [1, 20])
def test_a_kill_loses_nothing_that_was_answered_and_halves_nothing(tmp_path: Path, commits: int) -> None:
    path = tmp_path / "library.sqlite"
    with start(WRITER, path) as writer:
        assert writer.stdout is not None
        answered = len(writer.stdout.read(commits))
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(random.uniform(0.001, 0.01))
        writer.kill()
        answered += len(writer.stdout.read())
    assert writer.returncode == -signal.SIGKILL

    database = Database(path)
    counts = {int(SqliteTable(database).get(Key("COUNTER", name))["used"]) for name in "ab"}
    with database.read() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    # The one that was being made is there or is not.
    assert counts in ({answered}, {answered + 1})


@pytest.mark.parametrize(
    ("version", "message"),
    [(SCHEMA_VERSION + 1, "a newer MediaPoster"), (SCHEMA_VERSION - 1, "an older MediaPoster")],
)
def test_a_file_of_another_version_is_refused_and_left_as_it_was(tmp_path: Path, version: int, message: str) -> None:
    path = tmp_path / "library.sqlite"
    database = Database(path)
    SqliteTable(database)
    with database.write() as connection:
        connection.execute(f"PRAGMA user_version={version}")
    database.close()
    before = path.read_bytes()

    with pytest.raises(ConfigurationError, match=message):
        Database(path)

    assert path.read_bytes() == before


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE things (name TEXT)")
    other.close()

    with pytest.raises(ConfigurationError, match="no file of MediaPoster's"):
        Database(path)


def test_a_file_that_is_damaged_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    path.write_bytes(b"no database" * 1_000)

    with pytest.raises(ConfigurationError, match="Put a backup in its place"):
        Database(path)


def test_a_page_that_is_damaged_is_told_when_it_is_read_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    with closing(Database(path)) as database, database.write() as connection:
        connection.execute("CREATE TABLE items (name TEXT)")
        connection.executemany("INSERT INTO items VALUES (?)", [(str(number) * 50,) for number in range(2_000)])
    damaged = bytearray(path.read_bytes())
    page = 4_096 * (len(damaged) // 4_096 // 2)
    damaged[page : page + 4_096] = b"\xff" * 4_096
    path.write_bytes(damaged)

    with (
        closing(Database(path)) as database,
        pytest.raises(ConfigurationError, match="Put a backup in its place"),
        database.read() as connection,
    ):
        connection.execute("SELECT count(name) FROM items WHERE name > ''").fetchall()
    assert path.read_bytes() == damaged


def test_a_second_process_on_a_folder_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    with start(HOLDER, tmp_path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigurationError, match=rf"MediaPoster \(process {holder.pid}\) works in .*Ctrl-C"):
            HostLock(tmp_path)
        holder.kill()

    with HostLock(tmp_path), pytest.raises(ConfigurationError, match="Another MediaPoster"):
        HostLock(tmp_path)
    HostLock(tmp_path).release()


def test_a_burst_of_readers_leaves_a_few_for_the_next(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "a.sqlite")) as database:
        with ExitStack() as burst:
            readers = [burst.enter_context(database.read()) for _ in range(20)]
        left = 0
        for reader in readers:
            with suppress(sqlite3.ProgrammingError):  # it is closed
                reader.execute("SELECT 1")
                left += 1

    assert 0 < left <= 8
