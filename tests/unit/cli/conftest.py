"""The command line over a stack in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaposter.cli import main
from mediaposter.cli.session import Session
from tests.builders import NOW
from tests.unit.cli.fake_api import FakeApi
from tests.unit.cli.stack import Outcome, Run, StackInMemory


@pytest.fixture
def stack() -> StackInMemory:
    return StackInMemory()


@pytest.fixture
def run(stack: StackInMemory, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Give a way to run a command and to see what it wrote."""

    def run_command(*argv: str) -> Outcome:
        session = Session(
            open_stack=stack.open,
            find_host=lambda: None,
            choose_folder=lambda: tmp_path / "no host",
            clock=lambda: NOW,
            environ=dict,
        )
        status = main(argv, session=session)
        out, err = capsys.readouterr()
        return Outcome(status, out, err)

    return run_command


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Give an API that answers what a test says; the working directory is empty."""
    monkeypatch.chdir(tmp_path)
    return FakeApi(tmp_path / "data")


@pytest.fixture
def ask(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a way to run a command over HTTP and to see what it wrote."""

    def run_command(*argv: str) -> Outcome:
        status = api.run(*argv)
        out, err = capsys.readouterr()
        return Outcome(status, out, err)

    return run_command
