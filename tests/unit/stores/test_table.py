"""One contract for the table in DynamoDB (moto, with the schema of template.yaml) and for its fake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws
from pydantic import Field

from checks.cloudformation import read_template
from mediaposter.domain.errors import ApiError, Contention, NotFound, Overloaded, VersionConflict
from mediaposter.host.database import Database
from mediaposter.host.table import SqliteTable
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.table import (
    Create,
    Delete,
    Increase,
    IndexEntry,
    Key,
    Page,
    PageQuery,
    Put,
    Record,
    Replace,
    Table,
)
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.errors import list_retry_headers
from tests.builders import OWNER, a_video
from tests.fakes.aws import connect_dynamodb
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
    mood: str | None = "good"
    text: str | None = None
    pages: int = 7
    is_read: bool = False
    tags: tuple[str, ...] = ()
    margins: dict[str, int] = Field(default_factory=dict)
    due_at: str = "2026-12-01T12:00:00Z"
    is_listed: bool = True

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return Key(self.pk, self.sk)

    def index_attributes(self) -> Mapping[str, str]:
        """List the note where the sweep looks for videos."""
        return {"due": "yes"} if self.is_listed else {}


@cache
def read_schema() -> dict[str, Any]:
    properties = read_template(TEMPLATE).resources["LibraryTable"].properties
    return {name: properties[name] for name in SCHEMA}


@pytest.fixture(scope="module")
def moto_client() -> Iterator[DynamoDBClient]:
    with mock_aws():
        yield connect_dynamodb()


@pytest.fixture(params=["memory", "dynamodb", "sqlite"])
def table(request: pytest.FixtureRequest, moto_client: DynamoDBClient, tmp_path: Path) -> Iterator[Table]:
    if request.param == "memory":
        yield InMemoryTable()
        return
    if request.param == "sqlite":
        database = Database(tmp_path / "library.sqlite")
        yield SqliteTable(database, clock=lambda: 0)
        database.close()
        return
    moto_client.create_table(TableName="library", **read_schema())
    yield LibraryTable(moto_client, "library")
    moto_client.delete_table(TableName="library")


def list_open(table: Table, *, before: str = "2027-01-01T00:00:00Z") -> list[str]:
    return [entry.key.pk for entry in list_entries(table, before=before)]


def list_entries(
    table: Table, *, before: str = "2027-01-01T00:00:00Z", after: IndexEntry | None = None
) -> list[IndexEntry]:
    return table.query_index("Due", hash_name="due", value="yes", range_name="due_at", before=before, after=after)


def test_a_record_is_read_as_it_was_kept(table: Table) -> None:
    note = Note(text="grün", tags=("a", "b"), margins={"left": 2}, is_read=True)
    table.create([note])

    assert Note.model_validate(table.get(note.key)) == note


def test_numbers_come_back_as_decimals_and_what_is_none_not_at_all(table: Table) -> None:
    table.create([Note()])

    item = table.get(Key("NOTE#1", "NOTE"))

    assert type(item["pages"]).__name__ == "Decimal"
    assert item["is_read"] is False
    assert "text" not in item
    assert item["due"] == "yes"


def test_what_is_not_there_is_not_found(table: Table) -> None:
    table.create([Note()])

    with pytest.raises(NotFound, match=r"There is no NOTE#2\."):
        table.get(Key("NOTE#2", "NOTE"))
    with pytest.raises(NotFound):
        table.get(Key("NOTE#1", "OTHER"))


def test_a_record_is_created_once(table: Table) -> None:
    table.create([Note(text="first")])

    with pytest.raises(VersionConflict, match=r"NOTE#1 NOTE changed meanwhile, or exists already"):
        table.create([Note(text="second")])

    assert table.get(Key("NOTE#1", "NOTE"))["text"] == "first"


def test_records_are_created_all_or_none(table: Table) -> None:
    table.create([Note(sk="POST#b")])

    with pytest.raises(VersionConflict):
        table.create([Note(sk="POST#a"), Note(sk="POST#b")])

    assert [item["sk"] for item in table.query_prefix("NOTE#1", "POST#")] == ["POST#b"]


def test_a_record_is_replaced_over_its_version(table: Table) -> None:
    table.create([Note(text="old", tags=("a",))])

    table.replace(Note(version=2, state="closed"), expected_version=1, allowed={"state": ["open"]})

    kept = Note.model_validate(table.get(Key("NOTE#1", "NOTE")))
    assert kept == Note(version=2, state="closed")


def test_a_stale_writer_has_a_conflict_and_changes_nothing(table: Table) -> None:
    with pytest.raises(VersionConflict):
        table.replace(Note(version=2), expected_version=1, allowed={"state": ["open"]})
    table.create([Note(version=2, text="newer")])

    with pytest.raises(VersionConflict, match=r"NOTE#1 NOTE changed meanwhile, or exists already"):
        table.replace(Note(version=2, text="stale"), expected_version=1, allowed={})

    assert table.get(Key("NOTE#1", "NOTE"))["text"] == "newer"


@pytest.mark.parametrize(
    ("fields", "is_allowed"),
    [
        ({"state": "waiting"}, True),
        ({"state": "closed"}, False),
        ({"state": "waiting", "mood": "bad"}, False),
        # What was never written allows nothing.
        ({"state": "open", "mood": None}, False),
    ],
)
def test_every_state_must_allow_it_though_the_version_matches(
    table: Table, fields: dict[str, Any], is_allowed: bool
) -> None:
    table.create([Note(**fields)])
    allowed = {"state": ["open", "waiting"], "mood": ["good"]}

    with nullcontext() if is_allowed else pytest.raises(VersionConflict):
        table.replace(Note(version=2, text="new"), expected_version=1, allowed=allowed)

    assert ("text" in table.get(Key("NOTE#1", "NOTE"))) == is_allowed


def test_a_prefix_finds_the_items_of_one_partition_in_order(table: Table) -> None:
    table.create([Note(sk="POST#b"), Note(sk="POST#a"), Note(sk="VIDEO"), Note(pk="NOTE#2", sk="POST#c")])

    assert [item["sk"] for item in table.query_prefix("NOTE#1", "POST#")] == ["POST#a", "POST#b"]
    assert table.query_prefix("NOTE#3", "POST#") == []
    assert [item["sk"] for item in table.query_range("NOTE#1", "POST#b", "VIDEO")] == ["POST#b", "VIDEO"]


def test_an_index_lists_the_oldest_first_and_only_those_before(table: Table) -> None:
    table.create(
        [
            Note(pk="NOTE#2", due_at="2026-12-01T12:00:02Z"),
            Note(pk="NOTE#1", due_at="2026-12-01T12:00:01Z"),
            Note(pk="NOTE#3", due_at="2026-12-01T12:00:03Z"),
        ]
    )

    assert list_open(table, before="2026-12-01T12:00:03Z") == ["NOTE#1", "NOTE#2"]


def test_an_index_forgets_what_no_longer_belongs_to_it(table: Table) -> None:
    table.create([Note(), Note(pk="NOTE#2", is_listed=False)])
    table.replace(Note(version=2, is_listed=False), expected_version=1, allowed={})

    assert list_open(table) == []


def test_a_list_goes_on_after_its_last_entry_also_among_equals(table: Table) -> None:
    table.create([Note(pk=f"NOTE#{number:03}") for number in range(60)])
    table.create([Note(pk=f"NOTE#{number:03}", due_at="2026-12-01T12:00:01Z") for number in range(60, 130)])

    first = list_entries(table)
    rest = list_entries(table, after=first[-1])

    assert len(first) == 100
    assert first[0].key.sk == "NOTE"

    assert sorted(entry.key.pk for entry in (*first, *rest)) == [f"NOTE#{number:03}" for number in range(130)]
    assert list_entries(table, after=rest[-1]) == []


def test_an_attribute_is_swapped_if_it_is_what_was_seen_without_a_new_version(table: Table) -> None:
    table.create([Note(text="as it was")])
    key = Note().key

    assert not table.swap(Key("NOTE#2", "NOTE"), "due_at", expected="2026-12-01T12:00:00Z", wanted="never")
    assert table.swap(key, "due_at", expected="2026-12-01T12:00:00Z", wanted="2026-12-01T13:00:00Z")
    assert not table.swap(key, "due_at", expected="2026-12-01T12:00:00Z", wanted="2026-12-01T14:00:00Z")
    [entry] = list_entries(table)
    assert (entry.key, entry.value) == (key, "2026-12-01T13:00:00Z")
    table.replace(Note(text="changed", version=2), expected_version=1, allowed={})
    assert table.get(key)["due_at"] == "2026-12-01T12:00:00Z", "who had read it before is not refused"


@pytest.mark.parametrize("change", [Create(Note(text="ours")), Replace(Note(text="ours", version=2), 1)])
def test_a_put_whose_answer_was_lost_meets_its_own_write_and_is_no_conflict(
    moto_client: DynamoDBClient, change: Create | Replace
) -> None:
    moto_client.create_table(TableName="library", **read_schema())
    table = LibraryTable(moto_client, "library")
    if isinstance(change, Replace):
        table.create([Note(text="before")])
    put = moto_client.put_item

    def put_twice(**request: Any) -> object:
        put(**request)
        return put(**request)  # as botocore does when no answer comes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moto_client, "put_item", put_twice)
        table.commit([change])

    assert table.get(Note().key)["text"] == "ours"
    with pytest.raises(VersionConflict):
        table.commit([change])
    moto_client.delete_table(TableName="library")


def test_a_fraction_is_not_kept(table: Table) -> None:
    note = Note.model_construct(pages=1.5)  # type: ignore[arg-type]  # what pydantic would refuse

    with pytest.raises(TypeError, match="Float types are not supported"), pytest.warns(UserWarning, match="pages"):
        table.create([note])


def test_a_fault_of_the_service_is_no_conflict() -> None:
    client = connect_dynamodb()
    table = LibraryTable(client, "library")
    with Stubber(client) as stubber:
        for operation in ("put_item", "transact_write_items", "update_item"):
            stubber.add_client_error(operation, service_error_code="ProvisionedThroughputExceededException")

        with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
            table.replace(Note(version=2), expected_version=1, allowed={})
        with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
            table.create([Note(), Note(sk="B")])
        with pytest.raises(ClientError, match="ProvisionedThroughputExceeded"):
            table.take_number(COUNTER, at_least=5)


def test_a_transaction_that_was_cancelled_for_another_reason_is_no_conflict() -> None:
    client = connect_dynamodb()
    with Stubber(client) as stubber:
        stubber.add_client_error(
            "transact_write_items",
            service_error_code="TransactionCanceledException",
            modeled_fields={"CancellationReasons": [{"Code": "ValidationError"}, {"Code": "None"}]},
        )

        with pytest.raises(ClientError, match="TransactionCanceled"):
            LibraryTable(client, "library").create([Note(), Note(sk="B")])


COUNTER = Key("COUNTER#1", "DAY")


def count(table: Table, name: str = "used") -> int:
    return int(table.get(COUNTER)[name])


def test_numbers_begin_at_zero_and_are_added_to(table: Table) -> None:
    table.commit([Increase(COUNTER, {"used": 3, "times": 1})])
    table.commit([Increase(COUNTER, {"used": -1, "times": 1}, expires_at=1_800_000_000)])

    assert table.get(COUNTER) == {"pk": "COUNTER#1", "sk": "DAY", "used": 2, "times": 2, "ttl": 1_800_000_000}


@pytest.mark.parametrize(("amount", "fits"), [(7, True), (8, False), (-9, True)])
def test_a_number_becomes_no_greater_than_it_may(table: Table, amount: int, fits: bool) -> None:
    table.commit([Increase(COUNTER, {"used": 3})])
    more = Increase(COUNTER, {"used": amount}, at_most={"used": 10})

    with nullcontext() if fits else pytest.raises(VersionConflict):
        table.commit([more])

    assert count(table) == (3 + amount if fits else 3)


def test_changes_are_made_all_or_none_and_those_that_cannot_be_are_numbered(table: Table) -> None:
    table.create([Note()])

    with pytest.raises(VersionConflict) as conflict:
        table.commit(
            [
                Create(Note(sk="B")),
                Create(Note()),
                Increase(COUNTER, {"used": 11}, at_most={"used": 10}),
                Put(Note(sk="C")),
            ]
        )

    assert conflict.value.changes == (1, 2)
    assert [item["sk"] for item in table.get_many([Key("NOTE#1", name) for name in ("NOTE", "B", "C")])] == ["NOTE"]
    with pytest.raises(NotFound):
        table.get(COUNTER)


def test_a_record_is_put_over_whatever_there_is(table: Table) -> None:
    table.commit([Put(Note(text="one"))])
    table.commit([Put(Note(text="two")), Put(Note(sk="B"))])

    assert table.get(Note().key)["text"] == "two"


def test_a_record_is_deleted_over_its_version(table: Table) -> None:
    table.create([Note()])

    with pytest.raises(VersionConflict):
        table.commit([Delete(Note().key, expected_version=2)])
    table.commit([Delete(Note().key, expected_version=1)])
    table.commit([Delete(Note().key)])

    with pytest.raises(NotFound):
        table.get(Note().key)


@pytest.mark.parametrize(("at_least", "number"), [(0, 2), (2, 2), (3, 3), (-5, 2)])
def test_numbers_are_taken_one_after_the_other_and_none_twice(table: Table, at_least: int, number: int) -> None:
    table.commit([Increase(COUNTER, {"used": 3})])
    assert [table.take_number(COUNTER, at_least=0) for _ in range(2)] == [0, 1]

    assert table.take_number(COUNTER, at_least=at_least, expires_at=1_800_000_000) == number
    assert table.take_number(COUNTER, at_least=0) == number + 1
    assert table.take_number(Key("COUNTER#1", "HOUR"), at_least=-1) == -1
    kept = {"pk": "COUNTER#1", "sk": "DAY", "used": 3, "next_number": number + 2, "ttl": 1_800_000_000}
    assert table.get(COUNTER) == kept


def answer_counts(*answers: int | None) -> tuple[Table, Stubber]:
    """Give a table whose service holds a condition for false (None), or gives the next number."""
    client = connect_dynamodb()
    stubber = Stubber(client)
    for answer in answers:
        if answer is None:
            stubber.add_client_error("update_item", "ConditionalCheckFailedException")
        else:
            stubber.add_response("update_item", {"Attributes": {"next_number": {"N": str(answer)}}})
    return LibraryTable(client, "library"), stubber


@pytest.mark.parametrize(
    ("answers", "number"),
    [((8,), 7), ((None, 8), 7), ((None, None, 8), 7)],
    ids=["it goes on", "it begins anew", "another began it anew meanwhile"],
)
def test_a_writer_between_two_questions_takes_no_number_twice(answers: tuple[int | None, ...], number: int) -> None:
    table, service = answer_counts(*answers)

    with service:
        assert table.take_number(COUNTER, at_least=5) == number
        service.assert_no_pending_responses()


def test_a_count_that_always_changes_is_busy() -> None:
    table, service = answer_counts(None, None, None)

    with service, pytest.raises(Contention, match="no number was taken"):
        table.take_number(COUNTER, at_least=5)


class Ticket(Note):
    """A record that may be forgotten."""

    ttl: int = 100


def test_a_record_whose_time_is_over_counts_as_gone(table: Table) -> None:
    table.commit([Create(Ticket(), now=50)])

    for now in (50, 99, 100):
        with pytest.raises(VersionConflict):
            table.commit([Create(Ticket(text="new"), now=now)])
    table.commit([Create(Ticket(text="new"), now=101)])
    table.create([Note(sk="B")])
    with pytest.raises(VersionConflict):
        table.commit([Create(Note(sk="B"), now=2_000_000_000)])

    assert table.get(Note().key)["text"] == "new"


def test_many_are_read_in_the_order_of_their_keys_and_the_missing_left_out(table: Table) -> None:
    table.create([Note(sk=name) for name in "ABC"])

    found = table.get_many([Key("NOTE#1", name) for name in "CXA"])

    assert [item["sk"] for item in found] == ["C", "A"]
    assert table.get_many([]) == []


def page(table: Table, **changes: Any) -> Page:
    query = {"hash_name": "owner_batch", "value": "ann#1", "range_name": "id", "limit": 2}
    return table.query_page("ByOwnerBatch", PageQuery(**{**query, **changes}))


class Owned(Note):
    """A record that its owner lists, by the one index that keeps what is filtered beside its keys."""

    id: str
    owner_batch: str = "ann#1"
    status: str = "open"

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return Key(f"VIDEO#{self.id}", "VIDEO")


def ids(found: Page) -> list[str]:
    return [key.pk.removeprefix("VIDEO#") for key in found.keys]


def test_an_empty_page_tells_that_there_are_more(table: Table) -> None:
    table.create([Owned(sk="A", id="a")])

    assert page(table, limit=0) == Page(keys=(), has_more=True, reached=None)


def test_a_page_goes_on_where_the_one_before_ended_in_both_directions(table: Table) -> None:
    table.create([Owned(id=name) for name in "abcde"] + [Owned(id="z", owner_batch="bob#1"), Note()])

    assert (ids(page(table)), page(table).has_more) == (["e", "d"], True)
    assert ids(page(table, after="d")) == ["c", "b"]
    assert (ids(page(table, after="b")), page(table, after="b").has_more) == (["a"], False)
    assert ids(page(table, newest_first=False)) == ["a", "b"]
    assert ids(page(table, newest_first=False, after="d")) == ["e"]
    assert not page(table, after="c").has_more
    assert page(table, after="a") == Page(keys=(), has_more=False)


def test_a_page_holds_what_the_filters_let_through(table: Table) -> None:
    table.create([Owned(id=name, status="shut" if name in "bd" else "open") for name in "abcdef"])

    assert ids(page(table, filters={"status": "shut"})) == ["d", "b"]
    found = page(table, filters={"status": "open"})
    assert (ids(found), found.has_more) == (["f", "e"], True)


def test_a_filter_looks_at_so_many_entries_and_says_how_far_it_came(table: Table) -> None:
    table.create([Owned(id=name, status="shut" if name == "a" else "open") for name in "abcdef"])

    assert page(table, filters={"status": "shut"}, read_max=4) == Page(keys=(), has_more=True, reached="c")
    assert page(table, filters={"status": "open"}, read_max=1) == Page(
        keys=(Key("VIDEO#f", "VIDEO"),), has_more=True, reached=None
    )
    assert ids(page(table, filters={"status": "shut"}, read_max=4, after="c")) == ["a"]


@pytest.mark.parametrize(
    ("reason", "error", "headers"),
    [
        ("TransactionConflict", Contention, None),
        ("ThrottlingError", Overloaded, {"Retry-After": "5"}),
        ("ProvisionedThroughputExceeded", Overloaded, {"Retry-After": "5"}),
    ],
)
def test_a_transaction_that_finds_no_room_is_tried_again_and_given_up_in_the_end(
    reason: str, error: type[ApiError], headers: dict[str, str] | None
) -> None:
    client = connect_dynamodb()
    waits: list[float] = []
    with Stubber(client) as stubber:
        for _ in range(8):
            stubber.add_client_error(
                "transact_write_items",
                service_error_code="TransactionCanceledException",
                modeled_fields={"CancellationReasons": [{"Code": "None"}, {"Code": reason}]},
            )

        with pytest.raises(error, match="nothing was changed") as raised:
            LibraryTable(client, "library", sleep=waits.append).create([Note(), Note(sk="B")])

        stubber.assert_no_pending_responses()
    assert len(waits) == 7
    assert headers is None or list_retry_headers(raised.value) == headers


def test_reads_see_every_write_before_them() -> None:
    client = connect_dynamodb()
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


def test_a_group_of_an_index_is_counted_by_an_attribute(table: Table) -> None:
    for number in range(3):
        video = a_video(id=f"video_{number}", batch_id="batch_1", stage=Stage.RENDERING if number else Stage.QUEUED)
        table.create([video])
    table.create([a_video(id="video_9", batch_id="batch_2")])

    counted = table.count_values("ByOwnerBatch", hash_name="owner_batch", value=f"{OWNER}#batch_1", attribute="status")

    assert counted == {"in_progress": 2, "queued": 1}
