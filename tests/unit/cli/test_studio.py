"""`mediaposter studio`: which address it leads to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mediaposter.cli import main
from mediaposter.cli.session import Session
from mediaposter.host.folder import ADDRESS_FILE
from tests.unit.cli.stack import BASE_URL, Run


def test_a_running_host_is_opened_with_its_key_behind_the_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = {"base_url": "http://127.0.0.1:4600/v1", "api_key": "mp_key", "process_id": 1}
    (tmp_path / ADDRESS_FILE).write_text(json.dumps(address))

    status = main(["studio", "--print"], session=Session(choose_folder=lambda: tmp_path))

    assert (status, capsys.readouterr().out) == (0, "http://127.0.0.1:4600/v1/studio#key=mp_key\n")


def test_without_a_running_host_a_person_is_told_what_to_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["studio", "--print", "--data", str(tmp_path)], session=Session())

    assert status != 0
    assert f"No host runs on {tmp_path}. Start it with mediaposter up" in capsys.readouterr().err


def test_a_stack_is_opened_without_a_key(run: Run) -> None:
    assert run("studio", "--print", "--stack", "clips").out == f"{BASE_URL}/studio\n"
