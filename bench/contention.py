"""How many requests a second pass the items that they share: the submit of POST /videos over items that are held.

Run by hand: `python -m bench.contention [seconds]`; ten simulated seconds a row by default, some minutes in all. The
use case, the records and the retries are those of the product, on a simulated clock; requests come as a Poisson process
from owners in turn. It prints for each row

- the share of requests answered with 409 or 5xx, and the transactions tried for each request;
- how much longer than alone an accepted request takes (99th percentile);
- the share that is recorded without a slot or a place in the queue, and for those how long it takes until the last has
  one, and how many starts at most.

It exits 1 if a request of ten owners without a stack limit is refused.

DynamoDB is a model here, and nothing of it is measured. A transaction holds each of its items for 10 ms. One that meets
a held item is cancelled after a trip of 2 ms and holds nothing. One whose condition fails is refused after 10 ms; it
holds its items meanwhile (`holds` yes) or not. Reads and single writes take 2 ms, and an execution calls its first step
0.3 s after its start. A refused caller does not send again. AWS documents that such transactions are cancelled:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
"""

from __future__ import annotations

import heapq
import itertools
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from botocore.exceptions import ClientError

from bench.submit import refuse_captions, refuse_metric, refuse_pictures
from mediaposter.ai.catalog import built_in_catalog
from mediaposter.domain.errors import ApiError, SlotsTaken, VersionConflict, WriteConflict
from mediaposter.stores.budget import BudgetStore, StackLimits
from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.idempotency import IdempotencyStore
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import PostStore
from mediaposter.stores.table import Change, Increase, Key, change_key
from mediaposter.stores.video_record import video_key
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.start_generation import LOOK_SECONDS
from mediaposter.usecases.requests.submit import SubmitVideo
from mediaposter.usecases.steps import PostReference
from mediaposter.wire.caller import Caller
from mediaposter.wire.requests import CreateVideoRequest
from tests.fakes.table import InMemoryTable
from tests.fakes.workflow import FakeWorkflow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HELD_SECONDS = 0.010
TRIP_SECONDS = 0.002
START_SECONDS = 0.3
RATES = (20, 40, 60, 100, 200)
STARTED_AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
RENDERS_AT_ONCE = 10**9
REQUEST = CreateVideoRequest.model_validate({"prompt": "A red kite over the sea", "model": "sandbox-1"})


class Case(NamedTuple):
    """One row: requests a second from so many owners, at a provider that is full or has slots for all."""

    rate: int
    owners: int
    is_full: bool
    refusals_hold: bool = True
    has_stack_limit: bool = False


class Outcome(NamedTuple):
    """How one request went: its time in seconds, its tries, and the status of its refusal."""

    seconds: float
    tries: int
    refused: int | None


class Late(NamedTuple):
    """A video that its execution gave a slot or a place in the queue: seconds after its start, and starts."""

    seconds: float
    starts: int


class Simulation:
    """Runs many callers by turns on one clock: a caller runs until it waits, and time passes only then."""

    def __init__(self) -> None:
        self.now = 0.0
        self._turns: list[tuple[float, int, threading.Lock]] = []
        self._numbers = itertools.count()
        self._idle = threading.Lock()

    def wait(self, seconds: float) -> None:
        """Let the others run until this caller's time has come."""
        turn = self._plan(self.now + seconds)
        self._idle.release()
        turn.acquire()

    def begin(self, job: Callable[[], None]) -> None:
        """Let another caller begin now, when this one waits."""
        turn = self._plan(self.now)
        threading.Thread(target=self._do_in_turn, args=(turn, job), daemon=True).start()

    def run(self, jobs: Sequence[tuple[float, Callable[[], None]]]) -> None:
        """Run each job from its moment on, until all of them and what they began are over."""
        arrivals = iter(sorted(jobs, key=lambda job: job[0]))
        upcoming = next(arrivals, None)
        self._idle.acquire()
        while upcoming is not None or self._turns:
            if upcoming is not None and (not self._turns or upcoming[0] <= self._turns[0][0]):
                self.now, job = upcoming
                threading.Thread(target=self._do, args=(job,), daemon=True).start()
                upcoming = next(arrivals, None)
            else:
                self.now, _, turn = heapq.heappop(self._turns)
                turn.release()
            self._idle.acquire()
        self._idle.release()

    def _do_in_turn(self, turn: threading.Lock, job: Callable[[], None]) -> None:
        turn.acquire()
        self._do(job)

    def _do(self, job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            self._idle.release()

    def _plan(self, moment: float) -> threading.Lock:
        turn = threading.Lock()
        turn.acquire()
        heapq.heappush(self._turns, (moment, next(self._numbers), turn))
        return turn


class HeldTable(LibraryTable):
    """The product's table, with its retries, over a service in memory whose transactions hold their items."""

    def __init__(self, simulation: Simulation, *, refusals_hold: bool) -> None:
        service = SimpleNamespace(
            transact_write_items=self._answer, put_item=self._answer, update_item=self._answer, delete_item=self._answer
        )
        super().__init__(cast("DynamoDBClient", service), "library", sleep=simulation.wait)
        self.memory = InMemoryTable()
        self._simulation = simulation
        self._refusals_hold = refusals_hold
        self._held_until: dict[Key, float] = {}
        self.caller = threading.local()

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes as the product does; the service gets them as they are, and not encoded."""
        self.caller.changes = changes
        super().commit(changes)

    def get(self, key: Key) -> dict[str, Any]:
        """Read one item."""
        self._simulation.wait(TRIP_SECONDS)
        return self.memory.get(key)

    def take_number(self, key: Key, *, at_least: int, expires_at: int | None = None) -> int:
        """Take a number; single writes of one item queue for it and are not cancelled."""
        self._simulation.wait(TRIP_SECONDS)
        return self.memory.take_number(key, at_least=at_least, expires_at=expires_at)

    def _answer(self, **_: object) -> None:
        changes: Sequence[Change] = self.caller.changes
        self.caller.tries = getattr(self.caller, "tries", 0) + 1
        keys = [change_key(change) for change in changes]
        begun_at = self._simulation.now
        held = [self._held_until.get(key, 0.0) > begun_at for key in keys]
        if any(held):
            self._simulation.wait(TRIP_SECONDS)
            raise _cancel("TransactionConflict", held)
        failed: tuple[int, ...] = ()
        try:
            self.memory.commit(changes)
        except VersionConflict as conflict:
            failed = conflict.changes
        if not failed or self._refusals_hold:
            self._held_until.update(dict.fromkeys(keys, begun_at + HELD_SECONDS))
        self._simulation.wait(HELD_SECONDS)
        if failed:
            raise _cancel("ConditionalCheckFailed", [number in failed for number in range(len(changes))])


def _cancel(reason: str, meets: Sequence[bool]) -> ClientError:
    reasons = [{"Code": reason if is_met else "None"} for is_met in meets]
    answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
    return ClientError(answer, "TransactWriteItems")


class Executions(FakeWorkflow):
    """Starts an execution that does what Start Generation does first: take a slot, or park the video."""

    def __init__(self, table: HeldTable, slots: CapacityStore, simulation: Simulation) -> None:
        super().__init__()
        self.late: list[Late] = []
        self.slot_taken_at: dict[str, float] = {}
        self._memory = table.memory
        self._videos = VideoStore(table)
        self._slots = slots
        self._simulation = simulation

    def start(self, video_id: str, launch: int = 0, posts: Sequence[PostReference] = ()) -> None:
        """Start the execution of a video; one that has a slot writes no counter and is left out."""
        del launch, posts
        if "slot" in self._memory.get(video_key(video_id)):
            self.slot_taken_at[video_id] = self._simulation.now + START_SECONDS
        else:
            self._simulation.begin(partial(self._take_slot, video_id))

    def _take_slot(self, video_id: str) -> None:
        begun_at = self._simulation.now
        for starts in itertools.count(1):
            self._simulation.wait(START_SECONDS)
            video = self._videos.get_unchecked(video_id)
            bound = self._slots.bound(video.provider, may_overtake=False)
            try:
                try:
                    self._videos.advance(video, Stage.SUBMITTING, now=STARTED_AT, slot=video.provider, at_most=bound)
                    self.slot_taken_at[video_id] = self._simulation.now
                except SlotsTaken:
                    self._videos.park(video, self._slots.choose_place(video, now=STARTED_AT), now=STARTED_AT)
            except WriteConflict:
                self._simulation.wait(LOOK_SECONDS)
                continue
            self.late.append(Late(self._simulation.now - begun_at, starts))
            return


def build_submit(
    table: HeldTable, case: Case, slots: CapacityStore, workflow: FakeWorkflow, numbers: Iterator[int]
) -> SubmitVideo:
    """Build the use case as the stack does."""
    return SubmitVideo(
        videos=VideoStore(table),
        posts=PostStore(table),
        requests=IdempotencyStore(table),
        budget=BudgetStore(table),
        pictures=refuse_pictures,
        captions=refuse_captions,
        catalogs=built_in_catalog,
        default_fallbacks=(),
        stack_limits=StackLimits(10**15 if case.has_stack_limit else None),
        is_approval_default=False,
        validate_accounts=lambda _: [],
        slots=slots,
        workflow=workflow,
        count_metric=refuse_metric,
        clock=lambda: STARTED_AT,
        new_id=lambda: f"video_{next(numbers)}",
    )


def simulate(case: Case, seconds: float) -> tuple[list[Outcome], list[Late]]:
    """Send the requests of a row, and give how each went; the first one is alone. Tell what executions did later."""
    random.seed(f"{case}")  # the product's own waits are drawn from it too
    simulation = Simulation()
    table = HeldTable(simulation, refusals_hold=case.refusals_hold)
    provider = built_in_catalog().models[REQUEST.model].provider
    if case.is_full:
        table.memory.commit([Increase(Key(f"SLOTS#{provider}", "SLOTS"), {"in_flight": 1, "waiting": 1})])
    numbers = itertools.count()
    slots = CapacityStore(table, lambda _: 1 if case.is_full else RENDERS_AT_ONCE)
    executions = Executions(table, slots, simulation)
    submit_video = build_submit(table, case, slots, executions, numbers)
    outcomes: list[Outcome] = []

    def send(owner: str) -> None:
        begun_at = simulation.now
        refused = None
        try:
            submit_video(REQUEST, caller=Caller(owner=owner, scopes=frozenset({Scope.CREATE})))
        except ApiError as error:
            refused = int(error.status)
        outcomes.append(Outcome(simulation.now - begun_at, table.caller.tries, refused))

    moments = itertools.accumulate(random.expovariate(case.rate) for _ in range(int(case.rate * seconds)))
    jobs = [(0.0, partial(send, "owner 0"))]
    jobs += [(10 + moment, partial(send, f"owner {number % case.owners}")) for number, moment in enumerate(moments)]
    simulation.run(jobs)
    return outcomes, executions.late


def is_promised(case: Case) -> bool:
    """Tell whether nothing may be refused: ten owners, at most 20 requests a second each, without a stack limit."""
    return case.owners == 10 and case.rate <= 200 and not case.has_stack_limit


def present(case: Case, outcomes: Sequence[Outcome], late: Sequence[Late]) -> str:
    """Write a row of the table."""
    alone, *others = outcomes
    refused = sum(outcome.refused is not None for outcome in others)
    added = sorted(outcome.seconds - alone.seconds for outcome in others if outcome.refused is None)
    tries = sum(outcome.tries for outcome in others) / len(others)
    p99 = f"{added[len(added) * 99 // 100] * 1000:>9,.0f}" if added else f"{'-':>9}"
    return (
        f"{case.rate:>6}{case.owners:>8}  {'full' if case.is_full else 'free':<6}"
        f"{'yes' if case.has_stack_limit else 'no':<7}{'yes' if case.refusals_hold else 'no':<8}"
        f"{refused / len(others):>8.1%}{tries:>8.2f}{p99}"
        f"{len(late) / len(others):>8.1%}{max((one.seconds for one in late), default=0):>8.0f}"
        f"{max((one.starts for one in late), default=0):>8}"
    )


def list_cases() -> list[Case]:
    """List the rows: all without a stack limit; ten owners with one; full ones also if refusals hold nothing."""
    plain = [Case(rate, owners, is_full) for is_full in (False, True) for owners in (1, 10) for rate in RATES]
    limited = [Case(rate, 10, False, has_stack_limit=True) for rate in RATES]
    lighter = [Case(rate, 10, True, refusals_hold=False) for rate in RATES]
    return [*plain, *limited, *lighter]


def main() -> None:
    """Simulate each row and print it at once; exit 1 if a request is refused where none may be."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print(f"{HELD_SECONDS * 1000:.0f} ms held, {TRIP_SECONDS * 1000:.0f} ms a trip, {seconds:.0f} s a row\n")
    print(
        f"{'rate/s':>6}{'owners':>8}  {'slots':<6}{'limit':<7}{'holds':<8}{'refused':>8}{'tries':>8}{'p99 +ms':>9}"
        f"{'later':>8}{'last s':>8}{'starts':>8}"
    )
    holds = True
    for case in list_cases():
        outcomes, late = simulate(case, seconds)
        print(present(case, outcomes, late), flush=True)
        if is_promised(case) and any(outcome.refused is not None for outcome in outcomes):
            holds = False
    print(f"\n{'holds ' if holds else 'MISSED'}  ten owners of up to 20 requests a second each: none is refused")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
