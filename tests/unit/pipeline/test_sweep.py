"""Coming back to posts and approvals whose time has come, where nobody else did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mediaposter.errors import Conflict, NotFound
from mediaposter.library.approvals import Decision, open_approval
from mediaposter.library.batches import Batch, BatchCaller, BatchSource
from mediaposter.library.due import DueList
from mediaposter.library.posts import Post, PostLedger, PostState
from mediaposter.library.table import Record
from mediaposter.library.videos import Stage
from mediaposter.pipeline.steps import CloseInput, PostStepInput
from mediaposter.pipeline.sweep import SweepDue, SweepVideos, sweep_each
from tests.builders import NOW, VIDEO_ID, a_post, a_target, a_video
from tests.fakes.clock import Clock
from tests.fakes.table import InMemoryTable
from tests.fakes.world import World
from tests.unit.pipeline.posting import MEDIA_URL, a_kept_video, is_due, kept_world, post_of

JUST_NOW = NOW - timedelta(seconds=1)


class Steps:
    """What the sweep calls; each notes what it is called with, and does as it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.errors: dict[str, Exception] = {}

    def create_post(self, step: PostStepInput) -> None:
        self._note("create", step.post_id)

    def check_post(self, step: PostStepInput) -> None:
        self._note("check", step.post_id)

    def start_posts(self, video_id: str) -> None:
        self._note("start", video_id)

    def expire_approval(self, video_id: str) -> None:
        self._note("expire", video_id)

    def look_after_batch(self, batch_id: str) -> None:
        self._note("batch", batch_id)

    def reclaim_slot(self, video_id: str) -> None:
        self._note("reclaim", video_id)

    def _note(self, name: str, what: str) -> None:
        self.calls.append((name, what))
        if what in self.errors:
            raise self.errors[what]


def sweep_of(*records: Record, are_gone: bool = False) -> tuple[SweepDue, Steps]:
    """Build a sweep of these records, which may be gone since they were listed."""
    table = InMemoryTable()
    for record in records:
        table.create([record])
    steps = Steps()
    sweep = SweepDue(
        due=DueList(table),
        ledger=PostLedger(InMemoryTable() if are_gone else table),
        create_post=steps.create_post,
        check_post=steps.check_post,
        start_posts=steps.start_posts,
        expire_approval=steps.expire_approval,
        look_after_batch=steps.look_after_batch,
        reclaim_slot=steps.reclaim_slot,
        clock=Clock(),
    )
    return sweep, steps


def test_a_batch_that_is_due_is_looked_after() -> None:
    caller = BatchCaller(owner="somebody", scopes=frozenset())
    source = BatchSource(key="inbox/kites.csv", version_id="v1", format="csv")
    batch = Batch(id="batch_1", caller=caller, source=source, created_at=NOW, updated_at=NOW, due_at=JUST_NOW)
    sweep, steps = sweep_of(batch)

    assert sweep() == 1
    assert steps.calls == [("batch", "batch_1")]


def due_post(account_id: str = "101", **changes: Any) -> Post:
    return a_post(a_target(account_id=account_id), **{"due_at": JUST_NOW, **changes})


@pytest.mark.parametrize(
    ("state", "call"),
    [
        (PostState.PENDING, ("start", VIDEO_ID)),
        (PostState.CALLING, ("create", "twitter#101")),
        (PostState.IN_DOUBT, ("create", "twitter#101")),
        (PostState.SUBMITTED, ("check", "twitter#101")),
        (PostState.SCHEDULED, ("check", "twitter#101")),
        # Their end is still to be told.
        (PostState.PUBLISHED, ("check", "twitter#101")),
        (PostState.FAILED, ("check", "twitter#101")),
        (PostState.PARKED, ("check", "twitter#101")),
        (PostState.UNKNOWN, ("check", "twitter#101")),
    ],
)
def test_a_post_is_taken_up_where_it_stands(state: PostState, call: tuple[str, str]) -> None:
    sweep, steps = sweep_of(due_post(state=state))

    assert sweep() == 1
    assert steps.calls == [call]


def test_a_question_is_taken_up() -> None:
    question = open_approval(VIDEO_ID, now=NOW - timedelta(days=2), hours=24).record
    sweep, steps = sweep_of(question)

    assert sweep() == 1
    assert steps.calls == [("expire", VIDEO_ID)]


def test_what_is_not_due_is_left_alone() -> None:
    sweep, steps = sweep_of(
        due_post("1", due_at=NOW),
        due_post("2", due_at=NOW + timedelta(days=1)),
        due_post("3", due_at=None),
        open_approval(VIDEO_ID, now=NOW, hours=1).record,
    )

    assert sweep() == 0
    assert steps.calls == []


def test_what_is_due_longest_comes_first() -> None:
    sweep, steps = sweep_of(
        due_post("1", state=PostState.SUBMITTED),
        due_post("2", state=PostState.SUBMITTED, due_at=NOW - timedelta(days=1)),
    )

    sweep()

    assert [what for _, what in steps.calls] == ["twitter#2", "twitter#1"]


def test_one_that_cannot_be_helped_holds_up_no_other_and_is_told_of() -> None:
    sweep, steps = sweep_of(*(due_post(str(number), state=PostState.SUBMITTED) for number in range(3)))
    steps.errors = {"twitter#0": RuntimeError("first"), "twitter#1": RuntimeError("second")}

    with pytest.raises(ExceptionGroup) as group:
        sweep()

    assert group.value.message == (
        "2 of 3 that are due could not be looked after: VIDEO#video_1 POST#twitter#0 (RuntimeError), "
        "VIDEO#video_1 POST#twitter#1 (RuntimeError)"
    ), "and nothing of what they say, which no log may hold"
    assert [str(error) for error in group.value.exceptions] == ["first", "second"]
    assert len(steps.calls) == 3


@pytest.mark.parametrize("error", [Conflict("changed"), NotFound("gone")])
def test_one_that_somebody_else_came_back_to_is_no_fault(error: Exception) -> None:
    sweep, steps = sweep_of(*(due_post(str(number), state=PostState.SUBMITTED) for number in range(2)))
    steps.errors = {"twitter#0": error}

    assert sweep() == 2
    assert len(steps.calls) == 2


def test_a_post_that_is_gone_since_it_was_listed_is_no_fault() -> None:
    sweep, steps = sweep_of(due_post(state=PostState.SUBMITTED), are_gone=True)

    assert sweep() == 1
    assert steps.calls == []


# The sweeps together


def test_one_sweep_that_fails_holds_up_no_other() -> None:
    def fail() -> int:
        raise RuntimeError("no table")

    with pytest.raises(ExceptionGroup, match="no table") as group:
        sweep_each({"videos": fail, "due": fail})

    assert len(group.value.exceptions) == 2


def test_every_sweep_tells_what_it_found() -> None:
    assert sweep_each({"videos": lambda: 0, "due": lambda: 3}) == {"videos": 0, "due": 3}


def test_a_video_that_is_written_while_it_is_closed_is_left_to_the_next_sweep() -> None:
    world = World()
    world.keep(a_video())
    world.clock.advance(301)

    def meet_another(closing: CloseInput) -> None:
        raise Conflict(f"{closing.video_id} changed meanwhile.")

    sweep = SweepVideos(library=world.library, workflow=world.workflow, close=meet_another, clock=world.clock)

    assert sweep() == 0


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


def test_of_a_deleted_video_what_was_sent_is_followed_to_its_end() -> None:
    world = kept_world(
        state=PostState.IN_DOUBT, media_url=MEDIA_URL, called_at=NOW, in_doubt_since=NOW, due_at=JUST_NOW
    )
    world.table.items.pop(world.video.key)

    world.sweep_until_nothing_is_due()

    assert (post_of(world).state, world.post_events) == (PostState.PARKED, [])


def test_a_post_and_a_question_are_swept_together() -> None:
    world = World()
    world.keep(
        a_kept_video(stage=Stage.AWAITING_APPROVAL),
        a_post(),
        a_post(a_target("threads"), state=PostState.PUBLISHED, due_at=JUST_NOW),
    )
    world.table.commit([open_approval(VIDEO_ID, now=NOW - timedelta(days=2), hours=1)])

    assert world.sweep() == 2

    assert world.approvals.get(VIDEO_ID).decision is Decision.EXPIRED
    assert [event.type for event in world.post_events] == ["post.published"]
    assert not is_due(world)
