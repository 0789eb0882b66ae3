"""Moving or cancelling a post that waits for its time at the publisher."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from mediaposter.domain.errors import (
    ErrorCode,
    Forbidden,
    InvalidRequest,
    MediaPosterError,
    NotAllowedInState,
    NotFound,
    PublisherError,
)
from mediaposter.publishing.targets import SCHEDULED_AHEAD_MAX, PublishTarget
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import Post, PostState
from mediaposter.stores.table import Put
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import MoveRequest
from tests.builders import NOW, VIDEO_ID, a_caller, a_target
from tests.fakes.effects import Effects, Moment, SimulatedCrash
from tests.fakes.publisher import FakePost
from tests.fakes.world import World
from tests.unit.usecases.posting import (
    FAULT,
    MEDIA_URL,
    POST_ID,
    STEP,
    TOMORROW,
    a_kept_video,
    after,
    is_due,
    kept_world,
    post_of,
)

NEXT_WEEK = TOMORROW + timedelta(days=7)
Act = Callable[..., Post]


def scheduled_world(*, copies: int = 1, **parts: Any) -> World:
    """Build a world whose publisher has the post, for tomorrow."""
    world = kept_world(target=a_target(scheduled_time=TOMORROW), video=a_kept_video(stage=Stage.DONE), **parts)
    world.publisher.copies = copies
    world.create_post(STEP)
    return world


def move(world: World, to: datetime = NEXT_WEEK, *, caller: Caller | None = None) -> Post:
    return world.reschedule.move(VIDEO_ID, POST_ID, MoveRequest(scheduled_time=to), caller=caller or a_caller())


def cancel(world: World, *, caller: Caller | None = None) -> Post:
    return world.reschedule.cancel(VIDEO_ID, POST_ID, caller=caller or a_caller())


def times_of(world: World) -> list[datetime | None]:
    return [post.scheduled_time for post in world.publisher.posts.values()]


# Moving


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        (NOW, "must be in the future"),
        (NOW + SCHEDULED_AHEAD_MAX + timedelta(seconds=1), "at most nine months ahead"),
    ],
)
def test_a_time_at_which_nothing_can_go_out_is_refused(to: datetime, reason: str) -> None:
    world = scheduled_world()

    with pytest.raises(InvalidRequest, match=reason) as refusal:
        move(world, to)

    assert refusal.value.param == "scheduled_time"
    assert times_of(world) == [TOMORROW]


def test_a_post_that_goes_out_while_it_is_moved_is_gone() -> None:
    world = scheduled_world()
    world.publisher.once_listed = lambda: world.clock.advance(24 * 3_600)

    with pytest.raises(NotAllowedInState, match="it is going out, or went out"):
        move(world)

    assert (post_of(world).scheduled_time, times_of(world)) == (TOMORROW, [TOMORROW])


def test_a_sooner_time_is_written_down_before_it_can_come_true() -> None:
    effects = Effects()
    world = scheduled_world(effects=effects)
    sooner = NOW + timedelta(hours=1)
    effects.crash_at(2, Moment.AFTER)
    with pytest.raises(SimulatedCrash, match="move"):
        move(world, sooner)

    assert (post_of(world).scheduled_time, post_of(world).due_at) == (sooner, after(hours=1))


def test_a_sooner_time_of_what_is_not_listed_is_not_written_down() -> None:
    world = scheduled_world()
    world.publisher.posts.clear()

    with pytest.raises(NotAllowedInState):
        move(world, NOW + timedelta(hours=1))

    assert post_of(world).scheduled_time == TOMORROW


def test_a_post_with_an_unknown_time_can_be_moved() -> None:
    world = scheduled_world()
    world.post_store.note(post_of(world), scheduled_time=None)

    assert move(world).scheduled_time == NEXT_WEEK


def test_a_move_that_was_never_written_down_is_found_out_by_the_sweep() -> None:
    effects = Effects()
    world = scheduled_world(effects=effects)
    effects.crash_at(1, Moment.AFTER)
    with pytest.raises(SimulatedCrash):
        move(world)
    world.clock.now = TOMORROW + timedelta(minutes=6)

    world.sweep()

    assert (post_of(world).state, post_of(world).scheduled_time) == (PostState.SCHEDULED, NEXT_WEEK)


# Cancelling


def test_a_post_is_taken_away_before_its_time() -> None:
    world = scheduled_world()
    world.clock.advance(60)

    post = cancel(world)

    assert post == post_of(world)
    assert (post.state, post.error_code, post.error_message, post.updated_at) == (
        PostState.CANCELLED,
        ErrorCode.CANCELLED,
        "It was cancelled before its time.",
        world.clock(),
    )
    assert (world.publisher.posts, is_due(world), world.post_events) == ({}, False, [])


@pytest.mark.parametrize("other", [a_target(account_id="102"), a_target("threads")], ids=["account", "network"])
def test_what_its_owner_scheduled_elsewhere_with_the_same_media_is_left_alone(other: PublishTarget) -> None:
    world = scheduled_world()
    theirs = FakePost(target=other, text="Mine", media_url=MEDIA_URL, scheduled_time=TOMORROW)
    world.publisher.posts["submission-9"] = theirs

    move(world)
    assert times_of(world) == [NEXT_WEEK, TOMORROW]
    cancel(world)

    assert world.publisher.posts == {"submission-9": theirs}


def test_a_post_is_taken_away_in_its_last_minutes() -> None:
    world = scheduled_world()
    world.clock.now = TOMORROW - timedelta(seconds=1)

    assert cancel(world).state is PostState.CANCELLED
    assert world.publisher.posts == {}


def test_a_post_that_goes_out_while_it_is_cancelled_is_gone() -> None:
    world = scheduled_world()
    world.publisher.once_listed = lambda: world.clock.advance(24 * 3_600)

    with pytest.raises(NotAllowedInState, match="it is going out, or went out"):
        cancel(world)

    assert post_of(world).state is PostState.SCHEDULED


def lag(world: World) -> None:
    world.publisher.list_lag_seconds = 60


def send_early_by_hand(world: World) -> None:
    world.publisher.move_schedule("schedule-submission-1", NOW + timedelta(minutes=1))
    world.clock.advance(120)


def lose_its_time(world: World) -> None:
    world.post_store.note(post_of(world), scheduled_time=None)
    world.publisher.posts.clear()


@pytest.mark.parametrize("happen", [lag, send_early_by_hand, lose_its_time])
def test_a_post_that_may_go_out_or_went_out_is_not_cancelled(happen: Callable[[World], None]) -> None:
    world = scheduled_world()
    happen(world)
    posts = dict(world.publisher.posts)

    with pytest.raises(NotAllowedInState):
        cancel(world)

    assert (post_of(world).state, world.publisher.posts) == (PostState.SCHEDULED, posts)


@pytest.mark.parametrize(
    ("seconds_before", "is_cancelled"), [(301, True), (300, False), (-60, False)], ids=["before", "about", "after"]
)
def test_what_is_not_known_any_more_about_its_time_may_be_going_out(seconds_before: int, is_cancelled: bool) -> None:
    world = scheduled_world()
    world.publisher.posts.clear()
    world.clock.now = TOMORROW - timedelta(seconds=seconds_before)

    if is_cancelled:
        cancel(world)
    else:
        with pytest.raises(NotAllowedInState):
            cancel(world)

    assert post_of(world).state is (PostState.CANCELLED if is_cancelled else PostState.SCHEDULED)


# Both

BOTH = pytest.mark.parametrize("act", [move, cancel])


@BOTH
@pytest.mark.parametrize(
    ("caller", "refusal"),
    [(a_caller(scopes=frozenset({Scope.READ, Scope.CREATE})), Forbidden), (a_caller(owner="key_of_another"), NotFound)],
    ids=["may not publish", "another owner"],
)
def test_a_key_that_may_not_publish_this_post_changes_nothing(
    act: Act, caller: Caller, refusal: type[MediaPosterError]
) -> None:
    world = scheduled_world()

    with pytest.raises(refusal):
        act(world, caller=caller)

    assert times_of(world) == [TOMORROW]


@BOTH
@pytest.mark.parametrize("state", [state for state in PostState if state is not PostState.SCHEDULED])
def test_only_a_scheduled_post_can_be_changed(act: Act, state: PostState) -> None:
    world = scheduled_world()
    scheduled = post_of(world)
    world.table.commit([Put(scheduled.copy_with(state=state))])

    with pytest.raises(NotAllowedInState, match=rf"is {state}: only a scheduled one"):
        act(world)

    assert times_of(world) == [TOMORROW]


@BOTH
@pytest.mark.parametrize("errors", [[FAULT], [None, FAULT]], ids=["the list", "the change"])
def test_a_publisher_that_does_not_answer_is_asked_again_by_the_caller(
    act: Act, errors: list[PublisherError | None]
) -> None:
    world = scheduled_world()
    world.publisher.schedule_errors = list(errors)

    with pytest.raises(PublisherError):
        act(world)

    assert post_of(world).state is PostState.SCHEDULED
    act(world)


@BOTH
def test_a_post_that_comes_to_its_end_meanwhile_is_not_written_over(act: Act) -> None:
    world = scheduled_world()
    world.table.meanwhile = lambda: world.post_store.advance(post_of(world), PostState.PUBLISHED, now=NOW)

    with pytest.raises(NotAllowedInState, match="ended meanwhile"):
        act(world)

    assert post_of(world).state is PostState.PUBLISHED
