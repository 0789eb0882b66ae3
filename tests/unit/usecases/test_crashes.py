"""Kill the process before and after everything it does to the world, and look at what is left.

The machine that goes on afterwards is the shipped one (statemachine/video.asl.json), walked over fakes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice, product, starmap
from typing import Any

import pytest

from mediaposter.ai.catalog import Capabilities
from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import ErrorCode, MediaError, NotFound, PublisherError, VideoModelError
from mediaposter.publishing.publisher_interface import PostReport, PostStatus
from mediaposter.stores.posts import SETTLED_STATES, PostState
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.requests import CreateVideoRequest
from tests.builders import a_job, a_request, a_stored_video
from tests.fakes.answers import Drop, Refuse
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.media import FakeMediaStore
from tests.fakes.publisher import FakePublisher
from tests.fakes.state_machine import Status
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.workflow import FakeWorkflow
from tests.fakes.world import World
from tests.unit.usecases.failing import failure_of

REQUEST = a_request(
    publish=[{"platform": "twitter", "account_id": "101"}, {"platform": "twitter", "account_id": "102"}]
)
ONE_POST = a_request(publish=[{"platform": "twitter", "account_id": "101"}])
POOR = VideoModelError(ErrorCode.INSUFFICIENT_CREDIT, "Top up.")
BUSY = VideoModelError(ErrorCode.RATE_LIMITED, "Later.", transient=True, retry_after_seconds=20)
FAULT = VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)
BUSY_PUBLISHER = PublisherError(ErrorCode.RATE_LIMITED, "Later.", transient=True, retry_after_seconds=20)
TRUNCATED = MediaError("The video ends in the middle of a box.")
IN_PROGRESS = PostReport(submission_id="", status=PostStatus.IN_PROGRESS)

# A function that dies is either called again by the machine's Retry, two seconds later and as the same attempt,
# or caught, and the step is entered anew half a minute later.
CALLED_AGAIN, CAUGHT = "Lambda.ServiceException", "Runtime.ExitError"

Scenario = Callable[[Effects], World]


def world_with(effects: Effects, *, has_fallback: bool = False, **fakes: Any) -> World:
    return World(
        effects=effects,
        other_models={"kite-1": FakeVideoModel} if has_fallback else {},
        default_fallbacks=["kite-1"] if has_fallback else [],
        **fakes,
    )


def model_with(*, has_fallback: bool = False, **answers: Any) -> Scenario:
    """Build worlds whose provider answers so."""
    return partial(world_with, model=partial(FakeVideoModel, **answers), has_fallback=has_fallback)


def publisher_with(**answers: Any) -> Scenario:
    """Build worlds whose publisher answers so."""
    return partial(world_with, publisher=partial(FakePublisher, **answers))


SCENARIOS: dict[str, Scenario] = {
    "everything works": world_with,
    "the start of the execution fails": partial(world_with, workflow=partial(FakeWorkflow, refuses=True)),
    "the start of the execution seems to fail": partial(
        world_with, workflow=partial(FakeWorkflow, refuses=True, starts_anyway=True)
    ),
    "the provider is busy": model_with(creates=[Refuse(BUSY), Refuse(BUSY)]),
    "the provider takes the job and its answer is lost": model_with(creates=[Drop(is_accepted=True)]),
    "the call to the provider is lost": model_with(creates=[Drop(is_accepted=False)]),
    "the provider takes the job, its answer is lost, and it lists its jobs": model_with(
        creates=[Drop(is_accepted=True)], capabilities=Capabilities(list_jobs=True)
    ),
    "the answer is lost and the provider knows a repetition": model_with(
        creates=[Drop(is_accepted=True)], capabilities=Capabilities(idempotent_submit=True)
    ),
    "the first model refuses and the next takes over": model_with(creates=[Refuse(POOR)] * 9, has_fallback=True),
    "the first render fails and the next model takes over": model_with(
        polls=[a_job(VideoStatus.FAILED, error_code=ErrorCode.PROVIDER_ERROR)] * 9, has_fallback=True
    ),
    "the render is slow and the provider stumbles": model_with(
        polls=[a_job(progress=10), FAULT, a_job(progress=50), FAULT]
    ),
    "the render fails": model_with(polls=[a_job(VideoStatus.FAILED, error_code=ErrorCode.CONTENT_POLICY)]),
    "the download never comes through": partial(world_with, media=partial(FakeMediaStore, errors=[TRUNCATED] * 9)),
    "the publisher is busy": publisher_with(publishes=[Refuse(BUSY_PUBLISHER)], upload_errors=[BUSY_PUBLISHER]),
    "the publisher takes a post and its answer is lost": publisher_with(publishes=[Drop(is_accepted=True)]),
    "the call to the publisher is lost": publisher_with(publishes=[Drop(is_accepted=False)]),
    "everything stumbles once": partial(
        world_with,
        model=partial(FakeVideoModel, creates=[Refuse(BUSY)], polls=[FAULT]),
        media=partial(FakeMediaStore, errors=[TRUNCATED]),
        publisher=partial(FakePublisher, publishes=[Refuse(BUSY_PUBLISHER)], upload_errors=[BUSY_PUBLISHER]),
    ),
    "the publisher never says what became of a post": publisher_with(checks=[IN_PROGRESS] * 35),
}


def deliver(
    scenario: Scenario,
    *crashes: Crash,
    crash_error: str = CALLED_AGAIN,
    request: CreateVideoRequest = REQUEST,
) -> World:
    world = scenario(Effects(*crashes))
    world.deliver(request, crash_error=crash_error)
    return world


def crashes_of(effects_count: int, *, after: int = 0, moments: Iterable[Moment] = Moment) -> Iterator[Crash]:
    """Give every point at which a run can die, once `after` effects are done."""
    return starmap(Crash, product(range(after + 1, effects_count + 1), moments))


def check_the_world(world: World) -> None:
    """See that nothing was paid for or posted twice, and that the record tells what anyone can know."""
    public = world.publisher.count_posts()
    models = [world.model, *world.other_models.values()]
    assert all(len(model.accepted) <= 1 for model in models), "paid twice"
    assert all(count == 1 for count in public.values()), "posted twice"

    try:
        video = world.video
    except NotFound:
        assert (world.workflow.executions, world.model.accepted, public) == ([], [], {}), "done without a record"
        return

    if video.status is VideoStatus.COMPLETED:
        assert video.stage is Stage.DONE
        assert world.media.puts == {a_stored_video().key: 1}
        assert world.media.objects.keys() == {a_stored_video().key}
    else:
        assert video.failure is not None, "left open"
        assert not public, "a failed video was posted"
        traced = [attempt for attempt in video.attempts if attempt.provider_job_id is not None]
        is_unknown = video.failure.code is ErrorCode.SUBMISSION_UNKNOWN
        assert len(traced) + is_unknown >= sum(len(model.accepted) for model in models), "a paid job is denied"

    assert {event.type for event in world.events} == {"video.failed" if video.failure else "video.completed"}
    assert len({event.id for event in world.events}) == 1, "a repetition looks like news"
    assert video.is_told
    check_posts(world)


def check_posts(world: World) -> None:
    """See that the records know what is public, and leave to a person only what cannot be known."""
    public = world.publisher.count_posts()
    for post in world.posts:
        is_public = public[f"{post.video_id}-{post.target.platform}-{post.target.account_id}"] == 1
        assert post.state in SETTLED_STATES, "left open"
        if post.state is PostState.UNKNOWN:
            assert is_public, "what the publisher never took is said to be on its way"
        else:
            assert is_public == (post.state is PostState.PUBLISHED), f"{post.state} is not the truth"
        told = [event for event in world.post_events if event.account_id == post.target.account_id]
        is_in_doubt = post.state in (PostState.PARKED, PostState.UNKNOWN)
        assert {event.type for event in told} == {"post.in_doubt" if is_in_doubt else f"post.{post.state}"}, (
            "no event was sent, or a false one"
        )
        assert len({event.id for event in told}) == 1, "a repetition looks like news"


def check_after(world: World, *crashes: Crash) -> None:
    """Check a world, and say where it broke if it is not in order."""
    try:
        check_the_world(world)
    except AssertionError as error:
        error.add_note(f"after {crashes}: {world.effects.names}")
        raise


PLAN = deliver(SCENARIOS["everything works"]).effects.names


def test_the_plan_takes_every_effect_once() -> None:
    assert PLAN == [
        "create VIDEO",
        "start the execution",
        "write VIDEO submitting",
        "create at the provider",
        "write VIDEO rendering",
        "write VIDEO storing",
        "create RENDERS",
        "store the video",
        "write VIDEO publishing",
        "upload to the publisher",
        "write POST#twitter#101 pending",
        "write POST#twitter#101 calling",
        "publish on twitter#101",
        "write POST#twitter#101 submitted",
        "upload to the publisher",
        "write POST#twitter#102 pending",
        "write POST#twitter#102 calling",
        "publish on twitter#102",
        "write POST#twitter#102 submitted",
        "write POST#twitter#101 published",
        "send post.published",
        "write POST#twitter#101 published",
        "write POST#twitter#102 published",
        "send post.published",
        "write POST#twitter#102 published",
        "write VIDEO done",
        "write VIDEO done",
        "send video.completed",
        "write VIDEO done",
    ]


# What cannot be known after a crash, and what never began. After every other crash all is repaired.
UNKNOWN_SUBMISSION = {
    ("after", "write VIDEO submitting"),
    ("before", "create at the provider"),
    ("after", "create at the provider"),
    ("before", "write VIDEO rendering"),
}
NEVER_STARTED = {("after", "create VIDEO"), ("before", "start the execution")}


def never_sent(account_id: str) -> set[tuple[str, str]]:
    """Give where the process crashes between the intent and the effect: no list can show such a post."""
    return {
        ("after", f"write POST#twitter#{account_id} calling"),
        ("before", f"publish on twitter#{account_id}"),
    }


@pytest.mark.parametrize(
    "crash", list(crashes_of(len(PLAN))), ids=lambda crash: f"{crash.moment} {crash.effect} {PLAN[crash.effect - 1]}"
)
def test_one_crash_costs_only_what_cannot_be_known(crash: Crash) -> None:
    point = (crash.moment.value, PLAN[crash.effect - 1])

    world = deliver(SCENARIOS["everything works"], crash)

    check_the_world(world)
    if point == ("before", "create VIDEO"):
        assert world.table.items == {}
    elif point in NEVER_STARTED:
        assert failure_of(world).code is ErrorCode.INTERNAL_ERROR
        assert world.model.create_calls == 0
    elif point in UNKNOWN_SUBMISSION:
        assert failure_of(world).code is ErrorCode.SUBMISSION_UNKNOWN
        assert {post.state for post in world.posts} == {PostState.FAILED}
    else:
        assert world.video.status is VideoStatus.COMPLETED
        assert {post.target.account_id: post.state for post in world.posts} == {
            account_id: PostState.PARKED if point in never_sent(account_id) else PostState.PUBLISHED
            for account_id in ("101", "102")
        }


@pytest.mark.parametrize("name", SCENARIOS)
def test_one_crash_anywhere_leaves_the_world_in_order(name: str) -> None:
    scenario = SCENARIOS[name]
    for crash in crashes_of(len(deliver(scenario).effects.names)):
        check_after(deliver(scenario, crash, crash_error=CAUGHT), crash)


class SetBack(Effects):
    """With each death the clock is set back by an hour, as on a machine that starts with a wrong one."""

    world: World

    @contextmanager
    def take(self, name: str) -> Iterator[None]:
        try:
            with super().take(name):
                yield
        except SimulatedCrash:
            self.world.clock.now -= timedelta(hours=1)
            raise


@pytest.mark.parametrize("name", ["everything works", "everything stumbles once"])
def test_one_crash_anywhere_and_a_clock_that_is_set_back_leave_the_world_in_order(name: str) -> None:
    for crash in crashes_of(len(deliver(SCENARIOS[name]).effects.names)):
        effects = SetBack(crash)
        effects.world = SCENARIOS[name](effects)
        effects.world.deliver(REQUEST, crash_error=CALLED_AGAIN)
        check_after(effects.world, crash)


# All pairs of all scenarios take minutes: these go wherever the others go, and the second post as the first. Of their
# pairs every third is tried: each point is the first death of some, and the second of others. MEDIAPOSTER_PAIRS=1 tries
# all.
PAIRS = int(os.environ.get("MEDIAPOSTER_PAIRS", "3"))


@pytest.mark.parametrize(
    ("name", "crash_error"),
    [("everything works", CALLED_AGAIN), ("everything stumbles once", CAUGHT)],
)
def test_two_crashes_anywhere_leave_the_world_in_order(name: str, crash_error: str) -> None:
    run = partial(deliver, SCENARIOS[name], crash_error=crash_error, request=ONE_POST)
    # A death before an effect leaves what the one after the effect before leaves, and alone each is tried.
    for first in crashes_of(len(run().effects.names), moments=[Moment.AFTER]):
        # What there is to do after the first crash is found out by running it.
        later = crashes_of(len(run(first).effects.names), after=first.effect, moments=[Moment.AFTER])
        for second in islice(later, first.effect % PAIRS, None, PAIRS):
            check_after(run(first, second), first, second)


def test_a_crash_while_the_next_model_takes_over_does_not_lose_the_video() -> None:
    scenario = SCENARIOS["the first render fails and the next model takes over"]
    names = deliver(scenario).effects.names
    queued = names.index("write VIDEO queued") + 1

    for moment in Moment:
        world = deliver(scenario, Crash(queued, moment), crash_error=CAUGHT)

        check_the_world(world)
        assert (world.video.status, world.video.resolved_model) == (VideoStatus.COMPLETED, "kite-1"), moment


def world_that_dies_before(name: str) -> World:
    """Kill the process before one effect until the machine's patience is at an end."""
    world = World(effects=Effects(never_taken=name))
    world.deliver(REQUEST)
    return world


@pytest.mark.parametrize(
    ("name", "says", "status"),
    [
        (
            "write VIDEO submitting",
            "failed at queued (Runtime.ExitError). Nothing was generated or spent; send the request again.",
            Status.FAILED,
        ),
        ("write VIDEO storing", "The provider's job job-1 may have been paid for", Status.SUCCEEDED),
        ("store the video", "POST /videos/video_1/store downloads it again", Status.FAILED),
    ],
    ids=["a start", "a poll", "a store"],
)
def test_a_step_that_always_dies_closes_the_video_and_says_what_became_of_it(
    name: str, says: str, status: Status
) -> None:
    world = world_that_dies_before(name)

    check_the_world(world)
    assert says in failure_of(world).message
    assert set(world.statuses) == {status}


def test_a_post_that_always_dies_does_not_hold_up_the_other() -> None:
    world = world_that_dies_before("write POST#twitter#101 calling")

    check_the_world(world)
    assert world.video.status is VideoStatus.COMPLETED
    assert [post.state for post in world.posts] == [PostState.FAILED, PostState.PUBLISHED]


def test_a_post_whose_end_cannot_be_written_for_as_long_as_the_machine_asks_is_published_by_the_sweep() -> None:
    world = World(effects=Effects(never_taken="write POST#twitter#101 published", deaths_max=30))
    world.deliver(REQUEST)

    check_the_world(world)
    assert [post.state for post in world.posts] == [PostState.PUBLISHED, PostState.PUBLISHED]


def test_a_crash_of_the_close_is_made_good_and_its_event_sent_again_only_if_that_was_not_written_down() -> None:
    sending = PLAN.index("send video.completed") + 1
    counts = {}
    for effect in (sending, len(PLAN)):
        for moment in Moment:
            world = deliver(SCENARIOS["everything works"], Crash(effect, moment), crash_error=CAUGHT)
            assert world.statuses == [Status.SUCCEEDED]
            counts[PLAN[effect - 1], moment] = len(world.events)

    assert counts == {
        ("send video.completed", Moment.BEFORE): 1,
        ("send video.completed", Moment.AFTER): 2,
        ("write VIDEO done", Moment.BEFORE): 2,
        ("write VIDEO done", Moment.AFTER): 1,
    }


def test_a_close_that_dies_past_the_machines_patience_is_made_good_by_the_rule_behind_it() -> None:
    crashes = [Crash(effect, Moment.BEFORE) for effect in range(len(PLAN), len(PLAN) + 9)]

    world = deliver(SCENARIOS["everything works"], *crashes, crash_error=CAUGHT)

    check_the_world(world)
    assert world.statuses == [Status.FAILED], "no alarm would tell"
