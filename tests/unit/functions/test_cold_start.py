"""What the functions that take requests, and those of batches, load before their first one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.unit.functions.stack import REPOSITORY

_PROGRAM = """
import sys
import functions.{module}
from mediaposter.bootstrap import doors, steps

for build in ({build}):
    build()
print(*sorted({{"av", "httpx", "httpx2", "openai", "PIL"}} & sys.modules.keys()))
"""
_MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "LIBRARY_TABLE": "library",
    "VIDEO_BUCKET": "bucket",
    "EVENT_BUS": "bus",
    "STATE_MACHINE_ARN": f"{_MACHINE}:video",
    "BATCH_MACHINE_ARN": f"{_MACHINE}:batch",
}


@pytest.mark.parametrize(
    ("module", "build"),
    [
        # Of a request with posts; the publisher's client is loaded when it is asked for an account.
        ("submit.app, functions.intake.app", "doors.submit_video, doors.preflight, doors.take_request"),
        ("batches.app, functions.batch.read", "doors.open_batch, steps.read_rows, steps.take_part, steps.close_taking"),
        ("batch.results, functions.batch.cancel", "steps.write_results, steps.cancel_part"),
    ],
)
def test_taking_requests_loads_no_http_client_and_no_vendors_sdk(module: str, build: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(module=module, build=build)],
        cwd=REPOSITORY,
        env={**os.environ, **_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == []
