"""Run the embedded host as a process, with stand-ins for the providers and Blotato; kill it and start it again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import httpx
from pydantic import BaseModel, ConfigDict

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
BLOTATO_KEY = "blotato-sandbox-key="
# No limits, and posts that are public before a scaled wait is over.
_AT_ONCE = ("--rate-scale", "1000", "--publish-seconds", "0.2")
# The modules of the stand-ins, the arguments that they take, and the variables that lead to them.
STAND_INS: dict[str, tuple[str, tuple[str, ...], str, dict[str, str]]] = {
    "sora": ("videos_api", ("--render-seconds", "0.5"), "SORA_BASE_URL", {"SORA_API_KEY": "sk-sandbox"}),
    "fal": ("fal", ("--render-seconds", "0.5"), "FAL_BASE_URL", {"FAL_KEY": "sandbox-key-id:sandbox-key-secret"}),
    "gemini": ("gemini", ("--render-seconds", "0.5"), "GEMINI_BASE_URL", {"GEMINI_API_KEY": "gemini-sandbox-key"}),
    "blotato": (
        "blotato",
        ("--rate-scale", "1000", "--publish-seconds", "0.2"),
        "BLOTATO_BASE_URL",
        {"BLOTATO_API_KEY": BLOTATO_KEY},
    ),
}


class StackFile(BaseModel):
    """What a host writes into its folder."""

    model_config = ConfigDict(extra="ignore")

    base_url: str
    api_key: str
    process_id: int


class EmbeddedHost:
    """A host on a folder. `start` and `kill` may be called again and again."""

    def __init__(self, folder: Path, variables: Mapping[str, str], *, wait_scale: float) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._variables = variables
        self._wait_scale = wait_scale
        self._port = find_free_port()
        self._process: subprocess.Popen[str] | None = None
        self._output: IO[str] | None = None
        self.starts = 0
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))

    @property
    def address(self) -> StackFile:
        """Tell how to reach it."""
        return StackFile.model_validate_json((self.data / "host.json").read_text())

    def start(self) -> None:
        """Start it, and wait until it answers."""
        (self.data / "host.json").unlink(missing_ok=True)
        self._output = (self.folder / "output.txt").open("a")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mediaposter", "up", "--data", str(self.data), "--port", str(self._port)),
                *("--env-file", str(self.folder / ".env"), "--wait-scale", str(self._wait_scale)),
            ],
            stdout=self._output,
            stderr=self._output,
            text=True,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
        )
        self.starts += 1
        ends_at = time.monotonic() + START_SECONDS
        while not (self.data / "host.json").is_file():
            if self._process.poll() is not None or time.monotonic() > ends_at:
                raise AssertionError(f"The host did not start.\n{(self.folder / 'output.txt').read_text()[-3_000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill -9, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._close()

    def stop(self) -> int:
        """Stop it as Ctrl-C does, and give its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        status = self._process.wait(timeout=60)
        self._close()
        return status

    @property
    def is_running(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.poll() is None

    def client(self, *, timeout: float = 60) -> httpx.Client:
        """Make a client of its API, with its key."""
        address = self.address
        return httpx.Client(
            base_url=address.base_url, headers={"Authorization": f"Bearer {address.api_key}"}, timeout=timeout
        )

    def _close(self) -> None:
        if self._output is not None:
            self._output.close()


def find_free_port() -> int:
    """Find a port that is free on the loopback interface."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def run_stand_ins(
    folder: Path, names: Iterable[str] = ("sora", "fal", "blotato"), options: tuple[str, ...] = ()
) -> Iterator[dict[str, str]]:
    """Run stand-ins while the block runs, with these options as well; give their base URLs."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as running:
        # All begin at once, then all are waited for.
        processes = {
            name: running.enter_context(
                _run(STAND_INS[name][0], (*STAND_INS[name][1], *options), folder / f"{name}.log")
            )
            for name in names
        }
        yield {name: _read_base_url(process) for name, process in processes.items()}


def name_variables(addresses: Mapping[str, str]) -> dict[str, str]:
    """Give the `.env` that leads to these addresses."""
    # With a key of Blotato's, posts would wait for an approval.
    variables: dict[str, str] = {"DEFAULT_APPROVAL": "none"}
    for name, address in addresses.items():
        _, _, variable, keys = STAND_INS[name]
        variables |= {variable: address, **keys}
    return variables


@contextmanager
def _run(module: str, arguments: tuple[str, ...], log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as output:
        process = subprocess.Popen(
            # It ends with this process, whatever ends that.
            [sys.executable, "-m", f"sandbox.{module}", "--until-eof", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            cwd=ROOT,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def _read_base_url(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise AssertionError("no pipe")
    return str(json.loads(process.stdout.readline())["base_url"])
