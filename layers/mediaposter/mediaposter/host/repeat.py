"""Repeat a call on a loop: each time so many seconds after it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from mediaposter.host.loop import Loop, Timer

logger = logging.getLogger(__name__)


class Repeater:
    """Makes a call in the loop's pool, again and again.

    Args:
        loop: has the time and the pool.
        name: what it does, for the log.
        call: gives the seconds until the next call; None is `every_seconds`. It may raise: it is logged, and repeated.
        every_seconds: between the end of a call and the next.
    """

    def __init__(self, loop: Loop, name: str, call: Callable[[], float | None], *, every_seconds: float) -> None:
        self._loop = loop
        self._name = name
        self._call = call
        self._every_seconds = every_seconds
        self._timer: Timer | None = None
        self._is_running = False
        self._is_wanted_again = False

    def start(self, after_seconds: float = 0.0) -> None:
        """Make the first call after so many seconds. From any thread."""
        self._loop.post(partial(self._wait, after_seconds))

    def hasten(self) -> None:
        """Make the next call at once; if one is being made, make another after it. From any thread."""
        self._loop.post(self._begin)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._loop.cancel(self._timer)
        self._timer = self._loop.after(seconds, self._begin)

    def _begin(self) -> None:
        if self._is_running:
            self._is_wanted_again = True
            return
        if self._timer is not None:
            self._loop.cancel(self._timer)
            self._timer = None
        self._is_running = True
        self._loop.pool.submit(self._make)

    def _make(self) -> None:
        seconds = None
        try:
            seconds = self._call()
        except Exception:
            logger.exception("%s failed; it is tried again", self._name)
        self._loop.post(partial(self._end, self._every_seconds if seconds is None else seconds))

    def _end(self, seconds: float) -> None:
        self._is_running = False
        again, self._is_wanted_again = self._is_wanted_again, False
        self._wait(0.0 if again else seconds)
