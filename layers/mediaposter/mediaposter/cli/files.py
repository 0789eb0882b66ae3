"""Files that the commands write: to a temporary name, checked, then renamed; never over another without --force."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import httpx
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from mediaposter.cli.client import Client
from mediaposter.cli.console import describe_bytes, open_notes
from mediaposter.domain.errors import ConfigurationError
from mediaposter.http.reply import describe_error

_TRIES = 3


class Expected(NamedTuple):
    """What is known of a file before it is fetched."""

    size_bytes: int | None = None
    sha256: str | None = None


def choose_path(output: Path | None, name: str, *, is_forced: bool) -> Path:
    """Choose where a file goes: a folder gets `name` in it. Refuse before anything is fetched, or paid.

    Raises:
        ConfigurationError: there is a file already, or no such folder.
    """
    path = Path(name) if output is None else output
    # A slash at the end says folder, also of one that is not there yet.
    if output is not None and (output.is_dir() or str(output) == "."):
        path = output / name
    if path.exists() and not is_forced:
        raise ConfigurationError(f"{path} is there already. Name another with --output, or replace it with --force.")
    if not path.parent.is_dir():
        raise ConfigurationError(f"There is no folder {path.parent}. Make it first, or name another with --output.")
    if not os.access(path.parent, os.W_OK):
        raise ConfigurationError(f"The folder {path.parent} cannot be written to. Name another with --output.")
    return path


def fetch(client: Client, url_path: str, params: dict[str, str], path: Path, expected: Expected = Expected()) -> str:  # noqa: B008 (it is immutable)
    """Fetch a file, check it, and put it in place as a whole. Returns its path and size in words.

    Raises:
        Refusal: the API has no such file.
        Unreachable: it does not answer.
        ConfigurationError: it could not be written, or came broken each time. Nothing was left behind.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            return _fetch_once(client, url_path, params, path, expected)
        except (httpx.RequestError, _Broken) as error:
            if not tries_left:
                raise ConfigurationError(
                    f"The file did not come whole: {describe_error(error)}. Nothing was written; run the command again."
                ) from error
            client.sleep(1.0)
    raise AssertionError("the last try returns or raises")


class _Broken(Exception):
    """The file that came is not the one that was expected."""


def _fetch_once(client: Client, url_path: str, params: dict[str, str], path: Path, expected: Expected) -> str:
    with client.download(url_path, params) as response, contextlib.ExitStack() as cleanup:
        length = response.headers.get("content-length", "")
        total = expected.size_bytes or (int(length) if length.isdecimal() else None)
        try:
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
        except OSError as error:
            raise _refuse_write(path, error) from error
        part = Path(name)
        cleanup.callback(part.unlink, missing_ok=True)
        digest, count = hashlib.sha256(), 0
        try:
            with os.fdopen(descriptor, "wb") as file, _open_progress() as progress:
                task = progress.add_task(path.name[:30], total=total)
                for piece in response.iter_bytes():
                    digest.update(piece)
                    count += len(piece)
                    file.write(piece)
                    progress.update(task, completed=count)
            if total is not None and count != total:
                raise _Broken(f"{count:,} bytes came, of {total:,}")
            if expected.sha256 and digest.hexdigest() != expected.sha256:
                raise _Broken("its SHA-256 is not the one that was stored")
            # mkstemp makes files that other users cannot read.
            part.chmod(0o666 & ~_read_umask())
            part.replace(path)
        except OSError as error:
            raise _refuse_write(path, error) from error
    return f"{path} ({describe_bytes(count)})"


def _open_progress() -> Progress:
    console = open_notes()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        DownloadColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal or console.is_dumb_terminal,
    )


def _refuse_write(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be written: {error.strerror or error}. Name another place with --output. Nothing was left."
    )


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
