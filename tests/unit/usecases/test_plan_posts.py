"""The posts of a video are planned before anything is spent: captions, times, and what each network takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mediaposter.domain.errors import ErrorCode, IdempotencyKeyReused, InvalidRequest, VideoModelError
from mediaposter.publishing.targets import SCHEDULED_AHEAD_MAX
from mediaposter.stores.posts import Post
from mediaposter.stores.videos import Candidate, Reservation, Stage
from mediaposter.usecases.posting.plan_posts import plan_posts
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.requests import CreateVideoRequest, ExtendVideoRequest, PublishRequest, RemixVideoRequest
from tests.builders import CATALOG, NOW, a_caller, a_request, a_stored_video, a_video
from tests.fakes.answers import Refuse
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import World

TWITTER = {"platform": "twitter", "account_id": "101"}
INSTAGRAM = {"platform": "instagram", "account_id": "807"}
THREADS = {"platform": "threads", "account_id": "808"}
BLUESKY = {"platform": "bluesky", "account_id": "809"}
FACEBOOK = {"platform": "facebook", "account_id": "803", "page_id": "5"}
SOON = "2026-12-01T12:30:00Z"


def a_candidate(model: str = "kite-1", **changes: Any) -> Candidate:
    fields = {"provider": "kites", "seconds": 5, "size": "720x1280", "cost_estimate_micros": 1_000_000}
    return Candidate.model_validate({"model": model, "expected_render_seconds": 50, **fields, **changes})


def plan(*targets: dict[str, Any], **fields: Any) -> list[Post]:
    request = a_request(publish=targets, **fields)
    return plan_posts(request, a_video(prompt=request.prompt), candidates=(), now=NOW).posts


def refusal_of(*targets: dict[str, Any], video: dict[str, Any] | None = None, **fields: Any) -> InvalidRequest:
    request = a_request(publish=targets, **fields)
    with pytest.raises(InvalidRequest) as refusal:
        plan_posts(request, a_video(prompt=request.prompt, **video or {}), candidates=(), now=NOW)
    return refusal.value


# Captions


def test_each_post_has_its_own_caption() -> None:
    posts = plan({**TWITTER, "text": "{title} on X"}, INSTAGRAM, THREADS, title="Dusk", text="{title}: {prompt} #kite")

    assert [post.text for post in posts] == [
        "Dusk on X",
        "Dusk: A red kite over the sea #kite",
        "Dusk: A red kite over the sea #kite",
    ]


def test_without_any_text_the_prompt_is_the_caption() -> None:
    assert [post.text for post in plan(TWITTER, {**INSTAGRAM, "media_type": "story"})] == [
        "A red kite over the sea",
        "",
    ]


def test_a_refusal_names_the_target_the_field_and_the_limit() -> None:
    refusal = refusal_of(TWITTER, THREADS, {**INSTAGRAM, "account_id": "123"}, text="#a #b #c #d #e #f")

    assert refusal.message == "publish[2] (instagram account 123): hashtags: at most 5, got 6."
    assert (refusal.param, refusal.code) == ("publish[2].text", "invalid_value")


def test_a_prompt_that_is_too_long_is_refused_with_the_reason_why_it_is_a_caption() -> None:
    refusal = refusal_of(TWITTER, prompt="kite " * 100)

    assert refusal.message == (
        "publish[0] (twitter account 101): text: at most 280 characters, got 500. Without a text its caption is the "
        "prompt."
    )


@pytest.mark.parametrize(
    ("target", "fields", "sentence"),
    [
        (THREADS, {"prompt": "é" * 252}, "text: at most 500 bytes, got 504. Without a text its caption is the prompt."),
        (THREADS, {"text": "{prompt}é", "prompt": "é" * 250}, "text: at most 500 bytes, got 502."),
        (BLUESKY, {"text": "🇩🇪" * 301}, "text: at most 300 graphemes, got 301."),
        ({**THREADS, "disclosure": "é"}, {"text": "x" * 498}, "text: at most 500 bytes, got 501."),
        (
            {**INSTAGRAM, "first_comment": "#a #b #c"},
            {"text": "#d #e #f"},
            "hashtags: at most 5 in the text and the first comment, got 6.",
        ),
    ],
)
def test_the_caption_of_a_request_is_counted_as_each_network_counts_it(
    target: dict[str, Any], fields: dict[str, Any], sentence: str
) -> None:
    refusal = refusal_of({**INSTAGRAM, "account_id": "1", "text": "fits"}, target, **fields)

    assert refusal.message.partition("): ")[2] == sentence
    assert refusal.param == "publish[1].text"


def test_the_captions_of_a_video_fit_the_one_transaction_that_records_them() -> None:
    facebook = [{**FACEBOOK, "account_id": str(number), "text": "x" * 60_000} for number in range(17)]

    assert len(plan(*facebook[:16])) == 16
    refusal = refusal_of(*facebook)
    assert refusal.message == (
        "publish: the captions of a video have at most 1000000 bytes together, got 1020000. Nothing was done."
    )
    assert refusal.param == "publish"


def test_a_title_that_the_request_has_not_is_refused_at_the_target_that_needs_it() -> None:
    refusal = refusal_of({**TWITTER, "text": "none"}, THREADS, text="{title}")

    assert refusal.param == "publish[1].text"
    assert refusal.message.endswith("text: names {title}, and the request has no title.")


# What will be made


@pytest.mark.parametrize(
    ("target", "video", "message"),
    [
        (TWITTER, {"seconds": 200}, "(twitter account 101): seconds: at most 140 on twitter, got 200."),
        (INSTAGRAM, {"size": "1280x720"}, "(instagram account 807): size: must be upright, 9:16 as 720x1280 is, on"),
        ({**INSTAGRAM, "media_type": "story"}, {"size": "960x720"}, "(instagram account 807): size: must be upright"),
        ({"platform": "pinterest", "account_id": "1", "board_id": "2"}, {"seconds": 3}, "seconds: at least 4 on"),
    ],
)
def test_a_video_that_a_network_would_refuse_is_refused_before_it_is_made(
    target: dict[str, Any], video: dict[str, Any], message: str
) -> None:
    refusal = refusal_of({**THREADS, "text": "fits"}, target, video=video)

    assert refusal.message.startswith("publish[1] (")
    assert message in refusal.message
    assert (refusal.param, refusal.code) == ("publish[1]", "invalid_value")


def test_a_video_that_is_kept_is_measured_as_it_is() -> None:
    stored = a_stored_video()
    probe = stored.probe.model_copy(update={"duration_ms": 141_000})
    video = a_video(stored=stored.model_copy(update={"probe": probe}), stage=Stage.DONE)

    with pytest.raises(InvalidRequest, match="seconds: at most 140 on twitter, got 141"):
        plan_posts(a_request(publish=[TWITTER]), video, candidates=(), now=NOW)


def test_the_bytes_of_a_video_that_is_kept_count() -> None:
    stored = a_stored_video().model_copy(update={"size_bytes": 512_000_001})
    video = a_video(stored=stored, stage=Stage.DONE)

    with pytest.raises(InvalidRequest, match="bytes: at most 512000000 on twitter, got 512000001"):
        plan_posts(a_request(publish=[TWITTER]), video, candidates=(), now=NOW)


def test_a_model_whose_video_would_not_fit_may_not_take_over() -> None:
    fits, wide, long = a_candidate("fits"), a_candidate("wide", size="1280x720"), a_candidate("long", seconds=200)

    made = plan_posts(a_request(publish=[TWITTER, INSTAGRAM]), a_video(), candidates=(wide, fits, long), now=NOW)

    assert made.fallbacks == (fits,)
    assert made.warnings == (
        "fallback_models: wide may not take over. "
        + refusal_of(TWITTER, INSTAGRAM, video={"size": "1280x720"}).message,
        "fallback_models: long may not take over. " + refusal_of(TWITTER, video={"seconds": 200}).message,
    )


def test_without_targets_every_model_may_take_over() -> None:
    candidates = (a_candidate(size="100x100"), a_candidate(seconds=100_000))

    made = plan_posts(a_request(), a_video(seconds=100_000), candidates=candidates, now=NOW)

    assert made == ([], candidates, ())


# Times


def test_a_time_has_to_come() -> None:
    target = {**THREADS, "scheduled_time": "2026-12-01T12:00:01Z"}

    assert plan(target)[0].target.scheduled_time == NOW + timedelta(seconds=1)
    refusal = refusal_of(TWITTER, {**target, "scheduled_time": "2026-12-01T12:00:00Z"})
    assert refusal.message == (
        "publish[1] (threads account 808): scheduled_time: must be in the future, got 2026-12-01T12:00:00Z."
    )
    assert refusal.param == "publish[1].scheduled_time"


def test_a_time_is_not_too_far_ahead() -> None:
    latest = NOW + SCHEDULED_AHEAD_MAX

    assert plan({**THREADS, "scheduled_time": latest})
    refusal = refusal_of({**THREADS, "scheduled_time": latest + timedelta(seconds=1)})
    assert "scheduled_time: at most nine months ahead" in refusal.message


def test_posts_go_out_together_unless_they_are_staggered() -> None:
    assert [post.delay_minutes for post in plan(TWITTER, INSTAGRAM, THREADS)] == [0, 0, 0]
    assert [post.delay_minutes for post in plan(TWITTER, INSTAGRAM, THREADS, stagger_minutes=30)] == [0, 30, 60]


def test_a_post_with_a_time_of_its_own_takes_no_turn() -> None:
    scheduled = {**THREADS, "scheduled_time": SOON}
    slotted = {**THREADS, "account_id": "809", "next_free_slot": True}
    last = {**THREADS, "account_id": "810"}

    posts = plan(scheduled, TWITTER, slotted, INSTAGRAM, last, stagger_minutes=5)

    assert [post.delay_minutes for post in posts] == [0, 0, 0, 5, 10]


def test_a_post_is_delivered_as_the_request_says() -> None:
    assert [post.delivery for post in plan(TWITTER, INSTAGRAM)] == ["direct", "direct"]
    assert [post.delivery for post in plan(TWITTER, INSTAGRAM, delivery="verified")] == ["verified", "verified"]


# In a stack


def test_a_stack_records_the_posts_as_they_are_planned() -> None:
    world = World()

    world.submit(
        a_request(publish=[TWITTER, INSTAGRAM], text="{prompt}!", stagger_minutes=15, delivery="verified"),
        caller=a_caller(),
    )

    assert [(post.text, post.delay_minutes, post.delivery, post.created_at) for post in reversed(world.posts)] == [
        ("A red kite over the sea!", 0, "verified", NOW),
        ("A red kite over the sea!", 15, "verified", NOW),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"publish": [INSTAGRAM], "size": "1280x720"},
        {"publish": [INSTAGRAM], "text": "#a #b #c #d #e #f"},
        {"publish": [{**TWITTER, "scheduled_time": "2026-12-01T11:00:00Z"}]},
        # An alias takes the nearest that its model makes, and that is what counts: kite-1 makes it 768x1280.
        {"publish": [INSTAGRAM], "model": "sora-2-pro"},
    ],
)
def test_nothing_is_recorded_of_what_does_not_fit(fields: dict[str, Any]) -> None:
    world = World()

    for take in (world.submit, world.submit.estimate):
        with pytest.raises(InvalidRequest) as refusal:
            take(a_request(**fields), caller=a_caller())
        assert str(refusal.value.param).startswith("publish[0]")
    assert (world.effects.names, world.workflow.executions) == ([], [])


def test_the_money_of_a_model_that_may_not_take_over_is_not_promised() -> None:
    world = World()
    request = a_request(publish=[INSTAGRAM], fallback_models=["kite-1", "glider-1"])

    world.submit(request, caller=a_caller())

    assert [candidate.model for candidate in world.video.fallbacks] == ["glider-1"]
    assert world.video.reservation == Reservation(on=NOW.date(), micros=400_000)
    [warning] = world.video.warnings
    assert warning.startswith("fallback_models: kite-1 may not take over. publish[0] (instagram account 807): size:")


def test_an_estimate_tells_the_same() -> None:
    estimate = World().submit.estimate(
        a_request(publish=[INSTAGRAM], fallback_models=["kite-1", "glider-1"]), caller=a_caller()
    )

    assert [candidate.model for candidate in estimate.candidates] == ["sora-2", "glider-1"]
    assert estimate.candidates[0].warnings[0].startswith("fallback_models: kite-1 may not take over.")
    assert estimate.reserved_micros == 400_000


def test_a_model_that_was_left_out_is_not_asked_when_the_first_refuses() -> None:
    gone = Refuse(VideoModelError(ErrorCode.MODEL_NOT_FOUND, "Gone."))
    world = World(
        model=lambda effects: FakeVideoModel(effects, creates=[gone] * 9), other_models={"kite-1": FakeVideoModel}
    )

    world.deliver(a_request(publish=[INSTAGRAM], fallback_models=["kite-1"]))

    assert world.video.failure is not None
    assert world.other_models["kite-1"].create_calls == 0


DERIVED = {
    "stage": Stage.DONE,
    "provider_job_id": "job-0",
    "resolved_model": "kite-1",
    "size": "768x1280",
    "seconds": 138,
}
# A model that makes longer videos than a network takes.
_LONG = CATALOG.get("kite-1").model_copy(update={"extension_seconds": (2, 3), "extended_seconds_max": None})
LONG_CATALOG = CATALOG.model_copy(update={"models": {**CATALOG.models, "kite-1": _LONG}})


def test_what_an_extension_adds_counts() -> None:
    world = World(catalog=LONG_CATALOG)
    world.keep(a_video(id="video_0", stored=a_stored_video("video_0"), **DERIVED))
    fields = {"prompt": "On", "video": "video_0", "publish": [TWITTER]}

    with pytest.raises(InvalidRequest, match=r"publish\[0\] \(twitter account 101\): seconds: .* got 141"):
        world.submit.derive(ExtendVideoRequest.model_validate({**fields, "seconds": 3}), caller=a_caller())

    submission = world.submit.derive(ExtendVideoRequest.model_validate({**fields, "seconds": 2}), caller=a_caller())
    assert [post.text for post in submission.posts] == ["On"]


@pytest.mark.parametrize(
    ("fields", "hours"),
    [({}, None), ({"approval": "required"}, 24), ({"approval": "required", "approval_hours": 3}, 3)],
)
def test_a_video_says_how_long_its_posts_wait_for_a_person(fields: dict[str, Any], hours: int | None) -> None:
    world = World()

    world.submit(a_request(publish=[TWITTER], **fields), caller=a_caller())

    assert world.video.approval_hours == hours


def test_a_derived_one_says_it_too() -> None:
    world = World(catalog=LONG_CATALOG)
    world.keep(a_video(id="video_0", stored=a_stored_video("video_0"), **DERIVED))
    request = ExtendVideoRequest.model_validate(
        {"prompt": "On", "video": "video_0", "seconds": 2, "publish": [TWITTER], "approval": "required"}
    )

    assert world.submit.derive(request, caller=a_caller()).video.approval_hours == 24


def scheduled_request(**changes: Any) -> CreateVideoRequest:
    return a_request(publish=[{**TWITTER, "scheduled_time": SOON}], **changes)


def test_a_request_that_was_taken_is_answered_again_when_the_time_of_its_post_has_passed() -> None:
    world = World()
    request_context = RequestContext(idempotency_key="dusk", retry_count=None)
    first = world.submit(scheduled_request(), caller=a_caller(), request_context=request_context)
    world.clock.advance(3_600)

    again = world.submit(scheduled_request(), caller=a_caller(), request_context=request_context)

    assert (again.video.id, again.posts) == (first.video.id, first.posts)
    assert len(world.workflow.executions) == 1


def test_a_new_request_under_its_key_is_not() -> None:
    world = World()
    request_context = RequestContext(idempotency_key="dusk", retry_count=None)
    world.submit(scheduled_request(), caller=a_caller(), request_context=request_context)
    world.clock.advance(3_600)

    with pytest.raises(InvalidRequest, match="must be in the future"):
        world.submit(scheduled_request(prompt="Another"), caller=a_caller(), request_context=request_context)
    with pytest.raises(IdempotencyKeyReused):
        world.submit(a_request(prompt="Another"), caller=a_caller(), request_context=request_context)


def test_what_takes_posts_is_planned_by_its_own_fields_alone() -> None:
    request = PublishRequest.model_validate({"publish": [TWITTER], "text": "{prompt}"})

    [post] = plan_posts(request, a_video(prompt="A kite"), candidates=(), now=NOW + timedelta(hours=1)).posts

    assert (post.text, post.created_at) == ("A kite", NOW + timedelta(hours=1))


def test_a_remix_may_make_posts() -> None:
    request = RemixVideoRequest.model_validate({"prompt": "Again", "video": "video_0", "publish": [TWITTER]})

    assert plan_posts(request, a_video(prompt="Again"), candidates=(), now=NOW).posts[0].text == "Again"
