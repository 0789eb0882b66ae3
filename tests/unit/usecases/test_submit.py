"""Taking a request, and sweeping up what a crash left behind."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial

import pytest

from mediaposter.ai.catalog import ALIAS_SIZES
from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode, Forbidden, InvalidRequest, NotFound, NotStarted, VersionConflict
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import PostState
from mediaposter.stores.videos import STARTED_WITHIN, Reservation, Stage
from mediaposter.usecases.steps import CheckInput, Outcome
from tests.builders import NOW, VIDEO_ID, a_caller, a_post, a_request, a_target, a_video
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.workflow import FakeWorkflow
from tests.fakes.world import World

TWITTER = {"platform": "twitter", "account_id": "101"}
STEP = CheckInput(video_id=VIDEO_ID)

RESERVED = Reservation(on=NOW.date(), micros=800_000)
REFUSING = partial(FakeWorkflow, refuses=True)


def test_a_request_becomes_a_queued_record_of_its_owner() -> None:
    world = World()

    submission = world.submit(a_request(seconds=8, metadata={"campaign": "kites"}), caller=a_caller())

    assert submission.video == a_video(
        seconds=8,
        metadata={"campaign": "kites"},
        cost_estimate_micros=800_000,
        reservation=Reservation(on=NOW.date(), micros=800_000),
        slot="sora",
    )
    assert world.video == submission.video.model_copy(update={"due_at": NOW + STARTED_WITHIN})
    assert world.video.status is VideoStatus.QUEUED


def test_a_dated_model_name_is_resolved_to_the_catalogs() -> None:
    world = World()

    world.submit(a_request(model="sora-2-2025-10-06"), caller=a_caller())

    assert (world.video.model, world.video.resolved_model) == ("sora-2-2025-10-06", "sora-2")


def test_the_execution_is_started_under_the_videos_id() -> None:
    world = World()

    world.submit(a_request(), caller=a_caller())

    assert world.workflow.executions == [VIDEO_ID]


def test_the_record_is_kept_before_the_execution_is_started() -> None:
    world = World()

    world.submit(a_request(publish=[TWITTER]), caller=a_caller())

    assert world.effects.names == ["create VIDEO", "start the execution"]


def test_posts_are_written_down_with_their_captions_before_anything_is_spent() -> None:
    world = World()

    submission = world.submit(
        a_request(publish=[{**TWITTER, "text": "Look up"}, {**TWITTER, "account_id": "102"}]), caller=a_caller()
    )

    assert [(post.key.sk, post.text, post.state) for post in world.posts] == [
        ("POST#twitter#101", "Look up", PostState.PENDING),
        ("POST#twitter#102", "A red kite over the sea", PostState.PENDING),
    ]
    assert submission.posts == world.posts


@pytest.mark.parametrize(
    ("changes", "param"),
    [({"model": "sora-9"}, "model"), ({"seconds": 5}, "seconds"), ({"size": "1x1"}, "size")],
)
def test_what_the_catalog_does_not_offer_is_refused_and_not_recorded(changes: dict[str, object], param: str) -> None:
    world = World()

    with pytest.raises(InvalidRequest) as refusal:
        world.submit(a_request(**changes), caller=a_caller())

    assert refusal.value.param == param
    assert world.effects.names == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"api_base": "https://evil.example/"}, "provider_options.api_base: sora-2 takes no such option"),
        ({"input_reference[image_url]": "http://169.254.169.254/"}, "sora-2 takes no such option; it takes seed, guid"),
        ({"seed": 7, "num_frames": 900}, "provider_options.num_frames: sora-2 takes no such option"),
        ({"seed": "file:///etc/passwd"}, "provider_options.seed: must be a whole number for sora-2."),
        ({"seed": {"$ref": "x"}}, "provider_options.seed: must be a whole number for sora-2."),
    ],
)
def test_an_option_that_the_model_does_not_take_is_refused_and_not_recorded(
    options: dict[str, object], sentence: str
) -> None:
    world = World()
    request = a_request(provider_options=options)

    for ask in (world.submit, world.submit.estimate):
        with pytest.raises(InvalidRequest, match=re.escape(sentence)) as refusal:
            ask(request, caller=a_caller())
        assert str(refusal.value.param) == f"provider_options.{[*options][-1]}"

    assert world.effects.names == []


def test_an_option_that_the_model_takes_reaches_it_as_the_request_has_it() -> None:
    world = World()

    world.submit(a_request(provider_options={"seed": 7}), caller=a_caller())
    world.start(STEP)

    assert world.model.accepted[0].provider_options == {"seed": 7}


@pytest.mark.parametrize("seconds", [7000, 21, 1, 0, -5])
@pytest.mark.parametrize("model", ["sora-2-pro", "sora-2-pro-2025-10-06"])
def test_an_alias_takes_no_length_that_its_name_never_had(model: str, seconds: int) -> None:
    world = World()
    request = a_request(model=model, seconds=seconds)

    for ask in (world.submit, world.submit.estimate):
        with pytest.raises(InvalidRequest, match=f"{model} takes 2 to 20 seconds, not {seconds}") as refusal:
            ask(request, caller=a_caller())
        assert refusal.value.param == "seconds"

    assert world.effects.names == []


@pytest.mark.parametrize("size", ["13x17", "3840x2160", "720x1281", "720 x 1280", "768x1280"])
def test_an_alias_takes_no_size_that_its_name_never_had(size: str) -> None:
    with pytest.raises(InvalidRequest, match=f"sora-2-pro takes the sizes 720x1280, .*, not {size}") as refusal:
        World().submit(a_request(model="sora-2-pro", size=size), caller=a_caller())

    assert refusal.value.param == "size"


@pytest.mark.parametrize(("seconds", "made"), [(2, 5), (7, 5), (8, 10), (20, 10)])
@pytest.mark.parametrize("size", ALIAS_SIZES)
def test_an_alias_makes_the_nearest_to_what_its_name_had(seconds: int, made: int, size: str) -> None:
    video = World().submit(a_request(model="sora-2-pro", seconds=seconds, size=size), caller=a_caller()).video

    assert video.seconds == made
    assert [warning.partition(":")[0] for warning in video.warnings] == ["seconds", "size"]


def test_a_prompt_that_does_not_fit_as_a_caption_is_refused_and_not_repeated() -> None:
    world = World()

    request = a_request(prompt="kite " * 100, publish=[{**TWITTER, "text": "fits"}, {**TWITTER, "account_id": "102"}])

    with pytest.raises(InvalidRequest, match=r"text: at most 280 .* its caption is the prompt") as refusal:
        world.submit(request, caller=a_caller())

    assert (refusal.value.param, refusal.value.code) == ("publish[1].text", "invalid_value")
    assert "kite" not in refusal.value.message
    assert world.effects.names == []


def test_a_video_whose_execution_did_not_start_is_failed_and_the_caller_may_send_again() -> None:
    world = World(workflow=REFUSING)

    with pytest.raises(NotStarted, match=rf"{VIDEO_ID}: .* Nothing was generated or spent; send the request again"):
        world.submit(a_request(publish=[{"platform": "instagram", "account_id": "807"}]), caller=a_caller())

    assert [post.state for post in world.posts] == [PostState.FAILED]
    assert world.video.status is VideoStatus.FAILED
    assert world.video.failure is not None
    assert world.video.failure.code is ErrorCode.INTERNAL_ERROR


def test_an_execution_that_runs_although_its_start_seemed_to_fail_is_answered_with_its_video() -> None:
    world = World(workflow=partial(FakeWorkflow, refuses=True, starts_anyway=True))
    world.workflow.on_start = lambda: world.start(STEP)

    submission = world.submit(a_request(), caller=a_caller())

    assert submission.video.stage is Stage.RENDERING
    assert submission.video == world.video


def test_an_execution_that_comes_after_its_video_was_failed_spends_nothing() -> None:
    world = World(workflow=partial(FakeWorkflow, refuses=True, starts_anyway=True))

    with pytest.raises(NotStarted):
        world.submit(a_request(), caller=a_caller())

    assert world.start(STEP).outcome is Outcome.FAILED
    assert world.model.create_calls == 0


def test_an_id_that_is_taken_overwrites_nothing() -> None:
    world = World()
    world.keep(a_video(owner="someone else"))

    with pytest.raises(VersionConflict):
        world.submit(a_request(), caller=a_caller())

    assert world.video.owner == "someone else"
    assert world.workflow.executions == []


def test_a_video_that_could_not_be_started_is_told_of_by_the_sweep_once() -> None:
    world = World(workflow=REFUSING)
    with pytest.raises(NotStarted):
        world.submit(a_request(publish=[TWITTER], webhook_url="https://hooks.example/"), caller=a_caller())
    failed = world.video
    assert (world.events, world.post_events) == ([], [])
    world.clock.advance(STARTED_WITHIN.total_seconds() + 1)

    world.sweep()
    assert world.sweep().visited == 0

    assert [(event.type, event.webhook_url) for event in world.events] == [("video.failed", "https://hooks.example/")]
    assert [event.type for event in world.post_events] == ["post.failed"]
    assert world.video.failure == failed.failure, "what its caller was told stays"
    assert world.video.reservation == failed.reservation, "settled twice"


@pytest.mark.parametrize("name", ["write POST#twitter#101 failed", "send post.failed", "send video.failed"])
@pytest.mark.parametrize("moment", Moment)
def test_the_sweep_closes_again_what_its_own_crash_left_untold(name: str, moment: Moment) -> None:
    names = sweep_once().effects.names
    world = sweep_once(Crash(names.index(name) + 1, moment))

    world.sweep_until_nothing_is_due()

    assert world.video.is_told
    assert {event.type for event in world.events} == {"video.failed"}
    assert len({event.id for event in world.events}) == 1
    assert [post.state for post in world.posts] == [PostState.FAILED]


def sweep_once(*crashes: Crash) -> World:
    """Sweep up a video that was recorded and never started, and die where it is said."""
    world = World(effects=Effects(*crashes))
    world.keep(a_video(), a_post())
    world.clock.advance(STARTED_WITHIN.total_seconds() + 1)
    with suppress(SimulatedCrash):
        world.sweep()
    return world


def test_a_video_that_was_never_kept_is_not_found() -> None:
    with pytest.raises(NotFound):
        World().library.get_unchecked(VIDEO_ID)


def test_whoever_may_not_publish_is_not_told_what_a_post_would_be() -> None:
    request = a_request(publish=[a_target("twitter")])

    with pytest.raises(Forbidden):
        World().submit.estimate(request, caller=a_caller(scopes=frozenset({Scope.CREATE})))
