"""`mediaposter up`: serve a data folder until Ctrl-C, and say how to use it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, NamedTuple

import typer

from mediaposter import current
from mediaposter.cli.host_address import PORT, choose_folder
from mediaposter.cli.options import create_group
from mediaposter.cli.up_text import ENV_FILE, describe_start
from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.app import Host
from mediaposter.host.decoder import check_decoders
from mediaposter.host.disk import write_privately
from mediaposter.host.environment import read_environment
from mediaposter.host.folder import ADDRESS_FILE
from mediaposter.host.gateway import Gateway
from mediaposter.host.logs import write_logs
from mediaposter.host.memory import share_heaps
from mediaposter.host.routes import load_routes
from mediaposter.host.server import Server, create_app, list_own_origins

# At once: a pipe, as of `tee` or of a service's log, would hold it back until the end.
_print_line = partial(print, flush=True)


class Options(NamedTuple):
    """The options of `mediaposter up`; `data` None is the usual folder."""

    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = PORT
    env_file: Path | None = None
    verbose: bool = False
    needs_approval: bool = True
    wait_scale: float = 1.0  # for tests


app = create_group("Run MediaPoster in this process until Ctrl-C: the API, the pipeline, and everything kept.")


@app.command("up")
def bring_up(
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The data folder. Default: .local/data of a checkout, or yours.")
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0 is any free one.")] = PORT,
    env_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The keys of providers and Blotato. Default: .env of this folder."),
    ] = None,
    no_approval: Annotated[
        bool, typer.Option("--no-approval", help="Post at once; else real posts wait for your approval.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the log on the screen, too.")] = False,
    wait_scale: Annotated[float, typer.Option(min=0.0, max=1.0, hidden=True)] = 1.0,
) -> None:
    """Run MediaPoster in this process until Ctrl-C."""
    serve(Options(data, host, port, env_file, verbose, not no_approval, wait_scale), environ=os.environ)


def serve(
    options: Options,
    *,
    environ: Mapping[str, str],
    say: Callable[[str], object] = _print_line,
    ended: threading.Event | None = None,
) -> None:
    """Serve until Ctrl-C, SIGTERM, or `ended`.

    Raises:
        ConfigurationError: it cannot start; the sentence says what to do. Another host on the folder goes on.
    """
    share_heaps(environ)
    check_decoders()
    env_file = _find_env_file(options.env_file)
    if not options.needs_approval:
        environ = {**environ, "DEFAULT_APPROVAL": "none"}
    stopping = ended or _wait_for_signals()
    folder = (options.data or choose_folder(environ)).absolute()
    # The SDK's OPENAI_BASE_URL may lead here: that is no server of the Videos API for this host to ask.
    environment, settings = read_environment(environ, env_file, own_url=f"http://{options.host}:{options.port}")
    # The folder is locked before anything else is touched: another host on it is not disturbed, its log included.
    addresses: list[str] = []
    with _explained(folder):
        opened = Host(
            folder,
            environment=environment,
            settings=settings,
            public_url=lambda: addresses[0],
            wait_scale=options.wait_scale,
        )
    with opened as host:
        with _explained(folder):
            write_logs(folder / "log", verbose=options.verbose)
        server = Server(options.host, options.port)
        addresses.append(server.url)
        try:
            current.install(host.stack)
            key = host.ensure_key()
            gateway = Gateway(load_routes(), host.stack.keys.find)
            server.start(
                create_app(gateway=gateway, bucket=host.bucket, links=host.links, origins=list_own_origins(server.url))
            )
            resumed = host.start()
            with _told_address(folder, server.url, key, env_file or ENV_FILE.absolute()):
                for line in describe_start(
                    base_url=f"{server.url}/v1",
                    key=key,
                    folder=folder,
                    env_file=env_file,
                    environment=environment,
                    catalog=host.edges.read_catalog(),
                    settings=settings,
                    address=options.host,
                    resumed=resumed,
                    is_usual_folder=folder == choose_folder(environ).absolute(),
                ):
                    say(line)
                stopping.wait()
                say("Stopping: what runs is finished, what waits goes on at the next start.")
                say("Ctrl-C again stops at once; the next start carries on.")
        finally:
            server.stop()
            current.install(None)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Explain what the system refuses about a folder.

    Raises:
        ConfigurationError: with a way out.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot be used: {error.strerror or error}. Make it writable for this user, with room "
            "on its disk, or start on another one with --data. What is in it is as it was."
        ) from error


def _find_env_file(named: Path | None) -> Path | None:
    """Find the file with the keys: the one that was named, else `.env` of the working directory, if there is one."""
    if named is not None and not named.is_file():
        raise ConfigurationError(f"There is no file {named}. Name another with --env-file. Nothing was started.")
    found = named or ENV_FILE
    return found.resolve() if found.is_file() else None


@contextmanager
def _told_address(folder: Path, url: str, key: str, env_file: Path) -> Iterator[None]:
    """Say for the other commands how to reach this host, while it runs; only this user can read it."""
    address = {"base_url": f"{url}/v1", "api_key": key, "process_id": os.getpid(), "env_file": str(env_file)}
    write_privately(folder / ADDRESS_FILE, json.dumps(address, indent=2) + "\n")
    try:
        yield
    finally:
        (folder / ADDRESS_FILE).unlink(missing_ok=True)


def _wait_for_signals() -> threading.Event:
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        # A second one ends the process at once. The next start carries on, as after any crash.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return stopping
