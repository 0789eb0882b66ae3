"""The clock of series tells of each run once: on time, late after a sleep, and never again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mediaposter.host.database import Database
from mediaposter.host.folder import DATABASE_FILE
from mediaposter.host.series_clock import HostSchedules, SeriesClock, ToldTurns
from mediaposter.host.table import SqliteTable
from mediaposter.stores.series import Series, SeriesState, SeriesStore, Sheet, SheetFormat
from mediaposter.wire.intake import QueuedNotice, ScheduleDue
from tests.builders import NOW
from tests.fakes.clock import Clock

HOUR = 3_600
MINUTE = timedelta(minutes=1)


class Machine:
    """A host's file, its clock of series, and what that told.

    Attributes:
        told: the notices, as they were put into the outbox.
        announce: takes them.
        reports: the sentences for a person.
    """

    def __init__(self, database: Database) -> None:
        self.clock = Clock()
        self.series = SeriesStore(SqliteTable(database))
        self.told_runs = ToldTurns(database)
        self.schedules = HostSchedules(self.series, self.told_runs, clock=self.clock)
        self.told: list[str] = []
        self.reports: list[str] = []
        self.announce: Callable[[str], object] = self.told.append
        self.start()

    def start(self) -> None:
        """Begin with what the file has, as another process does."""
        self._clock = SeriesClock(
            self.series,
            self.told_runs,
            announce=self.announce,
            report=self.reports.append,
            clock=self.clock,
        )

    def make(self, expression: str = "rate(1 hour)") -> Series:
        """Make a series, as the command does."""
        made = Series(
            name="kites",
            owner="local",
            timing=expression,
            expression=expression,
            timezone="UTC",
            sheet=Sheet(key="series/kites/one.csv", format=SheetFormat.CSV),
            waiting=(1, 2),
            created_at=self.clock(),
        )
        self.series.create(made)
        self.schedules.put(made)
        return made

    def set_state(self, state: SeriesState) -> None:
        """Pause or resume the series, as the command does."""
        changed = self.series.change(self.series.get("kites"), state=state)
        self.schedules.put(changed)

    def look(self, *, after: float = 0.0) -> list[datetime]:
        """Let time pass, and look; give the runs that are told."""
        self.clock.now += timedelta(seconds=after)
        told_before = len(self.told)
        self.pause = self._clock.look()
        return [self._read(notice).detail.scheduled_at for notice in self.told[told_before:]]

    def _read(self, notice: str) -> ScheduleDue:
        read = QueuedNotice.model_validate({"body": notice}).body
        assert isinstance(read, ScheduleDue)
        return read


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with closing(Database(tmp_path / DATABASE_FILE)) as database:
        yield Machine(database)


def test_each_turn_is_told_once_when_it_comes(machine: Machine) -> None:
    machine.make()

    assert machine.look() == [NOW]
    assert machine.look(after=HOUR - 1) == []
    assert machine.look(after=1) == [NOW + timedelta(hours=1)]
    assert machine.look(after=1) == []
    assert machine.reports == []


def test_it_looks_again_when_a_turn_comes_and_before_that_for_new_series(machine: Machine) -> None:
    machine.make()

    machine.look()
    assert machine.pause == 5
    machine.look(after=HOUR - 2)
    assert machine.pause == 2


def test_turns_that_came_while_the_host_was_off_are_told_each_once_and_the_person_is_told(machine: Machine) -> None:
    machine.make()
    machine.look()
    machine.start()

    assert machine.look(after=2 * HOUR + 600) == [NOW + timedelta(hours=1), NOW + timedelta(hours=2)]
    assert machine.look() == []
    [report] = machine.reports
    assert report == (
        "Turns of the series kites came while this host was off or asleep: 2, the first at 2026-12-01 13:00 UTC. "
        "They are taken now, each once."
    )


def test_a_turn_older_than_scheduler_would_tell_of_is_reported_and_takes_nothing(machine: Machine) -> None:
    machine.make("rate(8 hours)")
    machine.look()

    # 8 and 16 hours ago are missed, half a day is not over since the run of 24 hours.
    assert machine.look(after=29 * HOUR) == [NOW + timedelta(hours=24)]
    assert machine.reports[0] == (
        "The series kites missed 2 of its runs, since 2026-12-01 20:00 UTC: this host was off or asleep for more "
        "than 12 hours. They took no row."
    )
    assert machine.look(after=60) == []


def test_a_year_of_missed_minutes_is_not_counted_out(machine: Machine) -> None:
    machine.make("rate(1 minute)")
    machine.look()

    assert len(machine.look(after=365 * 24 * HOUR)) == 12 * 60
    assert "missed 1000 or more" in machine.reports[0]


def test_a_crash_before_a_turn_is_noted_tells_it_again_in_the_same_words(machine: Machine) -> None:
    machine.make()

    def crash(notice: str) -> None:
        machine.told.append(notice)
        raise OSError("killed")

    machine.announce = crash
    machine.start()
    with pytest.raises(OSError, match="killed"):
        machine.look()
    machine.announce = machine.told.append
    machine.start()

    assert machine.look(after=3) == [NOW]
    assert machine.told[0] == machine.told[1]


def test_a_clock_that_is_set_back_repeats_no_turn_and_the_person_is_told_once(machine: Machine) -> None:
    machine.make()
    machine.look(after=HOUR)

    assert machine.look(after=-HOUR) == []
    assert machine.look(after=10) == []
    assert [report for report in machine.reports if "set back" in report] == machine.reports[-1:]
    assert machine.look(after=2 * HOUR - 10) == [NOW + timedelta(hours=2)]


def test_a_paused_series_has_no_turns_and_gets_none_of_them_afterwards(machine: Machine) -> None:
    machine.make()
    machine.look()
    machine.set_state(SeriesState.PAUSED)

    assert machine.look(after=90 * 60) == []
    machine.set_state(SeriesState.ACTIVE)
    assert machine.look() == []
    assert machine.look(after=30 * 60) == [NOW + timedelta(hours=2)]


def test_turns_of_a_pause_while_the_host_was_off_never_come(machine: Machine) -> None:
    machine.make()
    machine.set_state(SeriesState.PAUSED)
    machine.clock.advance(90 * 60)
    machine.set_state(SeriesState.ACTIVE)

    assert machine.look() == []


def test_a_series_made_again_under_its_name_begins_anew(machine: Machine) -> None:
    machine.make()
    machine.look(after=HOUR)
    machine.schedules.remove("kites")
    machine.series.remove("kites")
    machine.clock.advance(600)
    machine.make()

    assert machine.look() == [machine.clock()]


def test_a_timetable_that_cannot_be_read_is_reported_once_and_stops_no_other_series(machine: Machine) -> None:
    made = machine.make()
    machine.series.create(made.copy_with(version=1).model_copy(update={"name": "boats", "expression": "cron(LW)"}))

    assert machine.look() == [NOW]
    machine.look(after=5)
    assert [report for report in machine.reports if "boats" in report] == machine.reports
    assert len(machine.reports) == 1


def test_a_command_that_says_where_to_go_on_meanwhile_is_heard(machine: Machine) -> None:
    machine.make()
    machine.look()
    later = NOW + timedelta(hours=3)

    def resume(notice: str) -> None:
        machine.told.append(notice)
        machine.told_runs.begin("kites", later)

    machine.announce = resume
    machine.start()
    machine.look(after=HOUR)

    assert machine.told_runs.find("kites") == later
