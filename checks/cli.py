"""Keep docs/cli.md as the help of the commands is: `python -m checks.cli --write` writes it.

The tour above the mark is written by hand; everything below is the help of each command, at 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from checks.command import compare, keep
from mediaposter.cli.app import GROUPS, PROGRAM, VIDEO_COMMANDS, app, load_command

PAGE = "docs/cli.md"
_MARK = "<!-- Below: the help of each command, by `python -m checks.cli --write`. -->"
_COLUMNS = 80


def write_page(root: Path) -> dict[str, str]:
    """Give the page: the tour as it is, and the help of every command."""
    path = root / PAGE
    tour = path.read_text(encoding="utf-8").partition(_MARK)[0] if path.exists() else ""
    sections = [_describe("All commands", get_command(app), PROGRAM, level=2)]
    for name in (*VIDEO_COMMANDS, *GROUPS):
        sections += _list_sections(load_command(name), f"{PROGRAM} {name}")
    return {PAGE: f"{tour}{_MARK}\n\n" + "\n".join(sections)}


def check_cli(root: Path) -> Iterator[str]:
    """Find where the page says something else than the commands."""
    return compare(root, write_page(root), "python -m checks.cli --write")


def _list_sections(command: Any, path: str) -> Iterator[str]:
    # A group that does something by itself, as `models`, has a help worth reading; others only list their commands.
    if not isinstance(command, TyperGroup) or command.invoke_without_command:
        yield _describe(path, command, path, level=2)
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield _describe(f"{path} {name}", below, f"{path} {name}", level=2)


def _describe(title: str, command: Any, path: str, *, level: int) -> str:
    context = command.make_context(
        path, [], resilient_parsing=True, terminal_width=_COLUMNS, max_content_width=_COLUMNS
    )
    return f"{'#' * level} {title}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


if __name__ == "__main__":
    keep(write_page, check_cli)
