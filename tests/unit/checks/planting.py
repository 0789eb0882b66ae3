"""Put a fault into a copy of the repository, or stand-ins of commands on a path."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def plant(root: Path, path: str, old: str, new: str) -> str:
    """Replace a text that stands there once, and give the place where the new one begins, `path:line`."""
    text = (root / path).read_text()
    if text.count(old) != 1:
        raise AssertionError(f"{path} has {old!r} {text.count(old)} times")
    (root / path).write_text(text.replace(old, new))
    return f"{path}:{text[: text.index(old)].count(chr(10)) + 1}"


def put_command(path: Path, text: str) -> Path:
    """Put a shell script, and the folders that lead to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def link_commands(folder: Path) -> Path:
    """Link what a build runs, and no Python that the machine may have."""
    folder.mkdir()
    for name in ("find", "make", "mkdir", "rm", "sh", "touch", "which"):
        found = shutil.which(name)
        assert found, f"{name} is not installed"
        (folder / name).symlink_to(found)
    return folder
