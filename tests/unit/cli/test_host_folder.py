"""The data folder of a host, as commands open it: beside a running host, and without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaposter.cli.host_folder import open_host_folder
from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.database import Database
from mediaposter.host.folder import ADDRESS_FILE, DATABASE_FILE, FILES_FOLDER
from mediaposter.host.links import Links
from mediaposter.stores.series import SheetFormat
from tests.builders import NOW


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder that a host made."""
    Database(tmp_path / DATABASE_FILE).close()
    return tmp_path


def test_a_folder_that_no_host_made_is_refused_and_stays_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="mediaposter up --data"), open_host_folder(tmp_path, {}):
        pass

    assert list(tmp_path.iterdir()) == []


def test_what_a_running_host_is_writing_is_left_alone(folder: Path) -> None:
    bucket = FolderBucket(folder / FILES_FOLDER, Links(b"k" * 32, lambda: "http://host"))
    with bucket.create("videos/a/video.mp4", content_type="video/mp4") as upload:
        upload.write(b"half")
        with open_host_folder(folder, {}) as host:
            host.sheets.put("kites", b"prompt\nA kite", SheetFormat.CSV, now=NOW)
        upload.complete()

    assert bucket.read("videos/a/video.mp4") == b"half"


def test_a_running_host_tells_its_address(folder: Path) -> None:
    (folder / ADDRESS_FILE).write_text('{"base_url": "http://127.0.0.1:4711/v1", "api_key": "secret"}')

    with open_host_folder(folder, {}) as host:
        assert host.base_url == "http://127.0.0.1:4711/v1"
