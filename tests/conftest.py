"""How the tests are shared out between processes, and how many examples hypothesis tries.

`make test` runs them with pytest-xdist, each group in one process: all that ask a deployed stack, and each other file.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.conformance.summary import pytest_terminal_summary  # noqa: F401 (a hook)

_HERE = Path(__file__).parent
# One process has the worlds, which wait more than they reckon; another begins with what takes longest.
_DEPLOYED = _HERE / "integration"
_CONFORMANCE = _HERE / "conformance"
_BROWSER = _HERE / "browser"
_LONGEST = ("usecases/test_finite_trouble.py", "usecases/test_crashes.py", "usecases/test_guards.py")
# The machines, and what else is worth more, say so themselves.
settings.register_profile("tests", max_examples=40, deadline=None)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the group of each test, and put the groups in order."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_name_group(item)))
    items.sort(key=_place)


def _name_group(item: pytest.Item) -> str:
    """Keep together what asks one world: the deployed stack, or the embedded host of the conformance suite."""
    if item.path.is_relative_to(_DEPLOYED):
        return "deployed"
    if item.path.is_relative_to(_CONFORMANCE) and item.path.name != "test_kills.py":
        return "conformance"
    if item.path.is_relative_to(_BROWSER):
        return "browser"
    return item.path.relative_to(_HERE).as_posix()


def _place(item: pytest.Item) -> int:
    if item.path.is_relative_to(_DEPLOYED):
        return 0
    if item.path.is_relative_to(_CONFORMANCE) or item.path.is_relative_to(_BROWSER):
        return 1
    path = item.path.relative_to(_HERE / "unit").as_posix()
    return 2 + _LONGEST.index(path) if path in _LONGEST else 2 + len(_LONGEST)
