"""`mediaposter usage`: the day and the month, with what their limits leave."""

from __future__ import annotations

from typing import Any

from tests.unit.cli.fake_api import FakeApi, reply
from tests.unit.cli.stack import Run

DAY: dict[str, Any] = {
    "object": "usage",
    "today": "2026-12-01",
    "spent_usd": "0.04",
    "promised_usd": "0",
    "videos": 1,
    "limit_usd": None,
    "stack_limit_usd": None,
    "days": [],
}
MONTH: dict[str, Any] = {
    "month": "2026-12",
    "spent_usd": "1.2",
    "promised_usd": "0",
    "videos": 30,
    "limit_usd": "20",
    "left_usd": "18.8",
    "stack_limit_usd": "90",
    "stack_left_usd": "41",
    "renews_at": "2027-01-01T00:00:00Z",
}


def test_what_each_limit_leaves_is_told_with_its_period(ask: Run, api: FakeApi) -> None:
    api.on("GET", "/usage", reply({**DAY, "month": MONTH}))

    assert ask("usage").out == (
        "Today (2026-12-01, UTC): 1 video, $0.04 spent.\n"
        "This month (2026-12, UTC): 30 videos, $1.2 spent, of $20; $18.8 is left until 2027-01-01T00:00:00Z; all keys "
        "together have $41 left of $90.\n"
    )


def test_a_stack_from_before_months_tells_of_the_day(ask: Run, api: FakeApi) -> None:
    api.on("GET", "/usage", reply(DAY))

    assert ask("usage").out == "Today (2026-12-01, UTC): 1 video, $0.04 spent.\n"
