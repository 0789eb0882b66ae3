"""The JSONata of a state machine: which of it is known, and what an expression gives.

A value in here is JSON with one difference: null is jsonata-python's own `NULL_VALUE`, because a Python None is what is
not there. `read_json` and `write_json` stand at the border. Sources: docs.jsonata.org; Step Functions developer guide,
"Transforming data with JSONata in Step Functions".
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from jsonata import Jsonata
from jsonata.parser import Parser
from jsonata.utils import Utils

NULL: Final = Utils.NULL_VALUE
# Those that the machines use, and whose answers tests hold. Another is one word more here, and a test.
FUNCTIONS: Final = frozenset({"count", "exists", "random", "round", "string"})
# What `$states.context` has here.
CONTEXT: Final = frozenset({"Execution.Input", "Execution.Name", "State.Name", "Task.Token"})
_NODES: Final = frozenset(
    {"binary", "block", "condition", "function", "name", "number", "path", "string", "unary", "value", "variable"}
)
_PATH = re.compile(r"\$[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_UNTOLD: Final = object()
# So many answers are kept of an expression: its counters are bounded.
_KNOWN_MAX = 1_000

# A compiled expression holds state while it is evaluated.
_thread = threading.local()


class Refused(ValueError):
    """A definition, or a part of it, that this host does not know how to carry out."""


class StatesError(Exception):
    """An error inside an execution, by its name, and what it says."""

    def __init__(self, name: str, cause: str = "") -> None:
        super().__init__(f"{name}: {cause}" if cause else name)
        self.name = name
        self.cause = cause


def is_expression(template: object) -> bool:
    """Tell whether a text of a state machine is an expression.

    Raises:
        Refused: it begins as one, and does not end as one.
    """
    if not isinstance(template, str) or not template.startswith("{%"):
        return False
    if not template.endswith("%}"):
        raise Refused(f"{template} begins as an expression and does not end as one")
    return True


def evaluate(template: Any, names: Mapping[str, Any], random: Callable[[], float]) -> Any:
    """Replace every `{% … %}` in a template by what it gives.

    Args:
        template: JSON of the definition.
        names: the variables by their names, and `states`.
        random: gives what `$random()` does, from 0 to less than 1.

    Raises:
        StatesError: `States.QueryEvaluationError`, an expression cannot be evaluated, or gives nothing.
    """
    if isinstance(template, Mapping):
        return {name: evaluate(value, names, random) for name, value in template.items()}
    if isinstance(template, list):
        return [evaluate(value, names, random) for value in template]
    if not is_expression(template):
        return NULL if template is None else template
    text = _strip(template)
    try:
        found = _find(_compile(text), names, random)
    except Exception as error:  # the evaluator raises whatever it comes upon
        raise StatesError("States.QueryEvaluationError", f"{text}: {error}") from error
    if found is None:
        raise StatesError("States.QueryEvaluationError", f"{text} gives nothing")
    return found


class _Compiled(NamedTuple):
    """An expression, the paths in it, and what it gave for some values of theirs.

    Attributes:
        is_path: it is one path and nothing else.
        known: by the values. A machine asks the same of the same few values again and again.
    """

    expression: Jsonata
    paths: tuple[tuple[str, ...], ...]
    is_path: bool
    known: dict[tuple[Any, ...], Any]


def _compile(text: str) -> _Compiled:
    compiled: dict[str, _Compiled] = _thread.__dict__.setdefault("compiled", {})
    if text not in compiled:
        expression = Jsonata(text)
        expression.output_convert_nulls = False
        expression.validate_input = False
        paths = tuple(tuple(reference.split(".")) for reference in dict.fromkeys(_list_nodes(expression.ast, text)))
        compiled[text] = _Compiled(expression, paths, _PATH.fullmatch(text) is not None, {})
    return compiled[text]


def _find(compiled: _Compiled, names: Mapping[str, Any], random: Callable[[], float]) -> Any:
    values = [_follow(path, names) for path in compiled.paths]
    if compiled.is_path and values[0] is not None and values[0] is not _UNTOLD:
        return values[0]
    # 1, 1.0 and true are one key of a dict.
    key = (*values, *map(type, values)) if all(map(_is_scalar, values)) else None
    if key in compiled.known:
        return compiled.known[key]
    is_by_chance = False

    def draw() -> float:
        nonlocal is_by_chance
        is_by_chance = True
        return random()

    compiled.expression.register_lambda("random", draw)
    found = compiled.expression.evaluate(None, {path[0]: names[path[0]] for path in compiled.paths if path[0] in names})
    if key is not None and _is_scalar(found) and not is_by_chance and len(compiled.known) < _KNOWN_MAX:
        compiled.known[key] = found
    return found


def _is_scalar(value: Any) -> bool:
    return value is None or value is NULL or isinstance(value, str | int | float)


def _follow(path: tuple[str, ...], names: Mapping[str, Any]) -> Any:
    """Follow a path through objects; None where it leads nowhere. What a path through a list gives, JSONata knows."""
    found: Any = names
    for name in path:
        if not isinstance(found, dict):
            return _UNTOLD if isinstance(found, list) else None
        found = found.get(name)
    return found


def list_references(template: Any) -> Iterator[str]:
    """List what the expressions of a template refer to, as `variable` or `states.input.outcome`.

    Raises:
        Refused: an expression that is no JSONata, or more of JSONata than is known here.
    """
    if isinstance(template, Mapping):
        for value in template.values():
            yield from list_references(value)
    elif isinstance(template, list):
        for value in template:
            yield from list_references(value)
    elif is_expression(template):
        text = _strip(template)
        try:
            tree = Jsonata(text).ast
        except Exception as error:
            raise Refused(f"{text} is no JSONata: {error}") from error
        yield from _list_nodes(tree, text)


def _list_nodes(node: Any, text: str) -> Iterator[str]:
    if node.type not in _NODES:
        raise Refused(f"{text} has a {node.type}, which this host does not know")
    if node.type == "function":
        name = node.procedure.value
        if node.procedure.type != "variable" or name not in FUNCTIONS:
            raise Refused(f"{text} calls ${name}, which this host does not know")
    if node.type == "block" and len(node.expressions) != 1:
        raise Refused(f"{text} has several expressions in one parenthesis, which this host does not know")
    if node.type == "variable":
        if node.predicate:
            raise Refused(f"{text} has a filter, which this host does not know")
        yield str(node.value)
    if node.type == "path":
        first, *rest = node.steps
        is_plain = first.type == "variable" and not first.predicate and not getattr(node, "group", None)
        if not is_plain or any(step.type != "name" or step.stages for step in rest):
            raise Refused(f"{text} has a path that is more than names after a variable")
        yield ".".join([str(step.value) for step in node.steps])
        return
    for child in _list_children(node):
        yield from _list_nodes(child, text)


def _list_children(node: Any) -> Iterator[Any]:
    for name, part in vars(node).items():
        if name in ("procedure", "seeking_parent", "_outer_instance"):
            continue
        for child in _flatten(part):
            if isinstance(child, Parser.Symbol) and child is not node:
                yield child


def _flatten(part: Any) -> Iterator[Any]:
    if isinstance(part, list | tuple):
        for child in part:
            yield from _flatten(child)
    else:
        yield part


def _strip(template: str) -> str:
    return template.removeprefix("{%").removesuffix("%}").strip()


def read_json(value: Any) -> Any:
    """Take JSON in: its nulls become what the evaluator knows as null.

    Raises:
        StatesError: `Runtime.MarshalError`, it is no JSON (Lambda developer guide, "Python handler": an answer that
            cannot be written as JSON).
    """
    if isinstance(value, Mapping):
        return {str(name): read_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [read_json(part) for part in value]
    if value is not None and not isinstance(value, str | int | float):
        raise StatesError("Runtime.MarshalError", f"A {type(value).__name__} is no JSON.")
    return NULL if value is None else value


def write_json(value: Any) -> Any:
    """Give a value out as plain JSON."""
    if isinstance(value, dict):
        return {name: write_json(part) for name, part in value.items()}
    if isinstance(value, list):
        return [write_json(part) for part in value]
    return None if value is NULL else value
