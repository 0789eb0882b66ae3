"""A model that writes captions, from a script."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mediaposter.publishing.chat_interface import ChatAnswer, Tokens
from tests.fakes.effects import Effects

TOKENS = Tokens(read=1_000, written=100)


class FakeChat:
    """Answers from a list, then with a text of its own for each network; and remembers what it was asked.

    Attributes:
        calls: the messages and the schema of each call.
        meanwhile: what happens, once, while it writes.
    """

    def __init__(self, *answers: object, effects: Effects | None = None, tokens: Tokens | None = TOKENS) -> None:
        self._effects = effects or Effects()
        self._answers = list(answers)
        self._tokens = tokens
        self.calls: list[tuple[list[dict[str, str]], dict[str, Any]]] = []
        self.meanwhile: Callable[[], object] | None = None

    def complete(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> ChatAnswer:
        """Give the next answer."""
        with self._effects.take("ask for captions"):
            self.calls.append(([dict(message) for message in messages], dict(schema)))
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            happen()
        answer = self._answers.pop(0) if self._answers else self._write(schema)
        if isinstance(answer, Exception):
            raise answer
        return ChatAnswer(answer if isinstance(answer, str) else json.dumps(answer), self._tokens)

    def _write(self, schema: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        number = len(self.calls)
        return {
            name: dict.fromkeys(fields["properties"], f"A kite for {name}, number {number}")
            for name, fields in schema["properties"].items()
        }
