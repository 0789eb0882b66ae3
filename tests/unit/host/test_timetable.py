"""Timetables as EventBridge Scheduler documents them: its fields, its time zones, and daylight saving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mediaposter.domain.errors import InvalidRequest
from mediaposter.host.timetable import read_timetable

MADE = datetime(2026, 1, 30, 12, 0, 30, 5, tzinfo=UTC)


def list_runs(expression: str, timezone: str = "UTC", *, after: datetime = MADE, count: int = 3) -> list[str]:
    """List the runs after a moment, as a clock of the zone shows them."""
    find_next = read_timetable(expression, timezone, since=MADE)
    runs: list[str] = []
    moment: datetime | None = after
    while len(runs) < count and moment is not None and (moment := find_next(moment)) is not None:
        runs.append(f"{moment.astimezone(ZoneInfo(timezone)):%F %R %z}")
    return runs


@pytest.mark.parametrize(
    ("fields", "runs"),
    [
        ("0 9 ? * MON-FRI *", ["2026-02-02 09:00", "2026-02-03 09:00", "2026-02-04 09:00"]),
        ("0 9 ? * 1 *", ["2026-02-01 09:00", "2026-02-08 09:00", "2026-02-15 09:00"]),  # Sunday is 1
        ("0/20 12 * * ? *", ["2026-01-30 12:20", "2026-01-30 12:40", "2026-01-31 12:00"]),
        ("0 9 L * ? *", ["2026-01-31 09:00", "2026-02-28 09:00", "2026-03-31 09:00"]),
        ("0 9 15W * ? *", ["2026-02-16 09:00", "2026-03-16 09:00", "2026-04-15 09:00"]),
        ("0 9 ? * FRIL *", ["2026-02-27 09:00", "2026-03-27 09:00", "2026-04-24 09:00"]),
        ("0 9 ? * MON#2 *", ["2026-02-09 09:00", "2026-03-09 09:00", "2026-04-13 09:00"]),
        ("0 9 1 JAN,JUL ? 2027-2099", ["2027-01-01 09:00", "2027-07-01 09:00", "2028-01-01 09:00"]),
    ],
)
def test_the_six_fields_mean_what_they_mean_to_scheduler(fields: str, runs: list[str]) -> None:
    assert list_runs(f"cron({fields})") == [f"{run} +0000" for run in runs]


def test_a_time_that_daylight_saving_leaves_out_has_no_turn() -> None:
    runs = list_runs("cron(30 2 * * ? *)", "Europe/Berlin", after=datetime(2026, 3, 27, 12, tzinfo=UTC))

    assert runs == ["2026-03-28 02:30 +0100", "2026-03-30 02:30 +0200", "2026-03-31 02:30 +0200"]


def test_a_time_that_comes_twice_has_one_turn_the_first() -> None:
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)
    between = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # 02:00 for the second time

    assert list_runs("cron(30 2 * * ? *)", "Europe/Berlin", after=before, count=2) == [
        "2026-10-25 02:30 +0200",
        "2026-10-26 02:30 +0100",
    ]
    assert list_runs("cron(30 2 * * ? *)", "Europe/Berlin", after=between, count=1) == ["2026-10-26 02:30 +0100"]


def test_a_rate_begins_when_the_series_is_made_and_its_days_have_24_hours() -> None:
    assert list_runs("rate(6 hours)", after=MADE - timedelta(seconds=1)) == [
        "2026-01-30 12:00 +0000",
        "2026-01-30 18:00 +0000",
        "2026-01-31 00:00 +0000",
    ]
    assert list_runs("rate(1 day)", "Europe/Berlin", after=datetime(2026, 3, 28, tzinfo=UTC), count=2) == [
        "2026-03-28 13:00 +0100",
        "2026-03-29 14:00 +0200",
    ]


def test_a_single_time_comes_once() -> None:
    assert list_runs("at(2026-02-01T09:00:00)", "Asia/Tokyo") == ["2026-02-01 09:00 +0900"]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("cron(0 9 LW * ? *)", "cannot read"),
        ("cron(0 9 ? * L *)", "cannot read"),  # the library would find no day at all
        ("cron(0 9 ? * L-3 *)", "cannot read"),  # and here another than Scheduler
        ("cron(61 9 * * ? *)", "cannot read"),
        ("cron(0/0 9 * * ? *)", "cannot read"),
        ("cron(0 9 * *)", "cannot read"),
        ("at(2026-02-30T09:00:00)", "cannot read"),
        ("rate(0 days)", "cannot read"),
        ("every day", "cannot read"),
        ("cron(0 9 31 2 ? *)", "never comes"),
        ("cron(0 9 * * ? 2020)", "never comes"),
        ("at(2020-01-01T09:00:00)", "never comes"),
    ],
)
def test_what_it_does_not_know_or_never_comes_is_refused(expression: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        read_timetable(expression, "UTC", since=MADE)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no time zone"):
        read_timetable("cron(0 9 * * ? *)", "Mars/Olympus", since=MADE)
