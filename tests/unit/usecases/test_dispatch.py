"""Videos beyond what their provider renders at once: they wait as records, and are started in their turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import Contention, ErrorCode, VideoModelError
from mediaposter.stores.capacity import SlotCount
from mediaposter.stores.table import Change, IndexEntry, Key, change_key
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.steps import CloseInput, Outcome, StepInput
from mediaposter.wire.request_context import RequestContext
from tests.builders import a_caller, a_request
from tests.fakes.answers import Refuse
from tests.fakes.state_machine import Status
from tests.fakes.table import InMemoryTable
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import World

FIRST, SECOND, THIRD = IDS = ("video_1", "video_2", "video_3")
FAILURE = VideoFailure(code=ErrorCode.CANCELLED, message="Cancelled.")


class LaggingTable(InMemoryTable):
    """A table whose indexes may tell what was."""

    _before: Mapping[Key, dict[str, Any]] | None = None

    def lag(self) -> None:
        """Let the indexes tell what is now from here on."""
        self._before = dict(self.items)

    def query_index(self, index: str, **asked: Any) -> list[IndexEntry]:
        now = self.items
        self.items = dict(self._before or now)
        found = super().query_index(index, **asked)
        self.items = now
        return found


class BusyTable(InMemoryTable):
    """A table whose counters of providers may be written by too many others."""

    is_busy = False

    def commit(self, changes: Sequence[Change]) -> None:
        if self.is_busy and any(change_key(change).sk == "SLOTS" for change in changes):
            raise Contention("The counters are being written by others; nothing was changed.")
        super().commit(changes)


def busy_world(table: BusyTable, *, slots: int) -> World:
    """Build a world of so many slots, one of which is taken, whose counters are busy from here on."""
    world = World(slots={"sora": slots}, ids=IDS, table=lambda _: table)
    submit(world)
    table.is_busy = True
    return world


def full_world(**arguments: Any) -> World:
    """Build a world whose one slot is taken by the first video."""
    world = World(slots={"sora": 1}, ids=IDS, **arguments)
    submit(world)
    return world


def submit(world: World, **fields: Any) -> Video:
    return world.submit(a_request(**fields), caller=a_caller()).video


def world_with_queue(*, waiting: int = 1, **arguments: Any) -> World:
    """Build a world whose first video is rendered, which freed the slot that others wait for."""
    world = full_world(**arguments)
    for _ in range(waiting):
        submit(world)
    world.run_executions()
    assert world.video_store.get_unchecked(FIRST).status is VideoStatus.COMPLETED
    return world


def test_a_repeated_request_for_one_that_waits_is_the_same_one() -> None:
    world = full_world()
    request_context = RequestContext(idempotency_key="order-1")
    first = world.submit(a_request(), caller=a_caller(), request_context=request_context)

    again = world.submit(a_request(), caller=a_caller(), request_context=request_context)

    assert (again.video.id, again.video.place) == (first.video.id, first.video.place)
    assert world.workflow.executions == [FIRST]
    assert world.slots.count("sora").waiting == 1


def test_a_slot_that_comes_free_is_for_those_who_wait() -> None:
    world = world_with_queue()

    third = submit(world)

    assert third.slot is None
    assert world.slots.list_waiting("sora") == [SECOND, THIRD]


def test_one_that_is_listed_and_waits_no_more_is_passed_over() -> None:
    world = world_with_queue(waiting=2, table=LaggingTable)
    assert isinstance(world.table, LaggingTable)
    world.table.lag()
    world.video_store.fail(world.video_store.get_unchecked(SECOND), FAILURE, now=world.clock())

    assert world.dispatch("sora") == 1
    assert world.workflow.executions == [FIRST, THIRD]


def test_one_that_is_taken_meanwhile_is_taken_once() -> None:
    world = world_with_queue()
    world.table.meanwhile = lambda: world.dispatch("sora")

    assert world.dispatch("sora") == 0
    assert world.workflow.executions == [FIRST, SECOND]
    assert world.slots.count("sora") == SlotCount(in_flight=1)


def test_one_that_is_deleted_meanwhile_holds_up_no_other() -> None:
    world = world_with_queue(waiting=2)
    waiting = world.video_store.get_unchecked(SECOND)
    world.table.meanwhile = lambda: world.video_store.delete(waiting, 0, now=world.clock())

    assert world.dispatch("sora") == 1
    assert world.workflow.executions == [FIRST, THIRD]


def test_one_whose_execution_is_not_started_keeps_its_slot_and_the_sweep_starts_it() -> None:
    world = world_with_queue()
    world.workflow.refuses = True
    assert world.dispatch("sora") == 1
    world.workflow.refuses = False
    world.clock.advance(301)

    assert world.sweep().visited == 1

    assert world.workflow.executions == [FIRST, SECOND]
    assert world.video_store.get_unchecked(SECOND).failure is None


def test_a_fault_of_one_provider_holds_up_no_other() -> None:
    world = world_with_queue()

    world.table.items[Key("SLOTS#kites", "SLOTS")] = {"in_flight": "damaged"}

    with pytest.raises(ExceptionGroup, match="1 of 2 providers"):
        world.dispatch.dispatch_each(["kites", "sora"])

    assert world.workflow.executions == [FIRST, SECOND]


def fallen_back() -> World:
    """Build a world where the first provider has refused, and the one that takes over is full."""
    refusal = VideoModelError(ErrorCode.INSUFFICIENT_CREDIT, "No credit.")
    world = World(
        slots={"kites": 1},
        ids=IDS,
        model=lambda effects: FakeVideoModel(effects, creates=[Refuse(refusal)]),
        other_models={"kite-1": FakeVideoModel},
    )
    submit(world, model="kite-1", seconds=5, size="768x1280")
    submit(world, fallback_models=["kite-1"])
    return world


def start(world: World, video_id: str, *, launch: int = 0) -> Outcome:
    return world.start(StepInput(video_id=video_id, launch=launch)).outcome


def test_a_parked_one_is_carried_by_another_execution_and_made() -> None:
    world = fallen_back()
    start(world, SECOND)
    start(world, SECOND)

    world.run_executions()
    world.dispatch("kites")
    world.run_executions()

    assert world.workflow.executions == [FIRST, SECOND, f"{SECOND}-launch-1"]
    assert world.video_store.get_unchecked(SECOND).status is VideoStatus.COMPLETED
    assert world.statuses == [Status.SUCCEEDED] * 3
    assert world.slots.count("kites") == SlotCount()


def test_what_waits_is_closed_by_no_execution() -> None:
    world = full_world()
    submit(world)
    waiting = world.video_store.get_unchecked(SECOND)

    world.close(CloseInput(video_id=SECOND, launch=0, fault="execution ABORTED"))

    assert world.video_store.get_unchecked(SECOND) == waiting


@pytest.mark.parametrize(("slots", "has_slot"), [(2, True), (1, False)], ids=["a slot", "a place in the queue"])
def test_a_request_that_meets_busy_counters_is_taken_and_its_execution_gets_the_rest(
    slots: int, has_slot: bool
) -> None:
    table = BusyTable()
    world = busy_world(table, slots=slots)

    taken = submit(world)

    step = StepInput(video_id=SECOND, launch=taken.launch)
    assert world.start(step).outcome is Outcome.WAIT
    waiting = world.video_store.get_unchecked(SECOND)
    assert (waiting.stage, waiting.held) == (Stage.QUEUED, None)
    table.is_busy = False
    world.start(step)
    held = world.video_store.get_unchecked(SECOND).held
    assert held is not None
    assert held.has_slot is has_slot
    assert world.slots.count("sora") == SlotCount(in_flight=1 + has_slot, waiting=1 - has_slot)
