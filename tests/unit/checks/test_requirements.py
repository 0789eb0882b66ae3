"""Requirements that no longer fit the lock, or of which a Python gets another version."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.requirements import EXPORTS, check_forks, check_requirements
from tests.unit.checks.planting import plant


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")


def test_an_untouched_copy_fits_without_a_network(root: Path) -> None:
    assert list(check_requirements(root)) == []


def test_a_requirement_that_is_not_locked_is_named_by_its_line(root: Path) -> None:
    places = []
    for name in EXPORTS:
        lines = (root / name).read_text().splitlines()
        (root / name).write_text("\n".join([*lines, "left-over==1.0"]) + "\n")
        places.append(f"{name}:{len(lines) + 1}")

    assert list(check_requirements(root)) == [f"{place}: not what `make requirements` writes" for place in places]


def test_a_lock_that_does_not_fit_the_project_is_named(root: Path) -> None:
    plant(root, "pyproject.toml", 'aws = ["boto3>=1.43"]', "aws = []")

    (finding,) = check_requirements(root)

    assert finding.startswith("uv.lock: it does not fit pyproject.toml; run `uv lock`.")


def test_a_package_of_which_some_pythons_get_another_version_is_named() -> None:
    (finding,) = check_forks("uv.lock", ["av", "pillow", "av"])

    assert finding.startswith("uv.lock: av is there in 2 versions, each for some Pythons or platforms only")


@pytest.mark.parametrize(
    ("path", "old", "new", "finding"),
    [
        ("tools/ministack.txt", "priority==2.0.0", "cffi==1.0", "tools/ministack.txt: cffi is there in 2 versions"),
        ("tools/ministack.txt", "priority==2.0.0", "priority @ https://x.example/1", "tools/ministack.txt: it names a"),
        ("tools/sam.in", "aws-sam-cli==1.170.0", "aws-sam-cli==1.171.0", "tools/sam.in:2: aws-sam-cli==1.171.0 is not"),
    ],
)
def test_a_tool_that_is_not_pinned_once_as_it_was_resolved_is_named(
    root: Path, path: str, old: str, new: str, finding: str
) -> None:
    plant(root, path, old, new)

    (found,) = check_requirements(root)

    assert found.startswith(finding)
