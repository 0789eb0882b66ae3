"""How the tests are shared out between processes, and how many examples hypothesis tries.

`make test` runs them with pytest-xdist, each group in one process: all that ask the deployed stacks, all that ask the
embedded host, and each other file.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.conformance.summary import pytest_terminal_summary  # noqa: F401 (a hook)

_HERE = Path(__file__).parent
# One process has the worlds, which wait more than they reckon; another begins with what takes longest.
_INTEGRATION = _HERE / "integration"
_STAND_INS = _INTEGRATION / "sandbox"
_WITHOUT_WORLD = ("test_layers.py", "test_sora_api_page.py")
_CONFORMANCE = _HERE / "conformance"
_OWN_HOSTS = ("test_backup.py", "test_bad_folders.py", "test_kills.py")
_BROWSER = _HERE / "browser"
_LONGEST = (
    "unit/usecases/test_finite_trouble.py",
    "unit/usecases/test_crashes.py",
    "unit/usecases/test_guards.py",
    "integration/test_layers.py",
)
# The machines, and what else is worth more, say so themselves.
settings.register_profile("tests", max_examples=40, deadline=None)
# What differs between two Pythons shows in a few.
settings.register_profile("lambda", max_examples=5, deadline=None)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the group of each test, and put the groups in order."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_name_group(item)))
    items.sort(key=_place)


def _name_group(item: pytest.Item) -> str:
    """Keep together what asks one world: the deployed stacks, or the embedded host of the conformance suite.

    tests/browser asks embedded hosts of its own, and starts a browser: a group that either process may take.
    """
    if _asks_deployed(item):
        return "deployed"
    if item.path.is_relative_to(_CONFORMANCE) and item.path.name not in _OWN_HOSTS:
        return "conformance"
    if item.path.is_relative_to(_BROWSER):
        return "browser"
    return item.path.relative_to(_HERE).as_posix()


def _asks_deployed(item: pytest.Item) -> bool:
    if item.path.is_relative_to(_INTEGRATION):
        return not item.path.is_relative_to(_STAND_INS) and item.path.name not in _WITHOUT_WORLD
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return parameters.get("stack") == "deployed"


def _place(item: pytest.Item) -> int:
    if _asks_deployed(item):
        return 0
    if item.path.is_relative_to(_CONFORMANCE) or item.path.is_relative_to(_BROWSER):
        return 1
    if item.path.is_relative_to(_BROWSER):
        return 2
    path = item.path.relative_to(_HERE).as_posix()
    return 3 + _LONGEST.index(path) if path in _LONGEST else 3 + len(_LONGEST)
