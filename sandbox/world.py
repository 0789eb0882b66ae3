"""The whole product on one machine: the cloud, and stand-ins for everything outside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from sandbox.cloud import ROOT, CloudError, LocalCloud, kill_process_group
from sandbox.snapshot import Outside, Stack, configure, use_snapshot

LOCAL_DIRECTORY = ROOT / ".local" / "cloud"
# You need no key to begin: the names of OpenAI's models are aliases of the sandbox model.
SANDBOX_ALIASES = {"sora-2": "sandbox-1", "sora-2-pro": "sandbox-1"}
VIDEOS_KEY = "sk-sandbox"
BLOTATO_KEY = "blotato-sandbox-key="  # ends in =, as real ones do, so that no code trims it
# The modules of the stand-ins, and the keys that open them and nothing else.
_STAND_INS = {
    "sora": ("videos_api", VIDEOS_KEY),
    "gemini": ("gemini", "gemini-sandbox-key"),
    "runway": ("runway", "key_runway-sandbox"),
    "fal": ("fal", "sandbox-key-id:sandbox-key-secret"),
}


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
    """Everything that runs, and how to reach it.

    `providers` are the stand-ins of the video models' vendors, by the name of the provider.
    """

    model_config = ConfigDict(frozen=True)

    stack: Stack
    providers: dict[str, StandIn]
    blotato: StandIn
    process_ids: tuple[int, ...]

    @property
    def videos(self) -> StandIn:
        """Give the server that speaks OpenAI's Videos API."""
        return self.providers["sora"]


class Surroundings(BaseModel):
    """The stand-ins that run around a cloud, by their names."""

    model_config = ConfigDict(frozen=True)

    stand_ins: dict[str, StandIn]
    process_ids: tuple[int, ...]

    @property
    def providers(self) -> list[Outside]:
        """List the providers that a stack is told of."""
        return [
            *(Outside(name, self.stand_ins[name].base_url, api_key) for name, (_, api_key) in _STAND_INS.items()),
            Outside("sandbox", self.stand_ins["sora"].base_url, "unused"),
        ]

    @property
    def publisher(self) -> Outside:
        """Give the publisher that a stack is told of."""
        return Outside("blotato", self.stand_ins["blotato"].base_url, BLOTATO_KEY)

    def make_world(self, stack: Stack, cloud: LocalCloud) -> World:
        """Describe it together with a stack on a cloud."""
        others = {name: stand_in for name, stand_in in self.stand_ins.items() if name != "blotato"}
        return World(
            stack=stack,
            providers=others,
            blotato=self.stand_ins["blotato"],
            process_ids=(os.getpid(), *self.process_ids, cloud.pid),
        )


@contextmanager
def run_world(
    directory: Path,
    *,
    wait_scale: float = 1.0,
    concurrency: int = 8,
    lease_seconds: int = 120,
    render_seconds: float = 4.0,
    rate_scale: float | None = None,
    aliases: Mapping[str, str] = MappingProxyType(SANDBOX_ALIASES),
    catalog: str | None = None,
    provider_webhooks: Sequence[str] = (),
    provider_concurrency: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[World]:
    """Run the local cloud while the block runs, and end all of it afterwards.

    Args:
        directory: where logs and build artifacts go.
        wait_scale: what a second of the state machine's waits takes.
        concurrency: how many Lambdas run at once.
        lease_seconds: how long an announced call may go unreported.
        render_seconds: how long the stand-in pretends to render.
        rate_scale: multiplies the rate limits of the Blotato stand-in, and what the stack keeps to. By default the
            limits go as fast as the waits. Otherwise a post would use up its tries while it waits for its rate slot.
        aliases: which models the names of OpenAI's lead to.
        catalog: what extends the catalog of models, as TOML.
        provider_webhooks: which providers are heard when they say that a render has ended.
        provider_concurrency: how many videos a provider renders at once, where it is not what the catalog says.

    Raises:
        CloudError: the cloud did not come up.
    """
    rate_scale = 1 / wait_scale if rate_scale is None else rate_scale
    with use_snapshot() as snapshot:
        cloud = LocalCloud(directory, wait_scale=wait_scale, concurrency=concurrency, snapshot=snapshot)
        with run_outside(cloud, render_seconds=render_seconds, rate_scale=rate_scale) as outside, cloud:
            stack = configure(
                cloud,
                outside.providers,
                blotato=outside.publisher,
                bedrock_url=outside.stand_ins["bedrock"].base_url,
                aliases=aliases,
                catalog=catalog,
                rate_scale=rate_scale,
                lease_seconds=lease_seconds,
                provider_webhooks=provider_webhooks,
                provider_concurrency=provider_concurrency,
            )
            yield outside.make_world(stack, cloud)


@contextmanager
def run_outside(cloud: LocalCloud, *, render_seconds: float, rate_scale: float) -> Iterator[Surroundings]:
    """Run the stand-ins for everything outside a cloud while the block runs; their logs go beside the cloud's."""
    cloud.directory.mkdir(parents=True, exist_ok=True)
    rendering = ("--render-seconds", str(render_seconds))
    stand_ins = {
        "blotato": ("blotato", "--rate-scale", str(rate_scale)),
        # Bedrock writes its videos into the stack's own bucket.
        "bedrock": ("bedrock", *rendering, "--s3-endpoint", cloud.endpoint_url),
        **{name: (module, *rendering) for name, (module, _) in _STAND_INS.items()},
    }
    with ExitStack() as running:
        # All of them come up at once.
        processes = {
            name: running.enter_context(_start_stand_in(cloud.directory, *command))
            for name, command in stand_ins.items()
        }
        yield Surroundings(
            stand_ins={name: _wait_for(process, cloud.directory) for name, process in processes.items()},
            process_ids=tuple(process.pid for process in processes.values()),
        )


@contextmanager
def _start_stand_in(directory: Path, module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with (directory / f"{module}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"sandbox.{module}", "--port", "0", "--until-eof", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill_process_group(process)


def _wait_for(process: subprocess.Popen[bytes], directory: Path) -> StandIn:
    """Read what a stand-in says once it listens."""
    if process.stdout is None:
        raise RuntimeError("The stand-in was started without a pipe.")
    line = process.stdout.readline()
    if not line:
        raise CloudError(f"A stand-in did not come up; see the logs in {directory}.")
    return StandIn.model_validate(json.loads(line))
