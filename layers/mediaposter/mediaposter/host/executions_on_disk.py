"""The executions of a host in its SQLite file, beside the records that they carry."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from mediaposter.domain.errors import Contention, NotStarted, StorageFull
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.host.database import Database
from mediaposter.host.executions import Execution

# An ended execution keeps its name for as long as Step Functions keeps one (developer guide, "Quotas").
_NAME_KEPT_SECONDS = 90 * 86_400


class SqliteExecutions:
    """Machine, name, input and status of each execution. Methods may be called from any thread."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        """Make the table if the file lacks it."""
        self._database = database
        self._clock = clock
        with database.write() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS executions (number INTEGER PRIMARY KEY, machine TEXT NOT NULL, "
                "name TEXT NOT NULL, input TEXT NOT NULL, status TEXT NOT NULL, changed_at REAL NOT NULL, "
                "UNIQUE (machine, name))"
            )
            connection.execute("CREATE INDEX IF NOT EXISTS executions_by_status ON executions (status, number)")

    def insert(self, execution: Execution) -> bool:
        """Put an execution as RUNNING, on disk, unless one of its machine and name is there; tell whether it was put.

        Raises:
            NotStarted: the file was held too long, or the disk is full; nothing was written.
        """
        try:
            with self._database.write() as connection:
                put = connection.execute(
                    "INSERT INTO executions (machine, name, input, status, changed_at) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (machine, name) DO NOTHING",
                    (*execution, ExecutionStatus.RUNNING, self._clock()),
                )
                return put.rowcount == 1
        except (Contention, StorageFull, sqlite3.OperationalError) as error:
            raise NotStarted(f"The execution {execution.name} was not started: {error}") from error

    def find_status(self, machine: str, name: str) -> ExecutionStatus | None:
        """Give the status of an execution; None if there is none."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT status FROM executions WHERE machine = ? AND name = ?", (machine, name)
            ).fetchone()
        return None if found is None else ExecutionStatus(found[0])

    def finish(self, machine: str, name: str, status: ExecutionStatus) -> bool:
        """Change the status of an execution that is RUNNING; tell whether it was. Its input is kept no longer."""
        with self._database.write() as connection:
            changed = connection.execute(
                "UPDATE executions SET status = ?, input = '', changed_at = ? "
                "WHERE machine = ? AND name = ? AND status = ?",
                (status, self._clock(), machine, name, ExecutionStatus.RUNNING),
            )
            return changed.rowcount == 1

    def list_running(self) -> list[Execution]:
        """List the executions that are RUNNING, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT machine, name, input FROM executions WHERE status = ? ORDER BY number",
                (ExecutionStatus.RUNNING,),
            ).fetchall()
        return [Execution(*row) for row in rows]

    def purge(self) -> int:
        """Forget executions that ended 90 days ago, and count them."""
        with self._database.write() as connection:
            return connection.execute(
                "DELETE FROM executions WHERE status != ? AND changed_at < ?",
                (ExecutionStatus.RUNNING, self._clock() - _NAME_KEPT_SECONDS),
            ).rowcount
