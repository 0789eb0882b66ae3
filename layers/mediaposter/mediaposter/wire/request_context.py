"""The idempotency and correlation of a request."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from mediaposter.stores.trail import Door


class RequestContext(NamedTuple):
    """How a request was sent, which tells whether it is a retry.

    Attributes:
        idempotency_key: the caller's key for it.
        retry_count: the attempt of one SDK call, from 0; None if no SDK sent it.
        request_id: the id of the event that carried it.
        correlation_id: the event sender's own id for the answer.
        kept_for: how long the key leads to the same video; None is a day.
        door: by which way it came.
    """

    idempotency_key: str | None = None
    retry_count: int | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    kept_for: timedelta | None = None
    door: Door = "api"


NEW_REQUEST = RequestContext()
