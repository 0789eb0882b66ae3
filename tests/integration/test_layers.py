"""The layers as they are built for Lambda: its Python, its processor, whatever machine builds them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox.cloud import ROOT

ELF_MACHINE_AARCH64 = b"\xb7\x00"


@pytest.mark.parametrize(
    ("layer", "target", "packages"),
    [
        ("mediaposter", "build-MediaPosterLayer", {"mediaposter", "httpx", "pydantic_core"}),
        ("media", "build-MediaLayer", {"av", "PIL"}),
        ("webhooks", "build-WebhooksLayer", {"cryptography"}),
    ],
)
def test_a_layer_is_built_for_lambda(layer: str, target: str, packages: set[str], tmp_path: Path) -> None:
    command = ["make", "-C", f"layers/{layer}", target, f"ARTIFACTS_DIR={tmp_path}", f"UV={ROOT / '.venv/bin/uv'}"]

    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stderr
    assert packages <= {path.name for path in (tmp_path / "python").iterdir()}
    libraries = list((tmp_path / "python").rglob("*.so"))
    assert libraries
    for video_store in libraries:
        assert video_store.read_bytes()[18:20] == ELF_MACHINE_AARCH64, video_store.name
