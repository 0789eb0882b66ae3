"""One host at a time works in a data folder: two would both resume everything."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from mediaposter.domain.errors import ConfigurationError

_LOCK_FILE = "host.lock"
_HOLDER_FILE = "host.pid"


class HostLock:
    """The lock on a data folder. The operating system releases it when the process ends, by kill -9 too.

    SQLite takes the lock, on a file of its own beside the data: it locks alike on Linux, macOS and Windows, and a
    backup of the data does not meet it (https://www.sqlite.org/lockingv3.html).
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            ConfigurationError: another process has it, or the folder cannot be used. Nothing was changed.
        """
        holder = folder / _HOLDER_FILE
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                folder / _LOCK_FILE, timeout=0, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.OperationalError) as error:
            raise ConfigurationError(_explain(folder, error)) from error
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
            holder.write_text(str(os.getpid()), encoding="ascii")
        except (OSError, sqlite3.OperationalError) as error:
            self._connection.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise ConfigurationError(_explain(folder, error)) from error
            raise ConfigurationError(
                f"Another MediaPoster{_name_holder(holder)} works in {folder}. Use it, or stop it with Ctrl-C where it "
                "runs; or start this one on another folder. Nothing was changed."
            ) from error

    def release(self) -> None:
        """Release the folder for other hosts."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _explain(folder: Path, error: Exception) -> str:
    return f"The folder {folder} cannot be locked: {error}. It must be on a local disk, and writable."


def _name_holder(holder: Path) -> str:
    try:
        return f" (process {int(holder.read_text(encoding='ascii'))})"
    except (OSError, ValueError):
        return ""
