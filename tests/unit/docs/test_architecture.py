"""docs/architecture.md: its table of states names files and classes that there are, and it stays a page."""

from __future__ import annotations

import re
from pathlib import Path

from checks.state_machine import read_state_machine

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([A-Z][\w ]+) \| `(\w+\.py)` → `([\w/]+\.py)` `(\w+)` \|", re.MULTILINE)


def test_a_row_names_the_file_and_the_class_of_its_state() -> None:
    for state, handler, module, name in ROW.findall(PAGE):
        use_case = (ROOT / "layers/mediaposter/mediaposter/usecases" / module).read_text(encoding="utf-8")
        assert (ROOT / "functions" / "video" / handler).is_file(), state
        assert f"class {name}" in use_case, state


def test_each_state_that_calls_a_function_has_a_row() -> None:
    machine = read_state_machine(ROOT / "statemachine" / "video.asl.json")
    called = {name for scope in machine.walk() for name, state in scope.states.items() if state.is_invocation}

    assert {row[0] for row in ROW.findall(PAGE)} == called


def test_the_page_has_at_most_thirty_kilobytes() -> None:
    assert len(PAGE.encode()) <= 30_000
