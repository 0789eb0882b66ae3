"""Hundreds of videos, or thousands, over a few slots, while workers die: the real use cases under a virtual clock.

`MEDIAPOSTER_SIMULATED=5000` makes it as many as the product promises.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import pytest

from mediaposter.ai.video_model_interface import (
    Capabilities,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoStatus,
)
from mediaposter.stores.capacity import SlotCount
from mediaposter.stores.table import (
    INDEX_PAGE_MAX,
    Change,
    Create,
    Delete,
    Increase,
    IndexEntry,
    Key,
    Put,
    Replace,
)
from mediaposter.stores.video_record import Video
from mediaposter.wire.request_context import RequestContext
from tests.builders import a_caller, a_request
from tests.fakes.clock import Clock
from tests.fakes.effects import Effects, Moment, SimulatedCrash
from tests.fakes.state_machine import Function, Status
from tests.fakes.table import InMemoryTable
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import World

VIDEOS = int(os.environ.get("MEDIAPOSTER_SIMULATED", "240"))
SLOTS = 8
KILLED = 0.05
RENDER_SECONDS = (20, 90)
SWEEP_SECONDS = 60
STREAM_SECONDS = (0.2, 1.5)
RESEND_SECONDS = 10
# What each worker does at the most, so that a death may come anywhere.
EFFECTS_MAX = 4
# Of two flows that both wait, one is ahead of the other by the turns that were given out when the second came.
AHEAD_MAX = SLOTS + 1

_INDEXES = {"Waiting": ("waiting_for", "place"), "Due": ("due", "due_at")}


class IndexedTable(InMemoryTable):
    """The table in memory, with indexes, or thousands of videos would take hours; and with a stream."""

    def __init__(self, effects: Effects | None = None) -> None:
        super().__init__(effects)
        self.on_write: Callable[[Key], object] = lambda _: None
        self._entries: dict[str, dict[str, list[tuple[str, Key]]]] = {name: defaultdict(list) for name in _INDEXES}

    def query_index(
        self, index: str, *, value: str, before: str, after: IndexEntry | None = None, **_: object
    ) -> list[IndexEntry]:
        entries = self._entries[index][value]
        first = 0 if after is None else bisect.bisect_right(entries, (after.value, after.key))
        page = entries[first : bisect.bisect_left(entries, (before, Key("", "")))][:INDEX_PAGE_MAX]
        return [IndexEntry(key, place) for place, key in page]

    def swap(self, key: Key, name: str, *, expected: str, wanted: str) -> bool:
        before = dict(self.items.get(key, {}))
        is_swapped = super().swap(key, name, expected=expected, wanted=wanted)
        self._index(key, before)
        return is_swapped

    def _make(self, change: Change) -> None:
        key = change.record.key if isinstance(change, Create | Put | Replace) else change.key
        assert isinstance(change, Create | Put | Replace | Delete | Increase)
        before = dict(self.items.get(key, {}))
        super()._make(change)
        self._index(key, before)
        self.on_write(key)

    def _index(self, key: Key, before: Mapping[str, Any]) -> None:
        after = self.items.get(key, {})
        for name, (hash_name, range_name) in _INDEXES.items():
            if hash_name in before and range_name in before:
                self._entries[name][before[hash_name]].remove((str(before[range_name]), key))
            if hash_name in after and range_name in after:
                bisect.insort(self._entries[name][after[hash_name]], (str(after[range_name]), key))


class Provider(FakeVideoModel):
    """Renders each job for a time of its own, knows a repeated request, and counts how many it renders at once.

    A provider that knows no repetition would make the same, but for those whose worker died around the call: such a
    video is left to a person (tests/unit/usecases/test_crashes.py).
    """

    def __init__(self, effects: Effects, clock: Clock, seeded: random.Random) -> None:
        super().__init__(effects, capabilities=Capabilities(idempotent_submit=True))
        self._clock = clock
        self._random = seeded
        self._jobs: list[VideoGenerationJob] = []
        self._ends_at: list[float] = []
        self._numbers: dict[str | None, int] = {}
        self.at_once_max = 0

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        with self._effects.take("create at the provider"):
            if request.idempotency_key in self._numbers:
                return self._jobs[self._numbers[request.idempotency_key]]
            self._numbers[request.idempotency_key] = len(self._jobs)
            self.accepted.append(request)
            now = self._clock.monotonic()
            self._jobs.append(
                VideoGenerationJob(
                    job_id=f"job-{len(self.accepted)}",
                    status=VideoStatus.IN_PROGRESS,
                    prompt=request.prompt,
                    created_at=self._clock(),
                )
            )
            self._ends_at.append(now + self._random.uniform(*RENDER_SECONDS))
            self.at_once_max = max(self.at_once_max, sum(end > now for end in self._ends_at[-10 * SLOTS :]))
        return self._jobs[-1]

    def get_status(self, job_id: str) -> VideoGenerationJob:
        number = int(job_id.removeprefix("job-")) - 1
        if self._ends_at[number] > self._clock.monotonic():
            return self._jobs[number]
        return self._jobs[number].model_copy(update={"status": VideoStatus.COMPLETED, "cost_micros": 400_000})


class Turn(NamedTuple):
    """Who got a slot after having waited, and who waited then."""

    video_id: str
    flow: str
    waiting: frozenset[str]


class MortalWorld(World):
    """A world whose workers die now and then, on either side of whatever they do."""

    killed = 0.0
    deaths = 0

    def __init__(self, seeded: random.Random, **arguments: Any) -> None:
        self._random = seeded
        super().__init__(**arguments)

    @contextmanager
    def mortal(self) -> Iterator[None]:
        """Let one worker do its work, or die at it."""
        if self._random.random() < self.killed:
            self.effects.crash_at(self._random.randint(1, EFFECTS_MAX), self._random.choice(list(Moment)))
        try:
            yield
        except SimulatedCrash:
            self.deaths += 1
            raise
        finally:
            self.effects.crash_never()

    def _functions(self) -> dict[str, Function]:
        return {name: self._make_mortal(function) for name, function in super()._functions().items()}

    def _make_mortal(self, function: Function) -> Function:
        def handle(payload: dict[str, Any]) -> Any:
            with self.mortal():
                return function(payload)

        return handle


class Simulation:
    """One stack, its callers, and what happens when.

    Attributes:
        turns: who got a slot after having waited, in this order.
        in_flight_max: how many slots were taken at the most.
    """

    def __init__(self, *, killed: float, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self.world = MortalWorld(
            self._random,
            slots={"sora": SLOTS},
            table=self._build_table,
            ids=(f"video_{number:06d}" for number in itertools.count(1)),
        )
        self.world.killed = killed
        self.provider = Provider(self.world.effects, self.world.clock, self._random)
        self.world.model = self.provider
        self.turns: list[Turn] = []
        self.in_flight_max = 0
        self._open = 0
        self._dispatch_is_due = False
        self._waiting: dict[str, str] = {}

    def submit(self, name: str, at: float = 0.0, *, batch_id: str | None = None, owner: str = "anna") -> None:
        """Let a caller ask for a video, and ask again as long as no answer comes."""
        self._open += 1

        def ask() -> None:
            try:
                with self.world.mortal():
                    self.world.submit(
                        a_request(prompt=name),
                        caller=a_caller(owner=owner),
                        request_context=RequestContext(idempotency_key=name),
                        batch_id=batch_id,
                    )
            except SimulatedCrash:
                self._after(RESEND_SECONDS, ask)

        self._after(at, ask)

    def run(self) -> None:
        """Let everything happen until every video has come to its end."""
        self._after(SWEEP_SECONDS, self._sweep)
        while self._events:
            at, _, happen = heapq.heappop(self._events)
            self.world.clock.advance(max(at - self.world.clock.monotonic(), 0))
            happen()
            for execution in self.world.walk_executions().values():
                self._go_on(execution)

    @property
    def videos(self) -> list[Video]:
        """Read all videos."""
        return [Video.model_validate(item) for key, item in self.world.table.items.items() if key.sk == "VIDEO"]

    def _build_table(self, effects: Effects) -> InMemoryTable:
        table = IndexedTable(effects)
        table.on_write = self._see
        return table

    def _after(self, seconds: float, happen: Callable[[], object]) -> None:
        at = self.world.clock.monotonic() + seconds
        heapq.heappush(self._events, (at, next(self._numbers), happen))

    def _go_on(self, execution: Generator[float, None, Status]) -> None:
        try:
            seconds = next(execution)
        except StopIteration:
            return
        self._after(seconds, lambda: self._go_on(execution))

    def _sweep(self) -> None:
        with suppress(SimulatedCrash), self.world.mortal():
            self.world.sweep()
        if self._open:
            self._after(SWEEP_SECONDS, self._sweep)

    def _dispatch_by_stream(self) -> None:
        self._dispatch_is_due = False
        with suppress(SimulatedCrash), self.world.mortal():
            self.world.dispatch("sora")

    def _see(self, key: Key) -> None:
        """See what was written, as the stream does."""
        item = self.world.table.items.get(key, {})
        if key == Key("SLOTS#sora", "SLOTS"):
            count = SlotCount.model_validate(item)
            self.in_flight_max = max(self.in_flight_max, count.in_flight)
            if count.waiting and not self._dispatch_is_due:
                self._dispatch_is_due = True
                self._after(self._random.uniform(*STREAM_SECONDS), self._dispatch_by_stream)
        elif key.sk == "VIDEO":
            video = Video.model_validate(item)
            if video.place is not None:
                self._waiting[video.id] = video.batch_id or "single"
            elif video.id in self._waiting:
                flow = self._waiting.pop(video.id)
                self.turns.append(Turn(video.id, flow, frozenset(self._waiting.values())))
            if video.is_told:
                self._open -= 1


def count_ahead(turns: Sequence[Turn], *, first: str, second: str) -> int:
    """Count by how many turns one of two flows was ahead of the other at the most, while both waited."""
    ahead = most = 0
    for turn in turns:
        if turn.flow not in (first, second) or not {first, second} <= turn.waiting | {turn.flow}:
            continue
        ahead += 1 if turn.flow == first else -1
        most = max(most, abs(ahead))
    return most


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """Run a large batch, a second one a quarter of its size that comes midway, and single videos among them."""
    simulation = Simulation(killed=KILLED)
    small, single = VIDEOS * 3 // 16, VIDEOS // 16
    large = VIDEOS - small - single
    midway = large * sum(RENDER_SECONDS) / 2 / SLOTS / 2
    for row in range(large):
        simulation.submit(f"large {row}", at=row * 0.05, batch_id="large")
    for row in range(small):
        simulation.submit(f"small {row}", at=midway + row * 0.05, batch_id="small")
    for number in range(single):
        simulation.submit(f"single {number}", at=midway / 4 + number * midway / single, owner="ben")
    simulation.run()
    return simulation


def test_every_video_is_made_once(simulation: Simulation) -> None:
    assert Counter(video.status for video in simulation.videos) == {VideoStatus.COMPLETED: VIDEOS}
    assert {video.prompt for video in simulation.videos} == {request.prompt for request in simulation.provider.accepted}
    assert len(simulation.provider.accepted) == VIDEOS


def test_no_more_slots_are_taken_than_there_are_and_the_provider_never_renders_more_at_once(
    simulation: Simulation,
) -> None:
    assert (simulation.in_flight_max, simulation.provider.at_once_max) == (SLOTS, SLOTS)


def test_no_slot_is_left_taken_and_no_video_is_left_waiting(simulation: Simulation) -> None:
    assert simulation.world.slots.count("sora") == SlotCount(in_flight=0, waiting=0)


def test_two_batches_share_the_slots(simulation: Simulation) -> None:
    assert count_ahead(simulation.turns, first="large", second="small") <= AHEAD_MAX


def test_no_row_goes_before_a_single_video_that_waits(simulation: Simulation) -> None:
    overtaken = [turn for turn in simulation.turns if turn.flow != "single" and "single" in turn.waiting]

    assert overtaken == []
    assert any(turn.flow == "single" for turn in simulation.turns)


def test_workers_died(simulation: Simulation) -> None:
    """Or the simulation of their deaths shows nothing."""
    assert simulation.world.deaths > VIDEOS / 10
