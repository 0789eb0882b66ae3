"""A planted fault for every rule on single files."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.sources import ROUTE_LINES_MAX, check_sources
from tests.unit.checks.planting import PACKAGE, plant, plant_import

_HANDLER = "functions/sweep/app.py"
_BODY = '    logger.info("swept", extra=background.sweep()()._asdict())\n'


def test_an_untouched_copy_keeps_every_rule(root: Path) -> None:
    assert check_sources(root) == []


def test_a_handler_that_catches_is_named(root: Path) -> None:
    place = plant(root, _HANDLER, _BODY, f"    try:\n    {_BODY}    except ValueError:\n        raise\n")

    assert check_sources(root) == [
        f"{place}: a handler catches nothing: errors are mapped in mediaposter.api.http, faults raise"
    ]


def test_a_route_of_more_lines_than_it_may_have_is_named(root: Path) -> None:
    body = "    x = 1\n" * ROUTE_LINES_MAX
    (root / _HANDLER).write_text(f"def route() -> None:\n{body}")

    assert check_sources(root) == [f"{_HANDLER}:1: route has 15 lines, more than 14: it translates only"]


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("import boto3", "boto3"),
        ("import os", "os"),
        ("from mediaposter.pipeline.submit import SubmitVideo", "mediaposter.pipeline.submit.SubmitVideo"),
        ("from mediaposter.library import videos", "mediaposter.library.videos"),
        ("from . import other", "..other"),
    ],
)
def test_a_handler_that_imports_more_than_it_may_is_named(root: Path, statement: str, name: str) -> None:
    place = plant_import(root, _HANDLER, statement)

    (finding,) = check_sources(root)

    assert finding.startswith(f"{place}: a handler must not import {name};")


@pytest.mark.parametrize(
    ("path", "statement", "name"),
    [
        (f"{PACKAGE}/bootstrap/stack.py", "import boto3", "boto3"),
        (
            f"{PACKAGE}/bootstrap/vendors.py",
            "from mediaposter.publishing import blotato_client",
            "mediaposter.publishing.blotato_client",
        ),
        (f"{PACKAGE}/bootstrap/storage.py", "if 1:\n    import botocore", "botocore"),
        (f"{PACKAGE}/library/probe.py", "import av", "av"),
        (f"{PACKAGE}/library/probe.py", "from PIL import Image", "PIL.Image"),
    ],
)
def test_an_import_that_must_come_late_is_named(root: Path, path: str, statement: str, name: str) -> None:
    place = plant_import(root, path, statement)

    (finding,) = check_sources(root)

    assert finding.startswith(place.rpartition(":")[0])
    assert finding.endswith(f": {name} must be imported inside the function that needs it")


@pytest.mark.parametrize("path", [f"{PACKAGE}/ai/sora_model.py", f"{PACKAGE}/ai/sora_wire.py"])
@pytest.mark.parametrize(
    "statement",
    [
        "import os\n_KEY = os.environ['SORA_API_KEY']",
        "import os\n_KEY = os.getenv('SORA_API_KEY')",
        "x = 1\nfrom os import environ",
    ],
)
def test_a_video_model_that_reads_the_environment_is_named(root: Path, statement: str, path: str) -> None:
    first_line = int(plant_import(root, path, statement).rpartition(":")[2])

    assert check_sources(root) == [
        f"{path}:{first_line + 1}: a video model must not read the environment; keys and addresses are arguments"
    ]
