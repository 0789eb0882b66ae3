"""`mediaposter accounts`: what is connected, with the ids that a request names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mediaposter.cli.app import run as run_app
from mediaposter.cli.deployed_stack import DeployedStack
from mediaposter.cli.session import Session, connect
from mediaposter.config import Settings
from mediaposter.domain.errors import ConfigurationError, ErrorCode, PublisherError
from mediaposter.publishing.publisher_interface import Account, Board, Page, PublisherInterface
from sandbox.blotato import ACCOUNTS, FACEBOOK_PAGE, PINTEREST_BOARD, YOUTUBE_PLAYLIST, create_app
from sandbox.serving import serve_in_thread
from tests.fakes.publisher import FakePublisher
from tests.unit.cli.fake_api import FakeApi, reply
from tests.unit.cli.stack import Run, StackInMemory

_KEY = "blotato-sandbox-key="
_LISTENS = pytest.mark.enable_socket(reason="Blotato's stand-in listens on loopback")

Show = Callable[..., str]


@pytest.fixture
def publisher() -> FakePublisher:
    publisher = FakePublisher()
    publisher.accounts = [
        Account(account_id="801", platform="twitter", name="kites"),
        Account(account_id="803", platform="facebook", name="[red]Kite Films[/]"),
        Account(account_id="805", platform="youtube", name="kites"),
        Account(account_id="806", platform="pinterest", name=""),
    ]
    publisher.pages = [
        Page(page_id="102", account_id="803", name="Kite Page"),
        Page(page_id="PL1", account_id="805", name="Kite Films"),
    ]
    publisher.boards = [Board(board_id="900", account_id="806", name="Kites")]
    return publisher


@pytest.fixture
def show(stack: StackInMemory, publisher: FakePublisher, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Show:
    """Give a way to run the command over a publisher that is given to it."""

    def run_command(*argv: str) -> str:
        session = Session(
            open_stack=stack.open, connect=lambda _: publisher, choose_folder=lambda: tmp_path, environ=dict
        )
        run_app(("accounts", *argv), session)
        return capsys.readouterr().out

    return run_command


def test_accounts_are_listed_with_what_lies_beneath(show: Show) -> None:
    assert [line.split() for line in show().splitlines()] == [
        ["ID", "what", "name"],
        ["801", "twitter", "kites"],
        ["803", "facebook", "[red]Kite", "Films[/]"],
        ["102", "page", "Kite", "Page"],
        ["805", "youtube", "kites"],
        ["PL1", "playlist", "Kite", "Films"],
        ["806", "pinterest"],
        ["900", "board", "Kites"],
    ]


def test_accounts_are_listed_as_json_for_scripts(show: Show) -> None:
    lines = {line["account_id"]: line for line in json.loads(show("--json"))}

    assert lines["803"] == {
        "account_id": "803",
        "platform": "facebook",
        "name": "[red]Kite Films[/]",
        "pages": [{"id": "102", "name": "Kite Page"}],
        "playlists": [],
        "boards": [],
    }
    assert lines["805"]["playlists"] == [{"id": "PL1", "name": "Kite Films"}]
    assert lines["805"]["pages"] == []
    assert lines["806"]["boards"] == [{"id": "900", "name": "Kites"}]


def test_a_key_without_accounts_says_where_to_connect_some(show: Show, publisher: FakePublisher) -> None:
    publisher.accounts = []

    assert "no account is connected yet" in show()
    assert json.loads(show("--json")) == []


def test_a_stack_that_is_named_gives_its_key(stack: StackInMemory, publisher: FakePublisher) -> None:
    opened: list[DeployedStack | None] = []

    def connect_to(stack: DeployedStack | None) -> PublisherInterface:
        opened.append(stack)
        return publisher

    words = ("accounts", "--stack", "studio", "--endpoint-url", "http://127.0.0.1:1")
    run_app(words, Session(open_stack=stack.open, connect=connect_to, environ=dict))

    assert stack.looked_for == [("studio", "http://127.0.0.1:1")]
    assert [each.name for each in opened if each] == ["studio"]


@pytest.mark.parametrize(
    ("argv", "where"), [((), "into BLOTATO_API_KEY"), (("--stack", "studio"), "into the secret blotato-api-key")]
)
def test_a_bad_key_is_told_with_where_it_belongs(
    show: Show, publisher: FakePublisher, argv: tuple[str, ...], where: str
) -> None:
    publisher.account_error = PublisherError(ErrorCode.AUTHENTICATION, "Invalid API key")

    with pytest.raises(ConfigurationError, match=f"refused the key: Invalid API key. Put it {where}"):
        show(*argv)


def test_without_a_key_a_sentence_says_where_to_put_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLOTATO_API_KEY", raising=False)

    outcome = run("accounts")

    assert (outcome.status, outcome.out) == (1, "")
    assert "BLOTATO_API_KEY" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_stack_that_is_found_is_asked_before_blotato(ask: Run, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOTATO_API_KEY", _KEY)
    below = [{"id": "102", "name": "Kite Page"}]
    account = {"id": "803", "platform": "facebook", "name": "Kite Films", "username": None, "pages": below}
    api.on("GET", "/accounts", reply({"object": "list", "data": [account]}))

    [line] = json.loads(ask("accounts", "--json").out)

    assert (line["account_id"], line["name"], line["pages"]) == ("803", "Kite Films", below)


class TestOverHttp:
    @pytest.fixture
    def blotato_url(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        """Serve the stand-in, and name it in the environment."""
        with serve_in_thread(create_app(), base_path="/v2") as base_url:
            monkeypatch.setenv("BLOTATO_BASE_URL", base_url)
            yield base_url

    @_LISTENS
    @pytest.mark.usefixtures("blotato_url")
    def test_the_key_of_the_environment_shows_what_is_connected(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BLOTATO_API_KEY", _KEY)

        outcome = run("accounts")

        assert (outcome.status, outcome.err) == (0, "")
        for shown in (*(account.id for account in ACCOUNTS.values()), FACEBOOK_PAGE.id, YOUTUBE_PLAYLIST.id):
            assert shown in outcome.out
        assert PINTEREST_BOARD.name in outcome.out
        assert _KEY not in outcome.out

    @_LISTENS
    def test_the_key_of_a_stack_goes_where_the_stack_says(self, stack: StackInMemory) -> None:
        stack.secrets["blotato-api-key"] = _KEY
        opened = stack.open("studio", endpoint_url=None)
        with serve_in_thread(create_app(), base_path="/v2") as base_url:
            publisher = connect(replace(opened, settings=Settings.model_validate({"BLOTATO_BASE_URL": base_url})))

            assert len(publisher.list_accounts()) == len(ACCOUNTS)

    @_LISTENS
    def test_a_service_that_is_away_ends_with_1_and_a_sentence(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with serve_in_thread(create_app(), base_path="/v2") as base_url:
            assert httpx.get(f"{base_url}/users/me", trust_env=False).status_code == 401
        monkeypatch.setenv("BLOTATO_BASE_URL", base_url)
        monkeypatch.setenv("BLOTATO_API_KEY", _KEY)

        assert run("accounts") == (1, "", "Blotato could not be reached: ConnectError.\n")
