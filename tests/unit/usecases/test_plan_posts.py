"""The posts of a video are planned before anything is spent: captions, times, and what each network takes."""

from __future__ import annotations

from typing import Any

import pytest

from mediaposter.domain.errors import IdempotencyKeyReused, InvalidRequest
from mediaposter.stores.posts import Post
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.posting.plan_posts import plan_posts
from mediaposter.wire.request_context import RequestContext
from tests.builders import NOW, a_caller, a_request, a_stored_video, a_video
from tests.fakes.world import World

TWITTER = {"platform": "twitter", "account_id": "101"}
INSTAGRAM = {"platform": "instagram", "account_id": "807"}
THREADS = {"platform": "threads", "account_id": "808"}
FACEBOOK = {"platform": "facebook", "account_id": "803", "page_id": "5"}
SOON = "2026-12-01T12:30:00Z"


def plan(*targets: dict[str, Any], **fields: Any) -> list[Post]:
    request = a_request(publish=targets, **fields)
    return plan_posts(request, a_video(prompt=request.prompt), candidates=(), now=NOW).posts


def refusal_of(*targets: dict[str, Any], video: dict[str, Any] | None = None, **fields: Any) -> InvalidRequest:
    request = a_request(publish=targets, **fields)
    with pytest.raises(InvalidRequest) as refusal:
        plan_posts(request, a_video(prompt=request.prompt, **video or {}), candidates=(), now=NOW)
    return refusal.value


# Captions


def test_a_refusal_names_the_target_the_field_and_the_limit() -> None:
    refusal = refusal_of(TWITTER, THREADS, {**INSTAGRAM, "account_id": "123"}, text="#a #b #c #d #e #f")

    assert refusal.message == "publish[2] (instagram account 123): hashtags: at most 5, got 6."
    assert (refusal.param, refusal.code) == ("publish[2].text", "invalid_value")


def test_the_captions_of_a_video_fit_the_one_transaction_that_records_them() -> None:
    facebook = [{**FACEBOOK, "account_id": str(number), "text": "x" * 60_000} for number in range(17)]

    assert len(plan(*facebook[:16])) == 16
    refusal = refusal_of(*facebook)
    assert refusal.message == (
        "publish: the captions of a video have at most 1000000 bytes together, got 1020000. Nothing was done."
    )
    assert refusal.param == "publish"


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


# Times


def test_a_post_with_a_time_of_its_own_takes_no_turn() -> None:
    scheduled = {**THREADS, "scheduled_time": SOON}
    slotted = {**THREADS, "account_id": "809", "next_free_slot": True}
    last = {**THREADS, "account_id": "810"}

    posts = plan(scheduled, TWITTER, slotted, INSTAGRAM, last, stagger_minutes=5)

    assert [post.delay_minutes for post in posts] == [0, 0, 0, 5, 10]


# In a stack


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


def test_an_estimate_tells_the_same() -> None:
    estimate = World().submit.estimate(
        a_request(publish=[INSTAGRAM], fallback_models=["kite-1", "glider-1"]), caller=a_caller()
    )

    assert [candidate.model for candidate in estimate.candidates] == ["sora-2", "glider-1"]
    assert estimate.candidates[0].warnings[0].startswith("fallback_models: kite-1 is not used.")
    assert estimate.reserved_micros == 400_000


def test_a_new_request_under_a_key_is_taken_for_no_other() -> None:
    world = World()
    publish = [{**TWITTER, "scheduled_time": SOON}]
    request_context = RequestContext(idempotency_key="dusk", retry_count=None)
    world.submit(a_request(publish=publish), caller=a_caller(), request_context=request_context)
    world.clock.advance(3_600)

    with pytest.raises(InvalidRequest, match="must be in the future"):
        world.submit(a_request(prompt="Another", publish=publish), caller=a_caller(), request_context=request_context)
    with pytest.raises(IdempotencyKeyReused):
        world.submit(a_request(prompt="Another"), caller=a_caller(), request_context=request_context)
