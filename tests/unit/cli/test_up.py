"""`mediaposter up` where it cannot start: a sentence with the way out."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mediaposter.cli.up import Options, serve
from mediaposter.domain.errors import ConfigurationError


def test_a_folder_that_cannot_be_used_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(ConfigurationError, match=r"file/data cannot be used: Not a directory\. .* with --data\."):
        serve(Options(data=tmp_path / "file" / "data"), environ={}, ended=threading.Event())
    assert (tmp_path / "file").read_text() == "mine"
