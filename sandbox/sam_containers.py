"""A network of its own with podman in it, and SAM CLI's local commands, whose containers reach the local cloud there.

The cloud and its stand-ins listen on loopback, which a container cannot reach. So all of it runs in a private network
namespace, in which what containers send to their bridge goes to that loopback. Nothing leaves the namespace, and all
that runs in it ends with it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from sandbox.cloud import REGION, ROOT, TOOLS, CloudError, find_free_port, kill_process_group
from sandbox.sam_image import IMAGE

BRIDGE = "10.88.0.1"
STORAGE = TOOLS / "sam-local" / "containers"
_NEEDS = ("podman", "runc", "debootstrap", "iptables", "ip", "unshare")
_INSIDE = "--inside"
_NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_START_TIMEOUT_SECONDS = 120.0


def find_missing() -> list[str]:
    """List the commands that are not there."""
    return [command for command in _NEEDS if shutil.which(command) is None]


def is_inside() -> bool:
    """Tell whether this process has a network of its own."""
    return _INSIDE in sys.argv


def go_inside(module: str) -> None:
    """Run a module again in a network of its own, in the place of this process."""
    # The SDK says at each call that OpenAI's own API is gone.
    quiet = ("-W", "ignore:The Sora API is scheduled:DeprecationWarning")
    command = ["unshare", *_NAMESPACES, sys.executable, *quiet, "-m", module, _INSIDE]
    os.execvp(command[0], command)  # noqa: S606 (it needs no shell)


def open_network() -> None:
    """Bring up loopback, and lead what is sent to the bridge there."""
    Path("/proc/sys/net/ipv4/conf/all/route_localnet").write_text("1")
    _run("ip", "link", "set", "lo", "up")
    for chain in ("PREROUTING", "OUTPUT"):
        to = ("-j", "DNAT", "--to-destination", "127.0.0.1")
        _run("iptables", "-t", "nat", "-A", chain, "-d", BRIDGE, "-p", "tcp", *to)


@contextmanager
def run_podman(directory: Path) -> Iterator[str]:
    """Run podman's service while the block runs, and give its address for DOCKER_HOST."""
    # What an earlier run left: podman would not take it up from another directory.
    shutil.rmtree(STORAGE, ignore_errors=True)
    socket = directory / "podman.sock"
    with (directory / "podman.log").open("wb") as log:
        process = subprocess.Popen(
            [*_podman(), "system", "service", "--time=0", f"unix://{socket}"],
            env={**os.environ, "CONTAINERS_CONF": str(_write_settings(directory))},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until(socket.exists, "podman's service")
        yield f"unix://{socket}"
    finally:
        kill_process_group(process)


def import_image(root_files: Path, variables: Mapping[str, str]) -> None:
    """Make the base image of its files, with variables that every container has."""
    changes = [
        *(f"ENV {name}={value}" for name, value in variables.items()),
        "ENV LAMBDA_TASK_ROOT=/var/task",
        "ENV LAMBDA_RUNTIME_DIR=/var/runtime",
        "WORKDIR /var/task",
    ]
    changed = [part for change in changes for part in ("--change", change)]
    _run(*_podman(), "import", "--quiet", *changed, str(root_files), IMAGE)


class SamLocal:
    """SAM CLI's local commands over a built template."""

    def __init__(self, directory: Path, template: Path, docker_host: str, variables: Path) -> None:
        """Take where things are.

        Args:
            directory: where its logs go.
            template: what `sam build` wrote.
            docker_host: the address of podman's service.
            variables: the file of `--env-vars`.
        """
        self._directory = directory
        self._options = ("--template", str(template), "--env-vars", str(variables), "--skip-pull-image")
        self._docker_host = docker_host

    def invoke(self, function: str, event: Path) -> Any:
        """Run `sam local invoke` as the page says, and give what the function answered."""
        command = [*_sam(), "local", "invoke", function, "--event", str(event), *self._options]
        with (self._directory / "sam-invoke.log").open("ab") as log:
            done = subprocess.run(
                command, cwd=ROOT, env=self._environment(), stdout=subprocess.PIPE, stderr=log, check=True
            )
        return json.loads(done.stdout)

    @contextmanager
    def run(self, command: str) -> Iterator[str]:
        """Run `start-lambda` or `start-api` while the block runs, and give its address."""
        port = find_free_port()
        address = f"http://127.0.0.1:{port}"
        with (self._directory / f"sam-{command}.log").open("wb") as log:
            process = subprocess.Popen(
                [*_sam(), "local", command, "--port", str(port), "--warm-containers", "LAZY", *self._options],
                cwd=ROOT,
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_until(lambda: process.poll() is not None or _answers(address), f"sam local {command}")
            if process.poll() is not None:
                raise CloudError(f"sam local {command} ended with {process.returncode}: see {log.name}")
            yield address
        finally:
            kill_process_group(process)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DOCKER_HOST": self._docker_host,
            "SAM_CLI_TELEMETRY": "0",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
        }


def build_for_x86(directory: Path) -> Path:
    """Build the template with layers for this machine, and give what was built."""
    source = ROOT / "template.x86.yaml"
    source.write_text((ROOT / "template.yaml").read_text().replace("arm64", "x86_64"))
    try:
        target = r"TARGET=--python-version\ 3.13\ --python-platform\ x86_64-manylinux_2_28"
        subprocess.run(
            [*_sam(), "build", "--template", str(source), "--build-dir", str(directory)],
            cwd=ROOT,
            env={
                **os.environ,
                "MAKEFLAGS": target,
                "UV": str(ROOT / ".venv/bin/uv"),
                "SAM_CLI_TELEMETRY": "0",
                "AWS_DEFAULT_REGION": REGION,
            },
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    finally:
        source.unlink()
    return directory / "template.yaml"


def _answers(address: str) -> bool:
    try:
        httpx.get(address, timeout=5)
    except httpx.HTTPError:
        return False
    return True


def _wait_until(is_so: Any, what: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise CloudError(f"{what} did not come up within {_START_TIMEOUT_SECONDS:.0f} s.")
        time.sleep(0.2)


def _write_settings(directory: Path) -> Path:
    """Let containers have the limits of this process: podman's own may be higher than what may be raised here."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    told = ", ".join(f'"{name}={(most := resource.getrlimit(kind)[1])}:{most}"' for name, kind in limits.items())
    settings = directory / "containers.conf"
    settings.write_text(f"[containers]\ndefault_ulimits = [{told}]\n")
    return settings


def _podman() -> tuple[str, ...]:
    places = (f"--root={STORAGE}/root", f"--runroot={STORAGE}/run", f"--tmpdir={STORAGE}/state")
    return ("podman", *places, "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file")


def _sam() -> tuple[str, ...]:
    return (str(TOOLS / "sam/bin/sam"),)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
