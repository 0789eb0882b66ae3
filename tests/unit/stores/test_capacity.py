"""The slots of providers: what is taken and given back with a video's own record, and the order of the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mediaposter.domain.errors import ErrorCode, SlotsTaken, VersionConflict
from mediaposter.stores.capacity import CapacityStore, Claim, SlotCount, count_change
from mediaposter.stores.table import Increase, Key
from mediaposter.stores.videos import (
    STARTED_WITHIN,
    WAITS_FOR,
    Stage,
    Video,
    VideoFailure,
    VideoStore,
)
from tests.builders import NOW, a_video
from tests.fakes.table import InMemoryTable

LIMIT = 2
FAILURE = VideoFailure(code=ErrorCode.TIMEOUT, message="Too late.")


@pytest.fixture
def table() -> InMemoryTable:
    return InMemoryTable()


@pytest.fixture
def slots(table: InMemoryTable) -> CapacityStore:
    return CapacityStore(table, lambda _: LIMIT)


@pytest.fixture
def library(table: InMemoryTable) -> VideoStore:
    return VideoStore(table)


def take(
    library: VideoStore, slots: CapacityStore, video_id: str, *, may_overtake: bool = False, **fields: Any
) -> Video:
    """Record a video with a slot."""
    video = a_video(id=video_id, slot="sora", **fields)
    library.create(video, [], conditions=count_change(None, video.held, slots.bound("sora", may_overtake=may_overtake)))
    return video


def queue(library: VideoStore, slots: CapacityStore, video_id: str, **fields: Any) -> Video:
    """Record a video that waits."""
    video = a_video(id=video_id, **fields)
    video = video.model_copy(update={"place": slots.choose_place(video, now=NOW)})
    library.create(video, [], conditions=count_change(None, video.held, {}))
    return library.get_unchecked(video_id)


def take_turn(library: VideoStore, slots: CapacityStore, video: Video) -> Video:
    assert video.place is not None
    return library.take_turn(video, video.place, now=NOW, at_most=slots.bound("sora", may_overtake=True))


def test_no_more_slots_are_taken_than_there_are(library: VideoStore, slots: CapacityStore) -> None:
    take(library, slots, "video_1")
    take(library, slots, "video_2")

    with pytest.raises(VersionConflict) as refusal:
        take(library, slots, "video_3")

    assert refusal.value.changes == (0,)
    assert slots.count("sora") == SlotCount(in_flight=2)


def test_no_video_takes_a_free_slot_before_those_that_wait(library: VideoStore, slots: CapacityStore) -> None:
    queue(library, slots, "video_1")

    with pytest.raises(VersionConflict):
        take(library, slots, "video_2")

    assert slots.count("sora") == SlotCount(waiting=1)


def test_who_waits_takes_a_slot_and_leaves_the_queue(library: VideoStore, slots: CapacityStore) -> None:
    video = take_turn(library, slots, queue(library, slots, "video_1"))

    assert (video.slot, video.place) == ("sora", None)
    assert slots.count("sora") == SlotCount(in_flight=1, waiting=0)
    assert slots.list_waiting("sora") == []


def test_who_waits_takes_no_slot_that_there_is_not(library: VideoStore, slots: CapacityStore) -> None:
    take(library, slots, "video_1")
    take(library, slots, "video_2")
    waiting = queue(library, slots, "video_3")

    with pytest.raises(SlotsTaken):
        take_turn(library, slots, waiting)

    assert library.get_unchecked("video_3") == waiting
    assert slots.count("sora") == SlotCount(in_flight=2, waiting=1)


def test_one_turn_is_taken_once(library: VideoStore, slots: CapacityStore) -> None:
    waiting = queue(library, slots, "video_1")
    take_turn(library, slots, waiting)

    with pytest.raises(VersionConflict) as refusal:
        take_turn(library, slots, waiting)

    assert not isinstance(refusal.value, SlotsTaken)
    assert slots.count("sora") == SlotCount(in_flight=1)


ENDS: dict[str, Callable[[VideoStore, Video], object]] = {
    "its render is done": lambda library, video: library.advance(video, Stage.STORING, now=NOW),
    "it failed": lambda library, video: library.fail(video, FAILURE, now=NOW),
    "it was deleted": lambda library, video: library.delete(video, 0, now=NOW),
    "another provider takes over": lambda library, video: library.advance(
        video, Stage.QUEUED, now=NOW, provider="runway"
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_slot_is_given_back_once(
    library: VideoStore, slots: CapacityStore, end: Callable[[VideoStore, Video], object]
) -> None:
    video = take(library, slots, "video_1", stage=Stage.RENDERING)
    end(library, video)

    with pytest.raises(VersionConflict):
        end(library, video)

    assert slots.count("sora") == SlotCount(in_flight=0)
    assert slots.count("runway") == SlotCount()


@pytest.mark.parametrize("ending", ["it failed", "it was deleted"])
def test_who_waits_no_more_leaves_the_queue(library: VideoStore, slots: CapacityStore, ending: str) -> None:
    waiting = queue(library, slots, "video_1")

    ENDS[ending](library, waiting)

    assert slots.count("sora") == SlotCount(waiting=0)
    assert slots.list_waiting("sora") == []


def test_a_slot_is_kept_while_the_video_is_at_its_provider(library: VideoStore, slots: CapacityStore) -> None:
    video = take(library, slots, "video_1")
    for stage in (Stage.SUBMITTING, Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING):
        video = library.advance(video, stage, now=NOW, deadline_at=NOW)

    assert (video.slot, slots.count("sora")) == ("sora", SlotCount(in_flight=1))


def test_one_that_is_parked_waits_for_another_execution(library: VideoStore, slots: CapacityStore) -> None:
    video = a_video(deadline_at=NOW, stage=Stage.QUEUED)
    library.create(video, [])

    parked = library.park(video, slots.choose_place(video, now=NOW), now=NOW)

    assert (parked.launch, parked.deadline_at, parked.is_accepted) == (1, None, True)
    assert slots.count("sora") == SlotCount(waiting=1)
    assert slots.list_waiting("sora") == ["video_1"]


def test_one_that_got_its_slot_is_due_soon_so_that_the_sweep_starts_it(
    library: VideoStore, slots: CapacityStore
) -> None:
    waiting = queue(library, slots, "video_1")

    started = take_turn(library, slots, waiting)

    assert waiting.due_at == NOW + WAITS_FOR
    assert started.due_at == NOW + STARTED_WITHIN


def test_single_videos_go_before_those_of_batches(library: VideoStore, slots: CapacityStore) -> None:
    queue(library, slots, "row_1", batch_id="batch_1")
    queue(library, slots, "row_2", batch_id="batch_1")
    queue(library, slots, "single_1")

    assert slots.list_waiting("sora") == ["single_1", "row_1", "row_2"]


def test_two_batches_take_turns(library: VideoStore, slots: CapacityStore) -> None:
    for row in range(3):
        queue(library, slots, f"a_{row}", batch_id="batch_a")
    for row in range(2):
        queue(library, slots, f"b_{row}", batch_id="batch_b")

    assert slots.list_waiting("sora") == ["a_0", "b_0", "a_1", "b_1", "a_2"]


def test_a_late_batch_begins_where_the_queue_has_come_to(library: VideoStore, slots: CapacityStore) -> None:
    early = [queue(library, slots, f"a_{row}", batch_id="batch_a") for row in range(5)]
    for video in early[:3]:
        library.fail(take_turn(library, slots, video), FAILURE, now=NOW)

    for row in range(2):
        queue(library, slots, f"b_{row}", batch_id="batch_b")

    assert slots.list_waiting("sora") == ["b_0", "a_3", "b_1", "a_4"]


def test_who_has_waited_before_does_not_go_before_others_for_that(library: VideoStore, slots: CapacityStore) -> None:
    """An owner whose first videos are through is no better off than one who comes for the first time."""
    for number in range(3):
        library.fail(take_turn(library, slots, queue(library, slots, f"a_{number}", owner="anna")), FAILURE, now=NOW)

    queue(library, slots, "a_3", owner="anna")
    queue(library, slots, "b_0", owner="ben")

    assert slots.list_waiting("sora") == ["b_0", "a_3"]


def test_a_change_of_nothing_counts_nothing() -> None:
    assert count_change(Claim("sora", has_slot=True), Claim("sora", has_slot=True), {"in_flight": 0}) == []


def test_a_change_of_providers_counts_at_both_and_is_bound_where_a_slot_is_taken() -> None:
    changes = count_change(Claim("sora", has_slot=True), Claim("runway", has_slot=True), {"in_flight": 3})

    assert changes == [
        Increase(Key("SLOTS#sora", "SLOTS"), {"in_flight": -1}),
        Increase(Key("SLOTS#runway", "SLOTS"), {"in_flight": 1}, at_most={"in_flight": 3}),
    ]
