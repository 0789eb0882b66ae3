"""Waits end in their time though the clock of the machine is set back."""

from __future__ import annotations

from datetime import timedelta

from mediaposter.host.loop import Loop
from mediaposter.host.steady_clock import SteadyClock
from tests.fakes.clock import Clock
from tests.fakes.state_machine import InlineExecutor


def test_a_wait_goes_on_where_the_clock_is_set_back_by_an_hour() -> None:
    clock = Clock()
    loop = Loop(SteadyClock(clock), InlineExecutor())
    rung: list[str] = []
    loop.after(10, lambda: rung.append("bell"))

    clock.advance(4)
    loop.run_ready()
    clock.now -= timedelta(hours=1)
    loop.run_ready()
    clock.advance(5)
    loop.run_ready()
    assert rung == []
    clock.advance(1)
    loop.run_ready()

    assert rung == ["bell"]


def test_a_sleep_ends_a_wait_on_waking() -> None:
    clock = Clock()
    loop = Loop(SteadyClock(clock), InlineExecutor())
    rung: list[str] = []
    loop.after(10, lambda: rung.append("bell"))

    clock.advance(3_600)
    loop.run_ready()

    assert rung == ["bell"]
