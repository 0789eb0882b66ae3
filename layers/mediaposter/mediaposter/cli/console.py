"""Output that the commands share."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

# A file or a pipe has no width at which to break a row.
_COLUMNS_WITHOUT_TERMINAL = 1_000


def open_console() -> Console:
    """Write plain text to stdout: user-chosen names are not parsed as markup."""
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _COLUMNS_WITHOUT_TERMINAL
    return console


def create_table(*titles: str) -> Table:
    """Make a table whose first column is never broken."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for position, title in enumerate(titles):
        table.add_column(title, no_wrap=position == 0, overflow="fold")
    return table
