"""What files need to outlast a crash, and to be handled alike on Linux, macOS and Windows."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mediaposter.domain.errors import Contention

if sys.platform == "darwin":
    import fcntl

# Windows replaces and removes no file that another program reads: ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION.
# https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-
_HELD = (5, 32)
_HELD_TRIES = 20
_HELD_WAIT_SECONDS = 0.05


def is_file(path: Path) -> bool:
    """Tell whether there is a file; there is none of a name that is too long, where pathlib raises."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder, likewise."""
    return os.path.isdir(path)  # noqa: PTH112


def make_folder(path: Path) -> None:
    """Make a folder and those above it, so that they outlast a crash."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync(descriptor: int) -> None:
    """Have a file on the disk itself."""
    if sys.platform == "darwin":
        # There fsync leaves it to the drive when it writes.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Have the names of a folder on disk; Windows has no way to ask, and does it by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_privately(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all, in place of an earlier one."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        sync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def wait_for_readers(path: Path, act: Callable[[], None], *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Replace or remove a file, up to a second later if Windows does not let it go.

    Raises:
        Contention: another program still reads it; it is as it was.
    """
    for attempt in range(_HELD_TRIES):
        try:
            act()
        except OSError as error:
            if getattr(error, "winerror", None) not in _HELD:
                raise
            if attempt == _HELD_TRIES - 1:
                raise Contention(f"Another program reads {path}; it is as it was. Ask again.") from error
            sleep(_HELD_WAIT_SECONDS)
        else:
            return
