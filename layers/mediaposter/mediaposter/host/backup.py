"""Back up the data folder of a host while it runs.

What is copied in which order, and why that is enough: docs/decisions/0040-series-and-backups-of-a-host.md.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple, Protocol

from mediaposter.domain.errors import ConfigurationError, Contention, StorageFull
from mediaposter.host.database import Database
from mediaposter.host.disk import sync, sync_folder
from mediaposter.host.folder import DATABASE_FILE, FILES_FOLDER, SANDBOX_FOLDER

ARCHIVE_SUFFIX = ".tar"
# The host's own secrets are not made again: links and webhooks that were handed out are signed with them.
_COPIED = ("secrets.json", FILES_FOLDER, SANDBOX_FOLDER)
# No writer of the host waits longer than it takes to copy so much.
_COPIED_UNDER_LOCK_BYTES = 32_000_000
_PASSES_MAX = 20
_NOT_AS_THEY_ARE = (".part", ".sqlite", ".sqlite-wal", ".sqlite-shm")
_UNFINISHED = Path(FILES_FOLDER) / ".bucket" / "unfinished"


class Backup(NamedTuple):
    """A finished backup: where it is, and the number and size of its files besides the databases."""

    path: Path
    files: int
    size_bytes: int


class _Version(NamedTuple):
    """The time and the size of a file, by which the bucket names its version."""

    time_ns: int
    size_bytes: int


class _Target(Protocol):
    """Takes files; one that is added again replaces the earlier. `beside` is a folder of its disk."""

    beside: Path

    def add(self, name: str, file: BinaryIO) -> None:
        """Add a file under its path below the data folder, with its time to the nanosecond."""

    def finish(self) -> None:
        """Have everything on disk."""

    def close(self) -> None:
        """Let go of it, finished or not."""


def back_up(folder: Path, target: Path) -> Backup:
    """Copy a data folder; whole or not at all.

    The database is that of one moment, and every file that its records name is there. To restore it, unpack it into an
    empty folder, with the times of its files, and start a host there.

    Args:
        folder: the data folder; its host may run.
        target: a file that ends in `.tar`, or an empty folder or none yet.

    Raises:
        ConfigurationError: `folder` is no data folder, or `target` cannot be written.
        Contention: the host stored files faster than they could be copied.
        StorageFull: the disk of `target` is full.
    """
    _check_target(folder, target)
    with closing(Database(folder / DATABASE_FILE)) as database, _open_target(target) as opened:
        copied = _copy_all(folder, database, opened)
    return Backup(target, len(copied), sum(version.size_bytes for version in copied.values()))


def _check_target(folder: Path, target: Path) -> None:
    if not (folder / DATABASE_FILE).is_file():
        raise ConfigurationError(
            f"{folder} is no data folder of MediaPoster's: it has no {DATABASE_FILE}. Name yours with --data."
        )
    if target.resolve().is_relative_to(folder.resolve()):
        raise ConfigurationError(f"{target} is within the data folder. Name another place with --to.")
    if target.is_dir() and target.suffix != ARCHIVE_SUFFIX and not any(target.iterdir()):
        return
    if target.exists():
        raise ConfigurationError(f"{target} exists, and a backup replaces nothing. Name another place with --to.")


def _copy_all(folder: Path, database: Database, target: _Target) -> dict[str, _Version]:
    copied: dict[str, _Version] = {}
    for _ in range(_PASSES_MAX):
        # The most, without a lock.
        _copy(folder, list(_list_changed(folder, copied)), copied, target)
        with database.write():
            # No record is written from here on, and what the records name was stored before.
            changed = list(_list_changed(folder, copied))
            if sum(version.size_bytes for _, version in changed) > _COPIED_UNDER_LOCK_BYTES:
                continue
            _copy(folder, changed, copied, target)
            # A file that was replaced after it was listed is kept beside by now.
            _copy(folder, list(_list_changed(folder, copied)), copied, target)
            snapshot = _open_snapshot(folder / DATABASE_FILE)
        with closing(snapshot):
            _add_database(snapshot, DATABASE_FILE, target)
        # After the snapshot: what a provider or publisher knows is never behind what a record says of it.
        for path in sorted((folder / SANDBOX_FOLDER).rglob("*.sqlite")):
            with closing(_open_snapshot(path)) as other:
                _add_database(other, path.relative_to(folder).as_posix(), target)
        return copied
    raise Contention(
        "The host stores files faster than they are copied to this place. Nothing was kept there; try again when the "
        "host has less to do."
    )


def _list_changed(folder: Path, copied: dict[str, _Version]) -> Iterator[tuple[str, _Version]]:
    """List the files that are not copied yet, or that another has replaced."""
    for path in _walk(folder):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        name, version = path.relative_to(folder).as_posix(), _Version(found.st_mtime_ns, found.st_size)
        if copied.get(name) != version:
            yield name, version


def _walk(folder: Path) -> Iterator[Path]:
    for name in _COPIED:
        if (folder / name).is_file():
            yield folder / name
        for place, folders, files in os.walk(folder / name):
            if Path(place).relative_to(folder) == _UNFINISHED:
                folders.clear()
                continue
            for file in files:
                if name != SANDBOX_FOLDER or not file.endswith(_NOT_AS_THEY_ARE):
                    yield Path(place, file)


def _copy(folder: Path, changed: list[tuple[str, _Version]], copied: dict[str, _Version], target: _Target) -> None:
    for name, _ in changed:
        try:
            file = (folder / name).open("rb")
        except FileNotFoundError:
            continue  # deleted or replaced; the next pass sees which
        with file:
            target.add(name, file)
            found = os.fstat(file.fileno())
        copied[name] = _Version(found.st_mtime_ns, found.st_size)


def _open_snapshot(path: Path) -> sqlite3.Connection:
    """Open a database as it is now; later commits are not seen (https://www.sqlite.org/isolation.html)."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _add_database(source: sqlite3.Connection, name: str, target: _Target) -> None:
    """Add a copy of a database, made by SQLite (https://www.sqlite.org/backup.html), if it is whole."""
    with TemporaryDirectory(dir=target.beside, prefix=".mediaposter-") as place:
        path = Path(place) / "copy.sqlite"
        try:
            with closing(sqlite3.connect(path)) as copy:
                source.backup(copy)
                [found] = copy.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            found = str(error)
        if found != "ok":
            raise ConfigurationError(
                f"{name} is damaged: {found}. Nothing was kept, so that no backup is taken for a whole one. Put an "
                "earlier backup in the place of the data folder."
            )
        with path.open("rb") as file:
            target.add(name, file)


@contextmanager
def _open_target(target: Path) -> Iterator[_Target]:
    """Open a target under another name, which becomes its own at the end."""
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(part)
        with ExitStack() as left:
            left.callback(_remove, part)
            opened = _Archive(part) if target.suffix == ARCHIVE_SUFFIX else _Folder(part)
            left.callback(opened.close)  # on a full disk it fails again
            yield opened
            opened.finish()
            if target.is_dir():
                target.rmdir()
            part.replace(target)
            sync_folder(target.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                f"The disk of {target} is full. Nothing was kept there; the data folder is as it was. Name a larger "
                "disk with --to."
            ) from error
        raise ConfigurationError(
            f"The backup {target} could not be made: {error.strerror or error}. Nothing was kept there; the data "
            "folder is as it was. Name another place with --to."
        ) from error


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


class _Folder:
    """A backup as a folder."""

    def __init__(self, part: Path) -> None:
        self._part = part
        self.beside = part
        part.mkdir(mode=0o700)

    def add(self, name: str, file: BinaryIO) -> None:
        path = self._part / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
            copy.flush()
            sync(copy.fileno())
        found = os.fstat(file.fileno())
        path.chmod(found.st_mode & 0o777)
        # The name of a version is made of it.
        os.utime(path, ns=(found.st_mtime_ns, found.st_mtime_ns))

    def finish(self) -> None:
        for place, _, _ in os.walk(self._part):
            sync_folder(Path(place))

    def close(self) -> None:
        """Close nothing: each file was."""


class _Archive:
    """A backup as a tar archive. Of a file that is there twice the last counts, as tar has it."""

    def __init__(self, part: Path) -> None:
        self.beside = part.parent
        self._file = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._archive = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, file: BinaryIO) -> None:
        entry = self._archive.gettarinfo(arcname=name, fileobj=file)
        seconds, nanoseconds = divmod(os.fstat(file.fileno()).st_mtime_ns, 10**9)
        # The name of a version is made of it; as a float it would lose digits.
        entry.pax_headers = {"mtime": f"{seconds}.{nanoseconds:09d}"}
        self._archive.addfile(entry, file)

    def finish(self) -> None:
        self._archive.close()
        self._file.flush()
        sync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
