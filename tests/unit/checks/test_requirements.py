"""Requirements that no longer fit the lock, that have no hash, or of which a Python gets another version."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.requirements import EXPORTS, TOOLS, check_forks, check_requirements, read_requirements, write_exports
from tests.unit.checks.planting import REPOSITORY, plant, run_check

_MEDIAPOSTER, _MEDIA, *_ = EXPORTS


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")


def test_an_untouched_copy_fits_without_a_network(root: Path) -> None:
    assert check_requirements(root) == []


@pytest.mark.parametrize("name", EXPORTS)
def test_a_requirement_that_is_not_locked_is_named_by_its_line(root: Path, name: str) -> None:
    lines = (root / name).read_text().splitlines()
    (root / name).write_text("\n".join([*lines, "left-over==1.0"]) + "\n")

    assert check_requirements(root) == [f"{name}:{len(lines) + 1}: it is not what uv.lock has; run `make requirements`"]


def test_another_version_than_the_locked_one_is_named_by_its_line(root: Path) -> None:
    (line,) = (line for line in (root / _MEDIAPOSTER).read_text().splitlines() if line.startswith("certifi=="))
    place = plant(root, _MEDIAPOSTER, line, "certifi==2020.1.1 \\")

    assert check_requirements(root) == [f"{place}: it is not what uv.lock has; run `make requirements`"]


def test_another_hash_than_the_locked_one_is_named_by_its_line(root: Path) -> None:
    line = (root / _MEDIA).read_text().splitlines()[1]
    place = plant(root, _MEDIA, line, f"    --hash=sha256:{'0' * 64} \\")

    assert check_requirements(root) == [f"{place}: it is not what uv.lock has; run `make requirements`"]


def test_a_lock_that_does_not_fit_the_project_is_named(root: Path) -> None:
    plant(root, "pyproject.toml", 'cli = ["rich>=14"]', "cli = []")

    (finding,) = check_requirements(root)

    assert finding.startswith("uv.lock: it does not fit pyproject.toml; run `uv lock`.")


def test_a_package_of_which_some_pythons_get_another_version_is_named(root: Path) -> None:
    with (root / "uv.lock").open("a") as lock:
        lock.write(
            '\n[[package]]\nname = "av"\nversion = "19.0.2"\nsource = { registry = "https://pypi.org/simple" }\n'
        )

    (finding,) = check_forks(root)

    assert finding.startswith("uv.lock: av is 18.1.0 and 19.0.2, each on some Pythons or platforms only")


@pytest.mark.parametrize("name", [*EXPORTS, *(f"tools/{tool}.txt" for tool in TOOLS)])
def test_each_requirement_has_a_hash_and_no_registry_is_named(name: str) -> None:
    text = (REPOSITORY / name).read_text()

    assert all(requirement.is_hashed for requirement in read_requirements(text))
    assert "://" not in text


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("priority==2.0.0\nleft-over==1.0 \\", "priority has no hash; run `make requirements`"),
        ("priority>=2.0.0 \\", "it must pin one version, name==version, and nothing else: priority>=2.0.0 \\"),
        ("--index-url https://registry.example/simple", "it must pin one version, name==version, and nothing else: --"),
        ("cffi==1.0 \\", "another cffi, for some Pythons or platforms only"),
    ],
)
def test_a_tool_that_is_not_pinned_once_by_hash_is_named(root: Path, new: str, words: str) -> None:
    place = plant(root, "tools/ministack.txt", "priority==2.0.0 \\", new)

    (finding,) = check_requirements(root)

    assert finding.startswith(f"{place}: {words}")


def test_a_tool_that_was_not_resolved_anew_is_named(root: Path) -> None:
    place = plant(root, "tools/sam.in", "aws-sam-cli==1.170.0", "aws-sam-cli==1.171.0")

    (finding,) = check_requirements(root)

    assert finding == f"{place}: aws-sam-cli==1.171.0 is not what tools/sam.txt has; run `make requirements`"


def test_what_is_exported_is_what_the_lock_has(root: Path) -> None:
    (root / _MEDIA).write_text("pillow==1.0\n")

    write_exports(root)

    assert (root / _MEDIA).read_text() == (REPOSITORY / _MEDIA).read_text()


def test_the_command_prints_the_findings_and_fails(root: Path) -> None:
    (root / _MEDIA).write_text("")

    assert run_check("requirements", root) == (1, [f"{_MEDIA}:1: it is not what uv.lock has; run `make requirements`"])
