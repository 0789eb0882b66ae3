"""Translate a series' schedule from plain words into an expression of EventBridge Scheduler.

The rules are those of "Schedule types" in the EventBridge Scheduler user guide.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple
from zoneinfo import available_timezones

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
# Every month has 28 days; the 31st exists in seven of twelve.
_MONTH_DAYS_MAX = 28
_LAST = "last"
_FORMS = "'daily 09:00', 'weekdays 09:00', 'mon,wed,fri 18:30', 'monthly 1 09:00' or 'monthly last 09:00'"
_CRON_FIELDS = 6
_CRON_FIELD = re.compile(r"[0-9A-Za-z,*?/#-]+")
_RATE = re.compile(r"([1-9]\d{0,5}) (minute|hour|day)s?", re.ASCII)
_EXPRESSION_MAX_CHARACTERS = 256


class Timing(NamedTuple):
    """The user's words, and the expression for them."""

    words: str
    expression: str


def read_at(text: str) -> Timing:
    """Parse `weekdays 09:00` and similar forms.

    Raises:
        ValueError: it is not one of the forms, or the day or time is invalid; the message lists the valid ones.
    """
    words = text.lower().split()
    match words:
        case ["daily", time]:
            days, weekdays = "*", "?"
        case ["weekdays", time]:
            days, weekdays = "?", "MON-FRI"
        case ["monthly", day, time]:
            days, weekdays = _read_month_day(day), "?"
        case [names, time]:
            days, weekdays = "?", _read_days(names)
        case _:
            raise ValueError(f"it is said as {_FORMS}")
    clock = _TIME.fullmatch(time)
    if clock is None:
        raise ValueError(f"{time!r} is no time from 00:00 to 23:59, which has two digits on each side")
    return Timing(" ".join(words), f"cron({int(clock[2])} {int(clock[1])} {days} * {weekdays} *)")


def _read_month_day(text: str) -> str:
    if text == _LAST:
        return "L"
    if not re.fullmatch(r"\d{1,2}", text, re.ASCII) or not 1 <= int(text) <= _MONTH_DAYS_MAX:
        raise ValueError(f"a day of every month is 1 to {_MONTH_DAYS_MAX}, or {_LAST}")
    return str(int(text))


def _read_days(text: str) -> str:
    names = text.split(",")
    if any(name not in _DAYS for name in names):
        raise ValueError(f"{text!r} names no days: it is said as {_FORMS}")
    if len(set(names)) < len(names):
        raise ValueError(f"{text!r} names a day twice")
    return ",".join(name.upper() for name in names)


def read_cron(text: str) -> Timing:
    """Parse a Scheduler expression, `cron(0 9 ? * MON-FRI *)`, with or without `cron()` around it.

    Scheduler itself validates the fields.

    Raises:
        ValueError: it does not have six fields, or not exactly one of its two fields for days is ?.
    """
    fields = _unwrap("cron", text).split()
    is_whole = len(fields) == _CRON_FIELDS and all(map(_CRON_FIELD.fullmatch, fields))
    if not is_whole or len(text) > _EXPRESSION_MAX_CHARACTERS:
        raise ValueError("it has six fields: minutes, hours, day of month, month, day of week, year; as 0 9 ? * MON *")
    if (fields[2] == "?") is (fields[4] == "?"):
        raise ValueError("one of its two fields for days is ?, and the other is not: as 0 9 ? * MON *")
    expression = f"cron({' '.join(fields)})"
    return Timing(expression, expression)


def read_rate(text: str) -> Timing:
    """Parse `6 hours`, with or without `rate()` around it.

    Raises:
        ValueError: it is not a number of minutes, hours or days.
    """
    rate = _RATE.fullmatch(" ".join(_unwrap("rate", text).split()))
    if rate is None:
        raise ValueError("it is a number of minutes, hours or days, as '6 hours'")
    number, unit = int(rate[1]), rate[2]
    expression = f"rate({number} {unit if number == 1 else f'{unit}s'})"
    return Timing(f"every {expression.removeprefix('rate(').removesuffix(')')}", expression)


def _unwrap(word: str, text: str) -> str:
    inner = re.fullmatch(rf"\s*{word}\((.*)\)\s*", text)
    return inner[1] if inner else text


def check_timezone(name: str) -> str:
    """Refuse an unknown time zone, such as an abbreviation."""
    known = available_timezones()
    if name in known:
        return name
    near = get_close_matches(name, known, n=1)
    guess = f"; did you mean {near[0]}?" if near else "; a zone is named as Europe/Berlin is"
    raise ValueError(f"{name[:80]!r} is no time zone that is known here{guess}")
