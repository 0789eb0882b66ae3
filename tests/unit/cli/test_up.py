"""`mediaposter up`: where its folder is, what it says, and what it leaves behind."""

from __future__ import annotations

import json
import logging
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mediaposter import current
from mediaposter.cli.host_folder import choose_folder
from mediaposter.cli.up import Options, explain, serve
from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.environment import read_environment
from mediaposter.observability import logger as lambda_logger

KEY = "mp_" + "k" * 43
LOOPBACK = pytest.mark.enable_socket(reason="it serves on a port of this machine")


# Where


HOME = Path("/home/ann")


def choose(environ: dict[str, str], platform: str, *, checkout: Path = HOME) -> Path:
    """Choose a folder where MediaPoster is installed, and not a checkout."""
    return choose_folder(environ, platform=platform, checkout=checkout, find_home=lambda: HOME)


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, HOME / ".local/share/mediaposter"),
        ("linux", {"XDG_DATA_HOME": ""}, HOME / ".local/share/mediaposter"),
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data/mediaposter")),
        ("darwin", {"XDG_DATA_HOME": "/data"}, HOME / "Library/Application Support/MediaPoster"),
        ("win32", {}, HOME / "AppData/Local/MediaPoster"),
        ("win32", {"LOCALAPPDATA": "/data"}, Path("/data/MediaPoster")),
    ],
)
def test_the_folder_is_where_the_platform_keeps_a_users_data(
    platform: str, environ: dict[str, str], expected: Path
) -> None:
    assert choose(environ, platform) == expected


def test_a_checkout_has_its_folder_within(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").touch()

    assert choose({}, "linux", checkout=tmp_path) == tmp_path / ".local" / "data"


# What it says


def say(*, resumed: int = 0, is_open: bool = False, **variables: str) -> list[str]:
    environment, _ = read_environment(variables, None)
    return explain(
        url="http://127.0.0.1:4600",
        key=KEY,
        folder=Path("/home/ann/.local/share/mediaposter"),
        environment=environment,
        resumed=resumed,
        is_open=is_open,
    )


def test_every_line_fits_a_terminal_of_80_columns() -> None:
    for variables in ({}, {"FAL_KEY": "k", "BEDROCK_BASE_URL": "s3://bucket/renders", "BLOTATO_API_KEY": "k"}):
        assert [line for line in say(resumed=2, is_open=True, **variables) if len(line) > 80] == []


def test_it_says_how_to_begin_and_what_is_missing() -> None:
    text = "\n".join(say())

    assert f"base URL  http://127.0.0.1:4600/v1\n  API key   {KEY}\n" in text
    assert "  gemini    no key: not offered (GEMINI_API_KEY or GOOGLE_API_KEY)" in text
    assert "posts are pretended, nothing is public (BLOTATO_API_KEY)" in text
    assert "go on" not in text
    assert "Other machines" not in text


def test_the_lines_of_python_are_python() -> None:
    lines = say()
    code = lines[lines.index("from openai import OpenAI") : lines.index("Ctrl-C stops it.")]

    compile("\n".join(code), "explained", "exec")


def test_real_posts_and_an_open_address_are_said_aloud() -> None:
    text = "\n".join(say(is_open=True, resumed=1, BLOTATO_API_KEY="k"))

    assert "POSTS ARE REAL AND PUBLIC" in text
    assert "Other machines can reach this address." in text
    assert "1 execution goes on from the last time." in text


# What it leaves


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Give the loggers of the process back as they were."""
    root = logging.getLogger()
    kept, lambda_kept, level = root.handlers[:], lambda_logger.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(kept):
        handler.close()
    root.handlers[:], lambda_logger.handlers[:] = kept, lambda_kept
    root.setLevel(level)


class Served:
    """A host that serves, on a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.address: dict[str, Any] = {}


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    ended, said = threading.Event(), threading.Event()
    served = Served(folder)

    def note(line: str) -> None:
        served.lines.append(line)
        if line == "Ctrl-C stops it.":
            said.set()

    options = Options(data=folder, port=0, env_file=folder / "no.env")
    thread = threading.Thread(target=serve, args=(options,), kwargs={"environ": {}, "say": note, "ended": ended})
    thread.start()
    try:
        assert said.wait(30), served.lines
        served.address = json.loads((folder / "host.json").read_text())
        yield served
    finally:
        ended.set()
        thread.join()


@LOOPBACK
def test_it_answers_until_it_is_stopped_and_leaves_no_address_and_no_stack(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        headers = {"Authorization": f"Bearer {served.address['api_key']}"}
        answer = httpx.get(f"{served.address['base_url']}/videos", headers=headers)
        mode = stat.S_IMODE((tmp_path / "host.json").stat().st_mode)

    assert answer.status_code == 200
    assert sys.platform == "win32" or mode == 0o600
    assert not (tmp_path / "host.json").exists()
    assert current._installed is None


@LOOPBACK
def test_another_one_on_the_folder_says_which_process_has_it_and_disturbs_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        log = (tmp_path / "log" / "host.log").read_text()
        with pytest.raises(ConfigurationError, match=r"Another MediaPoster \(process \d+\) works in"):
            serve(Options(data=tmp_path, port=0), environ={})

        assert json.loads((tmp_path / "host.json").read_text()) == served.address
        assert (tmp_path / "log" / "host.log").read_text() == log


@LOOPBACK
def test_a_port_that_is_taken_is_said_and_the_folder_is_free_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} of 127.0.0.1 is taken"):
            serve(Options(data=tmp_path, port=port), environ={})

    with serving(tmp_path):
        pass


def test_a_folder_that_cannot_be_used_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(ConfigurationError, match=r"file/data cannot be used: Not a directory\. .* with --data\."):
        serve(Options(data=tmp_path / "file" / "data"), environ={}, ended=threading.Event())
    assert (tmp_path / "file").read_text() == "mine"
