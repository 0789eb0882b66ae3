"""The accounts that a key may post to, and what callers get while the publisher does not answer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mediaposter.domain.errors import ErrorCode, PublisherError
from mediaposter.publishing.publisher_interface import Account
from mediaposter.stores.accounts import ConnectedAccounts
from tests.builders import NOW
from tests.unit.usecases.office import NO_KEY, Office

INSTAGRAM = Account(account_id="807", platform="instagram", name="kites", full_name="Kite Films", username="kites")
DOWN = PublisherError(ErrorCode.PROVIDER_ERROR, "Blotato answered 503.", transient=True)


@pytest.fixture
def office() -> Office:
    office = Office()
    office.publisher.accounts.insert(0, INSTAGRAM)
    return office


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
        "twitter": [[], [], []],
        "linkedin": [["708"], [], []],
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
    office.book.put(ConnectedAccounts(accounts=tuple(office.publisher.accounts), read_at=NOW))

    assert [page.id for account in office.ask().data for page in account.pages] == ["708", "102"]


def test_while_the_publisher_is_down_the_last_list_is_given_with_a_warning(office: Office) -> None:
    office.ask()
    office.clock.advance(timedelta(hours=2).total_seconds())
    office.publisher.account_error = DOWN

    listed = office.ask()

    assert (len(listed.data), listed.checked_at) == (6, int(NOW.timestamp()))
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
    office.missing_key = NO_KEY

    listed = office.ask()

    assert (listed.data, listed.checked_at) == ([], None)
    assert listed.warning == f"The accounts at Blotato are not known: {NO_KEY}"
