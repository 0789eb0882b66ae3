"""The cloud on one machine: MiniStack, empty or with what a snapshot has (sandbox/snapshot.py).

`LocalCloud.start` needs the two tool environments that `make tools` makes. It listens on loopback, on a free port,
and ends with `stop`, or with the process that started it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import httpx
from botocore.config import Config

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".tools"
REGION = "us-east-1"
_OWNER = "test"  # MiniStack's root credentials: this word as key and as secret
_START_TIMEOUT_SECONDS = 300.0
_SAVE_TIMEOUT_SECONDS = 300.0


class CloudError(Exception):
    """The local cloud did not come up; the message has the tool's last words."""


def find_free_port() -> int:
    """Find a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class LocalCloud:
    """MiniStack on a free port.

    Attributes:
        directory: where its log and what it unpacks go.
        wait_scale: what a second of a Wait state takes.
        concurrency: how many Lambdas run at once.
        snapshot: a directory with what it begins with; nothing is written back.
        saves_to: the directory of a snapshot that `save` makes.
    """

    directory: Path
    wait_scale: float = 1.0
    concurrency: int = 8
    snapshot: Path | None = None
    saves_to: Path | None = None
    port: int = field(default_factory=find_free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Give the address of all AWS services."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Give the id of MiniStack's process group."""
        if self._process is None:
            raise CloudError("MiniStack does not run.")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start MiniStack and wait until it answers.

        Raises:
            CloudError: it did not come up.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        log_path = self.directory / "ministack.log"
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [TOOLS / "ministack" / "bin" / "python", "-P", ROOT / "sandbox" / "run_ministack.py"],
                env=self.environment(),
                stdin=subprocess.PIPE,  # it ends when this end closes
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.endpoint_url}/_ministack/health", timeout=1).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        words = log_path.read_text(errors="replace")[-2000:]
        self.stop()
        raise CloudError(f"MiniStack did not come up on port {self.port}. Its last words:\n{words}")

    def client(self, service: Any) -> Any:
        """Make a client of a service of this cloud, with the rights of its owner."""
        return make_client(self.endpoint_url, service)

    def stop(self) -> None:
        """End MiniStack and the Lambdas it runs, at once: nothing of it is kept."""
        if self._process is None:
            return
        kill_process_group(self._process)
        self._process = None
        shutil.rmtree(self._scratch, ignore_errors=True)

    def save(self) -> None:
        """Write what there is as a snapshot, and end.

        Raises:
            CloudError: MiniStack did not end by itself, so the snapshot is not whole.
        """
        if self._process is None:
            raise CloudError("MiniStack does not run.")
        # It writes when it is asked to end; the Lambdas go with its group after that.
        self._process.terminate()
        try:
            self._process.wait(_SAVE_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise CloudError(f"MiniStack did not end within {_SAVE_TIMEOUT_SECONDS:.0f} s.") from error
        finally:
            self.stop()

    def environment(self) -> dict[str, str]:
        """Give the tools a clean environment: a Lambda inherits MiniStack's."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        state = self.snapshot or self.saves_to
        return {
            **kept,
            **({"PERSIST_STATE": "1", "STATE_DIR": str(state / "state")} if state else {}),
            **({"SAVE_STATE": "1"} if self.saves_to else {}),
            # A layer has 100 MB. Worlds of one snapshot share what it unpacks to.
            "LAYERS_DIR": str((state or self._scratch).absolute() / "layers"),
            "TMPDIR": str(self._scratch),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "AUTH": "true",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(self.concurrency),
            "SFN_WAIT_SCALE": str(self.wait_scale),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "SAM_CLI_TELEMETRY": "0",
            "AWS_ACCESS_KEY_ID": _OWNER,
            "AWS_SECRET_ACCESS_KEY": _OWNER,
            "AWS_DEFAULT_REGION": REGION,
        }

    @property
    def _scratch(self) -> Path:
        return self.directory.absolute() / "scratch"


def make_client(endpoint_url: str, service: Any, *, tries: int = 2, answers_within_seconds: float = 60) -> Any:
    """Make a client of a service of the cloud at an address, with the rights of its owner."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=_OWNER,
        aws_secret_access_key=_OWNER,
        config=Config(retries={"total_max_attempts": tries}, read_timeout=answers_within_seconds),
    )


def kill_process_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its group, and its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
