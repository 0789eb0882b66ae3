"""Who may see a record: its owner, and an admin."""

from __future__ import annotations

from typing import Protocol


class Viewer(Protocol):
    """The caller of a use case (api.caller.Caller), as far as a read has to know it."""

    def may_see(self, owner: str) -> bool:
        """Tell whether an owner's records are the caller's to see."""
