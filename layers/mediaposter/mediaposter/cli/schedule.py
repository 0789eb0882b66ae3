"""`mediaposter schedule`: series of videos on a schedule; each run takes the next row of a sheet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import typer

from mediaposter.cli.console import count_of, open_console
from mediaposter.cli.options import AsJson, DataFolder, EndpointUrl, StackOrNone, create_group, read_count
from mediaposter.cli.series_report import (
    SERIES_LINES,
    describe_series,
    show_series,
    write_list,
    write_shown,
)
from mediaposter.cli.session import find_session
from mediaposter.cli.sheet_file import check_rows, read_file, read_rows, tell_left_out
from mediaposter.cli.templates import PromptTemplate, TextTemplate, TitleTemplate, name_templates
from mediaposter.cli.timing import Timing, check_timezone, read_at, read_cron, read_rate
from mediaposter.domain.errors import ConfigurationError, Contention, NotFound, VersionConflict
from mediaposter.stores.keys import check_owner
from mediaposter.stores.series import Series, SeriesState, Sheet, SheetFormat, check_series_name
from mediaposter.usecases.scheduled.series import find_next_row, list_waiting
from mediaposter.wire.rows import Row

if TYPE_CHECKING:
    from mediaposter.cli.deployed_stack import DeployedStack
    from mediaposter.cli.host_folder import HostStack

_TRIES_MAX = 3

app = create_group("Series of videos: at each run of a timetable the next row of a sheet becomes a video, once.")

SeriesName: TypeAlias = Annotated[str, typer.Argument(parser=check_series_name, metavar="NAME", help="The series.")]
SheetPath: TypeAlias = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="A request in each row, with the fields of POST /videos and an id of your own: .csv, .tsv or .jsonl.",
    ),
]
SkipBadRows: TypeAlias = Annotated[bool, typer.Option("--skip-bad-rows", help="Leave out rows that are wrong.")]


@contextmanager
def _open(
    context: typer.Context, stack: str | None, endpoint_url: str | None, data: Path | None
) -> Iterator[tuple[DeployedStack | HostStack, datetime]]:
    """Open a host, or a stack that knows series, and tell the time.

    Raises:
        ConfigurationError: it cannot be opened, or the stack is older than series.
    """
    session = find_session(context)
    with session.stack_or_host(stack=stack, endpoint_url=endpoint_url, data=data) as opened:
        opened.scheduler.require()
        yield opened, session.clock()


@app.command("create")
def create_series(
    context: typer.Context,
    *,
    name: SeriesName,
    sheet: SheetPath,
    at: Annotated[
        Timing | None,
        typer.Option(
            parser=read_at,
            metavar="WHEN",
            help="'daily 09:00', 'weekdays 09:00', 'mon,wed,fri 18:30', 'monthly 1 09:00', 'monthly last 09:00'.",
        ),
    ] = None,
    cron: Annotated[
        Timing | None,
        typer.Option(parser=read_cron, metavar="EXPRESSION", help="As Scheduler: '0 9 ? * MON-FRI *'."),
    ] = None,
    rate: Annotated[
        Timing | None,
        typer.Option(
            parser=read_rate, metavar="RATE", help="'6 hours'; the first run is as soon as the series is made."
        ),
    ] = None,
    timezone: Annotated[
        str,
        typer.Option(parser=check_timezone, metavar="ZONE", help="Whose clock counts, as Europe/Berlin."),
    ] = "UTC",
    owner: Annotated[
        str | None,
        typer.Option(
            parser=check_owner, metavar="OWNER", help="Whose the videos are. Default: the stack's InboxOwner."
        ),
    ] = None,
    template: PromptTemplate = None,
    text_template: TextTemplate = None,
    title_template: TitleTemplate = None,
    skip_bad_rows: SkipBadRows = False,
    stack: StackOrNone = None,
    endpoint_url: EndpointUrl = None,
    data: DataFolder = None,
) -> None:
    """Make a series."""
    templates = name_templates(template, text_template, title_template)
    timings = [timing for timing in (at, cron, rate) if timing is not None]
    if len(timings) != 1:
        context.fail("say when by one of --at, --cron and --rate")
    with _open(context, stack, endpoint_url, data) as (opened, now):
        if any(series.name == name for series in opened.series.list_all()):
            raise _refuse_name(name)
        content = _read_sheet(sheet, opened, now, is_lenient=skip_bad_rows, templates=templates)
        series = Series(
            name=name,
            owner=owner or opened.settings.inbox_owner,
            timing=timings[0].words,
            expression=timings[0].expression,
            timezone=timezone,
            sheet=content.store(opened, name, now),
            waiting=list_waiting(content.rows),
            created_at=now,
        )
        _record(series, opened)
    console = open_console()
    console.print(
        f"{name} is made: {series.timing}, {series.timezone}. Its videos are of the owner {series.owner}.\n"
        f"{count_of(len(series.waiting), 'row')} will be taken, one at each run; the first is row {series.waiting[0]}."
    )
    tell_left_out(content.rows)
    console.print(f"mediaposter schedule show {name} lists the state of each.")


class _CheckedSheet(NamedTuple):
    """A sheet as it was read, and its rows."""

    content: bytes
    format: SheetFormat
    rows: list[Row]
    templates: Mapping[str, str]

    def store(self, stack: DeployedStack | HostStack, name: str, now: datetime) -> Sheet:
        key = stack.sheets.put(name, self.content, self.format, now=now)
        return Sheet(key=key, format=self.format, templates=dict(self.templates))


def _read_sheet(
    path: Path,
    stack: DeployedStack | HostStack,
    now: datetime,
    *,
    is_lenient: bool,
    templates: Mapping[str, str],
) -> _CheckedSheet:
    content, sheet_format = read_file(path)
    rows = check_rows(
        content, sheet_format, stack.read_catalog(), now.date(), is_lenient=is_lenient, templates=templates
    )
    return _CheckedSheet(content, sheet_format, rows, templates)


def _record(series: Series, stack: DeployedStack | HostStack) -> None:
    try:
        stack.series.create(series)
    except VersionConflict as error:
        raise _refuse_name(series.name) from error
    try:
        stack.scheduler.put(series)
    except Exception:
        # Scheduler, or the host, validates the expression: if it refuses, nothing is stored.
        stack.series.remove(series.name)
        stack.sheets.remove_all(series.name)
        raise


def _refuse_name(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is a series {name} already. Give it another sheet with mediaposter schedule replace-sheet, remove it, "
        "or take another name."
    )


@app.command("list")
def list_series(
    context: typer.Context,
    as_json: AsJson = False,
    stack: StackOrNone = None,
    endpoint_url: EndpointUrl = None,
    data: DataFolder = None,
) -> None:
    """List the series, and how they stand."""
    with _open(context, stack, endpoint_url, data) as (opened, _):
        enabled = opened.scheduler.list_enabled()
        lines = [describe_series(series, enabled) for series in opened.series.list_all()]
    if as_json:
        sys.stdout.write(SERIES_LINES.dump_json(lines, indent=2).decode() + "\n")
    elif lines:
        write_list(lines)
    else:
        open_console().print(f"{opened.name} has no series yet. mediaposter schedule create NAME makes one.")


@app.command("show")
def show_rows(
    context: typer.Context,
    *,
    name: SeriesName,
    as_json: AsJson = False,
    stack: StackOrNone = None,
    endpoint_url: EndpointUrl = None,
    data: DataFolder = None,
) -> None:
    """Show what became of each row."""
    with _open(context, stack, endpoint_url, data) as (opened, now):
        series = opened.series.get(name)
        runs = opened.series.list_runs(name)
        content = opened.sheets.read(series.sheet)
        rows = read_rows(
            content, series.sheet.format, opened.read_catalog(), now.date(), templates=series.sheet.templates
        )
        shown = show_series(series, runs, rows, opened.scheduler.list_enabled())
    if as_json:
        sys.stdout.write(shown.model_dump_json(indent=2) + "\n")
    else:
        write_shown(shown)


@app.command("replace-sheet")
def replace_sheet(
    context: typer.Context,
    *,
    name: SeriesName,
    sheet: SheetPath,
    start_row: Annotated[
        int | None,
        typer.Option(
            parser=read_count,
            metavar="NUMBER",
            help="The row to begin with. Default: by ids the first that was not taken, else the number after the last.",
        ),
    ] = None,
    template: PromptTemplate = None,
    text_template: TextTemplate = None,
    title_template: TitleTemplate = None,
    skip_bad_rows: SkipBadRows = False,
    stack: StackOrNone = None,
    endpoint_url: EndpointUrl = None,
    data: DataFolder = None,
) -> None:
    """Give a series another sheet; what was taken stays taken, and so do the templates, unless you give others."""
    with _open(context, stack, endpoint_url, data) as (opened, now):
        kept = opened.series.get(name).sheet.templates
        templates = {**kept, **name_templates(template, text_template, title_template)}
        templates = {field: text for field, text in templates.items() if text}
        content = _read_sheet(sheet, opened, now, is_lenient=skip_bad_rows, templates=templates)
        stored = content.store(opened, name, now)

        def replace(series: Series) -> Series:
            runs = opened.series.list_runs(name)
            first_row = start_row or find_next_row(series, runs)
            waiting = list_waiting(content.rows, runs=runs, next_row=first_row, start_row=start_row)
            return opened.series.change(series, sheet=stored.copy_with(first_row=first_row), waiting=waiting)

        series = _change(opened, name, replace)
    console = open_console()
    if series.waiting:
        console.print(
            f"{name} has another sheet: {count_of(len(series.waiting), 'row')} will be taken, one at each run; the "
            f"next is row {series.waiting[0]}."
        )
    else:
        console.print(
            f"{name} has another sheet, and all its rows were taken before: none will be. If they are others, say with "
            "which to begin: --start-row 1."
        )
    tell_left_out(content.rows)


def _change(stack: DeployedStack | HostStack, name: str, change: Callable[[Series], Series]) -> Series:
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


@app.command("pause")
def pause_series(
    context: typer.Context,
    name: SeriesName,
    stack: StackOrNone = None,
    endpoint_url: EndpointUrl = None,
    data: DataFolder = None,
) -> None:
    """Let the runs of a series take nothing."""
    with _open(context, stack, endpoint_url, data) as (opened, _):
        _set_state(name, opened, SeriesState.PAUSED)
    open_console().print(f"{name} is paused: its runs take nothing until mediaposter schedule resume {name}.")


@app.command("resume")
def resume_series(
    context: typer.Context,
    name: SeriesName,
    stack: StackOrNone = None,
    endpoint_url: EndpointUrl = None,
    data: DataFolder = None,
) -> None:
    """Let the runs of a series take rows again."""
    with _open(context, stack, endpoint_url, data) as (opened, _):
        series = _set_state(name, opened, SeriesState.ACTIVE)
    waiting = count_of(len(series.waiting), "row")
    open_console().print(f"{name} is resumed: {series.timing}, {series.timezone}; {waiting} wait.")


def _set_state(name: str, stack: DeployedStack | HostStack, state: SeriesState) -> Series:
    # The record first: a run in progress reads it.
    series = _change(stack, name, lambda series: stack.series.change(series, state=state))
    stack.scheduler.put(series)
    return series


@app.command("remove")
def remove_series(
    context: typer.Context,
    name: SeriesName,
    stack: StackOrNone = None,
    endpoint_url: EndpointUrl = None,
    data: DataFolder = None,
) -> None:
    """End a series, and forget it; its videos stay."""
    with _open(context, stack, endpoint_url, data) as (opened, _):
        had_entry = opened.scheduler.remove(name)
        was_known = opened.series.remove(name)
        opened.sheets.remove_all(name)
    if not (had_entry or was_known):
        raise NotFound(f"{opened.name} has no series {name}. mediaposter schedule list shows those it has.")
    open_console().print(f"{name} is removed, with its sheets and the states of its rows. Its videos stay.")
