"""A clock for waits: it goes on where the machine's clock is set back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta


class SteadyClock:
    """Tells the time that has passed, as a moment; it is later than the machine's time by what that was set back.

    A wait that was begun before ends in its time, not an hour later. A clock that is set forward, and a machine that
    slept, end waits early, as on waking. A monotonic clock would not do: on Linux it stops while a laptop sleeps.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last = clock()
        self._set_back = timedelta()
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Tell the time. From any thread."""
        with self._lock:
            now = self._clock()
            if now < self._last:  # guard: set back
                self._set_back += self._last - now
            self._last = now
            return now + self._set_back
