"""How a request was sent, which tells whether it was sent before."""

from __future__ import annotations

from typing import NamedTuple


class RequestContext(NamedTuple):
    """How a request was sent.

    Attributes:
        idempotency_key: the caller's own name for it.
        retry_count: which try of one call of the SDK it is, from 0; None when no SDK told.
        request_id: the id of the event that it came as.
        correlation_id: what the one who sent that event knows the answer by.
    """

    idempotency_key: str | None = None
    retry_count: int | None = None
    request_id: str | None = None
    correlation_id: str | None = None


NEW_REQUEST = RequestContext()
