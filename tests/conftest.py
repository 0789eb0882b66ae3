"""How the tests are shared out between two processes: `make test` runs them with pytest-xdist."""

from __future__ import annotations

from pathlib import Path

import pytest

_DEPLOYED = Path(__file__).parent / "integration"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave each file to one process, and begin with those that ask a deployed stack: each process has one."""
    items.sort(key=lambda item: not item.path.is_relative_to(_DEPLOYED))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(str(item.path)))
