"""Let each run of a schedule take one row of its series' sheet, and make that row a video, once.

A run announced again, late or out of order finds the row that it took, and submits it again with the same idempotency
record. The reasons: docs/decisions/0019-a-turn-takes-a-row.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from mediaposter.domain.errors import Contention, InvalidRequest, NotFound, RequestRefused, VersionConflict
from mediaposter.domain.problem import Problem
from mediaposter.events import SeriesExhausted, VideoRejected
from mediaposter.stores.keys import Scope
from mediaposter.stores.series import ScheduleRun, Series, SeriesState, SeriesStore, Sheet
from mediaposter.usecases.requests.intake import IntakeOutcome, IntakeResult
from mediaposter.usecases.requests.submit import SubmitVideo
from mediaposter.wire.caller import Caller
from mediaposter.wire.intake import ScheduleDue
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.row_templates import RowTemplates
from mediaposter.wire.rows import Row
from mediaposter.wire.sheets import find_row

# A principal that may create a series may do what its rows ask for.
_SCOPES = frozenset({Scope.CREATE, Scope.PUBLISH, Scope.READ})
# Other runs of the same series may take rows at the same time: as many as the queue's concurrency.
_TRIES_MAX = 6


class SheetReader(Protocol):
    """Reads sheets."""

    def read(self, sheet: Sheet) -> bytes: ...


class RunSchedule:
    """Submits the next row of a series."""

    def __init__(
        self,
        *,
        series_store: SeriesStore,
        sheets: SheetReader,
        submit: SubmitVideo,
        send_event: Callable[[VideoRejected | SeriesExhausted], object],
        count_metric: Callable[[str], None],
        report: Callable[[str], object],
        clock: Callable[[], datetime],
    ) -> None:
        self._series = series_store
        self._sheets = sheets
        self._submit = submit
        self._send_event = send_event
        self._count_metric = count_metric
        self._report = report
        self._clock = clock

    def __call__(self, notice: ScheduleDue) -> IntakeResult:
        """Take a row for a run, once; a repeated notice of the run continues with the same row.

        Raises:
            Contention: other writers hold the same records; calling again with the same notice is safe.
            NotStarted: the execution of the video did not start; calling again is safe, too.
            ConfigurationError: the sheet is gone; calling again is safe, too.
        """
        name, scheduled_at = notice.detail.series, notice.detail.scheduled_at
        for _ in range(_TRIES_MAX):
            try:
                series = self._series.get(name)
            except NotFound:
                self._report(f"There is no series {name} any more, and its run of {scheduled_at:%F %R} took nothing.")
                return IntakeResult(outcome=IntakeOutcome.IGNORED, code="series_removed")
            try:
                run = self._series.find_run(name, scheduled_at)
                if run is not None:
                    return self._resume(series, run)
                if series.state is SeriesState.PAUSED:
                    return IntakeResult(outcome=IntakeOutcome.IGNORED, code="series_paused")
                if not series.waiting:
                    return self._say_exhausted(series, scheduled_at)
                return self._take_row(series, notice)
            except VersionConflict:
                continue  # another run took the row, or another worker handles this run
        raise Contention(
            f"Other workers are writing the series {name}; the run of {scheduled_at:%F %R} may come again."
        )

    def _take_row(self, series: Series, notice: ScheduleDue) -> IntakeResult:
        row = self._find_row(series.sheet, series.waiting[0])
        run = ScheduleRun(
            series=series.name,
            scheduled_at=notice.detail.scheduled_at,
            sheet=series.sheet,
            row=row.number,
            row_id=row.row_id,
            request_id=notice.id,
            taken_at=self._clock(),
        )
        self._series.take(series, run)
        return self._make_video(series, run, row)

    def _resume(self, series: Series, run: ScheduleRun) -> IntakeResult:
        """Continue with the row that a run took before."""
        if run.video_id is not None:
            return IntakeResult(outcome=IntakeOutcome.REPEATED, video_id=run.video_id)
        if run.error is not None:
            return self._tell_refused(series, run, run.error)
        return self._make_video(series, run, self._find_row(run.sheet, run.row))

    def _find_row(self, sheet: Sheet, number: int) -> Row:
        return find_row(self._sheets.read(sheet), sheet.format, number, RowTemplates.read(sheet.templates))

    def _make_video(self, series: Series, run: ScheduleRun, row: Row) -> IntakeResult:
        try:
            if row.request is None:
                raise _refuse(row)
            submission = self._submit(
                row.request,
                caller=Caller(owner=series.owner, scopes=_SCOPES),
                request_context=RequestContext(
                    idempotency_key=f"series:{run.sheet.key}:{run.row}",
                    request_id=run.request_id,
                    correlation_id=_correlate(run),
                    door="series",
                ),
            )
        except RequestRefused as refusal:
            refused = self._series.note(run, error=refusal.problem, refused_at=self._clock())
            return self._tell_refused(series, refused, refusal.problem)
        self._series.note(run, video_id=submission.video.id)
        return IntakeResult(outcome=IntakeOutcome.TAKEN, video_id=submission.video.id)

    def _tell_refused(self, series: Series, run: ScheduleRun, error: Problem) -> IntakeResult:
        self._send_event(
            VideoRejected(
                request_id=run.request_id,
                correlation_id=_correlate(run),
                owner=series.owner,
                occurred_at=run.refused_at or run.taken_at,
                error_code=error.code,
                error_message=error.message,
                error_param=error.param,
            )
        )
        self._report(
            f"Row {run.row} of the series {run.series} was refused ({error.code}), and its run of "
            f"{run.scheduled_at:%F %R} is used up; mediaposter schedule show {run.series} says why."
        )
        self._count_metric("SeriesRowsRefused")
        return IntakeResult(outcome=IntakeOutcome.REFUSED, code=error.code)

    def _say_exhausted(self, series: Series, scheduled_at: datetime) -> IntakeResult:
        """Send the event that the sheet has no row left; the run is not recorded."""
        self._send_event(
            SeriesExhausted(
                series=series.name, owner=series.owner, scheduled_at=scheduled_at, occurred_at=self._clock()
            )
        )
        self._report(
            f"The sheet of the series {series.name} is used up, and its run of {scheduled_at:%F %R} took nothing. "
            f"Give it another, or end it: mediaposter schedule replace-sheet {series.name}, or remove."
        )
        self._count_metric("SeriesExhausted")
        return IntakeResult(outcome=IntakeOutcome.EXHAUSTED)


def _correlate(run: ScheduleRun) -> str:
    """Build the correlation id of a row for consumers of the bus."""
    return f"series:{run.series}:{run.row_id or run.row}"


def _refuse(row: Row) -> InvalidRequest:
    """Build the error of a row that was valid under the rules at the time of its upload."""
    if row.error is None:
        raise AssertionError("A row is a request, or has an error.")
    return InvalidRequest(row.error.message, param=row.error.param, code=row.error.code)


def find_next_row(series: Series, runs: Iterable[ScheduleRun]) -> int:
    """Find the number after the last row taken from a series' sheet."""
    taken = [run.row for run in runs if run.sheet.key == series.sheet.key]
    return max(taken) + 1 if taken else series.sheet.first_row


def list_waiting(
    rows: Iterable[Row], *, runs: Iterable[ScheduleRun] = (), next_row: int = 1, start_row: int | None = None
) -> tuple[int, ...]:
    """List the numbers of the rows to take from a new sheet, in its order, without invalid rows.

    A row whose id was taken is not taken again, unless it was refused. If rows have no ids, in the new sheet or among
    the taken rows, the new sheet continues at the number that the earlier sheet had reached.

    Args:
        rows: the rows of the new sheet.
        runs: the runs that took rows of earlier sheets.
        next_row: the number to continue at.
        start_row: the owner's number to start at, with or without ids.
    """
    earlier = list(runs)
    taken_ids = {run.row_id for run in earlier if run.row_id is not None and run.error is None}
    is_by_id = start_row is None and all(run.row_id is not None for run in earlier)
    first_row = next_row if start_row is None else start_row
    return tuple(
        row.number
        for row in rows
        if row.request is not None
        and row.row_id not in taken_ids
        and (row.number >= first_row or (is_by_id and row.row_id is not None))
    )
