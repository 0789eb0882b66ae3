"""How often things may be asked for: the publisher by the stack, across all its workers; and the stack by an owner.

A limit of n calls a minute is given out as places in time: a quarter of them may be used at once after a pause, the
rest follow evenly. So no sixty seconds hold more than n of them, and a thousand workers that come at once each get a
place to wait for instead of a refusal.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from mediaposter.domain.errors import RateExceeded, VersionConflict
from mediaposter.stores.budget import renews_at
from mediaposter.stores.table import Increase, Key, Table

_MINUTE_SECONDS = 60.0
# What the rows of batches leave of a minute to single requests: one part in so many, and one at the least.
_SINGLES_SHARE = 10
# A day's count of uploads may be forgotten when the day is certainly over.
_UPLOADS_KEPT_FOR = timedelta(days=1)


def count_rows_per_minute(rate_per_minute: int) -> int:
    """Tell how many rows of batches a key's rate takes in a minute.

    A large batch takes all that it may for hours: some of each minute stays for single requests, whose callers wait.
    """
    return rate_per_minute - max(1, rate_per_minute // _SINGLES_SHARE) if rate_per_minute > 1 else 1


class UploadLimits(NamedTuple):
    """What an owner may open in a UTC day by POST /uploads."""

    uploads: int
    size_bytes: int


class UploadCountStore:
    """What each owner opened today."""

    def __init__(self, table: Table, limits: UploadLimits) -> None:
        self._table = table
        self._limits = limits

    def count(self, owner: str, size_bytes: int, *, now: datetime) -> None:
        """Count an upload of a size, if the owner's day has room for it.

        Raises:
            RateExceeded: it has not; nothing was counted.
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
                f"together, and today has no room for one of {size_bytes:,} bytes more. Nothing was opened; there is "
                f"room again at {tomorrow:%Y-%m-%dT%H:%M:%SZ}.",
                retry_after_seconds=math.ceil((tomorrow - now).total_seconds()),
            ) from error


class RateStore:
    """The places that were given out, one item for each thing that is limited."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def take(self, name: str, *, per_minute: int, now: datetime) -> datetime:
        """Take a place, and say when it comes: the caller makes one call then, not before."""
        burst = per_minute // 4
        interval_seconds = _MINUTE_SECONDS / (per_minute - burst)
        now_seconds = now.timestamp()
        # Places are numbered by their time, and those just before now are the burst's. One of them is left out: calls
        # come a little later than their places.
        first = math.ceil(now_seconds / interval_seconds) - max(burst - 1, 0)
        number = self._table.take_number(Key(f"RATE#{name}", "RATE"), at_least=first)
        return datetime.fromtimestamp(max(number * interval_seconds, now_seconds), tz=UTC)
