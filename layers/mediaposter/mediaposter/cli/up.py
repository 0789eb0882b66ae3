"""`mediaposter up`: serve a data folder until Ctrl-C, and say how to use it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Annotated, NamedTuple

import typer

from mediaposter import current
from mediaposter.cli.options import create_group
from mediaposter.host.app import Host
from mediaposter.host.disk import write_privately
from mediaposter.host.environment import ACCOUNTS, HostEnvironment, read_environment
from mediaposter.host.gateway import Gateway
from mediaposter.host.logs import write_logs
from mediaposter.host.routes import load_routes
from mediaposter.host.server import Server, create_app

PORT = 4600
_STACK_FILE = "host.json"
_CHECKOUT = Path(__file__).parents[4]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Options(NamedTuple):
    """The options of `mediaposter up`; `data` None is the usual folder."""

    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = PORT
    env_file: Path | None = None
    verbose: bool = False
    wait_scale: float = 1.0  # for tests


def choose_folder(
    environ: Mapping[str, str],
    *,
    platform: str = sys.platform,
    checkout: Path = _CHECKOUT,
    find_home: Callable[[], Path] = Path.home,
) -> Path:
    """Choose the data folder: `.local/` of a checkout, else the platform's folder for a user's data."""
    if (checkout / "template.yaml").is_file():
        return checkout / ".local" / "data"
    home = find_home()
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "MediaPoster"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "MediaPoster"
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "mediaposter"


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
        typer.Option(metavar="FILE", help="The keys of providers and Blotato. Default: .env."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the log on the screen, too.")] = False,
    wait_scale: Annotated[float, typer.Option(min=0.0, max=1.0, hidden=True)] = 1.0,
) -> None:
    """Run MediaPoster in this process until Ctrl-C."""
    serve(Options(data, host, port, env_file, verbose, wait_scale), environ=os.environ)


def _print(line: str) -> None:
    # At once: a pipe, as of `tee` or of a service's log, would hold it back until the end.
    print(line, flush=True)  # noqa: T201


def serve(
    options: Options,
    *,
    environ: Mapping[str, str],
    say: Callable[[str], object] = _print,
    ended: threading.Event | None = None,
) -> None:
    """Serve until Ctrl-C, SIGTERM, or `ended`.

    Raises:
        ConfigurationError: it cannot start; the sentence says what to do. Another host on the folder goes on.
    """
    stopping = ended or _wait_for_signals()
    folder = options.data or choose_folder(environ)
    env_file = options.env_file or Path(".env")
    environment, settings = read_environment(environ, env_file if env_file.is_file() else None)
    # The folder is locked before anything else is touched: another host on it is not disturbed, its log included.
    addresses: list[str] = []
    with Host(
        folder,
        environment=environment,
        settings=settings,
        public_url=lambda: addresses[0],
        wait_scale=options.wait_scale,
    ) as host:
        write_logs(folder / "log", verbose=options.verbose)
        server = Server(options.host, options.port)
        addresses.append(server.url)
        try:
            current.install(host.stack)
            key = host.ensure_key()
            gateway = Gateway(load_routes(), host.stack.keys.find)
            server.start(create_app(gateway=gateway, bucket=host.bucket, links=host.links, origins=[server.url]))
            resumed = host.start()
            _write_stack_file(folder, server.url, key)
            for line in explain(
                url=server.url,
                key=key,
                folder=folder,
                environment=environment,
                resumed=resumed,
                is_open=options.host not in _LOOPBACK,
            ):
                say(line)
            stopping.wait()
            say("Stopping: what runs is finished, what waits goes on at the next start.")
            say("Ctrl-C again stops at once; the next start carries on.")
        finally:
            (folder / _STACK_FILE).unlink(missing_ok=True)
            server.stop()
            current.install(None)


def explain(
    *,
    url: str,
    key: str,
    folder: Path,
    environment: HostEnvironment,
    resumed: int,
    is_open: bool,
) -> list[str]:
    """Write what a person needs to begin."""
    base_url = f"{url}/v1"
    lines = [
        "MediaPoster is up.",
        "",
        f"  base URL  {base_url}",
        f"  API key   {key}",
        f"  data      {folder}",
        "",
        *_list_accounts(environment),
        "",
        f"curl {base_url}/videos \\",
        f"  -H 'Authorization: Bearer {key}' \\",
        "  -H 'Content-Type: application/json' \\",
        '  -d \'{"prompt": "A paper boat on a rainy street"}\'',
        "",
        "from openai import OpenAI",
        "",
        "client = OpenAI(",
        f'    base_url="{base_url}",',
        f'    api_key="{key}",',
        ")",
        'video = client.videos.create_and_poll(prompt="A paper boat on a rainy street")',
        'client.videos.download_content(video.id).write_to_file("boat.mp4")',
        "",
    ]
    if resumed:
        lines += [f"{resumed} {'execution goes' if resumed == 1 else 'executions go'} on from the last time.", ""]
    if is_open:
        lines += [
            "Other machines can reach this address. Every request needs a key;",
            "the connection is not encrypted.",
            "",
        ]
    return [*lines, "Ctrl-C stops it."]


def _list_accounts(environment: HostEnvironment) -> list[str]:
    """Say for each provider, and for Blotato, whether there is a key, and which variable is missing."""
    lines = ["  sandbox   no key needed: a clip drawn here, for nothing"]
    for account in ACCOUNTS:
        if environment.find_key(account.name) is not None:
            lines.append(f"  {account.name:<9} your key")
            continue
        lines.append(f"  {account.name:<9} no key: not offered ({' or '.join(account.variables[:2])})")
        if account.note:
            lines.append(f"  {'':<9} {account.note}")
    if environment.blotato_api_key is None:
        lines.append("  blotato   no key: posts are pretended, nothing is public (BLOTATO_API_KEY)")
    else:
        lines.append("  blotato   your key: POSTS ARE REAL AND PUBLIC")
    return lines


def _write_stack_file(folder: Path, url: str, key: str) -> None:
    """Write how to reach this host, for the other commands; only this user can read it."""
    address = {"base_url": f"{url}/v1", "api_key": key, "process_id": os.getpid()}
    write_privately(folder / _STACK_FILE, json.dumps(address, indent=2) + "\n")


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
