"""Side effects, numbered across all fakes of a world, so that a test can kill the process at each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple


class SimulatedCrash(BaseException):
    """The process dies here. Not an Exception: no handler of the code under test may see it."""


class Moment(StrEnum):
    """On which side of an effect the process dies."""

    BEFORE = "before"
    AFTER = "after"


class Crash(NamedTuple):
    """Where the process dies: effects are numbered from 1 in the order they are taken."""

    effect: int
    moment: Moment


class Effects:
    """Everything a process did to the world, in order, and the points at which it dies.

    Before an effect named `never_taken` it dies each time, or so often.
    """

    def __init__(self, *crashes: Crash, never_taken: str = "", deaths_max: int | None = None) -> None:
        self.names: list[str] = []
        self._never_taken = never_taken
        self._deaths_left = deaths_max
        self._crashes = set(crashes)

    def crash_at(self, effects_ahead: int, moment: Moment) -> None:
        """Die on one side of the effect that comes so many after the last one; 1 is the next."""
        self._crashes.add(Crash(len(self.names) + effects_ahead, moment))

    def crash_never(self) -> None:
        """Die no more."""
        self._crashes.clear()

    @contextmanager
    def take(self, name: str) -> Iterator[None]:
        """Take one effect, and die on either side of it if that was asked for."""
        self.names.append(name)
        number = len(self.names)
        if self._is_never_taken(name) or Crash(number, Moment.BEFORE) in self._crashes:
            raise SimulatedCrash(f"before {number}, {name}")
        yield
        if Crash(number, Moment.AFTER) in self._crashes:
            raise SimulatedCrash(f"after {number}, {name}")

    def _is_never_taken(self, name: str) -> bool:
        if name != self._never_taken or self._deaths_left == 0:
            return False
        if self._deaths_left is not None:
            self._deaths_left -= 1
        return True
