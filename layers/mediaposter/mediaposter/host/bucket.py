"""The bucket in a folder: each object is a file that you can open, with its earlier versions beside it."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO

from mediaposter.domain.errors import NotFound, StorageFull, VersionConflict
from mediaposter.host.bucket_files import guess_type, name_version_of, order_by_bytes, read_chunks, walk_keys
from mediaposter.host.disk import is_file, is_folder, make_folder, sync, sync_folder, wait_for_readers
from mediaposter.host.keys_on_disk import encode_key
from mediaposter.host.links import Links
from mediaposter.stores.bucket import READ_BYTES, Bucket, NewObject, OpenObject, StoredObject

logger = logging.getLogger(__name__)

# Our own part of the folder: no key maps into it, because no part of a key's path begins with a dot.
_OWN = ".bucket"
_TYPE_FILE = ".type"
_VERSION = re.compile(r"[0-9a-f]+-[0-9a-f]+")
_FULL = (errno.ENOSPC, errno.EDQUOT)
# The finest time step that every usual file system stores; with a coarser one we try further steps.
_TIME_STEP_NS = 1_000


class FolderBucket(Bucket):
    """The bucket of one process, which holds the folder's lock (`host.lock`). Methods may be called from any thread.

    A file is written beside, synced, and renamed into place: it is visible whole or not at all, even after a crash. A
    version is named by the time and the size of its file, also if a person put the file there. A version that another
    program replaces is lost; all others are kept until `forget_versions`.
    """

    def __init__(
        self,
        folder: Path,
        links: Links,
        *,
        is_shared: bool = False,
        replace: Callable[[Path, Path], None] = os.replace,
        link: Callable[[Path, Path], None] = os.link,
        sleep: Callable[[float], None] = time.sleep,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open the folder, or make it, and remove what an earlier process left unfinished.

        A command beside a running host says `is_shared`: then nothing is removed, because the host may be writing it.
        """
        self.name = str(folder)
        self._folder = folder
        self._links = links
        self._replace_file = replace
        self._link = link
        self._sleep = sleep
        self._clock_ns = clock_ns
        # Held for renames and look-ups, never while bytes are copied.
        self._lock = threading.RLock()
        self._uploads: dict[Path, str] = {}
        self._last_time_ns = 0
        self._unfinished = folder / _OWN / "unfinished"
        self._beside = folder / _OWN / "versions"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_shared:
            shutil.rmtree(self._unfinished, ignore_errors=True)
        make_folder(self._unfinished)

    def head(self, key: str) -> StoredObject:
        """Read the size and the time of the file."""
        with self._open_file(key, None) as (stored, _):
            return stored

    @contextmanager
    def open(
        self,
        key: str,
        *,
        version_id: str | None = None,
        first_byte: int = 0,
        size_bytes: int | None = None,
        chunk_bytes: int = READ_BYTES,
    ) -> Iterator[OpenObject]:
        """Open the file, or a version kept beside it."""
        with self._open_file(key, version_id) as (stored, file):
            file.seek(first_byte)
            wanted = stored.size_bytes if size_bytes is None else size_bytes
            yield OpenObject(stored, read_chunks(file, wanted, chunk_bytes))

    def locate(self, key: str, version_id: str | None) -> Path:
        """Give the file of an object, or of a version, for another process to read.

        The file may be replaced or removed at any time. If it is still the same version afterwards, the same call gives
        the same path.

        Raises:
            NotFound: there is no such object, or no such version.
        """
        with self._open_file(key, version_id) as (_, file):
            return Path(file.name)

    def put(self, key: str, content: bytes | IO[bytes], *, content_type: str) -> StoredObject:
        """Write the content beside, and rename it over the earlier one.

        Raises:
            StorageFull: the disk is full; the earlier object is unchanged.
        """
        with self._write_file(key) as (path, file):
            source = BytesIO(content) if isinstance(content, bytes) else content
            shutil.copyfileobj(source, file, READ_BYTES)
            return self._finish(path, file, key, content_type, may_replace=True)

    @contextmanager
    def create(self, key: str, *, content_type: str) -> Iterator[NewObject]:
        """Write what comes beside, and rename it if nothing is there then.

        Raises:
            StorageFull: the disk is full; nothing was stored.
        """
        with self._write_file(key) as (path, file):
            with self._lock:
                self._uploads[path] = key
            yield _Upload(self, path, file, key, content_type)

    def delete(self, key: str, *, version_id: str | None = None) -> None:
        """Remove the file, and keep it beside; or remove one version. An earlier one does not come back."""
        with self._lock, self._named_errors(key):
            path, beside = self._locate(key), self._locate_beside(key)
            current = name_version_of(path)
            if version_id is None and current is not None:
                kept = self._keep_version(key, path)
                self._remove(path)
                self._note_as_old(kept)
            elif version_id is not None and _VERSION.fullmatch(version_id):
                self._remove(path if version_id == current else beside / f".{version_id}")
            self._remove_empty(path.parent, beside)

    def delete_all(self, prefix: str) -> int:
        """Drop uploads, then remove files and versions."""
        with self._lock, self._named_errors(prefix):
            uploads = [path for path, key in self._uploads.items() if key.startswith(prefix)]
            for path in uploads:
                del self._uploads[path]
            removed = 0
            for key in [*self.list_keys(prefix), *self._list_beside(prefix)]:
                path, beside = self._locate(key), self._locate_beside(key)
                versions = [path for path in beside.glob(".*") if path.name != _TYPE_FILE] if is_folder(beside) else []
                for file in [path, *versions, beside / _TYPE_FILE]:
                    removed += self._remove(file) and file.name != _TYPE_FILE
                self._remove_empty(path.parent, beside)
        return len(uploads) + removed

    def list_keys(self, prefix: str) -> Iterator[str]:
        """Walk the folder. A file that no key names, as `50% off.csv`, is left out."""
        return iter(sorted(walk_keys(self._folder, prefix), key=order_by_bytes))

    def sign_get(self, key: str, *, filename: str, seconds: int) -> str:
        """Sign a link of this host."""
        return self._links.sign_get(key, filename=filename, seconds=seconds)

    def sign_put(self, key: str, *, content_type: str, size_bytes: int, seconds: int) -> str:
        """Sign a link of this host."""
        return self._links.sign_put(key, content_type=content_type, size_bytes=size_bytes, seconds=seconds)

    def forget_versions(self, *, older_than_seconds: int) -> int:
        """Remove versions replaced or deleted longer ago than that, and count them; a host calls it now and then."""
        oldest_ns = self._clock_ns() - older_than_seconds * 10**9
        forgotten = 0
        with self._lock:
            for key in self._list_beside(""):
                beside = self._locate_beside(key)
                for version in beside.glob(".*"):
                    if version.name != _TYPE_FILE and version.stat().st_mtime_ns < oldest_ns:
                        forgotten += self._remove(version)
                self._remove_empty(beside)
        return forgotten

    def finish_upload(self, path: Path, file: BinaryIO, key: str, content_type: str) -> str:
        """Make an upload an object, if its key is free; give its version. Called by the upload itself."""
        return str(self._finish(path, file, key, content_type, may_replace=False).version_id)

    @contextmanager
    def _open_file(self, key: str, version_id: str | None) -> Iterator[tuple[StoredObject, BinaryIO]]:
        with self._lock:
            found = self._find_file(key, version_id)
            if found is None:
                raise NotFound(f"There is no {key} in the bucket.", what="file")
            stored, file = found
        with file:
            yield stored, file

    def _find_file(self, key: str, version_id: str | None) -> tuple[StoredObject, BinaryIO] | None:
        path = self._locate(key)
        current = name_version_of(path)
        if current is not None and version_id in (None, current):
            found = current
        elif version_id is not None and _VERSION.fullmatch(version_id):
            path, found = self._locate_beside(key) / f".{version_id}", version_id
        else:
            return None
        if not is_file(path):
            return None
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None  # a person put a file there first
        size_bytes = os.fstat(file.fileno()).st_size
        return StoredObject(key, found, size_bytes, self._read_type(key), f'"{found}"'), file

    @contextmanager
    def _write_file(self, key: str) -> Iterator[tuple[Path, BinaryIO]]:
        """Open a file of its own to write, which is removed if it was not renamed."""
        path = self._unfinished / uuid.uuid4().hex
        with self._named_errors(key):
            try:
                with path.open("xb") as file:
                    yield path, file
            finally:
                with self._lock:
                    self._uploads.pop(path, None)
                path.unlink(missing_ok=True)

    def _finish(
        self, unfinished: Path, file: BinaryIO, key: str, content_type: str, *, may_replace: bool
    ) -> StoredObject:
        file.flush()
        self._stamp(file, _TIME_STEP_NS)
        size_bytes = file.tell()
        file.close()  # Windows renames no open file
        with self._lock:
            path = self._locate(key)
            if not may_replace and (unfinished not in self._uploads or is_file(path)):
                raise VersionConflict(f"Another worker stored or removed {key} first; this copy was dropped.")
            taken, step_ns = self._list_versions(key, path), _TIME_STEP_NS
            while name_version_of(unfinished) in taken:
                step_ns *= 2
                with unfinished.open("rb+") as again:
                    self._stamp(again, step_ns)
            version_id = str(name_version_of(unfinished))
            kept = self._keep_version(key, path) if is_file(path) else None
            self._keep_type(key, content_type)
            make_folder(path.parent)
            self._replace(unfinished, path)
            sync_folder(path.parent)
            if kept is not None:
                self._note_as_old(kept)
        return StoredObject(key, version_id, size_bytes, content_type, f'"{version_id}"')

    def _stamp(self, file: BinaryIO, step_ns: int) -> None:
        """Give a file a time that is later than that of every other by this process, and have it on disk."""
        with self._lock:
            now_ns = self._clock_ns()
            self._last_time_ns = max(now_ns - now_ns % _TIME_STEP_NS, self._last_time_ns + step_ns)
            moment = self._last_time_ns
        os.utime(file.name, ns=(moment, moment))
        sync(file.fileno())

    def _keep_version(self, key: str, path: Path) -> Path:
        """Keep a file beside under the name of its version. It stays where it is as well."""
        kept = self._locate_beside(key) / f".{name_version_of(path)}"
        make_folder(kept.parent)
        try:
            self._link(path, kept)
        except FileExistsError:
            return kept  # left by a process that crashed before it replaced the file
        except OSError as error:
            if error.errno in _FULL:
                raise
            # exFAT and some other file systems have no hard links.
            copy = self._unfinished / uuid.uuid4().hex
            shutil.copy2(path, copy)
            with copy.open("rb+") as file:
                sync(file.fileno())
            self._replace(copy, kept)
        sync_folder(kept.parent)
        return kept

    def _note_as_old(self, version: Path) -> None:
        """Say when a version became old. Its name tells which it is; until now its time did, where it was seen."""
        now_ns = self._clock_ns()
        os.utime(version, ns=(now_ns, now_ns))

    def _list_versions(self, key: str, path: Path) -> set[str | None]:
        beside = self._locate_beside(key)
        kept = {version.name.removeprefix(".") for version in beside.glob(".*")} if is_folder(beside) else set()
        return {*kept, name_version_of(path)} - {None}

    def _read_type(self, key: str) -> str:
        try:
            return (self._locate_beside(key) / _TYPE_FILE).read_text(encoding="utf-8")
        except OSError:
            return guess_type(key)

    def _keep_type(self, key: str, content_type: str) -> None:
        if self._read_type(key) == content_type:
            return
        path = self._locate_beside(key) / _TYPE_FILE
        if content_type == guess_type(key):
            self._remove(path)
            return
        make_folder(path.parent)
        unfinished = self._unfinished / uuid.uuid4().hex
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(content_type)
            file.flush()
            sync(file.fileno())
        self._replace(unfinished, path)
        sync_folder(path.parent)

    def _locate(self, key: str) -> Path:
        return self._folder / encode_key(key)

    def _locate_beside(self, key: str) -> Path:
        return self._beside / encode_key(key)

    def _list_beside(self, prefix: str) -> list[str]:
        return sorted({key.rpartition("/")[0] for key in walk_keys(self._beside, prefix, are_hidden=True)})

    def _replace(self, source: Path, target: Path) -> None:
        wait_for_readers(target, lambda: self._replace_file(source, target), sleep=self._sleep)

    def _remove(self, path: Path) -> bool:
        """Remove a file, and tell whether there was one."""
        if not is_file(path):
            return False
        wait_for_readers(path, path.unlink, sleep=self._sleep)
        sync_folder(path.parent)
        return True

    def _remove_empty(self, *folders: Path) -> None:
        """Remove folders that nothing is in, and those above them, up to the bucket's own."""
        for folder in folders:
            for each in (folder, *folder.parents):
                if each in (self._folder, self._beside) or (is_folder(each) and any(each.iterdir())):
                    break
                if is_folder(each):
                    each.rmdir()

    @contextmanager
    def _named_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                full = StorageFull(
                    f"The disk of {self._folder} is full, so {key} was not stored; what was there is as it was. Make "
                    "room, then ask again."
                )
                # A step waits for room by itself, so the person at this machine hears of it here alone.
                logger.warning("%s", full)
                raise full from error
            raise


class _Upload(NewObject):
    """An object that is being written to a file of its own."""

    def __init__(self, bucket: FolderBucket, path: Path, file: BinaryIO, key: str, content_type: str) -> None:
        self._bucket = bucket
        self._path = path
        self._file = file
        self._key = key
        self._content_type = content_type

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def complete(self) -> str:
        return self._bucket.finish_upload(self._path, self._file, self._key, self._content_type)
