"""Find a guard by its marker, and take it away in the syntax tree of the module that holds it.

A marker is the comment `# guard: <name>`, at the end of a line or on a line of its own above a statement. A mutation
changes the statement that carries it. It acts on what ends on the marker's line, or on all of the statement if nothing
does; neither names nor layout matter.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

_COMMENT = re.compile(r"#\s*guard\b", re.IGNORECASE)
_MARKER = re.compile(r"# guard: ([a-z]+(?: [a-z]+)*)(?=  #|$)")

_Statement = ast.stmt | ast.ExceptHandler
Node = TypeVar("Node", bound=ast.AST)


class NotApplicable(Exception):
    """The code at a marker is not what a mutation of it is about."""


class Marker(NamedTuple):
    """A marker: the file and the line of the code that it is about."""

    name: str
    path: Path
    line: int
    is_above: bool


@dataclass
class Place:
    """The statement that carries a marker.

    Attributes:
        tree: the module.
        statement: the innermost statement, or except clause, at the marker.
        line: where the marker stands; None if it stands above the whole statement.
        injected: what changed code finds by the names that `inject` gives.
    """

    tree: ast.Module
    statement: _Statement
    line: int | None
    injected: dict[str, object] = field(default_factory=dict)

    def find(self, *kinds: type[ast.AST]) -> list[ast.AST]:
        """List the outermost nodes of some kinds."""
        ending_here = list(_walk_outermost(_list_header(self.statement), kinds, self.line)) if self.line else []
        return ending_here or list(_walk_outermost(_list_header(self.statement), kinds, None))

    def find_one(self, *kinds: type[ast.AST]) -> ast.AST:
        """Give the only outermost node of some kinds.

        Raises:
            NotApplicable: there is none, or another.
        """
        return _get_only(self.find(*kinds), "/".join(kind.__name__ for kind in kinds))

    def inject(self, value: object) -> ast.expr:
        """Name an object of the test for the changed code."""
        name = f"__guard_{len(self.injected)}__"
        self.injected[name] = value
        return ast.Name(name, ast.Load())

    def replace(self, old: ast.AST, new: ast.AST | None) -> None:
        """Put a node in the place of another, or nothing."""
        _Replace(old, new).visit(self.tree)


Mutation = Callable[[Place], None]


def list_markers(package: Path) -> list[Marker]:
    """List the markers of a package.

    Raises:
        ValueError: a comment looks like a marker, and is none.
    """
    return [marker for path in sorted(package.rglob("*.py")) for marker in _list_markers_of(path)]


def find_place(marker: Marker) -> Place:
    """Parse the module of a marker and find its statement.

    Raises:
        NotApplicable: no statement carries the marker.
    """
    tree = ast.parse(marker.path.read_bytes())
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, _Statement) and node.lineno <= marker.line <= (node.end_lineno or node.lineno)
    ]
    if not around:
        raise NotApplicable("no statement is there")
    statement = max(around, key=lambda node: (node.lineno, node.col_offset))
    body: Sequence[ast.stmt] = getattr(statement, "body", ())
    if (body and marker.line >= body[0].lineno > statement.lineno) or (
        marker.is_above and marker.line != statement.lineno
    ):
        raise NotApplicable("it stands between statements")
    return Place(tree, statement, None if marker.is_above else marker.line)


def drop(place: Place) -> None:
    """Leave out the statement, or the except clause."""
    place.replace(place.statement, ast.Pass() if isinstance(place.statement, ast.stmt) else None)


def never(place: Place) -> None:
    """Take the condition of an if, a while, a conditional expression or a comprehension for false."""
    place.replace(_find_condition(place), ast.Constant(value=False))


def always(place: Place) -> None:
    """Take the condition of an if, a while, a conditional expression or a comprehension for true."""
    place.replace(_find_condition(place), ast.Constant(value=True))


def drop_operand(*positions: int) -> Mutation:
    """Leave out operands of `and` or `or`."""

    def mutate(place: Place) -> None:
        operation = place.find_one(ast.BoolOp)
        assert isinstance(operation, ast.BoolOp)
        left = _without(operation.values, positions)
        place.replace(operation, left[0] if len(left) == 1 else ast.BoolOp(operation.op, left))

    return mutate


def drop_element(position: int) -> Mutation:
    """Leave out an element of each list, tuple or f-string."""

    def mutate(place: Place) -> None:
        collections = place.find(ast.List, ast.Tuple, ast.JoinedStr)
        if not collections:
            raise NotApplicable("no list, tuple or f-string is there")
        for collection in collections:
            if isinstance(collection, ast.JoinedStr):
                collection.values = _without(collection.values, (position,))
            elif isinstance(collection, ast.List | ast.Tuple):
                collection.elts = _without(collection.elts, (position,))

    return mutate


def add_element(value: object) -> Mutation:
    """Add an element to a list or a tuple."""

    def mutate(place: Place) -> None:
        collection = place.find_one(ast.List, ast.Tuple)
        assert isinstance(collection, ast.List | ast.Tuple)
        collection.elts.append(place.inject(value))

    return mutate


def drop_argument(position: int) -> Mutation:
    """Leave out an argument of a call; those by name are counted after those by position."""

    def mutate(place: Place) -> None:
        call = _find_call(place)
        left = _without([*call.args, *call.keywords], (position,))
        call.args = [argument for argument in left if isinstance(argument, ast.expr)]
        call.keywords = [argument for argument in left if isinstance(argument, ast.keyword)]

    return mutate


def give(value: object, *, argument: int | None = None) -> Mutation:
    """Put a value in the place of an argument of a call, or else of what is assigned, returned or passed by name."""

    def mutate(place: Place) -> None:
        old = _find_value(place) if argument is None else _get_argument(_find_call(place), argument)
        place.replace(old, place.inject(value))

    return mutate


def leave_subject(place: Place) -> None:
    """Give what a method is called on in the place of what it gives."""
    call = _find_call(place)
    if not isinstance(call.func, ast.Attribute):
        raise NotApplicable("no method is called there")
    place.replace(call, call.func.value)


def leave_argument(position: int) -> Mutation:
    """Give an argument of a call in the place of what it gives."""

    def mutate(place: Place) -> None:
        call = _find_call(place)
        place.replace(call, _get_argument(call, position))

    return mutate


def call(function: Callable[..., object], *, instead_of: Callable[..., object]) -> Mutation:
    """Call another function; for a method, the object that it is called on comes first."""

    def mutate(place: Place) -> None:
        nodes = [node for root in _list_header(place.statement) for node in ast.walk(root)]
        calls = [node for node in nodes if isinstance(node, ast.Call) and _name(node.func) == instead_of.__name__]
        found = _get_only(calls, f"call of {instead_of.__name__}")
        subject = [found.func.value] if isinstance(found.func, ast.Attribute) else []
        place.replace(found, ast.Call(place.inject(function), [*subject, *found.args], found.keywords))

    return mutate


def compare(operator: ast.cmpop, to: object = None) -> Mutation:
    """Compare otherwise, or with another value."""

    def mutate(place: Place) -> None:
        comparison = place.find_one(ast.Compare)
        assert isinstance(comparison, ast.Compare)
        comparison.ops = [operator]
        if to is not None:
            comparison.comparators = [place.inject(to)]

    return mutate


def take_whole(place: Place) -> None:
    """Give a sequence in the place of its slice."""
    slices = [node for node in place.find(ast.Subscript) if isinstance(node, ast.Subscript)]
    slice_ = _get_only([node for node in slices if isinstance(node.slice, ast.Slice)], "slice")
    place.replace(slice_, slice_.value)


def keep_every_item(place: Place) -> None:
    """Give each item of a dict comprehension a key of its own."""
    comprehension = place.find_one(ast.DictComp)
    assert isinstance(comprehension, ast.DictComp)
    comprehension.key = ast.Call(place.inject(object), [], [])


def accept_any_record(place: Place) -> None:
    """Let a condition that DynamoDB checks hold for whatever record exists: it is the last text at the marker."""
    texts = [node for node in place.find(ast.Constant, ast.JoinedStr) if _is_text(node)]
    if not texts:
        raise NotApplicable("no text is there")
    condition = texts[-1]
    assert isinstance(condition, ast.expr)
    before, after = ast.Constant("(attribute_exists(pk) OR "), ast.Constant(")")
    # A node is not visited again within its own replacement.
    place.replace(condition, ast.BinOp(ast.BinOp(before, ast.Add(), condition), ast.Add(), after))


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST | None) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST | None:
        if node is not self._old:
            changed = self.generic_visit(node)
            assert changed is node
            return changed
        return self._new if self._new is None else ast.copy_location(self._new, node)


def _list_markers_of(path: Path) -> Iterator[Marker]:
    text = path.read_text(encoding="utf-8")
    if not _COMMENT.search(text):
        return
    waiting: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_alone = not token.line[: token.start[1]].strip()
        if token.type == tokenize.COMMENT and _COMMENT.search(token.string):
            matched = _MARKER.search(token.string)
            if matched is None:
                raise ValueError(f"{path}:{token.start[0]}: write a marker as `# guard: <name>`, not {token.string!r}.")
            if is_alone:
                waiting.append(matched[1])
            else:
                yield Marker(matched[1], path, token.start[0], is_above=False)
        elif waiting and token.string.strip() and token.type != tokenize.COMMENT:
            yield from (Marker(name, path, token.start[0], is_above=True) for name in waiting)
            waiting = []


def _list_header(statement: _Statement) -> list[ast.AST]:
    """List what belongs to a statement, and to no statement within it."""
    return [node for node in ast.iter_child_nodes(statement) if not isinstance(node, _Statement)]


def _walk_outermost(roots: Sequence[ast.AST], kinds: tuple[type[ast.AST], ...], line: int | None) -> Iterator[ast.AST]:
    for node in roots:
        if isinstance(node, kinds) and (line is None or getattr(node, "end_lineno", None) == line):
            yield node
        else:
            yield from _walk_outermost(list(ast.iter_child_nodes(node)), kinds, line)


def _find_condition(place: Place) -> ast.AST:
    if isinstance(place.statement, ast.If | ast.While):
        return place.statement.test
    conditions: list[ast.AST] = []
    for node in [*place.find(ast.IfExp), *place.find(ast.comprehension)]:
        if isinstance(node, ast.IfExp):
            conditions.append(node.test)
        elif isinstance(node, ast.comprehension):
            conditions += node.ifs
    return _get_only(conditions, "condition")


def _find_call(place: Place) -> ast.Call:
    found = place.find_one(ast.Call)
    assert isinstance(found, ast.Call)
    return found


def _find_value(place: Place) -> ast.AST:
    statement = place.statement
    if place.line is not None and place.line != statement.end_lineno:
        named = [node for node in place.find(ast.keyword) if getattr(node, "end_lineno", None) == place.line]
        if named:
            keyword = _get_only(named, "keyword")
            assert isinstance(keyword, ast.keyword)
            return keyword.value
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Return) and statement.value is not None:
        return statement.value
    raise NotApplicable("nothing is assigned, returned or named there")


def _get_argument(call: ast.Call, position: int) -> ast.expr:
    return [*call.args, *(keyword.value for keyword in call.keywords)][position]


def _without(nodes: Sequence[Node], positions: Sequence[int]) -> list[Node]:
    if max(positions) >= len(nodes) or len(nodes) <= len(positions):
        raise NotApplicable(f"{len(nodes)} are there")
    return [node for position, node in enumerate(nodes) if position not in positions]


def _get_only(nodes: Sequence[Node], what: str) -> Node:
    if len(nodes) != 1:
        raise NotApplicable(f"{len(nodes)} are there, not one {what}")
    return nodes[0]


def _name(function: ast.expr) -> str | None:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
