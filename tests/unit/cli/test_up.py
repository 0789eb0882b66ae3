"""What `mediaposter up` says before and after it starts."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from mediaposter.ai.catalog import built_in_catalog
from mediaposter.cli.up import Options, serve
from mediaposter.cli.up_text import describe_start
from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.environment import ACCOUNTS, read_environment
from tests.unit.cli.test_main import run_apart

BASE_URL = "http://127.0.0.1:4600/v1"
KEY = "mp_" + "k" * 43
ALL_KEYS = {account.variables[0]: "https://videos.example/v1" for account in ACCOUNTS} | {"BLOTATO_API_KEY": "key="}
COLUMNS = 80


def describe(
    environ: dict[str, str] | None = None,
    *,
    env_file: Path | None = None,
    address: str = "127.0.0.1",
    withheld: tuple[str, ...] = (),
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
    )


def line_of(name: str, lines: list[str]) -> str:
    return next(line for line in lines if line.startswith(f"  {name} "))


def test_a_provider_without_a_key_is_told_with_the_variable_to_set() -> None:
    assert line_of("runway", describe()) == "  runway    no key: not offered (RUNWAY_API_KEY)"
    assert line_of("runway", describe({"RUNWAY_API_KEY": "key"})) == "  runway    your key"


def test_a_provider_that_an_address_opens_misses_an_address() -> None:
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


def test_it_says_where_the_default_model_leads() -> None:
    assert line_of("sora-2", describe(withheld=("gemini",))) == "  sora-2    leads to sandbox-1 of sandbox"


def test_a_default_model_that_leads_nowhere_is_told_with_the_reason() -> None:
    assert line_of("sora-2", describe(withheld=("gemini", "sandbox"))).startswith("  sora-2    is refused: sandbox-1: ")


@pytest.mark.parametrize("environ", [{}, ALL_KEYS])
def test_what_is_not_to_be_copied_fits_into_80_columns(environ: dict[str, str]) -> None:
    lines = describe(environ, address="0.0.0.0")

    assert [line for line in lines if len(line) > COLUMNS and KEY not in line] == []


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
