"""The budget of a month stands beside that of the day: one transaction changes both, and neither is overdrawn."""

from __future__ import annotations

import os
from datetime import date, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, invariant, multiple, rule

from mediaposter.domain.errors import BudgetExceeded, VersionConflict
from mediaposter.stores.budget import STACK_OWNER, BudgetFigures, BudgetPeriod, BudgetStore, StackLimits, reserve
from mediaposter.stores.table import Replace
from mediaposter.stores.video_money import list_budgets
from mediaposter.stores.video_record import MonthLimits, Reservation, Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.requests.left_today import find_left_micros
from mediaposter.wire.objects import present_usage
from mediaposter.wire.queries import UsageQuery
from tests.builders import NOW, OWNER, a_caller, a_request, a_video
from tests.fakes.table import InMemoryTable
from tests.fakes.world import World

TODAY = NOW.date()
IDS = ("video_1", "video_2", "video_3")
LIMITED = a_caller(monthly_budget_micros=1_000_000)


def month(world: World, owner: str = OWNER) -> BudgetFigures:
    return world.budget.get(owner, TODAY, BudgetPeriod.MONTH)


def test_what_the_month_has_no_room_for_is_refused_also_on_another_day_of_it() -> None:
    world = World(ids=IDS)
    for _ in range(2):
        world.submit(a_request(), caller=LIMITED)
        world.clock.advance(timedelta(days=9).total_seconds())

    with pytest.raises(BudgetExceeded) as refusal:
        world.submit(a_request(), caller=LIMITED)

    assert str(refusal.value) == (
        "The video may cost $0.4, and of this month's limit of this key ($1) $0.2 is left. Nothing was recorded; it "
        "renews at 2027-01-01T00:00:00Z."
    )
    assert month(world).committed_micros == 800_000


def test_the_next_month_has_its_whole_limit_again() -> None:
    world = World(ids=IDS)
    for _ in range(2):
        world.submit(a_request(), caller=LIMITED)
    world.clock.advance(timedelta(days=31).total_seconds())

    world.submit(a_request(), caller=LIMITED)

    assert world.budget.get(OWNER, date(2027, 1, 1), BudgetPeriod.MONTH).committed_micros == 400_000


def test_a_caller_is_told_of_the_limit_that_renews_last() -> None:
    world = World()
    caller = a_caller(daily_budget_micros=1, monthly_budget_micros=1)

    with pytest.raises(BudgetExceeded, match="this month's limit of this key"):
        world.submit(a_request(), caller=caller)


def test_a_video_that_ends_in_the_next_month_is_settled_in_the_one_that_reserved_it() -> None:
    world = World()
    world.submit(a_request(), caller=LIMITED)
    world.clock.advance(timedelta(days=31).total_seconds())

    world.video_store.settle(world.video, 100_000, now=world.clock())

    assert month(world) == BudgetFigures(committed_micros=100_000, spent_micros=100_000, videos=1)
    assert world.budget.get(OWNER, date(2027, 1, 1), BudgetPeriod.MONTH) == BudgetFigures()


def test_a_record_from_before_the_months_is_settled_on_its_day_alone() -> None:
    world = World()
    world.submit(a_request(), caller=a_caller())
    before = month(world)
    old = world.video.copy_with(month_limits=None, version=world.video.version + 1)
    world.table.commit([Replace(old, world.video.version)])

    world.video_store.settle(world.video, 0, now=NOW)

    assert month(world) == before
    assert world.budget.get(OWNER, TODAY).committed_micros == 0


@pytest.mark.parametrize(
    ("key", "stack", "left"),
    [
        ({}, StackLimits(), None),
        ({"daily_budget_micros": 900_000, "monthly_budget_micros": 700_000}, StackLimits(), 300_000),
        ({"daily_budget_micros": 900_000}, StackLimits(None, 600_000), 200_000),
        ({"monthly_budget_micros": 300_000}, StackLimits(9_000_000, 9_000_000), 0),
    ],
)
def test_what_is_left_is_the_least_that_any_limit_leaves(
    key: dict[str, int], stack: StackLimits, left: int | None
) -> None:
    world = World(stack_monthly_budget_micros=9_000_000)
    world.submit(a_request(), caller=a_caller())

    assert find_left_micros(world.budget, a_caller(**key), stack_limits=stack, today=TODAY) == left


def test_the_usage_shows_the_month_beside_the_day() -> None:
    world = World(ids=IDS, stack_monthly_budget_micros=9_000_000)
    world.submit(a_request(), caller=LIMITED)
    world.clock.advance(timedelta(days=1).total_seconds())
    world.submit(a_request(), caller=LIMITED)

    shown = present_usage(world.read.sum_usage(UsageQuery(), caller=LIMITED))

    assert (shown.videos, shown.promised_usd, shown.limit_usd, shown.stack_limit_usd) == (1, "0.4", None, None)
    assert shown.month.model_dump(mode="json") == {
        "month": "2026-12",
        "spent_usd": "0",
        "promised_usd": "0.8",
        "videos": 2,
        "limit_usd": "1",
        "left_usd": "0.2",
        "stack_limit_usd": "9",
        "stack_left_usd": "8.2",
        "renews_at": "2027-01-01T00:00:00Z",
    }


class Months(RuleBasedStateMachine):
    """Videos of two owners on days of two months, promised, tried again, settled and deleted in any order."""

    videos = Bundle[str]("videos")
    DAYS = (date(2026, 12, 1), date(2026, 12, 31), date(2027, 1, 1))
    OWNERS = ("ann", "bob")
    DAY, MONTH, STACK_DAY, STACK_MONTH = 1_000, 1_300, 1_500, 1_900

    def __init__(self) -> None:
        super().__init__()
        self.table = InMemoryTable()
        self.video_store = VideoStore(self.table)
        self.book = BudgetStore(self.table)
        self.copies: dict[str, Video] = {}

    @rule(target=videos, owner=st.sampled_from(OWNERS), day=st.sampled_from(DAYS), micros=st.integers(0, 600))
    def take(self, owner: str, day: date, micros: int) -> str | MultipleResults[str]:
        reservation = Reservation(
            on=day, micros=micros, limit_micros=self.DAY, of_stack=True, stack_limit_micros=self.STACK_DAY
        )
        video = a_video(
            id=f"video_{len(self.copies)}",
            owner=owner,
            reservation=reservation,
            month_limits=MonthLimits(limit_micros=self.MONTH, stack_limit_micros=self.STACK_MONTH),
        )
        promises = [reserve(limit, day, micros) for limit in list_budgets(video, reservation)]
        has_room = self.has_room(owner, day, micros)
        try:
            self.video_store.create(video, [], conditions=promises)
        except VersionConflict:
            assert not has_room, "refused though there was room"
            return multiple()
        assert has_room
        self.copies[video.id] = video
        return video.id

    def has_room(self, owner: str, day: date, micros: int) -> bool:
        limits = {
            (owner, BudgetPeriod.DAY): self.DAY,
            (owner, BudgetPeriod.MONTH): self.MONTH,
            (STACK_OWNER, BudgetPeriod.DAY): self.STACK_DAY,
            (STACK_OWNER, BudgetPeriod.MONTH): self.STACK_MONTH,
        }
        return all(
            self.book.get(whose, day, period).committed_micros + micros <= limit
            for (whose, period), limit in limits.items()
        )

    @rule(video_id=videos, part=st.floats(0, 1.5), is_stale=st.booleans())
    def settle(self, video_id: str, part: float, is_stale: bool) -> None:
        video = self.copies[video_id] if is_stale else self.video_store.get_unchecked(video_id)
        assert video.reservation is not None
        try:
            # A provider never asks for more here: that is the one way beyond a limit.
            self.video_store.settle(video, int(video.reservation.micros * min(part, 1)), now=NOW)
        except VersionConflict:
            return

    @rule(video_id=videos, micros=st.integers(1, 600))
    def try_again(self, video_id: str, micros: int) -> None:
        video = self.video_store.get_unchecked(video_id)
        assert video.reservation is not None
        day = video.reservation.on
        if video.reservation.settled_micros is not None:
            return
        if video.stage is Stage.SUBMITTING:
            video = self.video_store.advance(video, Stage.QUEUED, now=NOW)
        has_room = self.has_room(video.owner, day, micros)
        try:
            self.video_store.advance(video, Stage.SUBMITTING, now=NOW, more_micros=micros)
        except BudgetExceeded:
            assert not has_room, "refused though there was room"
            return
        assert has_room

    @rule(video_id=consumes(videos), part=st.floats(0, 1))
    def delete(self, video_id: str, part: float) -> None:
        video = self.video_store.get_unchecked(video_id)
        assert video.reservation is not None
        self.video_store.delete(video, int(video.reservation.micros * part), now=NOW)

    @invariant()
    def a_month_is_the_sum_of_its_days(self) -> None:
        for owner in (*self.OWNERS, STACK_OWNER):
            for days in (self.DAYS[:2], self.DAYS[2:]):
                figures = [self.book.get(owner, day) for day in days]
                summed = self.book.get(owner, days[0], BudgetPeriod.MONTH)
                assert summed.committed_micros == sum(day.committed_micros for day in figures)
                assert summed.spent_micros == sum(day.spent_micros for day in figures)
                assert summed.videos == sum(day.videos for day in figures)

    @invariant()
    def no_limit_is_overdrawn(self) -> None:
        for day in self.DAYS:
            for owner in self.OWNERS:
                assert 0 <= self.book.get(owner, day).committed_micros <= self.DAY
                assert 0 <= self.book.get(owner, day, BudgetPeriod.MONTH).committed_micros <= self.MONTH
            assert self.book.get(STACK_OWNER, day).committed_micros <= self.STACK_DAY
            assert self.book.get(STACK_OWNER, day, BudgetPeriod.MONTH).committed_micros <= self.STACK_MONTH


Months.TestCase.settings = settings(
    max_examples=int(os.environ.get("MEDIAPOSTER_EXAMPLES", "60")), stateful_step_count=20, deadline=None
)
TestMonths = Months.TestCase
