"""Batches over fakes: their files in memory, the executions of their machine, and all that a stack does about them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from mediaposter.api.batches import (
    BatchView,
    CancelBatchRequest,
    CreateBatchRequest,
    PartLine,
    read_parts,
)
from mediaposter.api.caller import Caller
from mediaposter.api.sent_as import SENT_ONCE, SentAs
from mediaposter.errors import NotFound, NotStarted, RateExceeded
from mediaposter.events import BatchEvent
from mediaposter.library.batch_files import FileVersion, parts_key
from mediaposter.library.batches import Batch, BatchLibrary, BatchSource, BatchStep
from mediaposter.library.executions import ExecutionStatus
from mediaposter.library.keys import KeyRing
from mediaposter.library.media import upload_key
from mediaposter.pipeline.cancel import CancelVideo
from mediaposter.pipeline.end_batch import CancelPart, EndBatch, LookAfterBatch, WriteResults
from mediaposter.pipeline.open_batch import CancelBatch, OpenBatch, ReadBatches
from mediaposter.pipeline.take_batch import BatchOutcome, CloseTaking, ReadRows, TakePart
from tests.builders import OWNER, a_caller
from tests.fakes.effects import Effects
from tests.fakes.world import World

BASE_URL = "https://api.example/v1"

# What lies between two tries of a part that waits for room in its key's minutes, and how often it is tried.
_PART_AGAIN_SECONDS = 30
_PART_TRIES_MAX = 3_000

Execution = tuple[str, BatchStep, int]


class FakeBatchFiles:
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


class BatchWorld:
    """One stack that takes batches.

    Attributes:
        world: the videos.
        said: what the bus was told of batches.
        keys: the keys of the stack.
    """

    def __init__(
        self,
        *,
        effects: Effects | None = None,
        world_type: Callable[..., World] = World,
        files: Callable[[Effects], FakeBatchFiles] = FakeBatchFiles,
        batch_workflow: Callable[[Effects], Any] = FakeBatchWorkflow,
        **options: Any,
    ) -> None:
        self.effects = effects or Effects()
        ids = [f"video_{number:03}" for number in range(1, 500)]
        self.world = world_type(effects=self.effects, ids=ids, **options)
        self.files = files(self.effects)
        self.workflow = batch_workflow(self.effects)
        self.said: list[BatchEvent] = []
        self.batches = BatchLibrary(self.world.table)
        self.keys = KeyRing(self.world.table, clock=self.world.clock)
        self._ids = [f"batch_{number}" for number in range(1, 100)]
        clock = self.world.clock
        self.open = OpenBatch(
            batches=self.batches,
            files=self.files,
            requests=self.world.requests,
            workflow=self.workflow,
            clock=clock,
            new_id=lambda: self._ids.pop(0),
        )
        self.end = EndBatch(batches=self.batches, send_event=self._say, clock=clock)
        self.read_rows = ReadRows(
            batches=self.batches, files=self.files, pictures=lambda: self.world.media, end=self.end, clock=clock
        )
        self.take_part = TakePart(
            batches=self.batches,
            files=self.files,
            submit=self.world.submit,
            requests=self.world.requests,
            find_key=self.keys.find_by_hash,
            clock=clock,
        )
        self.close_taking = CloseTaking(
            batches=self.batches, files=self.files, requests=self.world.requests, end=self.end, clock=clock
        )
        self.write_results = WriteResults(
            batches=self.batches,
            library=self.world.library,
            ledger=self.world.ledger,
            files=self.files,
            end=self.end,
            public_url=lambda: BASE_URL,
        )
        self.cancel_video = CancelVideo(
            library=self.world.library,
            ledger=self.world.ledger,
            models=self.world.give_model,
            workflow=self.world.workflow,
            close=self.world.close,
            report_fault=self.world.faults.append,
            clock=clock,
        )
        self.cancel_part = CancelPart(batches=self.batches, files=self.files, cancel_video=self.cancel_video)
        self.look_after = LookAfterBatch(batches=self.batches, workflow=self.workflow, end=self.end, clock=clock)
        self.world.look_after_batch = self.look_after
        self.read = ReadBatches(batches=self.batches, library=self.world.library, media=self.world.media)
        self.cancel = CancelBatch(batches=self.batches, workflow=self.workflow, clock=clock)

    def create(self, *rows: Any, caller: Caller | None = None, sent_as: SentAs = SENT_ONCE) -> Batch:
        """Ask for a batch of these rows."""
        request = CreateBatchRequest(rows=list(rows))
        return self.open(request, caller=caller or a_caller(), sent_as=sent_as)

    def drop(self, content: bytes, *, name: str = "kites.csv") -> Batch:
        """Take a file out of the inbox."""
        put = self.files.drop(f"inbox/{name}", content)
        stem, _, extension = name.rpartition(".")
        source = BatchSource(
            key=put.key,
            version_id=put.version_id,
            format="csv" if extension == "csv" else "jsonl",
            answer_stem=f"outbox/{stem}",
        )
        sent_as = SentAs(idempotency_key=f"inbox:{put.key}:{put.version_id}")
        return self.open.take_file(source, caller=a_caller(), sent_as=sent_as)

    def take(self, batch_id: str) -> Batch:
        """Carry the execution that takes a batch to its end."""
        if self.read_rows(batch_id).outcome is BatchOutcome.READ:
            for part in self.list_parts(batch_id):
                self.take_in_time(part)
            self.close(batch_id)
        self.workflow.executions[batch_id, BatchStep.TAKE, 1] = False
        return self.batches.get_unchecked(batch_id)

    def take_in_time(self, part: PartLine) -> None:
        """Take a part as often as its rows need to find room in the minutes of their key."""
        for _ in range(_PART_TRIES_MAX):
            try:
                return self.take_part(part)
            except RateExceeded:
                self.world.clock.advance(_PART_AGAIN_SECONDS)
        raise AssertionError("The rows of a part never found room.")

    def close(self, batch_id: str) -> None:
        """Take the step that closes the taking, and those that may follow."""
        if self.close_taking(batch_id).outcome is BatchOutcome.CANCELLED:
            self.cancel_parts(batch_id)

    def cancel_parts(self, batch_id: str) -> None:
        """Take the steps that cancel."""
        for part in self.list_parts(batch_id):
            self.cancel_part(part)

    def finish(self, batch_id: str) -> Batch:
        """Let the sweep see that all has ended, and write the results."""
        self.look_after(batch_id)
        self.write_results(batch_id)
        return self.batches.get_unchecked(batch_id)

    def complete(self, *rows: Any, **options: Any) -> Batch:
        """Carry a batch of these rows to its end."""
        batch = self.create(*rows, **options)
        self.take(batch.id)
        self.make_videos()
        return self.finish(batch.id)

    def make_videos(self) -> None:
        """Carry all videos to their ends, those that wait for a slot in their turn."""
        self.world.run_executions()
        while self.world.dispatch("sora"):
            self.world.run_executions()

    def ask_to_cancel(self, batch_id: str, *, running: bool = False, caller: Caller | None = None) -> None:
        """Ask for the end of a batch."""
        self.cancel(batch_id, CancelBatchRequest(running=running), caller=caller or a_caller())

    def view(self, batch_id: str) -> BatchView:
        """Read how a batch stands."""
        return self.read.retrieve(batch_id, caller=a_caller())

    def list_parts(self, batch_id: str) -> list[PartLine]:
        """List the parts of a batch, as the machine reads them."""
        return read_parts(self.files.read(parts_key(batch_id)))

    def list_outcomes(self, batch_id: str) -> list[dict[str, Any]]:
        """List what became of the rows of a batch."""
        keys = sorted(key for key in self.files.versions if key.startswith(f"batches/{batch_id}/parts/"))
        return [line for key in keys for line in self.files.lines(key)]

    def list_videos(self, batch_id: str) -> list[str]:
        """List the ids of the videos of a batch."""
        items = self.world.table.items.values()
        return sorted(str(item["id"]) for item in items if item.get("owner_batch") == f"{OWNER}#{batch_id}")

    def _say(self, event: BatchEvent) -> None:
        with self.effects.take(f"send {event.type}"):
            self.said.append(event)
