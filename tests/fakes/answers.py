"""What a scripted provider or publisher does with one submission."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Accept:
    """Take it, and say so."""


@dataclass(frozen=True)
class Refuse:
    """Raise, having taken nothing."""

    error: Exception


@dataclass(frozen=True)
class Drop:
    """Lose the answer, having taken it or not."""

    is_accepted: bool


Answer = Accept | Refuse | Drop
