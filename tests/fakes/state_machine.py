"""Walks the shipped definitions on the host's own walker, in the time of a virtual clock.

A test that walks an execution lets the time pass between its waits, so it can let others do something meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Executor, Future
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any

from mediaposter.domain.executions import ExecutionStatus as Status
from mediaposter.host.definition import Definition
from mediaposter.host.expressions import StatesError
from mediaposter.host.loop import Loop, Strand
from mediaposter.host.walker import Perform, Services, WaitWrite, Walk, Walker
from tests.fakes.clock import Clock
from tests.fakes.effects import SimulatedCrash

__all__ = ["Function", "InlineExecutor", "StateMachine", "StatesError", "Status"]

# A Lambda function: the payload in, its JSON answer out. One that takes its time gives a generator of it, which yields
# the seconds that pass; it may raise StatesError itself.
Function = Callable[[dict[str, Any]], Any]
# Gives what is sent with a task token within so many seconds, or None, and yields the seconds that it lets pass.
Await = Callable[[str, float], Generator[float, None, dict[str, Any] | None]]
# Writes a wait down, as `Services.write_wait` does.
WriteWait = Callable[[WaitWrite], bool]
# Reads the items that the Arguments of an ItemReader name.
ReadItems = Callable[[Mapping[str, Any]], list[Any]]

_STATES_MAX = 5_000


class InlineExecutor(Executor):
    """Makes each call at once, on the thread that asks for it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Make a call."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except (Exception, SimulatedCrash) as error:
            future.set_exception(error)
        return future


class _PatientExecutor(InlineExecutor):
    """Lets a call that gives a generator take the time that this yields."""

    def __init__(self) -> None:
        self.slow = 0
        self.loop: Loop

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Make a call."""
        begun = super().submit(fn, *args, **kwargs)
        if begun.exception() is not None or not isinstance(begun.result(), Generator):
            return begun
        self.slow += 1
        future: Future[Any] = Future()
        self._go_on(begun.result(), future)
        return future

    def _go_on(self, answer: Generator[float, None, Any], future: Future[Any]) -> None:
        step = InlineExecutor().submit(lambda: next(answer))
        error = step.exception()
        if error is None:
            self.loop.after(step.result(), partial(self._go_on, answer, future))
            return
        self.slow -= 1
        if isinstance(error, StopIteration):
            future.set_result(error.value)
        else:
            future.set_exception(error)


def _never(task_token: str, seconds: float) -> Generator[float, None, None]:
    """Send nothing."""
    del task_token
    yield seconds


def _refuse(write: WaitWrite) -> bool:
    """Know no table."""
    raise StatesError("DynamoDb.ResourceNotFoundException")


def _read_nothing(arguments: Mapping[str, Any]) -> list[Any]:
    """Know no bucket."""
    raise FileNotFoundError(str(arguments))


class StateMachine:
    """A definition and the functions its tasks name.

    `crash_error` is what the service calls a function that died: `Lambda.ServiceException` is retried by the
    machine, `Runtime.ExitError` is caught.

    Attributes:
        transitions: what Step Functions charges for: the states that were entered, and the retries.
        invocations: how often a function was called.
    """

    def __init__(
        self,
        definition: Path,
        functions: Mapping[str, Function],
        clock: Clock,
        *,
        await_token: Await = _never,
        write_wait: WriteWait = _refuse,
        read_items: ReadItems = _read_nothing,
        crash_error: str = "Runtime.ExitError",
    ) -> None:
        self._clock = clock
        self._await_token = await_token
        self._read_items = read_items
        self._crash_error = crash_error
        self._failed_test: AssertionError | None = None
        self._awaited: dict[str, float] = {}
        self._waits: dict[str, Generator[float, None, dict[str, Any] | None]] = {}
        self._pool = _PatientExecutor()
        self._loop = Loop(clock, self._pool)
        self._pool.loop = self._loop
        loaded = _load(definition)
        numbers = count(1)
        given = dict.fromkeys(loaded.list_functions(), _not_given) | dict(functions)
        self._walker = Walker(
            loaded,
            Services(
                functions={name: partial(self._invoke, function) for name, function in given.items()},
                write_wait=lambda write: self._guard(lambda: write_wait(write)),
                read_object=self._read_object,
            ),
            new_token=lambda: f"token-{next(numbers)}",
            random=lambda: 0.5,  # a run must be the same each time
            on_state=self._see_state,
        )
        self.transitions = 0
        self.invocations = 0

    def run(self, execution_input: dict[str, Any]) -> Status:
        """Carry an execution to its end."""
        walk = self.walk(execution_input)
        while True:
            try:
                seconds = next(walk)
            except StopIteration as end:
                return Status(end.value)
            self._clock.advance(seconds)

    def walk(self, execution_input: dict[str, Any]) -> Generator[float, None, Status]:
        """Carry an execution on from wait to wait: yields how many seconds each of them lasts."""
        ends: list[StatesError | None] = []
        walk = self._watch(self._walker.walk("execution", execution_input))
        Strand(self._loop, walk, lambda _, error: ends.append(error)).begin()
        while True:
            self._loop.run_ready()
            if self._failed_test is not None:
                raise self._failed_test
            if ends:
                return Status.SUCCEEDED if ends[0] is None else Status.FAILED
            waits = [] if self._pool.slow else [self._ask(token) for token in self._loop.list_tokens()]
            if None in waits:
                continue
            timers = [] if self._loop.next_at is None else [(self._loop.next_at - self._clock()).total_seconds()]
            yield max(min([*timers, *(seconds for seconds in waits if seconds is not None)]), 0)

    def _ask(self, token: str) -> float | None:
        """Ask for how long what waits with a token waits on; None if something was sent."""
        if token not in self._waits:
            self._waits[token] = self._await_token(token, self._awaited[token])
        try:
            return next(self._waits[token])
        except StopIteration as end:
            if end.value is None:
                self._waits[token] = _never(token, self._awaited[token])
                return 0.0 if self._loop.next_at is None else (self._loop.next_at - self._clock()).total_seconds()
            self._loop.send(token, end.value)
            return None

    def _watch(self, walk: Walk) -> Walk:
        """Note how long each token is waited with."""
        value, error = None, None
        while True:
            try:
                effect = walk.send(value) if error is None else walk.throw(error)
            except StopIteration as end:
                return end.value
            if isinstance(effect, Perform) and effect.token is not None:
                self._awaited[effect.token] = effect.seconds
            value, error = None, None
            try:
                value = yield effect
            except StatesError as thrown:
                error = thrown

    def _see_state(self, _execution: str, state: str) -> None:
        self.transitions += 1
        if self.transitions > _STATES_MAX:
            raise AssertionError(f"the machine does not end: it is at {state}")

    def _invoke(self, function: Function, payload: dict[str, Any]) -> Any:
        self.invocations += 1
        return self._guard(lambda: function(payload))

    def _guard(self, call: Callable[[], Any]) -> Any:
        """Tell a test's own failures from what the machine is to see."""
        try:
            answer = call()
            return self._guard_each(answer) if isinstance(answer, Generator) else answer
        except SimulatedCrash as crash:
            raise StatesError(self._crash_error) from crash
        except AssertionError as failure:
            self._failed_test = failure
            raise

    def _guard_each(self, answer: Generator[float, None, Any]) -> Generator[float, None, Any]:
        while True:
            try:
                seconds = self._guard(lambda: next(answer))
            except StopIteration as end:
                return end.value
            yield seconds

    def _read_object(self, bucket: str, key: str) -> bytes:
        items = self._guard(lambda: self._read_items({"Bucket": bucket, "Key": key}))
        return "\n".join(json.dumps(item) for item in items).encode()


@cache
def _load(definition: Path) -> Definition:
    return Definition.load(definition.read_text(encoding="utf-8"))


def _not_given(_: Any) -> Any:
    raise AssertionError("the test gives no such function")
