"""How much room the value of a JSONata expression may take, as far as the state machines use the language.

A value here stands for every value that an expression may give: the longest of them. A text of the greatest length
stands for all texts, one number for all numbers, and an object that has all their fields for several objects. What
nothing bounds is UNBOUNDED, what is not there MISSING.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

UNBOUNDED: Final = object()
MISSING: Final = object()
# JSON writes no double with more characters.
NUMBER: Final = -2.2250738585072014e-308
# The one that takes most room of a character's length: JSON writes it with six bytes.
WIDEST_CHARACTER: Final = "\x01"

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<name>\$?[A-Za-z_]\w*(?:\.\w+)*)"
    r"|(?P<sign>!=|<=|>=|[-+*/%&=<>?:(),]))"
)
_LITERALS: Mapping[str, Any] = {"null": None, "true": True, "false": False}
_ARITHMETIC = frozenset("+-*/%")
_TESTS = frozenset({"=", "!=", "<", "<=", ">", ">=", "and", "or", "in"})


class Puzzle(Exception):
    """An expression that is not understood here, or that asks for what is not there."""


def measure_bytes(value: Any) -> float:
    """Measure a value as JSON in UTF-8; what nothing bounds is infinite."""
    if is_unbounded(value):
        return math.inf
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def is_unbounded(value: Any) -> bool:
    """Tell whether nothing bounds a value, or a part of it."""
    if isinstance(value, dict):
        return any(map(is_unbounded, value.values()))
    return any(map(is_unbounded, value)) if isinstance(value, list) else value is UNBOUNDED


def widen(one: Any, other: Any) -> Any:
    """Give a value that takes at least the room of either."""
    if one is MISSING or other is MISSING:
        return other if one is MISSING else one
    if isinstance(one, dict) and isinstance(other, dict):
        names = {**one, **other}
        return {name: widen(one.get(name, MISSING), other.get(name, MISSING)) for name in names}
    if isinstance(one, list) and isinstance(other, list):
        items = [*one, *other]
        return [widen_all(items)] * max(len(one), len(other)) if items else []
    return max(one, other, key=measure_bytes)


def widen_all(values: list[Any]) -> Any:
    """Give a value that takes at least the room of any of some."""
    widest = MISSING
    for value in values:
        widest = widen(widest, value)
    return widest


def is_expression(template: Any) -> bool:
    """Tell whether a text of a state machine is an expression."""
    return isinstance(template, str) and template.startswith("{%")


def find_widest(expression: str, names: Mapping[str, Any]) -> Any:
    """Find the longest value that an expression may give.

    Args:
        expression: with its `{%` and `%}`.
        names: the longest value of each variable, without its `$`.

    Raises:
        Puzzle: it is not understood, or a name in it is not there.
    """
    text = expression.removeprefix("{%").removesuffix("%}").strip()
    reader = _Reader(text, names)
    found = reader.read_choice()
    reader.end()
    if found is MISSING:
        raise Puzzle(f"nothing gives {text}")
    return found


class _Reader:
    """Reads an expression from left to right. Which operator binds closer makes no value longer."""

    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        self._text = text
        self._names = names
        self._tokens = list(_split(text))

    def end(self) -> None:
        if self._tokens:
            raise Puzzle(f"this check does not know the {self._tokens[0]} of {self._text}")

    def read_choice(self) -> Any:
        """Read `condition ? one : other`, or less."""
        first = self._read_operation()
        if not self._take("?"):
            return first
        one = self.read_choice()
        self._expect(":")
        return widen(one, self.read_choice())

    def _read_operation(self) -> Any:
        self._take("-")
        operands, operators = [self._read_operand()], set()
        while self._tokens and (self._tokens[0] in _ARITHMETIC | _TESTS | {"&"}):
            operators.add(self._tokens.pop(0))
            operands.append(self._read_operand())
        if operators & _TESTS:
            return False
        if "&" in operators:
            return _join(operands)
        return NUMBER if operators else operands[0]

    def _read_operand(self) -> Any:
        token = self._tokens.pop(0) if self._tokens else ""
        if token == "(":  # noqa: S105 (a parenthesis, no secret)
            inner = self.read_choice()
            self._expect(")")
            return inner
        if token in _LITERALS:
            return _LITERALS[token]
        if token[:1].isdigit():
            return float(token)
        if token[:1] in ("'", '"'):
            return token[1:-1]
        if not token.startswith("$"):
            raise Puzzle(f"this check does not know the {token or 'end'} of {self._text}")
        return self._call(token) if self._take("(") else self._find(token)

    def _call(self, name: str) -> Any:
        arguments = []
        while not self._take(")"):
            arguments.append(self.read_choice())
            self._take(",")
        if name not in _FUNCTIONS:
            raise Puzzle(f"this check does not know the function {name} of {self._text}")
        return _FUNCTIONS[name](arguments)

    def _find(self, path: str) -> Any:
        first, *rest = path.removeprefix("$").split(".")
        found = self._names.get(first, MISSING)
        for name in rest:
            if found is UNBOUNDED:
                return UNBOUNDED
            found = found.get(name, MISSING) if isinstance(found, dict) else MISSING
        return found

    def _take(self, token: str) -> bool:
        if self._tokens[:1] != [token]:
            return False
        self._tokens.pop(0)
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise Puzzle(f"there is no {token} in {self._text}")


def _split(text: str) -> Iterator[str]:
    position = 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if found is None:
            raise Puzzle(f"this check does not know the {text[position]} of {text}")
        yield found[found.lastgroup or 0]
        position = found.end()


def _write(value: Any) -> Any:
    """Write a value as `$string` does: a text as it is, others as JSON."""
    if value is MISSING or is_unbounded(value):
        return value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _join(values: list[Any]) -> Any:
    texts = ["" if value is MISSING else _write(value) for value in values]
    return UNBOUNDED if UNBOUNDED in texts else "".join(texts)


_FUNCTIONS: Mapping[str, Callable[[list[Any]], Any]] = {
    "$count": lambda _: NUMBER,
    "$exists": lambda _: False,
    "$random": lambda _: NUMBER,
    "$round": lambda _: NUMBER,
    "$string": lambda values: _write(values[0]),
}
