"""How the tests are shared out between processes, and how many examples hypothesis tries.

`make test` runs them with pytest-xdist, each group in one process: all that ask the deployed stacks, all that ask the
embedded host, and each other file. The scheduler is our own: the groups of pytest-xdist 3.8 (`--dist loadgroup`) are
without effect under pytest 9.2, which keeps the id of a test elsewhere, and it tells of none.
"""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.conformance.summary import pytest_terminal_summary  # noqa: F401 (a hook)

_ROOT = Path(__file__).parents[1]
# One process has the worlds, which wait more than they reckon; the others begin with what takes longest.
_WITHOUT_WORLD = (
    "tests/integration/sandbox/",
    "tests/integration/test_first_examples.py",
    "tests/integration/test_layers.py",
    "tests/integration/test_sora_api_page.py",
)
_IN_A_BROWSER = "tests/browser/test_deployed.py"
_OWN_HOSTS = (
    "tests/conformance/test_backup.py",
    "tests/conformance/test_bad_folders.py",
    "tests/conformance/test_docs.py",
    "tests/conformance/test_kills.py",
    "tests/conformance/test_wheel.py",
)
_ON_TEMPLATE = re.compile(r"\[(?:.*-)?deployed(?:-.*)?\]$")
_LONGEST = (
    "tests/conformance/test_kills.py",
    "tests/unit/usecases/test_finite_trouble.py",
    "tests/unit/usecases/test_crashes.py",
    "tests/unit/usecases/test_guards.py",
    "tests/integration/test_layers.py",
)
# The machines, and what else is worth more, say so themselves.
settings.register_profile("tests", max_examples=40, deadline=None)
# What differs between two Pythons shows in a few.
settings.register_profile("lambda", max_examples=5, deadline=None)
settings.load_profile("tests")


# Nothing that an import or the collection makes is garbage, and to look for it takes a quarter of their time.
gc.disable()


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives each process whole groups."""

    def _split_scope(self, nodeid: str) -> str:
        return name_group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    """Share the tests out by their groups."""
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the groups in order."""
    items.sort(key=lambda item: _place(f"{item.path.relative_to(_ROOT).as_posix()}::{item.name}"))


def name_group(nodeid: str) -> str:
    """Keep together what asks one world: the deployed stacks, or the embedded host of the conformance suite.

    tests/browser asks embedded hosts of its own, and starts a browser: a group that either process may take. One file
    of it asks the deployed stack.
    """
    path = nodeid.partition("::")[0]
    if _asks_deployed(nodeid):
        return "deployed"
    if path.startswith("tests/conformance/") and path not in _OWN_HOSTS:
        return "conformance"
    return "browser" if path.startswith("tests/browser/") else path


def _asks_deployed(nodeid: str) -> bool:
    if nodeid.startswith(_IN_A_BROWSER):
        return True
    if nodeid.startswith("tests/integration/"):
        return not nodeid.startswith(_WITHOUT_WORLD)
    return nodeid.startswith("tests/conformance/") and _ON_TEMPLATE.search(nodeid) is not None


def _place(nodeid: str) -> int:
    group = name_group(nodeid)
    first = ("deployed", "conformance", "browser", *_LONGEST)
    return first.index(group) if group in first else len(first)


def pytest_collection_finish() -> None:
    """Look for garbage again."""
    gc.enable()


class _Failures:
    """Tells of a failure when it happens: the whole of it comes at the end, minutes later."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            reason = report.longreprtext.strip().splitlines()[-1:]
            terminal.write_line(f"\n{report.nodeid} failed: {''.join(reason)}")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Failures(config))
