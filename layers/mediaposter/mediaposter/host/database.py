"""The SQLite file of a host: connections, transactions, and errors that say what was stored."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mediaposter.domain.errors import ConfigurationError, Contention, StorageFull

# "MPst": tells our file from every other (https://www.sqlite.org/pragma.html#pragma_application_id).
_APPLICATION_ID = 0x4D507374
# Raise it with every change after which an older program must not write the file, and migrate in `_prepare`.
SCHEMA_VERSION = 1
# A backup or a person's sqlite3 may hold the file; the host itself has one writer.
_BUSY_SECONDS = 5.0
# Each connection keeps pages of its own, up to 2 MiB; the system keeps those of the file once for all.
_SETTINGS = ("synchronous=FULL", "fullfsync=1", "checkpoint_fullfsync=1", "foreign_keys=1", "cache_size=-2048")
# As many readers are kept for the next; a burst opens more.
_READERS_MAX = 8
_UNREADABLE = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN)


class Database:
    """One SQLite file in WAL mode: one writer at a time, readers beside it. Methods may be called from any thread.

    A write is on disk when `write` returns: `synchronous=FULL` syncs the log at each commit, and on macOS `fullfsync`
    has the drive do it (https://www.sqlite.org/pragma.html). WAL needs a local disk (https://www.sqlite.org/wal.html).
    """

    def __init__(self, path: Path, *, busy_seconds: float = _BUSY_SECONDS) -> None:
        """Open the file, or make it.

        Raises:
            ConfigurationError: it is no file of ours, of another version, or lies where WAL does not work. It is as it
                was.
        """
        self.path = path
        self._busy_seconds = busy_seconds
        self._lock = threading.Lock()
        self._readers: deque[sqlite3.Connection] = deque()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._named_errors():
            self._writer = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the connection in a transaction, which commits when the block ends without an error, else rolls back.

        Raises:
            Contention: another program held the file too long; nothing was changed.
            StorageFull: the disk is full; nothing was changed.
        """
        with self._lock, self._named_errors():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled it back by itself.
                if self._writer.in_transaction:
                    with suppress(sqlite3.OperationalError):
                        self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection whose statements each see everything committed before."""
        with self._named_errors():
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._connect()
                connection.execute("PRAGMA query_only=1")
            try:
                yield connection
            finally:
                if len(self._readers) < _READERS_MAX:
                    self._readers.append(connection)
                else:
                    connection.close()

    def close(self) -> None:
        """Close the file. No thread may be using it."""
        while self._readers:
            self._readers.pop().close()
        with self._lock:
            self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            for setting in _SETTINGS:
                connection.execute(f"PRAGMA {setting}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self) -> None:
        is_new = self._check_version()
        [mode] = self._writer.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise ConfigurationError(
                f"{self.path} lies where SQLite cannot keep a write-ahead log, such as a network folder. Start on a "
                "folder of a local disk."
            )
        if is_new:
            # Before there is any table: an empty file without them is new as well.
            self._writer.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            self._writer.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _check_version(self) -> bool:
        """Tell whether the file is new; refuse it if it is not ours to write."""
        [application_id] = self._writer.execute("PRAGMA application_id").fetchone()
        [version] = self._writer.execute("PRAGMA user_version").fetchone()
        [tables] = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            return True
        if application_id != _APPLICATION_ID:
            raise ConfigurationError(
                f"{self.path} is no file of MediaPoster's. Start on another folder. It is as it was."
            )
        if version != SCHEMA_VERSION:
            age = "a newer" if version > SCHEMA_VERSION else "an older"
            raise ConfigurationError(
                f"{self.path} was written by {age} MediaPoster: its format is {version}, and this one reads "
                f"{SCHEMA_VERSION}. Start that version on it, or this one on another folder. It is as it was."
            )
        return False

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # The lower byte is the kind; the rest says where it happened (https://www.sqlite.org/rescode.html).
            kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Contention(f"Another program holds {self.path}; nothing was changed.") from error
            if kind == sqlite3.SQLITE_FULL:
                raise StorageFull(
                    f"The disk of {self.path} is full; nothing was changed. Make room, then ask again."
                ) from error
            if kind in _UNREADABLE:
                raise ConfigurationError(
                    f"{self.path} cannot be read: {error}. Put a backup in its place, or start on another folder. "
                    "Nothing was changed."
                ) from error
            raise
