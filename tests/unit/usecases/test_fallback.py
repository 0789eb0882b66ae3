"""Another model takes over when one refuses, and a lost submission is looked for before anyone gives up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from mediaposter.ai.catalog import Capabilities
from mediaposter.ai.video_model_interface import MAX_LIST_LIMIT, VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ConfigurationError, ErrorCode, InvalidRequest, VideoModelError
from mediaposter.stores.video_record import Candidate
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.generation.attempts import ANSWER_GRACE, CODES_OF_THE_PROVIDER
from mediaposter.usecases.generation.start_generation import RESUBMITS_MAX
from mediaposter.usecases.steps import CheckInput, Outcome, StepInput
from tests.builders import CATALOG, NOW, VIDEO_ID, a_caller, a_job, a_request, a_video
from tests.fakes.answers import Answer, Drop, Refuse
from tests.fakes.state_machine import Status
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import GENERATION_TIMEOUT_SECONDS, LEASE_SECONDS, World
from tests.unit.usecases.failing import failure_of

STEP = CheckInput(video_id=VIDEO_ID)
GONE = VideoModelError(ErrorCode.MODEL_NOT_FOUND, "The model is no longer available.")
POOR = VideoModelError(ErrorCode.INSUFFICIENT_CREDIT, "Top up your balance.")
BUSY = VideoModelError(ErrorCode.RATE_LIMITED, "Too many.", transient=True, retry_after_seconds=600)
KITE = Candidate(
    model="kite-1",
    provider="kites",
    seconds=5,
    size="768x1280",
    cost_estimate_micros=1_000_000,
    expected_render_seconds=50,
    warnings=("seconds: kite-1 makes no video of 4 seconds; it becomes 5.",),
)
GLIDER = Candidate(
    model="glider-1",
    provider="gliders",
    seconds=4,
    size="720x1280",
    cost_estimate_micros=200_000,
    expected_render_seconds=50,
)


def refusing(error: VideoModelError) -> Callable[..., FakeVideoModel]:
    return partial(FakeVideoModel, creates=[Refuse(error)] * 99)


def a_chain(*, first: Callable[..., FakeVideoModel], **others: Callable[..., FakeVideoModel]) -> World:
    """Build a world whose video has two models to fall back to."""
    world = World(model=first, other_models={"kite-1": FakeVideoModel, "glider-1": FakeVideoModel, **others})
    world.keep(a_video(fallbacks=(KITE, GLIDER)))
    return world


def test_the_first_is_gone_the_second_out_of_credit_and_the_third_delivers() -> None:
    world = World(model=refusing(GONE), other_models={"kite-1": refusing(POOR), "glider-1": FakeVideoModel})

    world.deliver(a_request(fallback_models=["kite-1", "glider-1"]))

    video = world.video
    assert (video.status, world.statuses) == (VideoStatus.COMPLETED, [Status.SUCCEEDED])
    assert [
        (attempt.model, attempt.failure and attempt.failure.code, attempt.cost_micros) for attempt in video.attempts
    ] == [
        ("sora-2", ErrorCode.MODEL_NOT_FOUND, 0),
        ("kite-1", ErrorCode.INSUFFICIENT_CREDIT, 0),
        ("glider-1", None, 800_000),
    ]
    assert (video.resolved_model, video.provider, video.cost_micros) == ("glider-1", "gliders", 800_000)
    assert video.fallbacks == ()


def test_the_next_model_makes_what_it_can_and_the_warnings_say_so() -> None:
    world = a_chain(first=refusing(GONE))

    world.start(STEP)
    world.start(STEP)

    [request] = world.other_models["kite-1"].accepted
    assert (request.size, request.duration_seconds) == ("768x1280", 5)
    video = world.video
    assert (video.size, video.seconds, video.cost_estimate_micros) == ("768x1280", 5, 1_000_000)
    assert video.warnings == (
        "model: sora-2 refused (model_not_found); kite-1 takes over.",
        "seconds: kite-1 makes no video of 4 seconds; it becomes 5.",
    )


def test_what_says_something_of_the_video_itself_is_no_reason_to_ask_another() -> None:
    assert not CODES_OF_THE_PROVIDER & {
        ErrorCode.CONTENT_POLICY,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.SUBMISSION_UNKNOWN,
        ErrorCode.CANCELLED,
    }


@pytest.mark.parametrize("code", ErrorCode)
def test_a_render_that_fails_at_the_provider_leads_to_the_next_for_the_same_reasons(code: ErrorCode) -> None:
    failed = a_job(VideoStatus.FAILED, error_code=code, error_message="No.", cost_micros=50_000)
    world = a_chain(first=partial(FakeVideoModel, polls=[failed]))
    world.start(STEP)

    result = world.check(STEP)

    assert result.outcome is (Outcome.NEXT_MODEL if code in CODES_OF_THE_PROVIDER else Outcome.FAILED)
    assert world.video.attempts[0].cost_micros == 50_000
    assert world.video.stage is (Stage.QUEUED if code in CODES_OF_THE_PROVIDER else Stage.RENDERING)


def test_a_chain_as_long_as_a_request_may_name_ends_within_the_machines_bounds() -> None:
    failed = a_job(VideoStatus.FAILED, error_code=ErrorCode.PROVIDER_ERROR)
    world = World(model=partial(FakeVideoModel, polls=[failed] * 99))
    names = [Candidate(**{**GLIDER.model_dump(), "model": f"glider-{number}"}) for number in range(4)]
    world.keep(a_video(fallbacks=tuple(names)))
    world.workflow.executions.append(VIDEO_ID)
    world.run_executions()

    assert [attempt.model for attempt in world.video.attempts] == [
        "sora-2",
        "glider-0",
        "glider-1",
        "glider-2",
        "glider-3",
    ]
    assert world.statuses == [Status.SUCCEEDED]


def test_a_missing_key_leads_to_the_next_model() -> None:
    world = a_chain(first=FakeVideoModel)
    world.missing_key = ConfigurationError("The secret /providers/sora-api-key is missing.")

    world.start(STEP)

    assert world.video.resolved_model == "kite-1"
    assert world.video.attempts[0].failure is not None
    assert world.video.attempts[0].failure.code is ErrorCode.AUTHENTICATION
    assert world.video.deadline_at is not None, "the sweep would take it for never started"


# What was asked for


def test_a_model_is_tried_once() -> None:
    video = (
        World().submit(a_request(fallback_models=["sora-2-pro", "kite-1", "sora-2", "kite-1"]), caller=a_caller()).video
    )

    assert [candidate.model for candidate in video.fallbacks] == ["kite-1"]


def test_a_fallback_that_is_no_model_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        World().submit(a_request(fallback_models=["kite-1", "zeppelin"]), caller=a_caller())

    assert (refusal.value.param, refusal.value.code) == ("fallback_models[1]", "model_not_found")
    assert "'zeppelin'" in refusal.value.message


def test_a_fallback_that_is_not_offered_yet_says_why() -> None:
    catalog = CATALOG.withhold({"kites": "Set KITES_API_KEY."}, instead="sora-2")

    with pytest.raises(InvalidRequest, match="Set KITES_API_KEY") as refusal:
        World(catalog=catalog).submit(a_request(fallback_models=["kite-1"]), caller=a_caller())

    assert refusal.value.param == "fallback_models[0]"


# A submission whose answer was lost


LISTED = Capabilities(list_jobs=True)
IDEMPOTENT = Capabilities(idempotent_submit=True)


def lost(capabilities: Capabilities, *creates: Answer, **changes: object) -> World:
    world = World(model=partial(FakeVideoModel, creates=creates, capabilities=capabilities))
    world.keep(a_video(**changes))
    return world


def listed(job_id: str, **known: Any) -> VideoGenerationJob:
    return VideoGenerationJob(job_id=job_id, status=VideoStatus.QUEUED, **known)


def submit_and_look_after_the_lease(world: World) -> None:
    world.start(STEP)
    world.clock.advance(LEASE_SECONDS + 1)
    world.start(StepInput(video_id=VIDEO_ID, attempt=2))


def test_a_provider_that_lists_its_jobs_is_looked_through_for_a_lost_one() -> None:
    world = lost(LISTED, Drop(is_accepted=True))

    assert world.start(STEP).wait_seconds == LEASE_SECONDS
    assert world.video.stage is Stage.SUBMITTING
    world.clock.advance(LEASE_SECONDS + 1)
    world.start(STEP)

    assert (world.video.stage, world.video.provider_job_id) == (Stage.RENDERING, "job-1")
    assert world.video.attempts[0].failure is None
    assert (world.model.create_calls, len(world.model.accepted)) == (1, 1)


def test_a_job_of_another_prompt_or_an_earlier_time_is_not_taken_for_the_lost_one() -> None:
    world = lost(LISTED, Drop(is_accepted=False))
    world.model.listed = [
        listed("other", prompt="Another kite", created_at=NOW),
        listed("early", prompt="A red kite over the sea", created_at=NOW - timedelta(minutes=1)),
        listed("untold"),
    ]
    submit_and_look_after_the_lease(world)

    assert world.video.provider_job_id is None


def test_a_job_that_another_video_has_is_not_taken_from_it() -> None:
    world = lost(LISTED, Drop(is_accepted=True))
    twin = a_video(id="video_2", stage=Stage.SUBMITTING)
    world.keep(twin)
    world.video_store.keep_job(twin, "job-1", now=NOW, provider_job_id="job-1")
    submit_and_look_after_the_lease(world)

    assert world.video.provider_job_id is None
    assert world.video.failure is not None


def two_lost(**changes: object) -> World:
    """Build a world where two submissions of one prompt were lost, and taken."""
    world = lost(LISTED, Drop(is_accepted=True), Drop(is_accepted=True), resubmit=True)
    world.keep(a_video(id="video_2", resubmit=True, **changes))
    world.start(STEP)
    world.start(CheckInput(video_id="video_2"))
    world.clock.advance(LEASE_SECONDS + 1)
    return world


def test_two_lost_submissions_of_one_prompt_are_told_apart_by_their_shapes() -> None:
    world = two_lost(size="1280x720")

    world.start(CheckInput(video_id="video_2"))
    world.start(STEP)

    assert [world.video_store.get_unchecked(name).provider_job_id for name in (VIDEO_ID, "video_2")] == [
        "job-1",
        "job-2",
    ]
    assert world.model.create_calls == 2


def test_two_lost_submissions_that_nothing_tells_apart_stay_unknown_and_are_not_sent_again() -> None:
    world = two_lost()

    for name in ("video_2", VIDEO_ID):
        world.start(CheckInput(video_id=name))
        failure = failure_of(world, name)
        assert failure.code is ErrorCode.SUBMISSION_UNKNOWN
        assert "lists 2 jobs that may be it, and nothing tells which video each was sent for" in failure.message

    assert world.model.create_calls == 2


@pytest.mark.parametrize(
    ("jobs", "says"),
    [
        ([listed("untold")], "lists one job that may be it"),
        (
            [listed("wide", prompt="A red kite over the sea", size="1280x720", created_at=NOW)],
            "lists one job that may be it",
        ),
        (
            [listed(f"other-{number}", prompt="-", created_at=NOW) for number in range(MAX_LIST_LIMIT)],
            "list of jobs does not go back so far",
        ),
    ],
    ids=["a job without a prompt", "a job of another shape", "a list that is too short"],
)
def test_a_list_that_may_hide_the_lost_submission_forbids_another(jobs: list[VideoGenerationJob], says: str) -> None:
    world = lost(LISTED, Drop(is_accepted=False), resubmit=True)
    world.model.listed = jobs
    submit_and_look_after_the_lease(world)

    assert says in failure_of(world).message
    assert "not in the provider's list" not in failure_of(world).message
    assert world.model.create_calls == 1


def test_a_job_that_fits_is_not_taken_while_another_may_be_the_one() -> None:
    world = lost(LISTED, Drop(is_accepted=True))
    world.model.listed = [listed("untold")]
    submit_and_look_after_the_lease(world)

    assert (world.video.provider_job_id, world.video.failure is None) == (None, False)


def test_a_list_that_cannot_be_read_for_a_day_leaves_the_submission_unknown_and_is_no_reason_to_pay_twice() -> None:
    world = lost(LISTED, Drop(is_accepted=True), resubmit=True)
    world.model.list_errors = [VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)] * 99
    world.start(STEP)
    world.clock.advance(GENERATION_TIMEOUT_SECONDS + ANSWER_GRACE.total_seconds() - 1)
    assert world.start(STEP).outcome is Outcome.WAIT
    world.clock.advance(1)

    assert world.start(STEP).outcome is Outcome.FAILED

    assert failure_of(world).code is ErrorCode.SUBMISSION_UNKNOWN


def test_a_repetition_that_is_refused_for_now_says_nothing_about_what_was_lost() -> None:
    world = lost(IDEMPOTENT, Drop(is_accepted=True), Refuse(BUSY))
    submit_and_look_after_the_lease(world)
    assert (world.video.stage, world.video.failure) == (Stage.SUBMITTING, None)

    world.clock.advance(600)
    world.start(STEP)

    assert (world.video.stage, len(world.model.accepted)) == (Stage.RENDERING, 1)
    assert len(world.video.attempts) == 1


def test_a_repetition_that_is_refused_for_good_leaves_the_submission_unknown() -> None:
    world = lost(IDEMPOTENT, Drop(is_accepted=True), Refuse(POOR), fallbacks=(KITE,))
    submit_and_look_after_the_lease(world)

    assert failure_of(world).code is ErrorCode.SUBMISSION_UNKNOWN


def test_a_submission_that_is_lost_again_and_again_is_given_up() -> None:
    world = lost(Capabilities(), *[Drop(is_accepted=True)] * 9, resubmit=True)
    while world.video.failure is None:
        world.start(STEP)

    assert world.model.create_calls == 1 + RESUBMITS_MAX
    assert failure_of(world).code is ErrorCode.SUBMISSION_UNKNOWN


def test_a_lost_submission_is_no_reason_to_pay_another_provider() -> None:
    world = lost(Capabilities(), Drop(is_accepted=False), fallbacks=(KITE,))

    assert world.start(STEP).outcome is Outcome.FAILED
    assert world.video.fallbacks == (KITE,)
