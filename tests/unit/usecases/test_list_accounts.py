"""The accounts that a key may post to, and what callers get while the publisher does not answer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mediaposter.domain.errors import ConfigurationError, ErrorCode, PublisherError
from mediaposter.publishing.publisher_interface import Account, Board, Page, PublisherInterface
from mediaposter.stores.accounts import AccountStore, ConnectedAccounts
from mediaposter.usecases.posting.list_accounts import ListAccounts
from mediaposter.wire.accounts import AccountListObject, present_accounts
from tests.builders import NOW, a_caller
from tests.fakes.clock import Clock
from tests.fakes.publisher import FakePublisher
from tests.fakes.table import InMemoryTable

INSTAGRAM = Account(account_id="807", platform="instagram", name="kites", full_name="Kite Films", username="kites")
DOWN = PublisherError(ErrorCode.PROVIDER_ERROR, "Blotato answered 503.", transient=True)


class Office:
    """A publisher with accounts, and a way to list them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = AccountStore(InMemoryTable())
        self.publisher = FakePublisher()
        self.publisher.accounts = [
            INSTAGRAM,
            Account(account_id="803", platform="facebook", name="kites"),
            Account(account_id="805", platform="youtube", name="kites"),
            Account(account_id="806", platform="pinterest", name="kites"),
        ]
        self.publisher.pages = [
            Page(page_id="102", account_id="803", name="Kite Page"),
            Page(page_id="PL1", account_id="805", name="Kites in autumn"),
        ]
        self.publisher.boards = [Board(board_id="900", account_id="806", name="Kites")]
        self.missing_key: ConfigurationError | None = None
        self.list_accounts = ListAccounts(
            accounts=self.store,
            publishers=self._give_publisher,
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )

    def ask(self, *accounts: str) -> AccountListObject:
        """List the accounts for a key, which may be limited to some."""
        caller = a_caller(accounts=frozenset(accounts) or None)
        return present_accounts(self.list_accounts(caller=caller), notice="")

    def _give_publisher(self) -> PublisherInterface:
        if self.missing_key is not None:
            raise self.missing_key
        return self.publisher


@pytest.fixture
def office() -> Office:
    return Office()


def test_accounts_are_listed_with_what_is_below_them(office: Office) -> None:
    listed = office.ask()

    assert (listed.checked_at, listed.warning) == (int(NOW.timestamp()), None)
    assert listed.data[0].model_dump() == {
        "object": "account",
        "id": "807",
        "platform": "instagram",
        "name": "Kite Films",
        "username": "kites",
        "pages": [],
        "playlists": [],
        "boards": [],
    }
    below = {account.platform: (account.pages, account.playlists, account.boards) for account in listed.data[1:]}
    assert {name: [[item.id for item in kind] for kind in kinds] for name, kinds in below.items()} == {
        "facebook": [["102"], [], []],
        "youtube": [[], ["PL1"], []],
        "pinterest": [[], [], ["900"]],
    }


def test_a_key_that_is_limited_to_accounts_sees_no_others(office: Office) -> None:
    assert [account.id for account in office.ask("instagram:807", "instagram:803").data] == ["807"]


def test_an_answer_serves_for_five_minutes(office: Office) -> None:
    office.ask()
    office.clock.advance(300)
    office.ask()
    assert office.publisher.account_questions == 1

    office.clock.advance(1)
    office.ask()
    assert office.publisher.account_questions == 2


def test_accounts_without_their_pages_are_asked_for_again(office: Office) -> None:
    office.store.put(ConnectedAccounts(accounts=tuple(office.publisher.accounts), read_at=NOW))

    assert [page.id for page in office.ask().data[1].pages] == ["102"]


def test_while_the_publisher_is_down_the_last_list_is_given_with_a_warning(office: Office) -> None:
    office.ask()
    office.clock.advance(timedelta(hours=2).total_seconds())
    office.publisher.account_error = DOWN

    listed = office.ask()

    assert (len(listed.data), listed.checked_at) == (4, int(NOW.timestamp()))
    assert listed.warning == (
        "This list is of 2026-12-01T12:00:00Z, because Blotato could not be asked now: Blotato answered 503."
    )


def test_a_publisher_that_is_down_is_asked_once_a_minute(office: Office) -> None:
    office.publisher.account_error = DOWN
    office.ask()
    office.clock.advance(59)
    office.ask()
    assert office.publisher.account_questions == 1

    office.clock.advance(1)
    office.publisher.account_error = None
    assert office.ask().warning is None


def test_without_a_key_of_the_publisher_nothing_is_listed_and_the_warning_names_it(office: Office) -> None:
    office.missing_key = ConfigurationError("The secret blotato-api-key is missing.")

    listed = office.ask()

    assert (listed.data, listed.checked_at) == ([], None)
    assert listed.warning == "The accounts at Blotato are not known: The secret blotato-api-key is missing."
