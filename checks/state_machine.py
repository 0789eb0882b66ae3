"""A state machine as a graph: where each state leads, which ways go round, and how often.

The numbers of history events are those of Step Functions' GetExecutionHistory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import networkx as nx  # type: ignore[import-untyped]  # it comes without types
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

LAMBDA_RESOURCE = "arn:${Partition}:states:::lambda:invoke"
CALLBACK_SUFFIX = ".waitForTaskToken"

_TASK_EVENTS = 5  # entered, scheduled, started, succeeded, exited
_RETRY_EVENTS = 3  # failed, scheduled, started
_CALLBACK_EVENTS = 1  # submitted, each time, where a task waits to be told
_MAP_EVENTS = 4  # entered, started, succeeded, exited
_MAP_RUN_EVENTS = 2  # started, succeeded, where each item has an execution of its own
_ITERATION_EVENTS = 2
_STATE_EVENTS = 2  # any other is entered and exited
_EXECUTION_EVENTS = 2

_GUARD = re.compile(r"\$(?P<counter>\w+) <= (?P<bound>\d+)")
# What a Catch answers: the word for which the loop goes on, as long as the counter, not raised yet, is low enough.
_ANSWER = re.compile(r"^\{% \$(?P<counter>\w+) < (?P<bound>\d+) \? '(?P<word>\w+)' : '\w+' %\}$")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal, populate_by_name=True)


class Retrier(_Part):
    """When a Task is taken again by the service itself."""

    error_equals: tuple[str, ...]
    interval_seconds: int = 1
    max_attempts: int = 3
    jitter_strategy: str | None = None


class Way(_Part):
    """A way out of a state: its Next or Default, a rule of a Choice, or a Catch."""

    next: str
    condition: str = ""
    error_equals: tuple[str, ...] = ()
    assign: Mapping[str, Any] = Field(default_factory=dict)
    output: Any = None

    @property
    def raised(self) -> set[str]:
        """List the variables it adds one to."""
        return {name for name, value in self.assign.items() if value == f"{{% ${name} + 1 %}}"}

    @property
    def outcome(self) -> str:
        """Give what the state answers on this way, if it is said."""
        return str(self.output.get("outcome", "")) if isinstance(self.output, dict) else ""


class State(_Part):
    """One state, as far as the checks read it."""

    type: str
    query_language: str | None = None
    resource: str = ""
    # An expression where the state is given how long it may wait.
    timeout_seconds: int | str | None = None
    arguments: Mapping[str, Any] = Field(default_factory=dict)
    assign: Mapping[str, Any] = Field(default_factory=dict)
    output: Any = None
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Way, ...] = ()
    choices: tuple[Way, ...] = ()
    next: str | None = None
    default: str | None = None
    item_processor: Scope | None = None

    @property
    def function_name(self) -> str:
        """Give what the definition calls the function that it invokes, if it does."""
        return str(self.arguments.get("FunctionName"))

    @property
    def is_invocation(self) -> bool:
        """Tell whether it is a Task that invokes a function."""
        return self.type == "Task" and "aws-sdk:" not in self.resource

    @property
    def ways(self) -> list[Way]:
        """List every way out of it."""
        onward = [Way(next=target, assign=self.assign) for target in (self.next, self.default) if target]
        return [*onward, *self.choices, *self.catch]


class Loop(NamedTuple):
    """A way round, and how often an execution takes it at most.

    `rounds` is None, and `counter` empty, when nothing bounds it.
    """

    states: tuple[str, ...]
    counter: str
    rounds: int | None


class Scope(_Part):
    """States that lead to each other: those of the machine, or those of one item of a Map."""

    query_language: str | None = None
    processor_config: Mapping[str, str] = Field(default_factory=dict)
    start_at: str
    states: Mapping[str, State]

    @property
    def is_distributed(self) -> bool:
        """Tell whether each item of the Map has an execution of its own."""
        return self.processor_config.get("Mode") == "DISTRIBUTED"

    def walk(self) -> Iterator[Scope]:
        """Give this scope and those of its Maps."""
        yield self
        for state in self.states.values():
            if state.item_processor is not None:
                yield from state.item_processor.walk()

    @cached_property
    def loops(self) -> list[Loop]:
        """Every way round that passes no state twice."""
        cycles = list(self._list_cycles())
        # A counter that a loop sets back bounds nothing.
        set_back = {name for _, ways in cycles for way in ways for name in way.assign.keys() - way.raised}
        return [self._bound(names, ways, set_back) for names, ways in cycles]

    def count_events(self, *, map_items: int) -> int:
        """Count the history events of the longest way through, `map_items` times through each Map.

        A loop without a bound counts once.
        """
        events = {name: _count_state_events(state, map_items) for name, state in self.states.items()}
        # All ways round that a counter bounds share it, so at the worst each time is the longest of them.
        again: dict[str, int] = {}
        for loop in self.loops:
            rounds = (loop.rounds or 1) - 1
            again[loop.counter] = max(again.get(loop.counter, 0), rounds * sum(events[name] for name in loop.states))
        return sum(events.values()) + sum(again.values())

    def _list_cycles(self) -> Iterator[tuple[tuple[str, ...], tuple[Way, ...]]]:
        order = {name: position for position, name in enumerate(self.states)}
        ways = {name: state.ways for name, state in self.states.items()}
        for cycle in nx.simple_cycles(nx.DiGraph((name, way.next) for name in ways for way in ways[name])):
            first = cycle.index(min(cycle, key=order.__getitem__))
            names = (*cycle[first:], *cycle[:first])
            targets = (*names[1:], names[0])
            between = ([way for way in ways[name] if way.next == to] for name, to in zip(names, targets, strict=True))
            yield from ((names, chosen) for chosen in product(*between))

    def _bound(self, names: tuple[str, ...], ways: tuple[Way, ...], set_back: set[str]) -> Loop:
        raised = {name for way in ways for name in way.raised} - set_back
        for counter, bound in _list_guards(ways):
            starts = [state.assign[counter] for state in self.states.values() if counter in state.assign]
            numbers = [start for start in starts if isinstance(start, int)]
            if counter in raised and len(numbers) == 1:
                return Loop(names, counter, bound - numbers[0] + 1)
        return Loop(names, "", None)


def read_state_machine(path: Path) -> Scope:
    """Read a state machine.

    Raises:
        ValidationError: a field that the checks read is not what it should be.
    """
    return Scope.model_validate_json(path.read_text(encoding="utf-8"))


def count_history_events(machine: Scope, *, map_items: int) -> int:
    """Count the history events of the longest execution there can be, of the machine or of an item of its Maps."""
    executions = [machine, *(scope for scope in machine.walk() if scope.is_distributed)]
    return _EXECUTION_EVENTS + max(scope.count_events(map_items=map_items) for scope in executions)


def _list_guards(ways: Sequence[Way]) -> Iterator[tuple[str, int]]:
    """List the counters that must be low enough for a way round, and how high they may be."""
    # Of alternatives none must hold.
    conditions = [way.condition for way in ways if " or " not in way.condition]
    for condition in conditions:
        yield from ((counter, int(bound)) for counter, bound in _GUARD.findall(condition))
    for way in ways:
        found = _ANSWER.match(way.outcome)
        if found and any(f"$states.input.outcome = '{found['word']}'" in condition for condition in conditions):
            yield found["counter"], int(found["bound"])


def _count_state_events(state: State, map_items: int) -> int:
    retries = sum(retrier.max_attempts for retrier in state.retry)
    if state.item_processor is not None and state.item_processor.is_distributed:
        return _MAP_EVENTS + _MAP_RUN_EVENTS * (1 + retries)
    if state.item_processor is not None:
        return _MAP_EVENTS + map_items * (_ITERATION_EVENTS + state.item_processor.count_events(map_items=map_items))
    if state.type == "Task":
        submitted = _CALLBACK_EVENTS * (1 + retries) if state.resource.endswith(CALLBACK_SUFFIX) else 0
        return _TASK_EVENTS + _RETRY_EVENTS * retries + submitted
    return _STATE_EVENTS
