"""Promises of money, and the one time each is kept or taken back."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, invariant, multiple, rule

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import (
    BudgetExceeded,
    ErrorCode,
    IdempotencyKeyReused,
    NotFound,
    NotStarted,
    RateExceeded,
    VersionConflict,
    VideoDeleted,
)
from mediaposter.stores.budget import STACK_OWNER, BudgetFigures, BudgetPeriod, BudgetStore, Limit, reserve
from mediaposter.stores.video_money import count_spent_micros
from mediaposter.stores.video_record import Attempt, Reservation, Video, VideoFailure
from mediaposter.stores.video_stages import STARTED_WITHIN, Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.steps import CloseInput, StepInput
from mediaposter.wire.request_context import RequestContext
from tests.builders import NOW, OWNER, VIDEO_ID, a_caller, a_job, a_request, a_video, an_attempt
from tests.fakes.answers import Drop
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.state_machine import Status
from tests.fakes.table import InMemoryTable
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.workflow import FakeWorkflow
from tests.fakes.world import World
from tests.unit.usecases.failing import failure_of

TODAY = NOW.date()
LIMITED = a_caller(daily_budget_micros=1_000_000)
IDS = ("video_1", "video_2", "video_3")


def day(world: World, owner: str = OWNER) -> BudgetFigures:
    return world.budget.get(owner, TODAY)


def order(world: World, retry_count: int | None = None, *, key: str | None = "order 1") -> str:
    """Send the request under its key, or as a try of the SDK, and give the id of its video."""
    context = RequestContext(key, retry_count)
    return world.submit(a_request(), caller=a_caller(), request_context=context).video.id


def test_a_request_promises_its_estimate_with_its_record() -> None:
    world = World()
    world.submit(a_request(), caller=LIMITED)

    assert day(world) == BudgetFigures(committed_micros=400_000, spent_micros=0, videos=1)
    assert world.video.reservation == Reservation(on=TODAY, micros=400_000, limit_micros=1_000_000)
    assert world.effects.names == ["create VIDEO", "start the execution"], "one transaction"


def test_a_chain_promises_what_its_dearest_model_would_cost() -> None:
    world = World()
    world.submit(a_request(fallback_models=["kite-1", "glider-1"]), caller=LIMITED)

    assert day(world).committed_micros == 1_000_000


def test_what_the_day_has_no_room_for_is_refused_with_what_is_left_and_not_recorded() -> None:
    world = World(ids=IDS)
    for _ in range(2):
        world.submit(a_request(), caller=LIMITED)

    with pytest.raises(BudgetExceeded) as refusal:
        world.submit(a_request(), caller=LIMITED)

    assert str(refusal.value) == (
        "The video may cost $0.4, and of today's limit of this key ($1) $0.2 is left. Nothing was recorded; it "
        "renews at 2026-12-02T00:00:00Z."
    )
    assert day(world).committed_micros == 800_000
    with pytest.raises(NotFound):
        world.video_store.get_unchecked("video_3")
    assert world.workflow.executions == ["video_1", "video_2"]


@pytest.mark.parametrize(
    ("period", "limit", "named"),
    [
        (BudgetPeriod.DAY, {"stack_daily_budget_micros": 1_000_000}, "today's"),
        (BudgetPeriod.MONTH, {"stack_monthly_budget_micros": 1_000_000}, "this month's"),
    ],
    ids=["day", "month"],
)
def test_the_stacks_limit_holds_for_all_keys_together(period: BudgetPeriod, limit: dict[str, Any], named: str) -> None:
    world = World(ids=IDS, **limit)
    world.submit(a_request(), caller=a_caller(owner="ann"))
    world.submit(a_request(), caller=a_caller(owner="bob"))

    with pytest.raises(BudgetExceeded, match=f"{named} limit of this stack"):
        world.submit(a_request(), caller=a_caller(owner="cleo"))

    assert world.budget.get(STACK_OWNER, TODAY, period).committed_micros == 800_000
    assert world.budget.get("cleo", TODAY, period) == BudgetFigures()


def test_a_finished_video_is_settled_by_what_it_cost() -> None:
    world = World(stack_daily_budget_micros=9_000_000)
    world.deliver(a_request())

    assert day(world) == BudgetFigures(committed_micros=800_000, spent_micros=800_000, videos=1)
    assert day(world, STACK_OWNER) == day(world)
    [usage] = world.budget.list_usage(OWNER, since=TODAY, until=TODAY)
    assert (usage.day, usage.model, usage.videos, usage.spent_micros) == (TODAY, "sora-2", 1, 800_000)


@pytest.mark.parametrize(
    ("attempts", "stage", "micros"),
    [
        ((), Stage.QUEUED, 0),
        ((an_attempt(),), Stage.QUEUED, 0),
        ((an_attempt(),), Stage.SUBMITTING, 400_000),
        ((an_attempt(provider_job_id="job-1"),), Stage.RENDERING, 400_000),
        ((an_attempt(provider_job_id="job-1", cost_micros=7),), Stage.DONE, 7),
        (
            (an_attempt(cost_micros=0, failure=VideoFailure(code=ErrorCode.RATE_LIMITED, message="-")),),
            Stage.SUBMITTING,
            0,
        ),
    ],
)
def test_an_unreported_cost_is_counted_as_its_estimate_where_it_may_be_charged(
    attempts: tuple[Attempt, ...], stage: Stage, micros: int
) -> None:
    assert count_spent_micros(a_video(attempts=attempts, stage=stage)) == micros


@pytest.mark.parametrize("code", ErrorCode)
def test_a_failed_render_without_a_reported_cost_counts_only_where_it_may_go_on(code: ErrorCode) -> None:
    attempt = an_attempt(provider_job_id="job-1", failure=VideoFailure(code=code, message="-"))

    counts = count_spent_micros(a_video(attempts=(attempt,), stage=Stage.RENDERING))

    may_go_on = code in (ErrorCode.SUBMISSION_UNKNOWN, ErrorCode.TIMEOUT, ErrorCode.EXPIRED)
    assert counts == (400_000 if may_go_on else 0)


def test_a_video_that_was_not_started_gives_its_promise_and_its_key_back() -> None:
    world = World(workflow=partial(FakeWorkflow, refuses=True), ids=IDS)
    with pytest.raises(NotStarted):
        order(world)
    world.workflow.refuses = False

    assert order(world) == "video_2"
    assert day(world).committed_micros == 400_000


# The same request, sent again


def test_the_same_key_and_request_is_the_same_video_for_a_day() -> None:
    world = World(ids=IDS)
    order(world)
    world.clock.advance(timedelta(hours=23).total_seconds())

    assert order(world) == "video_1"
    assert day(world).committed_micros == 400_000
    assert world.workflow.executions == ["video_1"]


def test_the_same_key_for_another_request_is_refused_and_not_recorded() -> None:
    world = World(ids=IDS)
    order(world)

    with pytest.raises(IdempotencyKeyReused):
        world.submit(a_request(prompt="Another kite"), caller=LIMITED, request_context=RequestContext("order 1"))

    assert world.workflow.executions == ["video_1"]


@pytest.mark.parametrize("key", ["order 1", None], ids=["by its key", "as the SDK's next try"])
def test_a_repeated_request_whose_video_was_deleted_is_told_so_and_makes_none(key: str | None) -> None:
    world = World(ids=IDS)
    order(world, 0, key=key)
    world.delete("video_1", caller=a_caller())

    with pytest.raises(VideoDeleted, match="became the video video_1, which was deleted since"):
        order(world, None if key else 1, key=key)

    assert world.workflow.executions == ["video_1"]
    assert day(world).committed_micros == 0


@pytest.mark.parametrize(
    ("tries", "videos"),
    [((None, 0, 0), IDS), ((0, 1, 2), ("video_1",) * 3), ((1, 2), ("video_1",) * 2)],
    ids=["first tries are new videos", "an answer was lost", "the first never came"],
)
def test_without_a_key_only_a_further_try_of_the_sdk_is_the_same_video(
    tries: tuple[int | None, ...], videos: tuple[str, ...]
) -> None:
    world = World(ids=IDS)

    assert tuple(order(world, retry_count, key=None) for retry_count in tries) == videos


def died_before_its_start() -> World:
    """Build a world where a request was recorded under its key, and the process died before it started anything."""
    world = World(effects=Effects(Crash(2, Moment.BEFORE)), ids=IDS)
    with pytest.raises(SimulatedCrash, match="start the execution"):
        order(world)
    return world


def test_a_try_that_the_sweep_said_was_never_started_is_taken_as_new_under_its_key() -> None:
    world = died_before_its_start()
    world.clock.advance(STARTED_WITHIN.total_seconds() + 1)
    world.sweep()
    assert world.video_store.get_unchecked("video_1").failure is not None

    assert order(world) == "video_2"
    assert world.workflow.executions == ["video_2"]
    assert day(world).committed_micros == 400_000


def test_an_acknowledged_try_that_could_not_be_started_is_taken_as_new_under_its_key() -> None:
    world = died_before_its_start()
    world.effects.crash_never()
    # A repeat was about to be answered, and its answer was lost.
    tried = world.video_store.note(world.video_store.get_unchecked("video_1"), now=world.clock(), is_accepted=True)
    failure = VideoFailure(code=ErrorCode.INTERNAL_ERROR, message="Not started; send the request again.")
    world.video_store.settle(world.video_store.fail(tried, failure, now=world.clock()), 0, now=world.clock())

    assert order(world) == "video_2"


def test_a_try_that_failed_after_its_start_stays_the_answer_under_its_key() -> None:
    world = World(ids=IDS)
    order(world)
    world.start(StepInput(video_id="video_1"))
    world.clock.advance(timedelta(hours=20).total_seconds())
    failure = VideoFailure(code=ErrorCode.INTERNAL_ERROR, message="It broke off.")
    world.video_store.fail(world.video_store.get_unchecked("video_1"), failure, now=world.clock())

    assert order(world) == "video_1"


def test_a_video_that_a_repeated_request_was_answered_with_is_started_and_not_failed_by_the_sweep() -> None:
    world = died_before_its_start()
    world.effects.crash_at(3, Moment.BEFORE)
    with pytest.raises(SimulatedCrash, match="start the execution"):
        order(world)
    world.effects.crash_never()
    world.clock.advance(STARTED_WITHIN.total_seconds() + 1)

    world.sweep()

    assert (world.workflow.executions, world.video_store.get_unchecked("video_1").failure) == (["video_1"], None)


# What a key may do


def test_a_key_creates_only_so_many_videos_a_minute() -> None:
    world = World(ids=(*IDS, "video_4"))
    caller = a_caller(rate_per_minute=2)
    for _ in range(2):
        world.submit(a_request(), caller=caller)

    with pytest.raises(RateExceeded, match="2 videos a minute"):
        world.submit(a_request(), caller=caller)
    world.clock.advance(60)

    assert world.submit(a_request(), caller=caller).video.id == "video_4"


# More than one try


def lost_twice(**limits: int) -> World:
    """Build a world where two submissions of one video were lost, which their owner asked to send again."""
    stack_limit = limits.pop("stack", None)
    world = World(
        model=partial(FakeVideoModel, creates=[Drop(is_accepted=True)] * 2), stack_daily_budget_micros=stack_limit
    )
    world.submit(a_request(resubmit=True), caller=a_caller(**limits))
    for _ in range(3):
        world.start(StepInput(video_id=VIDEO_ID))
    return world


@pytest.mark.parametrize(
    "limits",
    [{"daily_budget_micros": 1_000_000}, {"monthly_budget_micros": 1_000_000}, {"stack": 1_000_000}],
    ids=["key", "month", "stack"],
)
def test_a_lost_submission_is_sent_again_only_while_the_limit_has_room_for_both(limits: dict[str, int]) -> None:
    world = lost_twice(**limits)

    failure = failure_of(world)
    assert (failure.code, world.model.create_calls) == (ErrorCode.BUDGET_EXCEEDED, 2)
    assert "may cost $0.4." in failure.message
    assert day(world).committed_micros == 800_000
    world.close(CloseInput(video_id=VIDEO_ID))
    assert day(world) == BudgetFigures(committed_micros=800_000, spent_micros=800_000, videos=1)


def charged_and_fallen_back(limit_micros: int) -> World:
    """Build a world whose first model charged for a render that it failed, and the dearer one is to take over."""
    failed = a_job(VideoStatus.FAILED, error_code=ErrorCode.PROVIDER_ERROR, cost_micros=300_000)
    world = World(model=partial(FakeVideoModel, polls=[failed]), other_models={"kite-1": FakeVideoModel})
    world.deliver(a_request(fallback_models=["kite-1"]), caller=a_caller(daily_budget_micros=limit_micros))
    return world


def test_what_a_failed_render_was_charged_leaves_the_next_model_less_room() -> None:
    world = charged_and_fallen_back(1_299_999)

    assert failure_of(world).code is ErrorCode.BUDGET_EXCEEDED
    assert world.other_models["kite-1"].create_calls == 0
    assert day(world) == BudgetFigures(committed_micros=300_000, spent_micros=300_000, videos=1)


def test_each_model_is_booked_what_it_was_paid_and_the_video_costs_the_sum() -> None:
    world = charged_and_fallen_back(1_300_000)

    assert (world.video.status, world.video.cost_micros) == (VideoStatus.COMPLETED, 1_100_000)
    assert world.statuses == [Status.SUCCEEDED]
    usage = world.budget.list_usage(OWNER, since=TODAY, until=TODAY)
    assert [(row.model, row.videos, row.spent_micros) for row in usage] == [
        ("kite-1", 1, 800_000),
        ("sora-2", 0, 300_000),
    ]
    assert day(world).spent_micros == 1_100_000


class Money(RuleBasedStateMachine):
    """Videos of any price, promised, settled once or many times over, deleted, by stale and fresh copies."""

    videos = Bundle[str]("videos")
    LIMIT = 1_000

    def __init__(self) -> None:
        super().__init__()
        self.table = InMemoryTable()
        self.video_store = VideoStore(self.table)
        self.book = BudgetStore(self.table)
        self.live: dict[str, int] = {}  # what each unsettled video was promised
        self.spent = 0
        self.copies: dict[str, Video] = {}
        self.count = 0

    @rule(target=videos, micros=st.integers(0, 600))
    def take(self, micros: int) -> str | MultipleResults[str]:
        self.count += 1
        reservation = Reservation(on=TODAY, micros=micros, limit_micros=self.LIMIT)
        video = a_video(id=f"video_{self.count}", reservation=reservation)
        promise = reserve(Limit(OWNER, self.LIMIT), TODAY, micros)
        try:
            self.video_store.create(video, [], conditions=[promise])
        except VersionConflict:
            assert self.spent + sum(self.live.values()) + micros > self.LIMIT, "refused though there was room"
            return multiple()
        self.live[video.id] = micros
        self.copies[video.id] = video
        return video.id

    @rule(video_id=videos, part=st.floats(0, 1), is_stale=st.booleans())
    def settle(self, video_id: str, part: float, is_stale: bool) -> None:
        video = self.copies[video_id] if is_stale else self.video_store.get_unchecked(video_id)
        spent = int((video.reservation.micros if video.reservation else 0) * part)
        try:
            settled = self.video_store.settle(video, spent, now=NOW)
        except VersionConflict:
            return
        if settled is not video:
            assert video_id in self.live, "settled twice"
            self.live.pop(video_id)
            self.spent += spent

    @rule(video_id=videos, micros=st.integers(1, 600))
    def try_again(self, video_id: str, micros: int) -> None:
        video = self.video_store.get_unchecked(video_id)
        if video_id not in self.live:
            return
        if video.stage is Stage.SUBMITTING:
            video = self.video_store.advance(video, Stage.QUEUED, now=NOW)
        try:
            self.video_store.advance(video, Stage.SUBMITTING, now=NOW, more_micros=micros)
        except BudgetExceeded:
            assert self.spent + sum(self.live.values()) + micros > self.LIMIT, "refused though there was room"
            return
        self.live[video_id] += micros

    @rule(video_id=consumes(videos), part=st.floats(0, 1))
    def delete(self, video_id: str, part: float) -> None:
        video = self.video_store.get_unchecked(video_id)
        spent = int((video.reservation.micros if video.reservation else 0) * part)
        self.video_store.delete(video, spent, now=NOW)
        if video_id in self.live:
            self.live.pop(video_id)
            self.spent += spent

    @invariant()
    def what_is_committed_is_what_was_spent_and_what_lives(self) -> None:
        kept = self.book.get(OWNER, TODAY)
        assert (kept.committed_micros, kept.spent_micros) == (self.spent + sum(self.live.values()), self.spent)
        assert kept.committed_micros <= self.LIMIT
        assert sum(usage.spent_micros for usage in self.book.list_usage(OWNER, since=TODAY, until=TODAY)) == self.spent


Money.TestCase.settings = settings(
    max_examples=int(os.environ.get("MEDIAPOSTER_EXAMPLES", "100")), stateful_step_count=20, deadline=None
)
TestMoney = Money.TestCase
