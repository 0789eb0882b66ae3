"""Batches over fakes: their files in memory, the executions of their machine, and all that a stack does about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mediaposter.domain.errors import RateExceeded
from mediaposter.events import BatchEvent
from mediaposter.stores.batch_files import parts_key
from mediaposter.stores.batches import Batch, BatchSource, BatchStep
from mediaposter.usecases.batches.rows import BatchOutcome
from mediaposter.wire.batches import (
    BatchView,
    CancelBatchRequest,
    CreateBatchRequest,
    PartLine,
    read_parts,
)
from mediaposter.wire.caller import Caller
from mediaposter.wire.request_context import NEW_REQUEST, RequestContext
from tests.builders import OWNER, a_caller
from tests.fakes.batch_edges import FakeBatchFileStore, FakeBatchWorkflow
from tests.fakes.effects import Effects
from tests.fakes.world import World

BASE_URL = "https://api.example/v1"

# What lies between two tries of a part that waits for room in its key's minutes, and how often it is tried.
_PART_AGAIN_SECONDS = 30
_PART_TRIES_MAX = 3_000


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
        files: Callable[[Effects], FakeBatchFileStore] = FakeBatchFileStore,
        batch_workflow: Callable[[Effects], Any] = FakeBatchWorkflow,
        **options: Any,
    ) -> None:
        self.effects = effects or Effects()
        ids = [f"video_{number:03}" for number in range(1, 500)]
        self.files = files(self.effects)
        self.workflow = batch_workflow(self.effects)
        self.said: list[BatchEvent] = []
        self.world = world_type(
            effects=self.effects,
            ids=ids,
            batch_ids=(f"batch_{number}" for number in range(1, 100)),
            batch_files=self.files,
            batch_workflow=self.workflow,
            say=self._say,
            **options,
        )
        stack = self.world.stack
        self.batches = stack.batches
        self.keys = stack.keys
        self.open = stack.open_batch
        self.end = stack.end_batch
        self.read_rows = stack.read_rows
        self.submit_chunk = stack.submit_chunk
        self.finish_submitting = stack.finish_submitting
        self.write_results = stack.write_results
        self.cancel_video = stack.cancel_video
        self.cancel_part = stack.cancel_part
        self.look_after = stack.monitor_batch
        self.read = stack.read_batches
        self.cancel = stack.cancel_batch

    def create(self, *rows: Any, caller: Caller | None = None, request_context: RequestContext = NEW_REQUEST) -> Batch:
        """Ask for a batch of these rows."""
        request = CreateBatchRequest(rows=list(rows))
        return self.open(request, caller=caller or a_caller(), request_context=request_context)

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
        request_context = RequestContext(idempotency_key=f"inbox:{put.key}:{put.version_id}")
        return self.open.take_file(source, caller=a_caller(), request_context=request_context)

    def read_part(self, *rows: Any, **options: Any) -> PartLine:
        """Ask for a batch of a few rows, and read them into its one part."""
        batch = self.create(*rows, **options)
        self.read_rows(batch.id)
        (part,) = self.list_parts(batch.id)
        return part

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
                return self.submit_chunk(part)
            except RateExceeded:
                self.world.clock.advance(_PART_AGAIN_SECONDS)
        raise AssertionError("The rows of a part never found room.")

    def close(self, batch_id: str) -> None:
        """Take the step that closes the taking, and those that may follow."""
        if self.finish_submitting(batch_id).outcome is BatchOutcome.CANCELLED:
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

    def list_results(self, batch_id: str) -> list[dict[str, Any]]:
        """List the results of a batch."""
        return self.files.lines(f"batches/{batch_id}/results.jsonl")

    def begin(self, *rows: Any, **options: Any) -> str:
        """Ask for a batch of these rows and take them all; give its id."""
        batch = self.create(*rows, **options)
        self.take(batch.id)
        return batch.id

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
