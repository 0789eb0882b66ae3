"""The record of a video, and the transitions it can make."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode, NotFound, VersionConflict
from mediaposter.stores.table import Key
from mediaposter.stores.video_record import Reservation, Video, VideoFailure
from mediaposter.stores.video_stages import ASKED_AFTER, EARLIER_STAGES, STARTED_WITHIN, Stage
from mediaposter.stores.videos import VideoStore
from tests.builders import NOW, VIDEO_ID, a_post, a_target, a_video
from tests.fakes.table import InMemoryTable

FAILURE = VideoFailure(code=ErrorCode.TIMEOUT, message="too late")
LATER = NOW + timedelta(minutes=1)
KEPT = (Stage.AWAITING_APPROVAL, Stage.PUBLISHING, Stage.DONE)
UNKEPT = (Stage.QUEUED, Stage.SUBMITTING, Stage.RENDERING, Stage.STORING)


@pytest.fixture
def table() -> InMemoryTable:
    return InMemoryTable()


@pytest.fixture
def video_store(table: InMemoryTable) -> VideoStore:
    return VideoStore(table)


def test_a_video_and_its_posts_are_kept_together(video_store: VideoStore, table: InMemoryTable) -> None:
    video_store.create(a_video(), [a_post(), a_post(a_target("tiktok"))])

    assert list(table.items) == [
        Key("VIDEO#video_1", "VIDEO"),
        Key("VIDEO#video_1", "POST#twitter#101"),
        Key("VIDEO#video_1", "POST#tiktok#101"),
    ]


@pytest.mark.parametrize(
    ("stage", "status"),
    [
        (Stage.QUEUED, VideoStatus.QUEUED),
        *[(stage, VideoStatus.IN_PROGRESS) for stage in UNKEPT[1:]],
        *[(stage, VideoStatus.COMPLETED) for stage in KEPT],
    ],
)
def test_each_stage_has_one_of_openais_words(stage: Stage, status: VideoStatus) -> None:
    assert a_video(stage=stage).status is status


@pytest.mark.parametrize("stage", Stage)
def test_a_failure_outweighs_the_stage(stage: Stage) -> None:
    assert a_video(stage=stage, failure=FAILURE).status is VideoStatus.FAILED


def test_a_failure_keeps_the_stage_it_came_at_and_ends_the_lease(video_store: VideoStore) -> None:
    video_store.create(a_video(stage=Stage.SUBMITTING, lease_expires_at=LATER), [])

    failed = video_store.fail(video_store.get_unchecked(VIDEO_ID), FAILURE, now=LATER)

    assert (failed.stage, failed.failure, failed.lease_expires_at) == (Stage.SUBMITTING, FAILURE, None)
    assert video_store.get_unchecked(VIDEO_ID) == failed


@pytest.mark.parametrize("stage", UNKEPT)
def test_a_failed_video_stays_failed_where_it_was(video_store: VideoStore, stage: Stage) -> None:
    failed = a_video(stage=stage, failure=FAILURE)
    video_store.create(failed, [])

    writes: list[Callable[[], object]] = [
        lambda: video_store.fail(failed, FAILURE, now=LATER),
        lambda: video_store.note(failed, now=LATER, progress=50),
        *[partial(video_store.advance, failed, after, now=LATER) for after in Stage],
    ]
    for write in writes:
        with pytest.raises(VersionConflict, match=rf"The video video_1 is failed at {stage} and stays so"):
            write()


@pytest.mark.parametrize("stage", KEPT)
def test_a_kept_video_can_never_fail(video_store: VideoStore, stage: Stage) -> None:
    video_store.create(a_video(stage=stage), [])

    with pytest.raises(VersionConflict, match=rf"The video video_1 is completed at {stage} and stays so"):
        video_store.fail(video_store.get_unchecked(VIDEO_ID), FAILURE, now=LATER)


ALLOWED = {
    (Stage.QUEUED, Stage.QUEUED),
    (Stage.RENDERING, Stage.QUEUED),
    (Stage.QUEUED, Stage.SUBMITTING),
    (Stage.SUBMITTING, Stage.QUEUED),
    (Stage.SUBMITTING, Stage.RENDERING),
    (Stage.RENDERING, Stage.STORING),
    (Stage.STORING, Stage.AWAITING_APPROVAL),
    (Stage.STORING, Stage.PUBLISHING),
    (Stage.STORING, Stage.DONE),
    (Stage.AWAITING_APPROVAL, Stage.PUBLISHING),
    (Stage.DONE, Stage.PUBLISHING),
    (Stage.DONE, Stage.AWAITING_APPROVAL),
    (Stage.AWAITING_APPROVAL, Stage.DONE),
    (Stage.PUBLISHING, Stage.DONE),
}


@pytest.mark.parametrize("known", [{"stage": Stage.RENDERING}, {"failure": FAILURE}], ids=["further on", "failed"])
def test_a_record_that_the_table_knows_otherwise_is_not_written_over(
    video_store: VideoStore, table: InMemoryTable, known: dict[str, Any]
) -> None:
    video_store.create(a_video(**known), [])
    before = dict(table.items)

    with pytest.raises(VersionConflict, match="changed meanwhile"):
        video_store.advance(a_video(), Stage.SUBMITTING, now=LATER)  # of the same version

    assert table.items == before


@pytest.mark.parametrize("video_id", [VIDEO_ID, "v" * 129])
def test_a_video_that_is_not_there_is_not_found(video_store: VideoStore, video_id: str) -> None:
    with pytest.raises(NotFound, match="There is no "):
        video_store.get_unchecked(video_id)


@pytest.mark.parametrize("after", Stage)
@pytest.mark.parametrize("before", Stage)
def test_only_these_transitions_can_be_made(video_store: VideoStore, before: Stage, after: Stage) -> None:
    video_store.create(a_video(stage=before), [])

    if (before, after) in ALLOWED:
        assert video_store.advance(video_store.get_unchecked(VIDEO_ID), after, now=LATER).stage is after
    else:
        with pytest.raises(VersionConflict):
            video_store.advance(video_store.get_unchecked(VIDEO_ID), after, now=LATER)
        assert video_store.get_unchecked(VIDEO_ID).version == 1


def test_a_video_has_an_alarm_as_long_as_it_is_not_over() -> None:
    promised = Reservation(on=NOW.date(), micros=400_000)
    reservations = (None, promised, promised.copy_with(settled_micros=0))
    cases = product(Stage, (None, FAILURE), reservations, (True, False), (None, LATER))
    for stage, failure, reservation, is_told, due_at in cases:
        video = a_video(stage=stage, failure=failure, reservation=reservation, is_told=is_told, due_at=due_at)
        is_over = (failure is not None or stage is Stage.DONE) and reservation is not promised and is_told

        assert ("due" in video.index_attributes()) is not is_over, video


def test_from_stage_to_stage_the_alarm_moves_with_what_is_waited_for(video_store: VideoStore) -> None:
    video_store.create(a_video(expected_render_seconds=100), [])
    moved = [video_store.get_unchecked(VIDEO_ID).due_at]
    video = video_store.get_unchecked(VIDEO_ID)
    for stage in (Stage.SUBMITTING, Stage.RENDERING, Stage.STORING, Stage.PUBLISHING, Stage.DONE):
        video = video_store.advance(video, stage, now=LATER)
        moved.append(video.due_at)

    assert moved == [
        NOW + STARTED_WITHIN,
        LATER + ASKED_AFTER[Stage.SUBMITTING] + timedelta(seconds=100),
        LATER + ASKED_AFTER[Stage.SUBMITTING] + timedelta(seconds=100),
        LATER + ASKED_AFTER[Stage.STORING],
        LATER + ASKED_AFTER[Stage.STORING],
        LATER + ASKED_AFTER[Stage.STORING],
    ]
    assert video_store.mark_event_sent(video).index_attributes().get("due") is None


def test_that_a_video_was_told_of_is_noted_over_its_version_and_moves_no_time(video_store: VideoStore) -> None:
    video_store.create(a_video(stage=Stage.DONE), [])
    video = video_store.get_unchecked(VIDEO_ID)

    told = video_store.mark_event_sent(video)

    assert video_store.get_unchecked(VIDEO_ID) == told == video.model_copy(update={"is_told": True, "version": 2})
    with pytest.raises(VersionConflict):
        video_store.mark_event_sent(video)


class VideoTransitions(RuleBasedStateMachine):
    """Any writers, with any copies they ever read, in any order."""

    copies = Bundle[Video]("copies")

    def __init__(self) -> None:
        super().__init__()
        self.video_store = VideoStore(InMemoryTable())
        self.previous: Video | None = None

    @property
    def kept(self) -> Video:
        return self.video_store.get_unchecked(VIDEO_ID)

    @initialize(target=copies)
    def create(self) -> Video:
        self.video_store.create(a_video(), [])
        return self.kept

    @rule(target=copies)
    def read(self) -> Video:
        return self.kept

    @rule(target=copies, copy=copies, stage=st.sampled_from(Stage))
    def advance(self, copy: Video, stage: Stage) -> Video:
        before = self.kept
        try:
            after = self.video_store.advance(copy, stage, now=LATER)
        except VersionConflict:
            self._see_nothing_changed(before)
            return before
        self._see_a_rightful_writer(copy, before, after)
        is_back = list(Stage).index(stage) <= list(Stage).index(before.stage)
        # Back it goes to be generated by another model, or to be posted again, perhaps after another approval.
        is_posted_again = before.stage is Stage.DONE and stage in (Stage.AWAITING_APPROVAL, Stage.PUBLISHING)
        is_begun_anew = stage is Stage.QUEUED or is_posted_again
        assert not is_back or (is_begun_anew and before.stage in EARLIER_STAGES[stage])
        return after

    @rule(target=copies, copy=copies)
    def fail(self, copy: Video) -> Video:
        before = self.kept
        try:
            after = self.video_store.fail(copy, FAILURE, now=LATER)
        except VersionConflict:
            self._see_nothing_changed(before)
            return before
        self._see_a_rightful_writer(copy, before, after)
        assert before.status is not VideoStatus.COMPLETED, "a kept video failed"
        return after

    @rule(target=copies, copy=copies, progress=st.integers(0, 100))
    def note(self, copy: Video, progress: int) -> Video:
        before = self.kept
        try:
            after = self.video_store.note(copy, now=LATER, progress=progress)
        except VersionConflict:
            self._see_nothing_changed(before)
            return before
        self._see_a_rightful_writer(copy, before, after)
        assert after.stage is before.stage
        return after

    def _see_nothing_changed(self, before: Video) -> None:
        assert self.kept == before

    def _see_a_rightful_writer(self, copy: Video, before: Video, after: Video) -> None:
        assert copy == before, "a stale writer won"
        assert before.failure is None, "a failed video went on"
        assert self.kept == after
        assert (after.version, after.updated_at) == (before.version + 1, LATER)

    @invariant()
    def the_version_only_rises_and_the_ends_stay(self) -> None:
        kept = self.kept
        if self.previous is not None:
            assert kept.version > self.previous.version or kept == self.previous
            assert not self.previous.status.is_terminal or kept.status is self.previous.status
            # A video that is done may be posted once more, and nothing else.
            assert self.previous.stage is not Stage.DONE or kept.stage in (Stage.DONE, Stage.PUBLISHING)
        self.previous = kept


TestVideoTransitions = VideoTransitions.TestCase
TestVideoTransitions.settings = settings(max_examples=25, stateful_step_count=25)
