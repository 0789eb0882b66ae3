"""How long a single request takes to start while a batch of 10,000 rows is submitted, beside an empty stack.

Run by hand: `python -m bench.burst [rows] [single requests a second]`; some minutes. The model is that of
`bench.contention`: the product's submit and its table's retries over a table in memory, whose transactions hold their
items for 10 ms of a simulated clock. The rows are those of one owner, submitted by the product's step in five parts at
once, as the batch machine does. Single requests come from ten other owners, and a tenth of them from the batch's own. A
single request has started when the first step of its execution runs and has a slot. The provider has slots for all:
what waits for a render to end is not the stack's delay.

It exits 1 if the 99th percentile of the other owners is more than twice that of an empty stack.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import IO, NamedTuple

from bench.contention import (
    RENDERS_AT_ONCE,
    REQUEST,
    STARTED_AT,
    TRIP_SECONDS,
    Case,
    Executions,
    HeldTable,
    Simulation,
    build_submit,
)
from mediaposter.aws import ROW_REST_SECONDS
from mediaposter.domain.errors import ApiError, NotFound, PartiallyDone
from mediaposter.stores.batch_files import rows_key
from mediaposter.stores.batches import Batch, BatchCaller, BatchSource, BatchStage, BatchStore
from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.idempotency import IdempotencyStore
from mediaposter.stores.keys import Scope
from mediaposter.stores.table import Create
from mediaposter.usecases.batches.submit import SubmitChunk
from mediaposter.usecases.requests.submit import SubmitVideo
from mediaposter.wire.batches import PART_ROWS_MAX, PartLine, RowLine
from mediaposter.wire.caller import Caller

ROWS = 10_000
PARTS_AT_ONCE = 5
RATE = 5.0
OWNERS = 10
BATCH_OWNER = "agency"
# Single requests come for about as long as rows do.
ROWS_A_SECOND = 15
S3_SECONDS = 0.03
RETRY_SECONDS = 5.0
BATCH_ID = "batch_1"


class Files:
    """The files of the batch: the rows of a part, made when they are read, and its outcomes."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._kept: dict[str, bytes] = {}

    def read(self, key: str) -> bytes:
        """Read a file."""
        self._simulation.wait(S3_SECONDS)
        if key not in self._kept:
            raise NotFound(key, what="file")
        return self._kept[key]

    def read_range(self, key: str, first_byte: int, size_bytes: int) -> bytes:
        """Give so many rows from one on: here a row is a byte."""
        self._simulation.wait(S3_SECONDS)
        if key != rows_key(BATCH_ID):
            raise NotFound(key, what="file")
        rows = range(first_byte, first_byte + size_bytes)
        return "".join(RowLine(row=row, line=row, request=REQUEST).model_dump_json() + "\n" for row in rows).encode()

    def put(self, key: str, content: bytes, *, content_type: str = "") -> object:
        """Keep a file."""
        del content_type
        self._simulation.wait(S3_SECONDS)
        self._kept[key] = content
        return None

    def write(self, *keys: str) -> AbstractContextManager[IO[bytes]]:
        """Write a file: no part does."""
        raise NotImplementedError(keys)

    def open_version(self, key: str, version_id: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open an upload: no part does."""
        raise NotImplementedError(key, version_id)


class Outcome(NamedTuple):
    """What came of it: seconds from request to start, by the kind of owner; refusals; seconds that the batch took."""

    started: dict[str, list[float]]
    refused: dict[str, int]
    batch_seconds: float


def simulate(rows: int, rate: float, seconds: float) -> Outcome:
    """Submit a batch of so many rows, and meanwhile single requests at a rate, for so long."""
    random.seed("burst")
    simulation = Simulation()
    table = HeldTable(simulation, refusals_hold=True)
    slots = CapacityStore(table, lambda _: RENDERS_AT_ONCE)
    executions = Executions(table, slots, simulation)
    numbers = itertools.count()
    submit = build_submit(table, Case(0, OWNERS, is_full=False), slots, executions, numbers)
    begun: dict[str, tuple[str, float]] = {}
    refused: dict[str, int] = defaultdict(int)

    def send(kind: str, owner: str) -> None:
        begun_at = simulation.now
        try:
            submission = submit(REQUEST, caller=Caller(owner=owner, scopes=frozenset({Scope.CREATE})))
        except ApiError:
            refused[kind] += 1
            return
        begun[submission.video.id] = (kind, begun_at)

    finished: list[float] = []
    jobs: list[tuple[float, Callable[[], None]]] = []
    if rows:
        chunk = build_chunk(table, submit, simulation)
        parts = iter(range(0, rows, PART_ROWS_MAX))
        jobs += [(0.0, partial(work_off, chunk, parts, rows, simulation, finished)) for _ in range(PARTS_AT_ONCE)]
    moments = itertools.accumulate(random.expovariate(rate) for _ in range(int(rate * seconds)))
    for number, moment in enumerate(moments):
        kind, owner = ("of the batch", BATCH_OWNER) if number % 10 == 0 else ("others", f"owner {number % OWNERS}")
        jobs.append((1 + moment, partial(send, kind, owner)))
    simulation.run(jobs)
    started = defaultdict(list)
    for video_id, (kind, begun_at) in begun.items():
        started[kind].append(executions.slot_taken_at[video_id] - begun_at)
    return Outcome(started, refused, max(finished, default=0.0))


def build_chunk(table: HeldTable, submit: SubmitVideo, simulation: Simulation) -> SubmitChunk:
    """Build the step that submits a part, and the record of its batch."""
    batches = BatchStore(table)
    caller = BatchCaller(owner=BATCH_OWNER, scopes=frozenset({Scope.CREATE}))
    source = BatchSource(key="uploads/rows", version_id="1", format="jsonl")
    batch = Batch(id=BATCH_ID, caller=caller, source=source, created_at=STARTED_AT, updated_at=STARTED_AT)
    table.memory.commit([Create(batch.copy_with(stage=BatchStage.TAKING))])
    return SubmitChunk(
        batches=batches,
        files=Files(simulation),
        submit=submit,
        requests=IdempotencyStore(table),
        find_key=lambda _: None,
        rest=partial(simulation.wait, ROW_REST_SECONDS),
        clock=lambda: STARTED_AT,
    )


def work_off(
    chunk: SubmitChunk, parts: Iterator[int], rows: int, simulation: Simulation, finished: list[float]
) -> None:
    """Submit one part after another, as one of the batch machine's branches does."""
    for first in parts:
        part = PartLine(
            batch_id=BATCH_ID,
            part=first // PART_ROWS_MAX,
            first_byte=first,
            size_bytes=min(PART_ROWS_MAX, rows - first),
        )
        while True:
            simulation.wait(TRIP_SECONDS)
            try:
                chunk(part)
            except PartiallyDone:
                simulation.wait(RETRY_SECONDS)
                continue
            break
    finished.append(simulation.now)


def present(name: str, outcome: Outcome) -> str:
    """Write how long single requests took."""
    lines = []
    for kind, took in sorted(outcome.started.items()):
        ordered = sorted(took)
        p50, p99 = (ordered[len(ordered) * share // 100] * 1000 for share in (50, 99))
        lines.append(
            f"{name:<14}{kind:<14}{len(took):>7}{outcome.refused.get(kind, 0):>9}{p50:>10,.0f}{p99:>10,.0f}"
            f"{ordered[-1] * 1000:>10,.0f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Simulate both, print them, and exit 1 if the claim is missed."""
    rows, rate = (float(given) for given in (*sys.argv[1:3], *(ROWS, RATE)[len(sys.argv) - 1 :]))
    print(f"{'':<14}{'owner':<14}{'single':>7}{'refused':>9}{'p50 ms':>10}{'p99 ms':>10}{'last ms':>10}")
    burst = simulate(int(rows), rate, rows / ROWS_A_SECOND)
    empty = simulate(0, rate, rows / ROWS_A_SECOND)
    print(present("empty stack", empty))
    print(present(f"{rows:,.0f} rows", burst))
    print(f"the batch was submitted in {burst.batch_seconds:,.0f} s")
    p99 = [sorted(found.started["others"])[len(found.started["others"]) * 99 // 100] for found in (empty, burst)]
    holds = p99[1] <= 2 * p99[0] and not burst.refused.get("others")
    print(
        f"{'holds ' if holds else 'MISSED'}  others start within twice the time of an empty stack, and none is refused"
    )
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
