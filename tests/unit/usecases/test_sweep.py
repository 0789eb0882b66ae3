"""The sweep visits due records that no worker finished."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from mediaposter.domain.errors import NotFound
from mediaposter.stores.approvals import open_approval
from mediaposter.stores.batches import Batch, BatchCaller, BatchSource
from mediaposter.stores.due import DueStore
from mediaposter.stores.posts import Post, PostState, PostStore
from mediaposter.stores.table import INDEX_PAGE_MAX, Record
from mediaposter.stores.video_leftovers import LEFTOVERS_AFTER
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.scheduled.sweep import BUDGET_SECONDS, VISITED_AGAIN_AFTER, SweepDue, Swept
from tests.builders import NOW, VIDEO_ID, a_caller, a_post, a_stored_video, a_target, a_video
from tests.fakes.clock import Clock
from tests.fakes.table import InMemoryTable
from tests.fakes.video_model import MP4
from tests.unit.usecases.posting import MEDIA_URL, a_kept_video, kept_world, post_of

JUST_NOW = NOW - timedelta(seconds=1)
AGAIN = NOW + VISITED_AGAIN_AFTER
A_HUNG_QUESTION_SECONDS = 60


class Sweep:
    """A sweep of some records.

    Attributes:
        calls: what it called, in its order.
        happen: what a call about something does, by its name.
        ask_again_at: when it is told to ask again about a video.
    """

    def __init__(self, *records: Record) -> None:
        self.table = InMemoryTable()
        for record in records:
            self.table.create([record])
        self.calls: list[tuple[str, str]] = []
        self.happen: dict[str, Callable[[], object]] = {}
        self.ask_again_at: datetime | None = None
        self.clock = Clock()
        self.run = SweepDue(
            due=DueStore(self.table),
            videos=VideoStore(self.table),
            posts=PostStore(self.table),
            resume_video=self._resume,
            expire_approval=lambda video_id: self._note("expire", video_id),
            monitor_batch=lambda batch_id: self._note("batch", batch_id),
            clear_up=lambda video_id: self._note("clear up", video_id),
            dispatch_waiting=self._dispatch,
            create_post=lambda step: self._note("create", step.post_id),
            check_post=lambda step: self._note("check", step.post_id),
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )

    def due_at(self, record: Record) -> datetime:
        """Read when a record is due."""
        return datetime.fromisoformat(str(self.table.items[record.key]["due_at"]))

    def _resume(self, video_id: str) -> datetime | None:
        self._note("resume", video_id)
        return self.ask_again_at

    def _dispatch(self) -> int:
        self._note("dispatch", "")
        return 0

    def _note(self, name: str, what: str) -> None:
        self.calls.append((name, what))
        self.happen.get(what or name, lambda: None)()


def fail_with(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def due_video(video_id: str = VIDEO_ID, **changes: Any) -> Video:
    return a_video(id=video_id, **{"due_at": JUST_NOW, **changes})


def due_post(account_id: str = "101", **changes: Any) -> Post:
    return a_post(a_target(account_id=account_id), **{"due_at": JUST_NOW, "state": PostState.SUBMITTED, **changes})


def due_batch() -> Batch:
    caller = BatchCaller(owner="somebody", scopes=frozenset())
    source = BatchSource(key="inbox/kites.csv", version_id="v1", format="csv")
    return Batch(id="batch_1", caller=caller, source=source, created_at=NOW, updated_at=NOW, due_at=JUST_NOW)


def due_question() -> Record:
    return open_approval(VIDEO_ID, now=NOW - timedelta(days=2), hours=24).record


# Who is visited, and by what


@pytest.mark.parametrize("stage", [Stage.PUBLISHING, Stage.DONE])
def test_a_post_that_its_execution_left_is_sent(stage: Stage) -> None:
    sweep = Sweep(due_post(state=PostState.PENDING), a_kept_video(stage=stage, due_at=AGAIN))

    sweep.run()

    assert ("create", "twitter#101") in sweep.calls


def test_a_post_that_waits_for_a_persons_word_is_not_sent() -> None:
    post = due_post(state=PostState.PENDING)
    sweep = Sweep(post, a_kept_video(stage=Stage.AWAITING_APPROVAL, due_at=AGAIN))

    sweep.run()

    assert sweep.calls == [("dispatch", "")]
    assert sweep.due_at(post) == AGAIN


def test_a_post_of_a_deleted_video_is_cancelled_and_not_sent() -> None:
    world = kept_world(state=PostState.PENDING, due_at=JUST_NOW)
    world.table.items.pop(world.video.key)

    world.sweep_until_nothing_is_due()

    assert (post_of(world).state, world.publisher.publish_calls) == (PostState.CANCELLED, 0)


# In which order


def test_our_own_work_comes_first_then_those_who_wait_and_last_what_asks_the_publisher() -> None:
    long_ago = NOW - timedelta(days=1)
    sweep = Sweep(due_post(due_at=long_ago), due_question(), due_video(), due_batch())

    sweep.run()

    assert [name for name, _ in sweep.calls[-2:]] == ["dispatch", "check"]
    assert len(sweep.calls) == 5


def test_everything_that_is_due_is_visited_page_after_page() -> None:
    number = 2 * INDEX_PAGE_MAX + 5
    sweep = Sweep(*(due_video(f"video_{index}") for index in range(number)))

    assert sweep.run() == Swept(visited=number, left=0)


# For how long


def test_a_publisher_that_hangs_holds_nothing_of_ours_up_and_ends_the_sweep_in_time() -> None:
    posts = [due_post(str(number)) for number in range(50)]
    sweep = Sweep(*posts, due_question())
    for post in posts:
        sweep.happen[post.target.post_id] = lambda: sweep.clock.advance(A_HUNG_QUESTION_SECONDS)

    swept = sweep.run()

    assert ("expire", VIDEO_ID) in sweep.calls
    assert (sweep.clock() - NOW).total_seconds() < BUDGET_SECONDS + A_HUNG_QUESTION_SECONDS
    assert swept.left == 51 - swept.visited > 0


# Who shares the work


def test_the_alarm_is_moved_before_the_visit() -> None:
    video = due_video()
    sweep = Sweep(video)
    seen = []
    sweep.happen[VIDEO_ID] = lambda: seen.append(sweep.due_at(video))

    sweep.run()

    assert seen == [AGAIN]
    assert sweep.run().visited == 0


def test_two_sweeps_visit_a_record_once() -> None:
    sweep = Sweep(*(due_video(f"video_{number}") for number in range(3)))
    sweep.happen["video_0"] = sweep.run

    sweep.run()

    assert sorted(what for name, what in sweep.calls if name == "resume") == ["video_0", "video_1", "video_2"]


def test_a_video_that_an_execution_carries_is_asked_for_when_it_says() -> None:
    video = due_video()
    sweep = Sweep(video)
    sweep.ask_again_at = NOW + timedelta(hours=3)

    sweep.run()

    assert sweep.due_at(video) == NOW + timedelta(hours=3)


# What goes wrong


def test_one_that_cannot_be_helped_holds_up_no_other_and_is_told_by_its_name_alone() -> None:
    sweep = Sweep(due_video(), *(due_post(str(number)) for number in range(3)))
    sweep.happen = {
        VIDEO_ID: fail_with(RuntimeError("the prompt")),
        "dispatch": fail_with(RuntimeError("of whom")),
        "twitter#1": fail_with(ValueError("the caption")),
    }

    with pytest.raises(ExceptionGroup) as group:
        sweep.run()

    assert group.value.message == (
        "3 of 4 due records could not be handled: VIDEO#video_1 VIDEO (RuntimeError), "
        "waiting videos (RuntimeError), VIDEO#video_1 POST#twitter#1 (ValueError)"
    ), "and nothing of what they say, which no log may hold"
    assert [str(error) for error in group.value.exceptions] == ["the prompt", "of whom", "the caption"]
    assert len(sweep.calls) == 5


# Over the real use cases


@pytest.mark.parametrize(
    ("post", "state"),
    [
        ({"state": PostState.CALLING, "lease_expires_at": JUST_NOW, "called_at": NOW}, PostState.PARKED),
        ({"state": PostState.IN_DOUBT, "in_doubt_since": NOW, "called_at": NOW}, PostState.PARKED),
        ({"state": PostState.SUBMITTED, "submitted_at": NOW, "submission_id": "submission-9"}, PostState.UNKNOWN),
        ({"state": PostState.SCHEDULED, "scheduled_time": NOW, "submission_id": "submission-9"}, PostState.UNKNOWN),
    ],
    ids=lambda value: str(value["state"]) if isinstance(value, dict) else str(value),
)
def test_nothing_that_was_sent_waits_for_ever(post: dict[str, Any], state: PostState) -> None:
    world = kept_world(**{"media_url": MEDIA_URL, "due_at": JUST_NOW, **post})

    world.sweep_until_nothing_is_due()

    assert (post_of(world).state, world.publisher.publish_calls) == (state, 0)
    assert [event.type for event in world.post_events] == ["post.in_doubt"]


def test_what_a_step_left_of_a_deleted_video_is_cleared_up() -> None:
    world = kept_world()
    world.delete(VIDEO_ID, caller=a_caller())
    # A store that ran on, and a question whose deletion died before it was forgotten.
    world.media.objects[a_stored_video().key] = MP4
    world.table.commit([open_approval(VIDEO_ID, now=NOW, hours=48)])
    world.clock.advance(LEFTOVERS_AFTER.total_seconds() + 1)

    world.sweep()

    assert world.media.objects == {}
    with pytest.raises(NotFound):
        world.approvals.get(VIDEO_ID)
    assert not any("due" in item for item in world.table.items.values())
