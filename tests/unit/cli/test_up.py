"""`mediaposter up`: where its folder is, what it says, and what it leaves behind."""

from __future__ import annotations

import json
import logging
import shlex
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
from mediaposter.ai.catalog import built_in_catalog
from mediaposter.ai.provider_accounts import PROVIDER_ACCOUNTS
from mediaposter.cli.host_address import choose_folder
from mediaposter.cli.up import Options, serve
from mediaposter.cli.up_text import describe_start
from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.environment import read_environment
from mediaposter.observability import logger as lambda_logger
from tests.unit.cli.test_main import run_apart

BASE_URL = "http://127.0.0.1:4600/v1"
KEY = "mp_" + "k" * 43
ALL_KEYS = {account.variables[0]: "https://videos.example/v1" for account in PROVIDER_ACCOUNTS} | {
    "BEDROCK_BASE_URL": "s3://bucket/renders",
    "BLOTATO_API_KEY": "key=",
}
COLUMNS = 80
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


def describe(
    environ: dict[str, str] | None = None,
    *,
    env_file: Path | None = None,
    address: str = "127.0.0.1",
    withheld: tuple[str, ...] = (),
    is_usual_folder: bool = True,
) -> list[str]:
    environment, settings = read_environment(environ or {}, None)
    return describe_start(
        base_url=BASE_URL,
        key=KEY,
        folder=Path("/home/ann/data"),
        env_file=env_file,
        environment=environment,
        catalog=built_in_catalog().withhold(dict.fromkeys(withheld, "no key"), instead="sandbox-1"),
        settings=settings,
        address=address,
        resumed=0,
        is_usual_folder=is_usual_folder,
    )


def line_of(name: str, lines: list[str]) -> str:
    return next(line for line in lines if line.startswith(f"  {name} "))


def test_a_provider_without_a_key_is_told_with_the_variable_to_set() -> None:
    assert line_of("runway", describe()) == "  runway    no key: not offered (RUNWAY_API_KEY)"
    assert line_of("runway", describe({"RUNWAY_API_KEY": "key"})) == "  runway    your key"
    assert line_of("sora", describe({"OPENAI_API_KEY": "key"})).startswith("  sora      no address: not offered (SORA_")


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "no key: posts are pretended, nothing is public (BLOTATO_API_KEY)"),
        ({"BLOTATO_API_KEY": "key="}, "your key: POSTS ARE REAL AND PUBLIC, after your approval"),
        (
            {"BLOTATO_API_KEY": "key=", "DEFAULT_APPROVAL": "none"},
            "your key: POSTS ARE REAL AND PUBLIC, at once, without approval",
        ),
    ],
)
def test_it_says_whether_posts_are_real_and_wait(environ: dict[str, str], told: str) -> None:
    assert line_of("blotato", describe(environ)) == f"  blotato   {told}"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "no key: a caption is the text of its request (CAPTIONS_API_KEY)"),
        ({"CAPTIONS_API_KEY": "sk-1"}, "no model: a caption is the text of its request (CAPTIONS_MODEL)"),
        ({"CAPTIONS_API_KEY": "sk-1", "CAPTIONS_MODEL": "words-1"}, "can be written by words-1"),
    ],
)
def test_it_says_whether_captions_can_be_written(environ: dict[str, str], told: str) -> None:
    assert f"  captions  {told}" in describe(environ)


def test_it_says_where_the_default_model_leads() -> None:
    assert line_of("sora-2", describe(withheld=("gemini",))) == "  sora-2    leads to sandbox-1 of sandbox"


def test_a_default_model_that_leads_nowhere_is_told_with_the_reason() -> None:
    assert line_of("sora-2", describe(withheld=("gemini", "sandbox"))).startswith("  sora-2    is refused: sandbox-1: ")


@pytest.mark.parametrize("environ", [{}, ALL_KEYS])
def test_what_is_not_to_be_copied_fits_into_80_columns(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The path of the `.env` that is not there may be of any length.
    monkeypatch.chdir("/")
    lines = describe(environ, address="0.0.0.0")

    assert [line for line in lines if len(line) > COLUMNS and KEY not in line] == []


def test_the_command_comes_first_and_names_a_folder_that_it_would_not_find() -> None:
    for is_usual_folder, end in ((True, ["boat.mp4"]), (False, ["boat.mp4", "--data", "/home/ann/data"])):
        lines = describe(is_usual_folder=is_usual_folder)
        [command] = [line for line in lines if line.startswith("mediaposter generate ")]

        assert shlex.split(command)[-len(end) :] == end
        assert lines.index(command) < next(n for n, line in enumerate(lines) if line.startswith("curl "))


def test_the_request_for_a_shell_is_one_line() -> None:
    [line] = [line for line in describe() if line.startswith("curl ")]

    words = shlex.split(line)

    assert words[1] == f"{BASE_URL}/videos"
    assert json.loads(words[words.index("-d") + 1])["prompt"]


def test_it_says_which_file_was_read() -> None:
    assert line_of("settings", describe(env_file=Path("/home/ann/.env"))).endswith(
        "/home/ann/.env, and the environment"
    )
    assert "there is no " in line_of("settings", describe())


@pytest.mark.parametrize(("address", "is_open"), [("127.0.0.1", False), ("192.0.2.7", True), ("0.0.0.0", True)])
def test_it_warns_where_other_machines_can_reach_it(address: str, is_open: bool) -> None:
    told = "\n".join(describe(address=address))

    assert ("other machines can reach this port" in told) is is_open
    assert ("work on this machine only" in told) is (address == "0.0.0.0")


def test_a_file_of_keys_that_is_not_there_is_told_before_anything_is_made(tmp_path: Path) -> None:
    options = Options(data=tmp_path / "data", env_file=tmp_path / "my.env")

    with pytest.raises(ConfigurationError, match=r"There is no file .*my\.env"):
        serve(options, environ={})

    assert list(tmp_path.iterdir()) == []


def test_without_a_decoder_nothing_starts(tmp_path: Path) -> None:
    done = run_apart(["av"], ["up", "--data", str(tmp_path / "data")])

    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert done.stderr.startswith("PyAV must be installed for videos to be checked and drawn.")


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

    folder.joinpath("no.env").touch()
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
def test_a_port_that_is_taken_is_said_and_the_folder_is_free_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} of 127.0.0.1 is taken"):
            serve(Options(data=tmp_path, port=port), environ={})

    with serving(tmp_path):
        pass


def test_a_folder_that_cannot_be_used_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(ConfigurationError, match=r"file/data cannot be locked: .*Not a directory"):
        serve(Options(data=tmp_path / "file" / "data"), environ={}, ended=threading.Event())
    assert (tmp_path / "file").read_text() == "mine"
