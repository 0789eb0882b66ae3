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

    Before an effect named `never_taken` it dies each time.
    """

    def __init__(self, *crashes: Crash, never_taken: str = "") -> None:
        self.names: list[str] = []
        self._never_taken = never_taken
        self._crashes = frozenset(crashes)

    @contextmanager
    def take(self, name: str) -> Iterator[None]:
        """Take one effect, and die on either side of it if that was asked for."""
        self.names.append(name)
        number = len(self.names)
        if name == self._never_taken or Crash(number, Moment.BEFORE) in self._crashes:
            raise SimulatedCrash(f"before {number}, {name}")
        yield
        if Crash(number, Moment.AFTER) in self._crashes:
            raise SimulatedCrash(f"after {number}, {name}")
