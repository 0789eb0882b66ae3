"""Fetching a finished render again whose download failed, without another render."""

from __future__ import annotations

from functools import partial

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode, Forbidden, MediaError, NotAllowedInState, NotFound
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.generation.store_again import StoreAgain
from mediaposter.usecases.steps import CheckInput, CloseInput, StepInput
from mediaposter.wire.caller import Caller
from tests.builders import NOW, OWNER, VIDEO_ID, a_caller, a_post, a_request, a_target, a_video
from tests.fakes.media import FakeMediaStore
from tests.fakes.world import World
from tests.unit.usecases.posting import a_kept_video

UNPLAYABLE = MediaError("Nothing in the video decodes.")
TWITTER = {"platform": "twitter", "account_id": "101"}
CREATES = frozenset({Scope.READ, Scope.CREATE})


def failed_world(*, publish: bool = True) -> World:
    """Build a world whose video was rendered and could not be fetched, which its caller was told."""
    world = World(media=partial(FakeMediaStore, errors=[UNPLAYABLE]))
    world.submit(a_request(publish=[TWITTER] if publish else []), caller=a_caller())
    world.start(CheckInput(video_id=VIDEO_ID))
    world.check(CheckInput(video_id=VIDEO_ID))
    world.store(StepInput(video_id=VIDEO_ID, attempt=9))
    world.close(CloseInput(video_id=VIDEO_ID))
    world.workflow.over[VIDEO_ID] = ExecutionStatus.SUCCEEDED
    world.run_executions()
    assert (world.video.stage, world.video.is_over) == (Stage.STORING, True)
    return world


def store_again(world: World, *, caller: Caller | None = None) -> Video:
    use_case = StoreAgain(videos=world.video_store, posts=world.post_store, workflow=world.workflow, clock=world.clock)
    return use_case(VIDEO_ID, caller=caller or a_caller())[0]


def test_it_is_fetched_and_posted_as_it_was_asked_for_without_another_render() -> None:
    world = failed_world()
    budget = world.budget.get(OWNER, NOW.date())

    video = store_again(world)
    assert (video.status, video.stage, video.is_told) == (VideoStatus.IN_PROGRESS, Stage.STORING, False)
    assert [post.state for post in world.posts] == [PostState.PENDING]
    world.carry_on()

    assert (world.video.status, world.video.is_over) == (VideoStatus.COMPLETED, True)
    assert [post.state for post in world.posts] == [PostState.PUBLISHED]
    assert [event.type for event in world.events] == ["video.failed", "video.completed"]
    assert (world.model.create_calls, world.publisher.publish_calls) == (1, 1)
    assert world.budget.get(OWNER, NOW.date()) == budget, "it was booked when it failed"


def test_one_that_is_being_fetched_is_left_as_it_is() -> None:
    world = failed_world()
    video = store_again(world)

    assert store_again(world).version == video.version
    assert world.workflow.executions == [VIDEO_ID, f"{VIDEO_ID}-launch-1"]


def test_one_that_is_kept_is_left_as_it_is() -> None:
    world = World()
    world.keep(a_kept_video(stage=Stage.DONE))

    assert store_again(world) == world.video
    assert world.workflow.executions == []


@pytest.mark.parametrize(
    "video",
    [
        a_video(stage=Stage.RENDERING, provider_job_id="job-1"),
        a_video(stage=Stage.RENDERING, failure=VideoFailure(code=ErrorCode.TIMEOUT, message="-"), provider_job_id="j"),
        a_video(stage=Stage.STORING, failure=VideoFailure(code=ErrorCode.CANCELLED, message="-"), provider_job_id="j"),
        a_video(stage=Stage.STORING, failure=VideoFailure(code=ErrorCode.TIMEOUT, message="-")),
    ],
    ids=["it renders", "it failed before", "it was cancelled", "it has no job"],
)
def test_where_there_is_no_finished_render_nothing_is_changed(video: Video) -> None:
    world = World()
    world.keep(video)
    before = world.video

    with pytest.raises(NotAllowedInState, match="only a rendered video whose download failed"):
        store_again(world)

    assert (world.video, world.workflow.executions) == (before, [])


def test_a_post_that_may_have_been_sent_is_not_sent_again() -> None:
    world = failed_world()
    world.table.create(
        [
            a_post(a_target("threads"), state=PostState.FAILED, called_at=NOW, is_told=True),
            a_post(a_target("bluesky"), state=PostState.CANCELLED, is_told=True),
        ]
    )

    store_again(world)

    assert {post.target.platform: post.state for post in world.posts} == {
        "twitter": PostState.PENDING,
        "threads": PostState.FAILED,
        "bluesky": PostState.CANCELLED,
    }


def test_of_two_who_ask_at_once_one_is_refused() -> None:
    world = failed_world()
    world.table.meanwhile = lambda: store_again(world)

    with pytest.raises(NotAllowedInState, match="Another request is changing"):
        store_again(world)

    assert world.workflow.executions == [VIDEO_ID, f"{VIDEO_ID}-launch-1"]


def test_another_owners_video_is_not_found() -> None:
    with pytest.raises(NotFound):
        store_again(failed_world(), caller=a_caller(owner="key_of_another"))


@pytest.mark.parametrize(("scopes", "publish"), [(frozenset({Scope.READ, Scope.PUBLISH}), False), (CREATES, True)])
def test_a_key_that_may_not_request_its_posts_may_not_fetch_it(scopes: frozenset[Scope], publish: bool) -> None:
    world = failed_world(publish=publish)

    with pytest.raises(Forbidden):
        store_again(world, caller=a_caller(scopes=scopes))

    assert world.video.failure is not None


def test_without_posts_a_key_that_may_create_may_fetch_it() -> None:
    world = failed_world(publish=False)

    assert store_again(world, caller=a_caller(scopes=CREATES)).failure is None
