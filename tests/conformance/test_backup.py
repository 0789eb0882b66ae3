"""A backup of a host that works: another host on the copy has every video, and carries on with the rest."""

from __future__ import annotations

import tarfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from mediaposter.cli import main
from mediaposter.cli.session import Session
from tests.conformance.embedded import EmbeddedHost

ENDS_WITHIN_SECONDS = 90.0


def test_a_host_on_a_backup_has_every_video_and_carries_on(tmp_path: Path) -> None:
    first = EmbeddedHost(tmp_path / "first", {}, wait_scale=0.05)
    copy = EmbeddedHost(tmp_path / "copy", {}, wait_scale=0.05)
    first.start()
    try:
        with first.client() as api:
            ended = _submit(api)
            _wait_for(api, ended)
            going_on = [_submit(api) for _ in range(2)]
            for video_id in going_on:
                _wait_for_model(api, video_id)
            _back_up(tmp_path)
            unknown = _submit(api)
    finally:
        first.kill()
    copy.start()
    try:
        with copy.client() as api:
            for video_id in [ended, *going_on]:
                assert _wait_for(api, video_id)["status"] == "completed"
                assert api.get(f"/videos/{video_id}/content", follow_redirects=True).read()[4:8] == b"ftyp"
            assert api.get(f"/videos/{unknown}").status_code == 404
    finally:
        assert copy.stop() == 0


def _submit(api: Any) -> str:
    body = {"prompt": "Kites", "publish": [{"platform": "twitter", "account_id": "901", "text": "Kites"}]}
    answer = api.post("/videos", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def _wait_for(api: Any, video_id: str) -> dict[str, Any]:
    ends_at = time.monotonic() + ENDS_WITHIN_SECONDS
    while True:
        video: dict[str, Any] = api.get(f"/videos/{video_id}").json()
        if video["status"] in ("completed", "failed"):
            return video
        assert time.monotonic() < ends_at, video
        time.sleep(0.2)


def _wait_for_model(api: Any, video_id: str) -> None:
    """Wait until the model has taken a video: a copy of a call under way would wait minutes for its lease to end."""
    while api.get(f"/videos/{video_id}").json()["stage"] in ("queued", "submitting"):
        time.sleep(0.01)


def _back_up(folder: Path) -> None:
    archive = folder / "backup.tar"
    with redirect_stdout(StringIO()):
        assert main(["backup", "--data", str(folder / "first" / "data"), "--to", str(archive)], session=Session()) == 0
    with tarfile.open(archive) as copied:
        copied.extractall(folder / "copy" / "data", filter="data")
