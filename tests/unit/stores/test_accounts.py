"""What is kept of the accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mediaposter.publishing.publisher_interface import Account, Board, Page
from mediaposter.stores.accounts import AccountStore, ConnectedAccounts
from tests.builders import NOW
from tests.fakes.table import InMemoryTable

CONNECTED = ConnectedAccounts(
    accounts=(
        Account(account_id="803", platform="facebook", name="Kite Films"),
        Account(account_id="806", platform="pinterest", name=""),
    ),
    read_at=NOW,
    pages=(Page(page_id="102", account_id="803", name="Kite Page"), Page(page_id="103", account_id="9", name="x")),
    boards=(Board(board_id="900", account_id="806", name="Kites"),),
    below_read_at={"803": NOW, "806": NOW + timedelta(seconds=1)},
)


def test_what_was_read_is_kept_until_something_is_read_later() -> None:
    book = AccountStore(InMemoryTable())
    assert book.get() is None
    for read in (CONNECTED, ConnectedAccounts(accounts=(), read_at=NOW + timedelta(hours=1))):
        book.put(read)
        assert book.get() == read


def test_an_account_is_found_by_its_id() -> None:
    assert CONNECTED.find("806") == CONNECTED.accounts[1]
    assert CONNECTED.find("102") is None


@pytest.mark.parametrize(("account_id", "below"), [("803", ["102"]), ("806", ["900"]), ("801", [])])
def test_what_lies_below_an_account_is_its_own(account_id: str, below: list[str]) -> None:
    assert CONNECTED.list_below(account_id) == below
