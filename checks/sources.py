"""Rules on single files: how thin a handler is, what is imported late, and who may read the environment."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from checks.command import run

ROUTE_LINES_MAX = 14
_HANDLER_IMPORTS = (
    "__future__",
    "aws_lambda_powertools",
    "mediaposter.api",
    "mediaposter.bootstrap",
    "mediaposter.observability",
    "mediaposter.library.inspection",
    "mediaposter.pipeline.steps",
    "typing",
)
_PACKAGE = "layers/mediaposter/mediaposter"
# What these files import inside functions only: a Lambda loads what its own use case needs, and only one of them
# has the layer with av and PIL. The import contract of the submit path counts on it.
_LATE_IMPORTS = {
    f"{_PACKAGE}/bootstrap/*.py": (
        "boto3",
        "botocore",
        "mediaposter.ai",
        "mediaposter.api",
        "mediaposter.events",
        "mediaposter.library",
        "mediaposter.pipeline",
        "mediaposter.publishing",
        "mediaposter.safe_http",
        "mediaposter.workflow",
    ),
    f"{_PACKAGE}/library/probe.py": ("av", "PIL"),
    f"{_PACKAGE}/publishing/text_units.py": ("emoji", "regex"),
}
_ENVIRONMENT = frozenset({"environ", "environb", "getenv", "getenvb"})


def check_sources(root: Path) -> list[str]:
    """Find what breaks the rules on single files."""
    findings = []
    for path in sorted(root.glob("functions/*/*.py")):
        findings += [f"{path.relative_to(root)}:{finding}" for finding in _check_handler(path.read_text())]
    for pattern, late in _LATE_IMPORTS.items():
        for path in sorted(root.glob(pattern)):
            findings += [
                f"{path.relative_to(root)}:{finding}" for finding in _check_late_imports(path.read_text(), late)
            ]
    for path in sorted((root / _PACKAGE).glob("ai/*.py")):
        # The factory hands the models what it reads, for whoever has no bootstrap.
        if path.name == "video_model_factory.py":
            continue
        findings += [f"{path.relative_to(root)}:{finding}" for finding in _check_environment(path.read_text())]
    return findings


def _check_handler(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > ROUTE_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {lines} lines, more than {ROUTE_LINES_MAX}: it translates only"
        if isinstance(node, ast.Try | ast.TryStar):
            yield f"{node.lineno}: a handler catches nothing: errors are mapped in mediaposter.api.http, faults raise"
    for line, name in _list_imports(ast.walk(tree)):
        if not _is_within(name, _HANDLER_IMPORTS):
            yield f"{line}: a handler must not import {name}; it may import {', '.join(_HANDLER_IMPORTS)}"


def _check_late_imports(text: str, late: tuple[str, ...]) -> Iterator[str]:
    for line, name in _list_imports(_walk_loaded(ast.parse(text))):
        if _is_within(name, late):
            yield f"{line}: {name} must be imported inside the function that needs it"


def _check_environment(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            names = {node.attr}
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
        else:
            continue
        if names & _ENVIRONMENT:
            yield f"{node.lineno}: a video model must not read the environment; keys and addresses are arguments"


def _walk_loaded(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over what runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            continue
        yield child
        yield from _walk_loaded(child)


def _list_imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def _is_within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


if __name__ == "__main__":
    run(check_sources)
