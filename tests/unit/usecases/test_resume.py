"""Carrying on a video that no execution carries any more, and closing one whose time is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode, NotFound, NotStarted
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.publishing.targets import TARGETS_MAX
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_record import Reservation, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.steps import CheckInput, PostReference
from mediaposter.usecases.videos import resume
from mediaposter.usecases.videos.resume import may_continue
from tests.builders import NOW, VIDEO_ID, a_post, a_stored_video, a_target, a_video, an_attempt
from tests.fakes.world import World
from tests.unit.usecases.posting import a_kept_video

ENDED = [status for status in ExecutionStatus if status.has_ended]
CARRIED = [ExecutionStatus.RUNNING, ExecutionStatus.PENDING_REDRIVE]
TIMED_OUT = VideoFailure(code=ErrorCode.TIMEOUT, message="too late")
HOUR = timedelta(hours=1)
# Everything that a record may be while there is something left to do that only an execution does.
UNFINISHED: dict[str, dict[str, Any]] = {
    "queued": {"deadline_at": NOW + HOUR},
    "queued and acknowledged": {"is_accepted": True},
    "submitting": {"stage": Stage.SUBMITTING, "deadline_at": NOW + HOUR},
    "rendering": {"stage": Stage.RENDERING, "deadline_at": NOW + HOUR, "provider_job_id": "job-1"},
    "storing": {"stage": Stage.STORING, "store_until": NOW + HOUR, "provider_job_id": "job-1"},
    "awaiting approval": {"stage": Stage.AWAITING_APPROVAL, "approval_hours": 1, "stored": a_stored_video()},
    "publishing": {"stage": Stage.PUBLISHING, "publishing_since": NOW, "stored": a_stored_video()},
}
each_unfinished = pytest.mark.parametrize("changes", UNFINISHED.values(), ids=UNFINISHED)


def resumed_world(status: ExecutionStatus | None, *, minutes: float = 10, **changes: Any) -> World:
    """Build a world of a video with a post, whose execution stands so, some minutes later."""
    world = World()
    world.keep(a_video(**{"attempts": (an_attempt(),) if "stage" in changes else (), **changes}), a_post())
    if status is not None:
        world.workflow.executions.append(VIDEO_ID)
    if status not in (None, ExecutionStatus.RUNNING):
        world.workflow.over[VIDEO_ID] = status
    world.clock.advance(minutes * 60)
    return world


# An execution carries it


@pytest.mark.parametrize("status", CARRIED)
@each_unfinished
def test_what_an_execution_carries_is_left_to_it(changes: dict[str, Any], status: ExecutionStatus) -> None:
    world = resumed_world(status, minutes=60 * 24 * 30, **changes)
    before = world.video

    ask_again_at = world.resume(VIDEO_ID)

    is_asked = before.stage is Stage.AWAITING_APPROVAL
    assert ask_again_at == world.clock() + (HOUR if is_asked else timedelta(minutes=10))
    assert (world.video, world.workflow.executions) == (before, [VIDEO_ID]), "however late it is"


# None is shown, which may be late


@each_unfinished
def test_what_the_service_shows_no_execution_of_is_started_under_the_same_name_and_never_closed(
    changes: dict[str, Any],
) -> None:
    world = resumed_world(None, minutes=60 * 24 * 30, **changes)

    assert world.resume(VIDEO_ID) is None

    assert world.workflow.executions == [VIDEO_ID]
    assert (world.video.failure, world.video.launch, world.events) == (None, 0, [])


@each_unfinished
def test_one_that_is_shown_late_is_not_started_twice(changes: dict[str, Any]) -> None:
    world = resumed_world(None, **changes)
    # The dispatcher has started it, and the service does not show that yet.
    world.workflow.start(VIDEO_ID)
    world.workflow.find_status = lambda *_: None  # type: ignore[method-assign]  # what DescribeExecution says late

    world.resume(VIDEO_ID)

    assert (world.workflow.executions, world.video.failure, world.video.launch) == ([VIDEO_ID], None, 0)


def test_what_was_never_started_nor_acknowledged_fails_and_may_be_sent_again() -> None:
    world = resumed_world(None, reservation=Reservation(on=NOW.date(), micros=400_000))

    assert world.resume(VIDEO_ID) is None

    assert world.video.failure == VideoFailure(
        code=ErrorCode.INTERNAL_ERROR,
        message=(
            "MediaPoster itself failed at queued (a crash before its execution was started). "
            "Nothing was generated or spent; send the request again."
        ),
    )
    assert world.workflow.executions == [], "a late start would make it twice"
    assert [post.state for post in world.posts] == [PostState.FAILED]
    assert [event.type for event in world.events] == ["video.failed"]
    assert world.video.is_over


# It has ended


@pytest.mark.parametrize("status", ENDED)
@each_unfinished
def test_what_has_time_left_is_carried_on_by_another_execution(
    changes: dict[str, Any], status: ExecutionStatus
) -> None:
    world = resumed_world(status, **changes)

    assert world.resume(VIDEO_ID) is None

    video = world.video
    assert world.workflow.executions == [VIDEO_ID, f"{VIDEO_ID}-launch-1"]
    assert (video.launch, video.failure, video.is_accepted) == (1, None, True)
    assert video.due_at is not None


def test_an_execution_whose_start_died_after_it_was_numbered_is_started_under_that_number() -> None:
    world = resumed_world(ExecutionStatus.FAILED, **UNFINISHED["rendering"])
    world.workflow.refuses = True
    with pytest.raises(NotStarted):
        world.resume(VIDEO_ID)
    world.workflow.refuses = False

    world.resume(VIDEO_ID)

    assert (world.video.launch, world.workflow.executions[1:]) == (1, [f"{VIDEO_ID}-launch-1"])


@each_unfinished
def test_what_has_no_time_left_is_closed_with_the_reason_why_the_last_execution_broke_off(
    changes: dict[str, Any],
) -> None:
    world = resumed_world(ExecutionStatus.TIMED_OUT, minutes=60 * 24 * 3, fault="Lambda.Unknown", **changes)

    world.resume(VIDEO_ID)

    video = world.video
    assert (video.is_over, world.workflow.executions) == (True, [VIDEO_ID])
    assert (video.failure is None) is (video.stored is not None)
    told = [video.failure.message] if video.failure else [str(post.error_message) for post in world.posts]
    assert all("(Lambda.Unknown)" in message for message in told)


# Its time, by its stage


@pytest.mark.parametrize(
    ("changes", "lasts"),
    [
        ({}, resume.TAKEN_UP_WITHIN),
        ({"deadline_at": NOW + HOUR}, HOUR + resume.GENERATED_WITHIN),
        ({"stage": Stage.SUBMITTING, "deadline_at": NOW + HOUR}, HOUR + resume.GENERATED_WITHIN),
        ({"stage": Stage.RENDERING, "deadline_at": NOW + HOUR}, HOUR + resume.GENERATED_WITHIN),
        ({"stage": Stage.STORING, "deadline_at": NOW, "store_until": NOW + 9 * HOUR}, 9 * HOUR),
        ({"stage": Stage.STORING, "deadline_at": NOW, "rendering_since": NOW + HOUR}, HOUR + resume.STORED_WITHIN),
        ({"stage": Stage.AWAITING_APPROVAL, "approval_hours": 3}, 3 * HOUR + resume.POSTED_WITHIN),
        ({"stage": Stage.PUBLISHING, "publishing_since": NOW + HOUR}, HOUR + resume.POSTED_WITHIN),
    ],
    ids=lambda value: str(value.get("stage", "queued")) if isinstance(value, dict) else "",
)
def test_a_video_may_go_on_until_its_time_is_over(changes: dict[str, Any], lasts: timedelta) -> None:
    video = a_video(**changes)
    moment = timedelta(microseconds=1)

    assert (may_continue(video, NOW + lasts - moment), may_continue(video, NOW + lasts)) == (True, False)


def test_what_has_failed_does_not_go_on() -> None:
    assert not may_continue(a_video(failure=TIMED_OUT), NOW)


# What is not carried by an execution


@pytest.mark.parametrize("status", [None, *ENDED])
@pytest.mark.parametrize(
    "changes",
    [{"failure": TIMED_OUT, "deadline_at": NOW}, {"stage": Stage.DONE, "stored": a_stored_video()}],
    ids=["failed", "done"],
)
def test_what_has_ended_and_was_not_told_is_closed(changes: dict[str, Any], status: ExecutionStatus | None) -> None:
    world = resumed_world(status, **changes)
    executions = list(world.workflow.executions)

    assert world.resume(VIDEO_ID) is None

    assert (world.video.is_over, len(world.events), world.workflow.executions) == (True, 1, executions)


def test_what_is_over_is_left_alone() -> None:
    world = resumed_world(ExecutionStatus.FAILED, stage=Stage.DONE, is_told=True)
    before = world.video

    assert world.resume(VIDEO_ID) is None
    assert (world.video, world.events) == (before, [])


@pytest.mark.parametrize("status", [None, *ENDED])
def test_what_waits_for_a_slot_is_left_to_the_dispatcher(status: ExecutionStatus | None) -> None:
    world = resumed_world(status, minutes=60 * 24 * 30, place="0#000000000000001#video_1", is_accepted=True)
    executions = list(world.workflow.executions)

    assert world.resume(VIDEO_ID) == world.clock() + HOUR
    assert (world.workflow.executions, world.video.failure) == (executions, None)


@pytest.mark.parametrize("status", [None, *ENDED])
def test_what_a_worker_is_at_is_left_until_its_lease_has_run_out(status: ExecutionStatus | None) -> None:
    lease_expires_at = NOW + timedelta(minutes=15)
    world = resumed_world(status, **UNFINISHED["submitting"], lease_expires_at=lease_expires_at)
    before = world.video

    assert world.resume(VIDEO_ID) == lease_expires_at
    assert world.video == before

    world.clock.advance(5 * 60)
    assert world.resume(VIDEO_ID) is None
    assert world.video.launch == (0 if status is None else 1)


def test_what_was_deleted_is_not_found() -> None:
    with pytest.raises(NotFound):
        World().resume(VIDEO_ID)


# Posts


def test_an_execution_in_the_place_of_one_that_posted_is_about_what_is_left_to_send() -> None:
    world = World()
    states = (PostState.PENDING, PostState.CALLING, PostState.SUBMITTED, PostState.SCHEDULED, PostState.IN_DOUBT)
    posts = [a_post(a_target(account_id=str(number)), state=state) for number, state in enumerate(states)]
    world.keep(a_kept_video(publishing_since=NOW), *posts)
    world.workflow.executions.append(VIDEO_ID)
    world.workflow.over[VIDEO_ID] = ExecutionStatus.FAILED

    world.resume(VIDEO_ID)

    assert world.workflow.postings[f"{VIDEO_ID}-launch-1"] == [
        PostReference(video_id=VIDEO_ID, post_id=f"twitter#{number}") for number in range(3)
    ], "the sweep follows the others by themselves"


def test_one_execution_carries_no_more_posts_than_a_request_names() -> None:
    world = World()
    posts = [a_post(a_target(account_id=str(number))) for number in range(TARGETS_MAX + 3)]
    world.keep(a_kept_video(publishing_since=NOW), *posts)

    world.resume(VIDEO_ID)

    assert len(world.workflow.postings[VIDEO_ID]) == TARGETS_MAX


# Over the whole stack


def test_whatever_its_execution_died_at_a_video_is_made_once() -> None:
    world = World()
    world.keep(a_video(slot="sora", is_accepted=True, due_at=NOW), a_post())
    for _ in range(3):
        world.start(CheckInput(video_id=VIDEO_ID, launch=world.video.launch))
        world.workflow.over |= dict.fromkeys(world.workflow.executions, ExecutionStatus.TIMED_OUT)
        world.resume(VIDEO_ID)

    world.sweep_until_nothing_is_due()

    assert (world.video.status, world.video.is_over) == (VideoStatus.COMPLETED, True)
    assert (world.model.create_calls, world.publisher.publish_calls) == (1, 1)
