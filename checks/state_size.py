"""How large the data of an execution may become: what each state is given and gives on, and the variables together.

Step Functions ends an execution with States.DataLimitExceeded when one of them has more than 256 KiB (Step Functions
developer guide, "Service quotas"). Nothing is tried here: the longest values go through the definition until they grow
no more. What a function answers is the model that its use case returns, with every field at its greatest length, so a
field without one is found. An error has a short name and a Cause that may hold all that a function wrote (the
service's API, TaskFailedEvent).
"""

from __future__ import annotations

import ast
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from checks.cloudformation import Template
from checks.jsonata import (
    MISSING,
    NUMBER,
    UNBOUNDED,
    WIDEST_CHARACTER,
    Puzzle,
    find_widest,
    is_expression,
    is_unbounded,
    measure_bytes,
    widen,
    widen_all,
)
from checks.state_machine import Scope, State

STATE_MAX_BYTES = 262_144
LAMBDA_RESOURCE = "arn:${Partition}:states:::lambda:invoke"
# The longest that the API of Step Functions has.
ERROR_MAX_CHARACTERS = 256
TOKEN_MAX_CHARACTERS = 2_048
NAME_MAX_CHARACTERS = 80
# What grows each time round would do so for ever: nothing that settles needs as many.
_ROUNDS_MAX = 200

# Gives the longest answer of what a Task calls.
Answer = Callable[[State], Any]


class ReadItems(NamedTuple):
    """What a Map reads from a file: lines of this model, and so many at the most."""

    model: type[BaseModel]
    most: int

    def list_largest(self) -> list[Any]:
        """List as many items as there may be, each the longest."""
        return [find_largest(self.model)] * self.most


class StateSizes(NamedTuple):
    """The most room that the data of one execution takes, and what is wrong with it.

    Attributes:
        largest: what takes the most room of all that is handed on.
        largest_bytes: how much.
        variables_bytes: how much all variables take together.
    """

    largest: str
    largest_bytes: float
    variables_bytes: float
    findings: tuple[str, ...]


def measure_states(
    machine: Scope, *, execution_input: type[BaseModel], read_items: Mapping[str, ReadItems], answer: Answer
) -> StateSizes:
    """Measure what an execution may carry.

    Args:
        machine: the definition.
        execution_input: what it is started with.
        read_items: what each Map reads that takes its items from a file, by its name.
        answer: gives what each Task is answered, as the service hands it to the state.
    """
    walk = _Walk(machine, read_items, answer)
    walk.spread(find_largest(execution_input))
    sizes = {place: measure_bytes(value) for place, value in walk.carried.items()}
    findings = dict.fromkeys(walk.findings)
    for place, size_bytes in sizes.items():
        if size_bytes >= STATE_MAX_BYTES:
            findings[f"{place} may have {size_bytes:,} bytes, and must have less than {STATE_MAX_BYTES:,}"] = None
    variables_bytes = measure_bytes(walk.variables)
    if variables_bytes >= STATE_MAX_BYTES:
        findings[
            f"State machine: its variables may have {variables_bytes:,} bytes together, and must have less than "
            f"{STATE_MAX_BYTES:,}"
        ] = None
    largest = max(sizes, key=sizes.__getitem__)
    return StateSizes(largest, sizes[largest], variables_bytes, tuple(findings))


def find_largest(annotation: Any, constraints: tuple[Any, ...] = ()) -> Any:
    """Find the longest JSON of a type; a text or a list without a greatest length is UNBOUNDED."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return find_largest(arguments[0], (*constraints, *arguments[1:]))
    if origin in (Union, types.UnionType):
        return widen_all([find_largest(option, constraints) for option in arguments])
    if origin is Literal:
        return widen_all(list(arguments))
    lengths = [part.max_length for part in _list_constraints(constraints) if getattr(part, "max_length", None)]
    if origin in (tuple, list):
        return [find_largest(arguments[0])] * lengths[0] if lengths else UNBOUNDED
    if not isinstance(annotation, type):
        return UNBOUNDED
    if issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return {name: find_largest(field.annotation, tuple(field.metadata)) for name, field in fields}
    if issubclass(annotation, Enum):
        return widen_all([member.value for member in annotation])
    if issubclass(annotation, bool):
        return False
    if issubclass(annotation, int | float):
        return NUMBER
    if annotation is types.NoneType:
        return None
    return WIDEST_CHARACTER * lengths[0] if lengths and issubclass(annotation, str) else UNBOUNDED


def _list_constraints(constraints: tuple[Any, ...]) -> Iterator[Any]:
    for constraint in constraints:
        yield from constraint.metadata if isinstance(constraint, FieldInfo) else (constraint,)


def list_unbounded(value: Any, place: str = "") -> Iterator[str]:
    """List the fields of a value that nothing bounds."""
    if value is UNBOUNDED:
        yield place
    for name, part in value.items() if isinstance(value, dict) else ():
        yield from list_unbounded(part, f"{place}.{name}" if place else name)
    for part in value[:1] if isinstance(value, list) else ():
        yield from list_unbounded(part, place)


def find_answer(root: Path, template: Template, function: str) -> type[BaseModel] | None:
    """Find the model that a function answers: what the one use case returns that its handler takes from bootstrap.

    Raises:
        Puzzle: the handler takes none or several, or what it answers is no model.
    """
    properties = template.resources[function].properties
    module = str(properties["Handler"]).rpartition(".")[0]
    builders = set(_list_use_cases(_parse(root / properties["CodeUri"] / f"{module}.py")))
    if len(builders) != 1:
        raise Puzzle(f"this check cannot tell what {function} answers: its handler has {len(builders)} use cases")
    room, builder = builders.pop()
    use_case = _find_returned(_parse(root / "layers/mediaposter/mediaposter/bootstrap" / f"{room}.py"), builder)
    returned = use_case.__call__.__annotations__["return"]
    answered = getattr(import_module(use_case.__module__), str(returned), None)
    if returned != "None" and not (isinstance(answered, type) and issubclass(answered, BaseModel)):
        raise Puzzle(f"this check cannot tell what {function} answers: {returned} is no model")
    return answered


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _list_use_cases(handler: ast.Module) -> Iterator[tuple[str, str]]:
    """List room and name of every `room.name()(…)` whose room is one of bootstrap's."""
    origins = [node for node in handler.body if isinstance(node, ast.ImportFrom)]
    rooms = {alias.name for node in origins if node.module == "mediaposter.bootstrap" for alias in node.names}
    for node in ast.walk(handler):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Call):
            built = node.func.func
            if isinstance(built, ast.Attribute) and isinstance(built.value, ast.Name) and built.value.id in rooms:
                yield built.value.id, built.attr


def _find_returned(room: ast.Module, name: str) -> type:
    """Find the class that a function of a room gives, by its annotation and the imports for it."""
    functions = {node.name: node for node in room.body if isinstance(node, ast.FunctionDef)}
    annotation = functions[name].returns
    class_name = annotation.id if isinstance(annotation, ast.Name) else ""
    for node in ast.walk(room):
        if isinstance(node, ast.ImportFrom) and class_name in {alias.name for alias in node.names}:
            found: type = getattr(import_module(str(node.module)), class_name)
            return found
    raise Puzzle(f"this check cannot tell what {name} of bootstrap gives")


class _Walk:
    """The longest values at every place of a machine, as far as they have spread.

    Attributes:
        variables: those of the machine and of its Maps.
        carried: what is handed on, by its place.
        findings: what is not bounded, or not understood.
    """

    def __init__(self, machine: Scope, read_items: Mapping[str, ReadItems], answer: Answer) -> None:
        self.variables: dict[str, Any] = {}
        self.carried: dict[str, Any] = {}
        self.findings: list[str] = []
        self._machine = machine
        self._read_items = read_items
        self._answer = answer
        self._context: dict[str, Any] = {}
        self._answers: dict[str, Any] = {}
        self._inputs: dict[str, Any] = {}
        self._ends: dict[str, Any] = {}

    def spread(self, execution_input: Any) -> None:
        """Let the longest input go every way until nothing grows any more."""
        self._give(self._machine.start_at, execution_input)
        self._context = {"Execution": {"Input": execution_input}}
        for _ in range(_ROUNDS_MAX):
            # What is not there in an early round may come in a later one.
            self.findings.clear()
            before = self._measure()
            for scope in self._machine.walk():
                for name, state in scope.states.items():
                    if name in self._inputs:
                        self._take(scope, name, state)
            if before == self._measure():
                return
        self.findings.append("State machine: what it carries grows each time round a loop, without a bound")

    def _measure(self) -> list[float]:
        return [measure_bytes(values) for values in (self._inputs, self._ends, self.variables)]

    def _take(self, scope: Scope, name: str, state: State) -> None:
        given = self._inputs[name]
        place = f'State "{name}": its'
        self._carry(f"{place} input", given)
        states: dict[str, Any] = {"input": given, "result": given, "context": self._context}
        if state.type == "Task":
            context = {**self._context, "Task": {"Token": "x" * TOKEN_MAX_CHARACTERS}}
            arguments = self._settle(state.arguments, {**states, "context": context}, f"{place} Arguments")
            self._carry(f"{place} Arguments", arguments)
            states["result"] = self._ask(name, state)
        elif state.item_processor is not None:
            read = self._read_items.get(name)
            items = self._settle(state.items, states, f"{place} Items") if read is None else read.list_largest()
            states["result"] = self._repeat(state.item_processor, items, place)
            # The results must fit even where none of them is kept.
            self._carry(f"{place} results", states["result"])
        self._leave(scope, state, states, place)

    def _hand_on(self, scope: Scope, state: State, output: Any, place: str) -> None:
        self._carry(f"{place} Output", output)
        for target in (state.next, state.default):
            if target:
                self._give(target, output)
        if not (state.next or state.choices):
            self._ends[scope.start_at] = widen(self._ends.get(scope.start_at, MISSING), output)

    def _ask(self, name: str, state: State) -> Any:
        if name not in self._answers:
            try:
                self._answers[name] = self._answer(state)
            except Puzzle as puzzle:
                self._answers[name] = puzzle
        answer = self._answers[name]
        if isinstance(answer, Puzzle):
            self.findings.append(f'State "{name}": its answer: {answer}')
            return None
        return answer

    def _repeat(self, processor: Scope, items: Any, place: str) -> Any:
        """Give a Map's items to its first state, and what the last one gives as the result of each."""
        if not isinstance(items, list) or not items:
            self.findings.append(f"{place} Items: nothing tells how many there are")
            return None
        self._give(processor.start_at, widen_all(items))
        return [self._ends.get(processor.start_at)] * len(items)

    def _leave(self, scope: Scope, state: State, states: Mapping[str, Any], place: str) -> None:
        given = states["input"]
        for rule in state.choices:
            self._assign(rule.assign, states, place)
            self._give(rule.next, self._output(rule.output, states, given, f"{place} Choices"))
        error = {"Error": WIDEST_CHARACTER * ERROR_MAX_CHARACTERS, "Cause": UNBOUNDED}
        for catcher in state.catch:
            caught = {"input": given, "errorOutput": error, "context": self._context}
            self._assign(catcher.assign, caught, f"{place} Catch")
            self._give(catcher.next, self._output(catcher.output, caught, error, f"{place} Catch"))
        self._assign(state.assign, states, place)
        if state.type == "Fail":
            return
        self._hand_on(scope, state, self._output(state.output, states, states["result"], place), place)

    def _output(self, template: Any, states: Mapping[str, Any], default: Any, place: str) -> Any:
        """Evaluate an Output; without one it is the result as it is, or the error with its Cause."""
        if template is not None:
            return self._settle(template, states, f"{place} Output")
        if is_unbounded(default):
            parts = ", ".join(list_unbounded(default, "result"))
            self.findings.append(f"{place} Output: there is none, so all is handed on, and nothing bounds its {parts}")
            return None
        return default

    def _assign(self, assign: Mapping[str, Any], states: Mapping[str, Any], place: str) -> None:
        for name, template in assign.items():
            value = self._settle(template, states, f"{place} Assign")
            self.variables[name] = widen(self.variables.get(name, MISSING), value)

    def _settle(self, template: Any, states: Mapping[str, Any], place: str) -> Any:
        """Replace every expression of a template by the longest value it may give."""
        if isinstance(template, Mapping):
            return {name: self._settle(value, states, place) for name, value in template.items()}
        if not is_expression(template):
            return template
        return self._evaluate(template, {**self.variables, "states": states}, place)

    def _evaluate(self, expression: str, names: Mapping[str, Any], place: str) -> Any:
        try:
            value = find_widest(expression, names)
        except Puzzle as puzzle:
            self.findings.append(f"{place}: {puzzle}")
            return None
        if is_unbounded(value):
            self.findings.append(f"{place} carries {expression}, which nothing bounds")
            return None
        return value

    def _give(self, name: str, value: Any) -> None:
        self._inputs[name] = widen(self._inputs.get(name, MISSING), value)

    def _carry(self, place: str, value: Any) -> None:
        self.carried[place] = value
