"""The times of a schedule expression, as EventBridge Scheduler reads it.

The rules are those of "Schedule types" in the EventBridge Scheduler user guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aws_croniter import AwsCroniter

from mediaposter.domain.errors import InvalidRequest

# The first time after a moment, both in UTC; None if none follows.
FindNext: TypeAlias = Callable[[datetime], datetime | None]

_FORMS = (
    "It reads cron(minutes hours day-of-month month day-of-week year) with , - * / ?, the days L, L-3 and 15W, the "
    "weekdays FRIL and MON#2; rate(6 hours); and at(2027-01-31T09:00:00)."
)
_EXPRESSION = re.compile(r"(at|cron|rate)\((.*)\)")
_RATE = re.compile(r"([1-9]\d{0,5}) (minute|hour|day)s?", re.ASCII)
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
# A day is 24 hours, also where daylight saving makes it 23 or 25.
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def read_timetable(expression: str, timezone: str, *, since: datetime) -> FindNext:
    """Read an expression.

    Args:
        expression: `cron(0 9 ? * MON-FRI *)`, `rate(6 hours)` or `at(2027-01-31T09:00:00)`.
        timezone: whose clock `cron` and `at` mean.
        since: the time of the first run of `rate`, and before those of all others.

    Raises:
        InvalidRequest: it is none of these, no run follows, or the time zone is not known here.
    """
    find_next = _parse(expression, timezone, since.replace(microsecond=0))
    if find_next(since - timedelta(seconds=1)) is None:
        raise InvalidRequest(f"The timetable {expression} never comes again.", param="timing")
    return find_next


@lru_cache(maxsize=256)
def _parse(expression: str, timezone: str, since: datetime) -> FindNext:
    found = _EXPRESSION.fullmatch(expression)
    kind, text = found.groups() if found else ("", "")
    if (rate := _RATE.fullmatch(text)) and kind == "rate":
        period = int(rate[1]) * _UNITS[rate[2]]
        return lambda after: _find_multiple(after, since, period)
    zone = _find_zone(timezone)
    try:
        if kind == "at" and _AT.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return lambda after: next(_read_clock(iter([moment]), zone, after), None)
        if kind == "cron":
            cron = _read_cron(text)
            return lambda after: next(_read_clock(_list_times(cron, after.astimezone(zone)), zone, after), None)
    except ValueError as error:
        raise InvalidRequest(f"This host cannot read the timetable {expression}. {_FORMS}", param="timing") from error
    raise InvalidRequest(f"This host cannot read the timetable {expression[:100]!r}. {_FORMS}", param="timing")


def _find_zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidRequest(f"{timezone[:80]!r} is no time zone that is known here.", param="timezone") from error


def _read_cron(text: str) -> AwsCroniter:
    weekday = text.split(" ")[4:5]
    if weekday and (weekday[0] == "L" or weekday[0].startswith("L-")):
        raise ValueError("The library takes it, and finds other days than Scheduler, or none.")
    return AwsCroniter(text)


def _find_multiple(after: datetime, since: datetime, period: timedelta) -> datetime:
    runs = max((after - since) // period + 1, 0)
    return since + runs * period


def _list_times(cron: AwsCroniter, after: datetime) -> Iterator[datetime]:
    """List the times of a clock on a wall, without a zone, from a moment on."""
    # The library knows UTC alone, which has every time once; what a zone makes of it is our part.
    moment: datetime | None = after.replace(tzinfo=UTC)
    while moment is not None:
        [moment] = cron.get_next(moment)
        if moment is not None:
            yield moment.replace(tzinfo=None)


def _read_clock(times: Iterator[datetime], zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """List the moments after another at which a clock shows these times.

    A time that daylight saving leaves out has no run. Of one that comes twice the first alone has.
    """
    for time in times:
        moment = time.replace(tzinfo=zone, fold=0).astimezone(UTC)
        exists = moment.astimezone(zone).replace(tzinfo=None) == time
        if exists and moment > after:  # guard: daylight saving
            yield moment
