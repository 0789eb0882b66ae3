"""How the tests are shared out between two processes: `make test` runs them with pytest-xdist."""

from __future__ import annotations

from pathlib import Path

import pytest

_DEPLOYED = Path(__file__).parent / "integration"
_WITHOUT_A_STACK = _DEPLOYED / "sandbox"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all that ask the one deployed stack to one process, first; any other file goes to whoever is free."""
    items.sort(key=lambda item: not _asks_the_stack(item.path))
    for item in items:
        group = "stack" if _asks_the_stack(item.path) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


def _asks_the_stack(path: Path) -> bool:
    return path.is_relative_to(_DEPLOYED) and not path.is_relative_to(_WITHOUT_A_STACK)
