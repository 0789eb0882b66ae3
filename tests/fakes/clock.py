"""Time that passes only when a test lets it."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.builders import NOW


class Clock:
    """Tells the same moment until it is advanced."""

    def __init__(self, start: datetime = NOW) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        """Tell the seconds a process counts its deadlines with."""
        return self.now.timestamp()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        self.now += timedelta(seconds=seconds)
