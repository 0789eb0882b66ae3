"""LiteLLM, in a tool environment of its own, creates, polls and downloads a video through either host."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sandbox.cloud import TOOLS
from tests.conformance.stack import Stack
from tests.integration.stack import new_prompt

_CLIENT = Path(__file__).parent / "litellm_client.py"


@pytest.mark.skipif(
    "MEDIAPOSTER_LITELLM" not in os.environ,
    reason="run by hand with MEDIAPOSTER_LITELLM=1: its import takes eight seconds of a processor",
)
@pytest.mark.both
def test_litellm_creates_polls_and_downloads(stack: Stack) -> None:
    prompt = new_prompt("By LiteLLM")

    done = subprocess.run(
        [TOOLS / "litellm" / "bin" / "python", _CLIENT, stack.base_url, stack.api_key, prompt],
        # Its prices are its own copy, not one from the network.
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (answer["status"], answer["kind"]) == ("completed", "ftyp")
    assert answer["bytes"] > 10_000
    assert stack.count_jobs(prompt) == 1
