"""The clock of series on a host: it tells of each run once, and of those that it missed.

On AWS each series has an entry at EventBridge Scheduler. Here the series themselves are the timetable, and a table in
the same file has the last run that was told of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from mediaposter.domain.errors import InvalidRequest
from mediaposter.host.database import Database
from mediaposter.host.timetable import FindNext, read_timetable
from mediaposter.stores.series import Series, SeriesState, SeriesStore
from mediaposter.wire.intake import TURN_MAX_AGE_SECONDS, write_schedule_event

_MAX_AGE = timedelta(seconds=TURN_MAX_AGE_SECONDS)
# Scheduler tells of a run within its minute. What is later was missed by a host that was off, or a laptop that slept.
_PUNCTUAL = timedelta(minutes=1)
# How soon a new series, or a clock that was set, is noticed.
_LOOKS_EVERY_SECONDS = 5.0
_COUNTED_MAX = 1_000


class ToldTurns:
    """Until when the runs of each series were told, in the file of a host. Methods may be called from any thread."""

    def __init__(self, database: Database) -> None:
        """Make the table if the file lacks it."""
        self._database = database
        with database.write() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS series_runs (series TEXT PRIMARY KEY, told_until INTEGER NOT NULL)"
            )

    def find(self, series: str) -> datetime | None:
        """Find until when; None if none was told."""
        with self._database.read() as connection:
            found = connection.execute("SELECT told_until FROM series_runs WHERE series = ?", (series,)).fetchone()
        return None if found is None else datetime.fromtimestamp(found[0], UTC)

    def advance(self, series: str, told_until: datetime, *, expected: datetime | None) -> None:
        """Note that the runs until a moment were told, unless a command noted something else since `expected`."""
        with self._database.write() as connection:
            connection.execute(
                "INSERT INTO series_runs (series, told_until) VALUES (?, ?) "
                "ON CONFLICT (series) DO UPDATE SET told_until = excluded.told_until WHERE told_until = ?",
                (series, _to_seconds(told_until), None if expected is None else _to_seconds(expected)),
            )

    def begin(self, series: str, now: datetime) -> None:
        """Go on from now: earlier runs are not told any more."""
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO series_runs VALUES (?, ?)", (series, _to_seconds(now)))

    def remove(self, series: str) -> bool:
        """Forget a series; tell whether it was known."""
        with self._database.write() as connection:
            return connection.execute("DELETE FROM series_runs WHERE series = ?", (series,)).rowcount > 0


class HostSchedules:
    """What a command says to Scheduler, said to a host: there the record of a series is its entry."""

    def __init__(self, series: SeriesStore, told: ToldTurns, *, clock: Callable[[], datetime]) -> None:
        self._series = series
        self._told = told
        self._clock = clock

    def require(self) -> None:
        """Accept: every host knows series."""

    def put(self, series: Series) -> None:
        """Take a new series, or one that was paused or resumed: its runs during a pause never come.

        Raises:
            InvalidRequest: the host cannot read its timetable.
        """
        read_timetable(series.expression, series.timezone, since=series.created_at)
        if series.state is SeriesState.PAUSED or self._told.find(series.name) is not None:
            self._told.begin(series.name, self._clock())

    def remove(self, name: str) -> bool:
        """Forget a series; tell whether any of its runs was told."""
        return self._told.remove(name)

    def list_enabled(self) -> dict[str, bool]:
        """Return for each series, by name, whether it is enabled."""
        return {series.name: series.state is SeriesState.ACTIVE for series in self._series.list_all()}


class _Due(NamedTuple):
    """Turns that have come: those to tell, and of those that are too old the first and how many."""

    runs: list[datetime]
    too_old: list[datetime]


class SeriesClock:
    """Tells of the runs of all series as they come.

    A run is told before it is noted, so a crash between the two tells it again: its notice is the same, and the row
    that it took is found by its time. A run is later than the last that was told, so a clock that is set back repeats
    none.
    """

    def __init__(
        self,
        series: SeriesStore,
        told: ToldTurns,
        *,
        announce: Callable[[str], object],
        report: Callable[[str], object],
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare to look.

        Args:
            series: all of them.
            told: what was told.
            announce: takes the notice of a run, as Scheduler would put it into the queue, and keeps it on disk.
            report: takes a sentence for the person who runs the host.
            clock: tells the time.
        """
        self._series = series
        self._told = told
        self._announce = announce
        self._report = report
        self._clock = clock
        self._reported: set[str] = set()

    def look(self) -> float:
        """Tell of the runs that have come, and give the seconds until the next look."""
        now = self._clock()
        nexts = [self._look_at(series, now) for series in self._series.list_all()]
        soonest = min((each for each in nexts if each is not None), default=now + timedelta(days=1))
        return min(max((soonest - now).total_seconds(), 0.0), _LOOKS_EVERY_SECONDS)

    def _look_at(self, series: Series, now: datetime) -> datetime | None:
        """Tell of the runs of a series; give its next, if it has one."""
        try:
            find_next = read_timetable(series.expression, series.timezone, since=series.created_at)
        except InvalidRequest as error:
            self._report_once(f"The series {series.name} has no runs on this host. {error}")
            return None
        expected = self._told.find(series.name)
        # The first run of a rate is the moment at which the series was made.
        told_until = expected or series.created_at.replace(microsecond=0) - timedelta(seconds=1)
        due = _find_due(find_next, told_until, now)
        if due.runs or due.too_old:
            if series.state is SeriesState.ACTIVE:
                self._tell(series, due, now)
            told_until = due.runs[-1] if due.runs else now - _MAX_AGE
            self._told.advance(series.name, told_until, expected=expected)
        elif told_until > now + _PUNCTUAL:
            self._report_once(
                f"The clock of this machine was set back: the runs of the series {series.name} were told until "
                f"{told_until:%F %R} UTC, and go on after that. To go on from now: mediaposter schedule pause "
                f"{series.name}, then resume."
            )
        return find_next(told_until)

    def _tell(self, series: Series, due: _Due, now: datetime) -> None:
        if due.too_old:
            count = f"{_COUNTED_MAX} or more" if len(due.too_old) == _COUNTED_MAX else str(len(due.too_old))
            self._report(
                f"The series {series.name} missed {count} of its runs, since {due.too_old[0]:%F %R} UTC: this host "
                f"was off or asleep for more than {TURN_MAX_AGE_SECONDS // 3600} hours. They took no row."
            )
        late = [run for run in due.runs if now - run > _PUNCTUAL]
        if late:
            self._report(
                f"Turns of the series {series.name} came while this host was off or asleep: {len(late)}, the first at "
                f"{late[0]:%F %R} UTC. They are taken now, each once."
            )
        for run in due.runs:
            scheduled_at = f"{run:%Y-%m-%dT%H:%M:%SZ}"
            # The same text each time: the outbox keeps one of it.
            self._announce(
                write_schedule_event(
                    series.name, attempt=f"turn-{series.name}-{scheduled_at}", scheduled_at=scheduled_at
                )
            )

    def _report_once(self, sentence: str) -> None:
        if sentence not in self._reported:
            self._reported.add(sentence)
            self._report(sentence)


def _find_due(find_next: FindNext, told_until: datetime, now: datetime) -> _Due:
    """Find the runs after a moment, until now."""
    oldest = now - _MAX_AGE
    too_old = list(islice(_list_runs(find_next, told_until, until=oldest), _COUNTED_MAX))
    return _Due(list(_list_runs(find_next, max(told_until, oldest), until=now)), too_old)


def _list_runs(find_next: FindNext, after: datetime, *, until: datetime) -> Iterator[datetime]:
    run = find_next(after)
    while run is not None and run <= until:
        yield run
        run = find_next(run)


def _to_seconds(moment: datetime) -> int:
    return int(moment.timestamp())
