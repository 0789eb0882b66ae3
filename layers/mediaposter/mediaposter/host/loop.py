"""Runs walks: one thread, one heap of timers, and a pool that makes their calls.

A waiting walk needs a timer and no thread. Everything happens on the thread that calls `run` or `run_ready`; other
threads reach the loop only by `post`.
"""

from __future__ import annotations

import heapq
import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from mediaposter.host.expressions import StatesError
from mediaposter.host.walker import Branch, Effect, Perform, Sleep, Walk

logger = logging.getLogger(__name__)

# After the computer slept, the time is later than the one that the loop read last.
_LOOKS_EVERY_SECONDS = 15.0
# What is left of timers that were cancelled is cleared away beyond so many.
_CANCELLED_MAX = 1_000


class Timer:
    """A call at a given time, unless it is cancelled."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call


class Loop:
    """Timers, what was posted, and the pool.

    Args:
        clock: the time, with its zone.
        pool: makes the calls of walks; it bounds how many at once.
        wait_scale: what a second of a machine's waits takes, for tests.
    """

    def __init__(self, clock: Callable[[], datetime], pool: Executor, *, wait_scale: float = 1.0) -> None:
        self.clock = clock
        self.wait_scale = wait_scale
        self.pool = pool
        self._timers: list[tuple[datetime, int, Timer]] = []
        self._numbers = count()
        self._cancelled = 0
        self._posted: deque[Callable[[], object]] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._waiting: dict[str, Callable[[Any], object]] = {}

    @property
    def next_at(self) -> datetime | None:
        """Tell when the next timer is due; None if there is none."""
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
            self._cancelled -= 1
        return self._timers[0][0] if self._timers else None

    @property
    def timers_count(self) -> int:
        """Tell how many timers are set."""
        return len(self._timers) - self._cancelled

    def post(self, call: Callable[[], object]) -> None:
        """Let the loop's thread make a call soon. From any thread."""
        with self._changed:
            self._posted.append(call)
            self._changed.notify()

    def after(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Set a timer; those of one moment happen in the order in which they were set."""
        timer = Timer(call)
        heapq.heappush(self._timers, (self.clock() + timedelta(seconds=seconds), next(self._numbers), timer))
        return timer

    def cancel(self, timer: Timer) -> None:
        """Cancel a timer."""
        if timer.call is None:
            return
        timer.call = None
        self._cancelled += 1
        if self._cancelled > max(_CANCELLED_MAX, len(self._timers) // 2):
            self._timers = [entry for entry in self._timers if entry[2].call is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def run_ready(self) -> None:
        """Make all posted calls, then run due timers, until none is left."""
        while True:
            while self._posted:
                self._posted.popleft()()
            next_at = self.next_at
            if next_at is None or next_at > self.clock():
                return
            call, self._timers[0][2].call = self._timers[0][2].call, None
            heapq.heappop(self._timers)
            if call is not None:
                call()

    def run(self) -> None:
        """Run calls and timers, and wait for more, until `stop`."""
        while not self._is_stopping:
            try:
                self.run_ready()
            except Exception:
                logger.exception("Something that the loop was to do broke down; it goes on with the rest")
            with self._changed:
                if not self._posted and not self._is_stopping:
                    self._changed.wait(self._find_pause())

    def stop(self) -> None:
        """Let `run` return. From any thread. Waiting walks stay as they are."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()

    def _find_pause(self) -> float:
        next_at = self.next_at
        if next_at is None:
            return _LOOKS_EVERY_SECONDS
        return min(max((next_at - self.clock()).total_seconds(), 0), _LOOKS_EVERY_SECONDS)

    # What waits with a task token

    def listen(self, token: str, hear: Callable[[Any], object]) -> None:
        """Call `hear` with what is sent with a token, until the token is forgotten."""
        self._waiting[token] = hear

    def forget(self, token: str) -> None:
        """Ignore from now on what is sent with a token."""
        self._waiting.pop(token, None)

    def send(self, token: str, answer: Any) -> None:
        """Send an answer with a token; it is dropped if no walk waits with it. From any thread."""
        self.post(lambda: self._waiting.get(token, lambda _: None)(answer))

    def list_tokens(self) -> list[str]:
        """List the tokens that something waits with."""
        return list(self._waiting)


class Strand:
    """One walk as it is carried on. It waits for one thing at a time.

    Args:
        loop: carries it on.
        walk: the walk.
        on_end: called with its output, or with its error; not if it was cancelled.
    """

    def __init__(self, loop: Loop, walk: Walk, on_end: Callable[[Any, StatesError | None], object]) -> None:
        self._loop = loop
        self._walk = walk
        self._on_end = on_end
        # What comes of anything but its latest wait is nothing to it.
        self._wait = 0
        self._timer: Timer | None = None
        self._token: str | None = None
        self._call: Future[Any] | None = None
        self._inner: dict[int, Strand] = {}

    def begin(self) -> None:
        """Start the walk."""
        self._resume(self._wait)

    def cancel(self) -> None:
        """Stop the walk. A running call finishes, and its result is dropped."""
        self._release()
        self._wait = -1
        self._walk.close()

    def _resume(self, wait: int, value: Any = None, error: StatesError | None = None) -> None:
        self._loop.post(partial(self._resume_task, wait, value, error))

    def _resume_task(self, wait: int, value: Any = None, error: StatesError | None = None) -> None:
        if wait != self._wait:
            return
        self._release()
        self._wait += 1
        try:
            effect = self._walk.send(value) if error is None else self._walk.throw(error)
        except StopIteration as end:
            self._on_end(end.value, None)
        except StatesError as fault:
            self._on_end(None, fault)
        except Exception as fault:
            logger.exception("A walk broke down, which is a fault of the host")
            self._on_end(None, StatesError("States.Runtime", f"{type(fault).__name__}: {fault}"))
        else:
            self._wait_for(effect)

    def _release(self) -> None:
        """Wait no more for what it waited for."""
        if self._timer is not None:
            self._loop.cancel(self._timer)
        if self._token is not None:
            self._loop.forget(self._token)
        if self._call is not None:
            self._call.cancel()  # where it waits for a thread yet
        for strand in self._inner.values():
            strand.cancel()
        self._timer = self._token = self._call = None
        self._inner = {}

    def _wait_for(self, effect: Effect) -> None:
        if isinstance(effect, Sleep):
            self._timer = self._loop.after(
                effect.seconds * self._loop.wait_scale, partial(self._resume_task, self._wait)
            )
        elif isinstance(effect, Perform):
            self._perform(effect)
        else:
            self._split(effect)

    def _perform(self, effect: Perform) -> None:
        wait = self._wait

        def make() -> Any:
            self._loop.post(begun)
            return effect.call()

        def begun() -> None:
            if wait == self._wait and effect.seconds != math.inf:
                late = StatesError("States.Timeout", f"It took more than {effect.seconds:g} seconds.")
                self._timer = self._loop.after(effect.seconds, partial(self._resume_task, wait, None, late))

        def ended(call: Future[Any]) -> None:
            if call.cancelled():
                return
            error = call.exception()
            if error is not None:
                self._resume(wait, error=_name_fault(error))
            elif effect.token is None:
                self._resume(wait, call.result())

        if effect.token is not None:
            # Before the call is made: the answer may come before the call has returned.
            self._token = effect.token
            self._loop.listen(effect.token, partial(self._resume_task, wait))
        call = self._loop.pool.submit(make)
        if wait == self._wait:
            self._call = call
        call.add_done_callback(ended)

    def _split(self, effect: Branch) -> None:
        wait = self._wait
        left = deque(enumerate(effect.walks))
        results: dict[int, Any] = {}
        failures = 0

        def begin_some() -> None:
            while left and (effect.at_once == 0 or len(self._inner) < effect.at_once):
                number, walk = left.popleft()
                self._inner[number] = Strand(self._loop, walk, partial(ended, number))
                self._inner[number].begin()
            if not self._inner:
                self._resume(wait, [results[number] for number in sorted(results)])

        def ended(number: int, value: Any, error: StatesError | None) -> None:
            nonlocal failures
            del self._inner[number]
            if error is None:
                results[number] = value
            else:
                failures += 1
                if failures > effect.failures_max:
                    return self._resume_task(wait, None, error)
            return begin_some()

        begin_some()


def _name_fault(error: BaseException) -> StatesError:
    """Name an exception of a call as Lambda does: by its class."""
    if isinstance(error, StatesError):
        return error
    if not isinstance(error, Exception):
        return StatesError("Runtime.ExitError", f"{type(error).__name__}: {error}")
    return StatesError(type(error).__name__, str(error))
