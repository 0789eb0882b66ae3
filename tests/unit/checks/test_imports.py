"""A planted import for every rule on imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.imports import check_imports
from tests.unit.checks.planting import PACKAGE, plant, plant_import, run_check

_DOWNWARDS = "imports point downwards"
_ROOMS = "each room of bootstrap knows only those above it"
_ADAPTERS = "only bootstrap knows the adapters"
_BOTO3 = "pipeline never names boto3"
_VENDOR = "a video model knows its vendor alone"
_APART = "a video model never imports another"
_NOBODY = "nothing imports functions or sandbox"
_SUBMIT = "the submit path loads no HTTP client"


def test_an_untouched_copy_keeps_every_rule(root: Path) -> None:
    assert check_imports(root) == []


@pytest.mark.parametrize(
    ("path", "statement", "rule"),
    [
        (f"{PACKAGE}/pipeline/submit.py", "import mediaposter.bootstrap", _DOWNWARDS),
        (f"{PACKAGE}/api/http.py", "from mediaposter.pipeline import steps", _DOWNWARDS),
        (f"{PACKAGE}/library/keys.py", "from mediaposter.api import errors", _DOWNWARDS),
        (f"{PACKAGE}/ai/catalog.py", "from mediaposter.library import table", _DOWNWARDS),
        (f"{PACKAGE}/publishing/targets.py", "from mediaposter.library import table", _DOWNWARDS),
        (f"{PACKAGE}/errors.py", "from mediaposter.publishing import targets", _DOWNWARDS),
        (f"{PACKAGE}/bootstrap/stack.py", "from mediaposter.bootstrap import storage", _ROOMS),
        (f"{PACKAGE}/bootstrap/doors.py", "from mediaposter.bootstrap import background", _ROOMS),
        (f"{PACKAGE}/pipeline/submit.py", "import openai", _ADAPTERS),
        (f"{PACKAGE}/pipeline/submit.py", "import httpx", _ADAPTERS),
        (f"{PACKAGE}/pipeline/generate.py", "from mediaposter.ai import sora_model", _ADAPTERS),
        (f"{PACKAGE}/pipeline/generate.py", "from mediaposter.ai import video_model_factory", _ADAPTERS),
        (f"{PACKAGE}/pipeline/publish.py", "from mediaposter.publishing import blotato_client", _ADAPTERS),
        (f"{PACKAGE}/library/media.py", "from mediaposter import safe_http", _ADAPTERS),
        (f"{PACKAGE}/pipeline/submit.py", "import boto3", _BOTO3),
        (f"{PACKAGE}/pipeline/publish.py", "from botocore.exceptions import ClientError", _BOTO3),
        (f"{PACKAGE}/pipeline/submit.py", "from mediaposter import workflow", _BOTO3),
        (f"{PACKAGE}/ai/sora_model.py", "import boto3", _VENDOR),
        (f"{PACKAGE}/ai/sora_model.py", "from mediaposter.library import table", _VENDOR),
        (f"{PACKAGE}/ai/sora_model.py", "from mediaposter.pipeline import steps", _VENDOR),
        (f"{PACKAGE}/library/table.py", "import functions.sweep.app", _NOBODY),
        (f"{PACKAGE}/bootstrap/stack.py", "import sandbox.faults", _NOBODY),
        ("functions/submit/app.py", "import sandbox.faults", _NOBODY),
        (f"{PACKAGE}/workflow.py", "import openai", _SUBMIT),
        (f"{PACKAGE}/library/keys.py", "import httpx2", _SUBMIT),
    ],
)
def test_a_forbidden_import_is_named_by_file_line_and_rule(root: Path, path: str, statement: str, rule: str) -> None:
    place = plant_import(root, path, statement)

    findings = check_imports(root)

    assert [finding for finding in findings if finding.startswith(f"{place}: ") and f"(rule: {rule}" in finding]


def test_a_model_of_another_vendor_is_named(root: Path) -> None:
    (root / PACKAGE / "ai" / "kites_model.py").write_text("from mediaposter.ai import sora_model\n")

    (finding,) = check_imports(root)

    assert finding.startswith(
        f"{PACKAGE}/ai/kites_model.py:1: mediaposter.ai.kites_model -> mediaposter.ai.sora_model: "
    )
    assert _APART in finding


def test_several_imports_of_one_module_are_each_named(root: Path) -> None:
    places = [
        plant_import(root, f"{PACKAGE}/library/{name}.py", "from mediaposter.pipeline import steps")
        for name in ("keys", "probe", "table")
    ]

    findings = check_imports(root)

    assert [place for place in places if not any(finding.startswith(f"{place}: ") for finding in findings)] == []


def test_the_submit_path_is_named_import_by_import(root: Path) -> None:
    place = plant_import(root, f"{PACKAGE}/library/table.py", "import httpx2")

    findings = [finding for finding in check_imports(root) if _SUBMIT in finding]

    assert findings[0].startswith("functions/submit/app.py:")
    assert findings[-1].startswith(f"{place}: mediaposter.library.table -> httpx2: ")


def test_contracts_that_cannot_be_judged_are_a_finding(root: Path) -> None:
    plant(
        root,
        "pyproject.toml",
        '"mediaposter.api",\n    "mediaposter.library :',
        '"mediaposter.apis",\n    "mediaposter.library :',
    )

    (finding,) = check_imports(root)

    assert finding.startswith("pyproject.toml: import-linter could not judge the contracts.")


def test_the_command_prints_the_findings_and_fails(root: Path) -> None:
    place = plant_import(root, f"{PACKAGE}/pipeline/submit.py", "import boto3")

    code, printed = run_check("imports", root)

    assert code == 1
    assert printed[0].startswith(
        f"{place}: mediaposter.pipeline.submit -> boto3: mediaposter.pipeline must not import boto3"
    )
