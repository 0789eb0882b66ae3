"""A copy of what the checks read, to plant faults in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.checks.planting import REPOSITORY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copy the sources, the template, the state machine and what the tools are made of."""
    for name in ("layers", "statemachine", "tools"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pyproject.toml", "template.yaml", "uv.lock"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path
