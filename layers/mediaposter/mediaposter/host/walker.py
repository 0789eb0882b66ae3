"""Walks a definition: the order of states, their inputs and outputs, and the handling of their errors.

A walk is a generator. It yields what it waits for, and is sent what came of that, or is thrown a StatesError: it knows
no thread and no clock. `mediaposter.host.loop` carries it on. Sources: states-language.net/spec.html; Step Functions
developer guide, "Handling errors in Step Functions workflows" and "Passing data between states with variables".
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from random import random as draw
from typing import Any, NamedTuple

from mediaposter.host.definition import (
    Catcher,
    Choice,
    Definition,
    Fail,
    Map,
    Pass,
    Refused,
    Resource,
    Retrier,
    Rule,
    Scope,
    State,
    Succeed,
    Task,
    Wait,
)
from mediaposter.host.expressions import StatesError, evaluate, read_json, write_json

# The payload in, its JSON answer out.
Function = Callable[[Any], Any]

# What no Catch and no Retry sees (developer guide, "Handling errors": States.ALL, States.Runtime).
_TERMINAL = frozenset({"States.Runtime", "States.DataLimitExceeded"})


@dataclass(frozen=True)
class Sleep:
    """Wait for a number of seconds."""

    seconds: float


@dataclass(frozen=True)
class Perform:
    """Make a call, which may take at most so many seconds; give what it returns.

    With a token, the call only begins something: what is sent with the token is the answer, however early it comes.
    Seconds count from when the call begins, not while it waits for a thread.
    """

    call: Callable[[], Any]
    seconds: float = math.inf
    token: str | None = None


@dataclass(frozen=True)
class Branch:
    """Walk several ways, some at once; give what each that ended well gives, in their order.

    One failure more than `failures_max` ends all of them, and is thrown. `at_once` 0 is all.
    """

    walks: list[Walk]
    at_once: int
    failures_max: int = 0


Effect = Sleep | Perform | Branch
Walk = Generator[Effect, Any, Any]


class WaitWrite(NamedTuple):
    """What a state writes before it waits for a job's webhook."""

    pk: str
    sk: str
    task_token: str
    ttl: int


class Services(NamedTuple):
    """What the states of a machine reach.

    Attributes:
        functions: what each `FunctionName` of the definition calls.
        write_wait: writes down a wait as a DynamoDB table does, adding one to its version; False, and nothing is
            written, if the item has a `hinted_at`.
        read_object: gives what lies in a bucket under a key.
    """

    functions: Mapping[str, Function]
    write_wait: Callable[[WaitWrite], bool]
    read_object: Callable[[str, str], bytes]


class Walker:
    """Walks one machine. It may walk any number of executions at once, on one thread.

    Args:
        definition: the machine.
        services: what its states reach.
        new_token: makes a task token that cannot be guessed.
        random: draws from 0 to less than 1.
        on_state: called with the name of each state that an execution enters, and of each retry.
    """

    def __init__(
        self,
        definition: Definition,
        services: Services,
        *,
        new_token: Callable[[], str],
        random: Callable[[], float] = draw,
        on_state: Callable[[str, str], object] = lambda _execution, _state: None,
    ) -> None:
        missing = definition.list_functions() - services.functions.keys()
        if missing:
            raise Refused(f"No function is given for {', '.join(sorted(missing))}.")
        self.timeout_seconds = definition.timeout_seconds
        self._definition = definition
        self._services = services
        self._new_token = new_token
        self._random = random
        self._on_state = on_state

    def walk(self, name: str, execution_input: Any) -> Walk:
        """Walk an execution to its end, and give its output.

        Raises:
            StatesError: it failed.
        """
        given = read_json(execution_input)
        output = yield from self._walk(self._definition, given, _Scope({}, _open_context(name, given)))
        return write_json(output)

    def _walk(self, scope: Scope, given: Any, names: _Scope) -> Walk:
        state_name: str | None = scope.start_at
        while state_name is not None:
            execution = names.context["Execution"]["Name"]
            self._on_state(execution, state_name)
            inner = names.show(input=given, context={**names.context, "State": {"Name": state_name}})
            state_name, given = yield from self._enter(scope.states[state_name], given, inner)
        return given

    def _enter(self, state: State, given: Any, names: _Scope) -> Generator[Effect, Any, tuple[str | None, Any]]:
        """Take a state; give the next one, and its input."""
        if isinstance(state, Succeed):
            return None, given
        if isinstance(state, Fail):
            raise StatesError(state.error, state.cause)
        if isinstance(state, Choice):
            return self._choose(state, given, names)
        if isinstance(state, Wait):
            yield Sleep(_as_seconds(self._evaluate(state.seconds, names), least=0))
            return state.next, self._leave(state, given, names)
        if isinstance(state, Pass):
            return state.next, self._leave(state, given, names)
        try:
            result = yield from self._work(state, given, names)
            return state.next, self._leave(state, result, names.show(result=result))
        except StatesError as error:
            catcher = next((catcher for catcher in state.catch if _matches(catcher.error_equals, error)), None)
            if catcher is None:
                raise
            error_output = {"Error": error.name, "Cause": error.cause}
            return catcher.next, self._leave(catcher, error_output, names.show(errorOutput=error_output))

    def _choose(self, state: Choice, given: Any, names: _Scope) -> tuple[str, Any]:
        for rule in state.choices:
            holds = self._evaluate(rule.condition, names)
            if not isinstance(holds, bool):
                raise StatesError("States.QueryEvaluationError", f"{rule.condition} gives no boolean")
            if holds:
                return rule.next, self._leave(rule, given, names)
        if state.default is None:
            raise StatesError("States.Runtime", "No rule of a Choice matched, and there is no Default.")
        return state.default, given

    def _leave(self, way: Task | Map | Wait | Pass | Catcher | Rule, default: Any, names: _Scope) -> Any:
        """Evaluate Output and Assign, both over the variables as they were, then assign; give the output."""
        output = self._evaluate(way.output, names) if way.has_output else default
        names.variables.update(self._evaluate(way.assign, names))
        return output

    def _work(self, state: Task | Map, given: Any, names: _Scope) -> Walk:
        if isinstance(state, Map):
            return (yield from self._map(state, given, names))
        # Each Retrier has a count of its own (spec, "Complex retry scenarios").
        retries: Counter[int] = Counter()
        while True:
            try:
                return (yield from self._attempt(state, names))
            except StatesError as error:
                matching = (number for number, each in enumerate(state.retry) if _matches(each.error_equals, error))
                number = next(matching, None)
                if number is None or retries[number] >= state.retry[number].max_attempts:
                    raise
                yield Sleep(self._draw_delay(state.retry[number], retries[number]))
                retries[number] += 1
                self._on_state(names.context["Execution"]["Name"], names.context["State"]["Name"])

    def _draw_delay(self, retrier: Retrier, retries: int) -> float:
        try:
            delay = retrier.interval_seconds * retrier.backoff_rate**retries
        except OverflowError:
            delay = math.inf
        delay = min(delay, retrier.max_delay_seconds or math.inf)
        return delay * self._random() if retrier.jitter_strategy == "FULL" else delay

    def _attempt(self, state: Task, names: _Scope) -> Walk:
        """Make one attempt at a task; give its result."""
        token = None if state.kind is Resource.INVOKE else self._new_token()
        shown = names if token is None else names.show(context={**names.context, "Task": {"Token": token}})
        seconds = _as_seconds(self._evaluate(state.timeout_seconds, names), least=1)
        arguments = write_json(self._evaluate(state.arguments, shown))
        if state.kind is Resource.WRITE_AND_WAIT:
            call = partial(self._write_wait, arguments)
        else:
            call = partial(self._services.functions[arguments["FunctionName"]], arguments["Payload"])
        answer = read_json((yield Perform(call, seconds, token)))
        return {"Payload": answer, "StatusCode": 200} if token is None else answer

    def _write_wait(self, arguments: Mapping[str, Any]) -> None:
        key, values = arguments["Key"], arguments["ExpressionAttributeValues"]
        write = WaitWrite(key["pk"]["S"], key["sk"]["S"], values[":token"]["S"], int(values[":ttl"]["N"]))
        try:
            is_written = self._services.write_wait(write)
        except StatesError:
            raise
        except Exception as error:
            raise StatesError(f"DynamoDb.{type(error).__name__}", str(error)) from error
        if not is_written:
            raise StatesError("DynamoDb.ConditionalCheckFailedException", "The conditional request failed")

    def _map(self, state: Map, given: Any, names: _Scope) -> Walk:
        processor = state.item_processor
        if state.item_reader is not None:
            items = yield from self._read_items(self._evaluate(state.item_reader.arguments, names))
        else:
            items = given if state.items is None else self._evaluate(state.items, names)
        if not isinstance(items, list):
            raise StatesError("States.QueryEvaluationError", "The Items of a Map are no array.")
        if not processor.is_distributed:
            walks = [self._walk(processor, item, names.copy()) for item in items]
            return (yield Branch(walks, state.max_concurrency))
        parent = names.context["Execution"]["Name"]
        walks = [
            self._walk(processor, item, _Scope({}, _open_context(f"{parent}:{number}", item)))
            for number, item in enumerate(items)
        ]
        failures_max = len(items) * state.tolerated_failure_percentage // 100
        try:
            return (yield Branch(walks, state.max_concurrency, failures_max))
        except StatesError as error:
            raise StatesError("States.ExceedToleratedFailureThreshold", str(error)) from error

    def _read_items(self, arguments: Mapping[str, str]) -> Generator[Effect, Any, list[Any]]:
        """Read a file of JSON lines."""

        def read() -> list[Any]:
            try:
                lines = self._services.read_object(arguments["Bucket"], arguments["Key"]).splitlines()
                return [read_json(json.loads(line)) for line in lines if line.strip()]
            except Exception as error:
                raise StatesError("States.ItemReaderFailed", f"{type(error).__name__}: {error}") from error

        items: list[Any] = yield Perform(read)
        return items

    def _evaluate(self, template: Any, names: _Scope) -> Any:
        return evaluate(template, names.all, self._random)


class _Scope:
    """The variables and `$states` that expressions see. What is shown to one state shares the variables."""

    def __init__(self, variables: dict[str, Any], context: Mapping[str, Any], **states: Any) -> None:
        self.variables = variables
        self.context = context
        self._states = {**states, "context": context}

    @property
    def all(self) -> dict[str, Any]:
        """Give every name, as the evaluator takes them."""
        return {**self.variables, "states": self._states}

    def copy(self) -> _Scope:
        """Let inner states see the variables, and assign to their own."""
        return _Scope(dict(self.variables), self.context)

    def show(self, **states: Any) -> _Scope:
        """Let expressions see more of `$states`."""
        return _Scope(self.variables, **{**self._states, **states})


def _open_context(name: str, execution_input: Any) -> dict[str, Any]:
    return {"Execution": {"Name": name, "Input": execution_input}}


def _as_seconds(value: Any, *, least: int) -> float:
    # An integer that is not negative (spec, "Wait State"), a positive one (spec, "Timeouts").
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < least:
        raise StatesError("States.QueryEvaluationError", f"{write_json(value)} is no whole number of seconds")
    return float(value)


def _matches(error_equals: list[str], error: StatesError) -> bool:
    if error.name in _TERMINAL:
        return error.name in error_equals
    if error.name in error_equals or "States.ALL" in error_equals:
        return True
    return "States.TaskFailed" in error_equals and error.name != "States.Timeout"
