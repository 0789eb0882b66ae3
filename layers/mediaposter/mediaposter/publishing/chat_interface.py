"""The interface of a model that writes text, which use cases know instead of its client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class Tokens(NamedTuple):
    """How much a model read and wrote, in its own tokens: what its server charges for."""

    read: int = 0
    written: int = 0


class ChatAnswer(NamedTuple):
    """The text of an answer, which may be anything, and its tokens as the server reports them; None if it does not."""

    text: str
    tokens: Tokens | None = None


class ChatModel(Protocol):
    """A model that writes JSON."""

    def complete(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> ChatAnswer:
        """Give its answer. Raises CaptionsError."""
