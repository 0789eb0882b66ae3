"""`mediaposter backup`: where it goes, and what a person is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaposter.cli import main
from mediaposter.cli.session import Session
from mediaposter.host.database import Database
from mediaposter.host.folder import DATABASE_FILE
from tests.builders import NOW


def test_the_usual_folder_goes_into_an_archive_with_the_date_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Database(tmp_path / "data" / DATABASE_FILE).close()
    monkeypatch.chdir(tmp_path)

    status = main(["backup"], session=Session(choose_folder=lambda: tmp_path / "data", clock=lambda: NOW))

    assert (status, (tmp_path / "mediaposter-2026-12-01-120000.tar").is_file()) == (0, True)
    assert capsys.readouterr().out == (
        "mediaposter-2026-12-01-120000.tar has the database and 0 files, 0.0 MB. Keep it private: it has this host's "
        "secrets.\n"
        "To restore it, unpack it into an empty folder, and then mediaposter up --data THAT_FOLDER. Not beside the "
        "first host: both would carry on the same videos and posts.\n"
    )
