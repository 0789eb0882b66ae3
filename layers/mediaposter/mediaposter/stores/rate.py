"""Rate limits: for the stack's calls to the publisher, across all workers, and for an owner's calls to the stack.

A limit of n calls a minute is given out as time slots: after a pause a quarter of them can be used at once, the rest
follow evenly. So no sixty seconds hold more than n calls. A thousand concurrent workers each get a time slot to wait
for instead of a refusal.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from mediaposter.domain.errors import RateExceeded, VersionConflict
from mediaposter.stores.budget import renews_at
from mediaposter.stores.table import Increase, Key, Table

_MINUTE_SECONDS = 60.0
# The share of a minute that batch rows leave to single requests: one part in this many, at least one request.
_SINGLES_SHARE = 10
# A day's count of uploads expires when the day is certainly over.
_UPLOADS_KEPT_FOR = timedelta(days=1)


def count_rows_per_minute(rate_per_minute: int) -> int:
    """Tell how many batch rows a key's rate limit allows in a minute.

    A large batch uses its whole share for hours, so part of each minute is left to single requests, whose callers wait.
    """
    return rate_per_minute - max(1, rate_per_minute // _SINGLES_SHARE) if rate_per_minute > 1 else 1


class UploadLimits(NamedTuple):
    """The limits of an owner's POST /uploads in a UTC day."""

    uploads: int
    size_bytes: int


class UploadCountStore:
    """Counts the uploads of each owner by day."""

    def __init__(self, table: Table, limits: UploadLimits) -> None:
        self._table = table
        self._limits = limits

    def count(self, owner: str, size_bytes: int, *, now: datetime) -> None:
        """Count an upload and its size, if the owner's daily limits have room for it.

        Raises:
            RateExceeded: they have no room; nothing was counted.
        """
        day = now.astimezone(UTC).date()
        tomorrow = renews_at(day)
        opened = Increase(
            Key(f"RATE#{owner}", f"UPLOADS#{day.isoformat()}"),
            {"uploads": 1, "size_bytes": size_bytes},
            at_most={"uploads": self._limits.uploads, "size_bytes": self._limits.size_bytes},
            expires_at=int((tomorrow + _UPLOADS_KEPT_FOR).timestamp()),
        )
        try:
            self._table.commit([opened])
        except VersionConflict as error:
            raise RateExceeded(
                f"An owner may open {self._limits.uploads:,} uploads a day, of {self._limits.size_bytes:,} bytes "
                f"together, and an upload of {size_bytes:,} bytes more would exceed that today. Nothing was opened; "
                f"try again at {tomorrow:%Y-%m-%dT%H:%M:%SZ}.",
                retry_after_seconds=math.ceil((tomorrow - now).total_seconds()),
            ) from error


class RateStore:
    """The time slots given out, one item for each rate limit."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def take(self, name: str, *, per_minute: int, now: datetime) -> datetime:
        """Reserve a time slot, and give its time: the caller makes one call then, not before."""
        burst = per_minute // 4
        interval_seconds = _MINUTE_SECONDS / (per_minute - burst)
        now_seconds = now.timestamp()
        # Slots are numbered by their time, and those just before now are the burst. One of them is left out, because
        # calls come a little later than their slots.
        first = math.ceil(now_seconds / interval_seconds) - max(burst - 1, 0)
        number = self._table.take_number(Key(f"RATE#{name}", "RATE"), at_least=first)
        return datetime.fromtimestamp(max(number * interval_seconds, now_seconds), tz=UTC)
