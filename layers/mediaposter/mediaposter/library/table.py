"""The one DynamoDB table: items in and out, every write conditional."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict

from mediaposter.errors import Conflict, NotFound

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, PutTypeDef, TransactWriteItemTypeDef


class Key(NamedTuple):
    """The primary key of an item."""

    pk: str
    sk: str


class Record(BaseModel, ABC):
    """A kept thing: immutable, and numbered so that two writers cannot both win."""

    # A record holds prompts and captions, and an error ends in a log.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    version: int = 1

    @property
    @abstractmethod
    def key(self) -> Key:
        """Give the primary key."""

    def index_attributes(self) -> Mapping[str, str]:
        """Give the attributes that only an index reads."""
        return {}


class LibraryTable:
    """Conditional reads and writes of records."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self.name = name

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
        """Read all items of one partition whose sort key begins so."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues=_encode({":pk": pk, ":sk": sk_prefix}),
            ConsistentRead=True,
        )
        return [_decode(item) for page in pages for item in page["Items"]]

    def query_index(self, index: str, *, hash_name: str, value: str, range_name: str, before: str) -> list[str]:
        """List the partition keys an index holds under a value, oldest first, up to `before`."""
        page = self._client.query(
            TableName=self.name,
            IndexName=index,
            KeyConditionExpression="#hash = :value AND #range < :before",
            ExpressionAttributeNames={"#hash": hash_name, "#range": range_name},
            ExpressionAttributeValues=_encode({":value": value, ":before": before}),
            Limit=100,
        )
        return [str(_decode(item)["pk"]) for item in page["Items"]]

    def create(self, records: Sequence[Record]) -> None:
        """Put new records, all or none.

        Raises:
            Conflict: one of them is there already.
        """
        try:
            self._client.transact_write_items(TransactItems=[self._put_new(record) for record in records])
        except ClientError as error:
            raise _translate(error, f"{records[0].key.pk} exists already.") from error

    def replace(
        self,
        record: Record,
        *,
        expected_version: int,
        allowed: Mapping[str, Sequence[str]],
        also_create: Sequence[Record] = (),
    ) -> None:
        """Put a record over the version it was made from, if its states still allow that.

        Args:
            record: the new content.
            expected_version: the version that was read.
            allowed: for each state attribute, the values it may have now.
            also_create: new records that are put with it, all or none.

        Raises:
            Conflict: another writer came first.
        """
        names = {"#version": "version"}
        values: dict[str, object] = {":version": expected_version}
        conditions = ["#version = :version"]
        for index, (attribute, states) in enumerate(allowed.items()):
            names[f"#state{index}"] = attribute
            placeholders = [f":state{index}x{position}" for position in range(len(states))]
            values.update(zip(placeholders, states, strict=True))
            conditions.append(f"#state{index} IN ({', '.join(placeholders)})")
        put: PutTypeDef = {
            "TableName": self.name,
            "Item": _to_item(record),
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": _encode(values),
        }
        try:
            if also_create:
                self._client.transact_write_items(
                    TransactItems=[{"Put": put}, *(self._put_new(new) for new in also_create)]
                )
            else:
                self._client.put_item(**put)
        except ClientError as error:
            raise _translate(error, f"{record.key.pk} {record.key.sk} changed meanwhile.") from error

    def _put_new(self, record: Record) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self.name,
                "Item": _to_item(record),
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }


def _to_item(record: Record) -> dict[str, AttributeValueTypeDef]:
    content = record.model_dump(mode="json", exclude_none=True)
    return _encode({**content, **record.index_attributes(), **record.key._asdict()})


def _encode(values: Mapping[str, object]) -> dict[str, AttributeValueTypeDef]:
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in values.items()}


def _decode(item: Mapping[str, AttributeValueTypeDef]) -> dict[str, Any]:
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}


def _translate(error: ClientError, conflict_sentence: str) -> Exception:
    """Map the service's refusal of a condition to ours; everything else is a fault and stays one."""
    code = error.response["Error"]["Code"]
    if code == "ConditionalCheckFailedException":
        return Conflict(conflict_sentence)
    if code == "TransactionCanceledException":
        reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
        if "ConditionalCheckFailed" in reasons:
            return Conflict(conflict_sentence)
    return error
