"""Another model takes over when one refuses, and a lost submission is looked for before anyone gives up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest

from mediaposter.ai.catalog import Capabilities
from mediaposter.ai.video_model_interface import MAX_LIST_LIMIT, VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ConfigurationError, ErrorCode, InvalidRequest, VideoModelError
from mediaposter.stores.videos import Candidate, Stage, Video
from mediaposter.usecases.generation.generate import ANSWER_GRACE, CODES_OF_THE_PROVIDER, RESUBMITS_MAX
from mediaposter.usecases.steps import CheckInput, Outcome, StepInput
from tests.builders import CATALOG, NOW, VIDEO_ID, a_caller, a_job, a_request, a_video
from tests.fakes.answers import Answer, Drop, Refuse
from tests.fakes.state_machine import Status
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import GENERATION_TIMEOUT_SECONDS, LEASE_SECONDS, World

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


@pytest.mark.parametrize("code", ErrorCode)
def test_only_a_refusal_that_another_may_not_make_leads_to_the_next(code: ErrorCode) -> None:
    world = a_chain(first=refusing(VideoModelError(code, "No.")))

    result = world.start(STEP)

    assert (world.video.resolved_model == "kite-1") is (code in CODES_OF_THE_PROVIDER)
    assert result.outcome is (Outcome.WAIT if code in CODES_OF_THE_PROVIDER else Outcome.FAILED)


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


def test_what_a_failed_render_cost_is_added_to_what_the_next_one_costs() -> None:
    failed = a_job(VideoStatus.FAILED, error_code=ErrorCode.PROVIDER_ERROR, cost_micros=50_000)
    world = World(model=partial(FakeVideoModel, polls=[failed]), other_models={"kite-1": FakeVideoModel})

    world.deliver(a_request(fallback_models=["kite-1"]))

    assert (world.video.status, world.video.cost_micros) == (VideoStatus.COMPLETED, 850_000)
    assert world.statuses == [Status.SUCCEEDED]


def test_the_end_of_the_chain_is_the_end_of_the_video() -> None:
    world = World(model=refusing(GONE), other_models={"kite-1": refusing(POOR)})

    world.deliver(a_request(fallback_models=["kite-1"]))

    assert world.video.failure is not None
    assert (world.video.failure.code, world.video.failure.message) == (
        ErrorCode.INSUFFICIENT_CREDIT,
        "Top up your balance.",
    )


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


def test_a_busy_provider_is_waited_for_only_as_long_as_its_part_of_the_time() -> None:
    world = a_chain(first=refusing(BUSY))
    moments = []
    while world.video.resolved_model == "sora-2":
        moments.append((world.clock() - NOW).total_seconds())
        world.clock.advance(world.start(STEP).wait_seconds)

    assert moments == [0, 600, 1200], "1,200 s of 3,600 s is its part, since two more may follow"


def test_the_last_of_the_chain_has_all_the_time_that_is_left() -> None:
    world = World(model=refusing(BUSY))
    world.keep(a_video())
    tries = 0
    while world.video.failure is None:
        tries += 1
        world.clock.advance(world.start(STEP).wait_seconds)

    assert tries == GENERATION_TIMEOUT_SECONDS / 600 + 1
    assert world.video.failure.code is ErrorCode.RATE_LIMITED


# What was asked for


def test_an_alias_leads_to_its_model_and_fits_the_request_to_it() -> None:
    world = World()

    video = world.submit(a_request(model="sora-2-pro-2025-10-06", seconds=8, size="1024x1792"), caller=a_caller()).video

    assert (video.model, video.resolved_model, video.provider) == ("sora-2-pro-2025-10-06", "kite-1", "kites")
    assert (video.seconds, video.size, video.cost_estimate_micros) == (10, "768x1280", 2_000_000)
    assert video.warnings == (
        "seconds: kite-1 makes no video of 8 seconds; it becomes 10.",
        "size: kite-1 makes no video of 1024x1792; it becomes 768x1280.",
    )


def test_a_model_named_outright_makes_what_was_asked_for_or_nothing() -> None:
    with pytest.raises(InvalidRequest, match="kite-1 makes videos of 5, 10 seconds, not 8"):
        World().submit(a_request(model="kite-1", seconds=8), caller=a_caller())


def test_a_fallback_is_fitted_and_priced_when_it_is_asked_for() -> None:
    video = World().submit(a_request(fallback_models=["kite-1", "glider-1"]), caller=a_caller()).video

    assert [(c.model, c.seconds, c.size, c.cost_estimate_micros) for c in video.fallbacks] == [
        ("kite-1", 5, "768x1280", 1_000_000),
        ("glider-1", 4, "720x1280", 200_000),
    ]
    assert video.warnings == ()


def test_what_a_fallback_does_not_take_is_left_out_and_warned_of() -> None:
    world = World(model=refusing(GONE), other_models={"kite-1": FakeVideoModel, "glider-1": FakeVideoModel})
    for name, model in world.other_models.items():
        model.entry = CATALOG.get(name)
    request = a_request(provider_options={"seed": 7, "guidance": 0.5}, fallback_models=["kite-1", "glider-1"])

    estimate = world.submit.estimate(request, caller=a_caller())
    world.deliver(request)

    assert world.other_models["kite-1"].accepted[0].provider_options == {"seed": 7}
    kite, glider = (candidate.warnings for candidate in estimate.candidates[1:])
    assert kite[-1] == ("provider_options.guidance: kite-1 takes no such option; it takes seed. It is left out.")
    assert set(kite) < set(world.video.warnings)
    assert [warning.partition(":")[0] for warning in glider] == ["provider_options.seed", "provider_options.guidance"]


def test_a_value_that_a_fallback_does_not_take_is_left_out() -> None:
    world = World(model=refusing(GONE), other_models={"kite-1": FakeVideoModel})
    world.other_models["kite-1"].entry = CATALOG.get("kite-1")

    world.deliver(a_request(provider_options={"seed": 100}, fallback_models=["kite-1"]))

    assert world.other_models["kite-1"].accepted[0].provider_options == {}
    assert "provider_options.seed: must be a whole number of at most 99 for kite-1. It is left out." in (
        world.video.warnings
    )


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


def test_the_stacks_own_chain_holds_where_a_request_names_none() -> None:
    world = World(default_fallbacks=["balloon-1", "glider-1"])

    assert [c.model for c in world.submit(a_request(), caller=a_caller()).video.fallbacks] == ["glider-1"]


def test_a_request_can_do_without_the_stacks_chain() -> None:
    world = World(default_fallbacks=["glider-1"])

    assert world.submit(a_request(fallback_models=[]), caller=a_caller()).video.fallbacks == ()


def test_a_retired_model_is_refused_with_what_replaces_it() -> None:
    world = World()
    world.clock.advance((datetime(2027, 1, 2, tzinfo=NOW.tzinfo) - NOW).total_seconds())

    with pytest.raises(InvalidRequest, match=r"glider-1 was retired on 2027-01-01\. Ask for kite-1 instead\."):
        world.submit(a_request(model="glider-1"), caller=a_caller())


# A submission whose answer was lost


LISTED = Capabilities(list_jobs=True)
IDEMPOTENT = Capabilities(idempotent_submit=True)


def lost(capabilities: Capabilities, *creates: Answer, **changes: object) -> World:
    world = World(model=partial(FakeVideoModel, creates=creates, capabilities=capabilities))
    world.keep(a_video(**changes))
    return world


def look_after_the_lease(world: World) -> None:
    world.clock.advance(LEASE_SECONDS + 1)
    world.start(StepInput(video_id=VIDEO_ID, attempt=2))


def test_a_provider_that_lists_its_jobs_is_looked_through_for_a_lost_one() -> None:
    world = lost(LISTED, Drop(is_accepted=True))

    assert world.start(STEP).wait_seconds == LEASE_SECONDS
    assert world.video.stage is Stage.SUBMITTING
    look_after_the_lease(world)

    assert (world.video.stage, world.video.provider_job_id) == (Stage.RENDERING, "job-1")
    assert world.video.attempts[0].failure is None
    assert (world.model.create_calls, len(world.model.accepted)) == (1, 1)


def test_a_lost_submission_that_is_not_in_the_list_stays_unknown_and_is_never_sent_again() -> None:
    world = lost(LISTED, Drop(is_accepted=False))
    world.start(STEP)
    look_after_the_lease(world)

    assert world.video.failure is not None
    assert world.video.failure.code is ErrorCode.SUBMISSION_UNKNOWN
    assert "It is not in the provider's list of jobs." in world.video.failure.message
    assert world.model.create_calls == 1


def test_a_job_of_another_prompt_or_an_earlier_time_is_not_taken_for_the_lost_one() -> None:
    world = lost(LISTED, Drop(is_accepted=False))
    world.model.listed = [
        VideoGenerationJob(job_id="other", status=VideoStatus.QUEUED, prompt="Another kite", created_at=NOW),
        VideoGenerationJob(
            job_id="early",
            status=VideoStatus.QUEUED,
            prompt="A red kite over the sea",
            created_at=NOW - timedelta(minutes=1),
        ),
        VideoGenerationJob(job_id="untold", status=VideoStatus.QUEUED),
    ]
    world.start(STEP)
    look_after_the_lease(world)

    assert world.video.provider_job_id is None


def test_a_job_that_another_video_has_is_not_taken_from_it() -> None:
    world = lost(LISTED, Drop(is_accepted=True))
    twin = a_video(id="video_2", stage=Stage.SUBMITTING)
    world.keep(twin)
    world.library.keep_job(twin, "job-1", now=NOW, provider_job_id="job-1")
    world.start(STEP)
    look_after_the_lease(world)

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

    assert [world.library.get_unchecked(name).provider_job_id for name in (VIDEO_ID, "video_2")] == ["job-1", "job-2"]
    assert world.model.create_calls == 2


def test_two_lost_submissions_that_nothing_tells_apart_stay_unknown_and_are_not_sent_again() -> None:
    world = two_lost()

    for name in ("video_2", VIDEO_ID):
        world.start(CheckInput(video_id=name))
        failure = world.library.get_unchecked(name).failure
        assert failure is not None
        assert failure.code is ErrorCode.SUBMISSION_UNKNOWN
        assert "lists 2 jobs that may be it, and nothing tells which video each was sent for" in failure.message

    assert world.model.create_calls == 2


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        ([VideoGenerationJob(job_id="untold", status=VideoStatus.QUEUED)], "lists one job that may be it"),
        (
            [
                VideoGenerationJob(
                    job_id="wide",
                    status=VideoStatus.QUEUED,
                    prompt="A red kite over the sea",
                    size="1280x720",
                    created_at=NOW,
                )
            ],
            "lists one job that may be it",
        ),
        (
            [
                VideoGenerationJob(job_id=f"other-{number}", status=VideoStatus.QUEUED, prompt="-", created_at=NOW)
                for number in range(MAX_LIST_LIMIT)
            ],
            "list of jobs does not go back so far",
        ),
    ],
    ids=["a job without a prompt", "a job of another shape", "a list that is too short"],
)
def test_a_list_that_may_hide_the_lost_submission_forbids_another(listed: list[VideoGenerationJob], says: str) -> None:
    world = lost(LISTED, Drop(is_accepted=False), resubmit=True)
    world.model.listed = listed
    world.start(STEP)
    look_after_the_lease(world)

    failure = world.video.failure
    assert failure is not None
    assert says in failure.message
    assert "not in the provider's list" not in failure.message
    assert world.model.create_calls == 1


def test_a_job_that_fits_is_not_taken_while_another_may_be_the_one() -> None:
    world = lost(LISTED, Drop(is_accepted=True))
    world.model.listed = [VideoGenerationJob(job_id="untold", status=VideoStatus.QUEUED)]
    world.start(STEP)
    look_after_the_lease(world)

    assert (world.video.provider_job_id, world.video.failure is None) == (None, False)


def test_a_list_that_does_not_have_the_lost_submission_lets_an_owner_send_it_again() -> None:
    world = lost(LISTED, Drop(is_accepted=False), resubmit=True)
    world.start(STEP)
    look_after_the_lease(world)

    assert world.start(STEP).outcome is Outcome.STARTED
    assert world.model.create_calls == 2


def test_a_list_that_cannot_be_read_is_asked_for_again() -> None:
    world = lost(LISTED, Drop(is_accepted=True))
    world.model.list_errors = [VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)]
    world.start(STEP)
    world.clock.advance(LEASE_SECONDS + 1)

    assert world.start(STEP).wait_seconds == 30
    assert world.start(STEP).outcome is Outcome.STARTED


def test_a_list_that_cannot_be_read_for_a_day_leaves_the_submission_unknown_and_is_no_reason_to_pay_twice() -> None:
    world = lost(LISTED, Drop(is_accepted=True), resubmit=True)
    world.model.list_errors = [VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)] * 99
    world.start(STEP)
    world.clock.advance(GENERATION_TIMEOUT_SECONDS + ANSWER_GRACE.total_seconds() - 1)
    assert world.start(STEP).outcome is Outcome.WAIT
    world.clock.advance(1)

    assert world.start(STEP).outcome is Outcome.FAILED

    assert world.video.failure is not None
    assert world.video.failure.code is ErrorCode.SUBMISSION_UNKNOWN


def test_a_provider_that_knows_a_repetition_is_asked_again_under_the_same_key() -> None:
    world = lost(IDEMPOTENT, Drop(is_accepted=True))
    world.start(STEP)
    look_after_the_lease(world)

    assert (world.video.stage, world.video.provider_job_id) == (Stage.RENDERING, "job-1")
    assert (world.model.create_calls, len(world.model.accepted)) == (2, 1)


def test_a_repetition_that_is_refused_for_now_says_nothing_about_what_was_lost() -> None:
    world = lost(IDEMPOTENT, Drop(is_accepted=True), Refuse(BUSY))
    world.start(STEP)
    look_after_the_lease(world)
    assert (world.video.stage, world.video.failure) == (Stage.SUBMITTING, None)

    world.clock.advance(600)
    world.start(STEP)

    assert (world.video.stage, len(world.model.accepted)) == (Stage.RENDERING, 1)
    assert len(world.video.attempts) == 1


def test_a_repetition_that_is_refused_for_good_leaves_the_submission_unknown() -> None:
    world = lost(IDEMPOTENT, Drop(is_accepted=True), Refuse(POOR), fallbacks=(KITE,))
    world.start(STEP)
    look_after_the_lease(world)

    assert world.video.failure is not None
    assert world.video.failure.code is ErrorCode.SUBMISSION_UNKNOWN


def test_an_owner_who_asked_for_it_has_a_lost_submission_sent_again() -> None:
    world = lost(Capabilities(), Drop(is_accepted=True), resubmit=True)

    assert world.start(STEP).outcome is Outcome.WAIT
    assert world.start(STEP).outcome is Outcome.STARTED

    video = world.video
    assert len(world.model.accepted) == 2, "this is the risk that the owner took"
    assert [attempt.failure is not None for attempt in video.attempts] == [True, False]
    assert video.warnings == ("resubmit: a submission to sora was lost and sent again.",)


def test_a_submission_that_is_lost_again_and_again_is_given_up() -> None:
    world = lost(Capabilities(), *[Drop(is_accepted=True)] * 9, resubmit=True)
    while world.video.failure is None:
        world.start(STEP)

    assert world.model.create_calls == 1 + RESUBMITS_MAX
    assert world.video.failure.code is ErrorCode.SUBMISSION_UNKNOWN


def test_a_lost_submission_is_no_reason_to_pay_another_provider() -> None:
    world = lost(Capabilities(), Drop(is_accepted=False), fallbacks=(KITE,))

    assert world.start(STEP).outcome is Outcome.FAILED
    assert world.video.fallbacks == (KITE,)


def test_a_job_is_claimed_for_its_video() -> None:
    world = World()
    world.keep(a_video())
    world.start(STEP)

    assert world.library.find_video_of_job("sora", "job-1") == VIDEO_ID
    assert world.library.find_video_of_job("kites", "job-1") is None


def keeps(video: Video) -> Video:
    """Read a video back as the table keeps it."""
    world = World()
    world.keep(video)
    return world.video


def test_options_with_fractions_are_kept_as_they_were() -> None:
    video = a_video(provider_options={"guidance": 0.5, "loras": [{"weight": 1}]}, fallbacks=(KITE,), resubmit=True)

    assert keeps(video) == video.model_copy(update={"due_at": video.updated_at})
