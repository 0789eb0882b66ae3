"""Only a record's owner and an admin may see it."""

from __future__ import annotations

from typing import Protocol


class Viewer(Protocol):
    """The part of a caller (wire.caller.Caller) that a read needs."""

    def may_see(self, owner: str) -> bool:
        """Tell whether the caller may see an owner's records."""
