"""Deleting a video, whatever it is doing."""

from __future__ import annotations

from functools import partial

import pytest

from mediaposter.ai.catalog import Capabilities
from mediaposter.errors import Busy, ConfigurationError, Conflict, ErrorCode, NotFound, Unfinished
from mediaposter.library.budget import BudgetDay
from mediaposter.library.posts import PostState
from mediaposter.library.videos import Stage, VideoFailure
from mediaposter.pipeline.steps import CheckInput, CloseInput, Outcome
from tests.builders import NOW, OWNER, RESERVATION, VIDEO_ID, a_caller, a_post, a_request, a_stored_video, a_video
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import World

STEP = CheckInput(video_id=VIDEO_ID)


def is_gone(world: World) -> bool:
    try:
        world.library.get(VIDEO_ID)
    except NotFound:
        return True
    return False


def rendering() -> World:
    world = World(model=partial(FakeVideoModel, capabilities=Capabilities(cancel=True)))
    world.submit(a_request(publish=[{"platform": "twitter", "account_id": "101"}]), caller=a_caller())
    world.start(STEP)
    return world


def test_a_kept_video_is_removed_and_the_ledger_of_its_posts_stays() -> None:
    world = World()
    world.deliver(a_request(publish=[{"platform": "twitter", "account_id": "101"}]))
    spent = world.budget.get(OWNER, NOW.date())

    world.delete(VIDEO_ID, caller=a_caller())

    assert is_gone(world)
    assert world.media.objects == {}
    assert [post.state for post in world.posts] == [PostState.PUBLISHED]
    assert world.budget.get(OWNER, NOW.date()) == spent, "what was spent stays spent"
    assert world.workflow.stopped == []


def test_a_running_video_is_stopped_here_and_at_its_provider() -> None:
    world = rendering()

    world.delete(VIDEO_ID, caller=a_caller())

    assert is_gone(world)
    assert (world.workflow.stopped, world.model.cancelled) == ([VIDEO_ID], ["job-1"])
    assert [(post.state, post.error_code) for post in world.posts] == [(PostState.FAILED, ErrorCode.CANCELLED)]


def test_a_video_that_was_not_taken_up_yet_costs_nothing() -> None:
    world = World()
    world.submit(a_request(), caller=a_caller())

    world.delete(VIDEO_ID, caller=a_caller())

    assert world.budget.get(OWNER, NOW.date()) == BudgetDay(committed_micros=0, spent_micros=0, videos=1)


def test_a_provider_that_cannot_cancel_keeps_no_video_from_being_deleted() -> None:
    world = rendering()
    world.missing_key = ConfigurationError("The secret is missing.")

    world.delete(VIDEO_ID, caller=a_caller())

    assert is_gone(world)
    assert world.faults == ["sora did not cancel job job-1 of video_1: The secret is missing."]


def test_a_step_that_is_at_work_meanwhile_does_not_keep_a_video_from_being_deleted() -> None:
    world = rendering()
    world.table.meanwhile = lambda: world.library.note(world.video, now=NOW, progress=50)

    world.delete(VIDEO_ID, caller=a_caller())

    assert is_gone(world)


def test_a_download_that_ends_after_its_video_was_deleted_leaves_nothing_behind() -> None:
    world = rendering()
    world.check(STEP)
    world.media.meanwhile = lambda: world.delete(VIDEO_ID, caller=a_caller())

    assert world.store(STEP).outcome is Outcome.FAILED

    assert world.media.objects == {}


def test_an_execution_that_was_stopped_has_nothing_to_close() -> None:
    world = rendering()
    world.delete(VIDEO_ID, caller=a_caller())

    assert world.close(CloseInput(video_id=VIDEO_ID, fault="execution ABORTED")).outcome is Outcome.CLOSED
    assert world.events == []


def test_a_video_of_somebody_else_is_not_deleted() -> None:
    world = World()
    world.keep(a_video(reservation=RESERVATION), a_post())

    with pytest.raises(NotFound):
        world.delete(VIDEO_ID, caller=a_caller(owner="key_of_another"))

    assert not is_gone(world)


def test_deleting_again_finds_nothing() -> None:
    world = World()
    world.keep(a_video(stage=Stage.DONE, stored=a_stored_video()))
    world.delete(VIDEO_ID, caller=a_caller())

    with pytest.raises(NotFound):
        world.delete(VIDEO_ID, caller=a_caller())


def test_a_deletion_that_died_half_way_is_finished_by_the_next() -> None:
    world = rendering()
    world.library.fail(world.video, VideoFailure(code=ErrorCode.CANCELLED, message="deleted"), now=NOW)

    world.delete(VIDEO_ID, caller=a_caller())

    assert is_gone(world)
    assert (world.workflow.stopped, world.model.cancelled) == ([VIDEO_ID], ["job-1"])


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

    with pytest.raises(Conflict):
        world.delete(VIDEO_ID, caller=a_caller())

    assert (world.video.failure, world.workflow.stopped, world.model.cancelled) == (None, [], [])
    assert [post.state for post in world.posts] == [PostState.PENDING]


def test_a_deletion_that_could_not_end_says_what_is_gone_and_the_next_ends_it() -> None:
    world = rendering()
    write_all_the_time(world, from_write=2)

    with pytest.raises(Unfinished, match=r"not finished.* content gone already\. Delete it again"):
        world.delete(VIDEO_ID, caller=a_caller())

    assert world.workflow.stopped == [VIDEO_ID]
    world.table.meanwhile = None
    world.delete(VIDEO_ID, caller=a_caller())
    assert is_gone(world)


def test_a_deletion_that_meets_a_post_being_written_is_not_finished_either() -> None:
    world = World()
    world.keep(a_video(stage=Stage.PUBLISHING, stored=a_stored_video()), a_post())

    def take_the_post() -> None:
        world.ledger.advance(world.posts[0], PostState.CALLING, now=NOW)

    world.table.meanwhile = take_the_post

    with pytest.raises(Unfinished):
        world.delete(VIDEO_ID, caller=a_caller())


def test_a_table_that_is_held_by_others_leaves_a_deletion_unfinished() -> None:
    world = rendering()

    def hold() -> None:
        def refuse() -> None:
            raise Busy("VIDEO#video_1 is being written by others.")

        world.table.meanwhile = refuse

    world.table.meanwhile = hold

    with pytest.raises(Unfinished):
        world.delete(VIDEO_ID, caller=a_caller())
