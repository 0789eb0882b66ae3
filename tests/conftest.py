"""How the tests are shared out between two processes, and how many examples hypothesis tries.

`make test` runs them with pytest-xdist, each group in one process: all that ask a deployed stack, and each other file.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.conformance.summary import pytest_terminal_summary  # noqa: F401 (a hook)

_HERE = Path(__file__).parent
# One process has the worlds, which wait more than they reckon; the other begins with what takes longest.
_DEPLOYED = _HERE / "integration"
_LONGEST = ("usecases/test_finite_trouble.py", "usecases/test_crashes.py", "usecases/test_guards.py")
# The machines, and what else is worth more, say so themselves.
settings.register_profile("tests", max_examples=40, deadline=None)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the group of each test, and put the groups in order."""
    for item in items:
        is_deployed = item.path.is_relative_to(_DEPLOYED)
        group = "deployed" if is_deployed else item.path.relative_to(_HERE).as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    if item.path.is_relative_to(_DEPLOYED):
        return 0
    path = item.path.relative_to(_HERE / "unit").as_posix()
    return 1 + _LONGEST.index(path) if path in _LONGEST else 1 + len(_LONGEST)
