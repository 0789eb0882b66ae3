"""Series: sheets of requests, of which each turn of a schedule takes one row.

All series lie in one partition, so that they can be listed; the turns of each in one of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self, TypedDict, Unpack

from pydantic import AfterValidator, AwareDatetime, ConfigDict

from mediaposter.domain.errors import NotFound
from mediaposter.stores.checked_model import CheckedModel
from mediaposter.stores.table import Create, Delete, Key, Record, Replace, Table

_LISTED = "SERIES"
_NAME = "NAME#"
_TURN = "TURN#"
# What one transaction takes.
_CHANGES_MAX = 100


def check_series_name(name: str) -> str:
    """Refuse a name that Scheduler would not take for an entry, or that would run into another's records."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError("a series has 1 to 64 letters, digits and . _ - for a name, and begins with a letter or digit")
    return name


SeriesName = Annotated[str, AfterValidator(check_series_name)]


class SeriesState(StrEnum):
    """Whether the turns of a series take rows."""

    ACTIVE = "active"
    PAUSED = "paused"


class SheetFormat(StrEnum):
    """What a sheet is written in; the end of its name."""

    CSV = "csv"
    JSONL = "jsonl"


class SheetChanges(TypedDict, total=False):
    """What is said anew of a sheet that is taken from another row on."""

    first_row: int


class Sheet(CheckedModel):
    """Where a sheet lies in the bucket; it is never written again. Rows before `first_row` are not taken by number."""

    model_config = ConfigDict(frozen=True)

    key: str
    format: SheetFormat
    first_row: int = 1

    def copy_with(self, **fields: Unpack[SheetChanges]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)


class SeriesChanges(TypedDict, total=False):
    """What its owner may change in a series; its types are those of `Series`."""

    sheet: Sheet
    waiting: tuple[int, ...]
    state: SeriesState


class SeriesFields(SeriesChanges, total=False):
    """All that changes: besides, what the library writes as a turn takes a row."""

    version: int
    last_taken_at: AwareDatetime | None


class Series(Record):
    """A series: `timing` is how its owner said when, `waiting` the numbers of the rows that turns will take, in order.

    A row that was taken, or that was left out, is not among `waiting`.
    """

    name: SeriesName
    # There is no `id` beside it: the index ByOwner, which holds what has both, is of videos alone.
    owner: str
    timing: str
    expression: str
    timezone: str
    sheet: Sheet
    waiting: tuple[int, ...]
    state: SeriesState = SeriesState.ACTIVE
    created_at: AwareDatetime
    last_taken_at: AwareDatetime | None = None

    def copy_with(self, **fields: Unpack[SeriesFields]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return _series_key(self.name)


class ScheduleRunError(CheckedModel):
    """Why a row was refused."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    param: str | None = None


class ScheduleRunChanges(TypedDict, total=False):
    """What became of the row of a turn; its types are those of `Turn`."""

    video_id: str | None
    error: ScheduleRunError | None
    refused_at: AwareDatetime | None


class ScheduleRunFields(ScheduleRunChanges, total=False):
    """All that changes."""

    version: int


class ScheduleRun(Record):
    """A turn, the row it took, and what became of that: a video, a refusal, or neither yet.

    `request_id` is what the notice was called that told of it first.
    """

    series: SeriesName
    scheduled_at: AwareDatetime
    sheet: Sheet
    row: int
    row_id: str | None = None
    request_id: str
    taken_at: AwareDatetime
    video_id: str | None = None
    error: ScheduleRunError | None = None
    refused_at: AwareDatetime | None = None

    def copy_with(self, **fields: Unpack[ScheduleRunFields]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return _turn_key(self.series, self.scheduled_at)


def _series_key(name: str) -> Key:
    return Key(_LISTED, f"{_NAME}{name}")


def _turn_key(name: str, scheduled_at: datetime) -> Key:
    return Key(f"{_LISTED}#{name}", f"{_TURN}{scheduled_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


class SeriesStore:
    """The series of a stack, and their turns."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, series: Series) -> None:
        """Record a new series.

        Raises:
            VersionConflict: there is one of that name.
        """
        self._table.create([series])

    def get(self, name: str) -> Series:
        """Read a series.

        Raises:
            NotFound: there is none of that name.
        """
        try:
            return Series.model_validate(self._table.get(_series_key(name)))
        except NotFound as error:
            raise NotFound(f"There is no series {name}.", what="series") from error

    def list_all(self) -> list[Series]:
        """List all series, by their names."""
        return [Series.model_validate(item) for item in self._table.query_prefix(_LISTED, _NAME)]

    def change(self, series: Series, **changes: Unpack[SeriesChanges]) -> Series:
        """Change a series.

        Raises:
            VersionConflict: somebody else changed it, or a turn took a row, since it was read.
            InvalidChange: a change is none of `SeriesChanges`.
        """
        series.refuse_changes_but(SeriesChanges.__optional_keys__, changes)
        changed = series.copy_with(**changes, version=series.version + 1)
        self._table.replace(changed, expected_version=series.version, allowed={})
        return changed

    def remove(self, name: str) -> bool:
        """Forget a series and then its turns; tell whether there was anything of it."""
        records = self._table.get_many([_series_key(name)])
        # In this order: as long as the series is there, a turn that is forgotten could take another row.
        self._table.commit([Delete(_series_key(name))])
        turns = self.list_turns(name)
        for start in range(0, len(turns), _CHANGES_MAX):
            self._table.commit([Delete(turn.key) for turn in turns[start : start + _CHANGES_MAX]])
        return bool(records or turns)

    def find_turn(self, name: str, scheduled_at: datetime) -> ScheduleRun | None:
        """Find what a turn took before."""
        try:
            return ScheduleRun.model_validate(self._table.get(_turn_key(name, scheduled_at)))
        except NotFound:
            return None

    def list_turns(self, name: str) -> list[ScheduleRun]:
        """List the turns that took a row, by their times."""
        return [ScheduleRun.model_validate(item) for item in self._table.query_prefix(f"{_LISTED}#{name}", _TURN)]

    def take(self, series: Series, turn: ScheduleRun) -> None:
        """Let a turn take the first row that waits, both or neither.

        Raises:
            VersionConflict: another turn took it, or this turn took one before, or the series was changed or removed.
        """
        taken = series.copy_with(
            waiting=tuple(number for number in series.waiting if number != turn.row),
            last_taken_at=turn.taken_at,
            version=series.version + 1,
        )
        self._table.commit([Create(turn), Replace(taken, series.version)])

    def note(self, turn: ScheduleRun, **changes: Unpack[ScheduleRunChanges]) -> ScheduleRun:
        """Write down what became of the row of a turn.

        Raises:
            VersionConflict: somebody who was told of the same turn did so first, or the series was removed.
            InvalidChange: a change is none of `TurnChanges`.
        """
        turn.refuse_changes_but(ScheduleRunChanges.__optional_keys__, changes)
        noted = turn.copy_with(**changes, version=turn.version + 1)
        self._table.replace(noted, expected_version=turn.version, allowed={})
        return noted
