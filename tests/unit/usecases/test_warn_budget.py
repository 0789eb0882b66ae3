"""A limit that is nearly used up is told once, for each limit and period."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mediaposter.events import BudgetEvent, EventNotSent
from mediaposter.stores.budget import STACK_OWNER
from mediaposter.stores.budget_warnings import BudgetWarningStore
from mediaposter.usecases.scheduled.warn_budget import WarnOfBudgets
from mediaposter.wire.caller import Caller
from mediaposter.wire.webhooks import present_event
from tests.builders import OWNER, a_caller, a_request
from tests.fakes.world import World

IDS = tuple(f"video_{number}" for number in range(1, 6))
HOOK = "https://hooks.example/mine"


class Bus:
    """A world whose new videos are announced, and what its bus got."""

    def __init__(self, *, stack_daily_budget_micros: int | None = None) -> None:
        self.world = World(ids=IDS, stack_daily_budget_micros=stack_daily_budget_micros)
        self.events: list[BudgetEvent] = []
        self.reports: list[str] = []
        self.is_down = False
        self._warn = WarnOfBudgets(
            budget=self.world.budget,
            warnings=BudgetWarningStore(self.world.table),
            send_event=self._send,
            report=self.reports.append,
            clock=self.world.clock,
        )

    def _send(self, event: BudgetEvent) -> None:
        if self.is_down:
            raise EventNotSent("The bus is down.")
        self.events.append(event)

    def create(self, caller: Caller, **fields: object) -> str:
        """Record a video of 40 cents, and announce it."""
        video = self.world.submit(a_request(**fields), caller=caller).video
        self.announce(video.id)
        return video.id

    def announce(self, video_id: str) -> None:
        self._warn(self.world.video_store.get_unchecked(video_id))


def test_a_limit_is_told_once_when_four_fifths_are_used() -> None:
    bus = Bus()
    caller = a_caller(daily_budget_micros=1_500_000, webhook_url=HOOK)
    for told in (0, 0, 1):
        video_id = bus.create(caller)
        assert len(bus.events) == told
    bus.announce(video_id)

    [event] = bus.events
    assert (event.owner, event.scope, event.period, event.period_name) == (OWNER, "key", "day", "2026-12-01")
    assert (event.limit_usd, event.used_usd, event.webhook_url) == ("1.5", "1.2", HOOK)
    assert present_event(event).model_dump(exclude={"id", "created_at"}) == {
        "object": "event",
        "type": "budget.warning",
        "data": {
            "scope": "key",
            "period": "day",
            "period_name": "2026-12-01",
            "limit_usd": "1.5",
            "used_usd": "1.2",
            "renews_at": 1796169600,
        },
    }
    [report] = bus.reports
    assert report.startswith(f"Of the limit of the owner {OWNER} for 2026-12-01, $1.5, $1.2 is spent or reserved.")


def test_each_period_and_each_limit_is_told_of_its_own() -> None:
    bus = Bus()
    bus.create(a_caller(daily_budget_micros=500_000, monthly_budget_micros=1_000_000))
    bus.world.clock.advance(timedelta(days=1).total_seconds())
    bus.create(a_caller(daily_budget_micros=500_000, monthly_budget_micros=1_000_000))
    bus.create(a_caller(monthly_budget_micros=1_500_000))

    assert [(event.period_name, event.limit_usd) for event in bus.events] == [
        ("2026-12-01", "0.5"),
        ("2026-12", "1"),
        ("2026-12-02", "0.5"),
        ("2026-12", "1.5"),
    ]
    assert len({event.id for event in bus.events}) == 4


def test_the_stacks_limit_is_told_to_no_receiver_of_a_key() -> None:
    bus = Bus(stack_daily_budget_micros=500_000)
    bus.create(a_caller(webhook_url=HOOK))

    [event] = bus.events
    assert (event.owner, event.scope, event.webhook_url) == (STACK_OWNER, "stack", None)


def test_a_receiver_that_waits_for_one_video_is_not_told_of_limits() -> None:
    bus = Bus()
    bus.create(a_caller(daily_budget_micros=400_000), webhook_url="https://hooks.example/this-video")

    assert [event.webhook_url for event in bus.events] == [None]


def test_an_event_that_the_bus_refused_is_sent_when_the_video_is_announced_again() -> None:
    bus = Bus()
    bus.is_down = True
    with pytest.raises(EventNotSent):
        bus.create(a_caller(daily_budget_micros=400_000))
    bus.is_down = False
    for _ in range(2):
        bus.announce("video_1")

    assert len(bus.events) == 1
