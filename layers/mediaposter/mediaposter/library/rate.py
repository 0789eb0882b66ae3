"""How often the stack may call somebody, kept across all its workers.

A limit of n calls a minute is given out as places in time: a quarter of them may be used at once after a pause, the
rest follow evenly. So no sixty seconds hold more than n of them, and a thousand workers that come at once each get a
place to wait for instead of a refusal.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from mediaposter.library.table import Key, LibraryTable

_MINUTE_SECONDS = 60.0


class RateBook:
    """The places that were given out, one item for each thing that is limited."""

    def __init__(self, table: LibraryTable) -> None:
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
