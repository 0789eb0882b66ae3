"""`mediaposter studio`: which address it leads to, and with which key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from mediaposter.cli import main
from mediaposter.cli.host_folder import HostStack
from mediaposter.cli.session import STUDIO_KEY, Session
from mediaposter.host.folder import ADDRESS_FILE
from mediaposter.stores.keys import KeyStore, Scope
from tests.builders import NOW
from tests.unit.cli.fake_api import BASE_URL as API_URL
from tests.unit.cli.fake_api import KEY, FakeApi
from tests.unit.cli.stack import BASE_URL, Run, StackInMemory

HOST_URL = "http://127.0.0.1:4600/v1"


def open_studio(folder: Path, stack: StackInMemory, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    @contextmanager
    def open_host(_: Path) -> Iterator[HostStack]:
        # The command reads its keys alone.
        yield cast("HostStack", stack.open("host", endpoint_url=None))

    session = Session(open_host=open_host, choose_folder=lambda: folder, environ=dict, clock=lambda: NOW)
    assert main(["studio", "--print", *argv], session=session) == 0
    return capsys.readouterr().out.strip()


def write_address(folder: Path, key: str) -> None:
    (folder / ADDRESS_FILE).write_text(json.dumps({"base_url": HOST_URL, "api_key": key, "process_id": 1}))


def test_a_running_host_is_opened_with_a_key_that_ends_and_may_do_the_same(
    tmp_path: Path, stack: StackInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    own, _ = stack.keys.create("local", scopes=tuple(Scope), owner="local", now=NOW)
    write_address(tmp_path, own)

    url, secret = open_studio(tmp_path, stack, capsys).split("#key=")

    assert (url, secret != own) == (f"{HOST_URL}/studio", True)
    made = KeyStore(stack.table, clock=lambda: NOW).find(secret)
    assert made is not None
    assert (made.owner, made.scopes, made.expires_at) == ("local", tuple(Scope), NOW + timedelta(hours=12))
    assert made.name == STUDIO_KEY


def test_a_host_whose_key_is_not_known_is_opened_with_it(
    tmp_path: Path, stack: StackInMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    write_address(tmp_path, "mp_key")

    assert open_studio(tmp_path, stack, capsys) == f"{HOST_URL}/studio#key=mp_key"
    assert stack.keys.list() == []


def test_without_a_running_host_a_person_is_told_what_to_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["studio", "--print", "--data", str(tmp_path)], session=Session())

    assert status != 0
    assert f"No host runs on {tmp_path}. Start it: mediaposter up" in capsys.readouterr().err


def test_a_stack_is_opened_without_a_key(run: Run) -> None:
    assert run("studio", "--print", "--stack", "clips").out == f"{BASE_URL}/studio\n"


def test_the_stack_of_the_environment_is_opened_with_the_key_beside_it(ask: Run, api: FakeApi) -> None:
    assert ask("studio", "--print").out == f"{API_URL}/studio#key={KEY}\n"
    api.environ.pop("MEDIAPOSTER_API_KEY")
    assert ask("studio", "--print").out == f"{API_URL}/studio\n"
