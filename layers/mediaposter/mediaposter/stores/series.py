"""Series: sheets of requests, of which each run of a schedule takes one row.

All series share one partition, so that you can list them. The runs of each series have a separate partition.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self, TypedDict, Unpack

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

from mediaposter.domain.errors import NotFound
from mediaposter.domain.problem import Problem
from mediaposter.stores.checked_model import CheckedModel
from mediaposter.stores.table import Create, Delete, Key, Record, Replace, Table

_LISTED = "SERIES"
_NAME = "NAME#"
_TURN = "TURN#"
# The maximum of one transaction.
_CHANGES_MAX = 100


def check_series_name(name: str) -> str:
    """Refuse a name that EventBridge Scheduler rejects, or that would collide with another series' records."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError("a series has 1 to 64 letters, digits and . _ - for a name, and begins with a letter or digit")
    return name


SeriesName = Annotated[str, AfterValidator(check_series_name)]


class SeriesState(StrEnum):
    """Whether the runs of a series take rows."""

    ACTIVE = "active"
    PAUSED = "paused"


class SheetFormat(StrEnum):
    """The format of a sheet, which is also its file name suffix."""

    CSV = "csv"
    JSONL = "jsonl"


class SheetChanges(TypedDict, total=False):
    """The fields of `Sheet` that change when the series starts at another row."""

    first_row: int


class Sheet(CheckedModel):
    """The key of a sheet in the bucket, which never changes. Rows before `first_row` are not taken by number.

    `templates` are texts that the columns of each row fill, by the field that they make: `prompt`, `text`, `title`.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    format: SheetFormat
    first_row: int = 1
    templates: dict[str, str] = Field(default_factory=dict)

    def copy_with(self, **fields: Unpack[SheetChanges]) -> Self:
        return self.model_copy(update=fields)


class SeriesChanges(TypedDict, total=False):
    """The fields of `Series` that its owner may change, with the same types."""

    sheet: Sheet
    waiting: tuple[int, ...]
    state: SeriesState


class SeriesFields(SeriesChanges, total=False):
    """All fields that change: also those that the store writes when a run takes a row."""

    version: int
    last_taken_at: AwareDatetime | None


class Series(Record):
    """A series: `timing` is the schedule as its owner wrote it, `waiting` the numbers of the rows to take, in order.

    `waiting` has no row that was taken or left out.
    """

    name: SeriesName
    # Without an `id` beside it: the index ByOwner holds every item that has both, which must be videos only.
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
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        return _series_key(self.name)


class ScheduleRunChanges(TypedDict, total=False):
    """The fields of `ScheduleRun` with the outcome of its row, with the same types."""

    video_id: str | None
    error: Problem | None
    refused_at: AwareDatetime | None


class ScheduleRunFields(ScheduleRunChanges, total=False):
    """All fields that change."""

    version: int


class ScheduleRun(Record):
    """A run of a schedule, the row it took, and the outcome: a video, a refusal, or neither yet.

    `request_id` is the id of the first event that announced the run.
    """

    series: SeriesName
    scheduled_at: AwareDatetime
    sheet: Sheet
    row: int
    row_id: str | None = None
    request_id: str
    taken_at: AwareDatetime
    video_id: str | None = None
    error: Problem | None = None
    refused_at: AwareDatetime | None = None

    def copy_with(self, **fields: Unpack[ScheduleRunFields]) -> Self:
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        return _turn_key(self.series, self.scheduled_at)


def _series_key(name: str) -> Key:
    return Key(_LISTED, f"{_NAME}{name}")


def _turn_key(name: str, scheduled_at: datetime) -> Key:
    return Key(f"{_LISTED}#{name}", f"{_TURN}{scheduled_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


class SeriesStore:
    """Keeps the series of a stack, and their runs."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, series: Series) -> None:
        """Record a new series.

        Raises:
            VersionConflict: a series of that name exists.
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
            VersionConflict: another writer changed it, or a run took a row, since it was read.
            InvalidChange: a changed field is not in `SeriesChanges`.
        """
        series.refuse_changes_but(SeriesChanges.__optional_keys__, changes)
        changed = series.copy_with(**changes, version=series.version + 1)
        self._table.replace(changed, expected_version=series.version, allowed={})
        return changed

    def remove(self, name: str) -> bool:
        """Remove a series and then its runs; tell whether anything existed."""
        records = self._table.get_many([_series_key(name)])
        # In this order: while the series exists, a removed run could take another row.
        self._table.commit([Delete(_series_key(name))])
        runs = self.list_runs(name)
        for start in range(0, len(runs), _CHANGES_MAX):
            self._table.commit([Delete(run.key) for run in runs[start : start + _CHANGES_MAX]])
        return bool(records or runs)

    def find_run(self, name: str, scheduled_at: datetime) -> ScheduleRun | None:
        """Find the run of a scheduled time, if it already took a row."""
        try:
            return ScheduleRun.model_validate(self._table.get(_turn_key(name, scheduled_at)))
        except NotFound:
            return None

    def list_runs(self, name: str) -> list[ScheduleRun]:
        """List the runs that took a row, sorted by time."""
        return [ScheduleRun.model_validate(item) for item in self._table.query_prefix(f"{_LISTED}#{name}", _TURN)]

    def take(self, series: Series, run: ScheduleRun) -> None:
        """Record a run and take the first waiting row for it, all or nothing.

        Raises:
            VersionConflict: another run took it, this run took one before, or the series was changed or removed.
        """
        taken = series.copy_with(
            waiting=tuple(number for number in series.waiting if number != run.row),
            last_taken_at=run.taken_at,
            version=series.version + 1,
        )
        self._table.commit([Create(run), Replace(taken, series.version)])

    def note(self, run: ScheduleRun, **changes: Unpack[ScheduleRunChanges]) -> ScheduleRun:
        """Record the outcome of a run's row.

        Raises:
            VersionConflict: another worker recorded it first for the same run, or the series was removed.
            InvalidChange: a changed field is not in `ScheduleRunChanges`.
        """
        run.refuse_changes_but(ScheduleRunChanges.__optional_keys__, changes)
        noted = run.copy_with(**changes, version=run.version + 1)
        self._table.replace(noted, expected_version=run.version, allowed={})
        return noted
