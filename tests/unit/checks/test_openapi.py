"""OpenAPI documents that say something else than the resolvers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checks.openapi import DOCUMENTS, check_openapi
from tests.unit.checks.planting import REPOSITORY, plant, run_check

_SHOWN, _SERVED = DOCUMENTS


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Copy the documents."""
    for name in DOCUMENTS:
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def _write_finding(name: str, what: str) -> str:
    return f"{name}: {what} is not what the resolvers have; run `make openapi`"


def test_the_documents_are_what_the_resolvers_have() -> None:
    assert check_openapi(REPOSITORY) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_changed_operation_is_named_by_its_route(documents: Path, name: str) -> None:
    plant(documents, name, '"operationId": "list_models"', '"operationId": "list_all_models"')

    assert check_openapi(documents) == [_write_finding(name, "GET /models")]


def test_a_changed_schema_is_named_by_every_route_that_refers_to_it(documents: Path) -> None:
    plant(documents, _SHOWN, '"UsageObject": {', '"UsageObject": {"deprecated": true,')
    plant(documents, _SHOWN, '"AttemptObject": {', '"AttemptObject": {"deprecated": true,')

    assert check_openapi(documents) == [
        _write_finding(_SHOWN, route)
        for route in (
            "GET /usage",
            "GET /videos",
            "GET /videos/{video_id}",
            "POST /videos",
            "POST /videos/edits",
            "POST /videos/extensions",
            "POST /videos/{video_id}/approval",
            "POST /videos/{video_id}/posts",
            "POST /videos/{video_id}/posts/{platform}/{account_id}/resolve",
            "POST /videos/{video_id}/remix",
            "POST /videos/{video_id}/store",
        )
    ]


def test_a_route_that_is_no_more_is_named(documents: Path) -> None:
    plant(documents, _SHOWN, '"/models": {', '"/engines": {')

    assert check_openapi(documents) == [_write_finding(_SHOWN, route) for route in ("GET /engines", "GET /models")]


def test_what_all_routes_share_is_compared_too(documents: Path) -> None:
    plant(documents, _SERVED, '"title": "MediaPoster"', '"title": "Another"')

    assert check_openapi(documents) == [_write_finding(_SERVED, "what belongs to no route")]


def test_write_makes_both_from_the_resolvers(documents: Path) -> None:
    (documents / _SHOWN).unlink()
    (documents / _SERVED).write_text("{}")

    done = subprocess.run([sys.executable, "-m", "checks.openapi", documents, "--write"], cwd=REPOSITORY, check=False)

    assert done.returncode == 0
    for name in DOCUMENTS:
        assert (documents / name).read_bytes() == (REPOSITORY / name).read_bytes()


def test_the_command_prints_the_findings_and_fails(documents: Path) -> None:
    plant(documents, _SHOWN, '"operationId": "list_models"', '"operationId": "list_all_models"')

    assert run_check("openapi", documents) == (1, [_write_finding(_SHOWN, "GET /models")])


def test_a_document_that_is_missing_lacks_every_route(documents: Path) -> None:
    (documents / _SERVED).unlink()

    assert _write_finding(_SERVED, "POST /videos") in check_openapi(documents)
