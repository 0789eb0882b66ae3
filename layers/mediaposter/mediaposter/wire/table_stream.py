"""Records of the table's stream: the keys of written items (DynamoDB developer guide, "Change data capture").

The content of the items is not read: it holds prompts, and may be older than the item in the table.
"""

from __future__ import annotations

from typing import Any

from pydantic import AliasPath, BaseModel, ConfigDict, Field


class _Record(BaseModel):
    # An error must not repeat the unreadable item: it may hold a prompt.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    pk: str = Field(validation_alias=AliasPath("dynamodb", "Keys", "pk", "S"))


class _StreamEvent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    records: tuple[_Record, ...] = Field(alias="Records")


def list_providers(event: dict[str, Any]) -> list[str]:
    """List the providers whose slots changed, without duplicates."""
    return sorted(set(_list_names(event, "SLOTS#")))


def list_video_ids(event: dict[str, Any]) -> list[str]:
    """List the ids of the videos that were written, in the stream's order."""
    return _list_names(event, "VIDEO#")


def _list_names(event: dict[str, Any], prefix: str) -> list[str]:
    records = _StreamEvent.model_validate(event).records
    return [record.pk.removeprefix(prefix) for record in records]
