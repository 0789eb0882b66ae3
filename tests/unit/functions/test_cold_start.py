"""What the functions that take requests, and those of batches, load before their first one."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.unit.functions.stack import REPOSITORY

_PROGRAM = """
import sys
import functions.http.submit, functions.http.api, functions.http.mcp, functions.events.intake, functions.batch.run_step
from mediaposter.current import stack

# Of a request with posts; the publisher's client is loaded when it is asked for an account.
for built in ("submit_video", "call_tool", "validate_accounts", "take_request", "open_batch"):
    getattr(stack(), built)
for built in ("read_rows", "submit_chunk", "finish_submitting", "write_results", "cancel_part"):
    getattr(stack(), built)
print(*sorted({"av", "httpx", "httpx2", "openai", "PIL"} & sys.modules.keys()))
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


def test_taking_requests_loads_no_http_client_and_no_vendors_sdk() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=REPOSITORY,
        env={**os.environ, **_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == []
