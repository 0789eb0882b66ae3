"""Making a post at most once."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from checks.cloudformation import read_template
from mediaposter.domain.errors import ErrorCode, MediaPosterError, NotFound, PublisherError
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.posts import PostState
from mediaposter.stores.rate import RateStore
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.posting.create_post import REFUSALS_MAX
from mediaposter.usecases.steps import CloseInput, Outcome, PostStepInput, StepResult
from tests.builders import NOW, VIDEO_ID, a_stored_video, a_target, a_video
from tests.fakes.answers import Drop, Refuse
from tests.fakes.world import LEASE_SECONDS, POSTS_PER_MINUTE, UPLOADS_PER_MINUTE, World
from tests.unit.usecases.posting import (
    BUSY,
    FAULT,
    NO_KEY,
    POST_ID,
    REFUSED,
    SETTLED,
    STEP,
    TOMORROW,
    a_kept_video,
    after,
    kept_world,
    post_of,
    wait_for,
)

LATE_STEP = PostStepInput(video_id=VIDEO_ID, post_id=POST_ID, attempt=999)


# The call


def test_the_intent_and_its_lease_are_written_before_the_call_is_made() -> None:
    world = kept_world()
    seen = []
    world.publisher.meanwhile = lambda: seen.append(post_of(world))

    world.create_post(STEP)

    [post] = seen
    assert (post.state, post.called_at) == (PostState.CALLING, NOW)
    assert post.lease_expires_at == NOW + timedelta(seconds=LEASE_SECONDS)
    assert post.due_at == after(seconds=LEASE_SECONDS), "should the caller die, the sweep comes"
    assert post.media_url in world.publisher.uploads


def test_a_second_worker_that_comes_during_the_call_waits_for_the_lease() -> None:
    world = kept_world()
    results: list[StepResult] = []
    world.publisher.meanwhile = lambda: results.append(world.create_post(STEP))

    world.create_post(STEP)

    assert results == [wait_for(LEASE_SECONDS)]
    assert world.publisher.publish_calls == 1


def test_coming_back_after_the_submission_posts_nothing_again() -> None:
    world = kept_world()
    world.create_post(STEP)

    assert world.create_post(STEP) == StepResult(outcome=Outcome.SUBMITTED, wait_seconds=10)
    assert world.publisher.publish_calls == 1


@pytest.mark.parametrize(
    "state", [PostState.PUBLISHED, PostState.FAILED, PostState.PARKED, PostState.UNKNOWN, PostState.CANCELLED]
)
def test_a_settled_post_is_never_posted(state: PostState) -> None:
    world = kept_world(state=state, scheduled_time=NOW + timedelta(minutes=10))

    assert world.create_post(STEP) == SETTLED
    assert (world.publisher.publish_calls, world.publisher.uploads) == (0, {})


def test_a_post_that_was_not_planned_is_not_made() -> None:
    with pytest.raises(NotFound):
        kept_world().create_post(PostStepInput(video_id=VIDEO_ID, post_id="twitter#999"))


def test_what_was_made_is_measured_before_it_is_uploaded() -> None:
    probe = a_stored_video().probe.model_copy(update={"duration_ms": 140_100})
    stored = a_stored_video().model_copy(update={"probe": probe})
    world = kept_world(video=a_kept_video(stored=stored))

    assert world.create_post(STEP) == SETTLED

    post = post_of(world)
    assert (post.state, post.error_code) == (PostState.FAILED, ErrorCode.INVALID_REQUEST)
    assert post.error_message == ("The video does not fit twitter: seconds: at most 140 on twitter, got 140.1")
    assert (world.publisher.uploads, world.metrics) == ({}, ["PostsFailed"])


def test_a_caption_that_was_planned_under_older_rules_is_measured_before_anything_is_uploaded() -> None:
    world = kept_world(target=a_target("threads"), text="é" * 300)

    world.create_post(PostStepInput(video_id=VIDEO_ID, post_id="threads#101"))

    assert post_of(world).error_message == "The post does not fit threads: text: at most 500 bytes, got 600"
    assert (post_of(world).error_code, world.publisher.uploads) == (ErrorCode.INVALID_REQUEST, {})


# What is refused was certainly not taken


def test_a_refused_post_waits_for_no_time() -> None:
    world = kept_world(Refuse(REFUSED), target=a_target(scheduled_time=TOMORROW))

    world.create_post(STEP)

    assert post_of(world).scheduled_time is None


def test_refusals_are_counted_in_the_ledger_and_each_is_waited_for_longer() -> None:
    world = kept_world(Refuse(FAULT), Refuse(FAULT), upload_errors=(FAULT,))

    waits = [world.create_post(STEP).wait_seconds for _ in range(3)]

    assert waits == [15, 30, 45], "of the upload and of the post, whatever the machine counts"
    assert post_of(world).refusals == 3


@pytest.mark.parametrize(
    ("refusals", "step", "is_final"),
    [
        (REFUSALS_MAX - 2, STEP, False),
        (REFUSALS_MAX - 1, STEP, True),
        (0, LATE_STEP, False),
    ],
    ids=["one is left", "too many", "however often the machine came for a place"],
)
def test_passing_refusals_end_the_post_at_last(refusals: int, step: PostStepInput, is_final: bool) -> None:
    world = kept_world(Refuse(BUSY), refusals=refusals)

    assert world.create_post(step) == (SETTLED if is_final else wait_for(20))

    ended = (PostState.FAILED, ErrorCode.RATE_LIMITED, "Wait 20 seconds.")
    post = post_of(world)
    assert (post.state, post.error_code, post.error_message) == (ended if is_final else (PostState.PENDING, None, None))


@pytest.mark.parametrize("is_missing", [True, False], ids=["missing", "refused"])
def test_a_key_that_does_not_serve_settles_the_post_says_why_and_rings_an_alarm_of_its_own(is_missing: bool) -> None:
    world = kept_world(Refuse(PublisherError(ErrorCode.AUTHENTICATION, "Invalid API key")))
    world.missing_key = NO_KEY if is_missing else None

    assert world.create_post(STEP) == SETTLED
    said = str(NO_KEY) if is_missing else "Invalid API key"
    assert (post_of(world).error_code, post_of(world).error_message) == (ErrorCode.AUTHENTICATION, said)
    assert world.metrics == ["PostsFailed", "PublisherKeyRefused"]
    alarms = read_template(Path(__file__).parents[3] / "template.yaml").of_type("AWS::CloudWatch::Alarm").values()
    assert "PublisherKeyRefused" in [alarm.properties["MetricName"] for alarm in alarms]


# What was sent and not answered


@pytest.mark.parametrize("is_accepted", [True, False])
def test_a_lost_answer_puts_the_post_in_doubt_and_it_is_never_sent_again(is_accepted: bool) -> None:
    world = kept_world(Drop(is_accepted))

    assert world.create_post(STEP) == wait_for(30)
    assert world.create_post(STEP) == wait_for(30)

    post = post_of(world)
    assert (post.state, post.in_doubt_since, post.due_at) == (PostState.IN_DOUBT, NOW, after(seconds=30))
    assert post.error_message == "The connection was lost. It may be public."
    assert (world.publisher.publish_calls, world.metrics, world.post_events) == (1, [], [])


def test_a_look_that_was_not_answered_is_made_again_a_minute_later() -> None:
    world = kept_world(Drop(is_accepted=True))
    world.create_post(STEP)
    world.clock.advance(30)
    world.publisher.looks = [FAULT]

    assert world.create_post(STEP) == wait_for(60)


def test_a_post_that_was_settled_during_its_call_is_named_by_the_error() -> None:
    world = kept_world()
    world.publisher.meanwhile = lambda: world.close(CloseInput(video_id=VIDEO_ID, fault="execution TIMED_OUT"))

    with pytest.raises(MediaPosterError, match=r"took POST#twitter#101 of video_1 as submission-1, but"):
        world.create_post(STEP)

    assert post_of(world).state is PostState.IN_DOUBT, "so it is looked for, and found"


# The publisher's limits


def take_places(world: World, call: str, places: int) -> None:
    """Let others take places for their calls."""
    per_minute = {"upload": UPLOADS_PER_MINUTE, "post": POSTS_PER_MINUTE}[call]
    for _ in range(places):
        RateStore(world.table).take(f"publisher-{call}", per_minute=per_minute, now=world.clock())


@pytest.mark.parametrize(
    ("call", "places", "seconds", "uploads"), [("upload", 2, 7.5, 0), ("post", 7, 60 / 23, 1)], ids=["upload", "post"]
)
def test_a_call_waits_for_its_place_and_is_made_then(call: str, places: int, seconds: float, uploads: int) -> None:
    world = kept_world()
    take_places(world, call, places)

    assert world.create_post(STEP) == wait_for(ceil(seconds))
    assert (post_of(world).place_for, post_of(world).place_at) == (call, NOW + timedelta(seconds=seconds))
    assert (len(world.publisher.uploads), world.publisher.publish_calls) == (uploads, 0)

    take_places(world, call, 10)
    world.clock.advance(ceil(seconds))
    assert world.create_post(STEP).outcome is Outcome.SUBMITTED
    assert len(world.publisher.uploads) == 1


def test_a_place_that_was_missed_is_another_s() -> None:
    world = kept_world()
    take_places(world, "upload", 2)
    world.create_post(STEP)
    world.clock.advance(7.5 + 120 + 1)
    take_places(world, "upload", 10)

    assert world.create_post(STEP).outcome is Outcome.WAIT
    assert world.publisher.uploads == {}


# When it goes out


def time_given(target: PublishTarget, *, publishing_since: datetime | None = None, **post: Any) -> datetime | None:
    """Hand over a post, and give the time at which the publisher is to make it public."""
    world = kept_world(target=target, video=a_kept_video(publishing_since=publishing_since), **post)
    world.create_post(STEP)
    [made] = world.publisher.posts.values()
    return made.scheduled_time


@pytest.mark.parametrize(
    ("seconds_ahead", "is_scheduled"), [(61, True), (60, False), (-3_600, False)], ids=["later", "now", "an hour ago"]
)
def test_a_time_that_has_come_is_now(seconds_ahead: int, is_scheduled: bool) -> None:
    time = NOW + timedelta(seconds=seconds_ahead)

    assert time_given(a_target(scheduled_time=time)) == (time if is_scheduled else None)


@pytest.mark.parametrize(
    ("delay_minutes", "expected"),
    [(0, None), (10, None), (30, NOW + timedelta(minutes=20))],
    ids=["the first", "its time has come", "a later one"],
)
def test_posts_are_staggered_from_the_beginning_of_their_publishing(
    delay_minutes: int, expected: datetime | None
) -> None:
    assert time_given(a_target(), delay_minutes=delay_minutes, publishing_since=NOW - timedelta(minutes=10)) == expected


def test_the_next_free_slot_is_the_publishers_to_choose() -> None:
    world = kept_world(target=a_target(next_free_slot=True), delay_minutes=30, delivery="verified")

    assert world.create_post(STEP).outcome is Outcome.SUBMITTED

    post = post_of(world)
    assert (post.state, post.scheduled_time, post.due_at) == (PostState.SCHEDULED, TOMORROW, after(days=1))


@pytest.mark.parametrize(
    ("video", "reason"),
    [
        (a_video(stage=Stage.RENDERING), "has no stored video"),
        *(
            (a_kept_video(stage=stage), "it must not be posted yet")
            for stage in Stage
            if stage not in (Stage.PUBLISHING, Stage.DONE)
        ),
    ],
    ids=lambda value: value.stage if isinstance(value, Video) else value[:6],
)
def test_nothing_is_sent_of_a_video_that_may_not_be_posted_yet(video: Video, reason: str) -> None:
    world = kept_world(video=video)

    with pytest.raises(MediaPosterError, match=reason):
        world.create_post(STEP)

    assert (world.publisher.uploads, world.publisher.publish_calls) == ({}, 0)
    assert post_of(world).state is PostState.PENDING
