"""Requirements that no longer fit the lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from checks.requirements import LAYERS, check_requirements
from tests.unit.checks.planting import REPOSITORY, plant, run_check

_MEDIAPOSTER, _MEDIA, _ = LAYERS


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")


def test_an_untouched_copy_fits_without_a_network(root: Path) -> None:
    assert check_requirements(root) == []


@pytest.mark.parametrize("name", LAYERS)
def test_a_requirement_that_is_not_locked_is_named_by_its_line(root: Path, name: str) -> None:
    lines = (root / name).read_text().splitlines()
    (root / name).write_text("\n".join([*lines, "left-over==1.0"]) + "\n")

    assert check_requirements(root) == [f"{name}:{len(lines) + 1}: it is not what uv.lock has; run `make requirements`"]


def test_another_version_than_the_locked_one_is_named_by_its_line(root: Path) -> None:
    lines = (root / _MEDIAPOSTER).read_text().splitlines()
    place = plant(root, _MEDIAPOSTER, lines[3], "certifi==2020.1.1")

    assert check_requirements(root) == [f"{place}: it is not what uv.lock has; run `make requirements`"]


def test_a_lock_that_does_not_fit_the_project_is_named(root: Path) -> None:
    plant(root, "pyproject.toml", 'cli = ["rich>=14"]', "cli = []")

    (finding,) = check_requirements(root)

    assert finding.startswith("uv.lock: it does not fit pyproject.toml; run `uv lock`.")


def test_write_exports_what_the_lock_has(root: Path) -> None:
    (root / _MEDIA).write_text("pillow==1.0\n")

    done = subprocess.run([sys.executable, "-m", "checks.requirements", root, "--write"], cwd=REPOSITORY, check=False)

    assert done.returncode == 0
    assert (root / _MEDIA).read_text() == (REPOSITORY / _MEDIA).read_text()


def test_the_command_prints_the_findings_and_fails(root: Path) -> None:
    (root / _MEDIA).write_text("")

    assert run_check("requirements", root) == (1, [f"{_MEDIA}:1: it is not what uv.lock has; run `make requirements`"])
