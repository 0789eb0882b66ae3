"""Refuse a video for whose price a limit has no room."""

from __future__ import annotations

from typing import NoReturn

from mediaposter.domain.errors import BudgetExceeded
from mediaposter.stores.budget import STACK_OWNER, BudgetPeriod, BudgetStore, Limit, renews_at
from mediaposter.stores.video_record import Reservation
from mediaposter.wire.video_object import to_dollars

_WHOSE_TIME = {BudgetPeriod.DAY: "today's", BudgetPeriod.MONTH: "this month's"}


def refuse_budget(budget: BudgetStore, limit: Limit, reservation: Reservation) -> NoReturn:
    """Refuse a reservation that a limit has no room for.

    Raises:
        BudgetExceeded: says which limit it is, what is left of it, and when it renews.
    """
    limit_micros = limit.micros or 0
    committed_micros = budget.get(limit.owner, reservation.on, limit.period).committed_micros
    whose = "this stack" if limit.owner == STACK_OWNER else "this key"
    raise BudgetExceeded(
        f"The video may cost ${to_dollars(reservation.micros)}, and of {_WHOSE_TIME[limit.period]} limit of {whose} "
        f"(${to_dollars(limit_micros)}) ${to_dollars(max(limit_micros - committed_micros, 0))} is left. Nothing was "
        f"recorded; it renews at {renews_at(reservation.on, limit.period):%Y-%m-%dT%H:%M:%SZ}."
    )
