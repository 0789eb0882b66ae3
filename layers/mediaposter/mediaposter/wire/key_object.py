"""What a key is told of itself, so that a page knows what to offer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from mediaposter.stores.keys import Scope
from mediaposter.wire.caller import Caller


class KeyObject(BaseModel):
    """The key of the request: what it may do, and until when. The key itself is never returned.

    `accounts` are those that it may post to, as `instagram:807`; null is all of them. `expires_at` is in seconds since
    1970; null is never.
    """

    model_config = ConfigDict(frozen=True)

    object: Literal["key"] = "key"
    id: str
    name: str
    owner: str
    scopes: list[Scope]
    accounts: list[str] | None
    expires_at: int | None


def present_key(caller: Caller) -> KeyObject:
    """Write the key of a caller."""
    is_limited = caller.accounts is not None and Scope.ADMIN not in caller.scopes
    return KeyObject(
        id=caller.key,
        name=caller.key_name,
        owner=caller.owner,
        scopes=[scope for scope in Scope if scope in caller.scopes],
        accounts=sorted(caller.accounts or ()) if is_limited else None,
        expires_at=int(caller.key_expires_at.timestamp()) if caller.key_expires_at else None,
    )
