"""`mediaposter backup`: copy the data folder of a host, while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mediaposter.cli.console import count_of, open_console
from mediaposter.cli.options import DataFolder, create_group
from mediaposter.cli.session import find_session
from mediaposter.host.backup import ARCHIVE_SUFFIX, back_up

app = create_group("Copy the data folder of a host, while it runs.")


@app.command("backup")
def make_backup(
    context: typer.Context,
    data: DataFolder = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="A file that ends in .tar, or a new folder. Default: mediaposter-DATE-TIME.tar, here.",
        ),
    ] = None,
) -> None:
    """Copy the data folder of a host, while it runs: the database, every file, and the host's secrets."""
    session = find_session(context)
    target = to or Path(f"mediaposter-{session.clock():%Y-%m-%d-%H%M%S}{ARCHIVE_SUFFIX}")
    made = back_up(data or session.choose_folder(), target)
    way = "unpack it into an empty folder, and then" if target.suffix == ARCHIVE_SUFFIX else "copy it with cp -a, and"
    open_console().print(
        f"{made.path} has the database and {count_of(made.files, 'file')}, {made.size_bytes / 1e6:.1f} MB. Keep it "
        f"private: it has this host's secrets.\n"
        f"To restore it, {way} mediaposter up --data THAT_FOLDER. Not beside the first host: both would carry on the "
        "same videos and posts."
    )
