"""Walks an Amazon States Language definition, as far as statemachine/*.asl.json use the language.

The definition is the shipped one: what it retries, catches, counts and waits for is what the tests see.
Source: states-language.net and the Step Functions developer guide (JSONata, variables). What is not
understood raises, so that a change of the definition cannot pass unseen.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from tests.fakes.clock import Clock
from tests.fakes.effects import SimulatedCrash

# A Lambda function: the payload in, its JSON answer out. One that takes its time gives a generator of it, which yields
# the seconds that pass; it may raise StatesError itself.
Function = Callable[[dict[str, Any]], Any]
# Gives what is sent with a task token within so many seconds, or None, and yields the seconds that it lets pass.
Await = Callable[[str, float], Generator[float, None, dict[str, Any] | None]]
# Makes the write that a Task of Step Functions' own describes; raises StatesError.
Update = Callable[[Mapping[str, Any]], None]
# Reads the items that the Arguments of an ItemReader name.
ReadItems = Callable[[Mapping[str, Any]], list[Any]]

_STEPS_MAX = 5_000
_MISSING = object()  # what is not there, which is not null


class Status(StrEnum):
    """How an execution ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class StatesError(Exception):
    """An error inside an execution, by its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal)


class _Choice(_Part):
    condition: str
    next: str


class _Retrier(_Part):
    error_equals: list[str]
    interval_seconds: float
    max_attempts: int
    backoff_rate: float
    max_delay_seconds: float = math.inf
    jitter_strategy: str


class _Catcher(_Part):
    error_equals: list[str]
    next: str
    assign: dict[str, Any] = Field(default_factory=dict)
    output: Any = None


class _State(_Part):
    type: str
    comment: str = ""
    next: str | None = None
    end: bool = False
    assign: dict[str, Any] = Field(default_factory=dict)
    output: Any = None
    resource: str = ""
    timeout_seconds: int | str = 0
    arguments: dict[str, Any] = Field(default_factory=dict)
    retry: list[_Retrier] = Field(default_factory=list)
    catch: list[_Catcher] = Field(default_factory=list)
    choices: list[_Choice] = Field(default_factory=list)
    default: str | None = None
    seconds: str | int = 0
    items: str = ""
    item_reader: _ItemReader | None = None
    max_concurrency: int = 0
    tolerated_failure_percentage: int = 0
    item_processor: _Processor | None = None
    error: str = ""
    cause: str = ""


class _ItemReader(_Part):
    resource: Literal["arn:${Partition}:states:::s3:getObject"]
    reader_config: dict[str, str]
    arguments: dict[str, Any]


class _Processor(_Part):
    start_at: str
    states: dict[str, _State]
    processor_config: dict[str, str]

    @property
    def is_distributed(self) -> bool:
        """Tell whether each item has an execution of its own."""
        return self.processor_config["Mode"] == "DISTRIBUTED"


class _Definition(_Part):
    comment: str
    query_language: Literal["JSONata"]
    timeout_seconds: float
    start_at: str
    states: dict[str, _State]


def _never(task_token: str, seconds: float) -> Generator[float, None, None]:
    """Send nothing."""
    del task_token
    yield seconds


def _refuse(arguments: Mapping[str, Any]) -> None:
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
        update_item: Update = _refuse,
        read_items: ReadItems = _read_nothing,
        crash_error: str = "Runtime.ExitError",
    ) -> None:
        self._definition = _read(definition)
        self._await_token = await_token
        self._update_item = update_item
        self._read_items = read_items
        self._functions = functions
        self._clock = clock
        self._crash_error = crash_error
        self._steps = 0
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
        try:
            yield from self._walk(self._definition, execution_input, _Scope({}, _name_execution(execution_input)))
        except StatesError:
            return Status.FAILED
        return Status.SUCCEEDED

    def _walk(self, machine: _Definition | _Processor, given: Any, outer: _Scope) -> Generator[float, None, Any]:
        scope = outer.copy()
        name: str | None = machine.start_at
        while name is not None:
            self._steps += 1
            self.transitions += 1
            if self._steps > _STEPS_MAX:
                raise AssertionError(f"the machine does not end: it is at {name}")
            name, given = yield from self._enter(machine.states[name], given, scope)
        return given

    def _enter(self, state: _State, given: Any, outer: _Scope) -> Generator[float, None, tuple[str | None, Any]]:
        """Take a state: assign its variables, and give the next state and its input."""
        scope = outer.show(input=given)
        if state.type == "Fail":
            raise StatesError(state.error)
        if state.type == "Succeed":
            return None, given
        if state.type == "Choice":
            chosen = next((choice.next for choice in state.choices if scope.evaluate(choice.condition)), state.default)
            return chosen, given
        if state.type == "Wait":
            yield scope.evaluate(state.seconds)
            return state.next, given
        if state.type == "Pass":
            result = given
        elif state.type in ("Task", "Map"):
            try:
                result = yield from self._work(state, scope)
            except StatesError as error:
                catcher = next((catcher for catcher in state.catch if _matches(catcher.error_equals, error)), None)
                if catcher is None:
                    raise
                error_output = {"Error": error.name}
                scope = scope.show(errorOutput=error_output)
                return catcher.next, scope.settle(catcher.assign, catcher.output, error_output)
        else:
            raise AssertionError(f"the walker does not know states of type {state.type}")
        scope = scope.show(result=result)
        return state.next, scope.settle(state.assign, state.output, result)

    def _work(self, state: _State, scope: _Scope) -> Generator[float, None, Any]:
        if state.type == "Map":
            return (yield from self._map(state, scope))
        is_callback = state.resource == "arn:${Partition}:states:::lambda:invoke.waitForTaskToken"
        is_update = state.resource == "arn:${Partition}:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken"
        assert is_callback or is_update or state.resource == "arn:${Partition}:states:::lambda:invoke"
        token = f"token-{self._steps}"
        timeout_seconds = scope.evaluate_timeout(state.timeout_seconds)
        arguments = scope.add_to_context("Task", {"Token": token}).evaluate(state.arguments)
        if is_update:
            self._update_item(arguments)
            return (yield from self._wait_for(token, timeout_seconds))
        function = self._functions[arguments["FunctionName"]]
        # Each retrier has its own count (Amazon States Language, "Complex retry scenarios").
        retries: Counter[int] = Counter()
        while True:
            try:
                answer = yield from self._invoke(function, arguments["Payload"])
            except StatesError as error:
                number = next((i for i, each in enumerate(state.retry) if _matches(each.error_equals, error)), None)
                if number is None or retries[number] >= state.retry[number].max_attempts:
                    raise
                retrier = state.retry[number]
                yield min(retrier.interval_seconds * retrier.backoff_rate ** retries[number], retrier.max_delay_seconds)
                retries[number] += 1
                self.transitions += 1
            else:
                if not is_callback:
                    return {"Payload": answer}
                return (yield from self._wait_for(token, timeout_seconds))

    def _map(self, state: _State, scope: _Scope) -> Generator[float, None, list[Any]]:
        processor = state.item_processor
        assert processor is not None
        items = scope.evaluate(state.items) if state.item_reader is None else self._read(state.item_reader, scope)
        results = []
        failed = 0
        for item in items:
            # An execution of its own sees nothing of this one.
            inner = _Scope({}, _name_execution(item)) if processor.is_distributed else scope
            try:
                result = yield from self._walk(processor, item, inner)
            except StatesError:
                if not processor.is_distributed:
                    raise
                failed += 1
                if failed * 100 > state.tolerated_failure_percentage * len(items):
                    raise StatesError("States.ExceedToleratedFailureThreshold") from None
            else:
                results.append(result)
        return results

    def _read(self, reader: _ItemReader, scope: _Scope) -> list[Any]:
        assert reader.reader_config == {"InputType": "JSONL"}
        try:
            return self._read_items(scope.evaluate(reader.arguments))
        except (AssertionError, StatesError):
            raise
        except Exception as error:
            raise StatesError("States.ItemReaderFailed") from error

    def _wait_for(self, token: str, seconds: float) -> Generator[float, None, dict[str, Any]]:
        sent = yield from self._await_token(token, seconds)
        if sent is None:
            raise StatesError("States.Timeout")
        return sent

    def _invoke(self, function: Function, payload: dict[str, Any]) -> Generator[float, None, Any]:
        self.invocations += 1
        try:
            answer = function(payload)
            return (yield from answer) if isinstance(answer, Generator) else answer
        except SimulatedCrash as crash:
            raise StatesError(self._crash_error) from crash
        except (AssertionError, StatesError):
            raise  # the fakes' own
        except Exception as error:
            raise StatesError(type(error).__name__) from error


@cache
def _read(definition: Path) -> _Definition:
    return _Definition.model_validate_json(definition.read_text(encoding="utf-8"))


def _name_execution(execution_input: Any) -> dict[str, Any]:
    """Give what expressions see of an execution."""
    return {"context": {"Execution": {"Input": execution_input}}}


def _matches(error_equals: list[str], error: StatesError) -> bool:
    return error.name in error_equals or "States.ALL" in error_equals


class _Scope:
    """The variables and `$states` that expressions of one state see."""

    def __init__(self, variables: dict[str, Any], states: Mapping[str, Any]) -> None:
        self.variables = variables
        self._states = states

    def copy(self) -> _Scope:
        """Let inner states see the variables, and assign to their own."""
        return _Scope(dict(self.variables), self._states)

    def show(self, **values: Any) -> _Scope:
        """Let expressions see more of `$states`."""
        return _Scope(self.variables, {**self._states, **values})

    def add_to_context(self, name: str, value: Any) -> _Scope:
        """Let expressions see more of `$states.context`."""
        return self.show(context={**self._states["context"], name: value})

    def settle(self, assign: Mapping[str, Any], output: Any, default_output: Any) -> Any:
        """Evaluate output and variables, all over the old variables, and assign the new ones."""
        new_output = default_output if output is None else self.evaluate(output)
        new_variables = self.evaluate(assign)
        self.variables.update(new_variables)
        return new_output

    def evaluate(self, template: Any) -> Any:
        """Replace every `{% … %}` in a JSON value by what it says."""
        if isinstance(template, Mapping):
            return {name: self.evaluate(value) for name, value in template.items()}
        if isinstance(template, str) and template.startswith("{%"):
            found = eval(_compile(template), {"__builtins__": {}}, self._names())
            if found is _MISSING:
                raise StatesError("States.QueryEvaluationError")
            return found
        return template

    def evaluate_timeout(self, template: int | str) -> int:
        """Evaluate TimeoutSeconds, which must be a positive integer (Amazon States Language, "Timeouts")."""
        seconds = self.evaluate(template)
        if not isinstance(seconds, int) or seconds <= 0:
            raise StatesError("States.QueryEvaluationError")
        return seconds

    def _names(self) -> dict[str, Any]:
        return {
            "find": self._find,
            "null": None,
            "count": lambda value: 0 if value is _MISSING else len(value),
            "exists": lambda value: value is not _MISSING,
            "string": lambda value: "null" if value is None else str(value),
            "random": lambda: 0.5,  # a run must be the same each time
            "round": round,
        }

    def _find(self, path: str) -> Any:
        first, *rest = path.split(".")
        found: Any = self._states if first == "states" else self.variables[first]
        for name in rest:
            found = found.get(name, _MISSING) if isinstance(found, Mapping) else _MISSING
        return found


@cache
def _compile(template: str) -> CodeType:
    """Translate an expression: `$a.b`, comparisons, `and`, `+`, `&`, `? :`, `null` and five functions are known."""
    expression = template.removeprefix("{%").removesuffix("%}").strip()
    expression = re.sub(r"\$(count|exists|random|round|string)\(", r"\1(", expression)
    expression = re.sub(r"\$([a-z_A-Z.]+)", r"find('\1')", expression)
    expression = re.sub(r"(?<![<>=!])=(?!=)", "==", expression).replace(" & ", " + ")
    expression = re.sub(r"^(.+?) \? (.+?) : (.+)$", r"(\2) if (\1) else (\3)", expression)
    return compile(expression, template, "eval")
