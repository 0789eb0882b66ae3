"""Taking a request, and sweeping up what a crash left behind."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode, InvalidRequest, NotStarted, VersionConflict
from mediaposter.stores.posts import PostState
from mediaposter.stores.trail import TrailEntry, TrailType
from mediaposter.stores.video_record import MonthLimits, Reservation
from mediaposter.stores.video_stages import STARTED_WITHIN, Stage
from mediaposter.usecases.requests.pictures import keep_picture
from mediaposter.usecases.steps import CheckInput
from mediaposter.wire.pictures import UploadReference
from tests.builders import NOW, VIDEO_ID, a_caller, a_post, a_request, a_video
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.workflow import FakeWorkflow
from tests.fakes.world import World
from tests.unit.usecases.failing import failure_of

TWITTER = {"platform": "twitter", "account_id": "101"}
STEP = CheckInput(video_id=VIDEO_ID)

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
        month_limits=MonthLimits(),
        trail=(TrailEntry(number=1, at=NOW, type=TrailType.CREATED, door="api"),),
    )
    assert world.video == submission.video.model_copy(update={"due_at": NOW + STARTED_WITHIN})
    assert world.video.status is VideoStatus.QUEUED


def test_a_picture_that_was_never_uploaded_is_refused_with_what_to_do() -> None:
    picture = UploadReference(upload_id=f"upload_{'0' * 32}")
    media = World().media

    with pytest.raises(InvalidRequest, match=r"There is no upload upload_0+: first PUT the picture"):
        keep_picture(picture, a_caller(), size="720x1280", pictures=lambda: media)


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


def test_a_receiver_on_the_callers_own_machine_is_refused_where_no_host_runs_there() -> None:
    world = World()
    request = a_request(webhook_url="http://127.0.0.1:8000/videos")

    for ask in (world.submit, world.submit.estimate):
        with pytest.raises(InvalidRequest, match="webhook_url: must be an https URL") as refusal:
            ask(request, caller=a_caller())
        assert (refusal.value.param, refusal.value.code) == ("webhook_url", "invalid_value")

    assert world.effects.names == []


def test_a_video_whose_execution_did_not_start_is_failed_and_the_caller_may_send_again() -> None:
    world = World(workflow=REFUSING)

    with pytest.raises(NotStarted, match=rf"{VIDEO_ID}: .* Nothing was generated or spent; send the request again"):
        world.submit(a_request(publish=[{"platform": "instagram", "account_id": "807"}]), caller=a_caller())

    assert [post.state for post in world.posts] == [PostState.FAILED]
    assert world.video.status is VideoStatus.FAILED
    assert failure_of(world).code is ErrorCode.INTERNAL_ERROR


def test_an_execution_that_runs_although_its_start_seemed_to_fail_is_answered_with_its_video() -> None:
    world = World(workflow=partial(FakeWorkflow, refuses=True, starts_anyway=True))
    world.workflow.on_start = lambda: world.start(STEP)

    submission = world.submit(a_request(), caller=a_caller())

    assert submission.video.stage is Stage.RENDERING
    assert submission.video == world.video


def test_an_id_that_is_taken_overwrites_nothing() -> None:
    world = World()
    world.keep(a_video(owner="someone else"))

    with pytest.raises(VersionConflict):
        world.submit(a_request(), caller=a_caller())

    assert world.video.owner == "someone else"
    assert world.workflow.executions == []


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
