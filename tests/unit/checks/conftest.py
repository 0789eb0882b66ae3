"""A copy of what the checks read, to plant faults in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.checks.planting import REPOSITORY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copy the template, the state machines, and what layers and tools are made of; no module is read."""
    for name in ("layers", "statemachine", "tools"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    for name in ("README.md", "pyproject.toml", "template.yaml", "uv.lock"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path
