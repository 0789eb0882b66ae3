"""A state machine as a graph: where each state leads, which ways go round, and how often.

The numbers of history events are those of Step Functions' GetExecutionHistory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

_TASK_EVENTS = 5  # entered, scheduled, started, succeeded, exited
_RETRY_EVENTS = 3  # failed, scheduled, started
_CALLBACK_EVENTS = 1  # submitted, each time, where a task waits to be told
_MAP_EVENTS = 4  # entered, started, succeeded, exited
_MAP_RUN_EVENTS = 2  # started, succeeded, where each item has an execution of its own
_ITERATION_EVENTS = 2
_STATE_EVENTS = 2  # any other is entered and exited
_EXECUTION_EVENTS = 2
CALLBACK_SUFFIX = ".waitForTaskToken"

_GUARD = re.compile(r"\$(?P<counter>\w+) <= (?P<bound>\d+)")
# What a Catch answers: the word for which the loop goes on, as long as the counter, not raised yet, is low enough.
_ANSWER = re.compile(r"^\{% \$(?P<counter>\w+) < (?P<bound>\d+) \? '(?P<word>\w+)' : '\w+' %\}$")
_RAISE = re.compile(r"^\{% \$(?P<counter>\w+) \+ 1 %\}$")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal, populate_by_name=True)


class Retrier(_Part):
    """When a Task is taken again by the service itself."""

    error_equals: tuple[str, ...]
    interval_seconds: int = 1
    max_attempts: int = 3
    jitter_strategy: str | None = None


class Catcher(_Part):
    """Where an error leads."""

    error_equals: tuple[str, ...]
    next: str
    assign: Mapping[str, Any] = Field(default_factory=dict)
    output: Any = None


class Rule(_Part):
    """Where a condition leads."""

    condition: str = ""
    next: str
    assign: Mapping[str, Any] = Field(default_factory=dict)
    output: Any = None


class State(_Part):
    """One state, as far as the checks read it."""

    type: str
    query_language: str | None = None
    resource: str = ""
    timeout_seconds: int | str | None = None
    arguments: Mapping[str, Any] = Field(default_factory=dict)
    items: Any = None
    assign: Mapping[str, Any] = Field(default_factory=dict)
    output: Any = None
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()
    choices: tuple[Rule, ...] = ()
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


class Edge(NamedTuple):
    """One way from a state to another.

    Attributes:
        condition: what must hold for it, if it leaves a Choice.
        outcome: what the state answers on this way, if it leaves by a Catch.
        raised: the variables it adds one to.
        assigned: the other variables it assigns.
    """

    origin: str
    target: str
    condition: str
    outcome: str
    raised: frozenset[str]
    assigned: frozenset[str]


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

    def list_edges(self) -> list[Edge]:
        """List every way from a state to another, those to missing states too."""
        edges = []
        for name, state in self.states.items():
            edges += [_build_edge(name, target, state.assign) for target in (state.next, state.default) if target]
            edges += [_build_edge(name, rule.next, rule.assign, condition=rule.condition) for rule in state.choices]
            edges += [
                _build_edge(name, catcher.next, catcher.assign, outcome=_read_outcome(catcher.output))
                for catcher in state.catch
            ]
        return edges

    def list_unreachable(self) -> list[str]:
        """List the states that nothing leads to."""
        edges = self.list_edges()
        reached: set[str] = set()
        waiting = {self.start_at}
        while waiting:
            reached |= waiting
            waiting = {edge.target for edge in edges if edge.origin in waiting} - reached
        return [name for name in self.states if name not in reached]

    def list_loops(self) -> list[Loop]:
        """List every way round that passes no state twice."""
        cycles = list(self._list_cycles())
        # A counter that a loop sets back bounds nothing.
        set_back = {name for cycle in cycles for edge in cycle for name in edge.assigned}
        return [self._bound(cycle, set_back) for cycle in cycles]

    def count_events(self, *, map_items: int) -> int:
        """Count the history events of the longest way through, `map_items` times through each Map.

        A loop without a bound counts once.
        """
        events = {name: _count_state_events(state, map_items) for name, state in self.states.items()}
        # All ways round that a counter bounds share it, so at the worst each time is the longest of them.
        again: dict[str, int] = {}
        for loop in self.list_loops():
            rounds = (loop.rounds or 1) - 1
            again[loop.counter] = max(again.get(loop.counter, 0), rounds * sum(events[name] for name in loop.states))
        return sum(events.values()) + sum(again.values())

    def _list_cycles(self) -> Iterator[tuple[Edge, ...]]:
        leaving: dict[str, list[Edge]] = {name: [] for name in self.states}
        for edge in self.list_edges():
            leaving[edge.origin].append(edge)
        order = list(self.states)

        def follow(way: tuple[Edge, ...], first: str) -> Iterator[tuple[Edge, ...]]:
            for edge in leaving.get(way[-1].target if way else first, []):
                if edge.target == first:
                    yield (*way, edge)
                # Each cycle is found once, from the first of its states.
                elif edge.target in order[order.index(first) :] and edge.target not in {step.origin for step in way}:
                    yield from follow((*way, edge), first)

        for name in order:
            yield from follow((), name)

    def _bound(self, cycle: tuple[Edge, ...], set_back: set[str]) -> Loop:
        states = tuple(edge.origin for edge in cycle)
        raised = {name for edge in cycle for name in edge.raised} - set_back
        for counter, bound in _list_guards(cycle):
            starts = [state.assign[counter] for state in self.states.values() if counter in state.assign]
            numbers = [start for start in starts if isinstance(start, int)]
            if counter in raised and len(numbers) == 1:
                return Loop(states, counter, bound - numbers[0] + 1)
        return Loop(states, "", None)


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


def _build_edge(origin: str, target: str, assign: Mapping[str, Any], *, condition: str = "", outcome: str = "") -> Edge:
    raised = {
        name for name, value in assign.items() if (found := _RAISE.match(str(value))) and found["counter"] == name
    }
    return Edge(origin, target, condition, outcome, frozenset(raised), frozenset(assign.keys() - raised))


def _read_outcome(output: Any) -> str:
    return str(output.get("outcome", "")) if isinstance(output, dict) else ""


def _list_guards(cycle: tuple[Edge, ...]) -> Iterator[tuple[str, int]]:
    """List the counters that must be low enough for a way round, and how high they may be."""
    # Of alternatives none must hold.
    conditions = [edge.condition for edge in cycle if " or " not in edge.condition]
    for condition in conditions:
        yield from ((counter, int(bound)) for counter, bound in _GUARD.findall(condition))
    for edge in cycle:
        found = _ANSWER.match(edge.outcome)
        if found and any(f"$states.input.outcome = '{found['word']}'" in condition for condition in conditions):
            yield found["counter"], int(found["bound"])


def _count_state_events(state: State, map_items: int) -> int:
    if state.item_processor is not None and state.item_processor.is_distributed:
        retries = sum(retrier.max_attempts for retrier in state.retry)
        return _MAP_EVENTS + _MAP_RUN_EVENTS * (1 + retries)
    if state.item_processor is not None:
        iteration = _ITERATION_EVENTS + state.item_processor.count_events(map_items=map_items)
        return _MAP_EVENTS + map_items * iteration
    if state.type == "Task":
        retries = sum(retrier.max_attempts for retrier in state.retry)
        submitted = _CALLBACK_EVENTS * (1 + retries) if state.resource.endswith(CALLBACK_SUFFIX) else 0
        return _TASK_EVENTS + _RETRY_EVENTS * retries + submitted
    return _STATE_EVENTS
