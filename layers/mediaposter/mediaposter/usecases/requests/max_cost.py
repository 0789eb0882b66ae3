"""Refuse a video that may cost more than its request allows."""

from __future__ import annotations

from decimal import Decimal

from mediaposter.domain.errors import InvalidRequest
from mediaposter.wire.requests import CreateVideoRequest, DeriveVideoRequest
from mediaposter.wire.video_object import to_dollars


def refuse_price(request: CreateVideoRequest | DeriveVideoRequest, price_micros: int) -> int | None:
    """Refuse a price above the request's `max_cost_usd`; give that amount in micro-dollars, if there is one.

    Args:
        request: what is asked for.
        price_micros: of the most expensive model that may make it.

    Raises:
        InvalidRequest: the price is above; nothing was recorded or spent.
    """
    if request.max_cost_usd is None:
        return None
    max_micros = int(request.max_cost_usd * Decimal(1_000_000))
    if price_micros > max_micros:  # guard: max cost
        raise InvalidRequest(
            f"max_cost_usd: the video may cost ${to_dollars(price_micros)}, which is more than "
            f"${to_dollars(max_micros)}. Nothing was recorded or spent; allow more, or ask for a shorter video or a "
            "cheaper model.",
            param="max_cost_usd",
            code="price_too_high",
        )
    return max_micros
