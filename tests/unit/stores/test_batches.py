"""The record of a batch, and what is counted with its videos."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.batches import (
    EARLIER_STAGES,
    Batch,
    BatchCaller,
    BatchSource,
    BatchStage,
    BatchStore,
    BatchTotals,
    CancelScope,
)
from mediaposter.stores.keys import Scope
from mediaposter.stores.video_lists import VideoQuery
from mediaposter.stores.videos import VideoStore
from tests.builders import NOW, OWNER, RESERVATION, a_caller, a_video
from tests.fakes.table import InMemoryTable

CALLER = BatchCaller(owner=OWNER, scopes=frozenset({Scope.CREATE}))
SOURCE = BatchSource(key="inbox/kites.csv", version_id="v1", format="csv")


@pytest.fixture
def table() -> InMemoryTable:
    return InMemoryTable()


@pytest.fixture
def batches(table: InMemoryTable) -> BatchStore:
    return BatchStore(table)


def a_batch(stage: BatchStage = BatchStage.READING, **changes: object) -> Batch:
    fields = {"id": "batch_1", "caller": CALLER, "source": SOURCE, "created_at": NOW, "updated_at": NOW}
    return Batch.model_validate({**fields, "stage": stage, **changes})


def test_a_batch_of_another_owner_looks_like_none_at_all(batches: BatchStore) -> None:
    batches.create(a_batch())

    assert batches.get("batch_1", caller=a_caller()).id == "batch_1"
    for caller, batch_id in (
        (a_caller(owner="key_of_another"), "batch_1"),
        (a_caller(), "batch_2"),
        (a_caller(), "batch_" + "1" * 1_000),
    ):
        with pytest.raises(NotFound) as caught:
            batches.get(batch_id, caller=caller)
        assert caught.value.what == "batch"


@pytest.mark.parametrize("stage", list(BatchStage))
@pytest.mark.parametrize("target", list(EARLIER_STAGES))
def test_only_the_transitions_that_there_are_can_be_made(
    batches: BatchStore, stage: BatchStage, target: BatchStage
) -> None:
    batches.create(a_batch(stage))

    if stage in EARLIER_STAGES[target]:
        assert batches.advance("batch_1", target, now=NOW).stage is target
    else:
        with pytest.raises(VersionConflict, match="cannot come to"):
            batches.advance("batch_1", target, now=NOW)


def test_what_was_noted_meanwhile_is_not_lost_by_a_transition(batches: BatchStore, table: InMemoryTable) -> None:
    batches.create(a_batch(BatchStage.TAKING))
    table.meanwhile = lambda: batches.note(batches.get_unchecked("batch_1"), now=NOW, cancel=CancelScope.WAITING)

    batch = batches.advance("batch_1", BatchStage.RUNNING, now=NOW)

    assert (batch.stage, batch.cancel) == (BatchStage.RUNNING, CancelScope.WAITING)


def test_a_note_on_what_has_changed_is_refused(batches: BatchStore) -> None:
    batches.create(a_batch())
    read = batches.get_unchecked("batch_1")
    batches.note(read, now=NOW, cancel=CancelScope.WAITING)

    with pytest.raises(VersionConflict):
        batches.note(read, now=NOW, run=2)


def test_a_record_that_is_written_all_the_time_is_given_up(batches: BatchStore, table: InMemoryTable) -> None:
    batches.create(a_batch(BatchStage.TAKING))

    def write() -> None:
        batches.note(batches.get_unchecked("batch_1"), now=NOW)
        table.meanwhile = write

    table.meanwhile = write

    with pytest.raises(VersionConflict, match="keep writing"):
        batches.advance("batch_1", BatchStage.RUNNING, now=NOW)


def test_videos_are_counted_when_they_are_recorded_and_when_they_are_settled(
    batches: BatchStore, table: InMemoryTable
) -> None:
    video_store = VideoStore(table)
    videos = [a_video(id=f"video_{number}", batch_id="batch_1", reservation=RESERVATION) for number in (1, 2, 3)]
    for video in videos:
        video_store.create(video, [])

    for _ in range(2):
        video_store.settle(video_store.get_unchecked("video_1"), 250_000, now=NOW)
    video_store.delete(video_store.get_unchecked("video_2"), 50_000, now=NOW)

    assert batches.count("batch_1") == BatchTotals(videos=3, settled=2, spent_micros=300_000)


def test_a_video_that_was_not_recorded_is_not_counted(batches: BatchStore, table: InMemoryTable) -> None:
    video_store = VideoStore(table)
    video_store.create(a_video(batch_id="batch_1"), [])

    with pytest.raises(VersionConflict):
        video_store.create(a_video(batch_id="batch_1"), [])

    assert batches.count("batch_1").videos == 1


def test_a_video_of_no_batch_is_counted_in_none(table: InMemoryTable) -> None:
    VideoStore(table).create(a_video(), [])

    assert not [key for key in table.items if key.pk.startswith("BATCH#")]


def test_an_owners_batches_are_listed_and_those_of_no_other(batches: BatchStore) -> None:
    for number in range(1, 4):
        batches.create(a_batch(id=f"batch_{number}"))
    batches.create(a_batch(id="batch_9", caller=CALLER.model_copy(update={"owner": "somebody"})))

    page = batches.list_page(OWNER, limit=2)
    rest = batches.list_page(OWNER, limit=2, after=page.batches[-1].id)

    assert [batch.id for batch in page.batches] == ["batch_3", "batch_2"]
    assert (page.has_more, rest.has_more) == (True, False)
    assert [batch.id for batch in rest.batches] == ["batch_1"]


@pytest.mark.parametrize("batch_id", ["", "#", "batch_1", f"#{OWNER}"])
def test_no_question_for_the_videos_of_a_batch_finds_a_batch(
    batches: BatchStore, table: InMemoryTable, batch_id: str
) -> None:
    batches.create(a_batch())
    video_store = VideoStore(table)

    assert video_store.list_page(VideoQuery(OWNER, 10, batch_id=batch_id)).videos == []
    assert video_store.list_page(VideoQuery(OWNER, 10)).videos == []


def test_a_batch_is_due_until_nothing_is_left_to_do(batches: BatchStore, table: InMemoryTable) -> None:
    batches.create(a_batch(due_at=NOW + timedelta(minutes=1)))
    before = table.items[a_batch().key].get("due")

    batches.note(batches.get_unchecked("batch_1"), now=NOW, due_at=None)

    assert (before, table.items[a_batch().key].get("due")) == ("yes", None)
