"""Deleting a video, whatever it is doing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mediaposter.ai.catalog import Capabilities
from mediaposter.domain.errors import ConfigurationError, ErrorCode, NotFound, PartiallyDone, VersionConflict
from mediaposter.stores.approvals import open_approval
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_record import VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.steps import AwaitApprovalInput, CheckInput, Outcome
from mediaposter.wire.post_requests import ApprovalRequest, PublishAgainRequest
from tests.builders import (
    NOW,
    OWNER,
    VIDEO_ID,
    a_caller,
    a_post,
    a_request,
    a_stored_video,
    a_video,
)
from tests.fakes.answers import Drop
from tests.fakes.effects import Moment, SimulatedCrash
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import World
from tests.unit.usecases.posting import STEP as POST_STEP
from tests.unit.usecases.posting import a_kept_video, is_due, kept_world, post_of

STEP = CheckInput(video_id=VIDEO_ID)
APPROVE = ApprovalRequest(decision="approve")


def see_it_gone(world: World) -> None:
    with pytest.raises(NotFound):
        world.video_store.get_unchecked(VIDEO_ID)


def delete(world: World) -> None:
    world.delete(VIDEO_ID, caller=a_caller())
    see_it_gone(world)


def rendering() -> World:
    world = World(model=partial(FakeVideoModel, capabilities=Capabilities(cancel=True)))
    world.submit(a_request(publish=[{"platform": "twitter", "account_id": "101"}]), caller=a_caller())
    world.start(STEP)
    return world


def test_a_kept_video_is_removed_and_the_ledger_of_its_posts_stays() -> None:
    world = World()
    world.deliver(a_request(publish=[{"platform": "twitter", "account_id": "101"}]))
    spent = world.budget.get(OWNER, NOW.date())

    delete(world)

    assert world.media.objects == {}
    assert [post.state for post in world.posts] == [PostState.PUBLISHED]
    assert world.budget.get(OWNER, NOW.date()) == spent, "what was spent stays spent"
    assert world.workflow.stopped == []


def test_a_running_video_is_stopped_here_and_at_its_provider() -> None:
    world = rendering()

    delete(world)

    assert (world.workflow.stopped, world.model.cancelled) == ([VIDEO_ID], ["job-1"])
    [post] = world.posts
    assert (post.state, post.error_code, post.error_message) == (
        PostState.CANCELLED,
        ErrorCode.CANCELLED,
        "The video was deleted, so nothing was posted.",
    )
    assert world.metrics == []


def test_a_provider_that_cannot_cancel_keeps_no_video_from_being_deleted() -> None:
    world = rendering()
    world.missing_key = ConfigurationError("The secret is missing.")

    delete(world)

    assert world.faults == ["sora did not cancel job job-1 of video_1: The secret is missing."]


def test_a_render_of_a_deleted_video_is_cancelled_again_until_its_leftovers_are_removed() -> None:
    world = rendering()
    world.missing_key = ConfigurationError("The secret is missing.")
    delete(world)
    world.missing_key = None
    asked: list[int] = []

    for _ in range(25):
        world.clock.advance(60.5)
        world.sweep()
        asked.append(len(world.model.cancelled))

    assert asked[:19] == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6], "each 3 minutes"
    assert asked[-1] == 7, "for 20 minutes"
    assert not any("due" in item for item in world.table.items.values())


def test_a_video_that_failed_by_itself_has_nothing_to_stop() -> None:
    world = rendering()
    world.video_store.fail(world.video, VideoFailure(code=ErrorCode.TIMEOUT, message="too late"), now=NOW)

    delete(world)

    assert (world.workflow.stopped, world.model.cancelled) == ([], [])


def test_a_video_that_is_kept_at_the_last_moment_is_deleted_too() -> None:
    world = rendering()
    world.check(STEP)
    world.table.meanwhile = lambda: world.store(STEP)

    delete(world)

    assert (world.media.objects, post_of(world).state) == ({}, PostState.CANCELLED)


def test_of_two_deletions_at_once_both_find_it_gone() -> None:
    world = World()
    world.keep(a_video(stage=Stage.DONE, stored=a_stored_video()))
    world.table.meanwhile = lambda: world.delete(VIDEO_ID, caller=a_caller())

    delete(world)


def test_deleting_again_finds_nothing() -> None:
    world = World()
    world.keep(a_video(stage=Stage.DONE, stored=a_stored_video()))
    delete(world)

    with pytest.raises(NotFound):
        world.delete(VIDEO_ID, caller=a_caller())


def write_all_the_time(world: World, *, from_write: int = 1) -> None:
    """Let another worker come first at every write of the video, from the given one on."""
    writes = 0

    def come_first() -> None:
        nonlocal writes
        writes += 1
        if writes >= from_write:
            video = world.video
            world.table.items[video.key]["version"] += 1
        world.table.meanwhile = come_first

    world.table.meanwhile = come_first


def test_a_deletion_that_could_not_begin_has_changed_nothing() -> None:
    world = rendering()
    write_all_the_time(world)

    with pytest.raises(VersionConflict):
        world.delete(VIDEO_ID, caller=a_caller())

    assert (world.video.failure, world.workflow.stopped, world.model.cancelled) == (None, [], [])
    assert [post.state for post in world.posts] == [PostState.PENDING]


def test_a_deletion_that_could_not_end_says_what_is_gone_and_the_next_ends_it() -> None:
    world = rendering()
    write_all_the_time(world, from_write=2)

    with pytest.raises(PartiallyDone, match=r"not finished.* its files removed\. Delete it again"):
        world.delete(VIDEO_ID, caller=a_caller())

    assert world.workflow.stopped == [VIDEO_ID]
    world.table.meanwhile = None
    delete(world)


def test_a_deletion_that_meets_a_post_being_written_leaves_that_post_to_its_writer() -> None:
    world = World()
    world.keep(a_video(stage=Stage.PUBLISHING, stored=a_stored_video()), a_post())

    def take_the_post() -> None:
        world.post_store.advance(world.posts[0], PostState.CALLING, now=NOW)

    world.table.meanwhile = take_the_post

    delete(world)

    assert [post.state for post in world.posts] == [PostState.CALLING]


# Its posts


def awaiting_approval() -> World:
    world = World()
    world.keep(a_kept_video(stage=Stage.AWAITING_APPROVAL, approval_hours=24), a_post())
    world.table.commit([open_approval(VIDEO_ID, now=NOW, hours=24)])
    world.ask(AwaitApprovalInput(video_id=VIDEO_ID, task_token="token-1"))
    return world


def in_second_write(world: World, happen: Callable[[], object]) -> None:
    """Let something happen right before the second write from now."""

    def wait_once() -> None:
        world.table.meanwhile = happen

    world.table.meanwhile = wait_once


def test_a_video_that_awaits_a_decision_is_stopped_and_its_question_forgotten() -> None:
    world = awaiting_approval()

    delete(world)

    assert (world.workflow.stopped, post_of(world).state) == ([VIDEO_ID], PostState.CANCELLED)
    with pytest.raises(NotFound):
        world.approvals.get(VIDEO_ID)
    assert not is_due(world)
    with pytest.raises(NotFound):
        world.decide(VIDEO_ID, APPROVE, caller=a_caller())


@pytest.mark.parametrize("edits", [None, {"publish": [{"platform": "bluesky", "account_id": "7"}]}])
def test_a_video_that_is_approved_while_it_is_deleted_is_not_posted(edits: dict[str, Any] | None) -> None:
    world = awaiting_approval()
    approve = ApprovalRequest.model_validate({"decision": "approve", "edits": edits})
    in_second_write(world, lambda: world.decide(VIDEO_ID, approve, caller=a_caller()))

    delete(world)

    assert {post.state for post in world.posts} == {PostState.CANCELLED}
    assert not is_due(world)


def test_posts_that_are_asked_for_while_the_video_is_deleted_are_not_made() -> None:
    world = kept_world(video=a_kept_video(stage=Stage.DONE), state=PostState.FAILED, is_told=True)
    world.table.meanwhile = lambda: world.repost(VIDEO_ID, PublishAgainRequest(), caller=a_caller())

    delete(world)
    world.run_executions()

    see_it_gone(world)
    assert (post_of(world).state, world.publisher.posts) == (PostState.CANCELLED, {})
    assert not is_due(world)


def test_a_post_in_the_middle_of_its_call_is_followed_to_its_end() -> None:
    world = kept_world()
    world.publisher.meanwhile = lambda: delete(world)

    assert world.create_post(POST_STEP).outcome is Outcome.SUBMITTED

    see_it_gone(world)
    world.sweep_until_nothing_is_due()
    assert (post_of(world).state, world.post_events) == (PostState.PUBLISHED, [])


def test_a_post_in_doubt_is_looked_for_all_the_same() -> None:
    world = kept_world(Drop(is_accepted=True))
    world.create_post(POST_STEP)

    delete(world)

    assert post_of(world).state is PostState.IN_DOUBT
    world.sweep_until_nothing_is_due()
    assert (post_of(world).state, world.publisher.publish_calls) == (PostState.PUBLISHED, 1)


def test_a_question_that_a_dying_deletion_left_is_forgotten_by_the_sweep() -> None:
    world = awaiting_approval()
    world.effects.crash_at(2, Moment.AFTER)
    with pytest.raises(SimulatedCrash):
        world.delete(VIDEO_ID, caller=a_caller())
    see_it_gone(world)

    world.sweep_until_nothing_is_due()

    with pytest.raises(NotFound):
        world.approvals.get(VIDEO_ID)
