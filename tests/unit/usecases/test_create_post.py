"""Making a post at most once."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checks.cloudformation import read_template
from mediaposter.domain.errors import ErrorCode, MediaPosterError, NotFound, PublisherError
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.posts import PostState
from mediaposter.stores.rate import RateStore
from mediaposter.stores.videos import Stage
from mediaposter.usecases.posting.create_post import REFUSALS_MAX, VERIFY_AHEAD
from mediaposter.usecases.steps import CloseInput, Outcome, PostStepInput, StepResult
from tests.builders import NOW, VIDEO_ID, a_post, a_stored_video, a_target, a_video
from tests.fakes.answers import Drop, Refuse
from tests.fakes.effects import Effects, Moment, SimulatedCrash
from tests.fakes.publisher import FakePost
from tests.fakes.video_model import MP4
from tests.fakes.world import LEASE_SECONDS, POSTS_PER_MINUTE, UPLOADS_PER_MINUTE, World
from tests.unit.usecases.posting import (
    ANOTHER_IS_AT_IT,
    BUSY,
    FAULT,
    MEDIA_URL,
    NO_KEY,
    POST_ID,
    REFUSED,
    SETTLED,
    STEP,
    TOMORROW,
    a_kept_video,
    after,
    is_due,
    kept_world,
    post_of,
    wait_for,
)

LATE_STEP = PostStepInput(video_id=VIDEO_ID, post_id=POST_ID, attempt=999)


def made_of(world: World) -> FakePost:
    """Give the one post that the publisher took."""
    [made] = world.publisher.posts.values()
    return made


# The call


def test_a_pending_post_is_handed_over_with_its_own_copy_of_the_video() -> None:
    world = kept_world(text="Look up")

    result = world.create_post(STEP)

    assert result == StepResult(outcome=Outcome.SUBMITTED, wait_seconds=10)
    assert (made_of(world).target, made_of(world).text) == (a_target(), "Look up")
    assert world.publisher.uploads[made_of(world).media_url] == MP4


def test_an_accepted_post_is_kept_with_its_id_and_is_looked_after() -> None:
    world = kept_world()
    world.clock.advance(3)

    world.create_post(STEP)

    post = post_of(world)
    assert (post.state, post.submission_id, post.submitted_at) == (PostState.SUBMITTED, "submission-1", world.clock())
    assert (post.lease_expires_at, post.due_at) == (None, after(minutes=15, seconds=3))


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
    assert (post.state, post.called_at) == (PostState.CALLING, NOW)
    assert post.lease_expires_at == NOW + timedelta(seconds=LEASE_SECONDS)
    assert post.due_at == after(seconds=LEASE_SECONDS), "should the caller die, the sweep comes"
    assert post.media_url in world.publisher.uploads


def test_the_intent_says_for_when_the_post_is_meant() -> None:
    world = kept_world(target=a_target(scheduled_time=TOMORROW))
    seen = []
    world.publisher.meanwhile = lambda: seen.append(post_of(world).scheduled_time)

    world.create_post(STEP)

    assert seen == [TOMORROW], "it is looked for at its time"


def test_a_post_that_was_never_sent_is_not_looked_for() -> None:
    world = kept_world()
    world.clock.advance(3_600)
    world.publisher.looks = [FAULT]

    world.create_post(STEP)

    assert world.publisher.looks == [FAULT]


def test_a_second_worker_that_comes_during_the_call_waits_for_the_lease() -> None:
    world = kept_world()
    results: list[StepResult] = []
    world.publisher.meanwhile = lambda: results.append(world.create_post(STEP))

    world.create_post(STEP)

    assert results == [wait_for(LEASE_SECONDS)]
    assert world.publisher.publish_calls == 1


def test_a_worker_that_loses_the_race_for_the_ledger_makes_no_call() -> None:
    world = kept_world()
    world.meanwhile = lambda: world.create_post(STEP)

    assert world.create_post(STEP) == ANOTHER_IS_AT_IT
    assert world.publisher.publish_calls == 1


def test_a_worker_that_loses_the_race_at_the_last_moment_makes_no_call() -> None:
    world = kept_world(media_url=MEDIA_URL)
    world.publisher.uploads[MEDIA_URL] = MP4
    world.table.meanwhile = lambda: world.create_post(STEP)

    assert world.create_post(STEP) == ANOTHER_IS_AT_IT
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


def test_a_post_that_waits_for_its_time_is_never_posted_again() -> None:
    world = kept_world(state=PostState.SCHEDULED, scheduled_time=TOMORROW)

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
    post = a_post(a_target("threads")).model_copy(update={"text": "é" * 300})
    world = World()
    world.keep(a_kept_video(), post)

    world.create_post(PostStepInput(video_id=VIDEO_ID, post_id="threads#101"))

    assert post_of(world).error_message == "The post does not fit threads: text: at most 500 bytes, got 600"
    assert (post_of(world).error_code, world.publisher.uploads) == (ErrorCode.INVALID_REQUEST, {})


def test_its_bytes_are_measured_too() -> None:
    stored = a_stored_video().model_copy(update={"size_bytes": 50_000_001})
    world = kept_world(video=a_kept_video(stored=stored), target=a_target("bluesky"))

    world.create_post(PostStepInput(video_id=VIDEO_ID, post_id="bluesky#101"))

    assert post_of(world).error_message == (
        "The video does not fit bluesky: bytes: at most 50000000 on bluesky, got 50000001"
    )


# What is refused was certainly not taken


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


def test_a_refused_post_waits_for_no_time() -> None:
    world = kept_world(Refuse(REFUSED), target=a_target(scheduled_time=TOMORROW))

    world.create_post(STEP)

    assert post_of(world).scheduled_time is None


def test_a_refused_post_is_never_sent_again() -> None:
    world = kept_world(Refuse(REFUSED))
    world.create_post(STEP)

    assert world.create_post(STEP) == SETTLED
    assert world.publisher.publish_calls == 1


def test_a_passing_refusal_puts_the_post_back_and_waits_as_long_as_the_publisher_asks() -> None:
    world = kept_world(Refuse(BUSY))

    assert world.create_post(STEP) == wait_for(20)
    assert (post_of(world).state, post_of(world).lease_expires_at) == (PostState.PENDING, None)
    assert world.metrics == []


def test_refusals_are_counted_in_the_ledger_and_each_is_waited_for_longer() -> None:
    world = kept_world(Refuse(FAULT), Refuse(FAULT), upload_errors=(FAULT,))

    waits = [world.create_post(STEP).wait_seconds for _ in range(3)]

    assert waits == [15, 30, 45], "of the upload and of the post, whatever the machine counts"
    assert post_of(world).refusals == 3


def test_a_post_that_was_put_back_is_made_with_the_copy_it_has() -> None:
    world = kept_world(Refuse(BUSY))
    world.create_post(STEP)

    assert world.create_post(STEP).outcome is Outcome.SUBMITTED
    assert (len(world.publisher.posts), len(world.publisher.uploads)) == (1, 1)


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


def test_an_upload_that_breaks_off_is_made_again_later() -> None:
    world = kept_world(upload_errors=(FAULT,))

    assert world.create_post(STEP) == wait_for(15)
    assert (post_of(world).state, world.publisher.publish_calls) == (PostState.PENDING, 0)
    assert world.create_post(STEP).outcome is Outcome.SUBMITTED


@pytest.mark.parametrize(("error", "refusals"), [(REFUSED, 0), (FAULT, REFUSALS_MAX - 1)], ids=["final", "too many"])
def test_an_upload_that_cannot_be_made_settles_the_post(error: PublisherError, refusals: int) -> None:
    world = kept_world(upload_errors=(error,), refusals=refusals)

    assert world.create_post(STEP) == SETTLED
    assert (post_of(world).state, post_of(world).error_code) == (PostState.FAILED, error.code)
    assert world.publisher.publish_calls == 0


def test_a_missing_key_settles_the_post_and_says_what_to_do() -> None:
    world = kept_world()
    world.missing_key = NO_KEY

    assert world.create_post(STEP) == SETTLED
    assert (post_of(world).error_code, post_of(world).error_message) == (ErrorCode.AUTHENTICATION, str(NO_KEY))
    assert world.metrics == ["PostsFailed", "PublisherKeyRefused"]


def test_a_refused_key_rings_an_alarm_of_its_own() -> None:
    world = kept_world(Refuse(PublisherError(ErrorCode.AUTHENTICATION, "Invalid API key")))

    assert world.create_post(STEP) == SETTLED
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


def test_a_post_in_doubt_is_found_half_a_minute_later() -> None:
    world = kept_world(Drop(is_accepted=True))
    world.create_post(STEP)
    world.clock.advance(30)

    assert world.create_post(STEP) == SETTLED

    assert (post_of(world).state, world.publisher.publish_calls) == (PostState.PUBLISHED, 1)
    assert [event.type for event in world.post_events] == ["post.published"]


def test_a_post_in_doubt_that_is_found_scheduled_is_followed() -> None:
    in_ten_minutes = NOW + timedelta(minutes=10)
    world = kept_world(Drop(is_accepted=True), target=a_target(scheduled_time=in_ten_minutes))
    world.create_post(STEP)
    world.clock.advance(30)

    assert world.create_post(STEP) == StepResult(outcome=Outcome.SUBMITTED, wait_seconds=10 * 60 - 30 + 10)


def test_a_post_in_doubt_that_is_nowhere_is_looked_for_three_times_and_never_sent_again() -> None:
    world = kept_world(Drop(is_accepted=False))

    waits = []
    while (result := world.create_post(STEP)).outcome is Outcome.WAIT:
        waits.append(result.wait_seconds)
        world.clock.advance(result.wait_seconds)

    assert (waits, result) == ([30, 90, 480], SETTLED)
    assert (post_of(world).state, world.publisher.publish_calls) == (PostState.PARKED, 1)


def test_a_look_that_was_not_answered_is_made_again_a_minute_later() -> None:
    world = kept_world(Drop(is_accepted=True))
    world.create_post(STEP)
    world.clock.advance(30)
    world.publisher.looks = [FAULT]

    assert world.create_post(STEP) == wait_for(60)


def test_a_look_that_loses_the_race_for_the_ledger_waits_for_what_came_of_it() -> None:
    world = kept_world(Drop(is_accepted=True))
    world.create_post(STEP)
    world.clock.advance(30)
    world.table.meanwhile = lambda: world.create_post(STEP)

    assert world.create_post(STEP) == ANOTHER_IS_AT_IT
    assert len(world.post_events) == 1


def lost_worker() -> World:
    """Build a world whose worker died during the call; the post is public."""
    effects = Effects()
    world = kept_world(effects=effects)
    world.publisher.meanwhile = lambda: effects.crash_at(1, Moment.AFTER)
    with pytest.raises(SimulatedCrash, match=r"publish on twitter#101"):
        world.create_post(STEP)
    assert len(world.publisher.posts) == 1
    return world


def test_whoever_finds_a_call_that_may_still_be_at_work_waits_for_its_lease() -> None:
    world = lost_worker()
    world.clock.advance(30)

    assert world.create_post(STEP) == wait_for(LEASE_SECONDS - 30)
    assert post_of(world).state is PostState.CALLING


def test_whoever_finds_an_abandoned_call_puts_the_post_in_doubt() -> None:
    world = lost_worker()
    world.clock.advance(LEASE_SECONDS)

    assert world.create_post(STEP) == wait_for(30)

    post = post_of(world)
    assert (post.state, post.in_doubt_since, world.publisher.publish_calls) == (
        PostState.IN_DOUBT,
        NOW + timedelta(seconds=LEASE_SECONDS),
        1,
    )
    assert "was lost before an answer came" in (post.error_message or "")


def test_a_post_whose_worker_died_is_found_by_its_copy() -> None:
    world = lost_worker()
    world.clock.advance(LEASE_SECONDS)
    world.create_post(STEP)
    world.clock.advance(30)

    assert world.create_post(STEP) == SETTLED
    assert (post_of(world).state, world.publisher.publish_calls) == (PostState.PUBLISHED, 1)


def test_a_post_that_was_settled_during_its_call_is_named_by_the_error() -> None:
    world = kept_world()
    world.publisher.meanwhile = lambda: world.close(CloseInput(video_id=VIDEO_ID, fault="execution TIMED_OUT"))

    with pytest.raises(MediaPosterError, match=r"took POST#twitter#101 of video_1 as submission-1, but"):
        world.create_post(STEP)

    assert post_of(world).state is PostState.IN_DOUBT, "so it is looked for, and found"


def test_a_refusal_of_a_post_that_was_settled_during_its_call_sends_nothing_again() -> None:
    world = kept_world(Refuse(BUSY))
    world.publisher.meanwhile = lambda: world.close(CloseInput(video_id=VIDEO_ID, fault="execution TIMED_OUT"))

    assert world.create_post(STEP) == ANOTHER_IS_AT_IT
    assert post_of(world).state is PostState.IN_DOUBT


# The publisher's limits


def take_places(world: World, call: str, places: int) -> None:
    """Let others take places for their calls."""
    per_minute = {"upload": UPLOADS_PER_MINUTE, "post": POSTS_PER_MINUTE}[call]
    for _ in range(places):
        RateStore(world.table).take(f"publisher-{call}", per_minute=per_minute, now=world.clock())


def test_an_upload_waits_for_its_place_and_is_made_then() -> None:
    world = kept_world()
    take_places(world, "upload", 2)

    assert world.create_post(STEP) == wait_for(8)
    assert (post_of(world).place_for, post_of(world).place_at) == ("upload", NOW + timedelta(seconds=7.5))
    assert world.publisher.uploads == {}

    take_places(world, "upload", 10)
    world.clock.advance(8)
    assert world.create_post(STEP).outcome is Outcome.SUBMITTED


def test_a_post_waits_for_its_place_and_is_made_then() -> None:
    world = kept_world()
    take_places(world, "post", 7)

    assert world.create_post(STEP) == wait_for(3)
    assert (post_of(world).place_for, world.publisher.publish_calls) == ("post", 0)

    take_places(world, "post", 10)
    world.clock.advance(3)
    assert world.create_post(STEP).outcome is Outcome.SUBMITTED
    assert len(world.publisher.uploads) == 1


def test_whoever_comes_before_his_place_keeps_it() -> None:
    world = kept_world()
    take_places(world, "upload", 2)

    assert [world.create_post(STEP) for _ in range(3)] == [wait_for(8)] * 3


def test_a_place_that_was_missed_is_another_s() -> None:
    world = kept_world()
    take_places(world, "upload", 2)
    world.create_post(STEP)
    world.clock.advance(7.5 + 120 + 1)
    take_places(world, "upload", 10)

    assert world.create_post(STEP).outcome is Outcome.WAIT
    assert world.publisher.uploads == {}


def test_a_place_that_was_missed_by_little_is_kept() -> None:
    world = kept_world()
    take_places(world, "upload", 2)
    world.create_post(STEP)
    world.clock.advance(7.5 + 119)
    take_places(world, "upload", 10)

    assert world.create_post(STEP).outcome is Outcome.SUBMITTED


def test_a_place_for_an_upload_is_none_for_a_post() -> None:
    world = kept_world(media_url=MEDIA_URL, place_for="upload", place_at=NOW + timedelta(seconds=8))
    world.publisher.uploads[MEDIA_URL] = MP4

    assert world.create_post(STEP).outcome is Outcome.SUBMITTED


@pytest.mark.parametrize("call", ["upload", "post"])
def test_a_refused_call_has_used_its_place(call: str) -> None:
    soon = PublisherError(ErrorCode.RATE_LIMITED, "Wait a second.", transient=True, retry_after_seconds=1)
    world = kept_world(*([Refuse(soon)] if call == "post" else []), upload_errors=(soon,) if call == "upload" else ())
    take_places(world, call, 7)
    world.clock.advance(world.create_post(STEP).wait_seconds)
    assert world.create_post(STEP) == wait_for(1)
    take_places(world, call, 20)

    world.clock.advance(1)
    assert world.create_post(STEP).wait_seconds > 10
    assert world.publisher.posts == {}


# When it goes out


def time_given(target: PublishTarget, *, publishing_since: datetime | None = None, **post: Any) -> datetime | None:
    """Hand over a post, and give the time at which the publisher is to make it public."""
    world = kept_world(target=target, video=a_kept_video(publishing_since=publishing_since), **post)
    world.create_post(STEP)
    return made_of(world).scheduled_time


def test_a_post_without_a_time_goes_out_at_once() -> None:
    assert time_given(a_target(), publishing_since=NOW - timedelta(minutes=10)) is None


def test_a_post_goes_out_at_its_time() -> None:
    assert time_given(a_target(scheduled_time=TOMORROW)) == TOMORROW


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


def test_of_a_video_whose_publishing_has_no_beginning_it_is_now() -> None:
    assert time_given(a_target(), delay_minutes=30) == NOW + timedelta(minutes=30)


def test_the_next_free_slot_is_the_publishers_to_choose() -> None:
    world = kept_world(target=a_target(next_free_slot=True), delay_minutes=30, delivery="verified")

    assert world.create_post(STEP).outcome is Outcome.SUBMITTED

    post = post_of(world)
    assert (post.state, post.scheduled_time, post.due_at) == (PostState.SCHEDULED, TOMORROW, after(days=1))


def test_a_scheduled_post_is_left_to_the_sweep_until_its_time() -> None:
    world = kept_world(target=a_target(scheduled_time=TOMORROW))

    assert world.create_post(STEP) == SETTLED

    post = post_of(world)
    assert (post.state, post.scheduled_time, post.due_at) == (PostState.SCHEDULED, TOMORROW, after(days=1))
    assert world.post_events == []


def test_a_post_that_is_scheduled_soon_is_waited_for() -> None:
    world = kept_world(target=a_target(scheduled_time=NOW + timedelta(minutes=15)))

    assert world.create_post(STEP) == StepResult(outcome=Outcome.SUBMITTED, wait_seconds=15 * 60 + 10)


def test_a_double_safe_post_is_scheduled_a_little_ahead() -> None:
    assert time_given(a_target(), delivery="verified") == NOW + VERIFY_AHEAD


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (timedelta(minutes=2), NOW + VERIFY_AHEAD),
        (timedelta(days=1), TOMORROW),
        (-timedelta(days=1), NOW + VERIFY_AHEAD),
    ],
    ids=["too soon", "late enough", "its time has come"],
)
def test_a_double_safe_post_leaves_time_to_look(ahead: timedelta, expected: datetime) -> None:
    assert time_given(a_target(scheduled_time=NOW + ahead), delivery="verified") == expected


def test_a_double_safe_post_is_looked_at_half_a_minute_later() -> None:
    world = kept_world(delivery="verified")

    assert world.create_post(STEP) == StepResult(outcome=Outcome.SUBMITTED, wait_seconds=30)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage not in (Stage.PUBLISHING, Stage.DONE)])
def test_nothing_is_sent_of_a_video_that_may_not_be_posted_yet(stage: Stage) -> None:
    world = kept_world(video=a_kept_video(stage=stage))

    with pytest.raises(MediaPosterError, match="nothing of it may be posted yet"):
        world.create_post(STEP)

    assert (world.publisher.uploads, world.publisher.publish_calls) == ({}, 0)


# What is told


def test_a_post_that_failed_is_told_once() -> None:
    world = kept_world(Refuse(REFUSED))
    world.create_post(STEP)
    world.create_post(STEP)
    world.check_post(STEP)

    [event] = world.post_events
    assert (event.type, event.platform, event.account_id, event.error_code) == (
        "post.failed",
        "twitter",
        "101",
        ErrorCode.INVALID_REQUEST,
    )
    assert not is_due(world)


def test_an_end_that_was_not_told_is_told_by_the_sweep() -> None:
    effects = Effects(never_taken="send post.failed", deaths_max=1)
    world = kept_world(Refuse(REFUSED), effects=effects)
    with pytest.raises(SimulatedCrash):
        world.create_post(STEP)
    assert post_of(world).due_at == after(seconds=0)

    world.sweep_until_nothing_is_due()

    assert [event.type for event in world.post_events] == ["post.failed"]


def test_an_end_that_two_workers_tell_is_no_conflict() -> None:
    world = kept_world(state=PostState.FAILED)
    world.table.meanwhile = lambda: world.create_post(STEP)

    assert world.create_post(STEP) == SETTLED
    assert len({event.id for event in world.post_events}) == 1, "a repetition looks like news"


def test_of_a_deleted_video_nobody_is_told_and_nothing_is_left_to_do() -> None:
    world = kept_world(Drop(is_accepted=True))
    world.create_post(STEP)
    world.table.items.pop(world.video.key)
    world.clock.advance(30)

    assert world.create_post(STEP) == SETTLED

    assert (post_of(world).state, world.post_events) == (PostState.PUBLISHED, [])
    assert not is_due(world)
