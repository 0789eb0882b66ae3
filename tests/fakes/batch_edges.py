"""The edges of batches: their files in memory, and a state machine service that only remembers what it started."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from mediaposter.domain.errors import NotFound, NotStarted
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.stores.batch_files import FileVersion
from mediaposter.stores.batches import BatchStep
from mediaposter.stores.media import upload_key
from tests.fakes.effects import Effects

Execution = tuple[str, BatchStep, int]


class FakeBatchFileStore:
    """Keeps files by their keys, every version of them.

    Attributes:
        versions: the contents of each key, the oldest first.
    """

    def __init__(self, effects: Effects | None = None) -> None:
        self.versions: dict[str, list[bytes]] = {}
        self._content_types: dict[str, str] = {}
        self._effects = effects or Effects()

    def drop(self, key: str, content: bytes, *, content_type: str = "binary/octet-stream") -> FileVersion:
        """Put a file as its owner does."""
        self.versions.setdefault(key, []).append(content)
        self._content_types[key] = content_type
        return FileVersion(key, f"v{len(self.versions[key])}", content_type)

    def text(self, key: str) -> str:
        """Read a file as its owner does."""
        return self.read(key).decode()

    def json(self, key: str) -> Any:
        """Read a file of JSON as its owner does."""
        return json.loads(self.read(key))

    def lines(self, key: str) -> list[dict[str, Any]]:
        """Read a file of JSON lines as its owner does."""
        return [json.loads(line) for line in self.read(key).splitlines()]

    def find_upload(self, owner: str, upload_id: str) -> FileVersion:
        """Find an upload."""
        key = upload_key(owner, upload_id)
        self.read(key)
        return FileVersion(key, f"v{len(self.versions[key])}", self._content_types[key])

    @contextmanager
    def open_version(self, key: str, version_id: str) -> Iterator[Iterator[bytes]]:
        """Open a version, a few bytes at a time."""
        versions = self.versions.get(key, [])
        number = int(version_id.removeprefix("v"))
        if not 1 <= number <= len(versions):
            raise NotFound(f"There is no {key}.", what="file")
        content = versions[number - 1]
        yield (content[first : first + 1_000] for first in range(0, len(content), 1_000))

    def read(self, key: str) -> bytes:
        """Read the newest version."""
        if key not in self.versions:
            raise NotFound(f"There is no {key}.", what="file")
        return self.versions[key][-1]

    def read_range(self, key: str, first_byte: int, size_bytes: int) -> bytes:
        """Read some of the newest version."""
        return self.read(key)[first_byte : first_byte + size_bytes]

    def put(self, key: str, content: bytes, *, content_type: str = "application/jsonl") -> FileVersion:
        """Put a file."""
        with self._effects.take(f"put {key.rpartition('/')[2]}"):
            return self.drop(key, content, content_type=content_type)

    @contextmanager
    def write(self, *keys: str, content_type: str = "application/jsonl") -> Iterator[IO[bytes]]:
        """Write a file, and put it when the block ends well."""
        spool = io.BytesIO()
        yield spool
        for key in keys:
            self.put(key, spool.getvalue(), content_type=content_type)


class FakeBatchWorkflow:
    """Remembers which executions of the batches' machine were started.

    Attributes:
        executions: all of them, and whether each runs.
        ended_as: how those ended that do not run any more.
        refuses: start none.
    """

    def __init__(self, effects: Effects | None = None) -> None:
        self.executions: dict[Execution, bool] = {}
        self.ended_as = ExecutionStatus.FAILED
        self.refuses = False
        self._effects = effects or Effects()

    def start(self, batch_id: str, step: BatchStep, run: int) -> None:
        """Start an execution once, or refuse to."""
        with self._effects.take(f"start {step}"):
            if self.refuses:
                raise NotStarted(f"The execution of {batch_id} was not started.")
            self.executions.setdefault((batch_id, BatchStep(step), run), True)

    def find_status(self, batch_id: str, step: BatchStep, run: int) -> ExecutionStatus | None:
        """Tell how such an execution stands."""
        runs = self.executions.get((batch_id, BatchStep(step), run))
        if runs is None:
            return None
        return ExecutionStatus.RUNNING if runs else self.ended_as
