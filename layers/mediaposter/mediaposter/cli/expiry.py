"""When an API key expires, as a person says it: after a time, or at one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_AFTER = re.compile(r"([1-9]\d{0,5})([mhdw])", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}.*", re.ASCII)
_LATEST = timedelta(days=3_650)
_FORMS = "30m, 12h, 7d, 2w, or a time as 2027-01-31T18:00:00Z"


class Expiry(NamedTuple):
    """A time from now on, or a moment. Typer takes no union of the two."""

    value: timedelta | datetime


def read_expiry(text: str) -> Expiry:
    """Parse `12h`, `7d` or an ISO 8601 time; a time without a zone is UTC, and a date is its first moment.

    Raises:
        ValueError: it is none of them; the message lists them.
    """
    if after := _AFTER.fullmatch(text):
        return Expiry(int(after[1]) * _UNITS[after[2]])
    if _DATE.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"{text[:40]!r} is no time; it is said as {_FORMS}") from error
        return Expiry(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    raise ValueError(f"it is said as {_FORMS}")


def find_end(expiry: Expiry, *, now: datetime) -> datetime:
    """Give the moment at which a key expires.

    Raises:
        ValueError: it is over already, or more than ten years away.
    """
    left = expiry.value if isinstance(expiry.value, timedelta) else expiry.value - now
    if left <= timedelta(0):
        raise ValueError(f"{now + left:%Y-%m-%d %H:%M} UTC is over already")
    if left > _LATEST:
        raise ValueError(f"a key lives for {_LATEST.days} days at most, or for ever")
    return now + left
