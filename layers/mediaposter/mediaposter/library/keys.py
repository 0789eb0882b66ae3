"""API keys: shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime

from mediaposter.errors import NotFound
from mediaposter.library.table import Key, LibraryTable, Record

KEY_PREFIX = "mp_"


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"
    CREATE = "create"
    PUBLISH = "publish"
    ADMIN = "admin"


class ApiKey(Record):
    """A key as it is kept: who it is, never what it is."""

    key_hash: str
    owner: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: AwareDatetime
    revoked_at: AwareDatetime | None = None

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return Key(f"KEY#{self.key_hash}", "KEY")


class KeyRing:
    """The keys of a stack."""

    def __init__(self, table: LibraryTable) -> None:
        self._table = table

    def create(self, name: str, *, scopes: tuple[Scope, ...], now: datetime) -> tuple[str, ApiKey]:
        """Make a key and keep its hash; the key itself is given here and never again."""
        secret = KEY_PREFIX + secrets.token_urlsafe(32)
        api_key = ApiKey(
            key_hash=_hash(secret), owner=f"key_{secrets.token_hex(8)}", name=name, scopes=scopes, created_at=now
        )
        self._table.create([api_key])
        return secret, api_key

    def find(self, secret: str) -> ApiKey | None:
        """Find the key that was shown as `secret`, unless it was revoked."""
        try:
            # 256 random bits need no slow hash: there is nothing to guess.
            found = ApiKey.model_validate(self._table.get(Key(f"KEY#{_hash(secret)}", "KEY")))
        except NotFound:
            return None
        return None if found.revoked_at else found


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
