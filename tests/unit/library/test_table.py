"""One contract for the table in DynamoDB (moto, with the schema of template.yaml) and for its fake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws
from pydantic import Field

from checks.cloudformation import read_template
from mediaposter.errors import Conflict, NotFound
from mediaposter.library.table import Key, LibraryTable, Record
from tests.fakes.table import InMemoryTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TEMPLATE = Path(__file__).parents[3] / "template.yaml"
SCHEMA = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


class Note(Record):
    """A record with what the real ones have: states, text, numbers, lists, and an attribute for an index."""

    pk: str = "NOTE#1"
    sk: str = "NOTE"
    state: str = "open"
    mood: str = "good"
    text: str | None = None
    pages: int = 7
    is_read: bool = False
    tags: tuple[str, ...] = ()
    margins: dict[str, int] = Field(default_factory=dict)
    created_at: str = "2026-12-01T12:00:00Z"
    is_listed: bool = True

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return Key(self.pk, self.sk)

    def index_attributes(self) -> Mapping[str, str]:
        """List the note where the sweep looks for videos."""
        return {"awaiting_start": "yes"} if self.is_listed else {}


def make_client() -> DynamoDBClient:
    return boto3.client(
        "dynamodb", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )


@cache
def read_schema() -> dict[str, Any]:
    properties = read_template(TEMPLATE).resources["LibraryTable"].properties
    return {name: properties[name] for name in SCHEMA}


@pytest.fixture(scope="module")
def moto_client() -> Iterator[DynamoDBClient]:
    with mock_aws():
        yield make_client()


@pytest.fixture(params=["memory", "dynamodb"])
def table(request: pytest.FixtureRequest, moto_client: DynamoDBClient) -> Iterator[LibraryTable]:
    if request.param == "memory":
        yield InMemoryTable()
        return
    moto_client.create_table(TableName="library", **read_schema())
    yield LibraryTable(moto_client, "library")
    moto_client.delete_table(TableName="library")


def list_open(table: LibraryTable, *, before: str = "2027-01-01T00:00:00Z") -> list[str]:
    return table.query_index(
        "AwaitingStart", hash_name="awaiting_start", value="yes", range_name="created_at", before=before
    )


def test_a_record_is_read_as_it_was_kept(table: LibraryTable) -> None:
    note = Note(text="grün", tags=("a", "b"), margins={"left": 2}, is_read=True)
    table.create([note])

    assert Note.model_validate(table.get(note.key)) == note


def test_numbers_come_back_as_decimals_and_what_is_none_not_at_all(table: LibraryTable) -> None:
    table.create([Note()])

    item = table.get(Key("NOTE#1", "NOTE"))

    assert type(item["pages"]).__name__ == "Decimal"
    assert item["is_read"] is False
    assert "text" not in item
    assert item["awaiting_start"] == "yes"


def test_what_is_not_there_is_not_found(table: LibraryTable) -> None:
    table.create([Note()])

    with pytest.raises(NotFound, match=r"There is no NOTE#2\."):
        table.get(Key("NOTE#2", "NOTE"))
    with pytest.raises(NotFound):
        table.get(Key("NOTE#1", "OTHER"))


def test_a_record_is_created_once(table: LibraryTable) -> None:
    table.create([Note(text="first")])

    with pytest.raises(Conflict, match="NOTE#1 exists already"):
        table.create([Note(text="second")])

    assert table.get(Key("NOTE#1", "NOTE"))["text"] == "first"


def test_records_are_created_all_or_none(table: LibraryTable) -> None:
    table.create([Note(sk="POST#b")])

    with pytest.raises(Conflict):
        table.create([Note(sk="POST#a"), Note(sk="POST#b")])

    assert [item["sk"] for item in table.query_prefix("NOTE#1", "POST#")] == ["POST#b"]


def test_a_record_is_replaced_over_its_version(table: LibraryTable) -> None:
    table.create([Note(text="old", tags=("a",))])

    table.replace(Note(version=2, state="closed"), expected_version=1, allowed={"state": ["open"]})

    kept = Note.model_validate(table.get(Key("NOTE#1", "NOTE")))
    assert kept == Note(version=2, state="closed")


def test_a_stale_writer_has_a_conflict_and_changes_nothing(table: LibraryTable) -> None:
    table.create([Note(version=2, text="newer")])

    with pytest.raises(Conflict, match="NOTE#1 NOTE changed meanwhile"):
        table.replace(Note(version=2, text="stale"), expected_version=1, allowed={})

    assert table.get(Key("NOTE#1", "NOTE"))["text"] == "newer"


def test_a_record_that_is_gone_is_not_put_back(table: LibraryTable) -> None:
    with pytest.raises(Conflict):
        table.replace(Note(version=2), expected_version=1, allowed={"state": ["open"]})

    with pytest.raises(NotFound):
        table.get(Key("NOTE#1", "NOTE"))


def test_a_state_that_does_not_allow_it_is_a_conflict_though_the_version_matches(table: LibraryTable) -> None:
    table.create([Note(state="closed")])

    with pytest.raises(Conflict):
        table.replace(Note(version=2, text="new"), expected_version=1, allowed={"state": ["open", "waiting"]})

    assert "text" not in table.get(Key("NOTE#1", "NOTE"))


@pytest.mark.parametrize(("mood", "is_allowed"), [("good", True), ("bad", False)])
def test_every_state_must_allow_it(table: LibraryTable, mood: str, is_allowed: bool) -> None:
    table.create([Note(state="waiting", mood=mood)])
    allowed = {"state": ["open", "waiting"], "mood": ["good"]}

    if is_allowed:
        table.replace(Note(version=2), expected_version=1, allowed=allowed)
    else:
        with pytest.raises(Conflict):
            table.replace(Note(version=2), expected_version=1, allowed=allowed)


def test_a_state_that_was_never_written_allows_nothing(table: LibraryTable) -> None:
    table.create([Note(text=None)])

    with pytest.raises(Conflict):
        table.replace(Note(version=2), expected_version=1, allowed={"text": ["anything"]})


def test_a_prefix_finds_the_items_of_one_partition_in_order(table: LibraryTable) -> None:
    table.create([Note(sk="POST#b"), Note(sk="POST#a"), Note(sk="VIDEO"), Note(pk="NOTE#2", sk="POST#c")])

    assert [item["sk"] for item in table.query_prefix("NOTE#1", "POST#")] == ["POST#a", "POST#b"]
    assert table.query_prefix("NOTE#3", "POST#") == []


def test_an_index_lists_the_oldest_first_and_only_those_before(table: LibraryTable) -> None:
    table.create(
        [
            Note(pk="NOTE#2", created_at="2026-12-01T12:00:02Z"),
            Note(pk="NOTE#1", created_at="2026-12-01T12:00:01Z"),
            Note(pk="NOTE#3", created_at="2026-12-01T12:00:03Z"),
        ]
    )

    assert list_open(table, before="2026-12-01T12:00:03Z") == ["NOTE#1", "NOTE#2"]


def test_an_index_forgets_what_no_longer_belongs_to_it(table: LibraryTable) -> None:
    table.create([Note(), Note(pk="NOTE#2", is_listed=False)])
    table.replace(Note(version=2, is_listed=False), expected_version=1, allowed={})

    assert list_open(table) == []


def test_an_index_is_read_in_pages_of_a_hundred(table: LibraryTable) -> None:
    for first in range(0, 120, 60):
        table.create([Note(pk=f"NOTE#{number:03}") for number in range(first, first + 60)])

    assert len(list_open(table)) == 100


def test_a_fraction_is_not_kept(table: LibraryTable) -> None:
    note = Note().model_copy(update={"pages": 1.5})

    with pytest.raises(TypeError, match="Float types are not supported"), pytest.warns(UserWarning, match="pages"):
        table.create([note])


def test_a_fault_of_the_service_is_no_conflict() -> None:
    client = make_client()
    table = LibraryTable(client, "library")
    with Stubber(client) as stubber:
        for operation in ("put_item", "transact_write_items"):
            stubber.add_client_error(operation, service_error_code="ProvisionedThroughputExceededException")

        with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
            table.replace(Note(version=2), expected_version=1, allowed={})
        with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
            table.create([Note()])


def test_a_transaction_that_was_cancelled_for_another_reason_is_no_conflict() -> None:
    client = make_client()
    with Stubber(client) as stubber:
        stubber.add_client_error(
            "transact_write_items",
            service_error_code="TransactionCanceledException",
            modeled_fields={"CancellationReasons": [{"Code": "ThrottlingError"}, {"Code": "None"}]},
        )

        with pytest.raises(ClientError, match="TransactionCanceled"):
            LibraryTable(client, "library").create([Note(), Note(sk="B")])


def test_reads_see_every_write_before_them() -> None:
    client = make_client()
    key = {"pk": {"S": "NOTE#1"}, "sk": {"S": "NOTE"}}
    query = {
        "TableName": "library",
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
        "ExpressionAttributeValues": {":pk": {"S": "NOTE#1"}, ":sk": {"S": "N"}},
        "ConsistentRead": True,
    }
    with Stubber(client) as stubber:
        stubber.add_response("get_item", {"Item": key}, {"TableName": "library", "Key": key, "ConsistentRead": True})
        stubber.add_response("query", {"Items": [key]}, query)

        assert LibraryTable(client, "library").get(Key("NOTE#1", "NOTE")) == {"pk": "NOTE#1", "sk": "NOTE"}
        assert LibraryTable(client, "library").query_prefix("NOTE#1", "N") == [{"pk": "NOTE#1", "sk": "NOTE"}]
