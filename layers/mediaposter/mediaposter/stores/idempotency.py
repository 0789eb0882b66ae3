"""Which request a video came from, so that sending it again makes no second one.

The caller names a request by an Idempotency-Key, kept for 24 hours as Stripe promises it. Requests without one are
remembered by what they ask for, for the retries that an SDK makes of one call.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from mediaposter.domain.errors import NotFound
from mediaposter.stores.table import Delete, Key, Record, Table

KEPT_FOR = timedelta(hours=24)
# Longer than the SDK's retries of one call take: two, each after up to ten minutes of waiting for an answer.
RETRIES_KEPT_FOR = timedelta(minutes=45)


class IdempotencyRecord(Record):
    """A request that was taken, and the video it became, or the batch: `video_id` is that one's id then.

    `ttl` is when it is forgotten, in seconds since 1970.
    """

    owner: str
    name: str
    fingerprint: str
    video_id: str
    ttl: int

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return request_key(self.owner, self.name)


def request_key(owner: str, name: str) -> Key:
    """Give the primary key; a caller's name for a request is as long as he likes, and has any character."""
    return Key(f"IDEMPOTENCY#{owner}#{hashlib.sha256(name.encode()).hexdigest()}", "IDEMPOTENCY")


def identify_request(
    owner: str, idempotency_key: str | None, fingerprint: str, video_id: str, *, now: datetime
) -> IdempotencyRecord:
    """Describe a request by the caller's key for it, or by what it asks for."""
    if idempotency_key is None:
        name, kept_for = f"same as {fingerprint}", RETRIES_KEPT_FOR
    else:
        name, kept_for = f"key {idempotency_key}", KEPT_FOR
    return IdempotencyRecord(
        owner=owner, name=name, fingerprint=fingerprint, video_id=video_id, ttl=int((now + kept_for).timestamp())
    )


class IdempotencyStore:
    """The requests that are remembered."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, wanted: IdempotencyRecord, *, now: datetime) -> IdempotencyRecord | None:
        """Find the request of that name, unless its time is over."""
        try:
            found = IdempotencyRecord.model_validate(self._table.get(wanted.key))
        except NotFound:
            return None
        return found if found.ttl >= now.timestamp() else None

    def forget(self, known: IdempotencyRecord) -> None:
        """Forget a request that became nothing."""
        self._table.commit([Delete(known.key)])
