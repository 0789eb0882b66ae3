"""The schedules of series at EventBridge Scheduler, which sends a message to the stack's queue for each run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field

from mediaposter.domain.errors import ConfigurationError
from mediaposter.stores.series import Series, SeriesState
from mediaposter.wire.intake import TURN_MAX_AGE_SECONDS, write_schedule_event

_MISSING = "ResourceNotFoundException"
_THERE_ALREADY = "ConflictException"
# As often as the rules in template.yaml.
_ATTEMPTS_MAX = 185


class SchedulerClient(Protocol):
    """The methods used of boto3's client, whose types are in no extra of this project."""

    def create_schedule(self, **arguments: object) -> object:
        """Make an entry."""

    def update_schedule(self, **arguments: object) -> object:
        """Replace an entry."""

    def delete_schedule(self, *, Name: str, GroupName: str) -> object:  # noqa: N803 (boto3's own names)
        """Remove an entry."""

    def list_schedules(self, **arguments: object) -> object:
        """List a page of entries."""


class Places(NamedTuple):
    """The template.yaml outputs that an entry refers to, all of them empty in a stack older than series."""

    group: str
    role_arn: str
    queue_arn: str
    dead_letter_arn: str


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str = Field(alias="Name")
    state: str = Field(alias="State")


class _Entries(BaseModel):
    model_config = ConfigDict(extra="ignore")

    entries: list[_Entry] = Field(alias="Schedules")
    next_token: str | None = Field(default=None, alias="NextToken")


class Scheduler:
    """The entries of one stack, with the names of their series."""

    def __init__(self, client: SchedulerClient, places: Places) -> None:
        self._client = client
        self._places = places

    def require(self) -> None:
        """Refuse a stack that does not support series.

        Raises:
            ConfigurationError: its template is older than series are.
        """
        if not all(self._places):
            raise ConfigurationError("The stack was deployed before there were series. Deploy it again: sam deploy.")

    def put(self, series: Series) -> None:
        """Create the entry of a series, or update it."""
        entry = self._describe(series)
        try:
            self._client.create_schedule(**entry)
        except ClientError as error:
            if error.response["Error"]["Code"] != _THERE_ALREADY:
                raise
            self._client.update_schedule(**entry)

    def remove(self, name: str) -> bool:
        """Remove the entry of a series; tell whether there was one."""
        try:
            self._client.delete_schedule(Name=name, GroupName=self._places.group)
        except ClientError as error:
            if error.response["Error"]["Code"] != _MISSING:
                raise
            return False
        return True

    def list_enabled(self) -> dict[str, bool]:
        """Return for each entry, by name, whether it is enabled."""
        return {entry.name: entry.state == "ENABLED" for entry in self._list()}

    def _list(self) -> Iterator[_Entry]:
        more: dict[str, str] = {}
        while True:
            page = _Entries.model_validate(self._client.list_schedules(GroupName=self._places.group, **more))
            yield from page.entries
            if page.next_token is None:
                return
            more = {"NextToken": page.next_token}

    def _describe(self, series: Series) -> dict[str, object]:
        return {
            "Name": series.name,
            "GroupName": self._places.group,
            "Description": f"Runs of the series {series.name}; made by mediaposter schedule.",
            "ScheduleExpression": series.expression,
            "ScheduleExpressionTimezone": series.timezone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED" if series.state is SeriesState.ACTIVE else "DISABLED",
            "Target": {
                "Arn": self._places.queue_arn,
                "RoleArn": self._places.role_arn,
                "Input": write_schedule_event(series.name),
                "RetryPolicy": {
                    "MaximumEventAgeInSeconds": TURN_MAX_AGE_SECONDS,
                    "MaximumRetryAttempts": _ATTEMPTS_MAX,
                },
                "DeadLetterConfig": {"Arn": self._places.dead_letter_arn},
            },
        }
