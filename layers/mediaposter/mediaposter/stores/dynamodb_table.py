"""The table in DynamoDB."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from mediaposter.domain.errors import Contention, NotFound, Overloaded, VersionConflict
from mediaposter.stores.table import (
    INDEX_PAGE_MAX,
    Change,
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
    build_item,
    describe_conflict,
    name_item,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        DeleteTypeDef,
        PutTypeDef,
        QueryInputTypeDef,
        TransactWriteItemTypeDef,
        UpdateTypeDef,
    )


# Another transaction may lock an item for some milliseconds.
_COMMITS_MAX = 8
_COMMIT_WAIT_SECONDS = 0.01
# Reasons of a cancelled transaction that pass; botocore does not send it again after them. They are documented at
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_THROTTLED = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
# The attribute by which a single put recognizes its own earlier write.
WRITER = "writer"


class LibraryTable(Table):
    """The table in DynamoDB."""

    def __init__(self, client: DynamoDBClient, name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self.name = name
        self._sleep = sleep

    def get(self, key: Key) -> dict[str, Any]:
        """Read one item, consistently.

        Raises:
            NotFound: there is none.
        """
        found = self._client.get_item(TableName=self.name, Key=_encode(key._asdict()), ConsistentRead=True)
        if "Item" not in found:
            raise NotFound(f"There is no {key.pk}.")
        return _decode(found["Item"])

    def query_prefix(self, pk: str, sk_prefix: str) -> list[dict[str, Any]]:
        """Read all items of one partition whose sort key begins with `sk_prefix`."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues=_encode({":pk": pk, ":sk": sk_prefix}),
            ConsistentRead=True,
        )
        return [_decode(item) for page in pages for item in page["Items"]]

    def query_range(self, pk: str, sk_from: str, sk_to: str) -> list[dict[str, Any]]:
        """Read all items of one partition whose sort key lies between two values, both included."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :from AND :to",
            ExpressionAttributeValues=_encode({":pk": pk, ":from": sk_from, ":to": sk_to}),
            ConsistentRead=True,
        )
        return [_decode(item) for page in pages for item in page["Items"]]

    def get_many(self, keys: Sequence[Key]) -> list[dict[str, Any]]:
        """Read up to 100 items, in the order of `keys`; missing items are left out."""
        found: dict[Key, dict[str, Any]] = {}
        wanted = list(keys)
        for attempt in range(_COMMITS_MAX):
            if not wanted:
                break
            if attempt > 0:
                self._sleep(_COMMIT_WAIT_SECONDS * 2**attempt)
            answer = self._client.batch_get_item(
                RequestItems={self.name: {"Keys": [_encode(key._asdict()) for key in wanted]}}
            )
            for item in map(_decode, answer["Responses"][self.name]):
                found[Key(item["pk"], item["sk"])] = item
            left = answer["UnprocessedKeys"].get(self.name)
            wanted = [Key(**_decode(key)) for key in left["Keys"]] if left else []
        if wanted:
            raise Contention(f"{len(wanted)} of {len(keys)} records could not be read just now.")
        return [found[key] for key in keys if key in found]

    def query_page(self, index: str, query: PageQuery) -> Page:
        """Read one page of an index, which holds only the keys and the filtered attributes."""
        names = {"#hash": query.hash_name}
        values: dict[str, object] = {":hash": query.value}
        condition = "#hash = :hash"
        if query.after is not None:
            names["#range"] = query.range_name
            condition += f" AND #range {'<' if query.newest_first else '>'} :after"
            values[":after"] = query.after
        arguments: QueryInputTypeDef = {
            "TableName": self.name,
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ScanIndexForward": not query.newest_first,
        }
        if query.filters:
            for number, (attribute, content) in enumerate(query.filters.items()):
                names[f"#filter{number}"] = attribute
                values[f":filter{number}"] = content
            arguments["FilterExpression"] = " AND ".join(
                f"#filter{number} = :filter{number}" for number in range(len(query.filters))
            )
            if query.read_max is not None:
                arguments["Limit"] = query.read_max
        else:
            # One more entry than asked for tells whether there are more.
            arguments["Limit"] = query.limit + 1
        arguments["ExpressionAttributeNames"] = names
        arguments["ExpressionAttributeValues"] = _encode(values)
        answer = self._client.query(**arguments)
        items = [_decode(item) for item in answer["Items"]]
        keys = tuple(Key(item["pk"], item["sk"]) for item in items[: query.limit])
        last = answer.get("LastEvaluatedKey")
        reached = str(_decode(last)[query.range_name]) if last and not items else None
        return Page(keys=keys, has_more=len(items) > query.limit or last is not None, reached=reached)

    def query_index(
        self,
        index: str,
        *,
        hash_name: str,
        value: str,
        range_name: str,
        before: str,
        after: IndexEntry | None = None,
    ) -> list[IndexEntry]:
        """List up to 100 entries of one group of an index, oldest first, up to `before` and beyond `after`."""
        arguments: QueryInputTypeDef = {
            "TableName": self.name,
            "IndexName": index,
            "KeyConditionExpression": "#hash = :value AND #range < :before",
            "ExpressionAttributeNames": {"#hash": hash_name, "#range": range_name},
            "ExpressionAttributeValues": _encode({":value": value, ":before": before}),
            "Limit": INDEX_PAGE_MAX,
        }
        if after is not None:
            arguments["ExclusiveStartKey"] = _encode({**after.key._asdict(), hash_name: value, range_name: after.value})
        items = [_decode(item) for item in self._client.query(**arguments)["Items"]]
        return [IndexEntry(Key(str(item["pk"]), str(item["sk"])), str(item[range_name])) for item in items]

    def swap(self, key: Key, name: str, *, expected: str, wanted: str) -> bool:
        """Replace an attribute that an index sorts by, without a new version; tell whether `expected` was there.

        A writer that read the record before overwrites this and is not refused. So base no decision on this attribute.
        """
        try:
            self._client.update_item(
                TableName=self.name,
                Key=_encode(key._asdict()),
                UpdateExpression="SET #name = :wanted",
                ConditionExpression="#name = :expected",  # guard: alarm compared
                ExpressionAttributeNames={"#name": name},
                ExpressionAttributeValues=_encode({":expected": expected, ":wanted": wanted}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def count_values(self, index: str, *, hash_name: str, value: str, attribute: str) -> Counter[str]:
        """Count a group of an index by an attribute that the index holds."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self.name,
            IndexName=index,
            KeyConditionExpression="#hash = :value",
            ProjectionExpression="#attribute",
            ExpressionAttributeNames={"#hash": hash_name, "#attribute": attribute},
            ExpressionAttributeValues=_encode({":value": value}),
        )
        return Counter(str(_decode(item)[attribute]) for page in pages for item in page["Items"])

    def take_number(self, key: Key, *, at_least: int, expires_at: int | None = None) -> int:
        """Take the next number of a counter item, which gives each number once and none below `at_least`.

        With `expires_at`, in seconds since 1970, the item is removed then, and the count restarts.

        Raises:
            Contention: other writers changed the counter at each try; no number was taken.
        """
        # DynamoDB cannot set the greater of two values: either the count goes on, or it restarts at `at_least`.
        go_on = ("SET #next = #next + :one", "#next >= :least", {":one": 1, ":least": at_least})
        begin = (
            "SET #next = :after",
            "attribute_not_exists(#next) OR #next < :least",
            {":after": at_least + 1, ":least": at_least},
        )
        expiry, names = ("", {}) if expires_at is None else (", #ttl = :ttl", {"#ttl": "ttl"})
        for update, condition, values in (go_on, begin, go_on):
            if expires_at is not None:
                values[":ttl"] = expires_at
            try:
                answer = self._client.update_item(
                    TableName=self.name,
                    Key=_encode(key._asdict()),
                    UpdateExpression=f"{update}{expiry}",
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#next": "next_number", **names},
                    ExpressionAttributeValues=_encode(values),
                    ReturnValues="UPDATED_NEW",
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                continue
            return int(_decode(answer["Attributes"])["next_number"]) - 1
        raise Contention(f"{key.pk} is being counted by others; no number was taken.")

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes of up to 100 items, all or none.

        Raises:
            VersionConflict: a condition does not hold; its `changes` has the indexes of the failed changes.
            Contention: other writers changed the same items at each try; nothing was changed.
            Overloaded: the service took no more writes of an item, at the last try too; nothing was changed.
        """
        is_throttled = False
        requests = [_describe(change, self.name) for change in changes]
        for attempt in range(_COMMITS_MAX):
            if attempt > 0:
                self._sleep(random.uniform(0, _COMMIT_WAIT_SECONDS * 2**attempt))  # noqa: S311 (spreads, hides nothing)
            writer = uuid.uuid4().hex
            try:
                self._send(requests, writer)
            except ClientError as error:
                failed = _find_failed(error)
                if failed is None:
                    raise
                if failed:
                    if self._is_written_by(changes, writer):
                        return
                    raise VersionConflict(describe_conflict(changes, failed), changes=failed) from error
                # Another transaction locked one of the items, or the service takes no more writes of one.
                is_throttled = not _THROTTLED.isdisjoint(_list_reasons(error))
                continue
            return
        if is_throttled:
            raise Overloaded(f"{name_item(changes[0])} takes no more writes just now; nothing was changed.")
        raise Contention(f"{name_item(changes[0])} is being written by others; nothing was changed.")

    def _send(self, requests: Sequence[TransactWriteItemTypeDef], writer: str) -> None:
        if len(requests) > 1:
            # If botocore resends it after a lost answer, the same ClientRequestToken makes it take effect once.
            self._client.transact_write_items(TransactItems=requests)
            return
        [request] = requests
        # A single put costs half as much as a transaction of one.
        if "Put" in request:
            put: PutTypeDef = {**request["Put"], "Item": {**request["Put"]["Item"], WRITER: {"S": writer}}}
            self._client.put_item(**put)
        elif "Update" in request:
            self._client.update_item(**request["Update"])
        else:
            self._client.delete_item(**request["Delete"])

    def _is_written_by(self, changes: Sequence[Change], writer: str) -> bool:
        """Tell whether a refused put had already succeeded: botocore resends a put whose answer was lost."""
        if len(changes) > 1 or isinstance(changes[0], Increase | Delete):
            return False
        try:
            return self.get(changes[0].record.key).get(WRITER) == writer  # guard: own write
        except NotFound:
            return False


def _describe(change: Change, table: str) -> TransactWriteItemTypeDef:
    """Write a change as a DynamoDB transaction item."""
    if isinstance(change, Put):
        return {"Put": {"TableName": table, "Item": _encode_record(change.record)}}
    if isinstance(change, Create):
        return {"Put": _describe_create(change, table)}
    if isinstance(change, Replace):
        return {"Put": _describe_replace(change, table)}
    if isinstance(change, Increase):
        return {"Update": _describe_increase(change, table)}
    delete: DeleteTypeDef = {"TableName": table, "Key": _encode(change.key._asdict())}
    if change.expected_version is not None:
        delete["ConditionExpression"] = "#version = :version"
        delete["ExpressionAttributeNames"] = {"#version": "version"}
        delete["ExpressionAttributeValues"] = _encode({":version": change.expected_version})
    return {"Delete": delete}


def _describe_create(change: Create, table: str) -> PutTypeDef:
    put: PutTypeDef = {
        "TableName": table,
        "Item": _encode_record(change.record),
        "ConditionExpression": "attribute_not_exists(pk)",  # guard: create only new
    }
    if change.now is not None:
        put["ConditionExpression"] = "attribute_not_exists(pk) OR #ttl < :now"
        put["ExpressionAttributeNames"] = {"#ttl": "ttl"}
        put["ExpressionAttributeValues"] = _encode({":now": change.now})
    return put


def _describe_replace(change: Replace, table: str) -> PutTypeDef:
    names = {"#version": "version"}
    values: dict[str, object] = {":version": change.expected_version}
    conditions = ["#version = :version"]  # guard: version compared
    for index, (attribute, states) in enumerate(change.allowed.items()):
        names[f"#state{index}"] = attribute
        placeholders = [f":state{index}x{position}" for position in range(len(states))]
        values.update(zip(placeholders, states, strict=True))
        conditions.append(f"#state{index} IN ({', '.join(placeholders)})")  # guard: state compared
    return {
        "TableName": table,
        "Item": _encode_record(change.record),
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": _encode(values),
    }


def _describe_increase(change: Increase, table: str) -> UpdateTypeDef:
    names: dict[str, str] = {}
    values: dict[str, object] = {}
    additions, conditions = [], []
    for index, (attribute, amount) in enumerate(change.amounts.items()):
        names[f"#number{index}"] = attribute
        values[f":amount{index}"] = amount
        additions.append(f"#number{index} :amount{index}")
        if attribute in change.at_most:
            # A missing number is zero; an amount that alone exceeds the maximum fits no item.
            room = change.at_most[attribute] - amount
            values[f":room{index}"] = room
            absent = f"attribute_not_exists(#number{index}) OR " if room >= 0 else ""
            conditions.append(f"({absent}#number{index} <= :room{index})")
    expression = f"ADD {', '.join(additions)}"
    if change.expires_at is not None:
        names["#ttl"] = "ttl"
        values[":ttl"] = change.expires_at
        expression += " SET #ttl = :ttl"
    update: UpdateTypeDef = {
        "TableName": table,
        "Key": _encode(change.key._asdict()),
        "UpdateExpression": expression,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": _encode(values),
    }
    if conditions:
        update["ConditionExpression"] = " AND ".join(conditions)
    return update


def _encode_record(record: Record) -> dict[str, AttributeValueTypeDef]:
    return _encode(build_item(record))


def _encode(values: Mapping[str, object]) -> dict[str, AttributeValueTypeDef]:
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in values.items()}


def _decode(item: Mapping[str, AttributeValueTypeDef]) -> dict[str, Any]:
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}


def _find_failed(error: ClientError) -> tuple[int, ...] | None:
    """Give the indexes of the changes whose condition failed: empty if the same changes may be made later.

    Returns:
        None for any other error, which the caller raises again.
    """
    code = error.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        return (0,)
    if code == "TransactionConflictException":
        return ()
    if code == "TransactionCanceledException":
        reasons = _list_reasons(error)
        failed = tuple(index for index, reason in enumerate(reasons) if reason == "ConditionalCheckFailed")
        if failed or not {"TransactionConflict", *_THROTTLED}.isdisjoint(reasons):
            return failed
    return None


def _list_reasons(error: ClientError) -> list[str]:
    """List why a transaction was cancelled, a code for each change; empty for any other error."""
    return [str(reason.get("Code")) for reason in error.response.get("CancellationReasons", [])]
