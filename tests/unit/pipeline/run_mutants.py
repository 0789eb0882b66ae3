"""Run tests against copies of the package that differ from it in one place each.

    python -m tests.unit.pipeline.run_mutants <directory with the copy> < mutants.json > exit_codes.json

Each run is a fork, which begins with all that others wrote imported already, and nothing of ours.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

_IMPORTED_ONCE = (
    "anyio",
    "av",
    "boto3",
    "boto3.dynamodb.types",
    "httpx",
    "hypothesis.stateful",
    "moto",
    "PIL.Image",
    "pytest_socket",
    "python_multipart",
)


class Mutant(BaseModel):
    """One change of one file below the package, and the tests that should not let it pass."""

    model_config = ConfigDict(frozen=True)

    file: str
    source: str
    replacement: str
    tests: tuple[str, ...]


Mutants = TypeAdapter(list[Mutant])


def main() -> None:
    """Try every mutant that is named on the standard input, and print how its tests ended."""
    copy = Path(sys.argv[1])
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode = True
    for name in _IMPORTED_ONCE:
        importlib.import_module(name)
    exit_codes = [_try(mutant, copy) for mutant in Mutants.validate_json(sys.stdin.buffer.read())]
    sys.stdout.write(TypeAdapter(list[int]).dump_json(exit_codes).decode())


def _try(mutant: Mutant, copy: Path) -> int:
    changed = copy / "mediaposter" / mutant.file
    content = changed.read_text(encoding="utf-8")
    changed.write_text(content.replace(mutant.source, mutant.replacement), encoding="utf-8")
    try:
        child = os.fork()
        if child == 0:
            os._exit(_run(mutant.tests, copy))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        changed.write_text(content, encoding="utf-8")


def _run(tests: tuple[str, ...], copy: Path) -> int:
    """Run tests in this process, quietly, and make sure that they test the copy."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stdout.fileno())
    package = importlib.import_module("mediaposter")
    if package.__file__ is None or not Path(package.__file__).is_relative_to(copy):
        raise AssertionError(f"{package.__file__} is tested, not the copy")
    return int(pytest.main(["-x", "-q", "--tb=no", "-p", "no:cacheprovider", *tests]))


if __name__ == "__main__":
    main()
