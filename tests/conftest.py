"""How the tests are shared out between two processes: `make test` runs them with pytest-xdist, each file in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.summary import pytest_terminal_summary  # noqa: F401 (a hook)

_DEPLOYED = Path(__file__).parent / "integration"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that ask a deployed stack: each process has one, and they take longest."""
    items.sort(key=lambda item: not item.path.is_relative_to(_DEPLOYED))
