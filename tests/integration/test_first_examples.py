"""The examples that people wrote against OpenAI's server, run unchanged with the key of any one provider in `.env`."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.applications import Starlette

from mediaposter import VideoModelInterface, VideoStatus
from mediaposter.ai import waiting
from mediaposter.domain.errors import UnsupportedOperation
from sandbox import blotato, fal, gemini, runway, videos_api
from sandbox.serving import serve_in_thread
from sandbox.world import BLOTATO_KEY, VIDEOS_KEY

EXAMPLES = Path(__file__).with_name("first_examples.md")

OWN_VARIABLES = re.compile(r".*(_API_KEY|_BASE_URL|_API_SECRET)$|FAL_KEY$")


class Provider(NamedTuple):
    create_app: Callable[..., Starlette]
    base_path: str
    key: str
    variable: str
    address_variable: str


PROVIDERS = {
    "gemini": Provider(gemini.create_app, "", "gemini-sandbox-key", "GEMINI_API_KEY", "GEMINI_BASE_URL"),
    "fal": Provider(fal.create_app, "", "sandbox-key-id:sandbox-key-secret", "PIKA_API_KEY", "FAL_BASE_URL"),
    "runway": Provider(runway.create_app, "", "key_runway-sandbox", "RUNWAY_API_KEY", "RUNWAY_BASE_URL"),
    "own server": Provider(videos_api.create_app, "/v1", VIDEOS_KEY, "OPENAI_API_KEY", "OPENAI_BASE_URL"),
}
# Neither fal's models nor Runway's make a remix.
WITHOUT_REMIX = ("fal", "runway")

# One that takes every call, and one that leaves some out.
NAMES = ("own server", "fal") if os.environ.get("MEDIAPOSTER_FIRST_EXAMPLES") != "all" else PROVIDERS


@pytest.mark.parametrize("name", NAMES)
def test_every_example_runs_with_the_key_of_one_provider(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    provider = PROVIDERS[name]
    for variable in list(os.environ):
        if OWN_VARIABLES.match(variable):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.2)
    skipped = []
    with (
        serve_in_thread(provider.create_app(render_seconds=0.2), base_path=provider.base_path) as url,
        serve_in_thread(blotato.create_app(), base_path="/v2") as blotato_url,
    ):
        (tmp_path / ".env").write_text(
            f"{provider.variable}={provider.key}\n{provider.address_variable}={url}\nBLOTATO_API_KEY={BLOTATO_KEY}\nBLOTATO_BASE_URL={blotato_url}\n"
        )
        # They leave these imports out.
        known: dict[str, object] = {
            "VideoModelInterface": VideoModelInterface,
            "VideoStatus": VideoStatus,
            "time": time,
        }
        blocks = re.findall(r"^```python\n(.*?)^```$", EXAMPLES.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        for block in blocks:
            code = block.replace("time.sleep(10)", "time.sleep(0.1)")
            try:
                exec(compile(code, EXAMPLES.name, "exec"), known)
            except UnsupportedOperation as refusal:
                skipped.append(refusal.operation)

    assert len(blocks) == 7
    assert (tmp_path / "output.mp4").stat().st_size > 1_000
    assert (tmp_path / "ai_video.mp4").stat().st_size > 1_000
    assert skipped == (["remix_video"] if name in WITHOUT_REMIX else [])
    leads = [str(warning.message) for warning in recwarn if "was switched off" in str(warning.message)]
    assert bool(leads) == (name != "own server")
