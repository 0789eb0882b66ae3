"""Starting a generation at most once, and following it to its end."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Unpack

import pytest

from mediaposter.ai.catalog import Capabilities
from mediaposter.ai.video_model_interface import SourceVideo, VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ConfigurationError, ErrorCode, MediaPosterError, VideoModelError
from mediaposter.stores.render_times import RenderTimeStore, guess_render_times
from mediaposter.stores.video_record import Derivation, DerivationKind, VideoChanges, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.generation.attempts import ANSWER_GRACE
from mediaposter.usecases.generation.check_generation import NEW_JOB_GRACE
from mediaposter.usecases.generation.pacing import choose_wait_seconds
from mediaposter.usecases.steps import CheckInput, Outcome, StepInput, StepResult
from tests.builders import NOW, VIDEO_ID, a_caller, a_job, a_video, an_attempt
from tests.fakes.answers import Answer, Drop, Refuse
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import GENERATION_TIMEOUT_SECONDS, LEASE_SECONDS, World
from tests.unit.usecases.failing import failure_of

STEP = CheckInput(video_id=VIDEO_ID)
BUSY = VideoModelError(ErrorCode.RATE_LIMITED, "Too many requests.", transient=True, retry_after_seconds=42.5)
FAULT = VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)
GONE = VideoModelError(ErrorCode.EXPIRED, "There is no such job.")

FINAL_CODES = [
    code
    for code in ErrorCode
    if code not in (ErrorCode.SUBMISSION_UNKNOWN, ErrorCode.INTERNAL_ERROR)  # the one is no refusal, the other ours
]


def world_that_answers(*creates: Answer, **changes: object) -> World:
    """Build a world with one queued video, whose provider can cancel."""
    world = World(model=partial(FakeVideoModel, creates=creates, capabilities=Capabilities(cancel=True)))
    world.keep(a_video(**changes))
    return world


def rendering_world(
    *polls: VideoGenerationJob | VideoModelError, seconds_ago: float = 0, **changes: Unpack[VideoChanges]
) -> World:
    """Build a world whose video has been rendering for a while."""
    world = World(model=partial(FakeVideoModel, polls=polls))
    world.keep(a_video())
    world.start(STEP)
    world.clock.advance(seconds_ago)
    if changes:
        world.video_store.note(world.video, now=world.clock(), **changes)
    return world


def test_a_video_that_is_extended_is_asked_for_in_its_size_and_its_former_length() -> None:
    world = World()
    derivation = Derivation(kind=DerivationKind.EXTEND, video_id="video_0", provider_job_id="job-0", extend_seconds=5)
    world.keep(a_video(seconds=13, size="720x1280", derivation=derivation))

    world.start(STEP)

    assert world.model.derived == [("extend by 5", "job-0", SourceVideo(720, 1280, seconds=8))]


def test_an_accepted_job_is_kept_with_its_attempt() -> None:
    world = world_that_answers()

    result = world.start(STEP)

    video = world.video
    assert result.outcome is Outcome.STARTED
    assert (video.stage, video.status) == (Stage.RENDERING, VideoStatus.IN_PROGRESS)
    assert video.provider_job_id == "job-1"
    assert video.attempts == (an_attempt(provider_job_id="job-1"),)
    assert video.lease_expires_at is None
    assert video.deadline_at == NOW + timedelta(seconds=GENERATION_TIMEOUT_SECONDS)


def usual_wait(**changes: Any) -> int:
    """Give the wait that the usual times of the model's renders make best."""
    return choose_wait_seconds(guess_render_times("sora-2", expected_seconds=100), **changes)


def test_a_render_that_was_done_at_the_first_question_was_never_seen_running() -> None:
    world = rendering_world(seconds_ago=80)

    world.check(CheckInput(video_id=VIDEO_ID, attempt=1, waited_seconds=60))

    learned = RenderTimeStore(world.table).get("sora-2", expected_seconds=100)
    assert learned == guess_render_times("sora-2", expected_seconds=100).learn(running_seconds=0, done_seconds=80)


def test_a_render_that_failed_teaches_nothing() -> None:
    world = rendering_world(a_job(VideoStatus.FAILED), seconds_ago=80)

    world.check(STEP)

    assert RenderTimeStore(world.table).get("sora-2", expected_seconds=100).version == 0


def test_a_second_worker_that_comes_during_the_call_waits_for_the_lease() -> None:
    world = world_that_answers()
    results: list[StepResult] = []
    world.model.meanwhile = lambda: results.append(world.start(STEP))

    world.start(STEP)

    assert results == [StepResult(outcome=Outcome.WAIT, wait_seconds=LEASE_SECONDS)]
    assert world.model.create_calls == 1


def test_a_worker_that_loses_the_race_for_the_record_makes_no_call() -> None:
    world = world_that_answers()
    world.meanwhile = lambda: world.start(STEP)

    result = world.start(STEP)

    assert result == StepResult(outcome=Outcome.WAIT, wait_seconds=5)
    assert world.model.create_calls == 1


@pytest.mark.parametrize(("refusal", "wait_seconds"), [(BUSY, 43), (FAULT, 30)], ids=["as asked", "half a minute"])
def test_a_passing_refusal_puts_the_video_back_and_waits(refusal: VideoModelError, wait_seconds: int) -> None:
    world = world_that_answers(Refuse(refusal))

    result = world.start(STEP)

    video = world.video
    assert result == StepResult(outcome=Outcome.WAIT, wait_seconds=wait_seconds)
    assert (video.stage, video.attempts, video.lease_expires_at) == (Stage.QUEUED, (an_attempt(),), None)


@pytest.mark.parametrize(
    ("hint_seconds", "outcome"),
    [(GENERATION_TIMEOUT_SECONDS, Outcome.WAIT), (GENERATION_TIMEOUT_SECONDS + 1, Outcome.FAILED)],
)
def test_a_wait_past_the_deadline_is_not_begun(hint_seconds: float, outcome: Outcome) -> None:
    busy = VideoModelError(ErrorCode.RATE_LIMITED, "Later.", transient=True, retry_after_seconds=hint_seconds)

    assert world_that_answers(Refuse(busy)).start(STEP).outcome is outcome


@pytest.mark.parametrize("is_accepted", [True, False])
def test_a_lost_answer_fails_the_video_as_unknown_and_is_never_sent_again(is_accepted: bool) -> None:
    world = world_that_answers(Drop(is_accepted))

    assert world.start(STEP).outcome is Outcome.FAILED
    assert world.start(StepInput(video_id=VIDEO_ID, attempt=2)).outcome is Outcome.FAILED
    assert world.model.create_calls == 1
    assert failure_of(world).code is ErrorCode.SUBMISSION_UNKNOWN
    assert failure_of(world).message == (
        "The connection was lost. The provider may have accepted the video and may charge for it, so it was not sent "
        "again. Check the provider, then send a new request if it has no such video."
    )


@pytest.mark.parametrize(("expected_seconds", "least_seconds"), [(100, 600), (1_000, 3_000), (9_000, 3_600)])
def test_a_submission_late_in_its_time_is_given_what_its_render_should_take(
    expected_seconds: int, least_seconds: int
) -> None:
    world = world_that_answers(deadline_at=NOW + timedelta(seconds=5), expected_render_seconds=expected_seconds)

    world.start(STEP)

    assert world.video.deadline_at == NOW + timedelta(seconds=least_seconds)


def test_a_submission_that_is_refused_is_given_no_more_time() -> None:
    world = world_that_answers(Refuse(BUSY), deadline_at=NOW + timedelta(seconds=60))

    assert world.start(STEP).outcome is Outcome.WAIT
    assert world.video.deadline_at == NOW + timedelta(seconds=60)


def test_a_picture_that_cannot_be_read_is_found_out_before_anything_is_announced() -> None:
    world = world_that_answers(input_image="upload_1")

    def fail(owner: str, upload_id: str) -> bytes:
        del owner, upload_id
        raise RuntimeError("The bucket is out of order.")

    world.media.read_upload = fail  # type: ignore[method-assign]
    before = world.video

    with pytest.raises(RuntimeError):
        world.start(STEP)

    assert (world.video, world.model.create_calls) == (before, 0)


def test_an_accepted_job_is_kept_though_the_record_was_written_meanwhile() -> None:
    world = world_that_answers()
    world.model.meanwhile = lambda: world.video_store.note(world.video, now=NOW, fault="another's word")

    assert world.start(STEP).outcome is Outcome.STARTED
    assert (world.video.provider_job_id, world.video.fault) == ("job-1", "another's word")


def test_an_accepted_job_of_a_video_that_was_deleted_meanwhile_is_cancelled() -> None:
    world = world_that_answers()
    world.model.meanwhile = lambda: world.delete(VIDEO_ID, caller=a_caller())

    with pytest.raises(MediaPosterError, match="accepted job job-1"):
        world.start(STEP)

    assert world.model.cancelled == ["job-1"]


def test_a_job_that_another_video_has_is_not_cancelled() -> None:
    world = world_that_answers()
    twin = a_video(id="video_2", stage=Stage.SUBMITTING)
    world.keep(twin)
    world.model.meanwhile = lambda: world.video_store.keep_job(twin, "job-1", now=NOW, provider_job_id="job-1")

    with pytest.raises(MediaPosterError, match="another video took the job"):
        world.start(STEP)

    assert world.model.cancelled == []


def lost_worker() -> World:
    """Build a world whose worker died during the call; the provider took the job."""
    world = World(effects=Effects(Crash(3, Moment.AFTER)))
    world.keep(a_video())
    with pytest.raises(SimulatedCrash, match="after 3, create at the provider"):
        world.start(STEP)
    return world


@pytest.mark.parametrize("seconds", [LEASE_SECONDS, LEASE_SECONDS + 1])
def test_a_step_that_finds_an_abandoned_call_fails_the_video_as_unknown(seconds: float) -> None:
    world = lost_worker()
    world.clock.advance(seconds)

    assert world.start(StepInput(video_id=VIDEO_ID, attempt=2)).outcome is Outcome.FAILED
    assert failure_of(world).code is ErrorCode.SUBMISSION_UNKNOWN
    assert failure_of(world).message.startswith("The process that submitted it crashed. The provider may have accepted")
    assert world.model.create_calls == 1


@pytest.mark.parametrize(
    ("job", "wait_seconds"),
    [
        (a_job(VideoStatus.QUEUED), usual_wait()),
        (a_job(VideoStatus.IN_PROGRESS), usual_wait()),
        (a_job(retry_after_seconds=90), 90),
        (a_job(retry_after_seconds=0.1), usual_wait()),
    ],
    ids=["queued", "in progress", "a hint beyond the usual", "a hint below it"],
)
def test_a_running_job_is_asked_again_later_and_a_hint_can_only_make_the_wait_longer(
    job: VideoGenerationJob, wait_seconds: int
) -> None:
    world = rendering_world(job)

    assert world.check(STEP) == StepResult(outcome=Outcome.WAIT, wait_seconds=wait_seconds)
    assert world.video.stage is Stage.RENDERING


def test_progress_that_goes_on_makes_the_next_question_sooner_and_progress_that_stands_still_does_not() -> None:
    world = rendering_world(a_job(progress=90), a_job(progress=90), seconds_ago=60)

    assert world.check(STEP).wait_seconds < usual_wait(elapsed_seconds=60)
    assert world.check(STEP).wait_seconds == usual_wait(elapsed_seconds=60)


@pytest.mark.parametrize("progress", [39, 40, None])
def test_progress_never_goes_back(progress: int | None) -> None:
    world = rendering_world(a_job(progress=40), a_job(progress=progress))
    world.check(STEP)
    version = world.video.version

    world.check(STEP)

    assert (world.video.progress, world.video.version) == (40, version)


def test_a_completed_job_moves_the_video_on_with_what_it_cost() -> None:
    world = rendering_world(a_job(VideoStatus.COMPLETED, progress=99, cost_micros=412_345))

    assert world.check(STEP).outcome is Outcome.COMPLETED

    video = world.video
    assert (video.stage, video.status, video.progress, video.cost_micros) == (
        Stage.STORING,
        VideoStatus.IN_PROGRESS,
        100,
        412_345,
    )


@pytest.mark.parametrize("code", FINAL_CODES)
def test_a_failed_job_fails_the_video_with_its_reason(code: ErrorCode) -> None:
    world = rendering_world(a_job(VideoStatus.FAILED, error_code=code, error_message="The provider's own sentence."))

    assert world.check(STEP).outcome is Outcome.FAILED
    assert failure_of(world) == VideoFailure(code=code, message="The provider's own sentence.")


@pytest.mark.parametrize(
    "error",
    [
        FAULT,
        BUSY,
        VideoModelError(ErrorCode.AUTHENTICATION, "The key was refused."),
        VideoModelError(ErrorCode.INVALID_REQUEST, "What is this?"),
        VideoModelError(ErrorCode.PROVIDER_ERROR, "Not JSON."),
    ],
    ids=lambda error: error.code,
)
def test_a_fault_of_one_question_never_ends_a_render(error: VideoModelError) -> None:
    world = rendering_world(error, seconds_ago=GENERATION_TIMEOUT_SECONDS - 1)

    assert world.check(CheckInput(video_id=VIDEO_ID, attempt=999)).outcome is Outcome.WAIT
    assert world.video.stage is Stage.RENDERING
    assert world.video.failure is None


DEADLINE = timedelta(seconds=GENERATION_TIMEOUT_SECONDS)


def check_at(world: World, after: timedelta) -> StepResult:
    world.clock.advance(after.total_seconds())
    return world.check(STEP)


def test_a_job_that_is_still_running_at_the_deadline_is_a_timeout_that_names_it() -> None:
    world = rendering_world(a_job())

    assert check_at(world, DEADLINE).outcome is Outcome.FAILED
    assert failure_of(world) == VideoFailure(
        code=ErrorCode.TIMEOUT,
        message="sora had not finished the video in time; its job job-1 may still end there.",
    )


def test_a_provider_that_does_not_answer_is_asked_for_a_day_beyond_the_deadline() -> None:
    world = rendering_world(FAULT, FAULT)

    assert check_at(world, DEADLINE + ANSWER_GRACE - timedelta(seconds=1)).outcome is Outcome.WAIT
    assert check_at(world, timedelta(seconds=1)).outcome is Outcome.FAILED
    assert failure_of(world) == VideoFailure(code=ErrorCode.TIMEOUT, message="Bad gateway.")


def test_a_key_that_is_not_mended_for_a_day_keeps_its_reason() -> None:
    world = rendering_world()
    world.missing_key = ConfigurationError("The secret /sora-api-key is missing.")

    assert check_at(world, DEADLINE + ANSWER_GRACE).outcome is Outcome.FAILED
    assert failure_of(world).code is ErrorCode.AUTHENTICATION


def test_a_job_that_cannot_be_read_is_given_time_while_it_is_new_and_then_fails_the_video() -> None:
    world = rendering_world(GONE, GONE)

    assert check_at(world, NEW_JOB_GRACE - timedelta(seconds=1)).outcome is Outcome.WAIT
    assert check_at(world, timedelta(seconds=1)).outcome is Outcome.FAILED
    assert failure_of(world) == VideoFailure(code=ErrorCode.EXPIRED, message="There is no such job.")


def test_a_record_that_renders_without_a_job_is_a_fault_and_stays_as_it_is() -> None:
    world = rendering_world(provider_job_id=None)

    with pytest.raises(MediaPosterError, match="renders without a provider job"):
        world.check(STEP)

    assert world.video.failure is None
