"""The idempotency records: which video a request became, so that sending it again makes no second one.

A caller names a request with an Idempotency-Key, kept for 24 hours as Stripe does. Requests without one are identified
by their content, for the retries that an SDK makes of one call.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from mediaposter.domain.errors import NotFound
from mediaposter.stores.table import Delete, Key, Record, Table

KEPT_FOR = timedelta(hours=24)
# Longer than the SDK's retries of one call: two, each after up to ten minutes of waiting for an answer.
RETRIES_KEPT_FOR = timedelta(minutes=45)


class IdempotencyRecord(Record):
    """An accepted request, and the video or batch it became: `video_id` is the id of either.

    `ttl` is when the record expires, in seconds since 1970.
    """

    owner: str
    name: str
    fingerprint: str
    video_id: str
    ttl: int

    @property
    def key(self) -> Key:
        return request_key(self.owner, self.name)


def request_key(owner: str, name: str) -> Key:
    """Give the primary key; the caller's name for a request can have any length and any characters."""
    return Key(f"IDEMPOTENCY#{owner}#{hashlib.sha256(name.encode()).hexdigest()}", "IDEMPOTENCY")


def identify_request(
    owner: str,
    idempotency_key: str | None,
    fingerprint: str,
    video_id: str,
    *,
    now: datetime,
    kept_for: timedelta | None = None,
) -> IdempotencyRecord:
    """Identify a request by its Idempotency-Key, or else by its content; `kept_for` shortens the usual time."""
    if idempotency_key is None:
        name, kept_for = f"same as {fingerprint}", kept_for or RETRIES_KEPT_FOR
    else:
        name, kept_for = f"key {idempotency_key}", kept_for or KEPT_FOR
    return IdempotencyRecord(
        owner=owner, name=name, fingerprint=fingerprint, video_id=video_id, ttl=int((now + kept_for).timestamp())
    )


class IdempotencyStore:
    """Keeps idempotency records."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, wanted: IdempotencyRecord, *, now: datetime) -> IdempotencyRecord | None:
        """Find the record of the same name, unless it has expired."""
        try:
            found = IdempotencyRecord.model_validate(self._table.get(wanted.key))
        except NotFound:
            return None
        return found if found.ttl >= now.timestamp() else None

    def forget(self, known: IdempotencyRecord) -> None:
        """Remove the record of a request that became nothing."""
        self._table.commit([Delete(known.key)])
