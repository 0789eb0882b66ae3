"""A call that is made again and again, each time so many seconds after it ended."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from mediaposter.host.loop import Loop
from mediaposter.host.repeat import Repeater
from tests.fakes.clock import Clock
from tests.fakes.state_machine import InlineExecutor


class HeldExecutor(Executor):
    """Makes a call when the test lets it."""

    def __init__(self) -> None:
        self.held: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.held.append(lambda: fn(*args, **kwargs))
        return Future()


class Clockwork:
    """A repeated call on a virtual clock.

    Attributes:
        calls: at which second each was made.
        answers: what the next calls give; None is the usual pause.
    """

    def __init__(self, pool: Executor | None = None, *answers: float | Exception | None) -> None:
        self.calls: list[float] = []
        self.answers = list(answers)
        self._clock = Clock()
        self._began = self._clock.monotonic()
        self._loop = Loop(self._clock, pool or InlineExecutor())
        self.repeater = Repeater(self._loop, "the test", self._call, every_seconds=10)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self._loop.run_ready()
            self._clock.advance(1)
        self._loop.run_ready()

    def _call(self) -> float | None:
        self.calls.append(self._clock.monotonic() - self._began)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_call_is_made_at_once_and_then_in_its_time() -> None:
    clockwork = Clockwork()
    clockwork.repeater.start()

    clockwork.pass_time(25)

    assert clockwork.calls == [0, 10, 20]


def test_the_first_call_can_wait() -> None:
    clockwork = Clockwork()
    clockwork.repeater.start(3)

    clockwork.pass_time(5)

    assert clockwork.calls == [3]


def test_a_call_says_when_the_next_one_is_to_be() -> None:
    clockwork = Clockwork(None, 3, 0, None)
    clockwork.repeater.start()

    clockwork.pass_time(10)

    assert clockwork.calls == [0, 3, 3]


def test_a_call_that_fails_is_repeated_in_its_time() -> None:
    clockwork = Clockwork(None, OSError("the disk is full"))
    clockwork.repeater.start()

    clockwork.pass_time(15)

    assert clockwork.calls == [0, 10]


def test_a_call_that_is_hastened_is_made_at_once_and_its_pause_begins_anew() -> None:
    clockwork = Clockwork()
    clockwork.repeater.start()
    clockwork.pass_time(4)

    clockwork.repeater.hasten()
    clockwork.pass_time(12)

    assert clockwork.calls == [0, 4, 14]


def test_a_call_that_is_hastened_while_it_is_made_is_made_once_more_and_never_twice_at_once() -> None:
    pool = HeldExecutor()
    clockwork = Clockwork(pool)
    clockwork.repeater.start()
    clockwork.pass_time(1)
    for _ in range(3):
        clockwork.repeater.hasten()
    clockwork.pass_time(20)
    assert len(pool.held) == 1, "it is still being made"

    pool.held[0]()
    clockwork.pass_time(5)

    assert len(pool.held) == 2
    pool.held[1]()
    clockwork.pass_time(9)
    assert len(pool.held) == 2
