"""Making a post at most once, and following it to its end."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from mediaposter.errors import (
    ConfigurationError,
    ErrorCode,
    MediaPosterError,
    NotFound,
    PublisherError,
)
from mediaposter.library.posts import Post, PostState
from mediaposter.library.videos import Stage
from mediaposter.pipeline.publish import CHECKS_MAX, CREATE_ATTEMPTS_MAX
from mediaposter.pipeline.steps import CloseInput, Outcome, PostStepInput, StepResult
from mediaposter.publishing.publisher_interface import PostReport, PostStatus
from tests.builders import NOW, VIDEO_ID, a_post, a_stored_video, a_target, a_video
from tests.fakes.answers import Answer, Drop, Refuse
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.publisher import FakePublisher
from tests.fakes.video_model import MP4
from tests.fakes.world import LEASE_SECONDS, World

POST_ID = "twitter#101"
STEP = PostStepInput(video_id=VIDEO_ID, post_id=POST_ID)
LAST_CREATE = PostStepInput(video_id=VIDEO_ID, post_id=POST_ID, attempt=CREATE_ATTEMPTS_MAX)
LAST_CHECK = PostStepInput(video_id=VIDEO_ID, post_id=POST_ID, attempt=CHECKS_MAX)
SETTLED = StepResult(outcome=Outcome.SETTLED)

BUSY = PublisherError(ErrorCode.RATE_LIMITED, "Wait 20 seconds.", transient=True, retry_after_seconds=20)
FAULT = PublisherError(ErrorCode.PROVIDER_ERROR, "Blotato could not be reached.", transient=True)
REFUSED = PublisherError(ErrorCode.INVALID_REQUEST, "The account is not connected.")
NO_KEY = ConfigurationError("The secret /blotato-api-key is missing.")

IN_PROGRESS = PostReport(submission_id="", status=PostStatus.IN_PROGRESS)


def kept_world(
    *publishes: Answer,
    checks: tuple[PostReport | PublisherError, ...] = (),
    upload_errors: tuple[Exception, ...] = (),
    effects: Effects | None = None,
    **post: Any,
) -> World:
    """Build a world with a kept video and one post of it."""
    world = World(
        effects=effects,
        publisher=partial(FakePublisher, publishes=publishes, checks=checks, upload_errors=upload_errors),
    )
    stored = a_stored_video().model_copy(update={"size_bytes": len(MP4)})
    world.media.objects[stored.key] = MP4
    world.keep(a_video(stage=Stage.PUBLISHING, stored=stored), a_post(**post))
    return world


def submitted_world(*checks: PostReport | PublisherError) -> World:
    """Build a world whose publisher has the post."""
    world = kept_world(checks=checks)
    world.create_post(STEP)
    return world


def post_of(world: World) -> Post:
    [post] = world.posts
    return post


def test_a_pending_post_is_handed_over_with_its_own_copy_of_the_video() -> None:
    world = kept_world(text="Look up")

    result = world.create_post(STEP)

    assert result == StepResult(outcome=Outcome.SUBMITTED, wait_seconds=10)
    [made] = world.publisher.posts.values()
    assert (made.target, made.text) == (a_target(), "Look up")
    assert world.publisher.uploads[made.media_url] == MP4


def test_an_accepted_post_is_kept_with_its_id() -> None:
    world = kept_world()
    world.clock.advance(3)

    world.create_post(STEP)

    post = post_of(world)
    assert (post.state, post.submission_id, post.submitted_at) == (PostState.SUBMITTED, "submission-1", world.clock())
    assert post.lease_expires_at is None


def test_a_scheduled_post_is_settled() -> None:
    world = kept_world()
    world.publisher.scheduled_time = NOW + timedelta(days=1)

    assert world.create_post(STEP) == SETTLED
    assert (post_of(world).state, post_of(world).scheduled_time) == (PostState.SCHEDULED, NOW + timedelta(days=1))


def test_the_name_of_the_copy_tells_the_video_the_network_and_the_account() -> None:
    world = kept_world()

    world.create_post(STEP)

    assert world.publisher.count_posts() == {"video_1-twitter-101": 1}


def test_two_accounts_of_one_network_get_copies_of_different_names() -> None:
    world = kept_world()
    world.table.create([a_post(a_target(account_id="102"))])

    world.create_post(STEP)
    world.create_post(PostStepInput(video_id=VIDEO_ID, post_id="twitter#102"))

    assert world.publisher.count_posts() == {"video_1-twitter-101": 1, "video_1-twitter-102": 1}


def test_the_intent_and_its_lease_are_written_before_the_call_is_made() -> None:
    world = kept_world()
    seen = []
    world.publisher.meanwhile = lambda: seen.append(post_of(world))

    world.create_post(STEP)

    [post] = seen
    assert (post.state, post.lease_expires_at) == (PostState.CALLING, NOW + timedelta(seconds=LEASE_SECONDS))
    assert post.media_url in world.publisher.uploads


def test_a_second_worker_that_comes_during_the_call_waits_for_the_lease() -> None:
    world = kept_world()
    results: list[StepResult] = []
    world.publisher.meanwhile = lambda: results.append(world.create_post(STEP))

    world.create_post(STEP)

    assert results == [StepResult(outcome=Outcome.WAIT, wait_seconds=LEASE_SECONDS)]
    assert world.publisher.publish_calls == 1


def test_a_worker_that_loses_the_race_for_the_ledger_makes_no_call() -> None:
    world = kept_world()
    world.meanwhile = lambda: world.create_post(STEP)

    assert world.create_post(STEP) == StepResult(outcome=Outcome.WAIT, wait_seconds=10)
    assert world.publisher.publish_calls == 1


def test_coming_back_after_the_submission_posts_nothing_again() -> None:
    world = submitted_world()

    assert world.create_post(STEP) == StepResult(outcome=Outcome.SUBMITTED, wait_seconds=10)
    assert world.publisher.publish_calls == 1


@pytest.mark.parametrize(
    "state",
    [
        PostState.SCHEDULED,
        PostState.PUBLISHED,
        PostState.FAILED,
        PostState.IN_DOUBT,
        PostState.PARKED,
        PostState.UNKNOWN,
    ],
)
def test_a_settled_post_is_never_posted(state: PostState) -> None:
    world = kept_world(state=state)

    assert world.create_post(STEP) == SETTLED
    assert world.publisher.publish_calls == 0


def test_a_post_nobody_planned_is_not_made() -> None:
    world = kept_world()

    with pytest.raises(NotFound):
        world.create_post(PostStepInput(video_id=VIDEO_ID, post_id="twitter#999"))

    assert world.publisher.publish_calls == 0


def test_a_video_that_is_not_kept_is_not_posted() -> None:
    world = World()
    world.keep(a_video(stage=Stage.RENDERING), a_post())

    with pytest.raises(MediaPosterError, match="has no kept video"):
        world.create_post(STEP)

    assert (world.publisher.publish_calls, post_of(world).state) == (0, PostState.PENDING)


def test_a_refusal_settles_the_post_with_its_reason() -> None:
    world = kept_world(Refuse(REFUSED))

    assert world.create_post(STEP) == SETTLED

    post = post_of(world)
    assert (post.state, post.error_code, post.error_message) == (
        PostState.FAILED,
        ErrorCode.INVALID_REQUEST,
        "The account is not connected.",
    )
    assert world.metrics == ["PostsFailed"]


def test_a_refused_post_is_never_sent_again() -> None:
    world = kept_world(Refuse(REFUSED))
    world.create_post(STEP)

    assert world.create_post(STEP) == SETTLED
    assert world.publisher.publish_calls == 1


def test_a_passing_refusal_puts_the_post_back_and_waits_as_long_as_the_publisher_asks() -> None:
    world = kept_world(Refuse(BUSY))

    assert world.create_post(STEP) == StepResult(outcome=Outcome.WAIT, wait_seconds=20)
    assert (post_of(world).state, post_of(world).lease_expires_at) == (PostState.PENDING, None)
    assert world.metrics == []


def test_a_passing_refusal_without_a_hint_waits_longer_each_time() -> None:
    world = kept_world(Refuse(FAULT), Refuse(FAULT))

    waits = [
        world.create_post(PostStepInput(video_id=VIDEO_ID, post_id=POST_ID, attempt=attempt)).wait_seconds
        for attempt in (1, 2)
    ]

    assert waits == [15, 30]


def test_a_post_that_was_put_back_is_made_with_the_copy_it_has() -> None:
    world = kept_world(Refuse(BUSY))
    world.create_post(STEP)

    assert world.create_post(STEP).outcome is Outcome.SUBMITTED
    assert (len(world.publisher.posts), len(world.publisher.uploads)) == (1, 1)


def test_passing_refusals_end_the_post_after_the_last_attempt() -> None:
    world = kept_world(Refuse(BUSY))

    assert world.create_post(LAST_CREATE) == SETTLED
    assert (post_of(world).state, post_of(world).error_code) == (PostState.FAILED, ErrorCode.RATE_LIMITED)


def test_an_upload_that_breaks_off_is_made_again_later() -> None:
    world = kept_world(upload_errors=(FAULT,))

    assert world.create_post(STEP) == StepResult(outcome=Outcome.WAIT, wait_seconds=15)
    assert (post_of(world).state, world.publisher.publish_calls) == (PostState.PENDING, 0)
    assert world.create_post(STEP).outcome is Outcome.SUBMITTED


@pytest.mark.parametrize(("error", "step"), [(REFUSED, STEP), (FAULT, LAST_CREATE)], ids=["final", "last attempt"])
def test_an_upload_that_cannot_be_made_settles_the_post(error: PublisherError, step: PostStepInput) -> None:
    world = kept_world(upload_errors=(error,))

    assert world.create_post(step) == SETTLED
    assert (post_of(world).state, post_of(world).error_code) == (PostState.FAILED, error.code)
    assert world.publisher.publish_calls == 0


def test_a_missing_key_settles_the_post_and_says_what_to_do() -> None:
    world = kept_world()
    world.missing_key = NO_KEY

    assert world.create_post(STEP) == SETTLED
    assert (post_of(world).error_code, post_of(world).error_message) == (ErrorCode.AUTHENTICATION, str(NO_KEY))


@pytest.mark.parametrize("is_accepted", [True, False])
def test_a_lost_answer_puts_the_post_in_doubt_and_it_is_never_sent_again(is_accepted: bool) -> None:
    world = kept_world(Drop(is_accepted))

    assert world.create_post(STEP) == SETTLED
    assert world.create_post(STEP) == SETTLED

    assert world.publisher.publish_calls == 1
    assert post_of(world).state is PostState.IN_DOUBT
    assert post_of(world).error_message == "The connection was lost. It may be public."
    assert world.metrics == ["PostsInDoubt"]


def lost_worker() -> World:
    """Build a world whose worker died during the call; the post is public."""
    world = kept_world(effects=Effects(Crash(4, Moment.AFTER)))
    with pytest.raises(SimulatedCrash, match=r"after 4, publish on twitter#101"):
        world.create_post(STEP)
    return world


def test_whoever_finds_a_call_that_may_still_be_at_work_waits_for_its_lease() -> None:
    world = lost_worker()
    world.clock.advance(30)

    assert world.create_post(STEP) == StepResult(outcome=Outcome.WAIT, wait_seconds=LEASE_SECONDS - 30)
    assert post_of(world).state is PostState.CALLING


def test_whoever_finds_an_abandoned_call_puts_the_post_in_doubt() -> None:
    world = lost_worker()
    world.clock.advance(LEASE_SECONDS)

    assert world.create_post(STEP) == SETTLED
    assert (post_of(world).state, world.publisher.publish_calls) == (PostState.IN_DOUBT, 1)
    assert world.metrics == ["PostsInDoubt"]


def test_a_post_that_was_settled_during_its_call_is_named_by_the_error() -> None:
    world = kept_world()
    world.publisher.meanwhile = lambda: world.close(CloseInput(video_id=VIDEO_ID, fault="execution TIMED_OUT"))

    with pytest.raises(MediaPosterError, match=r"took POST#twitter#101 of video_1 as submission-1, but"):
        world.create_post(STEP)

    assert post_of(world).state is PostState.IN_DOUBT


def test_a_published_post_is_kept_with_its_address() -> None:
    world = submitted_world()

    assert world.check_post(STEP) == SETTLED
    assert (post_of(world).state, post_of(world).public_url) == (
        PostState.PUBLISHED,
        "https://network.example/submission-1",
    )


def test_a_post_may_be_published_without_an_address() -> None:
    world = submitted_world(PostReport(submission_id="", status=PostStatus.PUBLISHED))

    world.check_post(STEP)

    assert (post_of(world).state, post_of(world).public_url) == (PostState.PUBLISHED, None)


def test_a_post_the_network_refused_has_failed_in_its_words() -> None:
    world = submitted_world(
        PostReport(submission_id="", status=PostStatus.FAILED, error_message="reached_active_user_cap")
    )

    assert world.check_post(STEP) == SETTLED

    post = post_of(world)
    assert (post.state, post.error_code, post.error_message) == (
        PostState.FAILED,
        ErrorCode.PROVIDER_ERROR,
        "reached_active_user_cap",
    )
    assert world.metrics == ["PostsFailed"]


def test_a_post_that_turns_out_to_be_scheduled_is_settled() -> None:
    later = NOW + timedelta(days=1)
    world = submitted_world(PostReport(submission_id="", status=PostStatus.SCHEDULED, scheduled_time=later))

    assert world.check_post(STEP) == SETTLED
    assert (post_of(world).state, post_of(world).scheduled_time) == (PostState.SCHEDULED, later)


@pytest.mark.parametrize(("attempt", "wait_seconds"), [(1, 10), (3, 10), (4, 30), (CHECKS_MAX - 1, 30)])
def test_a_post_in_progress_is_asked_for_again_quickly_at_first(attempt: int, wait_seconds: int) -> None:
    world = submitted_world(IN_PROGRESS)

    result = world.check_post(PostStepInput(video_id=VIDEO_ID, post_id=POST_ID, attempt=attempt))

    assert result == StepResult(outcome=Outcome.WAIT, wait_seconds=wait_seconds)
    assert post_of(world).state is PostState.SUBMITTED


@pytest.mark.parametrize(("error", "wait_seconds"), [(BUSY, 20), (FAULT, 10), (REFUSED, 10)])
def test_a_fault_of_one_question_says_nothing_about_the_post(error: PublisherError, wait_seconds: int) -> None:
    world = submitted_world(error)

    assert world.check_post(STEP) == StepResult(outcome=Outcome.WAIT, wait_seconds=wait_seconds)
    assert post_of(world).state is PostState.SUBMITTED


def test_a_key_that_is_missing_while_a_post_is_followed_can_still_be_put() -> None:
    world = submitted_world()
    world.missing_key = NO_KEY

    assert world.check_post(STEP).outcome is Outcome.WAIT

    world.missing_key = None
    assert world.check_post(STEP) == SETTLED


@pytest.mark.parametrize(
    ("answer", "message"),
    [(IN_PROGRESS, "The publisher never said what became of it."), (FAULT, "Blotato could not be reached.")],
    ids=["in progress", "fault"],
)
def test_a_post_that_never_ends_is_unknown_and_never_failed(answer: PostReport | PublisherError, message: str) -> None:
    world = submitted_world(answer)

    assert world.check_post(LAST_CHECK) == SETTLED

    assert (post_of(world).state, post_of(world).error_message) == (PostState.UNKNOWN, message)
    assert world.metrics == ["PostsInDoubt"]
    assert world.create_post(STEP) == SETTLED
    assert world.publisher.publish_calls == 1


def test_a_post_that_is_published_at_the_last_check_is_kept_so() -> None:
    world = submitted_world()

    world.check_post(LAST_CHECK)

    assert post_of(world).state is PostState.PUBLISHED


@pytest.mark.parametrize("state", [state for state in PostState if state is not PostState.SUBMITTED])
def test_only_a_submitted_post_is_asked_for(state: PostState) -> None:
    post = a_post(state=state, submission_id="submission-1", is_told=True)
    world = World()
    world.keep(a_video(), post)

    assert world.check_post(STEP) == SETTLED
    assert world.posts == [post]


def test_a_post_that_was_submitted_without_an_id_is_a_fault() -> None:
    world = kept_world(state=PostState.SUBMITTED)

    with pytest.raises(MediaPosterError, match="was submitted without an id"):
        world.check_post(STEP)
