"""Output that the commands share: results on stdout, notes and progress on stderr."""

from __future__ import annotations

import sys
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

# A file or a pipe has no width at which to break a row.
_COLUMNS_WITHOUT_TERMINAL = 1_000


def open_console() -> Console:
    """Write plain text to stdout: user-chosen names are not parsed as markup."""
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _COLUMNS_WITHOUT_TERMINAL
    return console


def open_notes() -> Console:
    """Write notes to stderr; dim on a terminal, so that they are not taken for results."""
    # Rich obeys NO_COLOR and TERM=dumb, and writes no colours where there is no terminal.
    return Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


def create_table(*titles: str) -> Table:
    """Make a table whose first column is never broken."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for position, title in enumerate(titles):
        table.add_column(title, no_wrap=position == 0, overflow="fold")
    return table


def write_table(table: Table) -> None:
    """Write a table that fits the terminal; a pipe has all of it."""
    console = open_console()
    with console.capture() as capture:
        console.print(table, soft_wrap=False)
    # Rich fills each row with blanks, up to the width of the widest.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def write_note(text: str) -> None:
    """Write a note to stderr."""
    open_notes().print(Text(text, style="dim"))


def describe_age(seconds: float) -> str:
    """Write how long ago something was, in one unit: `12 s`, `5 min`, `3 h`, `9 d`."""
    seconds = max(seconds, 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def describe_elapsed(seconds: float) -> str:
    """Write a duration as a clock shows it: `0:07`, `12:30`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe_moment(timestamp: float) -> str:
    """Write a moment by the clock of this machine."""
    return f"{datetime.fromtimestamp(timestamp).astimezone():%Y-%m-%d %H:%M}"


def describe_bytes(count: int) -> str:
    """Write a size in megabytes, or kilobytes if it is small."""
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{count / 1e3:.0f} kB"


def count_of(number: int, what: str) -> str:
    """Write a number of things."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
