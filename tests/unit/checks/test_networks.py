"""Tables of docs/publishing.md that say something else than the checks of posts do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checks.networks import DOCUMENT, check_networks
from tests.unit.checks.planting import REPOSITORY, plant

FINDING = f"{DOCUMENT}: its tables are not what networks.py has; run `python -m checks.networks --write`"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the document."""
    (tmp_path / DOCUMENT).parent.mkdir()
    shutil.copy(REPOSITORY / DOCUMENT, tmp_path / DOCUMENT)
    return tmp_path


def test_the_tables_are_what_the_checks_have() -> None:
    assert check_networks(REPOSITORY) == []


@pytest.mark.parametrize(
    ("old", "new"), [("| 500 bytes, 3 links |", "| 500 characters |"), ("| 90 UTF-16 units |", "| 90 characters |")]
)
def test_a_limit_that_is_not_checked_is_found(copy: Path, old: str, new: str) -> None:
    plant(copy, DOCUMENT, old, new)

    assert check_networks(copy) == [FINDING]


def test_the_tables_are_written_and_nothing_else(copy: Path) -> None:
    before = (copy / DOCUMENT).read_text()
    plant(copy, DOCUMENT, "| 500 bytes, 3 links |", "| 500 characters |")

    done = subprocess.run(
        [sys.executable, "-m", "checks.networks", "--write", str(copy)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (copy / DOCUMENT).read_text() == before
