"""The inbox and the outbox in memory, every version kept."""

from __future__ import annotations

import json
from typing import Any

from mediaposter.domain.errors import NotFound
from mediaposter.stores.inbox import InboxFile
from tests.fakes.effects import Effects


class FakeInbox:
    """Keeps the versions of dropped files by their keys, and the answers that lie beside them."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.versions: dict[str, list[bytes]] = {}
        self.answers: dict[str, bytes] = {}
        self._effects = effects or Effects()

    def drop(self, key: str, content: bytes) -> str:
        """Put a file as its owner does, and give its version."""
        versions = self.versions.setdefault(key, [])
        versions.append(content)
        return f"v{len(versions)}"

    def answer(self, key: str) -> Any:
        """Read an answer as its owner does."""
        return json.loads(self.answers[key])

    def read(self, key: str, *, max_bytes: int, version_id: str | None = None) -> InboxFile:
        """Read a version of a file, or its newest."""
        versions = self.versions.get(key, [])
        number = len(versions) if version_id is None else int(version_id.removeprefix("v"))
        if not 1 <= number <= len(versions):
            raise NotFound("There is no such file in the inbox.", what="file")
        content = versions[number - 1]
        return InboxFile(key, f"v{number}", len(content), content if len(content) <= max_bytes else None)

    def has(self, key: str) -> bool:
        """Tell whether a file is there."""
        return key in self.versions

    def read_answer(self, key: str) -> bytes | None:
        """Read an answer that was laid down before."""
        return self.answers.get(key)

    def put_answer(self, key: str, content: bytes) -> None:
        """Lay an answer down."""
        with self._effects.take(f"answer {key}"):
            self.answers[key] = content
