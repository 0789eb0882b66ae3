"""The slots of providers: what is taken and given back with a video's own record, and the order of the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mediaposter.domain.errors import ErrorCode, SlotsTaken, VersionConflict
from mediaposter.stores.capacity import CapacityStore, Claim, SlotCount, count_change
from mediaposter.stores.table import Increase, Key
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import STARTED_WITHIN, WAITS_FOR, Stage
from mediaposter.stores.videos import VideoStore
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
def video_store(table: InMemoryTable) -> VideoStore:
    return VideoStore(table)


def take(
    video_store: VideoStore, slots: CapacityStore, video_id: str, *, may_overtake: bool = False, **fields: Any
) -> Video:
    """Record a video with a slot."""
    video = a_video(id=video_id, slot="sora", **fields)
    video_store.create(
        video, [], conditions=count_change(None, video.held, slots.bound("sora", may_overtake=may_overtake))
    )
    return video


def queue(video_store: VideoStore, slots: CapacityStore, video_id: str, **fields: Any) -> Video:
    """Record a video that waits."""
    video = a_video(id=video_id, **fields)
    video = video.model_copy(update={"place": slots.choose_place(video, now=NOW)})
    video_store.create(video, [], conditions=count_change(None, video.held, {}))
    return video_store.get_unchecked(video_id)


def dequeue(video_store: VideoStore, slots: CapacityStore, video: Video) -> Video:
    assert video.place is not None
    return video_store.dequeue(video, video.place, now=NOW, at_most=slots.bound("sora", may_overtake=True))


def test_no_more_slots_are_taken_than_there_are(video_store: VideoStore, slots: CapacityStore) -> None:
    take(video_store, slots, "video_1")
    take(video_store, slots, "video_2")

    with pytest.raises(VersionConflict) as refusal:
        take(video_store, slots, "video_3")

    assert refusal.value.changes == (0,)
    assert slots.count("sora") == SlotCount(in_flight=2)


def test_no_video_takes_a_free_slot_before_those_that_wait(video_store: VideoStore, slots: CapacityStore) -> None:
    queue(video_store, slots, "video_1")

    with pytest.raises(VersionConflict):
        take(video_store, slots, "video_2")

    assert slots.count("sora") == SlotCount(waiting=1)


def test_who_waits_takes_a_slot_and_leaves_the_queue(video_store: VideoStore, slots: CapacityStore) -> None:
    video = dequeue(video_store, slots, queue(video_store, slots, "video_1"))

    assert (video.slot, video.place) == ("sora", None)
    assert slots.count("sora") == SlotCount(in_flight=1, waiting=0)
    assert slots.list_waiting("sora") == []


def test_who_waits_takes_no_slot_that_there_is_not(video_store: VideoStore, slots: CapacityStore) -> None:
    take(video_store, slots, "video_1")
    take(video_store, slots, "video_2")
    waiting = queue(video_store, slots, "video_3")

    with pytest.raises(SlotsTaken):
        dequeue(video_store, slots, waiting)

    assert video_store.get_unchecked("video_3") == waiting
    assert slots.count("sora") == SlotCount(in_flight=2, waiting=1)


def test_one_turn_is_taken_once(video_store: VideoStore, slots: CapacityStore) -> None:
    waiting = queue(video_store, slots, "video_1")
    dequeue(video_store, slots, waiting)

    with pytest.raises(VersionConflict) as refusal:
        dequeue(video_store, slots, waiting)

    assert not isinstance(refusal.value, SlotsTaken)
    assert slots.count("sora") == SlotCount(in_flight=1)


ENDS: dict[str, Callable[[VideoStore, Video], object]] = {
    "its render is done": lambda video_store, video: video_store.advance(video, Stage.STORING, now=NOW),
    "it failed": lambda video_store, video: video_store.fail(video, FAILURE, now=NOW),
    "it was deleted": lambda video_store, video: video_store.delete(video, 0, now=NOW),
    "another provider takes over": lambda video_store, video: video_store.advance(
        video, Stage.QUEUED, now=NOW, provider="runway"
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_slot_is_given_back_once(
    video_store: VideoStore, slots: CapacityStore, end: Callable[[VideoStore, Video], object]
) -> None:
    video = take(video_store, slots, "video_1", stage=Stage.RENDERING)
    end(video_store, video)

    with pytest.raises(VersionConflict):
        end(video_store, video)

    assert slots.count("sora") == SlotCount(in_flight=0)
    assert slots.count("runway") == SlotCount()


@pytest.mark.parametrize("ending", ["it failed", "it was deleted"])
def test_who_waits_no_more_leaves_the_queue(video_store: VideoStore, slots: CapacityStore, ending: str) -> None:
    waiting = queue(video_store, slots, "video_1")

    ENDS[ending](video_store, waiting)

    assert slots.count("sora") == SlotCount(waiting=0)
    assert slots.list_waiting("sora") == []


def test_a_slot_is_kept_while_the_video_is_at_its_provider(video_store: VideoStore, slots: CapacityStore) -> None:
    video = take(video_store, slots, "video_1")
    for stage in (Stage.SUBMITTING, Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING):
        video = video_store.advance(video, stage, now=NOW, deadline_at=NOW)

    assert (video.slot, slots.count("sora")) == ("sora", SlotCount(in_flight=1))


def test_one_that_is_parked_waits_for_another_execution(video_store: VideoStore, slots: CapacityStore) -> None:
    video = a_video(deadline_at=NOW, stage=Stage.QUEUED)
    video_store.create(video, [])

    parked = video_store.park(video, slots.choose_place(video, now=NOW), now=NOW)

    assert (parked.launch, parked.deadline_at, parked.is_accepted) == (1, None, True)
    assert slots.count("sora") == SlotCount(waiting=1)
    assert slots.list_waiting("sora") == ["video_1"]


def test_one_that_got_its_slot_is_due_soon_so_that_the_sweep_starts_it(
    video_store: VideoStore, slots: CapacityStore
) -> None:
    waiting = queue(video_store, slots, "video_1")

    started = dequeue(video_store, slots, waiting)

    assert waiting.due_at == NOW + WAITS_FOR
    assert started.due_at == NOW + STARTED_WITHIN


def test_single_videos_go_before_those_of_batches(video_store: VideoStore, slots: CapacityStore) -> None:
    queue(video_store, slots, "row_1", batch_id="batch_1")
    queue(video_store, slots, "row_2", batch_id="batch_1")
    queue(video_store, slots, "single_1")

    assert slots.list_waiting("sora") == ["single_1", "row_1", "row_2"]


def test_two_batches_take_turns(video_store: VideoStore, slots: CapacityStore) -> None:
    for row in range(3):
        queue(video_store, slots, f"a_{row}", batch_id="batch_a")
    for row in range(2):
        queue(video_store, slots, f"b_{row}", batch_id="batch_b")

    assert slots.list_waiting("sora") == ["a_0", "b_0", "a_1", "b_1", "a_2"]


def test_a_late_batch_begins_where_the_queue_has_come_to(video_store: VideoStore, slots: CapacityStore) -> None:
    early = [queue(video_store, slots, f"a_{row}", batch_id="batch_a") for row in range(5)]
    for video in early[:3]:
        video_store.fail(dequeue(video_store, slots, video), FAILURE, now=NOW)

    for row in range(2):
        queue(video_store, slots, f"b_{row}", batch_id="batch_b")

    assert slots.list_waiting("sora") == ["b_0", "a_3", "b_1", "a_4"]


def test_who_has_waited_before_does_not_go_before_others_for_that(
    video_store: VideoStore, slots: CapacityStore
) -> None:
    """An owner whose first videos are through is no better off than one who comes for the first time."""
    for number in range(3):
        video_store.fail(
            dequeue(video_store, slots, queue(video_store, slots, f"a_{number}", owner="anna")), FAILURE, now=NOW
        )

    queue(video_store, slots, "a_3", owner="anna")
    queue(video_store, slots, "b_0", owner="ben")

    assert slots.list_waiting("sora") == ["b_0", "a_3"]


def test_a_change_of_nothing_counts_nothing() -> None:
    assert count_change(Claim("sora", has_slot=True), Claim("sora", has_slot=True), {"in_flight": 0}) == []


def test_a_change_of_providers_counts_at_both_and_is_bound_where_a_slot_is_taken() -> None:
    changes = count_change(Claim("sora", has_slot=True), Claim("runway", has_slot=True), {"in_flight": 3})

    assert changes == [
        Increase(Key("SLOTS#sora", "SLOTS"), {"in_flight": -1}),
        Increase(Key("SLOTS#runway", "SLOTS"), {"in_flight": 1}, at_most={"in_flight": 3}),
    ]
