"""The stack that the handlers of this process serve: a function's own, or the one that a host installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mediaposter.stack import Stack

_installed: Stack | None = None


def stack() -> Stack:
    """Give the stack of this process; by default that of the function, from its environment."""
    if _installed is not None:
        return _installed
    from mediaposter.aws import build_stack

    built = build_stack()
    install(built)
    return built


def install(stack: Stack | None) -> None:
    """Serve another stack from now on; None builds the function's own again when it is next asked for."""
    global _installed  # noqa: PLW0603  # a process serves one stack
    _installed = stack
