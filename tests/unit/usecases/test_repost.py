"""Posting a kept video again, and taking a person's word for what became of a post."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from mediaposter.domain.errors import (
    ErrorCode,
    Forbidden,
    InvalidRequest,
    MediaPosterError,
    NotAllowedInState,
    NotFound,
    NotStarted,
    PublisherError,
    VersionConflict,
    WriteConflict,
)
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.publishing.publisher_interface import ListedPost, PostStatus
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import STATES_FOR_A_PERSON, Post, PostState
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.posting.repost import RepeatPosts
from mediaposter.usecases.steps import PostReference
from mediaposter.wire.post_requests import PublishAgainRequest, ResolveRequest
from tests.builders import NOW, VIDEO_ID, a_caller, a_post, a_stored_video, a_target
from tests.fakes.answers import Refuse
from tests.fakes.effects import Effects, SimulatedCrash
from tests.fakes.publisher import FakePublisher
from tests.fakes.state_machine import Status
from tests.fakes.video_model import MP4
from tests.fakes.workflow import FakeWorkflow
from tests.fakes.world import World
from tests.unit.usecases.posting import (
    FAULT,
    MEDIA_URL,
    POST_ID,
    REFUSED,
    a_kept_video,
    a_listed_post,
    after,
    is_due,
    post_of,
    refuse_targets,
)

AGAIN = PublishAgainRequest()
TO_TWITTER = PublishAgainRequest.model_validate({"publish": [{"platform": "twitter", "account_id": "101"}]})
TO_THREADS = PublishAgainRequest.model_validate({"publish": [{"platform": "threads", "account_id": "7"}], "text": "Up"})
POSTED = ResolveRequest.model_validate({"outcome": "posted", "url": "https://x.example/1"})
SEND_AGAIN = ResolveRequest(outcome="send_again")
RUN = "video_1-launch-1"
REFERENCE = PostReference(video_id=VIDEO_ID, post_id=POST_ID)


def failed_post(**changes: Any) -> Post:
    """Build a post that was sent once and refused by its network."""
    fields = {
        "state": PostState.FAILED,
        "owner": "key_of_the_test",
        "text": "Look up",
        "delivery": "verified",
        "media_url": MEDIA_URL,
        "submission_id": "submission-1",
        "submitted_at": NOW,
        "called_at": NOW,
        "refusals": 3,
        "error_code": ErrorCode.PROVIDER_ERROR,
        "error_message": "No.",
        "is_told": True,
        "version": 5,
    }
    return a_post(**{**fields, **changes})


def done_world(*posts: Post, video: dict[str, Any] | None = None, **parts: Any) -> World:
    """Build a world whose video is kept and was posted."""
    world = World(**parts)
    world.media.objects["videos/video_1/video.mp4"] = MP4
    fields = {"stage": Stage.DONE, "is_told": True, **(video or {})}
    world.keep(a_kept_video(**fields), *(posts or (failed_post(),)))
    return world


def again(world: World, request: PublishAgainRequest = AGAIN) -> list[Post]:
    return world.repost(VIDEO_ID, request, caller=a_caller())[1]


def resolve(world: World, request: ResolveRequest) -> list[Post]:
    return world.repost.resolve(VIDEO_ID, POST_ID, request, caller=a_caller())[1]


# What failed


def test_what_failed_is_begun_anew_and_started() -> None:
    world = done_world()
    world.clock.advance(60)

    video, posts = world.repost(VIDEO_ID, AGAIN, caller=a_caller())

    assert posts == [
        a_post(
            owner="key_of_the_test",
            text="Look up",
            delivery="verified",
            updated_at=world.clock(),
            due_at=after(seconds=60),
            version=6,
        )
    ], "with nothing of the try before: a new upload tells the two apart"
    assert (video.stage, video.launch, video.publishing_since) == (Stage.PUBLISHING, 1, world.clock())
    assert world.workflow.postings == {RUN: [REFERENCE]}


def test_where_nothing_failed_targets_must_be_named() -> None:
    world = done_world(a_post(state=PostState.PUBLISHED))

    with pytest.raises(InvalidRequest, match="None of its posts failed") as refusal:
        again(world)

    assert (refusal.value.param, refusal.value.code) == ("publish", "nothing_to_post")
    assert (world.video.stage, world.workflow.postings) == (Stage.DONE, {})


def test_a_post_that_failed_is_made_again_without_rendering_again_and_both_ends_are_told() -> None:
    world = World(publisher=lambda effects: FakePublisher(effects, publishes=[Refuse(REFUSED)]))
    world.media.objects["videos/video_1/video.mp4"] = MP4
    world.keep(a_kept_video(provider_job_id="job-1"), a_post())
    world.workflow.start(VIDEO_ID, 0, [REFERENCE])
    world.run_executions()
    assert (post_of(world).state, world.video.stage) == (PostState.FAILED, Stage.DONE)
    world.clock.advance(60)

    again(world)
    world.run_executions()

    assert (post_of(world).state, world.video.stage) == (PostState.PUBLISHED, Stage.DONE)
    assert [event.type for event in world.post_events] == ["post.failed", "post.published"]
    assert (world.statuses, world.model.create_calls) == ([Status.SUCCEEDED] * 2, 0)
    assert world.publisher.count_posts() == {"video_1-twitter-101": 1}
    assert len(world.publisher.uploads) == 2
    assert not is_due(world)


# Named targets


@pytest.mark.parametrize("state", PostState)
def test_an_account_takes_a_video_once(state: PostState) -> None:
    world = done_world(failed_post(state=state))

    if state in (PostState.FAILED, PostState.CANCELLED):
        [post] = again(world, TO_TWITTER)
        assert (post.state, post.version, post.media_url) == (PostState.PENDING, 6, None)
        return
    with pytest.raises(InvalidRequest, match=rf"account 101 is {state}; an account takes a video once") as refusal:
        again(world, TO_TWITTER)
    assert (refusal.value.param, refusal.value.code) == ("publish[0].account_id", "already_posted")
    assert (world.video.stage, world.workflow.postings) == (Stage.DONE, {})


def test_a_target_that_is_not_connected_is_refused() -> None:
    world = done_world(validate_accounts=refuse_targets)

    with pytest.raises(InvalidRequest):
        again(world, PublishAgainRequest.model_validate({"publish": [{"platform": "threads", "account_id": "9"}]}))
    assert len(world.posts) == 1


def test_what_was_made_is_measured_before_it_is_planned() -> None:
    stored = a_stored_video()
    wide = stored.model_copy(update={"probe": stored.probe.model_copy(update={"width": 1280, "height": 720})})
    reel = {"platform": "facebook", "account_id": "5", "page_id": "1", "media_type": "reel"}

    with pytest.raises(InvalidRequest, match="must be upright"):
        again(done_world(video={"stored": wide}), PublishAgainRequest.model_validate({"publish": [reel]}))


def test_posts_of_one_request_are_staggered() -> None:
    publish = [{"platform": "threads", "account_id": "7"}, {"platform": "bluesky", "account_id": "8"}]

    posts = again(done_world(), PublishAgainRequest.model_validate({"publish": publish, "stagger_minutes": 30}))

    assert {post.target.platform: post.delay_minutes for post in posts} == {"threads": 0, "bluesky": 30, "twitter": 0}


# Who may, and when


def test_a_key_that_may_not_publish_posts_nothing_again() -> None:
    world = done_world()
    reader = a_caller(scopes=frozenset({Scope.READ, Scope.CREATE}))

    with pytest.raises(Forbidden):
        world.repost(VIDEO_ID, AGAIN, caller=reader)
    with pytest.raises(Forbidden):
        world.repost.resolve(VIDEO_ID, POST_ID, POSTED, caller=reader)


@pytest.mark.parametrize(
    "video",
    [
        *({"stage": stage} for stage in Stage if stage is not Stage.DONE),
        {"stored": None},
    ],
    ids=str,
)
def test_a_video_that_is_not_kept_or_at_work_is_not_posted_again(video: dict[str, Any]) -> None:
    world = done_world(video=video)

    with pytest.raises(NotAllowedInState, match="it can be posted again only when it is stored"):
        again(world)

    assert world.workflow.postings == {}


def test_a_post_that_is_public_meanwhile_is_not_sent_again() -> None:
    world = done_world(failed_post(state=PostState.PARKED))

    def look_at_the_clock() -> datetime:
        if post_of(world).state is PostState.PARKED:
            resolve(world, POSTED)
        return world.clock()

    slow = RepeatPosts(
        videos=world.video_store,
        posts=world.post_store,
        workflow=world.workflow,
        publishers=lambda: world.publisher,
        is_approval_default=False,
        validate_accounts=lambda _: [],
        send_event=world.post_events.append,
        clock=look_at_the_clock,
    )
    with pytest.raises(WriteConflict):
        slow.resolve(VIDEO_ID, POST_ID, SEND_AGAIN, caller=a_caller())

    assert (post_of(world).state, world.workflow.postings) == (PostState.PUBLISHED, {})


# What was written down and not started


@pytest.mark.parametrize("request_", [AGAIN, PublishAgainRequest.model_validate({"publish": []})])
def test_asking_again_starts_them(request_: PublishAgainRequest) -> None:
    world = done_world(workflow=lambda effects: FakeWorkflow(effects, refuses=True))
    with pytest.raises(NotStarted):
        again(world)
    world.workflow.refuses = False

    assert again(world, request_) == world.posts

    assert (world.workflow.postings, world.video.launch) == ({RUN: [REFERENCE]}, 1)


@pytest.mark.parametrize(
    ("state", "others", "request_", "reason"),
    [
        (PostState.PUBLISHED, [a_post(a_target("threads"))], TO_TWITTER, "name more targets when it is done"),
        (PostState.SUBMITTED, [], AGAIN, "and not being posted"),
    ],
    ids=["others wait", "nothing waits"],
)
def test_while_a_video_is_being_posted_what_was_sent_is_not_asked_for_again(
    state: PostState, others: list[Post], request_: PublishAgainRequest, reason: str
) -> None:
    sent = failed_post(state=state, text="A red kite over the sea")
    world = done_world(sent, *others, video={"stage": Stage.PUBLISHING, "launch": 1})

    with pytest.raises(NotAllowedInState, match=reason):
        again(world, request_)

    assert world.workflow.postings == {}


def test_what_waits_after_its_execution_ended_is_resumed_when_it_is_asked_for_again() -> None:
    world = done_world()
    again(world)
    world.workflow.over[RUN] = ExecutionStatus.FAILED

    again(world)
    world.clock.advance(1)
    world.sweep()

    assert list(world.workflow.postings) == [RUN, "video_1-launch-2"]


# A person's word


@pytest.mark.parametrize("state", STATES_FOR_A_PERSON)
def test_a_post_that_a_person_saw_is_published_and_told(state: PostState) -> None:
    world = done_world(failed_post(state=state))
    world.clock.advance(60)

    [post] = resolve(world, POSTED)

    assert (post.state, post.public_url, post.error_code, post.error_message) == (
        PostState.PUBLISHED,
        "https://x.example/1",
        None,
        None,
    )
    [event] = world.post_events
    assert (event.type, event.url, event.occurred_at) == ("post.published", "https://x.example/1", world.clock())
    assert (post.is_told, is_due(world), world.workflow.postings) == (True, False, {})


def test_a_word_that_was_kept_and_not_told_is_told_by_the_sweep() -> None:
    world = done_world(
        failed_post(state=PostState.PARKED), effects=Effects(never_taken="send post.published", deaths_max=1)
    )
    with pytest.raises(SimulatedCrash):
        resolve(world, POSTED)

    world.sweep_until_nothing_is_due()

    assert [event.type for event in world.post_events] == ["post.published"]


@pytest.mark.parametrize("request_", [POSTED, SEND_AGAIN], ids=["posted", "send again"])
@pytest.mark.parametrize("state", [state for state in PostState if state not in STATES_FOR_A_PERSON])
def test_no_other_post_can_be_resolved(state: PostState, request_: ResolveRequest) -> None:
    post = failed_post(state=state)
    world = done_world(post)

    with pytest.raises(NotAllowedInState, match=rf"is {state}: only a parked or unknown post"):
        resolve(world, request_)

    assert world.posts == [post]


def test_a_post_that_was_never_planned_cannot_be_resolved() -> None:
    with pytest.raises(NotFound):
        done_world().repost.resolve(VIDEO_ID, "twitter#999", POSTED, caller=a_caller())


def test_while_others_are_sent_a_post_can_be_told_of_but_not_sent_again() -> None:
    world = done_world(failed_post(state=PostState.PARKED), video={"stage": Stage.PUBLISHING})

    with pytest.raises(NotAllowedInState, match="video_1 is publishing: try again when it is done"):
        resolve(world, SEND_AGAIN)
    assert post_of(world).state is PostState.PARKED

    resolve(world, POSTED)
    assert post_of(world).state is PostState.PUBLISHED


def test_a_word_that_comes_while_another_is_taken_is_a_conflict() -> None:
    world = done_world(failed_post(state=PostState.PARKED))
    world.table.meanwhile = lambda: resolve(world, POSTED)

    with pytest.raises(VersionConflict):
        resolve(world, POSTED)

    assert len(world.post_events) == 1


@pytest.mark.parametrize(
    ("look", "refusal"),
    [
        ([a_listed_post()], NotAllowedInState),
        ([a_listed_post(status=PostStatus.SCHEDULED)], NotAllowedInState),
        (FAULT, PublisherError),
    ],
    ids=["public", "scheduled", "not answered"],
)
def test_what_the_publisher_lists_or_may_list_is_not_sent_again_whatever_a_person_says(
    look: list[ListedPost] | PublisherError, refusal: type[MediaPosterError]
) -> None:
    world = done_world(a_post(state=PostState.PARKED, media_url=MEDIA_URL, called_at=NOW))
    world.publisher.looks = [look]

    with pytest.raises(refusal, match="not sent again" if refusal is NotAllowedInState else "could not be reached"):
        resolve(world, SEND_AGAIN)

    assert (post_of(world).state, world.workflow.postings) == (PostState.PARKED, {})
