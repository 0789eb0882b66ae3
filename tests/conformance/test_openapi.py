"""Generated requests: none is answered by a fault, nor otherwise than docs/openapi.json says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from mediaposter.stores.keys import Scope
from sandbox.cloud import ROOT
from tests.conformance.stack import Stack
from tests.integration.stack import new_prompt, wait_for

# Two thousand take some minutes; the claim was made with MEDIAPOSTER_OPENAPI_CASES=2000.
CASES = int(os.environ.get("MEDIAPOSTER_OPENAPI_CASES", "50"))
# So many are tried beside the limits of every field and the routes one after the other.
WHOLE = 2000
TIMEOUT_SECONDS = 1800
# What is asked for costs money, as it does elsewhere: most is refused for that, and few videos are rendered.
DAILY_BUDGET_MICROS = 5_000_000
HOOKS = Path(__file__).parent / "openapi_hooks.py"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
# Guessed names and ids get no further than the first look at them.
CONFIGURATION = """
hooks = "{hooks}"

[dictionaries.models]
values = ["sora-2", "house-model", "house-wan"]

[dictionaries.sizes]
values = ["720x1280", "1280x720"]

[dictionaries.videos]
values = ["{video_id}"]

[parameters]
"body.model" = {{ dictionary = "models", probability = 0.8 }}
"body.size" = {{ dictionary = "sizes", probability = 0.8 }}

[[operations]]
include-operation-id = ["retrieve_video", "download_content", "remix_video", "edit_video", "extend_video"]

[operations.parameters]
"path.video_id" = {{ dictionary = "videos", probability = 0.5 }}
"body.video" = {{ dictionary = "videos", probability = 0.8 }}
"""


class Cases(BaseModel):
    """How many requests were made."""

    generated: int


class Report(BaseModel):
    """What Schemathesis reports of a run."""

    test_cases: Cases


@pytest.mark.both
def test_whatever_is_asked_is_answered_as_the_document_says(stack: Stack, tmp_path: Path) -> None:
    secret = stack.make_key(Scope.READ, Scope.CREATE, Scope.PUBLISH, daily_budget_micros=DAILY_BUDGET_MICROS)
    # Of a model that changes and extends what it made.
    fields = {"model": "gemini-omni-1.2-flash", "size": "1280x720"}
    video = stack.submit(new_prompt("Made for others"), client=stack.client(secret), **fields)
    wait_for(lambda: stack.ask("GET", f"/videos/{video['id']}")["status"] == "completed", what="the video")
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION.format(hooks=HOOKS, video_id=video["id"]))

    done = subprocess.run(
        [
            *(Path(sys.executable).parent / "schemathesis", "--config-file", "schemathesis.toml", "run"),
            *(ROOT / "docs" / "openapi.json", "--url", stack.base_url),
            *("--header", f"Authorization: Bearer {secret}"),
            *("--checks", ",".join(CHECKS)),
            *("--phases", "coverage,fuzzing,stateful" if CASES >= WHOLE else "fuzzing"),
            # A few routes have nothing to vary.
            *("--max-examples", str(CASES // 10)),
            # A redirect leads to a bucket, of which the document says nothing.
            *("--max-redirects", "0"),
            # One after the other, and again where the hooks say so: the local cloud runs few Lambdas at once.
            *("--workers", "1", "--rate-limit", "auto", "--request-timeout", "60", "--continue-on-failure"),
            *("--seed", "1", "--generation-database", "none", "--warnings", "off", "--no-color"),
            *("--report", "json", "--report-json-path", "report.json"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert Report.model_validate_json((tmp_path / "report.json").read_bytes()).test_cases.generated >= CASES
