"""Take away each guard of the money, the public, the alarms and what a key may do; a test must fail.

A guard is a line of the package with the comment `# guard: <name>`. `guards.py` tells what its deletion is, and the
tests that must fail then.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from pydantic import TypeAdapter

from tests.unit.usecases.guards import GUARDS
from tests.unit.usecases.mutations import list_markers
from tests.unit.usecases.run_mutants import PACKAGE, UNCHANGED, Outcome, Outcomes

ROOT = Path(__file__).parents[3]
ALL_RUN_SECONDS = 600


def test_a_marker_stands_once_in_the_code() -> None:
    counts = Counter(marker.name for marker in list_markers(PACKAGE))

    assert [name for name, count in counts.items() if count > 1] == []


def test_each_marker_in_the_code_is_tried() -> None:
    tried = {guard.marker for guard in GUARDS.values()}

    assert [marker for marker in list_markers(PACKAGE) if marker.name not in tried] == [], "Add them to guards.py."


def test_each_guard_that_is_tried_has_its_marker_in_the_code() -> None:
    markers = {marker.name for marker in list_markers(PACKAGE)}

    assert [guard.marker for guard in GUARDS.values() if guard.marker not in markers] == [], (
        "The comment `# guard: <name>` is gone: see that the guard still stands, and mark its line again."
    )


def test_a_test_fails_without_its_guard() -> None:
    """Run every test that is named with all guards, and those of each guard without it."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.unit.usecases.run_mutants"],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        timeout=ALL_RUN_SECONDS,
        check=True,
    )
    outcomes = TypeAdapter(dict[str, Outcomes]).validate_json(ended.stdout)

    with_all = outcomes.pop(UNCHANGED)
    assert {test: outcome for test, outcome in with_all.items() if outcome != Outcome.PASSED} == {}
    expected = {name: dict.fromkeys(guard.tests, Outcome.FAILED) for name, guard in GUARDS.items()}
    assert {name: tests for name, tests in outcomes.items() if tests != expected[name]} == {}, (
        "Look at `# guard: <name>` of each. `python -m tests.unit.usecases.run_mutants '<name>' tests/unit/usecases` "
        "lists the tests that fail without it."
    )
    assert outcomes.keys() == expected.keys()
