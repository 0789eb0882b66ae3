"""Following a post until its network has published or refused it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from mediaposter.domain.errors import ConfigurationError, ErrorCode, PublisherError
from mediaposter.publishing.publisher_interface import PostReport, PostStatus
from mediaposter.stores.posts import PostState
from mediaposter.usecases.posting.check_post import CHECKS_MAX
from mediaposter.usecases.posting.reconcile import GIVE_UP_AFTER
from mediaposter.usecases.steps import Outcome, PostStepInput
from tests.builders import NOW, VIDEO_ID, a_target
from tests.fakes.world import World
from tests.unit.usecases.posting import (
    ANOTHER_IS_AT_IT,
    BUSY,
    FAULT,
    IN_PROGRESS,
    MEDIA_URL,
    NO_KEY,
    POST_ID,
    REFUSED,
    SETTLED,
    STEP,
    TOMORROW,
    a_listed_post,
    after,
    is_due,
    kept_world,
    post_of,
    take,
    wait_for,
)

LAST_STEP = PostStepInput(video_id=VIDEO_ID, post_id=POST_ID, attempt=CHECKS_MAX)
IN_TEN_MINUTES = NOW + timedelta(minutes=10)
STILL_SCHEDULED = PostReport(submission_id="", status=PostStatus.SCHEDULED, scheduled_time=TOMORROW)


def submitted_world(*checks: PostReport | PublisherError, minutes_ago: float = 0, **post: Any) -> World:
    """Build a world whose publisher has the post since some minutes."""
    world = kept_world(checks=checks, **post)
    world.create_post(STEP)
    world.clock.advance(minutes_ago * 60)
    return world


def adopted_world(**post: Any) -> World:
    """Build a world in which a post was found scheduled whose submission id is lost."""
    fields = {"state": PostState.SCHEDULED, "media_url": MEDIA_URL, "is_verified": True, "called_at": NOW}
    world = kept_world(**{**fields, "scheduled_time": TOMORROW, "due_at": after(days=1), **post})
    take(world, scheduled_time=TOMORROW)
    return world


def is_published_as(world: World, submission_id: str) -> bool:
    """Tell whether the post is published, with the address of this submission."""
    post = post_of(world)
    return (post.state, post.public_url) == (PostState.PUBLISHED, f"https://network.example/{submission_id}")


# The ends


def test_a_published_post_is_kept_with_its_address_and_told_once() -> None:
    world = submitted_world()

    assert world.check_post(STEP) == SETTLED
    assert world.check_post(STEP) == SETTLED

    assert is_published_as(world, "submission-1")
    assert (post_of(world).error_code, post_of(world).error_message, world.metrics) == (None, None, [])
    assert [(event.type, event.url) for event in world.post_events] == [
        ("post.published", "https://network.example/submission-1")
    ]
    assert not is_due(world)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("reached_active_user_cap", "reached_active_user_cap"),
        (None, "The network refused the post and gave no reason."),
    ],
)
def test_a_post_the_network_refused_has_failed_in_its_words(said: str | None, kept: str) -> None:
    world = submitted_world(PostReport(submission_id="", status=PostStatus.FAILED, error_message=said))

    assert world.check_post(STEP) == SETTLED

    post = post_of(world)
    assert (post.state, post.error_code, post.error_message) == (PostState.FAILED, ErrorCode.PROVIDER_ERROR, kept)
    assert world.metrics == ["PostsFailed"]
    assert [event.type for event in world.post_events] == ["post.failed"]


@pytest.mark.parametrize(
    "state", [state for state in PostState if state not in (PostState.SUBMITTED, PostState.SCHEDULED)]
)
def test_only_a_post_that_the_publisher_has_is_asked_for(state: PostState) -> None:
    called: dict[str, Any] = {"submission_id": "submission-1", "delivery": "verified", "scheduled_time": IN_TEN_MINUTES}
    world = kept_world(state=state, is_told=True, **called)
    post = post_of(world)
    world.missing_key = NO_KEY

    assert world.check_post(STEP) == SETTLED
    assert world.posts == [post]


# In progress


@pytest.mark.parametrize(
    ("minutes", "wait_seconds"),
    [(0, 10), (0.4, 10), (0.5, 20), (1.9, 20), (2, 45), (4.9, 45), (5, 60), (14.9, 60)],
)
def test_a_post_in_progress_is_asked_for_often_at_first(minutes: float, wait_seconds: int) -> None:
    world = submitted_world(IN_PROGRESS, minutes_ago=minutes)

    assert world.check_post(STEP) == wait_for(wait_seconds)
    assert post_of(world).state is PostState.SUBMITTED


def test_a_post_that_is_in_progress_for_a_quarter_of_an_hour_is_unknown_and_never_failed() -> None:
    world = submitted_world(IN_PROGRESS, minutes_ago=15)

    assert world.check_post(STEP) == SETTLED

    post = post_of(world)
    assert (post.state, post.error_code) == (PostState.UNKNOWN, None)
    assert post.error_message == (
        "The publisher never reported its outcome. Check the network, then tell us with POST …/resolve."
    )
    assert world.metrics == ["PostsInDoubt"]
    assert [event.type for event in world.post_events] == ["post.in_doubt"]
    assert world.create_post(STEP) == SETTLED
    assert world.publisher.publish_calls == 1


def test_a_post_that_was_submitted_without_an_id_is_looked_for_in_the_lists() -> None:
    world = kept_world(state=PostState.SUBMITTED, submitted_at=NOW, media_url=MEDIA_URL, due_at=after(minutes=15))
    assert world.check_post(STEP) == wait_for(10)
    take(world)

    assert world.check_post(STEP) == SETTLED
    assert is_published_as(world, "submission-1")


# Questions that are not answered


@pytest.mark.parametrize(
    ("error", "wait_seconds"), [(BUSY, 20), (FAULT, 10), (REFUSED, 10), (NO_KEY, 10)], ids=lambda value: str(value)[:12]
)
def test_a_question_that_is_not_answered_says_nothing_about_the_post(
    error: PublisherError | ConfigurationError, wait_seconds: int
) -> None:
    world = submitted_world()
    if isinstance(error, PublisherError):
        world.publisher.checks.insert(0, error)
    else:
        world.missing_key = error

    assert world.check_post(STEP) == wait_for(wait_seconds)
    assert (post_of(world).state, post_of(world).due_at) == (PostState.SUBMITTED, after(minutes=15))


def test_a_post_without_a_due_time_gets_one_after_a_question_that_was_not_answered() -> None:
    world = kept_world(checks=(FAULT,), state=PostState.SUBMITTED, submission_id="submission-1", submitted_at=NOW)

    world.check_post(STEP)

    assert post_of(world).due_at == after(seconds=0)


def test_a_publisher_that_cannot_be_asked_for_a_day_leaves_the_post_to_a_person() -> None:
    world = submitted_world(FAULT, FAULT, minutes_ago=GIVE_UP_AFTER.total_seconds() / 60 - 1)
    world.check_post(STEP)
    assert post_of(world).state is PostState.SUBMITTED

    world.clock.advance(60)
    assert world.check_post(STEP) == SETTLED

    assert post_of(world).state is PostState.UNKNOWN
    assert post_of(world).error_message == (
        "The publisher could not be reached for a day: Blotato could not be reached. Check the network, then tell us "
        "with POST …/resolve."
    )
    assert not is_due(world)


def test_a_worker_that_loses_the_race_after_no_answer_waits_too() -> None:
    world = submitted_world(FAULT)
    world.table.meanwhile = lambda: world.check_post(STEP)

    assert world.check_post(STEP) == ANOTHER_IS_AT_IT
    assert post_of(world).state is PostState.PUBLISHED


# Scheduled


def test_a_post_that_is_not_to_be_double_safe_is_left_alone_until_its_time_and_asked_for_then() -> None:
    world = submitted_world(target=a_target(scheduled_time=IN_TEN_MINUTES))
    version = post_of(world).version

    world.check_post(STEP)
    assert (post_of(world).version, post_of(world).is_verified) == (version, False)

    world.clock.advance(10 * 60)
    assert world.check_post(STEP) == SETTLED
    assert post_of(world).state is PostState.PUBLISHED


def test_the_sweep_follows_what_no_execution_waits_for() -> None:
    world = submitted_world(target=a_target(scheduled_time=TOMORROW))
    assert world.check_post(STEP) == SETTLED

    world.sweep_until_nothing_is_due()

    assert (post_of(world).state, world.clock() > TOMORROW) == (PostState.PUBLISHED, True)
    assert [event.type for event in world.post_events] == ["post.published"]


def test_a_post_that_stays_scheduled_long_past_its_time_is_unknown() -> None:
    world = submitted_world(*[STILL_SCHEDULED] * 2, target=a_target(scheduled_time=TOMORROW))
    world.clock.advance(24 * 3_600 + 14 * 60)
    assert world.check_post(STEP) == wait_for(60)
    assert post_of(world).state is PostState.SCHEDULED

    world.clock.advance(60)
    assert world.check_post(STEP) == SETTLED
    assert post_of(world).state is PostState.UNKNOWN
    assert post_of(world).error_message == (
        "It is past its time, and the publisher still calls it scheduled. Check the network, then tell us with POST "
        "…/resolve."
    )


def test_a_scheduled_post_without_a_known_time_is_asked_for() -> None:
    no_time = PostReport(submission_id="", status=PostStatus.SCHEDULED)
    world = submitted_world(no_time, no_time)

    world.check_post(STEP)

    post = post_of(world)
    assert (post.state, post.scheduled_time, post.due_at) == (PostState.SCHEDULED, None, after(seconds=0))
    assert world.check_post(STEP) == wait_for(10)


# Adopted from the lists: the submission id is lost


def test_an_adopted_post_is_found_failed() -> None:
    world = adopted_world()
    world.clock.advance(25 * 3_600)
    world.publisher.looks = [
        [a_listed_post(status=PostStatus.FAILED, public_url=None, error_message="The token has expired.")]
    ]

    assert world.check_post(STEP) == SETTLED
    assert (post_of(world).state, post_of(world).error_message) == (PostState.FAILED, "The token has expired.")


@pytest.mark.parametrize("is_in_schedules", [True, False], ids=["moved", "in the list of posts alone"])
def test_an_adopted_post_that_has_another_time_at_the_publisher_waits_for_it(is_in_schedules: bool) -> None:
    later = TOMORROW + timedelta(days=7)
    world = adopted_world()
    if is_in_schedules:
        world.publisher.move_schedule("schedule-submission-1", later)
    else:
        world.publisher.posts.clear()
        world.publisher.looks = [[a_listed_post(status=PostStatus.SCHEDULED, post_time=later, public_url=None)]]
    world.clock.advance(25 * 3_600)

    assert world.check_post(STEP) == SETTLED

    post = post_of(world)
    assert (post.state, post.scheduled_time, post.due_at) == (PostState.SCHEDULED, later, after(days=8))


# Double safe


def verified_world(*, copies: int = 1, scheduled_time: datetime | None = None) -> World:
    """Build a world whose publisher makes so many posts of one call."""
    world = kept_world(target=a_target(scheduled_time=scheduled_time), delivery="verified")
    world.publisher.copies = copies
    world.create_post(STEP)
    return world


def test_a_double_safe_post_is_verified_once_before_its_time_and_followed_by_its_id() -> None:
    world = verified_world()
    world.clock.advance(30)

    assert world.check_post(STEP) == wait_for(5 * 60 - 30 + 10)

    post = post_of(world)
    assert (post.is_verified, post.schedule_id, post.due_at) == (True, "schedule-submission-1", after(minutes=5))
    assert (post.submission_id, world.metrics) == ("submission-1", [])
    world.missing_key = NO_KEY
    world.check_post(STEP)
    assert post_of(world).version == post.version


def test_a_copy_too_many_is_taken_away_before_it_is_public_and_the_other_is_followed() -> None:
    world = verified_world(copies=3)
    assert post_of(world).submission_id == "submission-3", "which is taken away"
    world.clock.advance(30)

    world.check_post(STEP)

    assert list(world.publisher.posts) == ["submission-1"]
    assert world.metrics == ["SurplusPostsCancelled"] * 2
    assert world.publisher.count_posts() == {"video_1-twitter-101": 1}
    world.clock.advance(300)
    assert world.check_post(STEP) == SETTLED
    assert is_published_as(world, "submission-1")


def test_a_double_safe_post_that_is_not_listed_yet_is_looked_for_until_shortly_before_its_time() -> None:
    world = verified_world()
    world.publisher.list_lag_seconds = 600

    waits = []
    for _ in range(12):
        result = world.check_post(STEP)
        waits.append(result.wait_seconds)
        world.clock.advance(result.wait_seconds)
        if world.clock() >= NOW + timedelta(minutes=5):
            break

    assert waits == [30] * 9 + [40]
    assert world.check_post(STEP) == SETTLED
    assert post_of(world).state is PostState.PUBLISHED


@pytest.mark.parametrize(("lag_seconds", "copies_left"), [(0, 1), (7_200, 2)], ids=["listed", "not listed"])
def test_what_could_not_be_verified_in_its_execution_the_sweep_verifies_if_it_can_and_follows(
    lag_seconds: int, copies_left: int
) -> None:
    world = verified_world(copies=2, scheduled_time=TOMORROW)
    world.publisher.schedule_errors = [FAULT]
    assert world.check_post(LAST_STEP).outcome is Outcome.SETTLED
    assert post_of(world).due_at == after(seconds=0)
    world.publisher.list_lag_seconds = lag_seconds
    world.clock.advance(6 * 60)

    world.sweep()

    assert (post_of(world).is_verified, post_of(world).due_at) == (copies_left == 1, after(days=1))
    assert len(world.publisher.posts) == copies_left
