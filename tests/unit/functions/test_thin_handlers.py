"""A handler only translates: an event, one use case, an answer. What it may import is a contract of pyproject.toml."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[3] / "functions"
ROUTE_LINES_MAX = 14


@pytest.mark.parametrize("path", sorted(FUNCTIONS.glob("*/*.py")), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_handler_is_short_and_catches_nothing(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))

    assert not any(isinstance(node, ast.Try | ast.TryStar) for node in nodes)
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < ROUTE_LINES_MAX, node.name
