"""docs/SORA_API.md, run as it stands from top to bottom against the stand-ins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox import blotato, videos_api
from sandbox.cloud import ROOT
from sandbox.serving import serve_in_thread
from sandbox.world import BLOTATO_KEY, VIDEOS_KEY

PAGE = ROOT / "docs" / "SORA_API.md"


def test_every_block_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEMINI_API_KEY", "of-gemini")  # a model of its is made, and not asked
    monkeypatch.setenv("SORA_API_KEY", VIDEOS_KEY)
    monkeypatch.setenv("BLOTATO_API_KEY", BLOTATO_KEY)

    with (
        serve_in_thread(videos_api.create_app(render_seconds=0.2)) as videos_url,
        serve_in_thread(blotato.create_app(), base_path="/v2") as blotato_url,
    ):
        monkeypatch.setenv("SORA_BASE_URL", videos_url)
        monkeypatch.setenv("BLOTATO_BASE_URL", blotato_url)
        names: dict[str, object] = {}
        for number, block in enumerate(blocks, start=1):
            exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)

    clips = list(tmp_path.glob("*.mp4"))
    assert tmp_path / "output.mp4" in clips
    assert len(clips) == 4  # the quick start's, and three at once
    assert "completed" in capsys.readouterr().out
