"""docs/for-developers.md, run as it stands from top to bottom."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from mediaposter.stores.keys import Scope
from mediaposter.wire.webhooks import sign_webhook
from sandbox.cloud import ROOT
from tests.conformance.stack import Stack

PAGE = ROOT / "docs" / "for-developers.md"
SECRET = "whsec_c2VjcmV0IG9mIGEgcmVjZWl2ZXI="


@pytest.mark.both
def test_every_block_of_the_page_runs(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", stack.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", stack.make_key(Scope.READ, Scope.CREATE, Scope.PUBLISH))
    Image.new("RGB", (720, 1280), "teal").save("first-frame.png")

    names: dict[str, object] = {}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)

    assert (tmp_path / "boat.mp4").stat().st_size > (tmp_path / "boat.webp").stat().st_size > 0
    out = capsys.readouterr().out
    assert "\ncompleted 8\n" in out  # the edit, and the extension

    # The page only defines its receiver: here is what it receives.
    clip_id = str(getattr(names["clip"], "id", None))
    body = json.dumps({"type": "video.completed", "data": {"id": clip_id}})
    receive = cast("Callable[[str, dict[str, str], str], None]", names["receive"])
    receive(body, sign_webhook("evt_1", body.encode(), secret=SECRET, now=datetime.now(UTC)), SECRET)
    assert capsys.readouterr().out == "completed\n"
