"""Files that say something else than what they are generated from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from checks.cli import check_cli
from checks.command import compare, run
from checks.events import check_events
from checks.networks import check_networks
from checks.openapi import check_openapi
from tests.unit.checks.planting import REPOSITORY, plant

Check = Callable[[Path], Iterable[str]]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "docs", tmp_path / "docs")
    return tmp_path


@pytest.mark.parametrize("check", [check_openapi, check_events, check_networks, check_cli])
def test_the_files_are_what_they_are_generated_from(check: Check) -> None:
    assert list(check(REPOSITORY)) == []


@pytest.mark.parametrize(
    ("check", "path", "old", "new"),
    [
        (check_openapi, "docs/openapi.json", '"operationId": "list_models"', '"operationId": "list_all_models"'),
        (check_events, "docs/events/video.queued.json", '"video.queued"\n', '"video.queue"\n'),
        (check_cli, "docs/cli.md", "Only check the rows.", "Check the rows."),
        (check_networks, "docs/publishing.md", "| 500 bytes, 3 links |", "| 500 characters |"),
    ],
)
def test_a_file_that_differs_is_named_with_its_line(copy: Path, check: Check, path: str, old: str, new: str) -> None:
    place = plant(copy, path, old, new)

    assert [finding for finding in check(copy) if finding.startswith(f"{place}: not what ")]


def test_a_missing_file_differs_from_its_first_line_on(tmp_path: Path) -> None:
    assert list(compare(tmp_path, {"a.txt": "a\n"}, "make a")) == ["a.txt:1: not what `make a` writes"]


@pytest.mark.parametrize(("findings", "code"), [(["a.txt:1: wrong"], 1), ([], 0)])
def test_a_check_prints_its_findings_and_fails(
    findings: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(lambda _: findings)

    assert (ended.value.code, capsys.readouterr().out.splitlines()) == (code, findings)
