"""What is kept of the accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import boto3
import pytest
from moto import mock_aws

from mediaposter.library.accounts import AccountBook, ConnectedAccounts
from mediaposter.library.table import LibraryTable
from mediaposter.publishing.publisher_interface import Account, Board, Page
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


@pytest.fixture(params=["in memory", "dynamodb"])
def table(request: pytest.FixtureRequest) -> Iterator[LibraryTable]:
    if request.param == "in memory":
        yield InMemoryTable()
        return
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.create_table(
            TableName="library",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield LibraryTable(client, "library")


def test_nothing_is_known_before_anybody_asked(table: LibraryTable) -> None:
    assert AccountBook(table).get() is None


def test_what_was_read_is_kept(table: LibraryTable) -> None:
    AccountBook(table).put(CONNECTED)

    assert AccountBook(table).get() == CONNECTED


def test_what_is_read_later_takes_its_place(table: LibraryTable) -> None:
    later = ConnectedAccounts(accounts=(), read_at=NOW + timedelta(hours=1))
    AccountBook(table).put(CONNECTED)

    AccountBook(table).put(later)

    assert AccountBook(table).get() == later


def test_an_account_is_found_by_its_id() -> None:
    assert CONNECTED.find("806") == CONNECTED.accounts[1]
    assert CONNECTED.find("102") is None


@pytest.mark.parametrize(("account_id", "below"), [("803", ["102"]), ("806", ["900"]), ("801", [])])
def test_what_lies_below_an_account_is_its_own(account_id: str, below: list[str]) -> None:
    assert CONNECTED.list_below(account_id) == below
