"""The command line over a stack in memory."""

from __future__ import annotations

import pytest

from mediaposter.cli import main
from tests.builders import NOW
from tests.unit.cli.stack import Outcome, Run, StackInMemory


@pytest.fixture
def stack() -> StackInMemory:
    return StackInMemory()


@pytest.fixture
def run(stack: StackInMemory, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a way to run a command and to see what it wrote."""

    def run_command(*argv: str) -> Outcome:
        try:
            status = main(argv, open_stack=stack.open, clock=lambda: NOW)
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = capsys.readouterr()
        return Outcome(status, out, err)

    return run_command
