"""The whole product on one machine: the cloud, and stand-ins for everything outside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from sandbox.cloud import ROOT, LocalCloud, Outside, Stack, stop_process_group

LOCAL_DIRECTORY = ROOT / ".local"
# Keys of the stand-ins; they open nothing else.
VIDEOS_KEY = "sk-sandbox"
GEMINI_KEY = "gemini-sandbox-key"
RUNWAY_KEY = "key_runway-sandbox"
BLOTATO_KEY = "blotato-sandbox-key="  # ends in =, as real ones do, so that nobody trims it


class StandIn(BaseModel):
    """A running stand-in."""

    model_config = ConfigDict(frozen=True)

    base_url: str

    @property
    def control_url(self) -> str:
        """Give the address of its script of faults and its log of calls."""
        origin = urlsplit(self.base_url)
        return f"{origin.scheme}://{origin.netloc}/_sandbox"


class World(BaseModel):
    """Everything that runs, and how to reach it."""

    model_config = ConfigDict(frozen=True)

    stack: Stack
    videos: StandIn
    gemini: StandIn
    runway: StandIn
    blotato: StandIn
    process_ids: tuple[int, ...]


@contextmanager
def run_world(
    directory: Path,
    *,
    wait_scale: float = 1.0,
    concurrency: int = 8,
    lease_seconds: int = 120,
    render_seconds: float = 4.0,
    rate_scale: float = 1.0,
) -> Iterator[World]:
    """Run the world while the block runs, and end all of it afterwards.

    Args:
        directory: where logs and build artifacts go.
        wait_scale: what a second of the state machine's waits takes.
        concurrency: how many Lambdas run at once.
        lease_seconds: how long an announced call may go unreported.
        render_seconds: how long the stand-in pretends to render.
        rate_scale: multiplies the rate limits of the Blotato stand-in.

    Raises:
        CloudError: the cloud did not come up.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rendering = ("--render-seconds", str(render_seconds))
    with ExitStack() as running:

        def start(name: str, *arguments: str) -> _Running:
            return running.enter_context(_run_stand_in(name, directory, *arguments))

        videos = start("videos_api", *rendering)
        gemini = start("gemini", *rendering)
        runway = start("runway", *rendering)
        blotato = start("blotato", "--rate-scale", str(rate_scale))
        cloud = running.enter_context(
            LocalCloud(directory, wait_scale=wait_scale, concurrency=concurrency, lease_seconds=lease_seconds)
        )
        stack = cloud.deploy(
            [
                Outside("sora", videos.stand_in.base_url, VIDEOS_KEY),
                Outside("gemini", gemini.stand_in.base_url, GEMINI_KEY),
                Outside("runway", runway.stand_in.base_url, RUNWAY_KEY),
                Outside("blotato", blotato.stand_in.base_url, BLOTATO_KEY),
            ]
        )
        stand_ins = (videos, gemini, runway, blotato)
        yield World(
            stack=stack,
            videos=videos.stand_in,
            gemini=gemini.stand_in,
            runway=runway.stand_in,
            blotato=blotato.stand_in,
            process_ids=(os.getpid(), *(running_one.process.pid for running_one in stand_ins), cloud.pid),
        )


class _Running:
    def __init__(self, process: subprocess.Popen[bytes], stand_in: StandIn) -> None:
        self.process = process
        self.stand_in = stand_in


@contextmanager
def _run_stand_in(name: str, directory: Path, *arguments: str) -> Iterator[_Running]:
    with (directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"sandbox.{name}", "--port", "0", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        if process.stdout is None:
            raise RuntimeError("The stand-in was started without a pipe.")
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"The stand-in {name} did not come up; see {directory / name}.log.")
        yield _Running(process, StandIn.model_validate(json.loads(line)))
    finally:
        stop_process_group(process)
