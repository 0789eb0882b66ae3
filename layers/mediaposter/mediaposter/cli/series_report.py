"""How series and their rows are shown: lines of tables, and of JSON."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

from mediaposter.cli.console import count_of, create_table, open_console, write_table
from mediaposter.domain.problem import Problem
from mediaposter.stores.series import ScheduleRun, Series, SeriesState
from mediaposter.wire.rows import Row

_PROMPT_SHOWN_CHARACTERS = 40
# What the widest rows need.
_COLUMNS_OF_ALL = 130


class Standing(StrEnum):
    """The status of a series."""

    ACTIVE = "active"
    PAUSED = "paused"
    USED_UP = "sheet is used up"
    NO_ENTRY = "has no schedule"


class SeriesLine(BaseModel):
    """A series in the output of `schedule list --json`; `waiting` counts the rows for future runs."""

    model_config = ConfigDict(frozen=True)

    name: str
    timing: str
    expression: str
    timezone: str
    owner: str
    waiting: int
    state: Standing
    sheet: str
    created_at: AwareDatetime
    last_taken_at: AwareDatetime | None


class RowState(StrEnum):
    """The status of a row."""

    TAKEN = "taken"
    REFUSED = "refused"
    WAITING = "waiting"
    WRONG = "wrong"
    LEFT_OUT = "left out"


class RowLine(BaseModel):
    """A row in the output of `schedule show --json`."""

    model_config = ConfigDict(frozen=True)

    row: int
    id: str | None
    prompt: str | None
    state: RowState
    taken_at: AwareDatetime | None = None
    video_id: str | None = None
    error: Problem | None = None


class ShownSeries(SeriesLine):
    """A series in the output of `schedule show --json`; `taken_earlier` counts rows that only earlier sheets had."""

    rows: tuple[RowLine, ...]
    taken_earlier: int


SERIES_LINES = TypeAdapter(list[SeriesLine])


def describe_series(series: Series, enabled: dict[str, bool]) -> SeriesLine:
    """Describe a series; `enabled` tells of each entry at Scheduler whether it is on."""
    return SeriesLine(
        name=series.name,
        timing=series.timing,
        expression=series.expression,
        timezone=series.timezone,
        owner=series.owner,
        waiting=len(series.waiting),
        state=_find_standing(series, is_enabled=enabled.get(series.name)),
        sheet=series.sheet.key,
        created_at=series.created_at,
        last_taken_at=series.last_taken_at,
    )


def _find_standing(series: Series, *, is_enabled: bool | None) -> Standing:
    if is_enabled is None:
        return Standing.NO_ENTRY
    if series.state is SeriesState.PAUSED or not is_enabled:
        return Standing.PAUSED
    return Standing.ACTIVE if series.waiting else Standing.USED_UP


def show_series(series: Series, runs: list[ScheduleRun], rows: list[Row], enabled: dict[str, bool]) -> ShownSeries:
    """Say of each row of a series' sheet what became of it."""
    by_row = {run.row: run for run in runs if run.sheet.key == series.sheet.key}
    by_id = {run.row_id: run for run in runs if run.row_id is not None}
    waiting = frozenset(series.waiting)
    found = {row.number: by_row.get(row.number) or _find_earlier(row, by_id, waiting) for row in rows}
    return ShownSeries(
        **describe_series(series, enabled).model_dump(),
        rows=tuple(_describe_row(row, found[row.number], waiting) for row in rows),
        taken_earlier=len(runs) - len([run for run in found.values() if run is not None]),
    )


def _find_earlier(row: Row, by_id: dict[str, ScheduleRun], waiting: frozenset[int]) -> ScheduleRun | None:
    """Find the run that took a row of an earlier sheet; a refused row that waits again counts as waiting."""
    return None if row.row_id is None or row.number in waiting else by_id.get(row.row_id)


def _describe_row(row: Row, run: ScheduleRun | None, waiting: frozenset[int]) -> RowLine:
    state = RowState.LEFT_OUT
    error = None
    if run is not None:
        state = RowState.TAKEN if run.error is None else RowState.REFUSED
        error = run.error
    elif row.error is not None:
        state = RowState.WRONG
        error = row.error
    elif row.number in waiting:
        state = RowState.WAITING
    return RowLine(
        row=row.number,
        id=row.row_id,
        prompt=row.request.prompt if row.request else None,
        state=state,
        taken_at=run.taken_at if run else None,
        video_id=run.video_id if run else None,
        error=error,
    )


def write_list(lines: list[SeriesLine]) -> None:
    """Write a table of series."""
    is_narrow = _is_narrow()
    table = create_table("NAME", "when", *(() if is_narrow else ("owner",)), "rows left", "last taken", "state")
    for line in lines:
        table.add_row(
            line.name,
            f"{line.timing}, {line.timezone}",
            *(() if is_narrow else (line.owner,)),
            str(line.waiting),
            f"{line.last_taken_at:%Y-%m-%d %H:%M}" if line.last_taken_at else "",
            line.state,
        )
    write_table(table)


def _is_narrow() -> bool:
    console = open_console()
    return console.is_terminal and console.width < _COLUMNS_OF_ALL


def write_shown(shown: ShownSeries) -> None:
    """Write a series, and a table of its rows."""
    console = open_console()
    console.print(f"{shown.name}: {shown.timing}, {shown.timezone}; {shown.state}. The videos are of {shown.owner}.")
    console.print(f"sheet: {shown.sheet}\n")
    # What became of a row is its video's id, which is long, and there to be copied.
    is_narrow = _is_narrow()
    table = create_table("row", *(() if is_narrow else ("id", "prompt")), "state", "taken", "what became of it")
    for line in shown.rows:
        table.add_row(
            str(line.row),
            *(() if is_narrow else (line.id or "", _shorten(line.prompt or ""))),
            line.state,
            f"{line.taken_at:%Y-%m-%d %H:%M}" if line.taken_at else "",
            line.video_id or (line.error.message if line.error else ""),
        )
    write_table(table)
    if shown.taken_earlier:
        console.print(
            f"\n{count_of(shown.taken_earlier, 'row')} more, which this sheet has not, came from earlier ones."
        )


def _shorten(text: str) -> str:
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= _PROMPT_SHOWN_CHARACTERS else f"{line[: _PROMPT_SHOWN_CHARACTERS - 1]}…"
