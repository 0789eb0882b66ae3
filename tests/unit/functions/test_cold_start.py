"""What the submit function loads before its first request."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.unit.functions.stack import REPOSITORY

_PROGRAM = """
import sys
import functions.submit.app
from mediaposter.current import stack

stack().submit_video
# Of a request with posts; the publisher's client is loaded when it is asked for an account.
stack().preflight
print(*sorted({"av", "httpx", "httpx2", "openai", "PIL"} & sys.modules.keys()))
"""


def test_taking_a_request_loads_no_http_client_and_no_vendors_sdk() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "LIBRARY_TABLE": "library",
            "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:video",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == []
