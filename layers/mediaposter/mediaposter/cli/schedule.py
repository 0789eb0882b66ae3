"""`mediaposter schedule`: series of videos on a schedule; each run takes the next row of a sheet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from botocore.exceptions import ClientError
from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

from mediaposter.ai.catalog import Catalog
from mediaposter.cli.arguments import CommandParser, add_stack_arguments, checked, read_count
from mediaposter.cli.console import create_table, open_console
from mediaposter.cli.deployed_stack import DeployedStack, OpenStack, explain_aws_errors
from mediaposter.cli.timing import check_timezone, read_at, read_cron, read_rate
from mediaposter.domain.errors import ConfigurationError, Contention, InvalidRequest, NotFound, VersionConflict
from mediaposter.stores.keys import check_owner
from mediaposter.stores.series import (
    ScheduleRun,
    ScheduleRunError,
    Series,
    SeriesState,
    Sheet,
    SheetFormat,
    check_series_name,
)
from mediaposter.usecases.scheduled.series import find_next_row, list_waiting
from mediaposter.wire.rows import Row, RowError
from mediaposter.wire.sheets import read_sheet

_BAD_ROWS_SHOWN_MAX = 20
_PROMPT_SHOWN_CHARACTERS = 40
_TRIES_MAX = 3
# The header of a CSV determines the separator, which may be a tab.
_SHEET_FORMATS = MappingProxyType({".csv": SheetFormat.CSV, ".tsv": SheetFormat.CSV, ".jsonl": SheetFormat.JSONL})


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
    error: ScheduleRunError | None = None


class ShownSeries(SeriesLine):
    """A series in the output of `schedule show --json`; `taken_earlier` counts rows that only earlier sheets had."""

    rows: tuple[RowLine, ...]
    taken_earlier: int


_SERIES_LINES = TypeAdapter(list[SeriesLine])


def run(argv: Sequence[str], *, open_stack: OpenStack, clock: Callable[[], datetime]) -> None:
    """Run a command of this group.

    Raises:
        ConfigurationError: the stack cannot be reached, or is older than series.
        InvalidRequest: the sheet is invalid.
        NotFound: there is no such series.
        Contention: other callers changed it at every attempt.
    """
    arguments = _create_parser().parse_args(argv)
    with explain_aws_errors():
        stack = open_stack(arguments.stack, endpoint_url=arguments.endpoint_url)
        stack.scheduler.require()
        if arguments.command == "create":
            _create(arguments, stack, clock())
        elif arguments.command == "list":
            _list(stack, as_json=arguments.json)
        elif arguments.command == "show":
            _show(arguments.name, stack, clock().date(), as_json=arguments.json)
        elif arguments.command == "replace-sheet":
            _replace_sheet(arguments, stack, clock())
        elif arguments.command == "remove":
            _remove(arguments.name, stack)
        else:
            _set_state(arguments.name, stack, is_paused=arguments.command == "pause")


def _create_parser() -> CommandParser:
    parser = CommandParser(
        prog="mediaposter schedule",
        description="Series of videos: at each time of a schedule the next row of a sheet becomes a video, once.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    create = commands.add_parser("create", help="make a series")
    _add_name(create)
    _add_sheet(create)
    timing = create.add_mutually_exclusive_group(required=True)
    timing.add_argument(
        "--at",
        dest="timing",
        type=checked(read_at),
        metavar="WHEN",
        help="'daily 09:00', 'weekdays 09:00', 'mon,wed,fri 18:30', 'monthly 1 09:00', 'monthly last 09:00'",
    )
    timing.add_argument(
        "--cron", dest="timing", type=checked(read_cron), metavar="EXPRESSION", help="as Scheduler: '0 9 ? * MON-FRI *'"
    )
    timing.add_argument(
        "--rate",
        dest="timing",
        type=checked(read_rate),
        metavar="RATE",
        help="'6 hours'; the first run starts at once",
    )
    create.add_argument(
        "--timezone",
        type=checked(check_timezone),
        default="UTC",
        metavar="ZONE",
        help="the time zone of the times, as Europe/Berlin (default: UTC)",
    )
    create.add_argument(
        "--owner", type=checked(check_owner), help="the owner of the videos (default: the stack's InboxOwner)"
    )
    add_stack_arguments(create)

    listing = commands.add_parser("list", help="list the series with their state")
    listing.add_argument("--json", action="store_true", help="write JSON")
    add_stack_arguments(listing)

    show = commands.add_parser("show", help="show the state of each row")
    _add_name(show)
    show.add_argument("--json", action="store_true", help="write JSON")
    add_stack_arguments(show)

    replace = commands.add_parser("replace-sheet", help="give a series another sheet; what was taken stays taken")
    _add_name(replace)
    _add_sheet(replace)
    replace.add_argument(
        "--start-row",
        type=read_count,
        metavar="NUMBER",
        help="the row to begin with (default: by ids the first that was not taken, else the number after the last)",
    )
    add_stack_arguments(replace)

    for command, words in (
        ("pause", "pause a series: its runs take no rows"),
        ("resume", "resume a series, or make its missing schedule again"),
        ("remove", "remove a series; its videos stay"),
    ):
        other = commands.add_parser(command, help=words)
        _add_name(other)
        add_stack_arguments(other)
    return parser


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", type=checked(check_series_name), metavar="NAME", help="the series")


def _add_sheet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sheet",
        type=Path,
        required=True,
        metavar="FILE",
        help="a request in each row, with the fields of POST /videos and an id of your own: .csv, .tsv or .jsonl",
    )
    parser.add_argument("--skip-bad-rows", action="store_true", help="leave out rows that are wrong")


def _create(arguments: argparse.Namespace, stack: DeployedStack, now: datetime) -> None:
    name: str = arguments.name
    if any(series.name == name for series in stack.series.list_all()):
        raise _refuse_name(name)
    content, sheet_format = _read_file(arguments.sheet)
    rows = _check_rows(content, sheet_format, stack, now.date(), is_lenient=arguments.skip_bad_rows)
    series = Series(
        name=name,
        owner=arguments.owner or stack.settings.inbox_owner,
        timing=arguments.timing.words,
        expression=arguments.timing.expression,
        timezone=arguments.timezone,
        sheet=Sheet(key=stack.sheets.put(name, content, sheet_format, now=now), format=sheet_format),
        waiting=list_waiting(rows),
        created_at=now,
    )
    try:
        stack.series.create(series)
    except VersionConflict as error:
        raise _refuse_name(name) from error
    try:
        stack.scheduler.put(series)
    except ClientError:
        # Scheduler validates the expression: if it refuses, nothing is stored.
        stack.series.remove(name)
        stack.sheets.remove_all(name)
        raise
    console = open_console()
    console.print(
        f"{name} is made: {series.timing}, {series.timezone}. Its videos are of the owner {series.owner}.\n"
        f"{_count(len(series.waiting), 'row')} will be taken, one at each run; the first is row {series.waiting[0]}."
    )
    _tell_left_out(rows)
    console.print(f"mediaposter schedule show {name} lists the state of each.")


def _refuse_name(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is a series {name} already. Give it another sheet with mediaposter schedule replace-sheet, remove it, "
        "or take another name."
    )


def _read_file(path: Path) -> tuple[bytes, SheetFormat]:
    sheet_format = _SHEET_FORMATS.get(path.suffix.lower())
    if sheet_format is None:
        raise InvalidRequest(f"{path.name} is not a sheet: its name must end in .csv, .tsv or .jsonl.")
    try:
        return path.read_bytes(), sheet_format
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from error


def _check_rows(
    content: bytes, sheet_format: SheetFormat, stack: DeployedStack, today: date, *, is_lenient: bool
) -> list[Row]:
    """Read a sheet; refuse it for invalid rows, unless these are to be skipped.

    Raises:
        InvalidRequest: names those rows, or the error of the file.
    """
    rows = _read_rows(content, sheet_format, stack.read_catalog(), today)
    wrong = [row for row in rows if row.error is not None]
    if len(wrong) == len(rows) or (wrong and not is_lenient):
        lines = [_describe_error(row) for row in wrong[:_BAD_ROWS_SHOWN_MAX]]
        if len(wrong) > len(lines):
            lines.append(f"… and {len(wrong) - len(lines)} more.")
        advice = "Fix them." if len(wrong) == len(rows) else "Fix them, or leave them out with --skip-bad-rows."
        raise InvalidRequest(
            "\n".join(
                [f"{_count(len(wrong), 'row')} of {len(rows)} cannot be made; nothing was changed. {advice}", *lines]
            )
        )
    return rows


def _read_rows(content: bytes, sheet_format: SheetFormat, catalog: Catalog, today: date) -> list[Row]:
    return [_check_model(row, catalog, today) for row in read_sheet(content, sheet_format)]


def _check_model(row: Row, catalog: Catalog, today: date) -> Row:
    """Report why the API would refuse a row today for its model."""
    if row.request is None:
        return row
    try:
        asked = catalog.resolve(row.request.model, today=today)
        if not asked.is_alias:
            asked.entry.check(seconds=row.request.seconds, size=row.request.size)
    except InvalidRequest as refusal:
        error = RowError(code=refusal.code, message=refusal.message, param=refusal.param)
        return row._replace(request=None, error=error)
    return row


def _describe_error(row: Row) -> str:
    return f"row {row.number}, line {row.line}: {row.error.message if row.error else ''}"


def _tell_left_out(rows: Sequence[Row]) -> None:
    for row in rows:
        if row.error is not None:
            open_console().print(f"Left out: {_describe_error(row)}")


def _replace_sheet(arguments: argparse.Namespace, stack: DeployedStack, now: datetime) -> None:
    name: str = arguments.name
    stack.series.get(name)
    content, sheet_format = _read_file(arguments.sheet)
    rows = _check_rows(content, sheet_format, stack, now.date(), is_lenient=arguments.skip_bad_rows)
    sheet = Sheet(key=stack.sheets.put(name, content, sheet_format, now=now), format=sheet_format)

    def replace(series: Series) -> Series:
        turns = stack.series.list_turns(name)
        first_row = arguments.start_row or find_next_row(series, turns)
        waiting = list_waiting(rows, turns=turns, next_row=first_row, start_row=arguments.start_row)
        return stack.series.change(series, sheet=sheet.copy_with(first_row=first_row), waiting=waiting)

    series = _change(stack, name, replace)
    console = open_console()
    if series.waiting:
        console.print(
            f"{name} has another sheet: {_count(len(series.waiting), 'row')} will be taken, one at each run; the next "
            f"is row {series.waiting[0]}."
        )
    else:
        console.print(
            f"{name} has another sheet, and all its rows were taken before: none will be. If they are others, say with "
            "which to begin: --start-row 1."
        )
    _tell_left_out(rows)


def _change(stack: DeployedStack, name: str, change: Callable[[Series], Series]) -> Series:
    """Change a series, even while its runs take rows.

    Raises:
        NotFound: there is none of that name.
        Contention: other callers changed it at every attempt.
    """
    for _ in range(_TRIES_MAX):
        try:
            return change(stack.series.get(name))
        except VersionConflict:
            continue
    raise Contention(f"Another command is changing the series {name}. Nothing was changed; run it again.")


def _set_state(name: str, stack: DeployedStack, *, is_paused: bool) -> None:
    state = SeriesState.PAUSED if is_paused else SeriesState.ACTIVE
    # The record first: a run in progress reads it.
    series = _change(stack, name, lambda series: stack.series.change(series, state=state))
    stack.scheduler.put(series)
    open_console().print(
        f"{name} is paused: its runs take nothing until mediaposter schedule resume {name}."
        if is_paused
        else f"{name} is resumed: {series.timing}, {series.timezone}; {_count(len(series.waiting), 'row')} wait."
    )


def _remove(name: str, stack: DeployedStack) -> None:
    had_entry = stack.scheduler.remove(name)
    was_known = stack.series.remove(name)
    stack.sheets.remove_all(name)
    if not (had_entry or was_known):
        raise NotFound(f"{stack.name} has no series {name}. mediaposter schedule list shows those it has.")
    open_console().print(f"{name} is removed, with its sheets and the states of its rows. Its videos stay.")


def _list(stack: DeployedStack, *, as_json: bool) -> None:
    enabled = stack.scheduler.list_enabled()
    lines = [_describe(series, enabled) for series in stack.series.list_all()]
    if as_json:
        sys.stdout.write(_SERIES_LINES.dump_json(lines, indent=2).decode() + "\n")
        return
    if not lines:
        open_console().print(f"{stack.name} has no series yet. mediaposter schedule create NAME makes one.")
        return
    table = create_table("NAME", "when", "owner", "rows left", "last taken", "state")
    for line in lines:
        table.add_row(
            line.name,
            f"{line.timing}, {line.timezone}",
            line.owner,
            str(line.waiting),
            f"{line.last_taken_at:%Y-%m-%d %H:%M}" if line.last_taken_at else "",
            line.state,
        )
    open_console().print(table)


def _describe(series: Series, enabled: dict[str, bool]) -> SeriesLine:
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


def _show(name: str, stack: DeployedStack, today: date, *, as_json: bool) -> None:
    series = stack.series.get(name)
    turns = stack.series.list_turns(name)
    rows = _read_rows(stack.sheets.read(series.sheet), series.sheet.format, stack.read_catalog(), today)
    by_row = {turn.row: turn for turn in turns if turn.sheet.key == series.sheet.key}
    by_id = {turn.row_id: turn for turn in turns if turn.row_id is not None}
    waiting = frozenset(series.waiting)
    found = {row.number: by_row.get(row.number) or _find_earlier(row, by_id, waiting) for row in rows}
    shown = ShownSeries(
        **_describe(series, stack.scheduler.list_enabled()).model_dump(),
        rows=tuple(_describe_row(row, found[row.number], waiting) for row in rows),
        taken_earlier=len(turns) - len([turn for turn in found.values() if turn is not None]),
    )
    if as_json:
        sys.stdout.write(shown.model_dump_json(indent=2) + "\n")
        return
    _write_shown(shown)


def _find_earlier(row: Row, by_id: dict[str, ScheduleRun], waiting: frozenset[int]) -> ScheduleRun | None:
    """Find the run that took a row of an earlier sheet; a refused row that waits again counts as waiting."""
    return None if row.row_id is None or row.number in waiting else by_id.get(row.row_id)


def _describe_row(row: Row, turn: ScheduleRun | None, waiting: frozenset[int]) -> RowLine:
    state = RowState.LEFT_OUT
    error = None
    if turn is not None:
        state = RowState.TAKEN if turn.error is None else RowState.REFUSED
        error = turn.error
    elif row.error is not None:
        state = RowState.WRONG
        error = ScheduleRunError.model_validate(row.error.model_dump())
    elif row.number in waiting:
        state = RowState.WAITING
    return RowLine(
        row=row.number,
        id=row.row_id,
        prompt=row.request.prompt if row.request else None,
        state=state,
        taken_at=turn.taken_at if turn else None,
        video_id=turn.video_id if turn else None,
        error=error,
    )


def _write_shown(shown: ShownSeries) -> None:
    console = open_console()
    console.print(f"{shown.name}: {shown.timing}, {shown.timezone}; {shown.state}. The videos are of {shown.owner}.")
    console.print(f"sheet: {shown.sheet}\n")
    table = create_table("row", "id", "prompt", "state", "taken", "what became of it")
    for line in shown.rows:
        table.add_row(
            str(line.row),
            line.id or "",
            _shorten(line.prompt or ""),
            line.state,
            f"{line.taken_at:%Y-%m-%d %H:%M}" if line.taken_at else "",
            line.video_id or (line.error.message if line.error else ""),
        )
    console.print(table)
    if shown.taken_earlier:
        console.print(f"\n{_count(shown.taken_earlier, 'row')} more, which this sheet has not, came from earlier ones.")


def _shorten(text: str) -> str:
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= _PROMPT_SHOWN_CHARACTERS else f"{line[: _PROMPT_SHOWN_CHARACTERS - 1]}…"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
