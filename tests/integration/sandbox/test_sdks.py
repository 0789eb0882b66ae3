"""The stand-ins are judged by their vendors' own SDKs, which run in a tool environment of their own.

A judge is a file of tests in `sdks/`. Pytest runs it there, with the address of the stand-in; its failures are ours.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette

from sandbox import bedrock, fal, gemini, runway, videos_api
from sandbox.cloud import ROOT, TOOLS, LocalCloud
from sandbox.serving import serve_in_thread

RENDER_SECONDS = 0.5
_JUDGES = Path(__file__).parent / "sdks"


@pytest.mark.parametrize(
    ("vendor", "create_app"),
    [
        ("openai", videos_api.create_app),
        ("runway", runway.create_app),
        ("fal", fal.create_app),
        ("gemini", gemini.create_app),
    ],
)
def test_the_vendors_sdk_finds_its_vendor(vendor: str, create_app: Callable[..., Starlette]) -> None:
    judge(vendor, create_app(render_seconds=RENDER_SECONDS))


def test_the_sdk_of_aws_finds_bedrock_and_its_clips_in_s3(tmp_path: Path) -> None:
    with LocalCloud(tmp_path) as cloud:
        app = bedrock.create_app(s3_endpoint=cloud.endpoint_url, render_seconds=RENDER_SECONDS)
        judge("bedrock", app, S3=cloud.endpoint_url)


def judge(vendor: str, app: Starlette, **environment: str) -> None:
    """Run the judge of a vendor on its stand-in."""
    with serve_in_thread(app, base_path="") as origin:
        done = subprocess.run(
            [
                *(TOOLS / "sdks" / "bin" / "python", "-m", "pytest", "--quiet", "-c", os.devnull, "--rootdir", ROOT),
                *("--noconftest", "--import-mode=importlib", "-p", "no:cacheprovider", "-W", "ignore"),
                _JUDGES / f"judge_{vendor}.py",
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STAND_IN": origin, **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
