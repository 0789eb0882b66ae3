"""How much a caller may still spend today."""

from __future__ import annotations

from datetime import date

from mediaposter.stores.budget import STACK_OWNER, BudgetStore
from mediaposter.wire.caller import Caller


def find_left_micros(
    budget: BudgetStore, caller: Caller, *, stack_daily_budget_micros: int | None, today: date
) -> int | None:
    """Find how much the key and the stack may still spend today: the lesser of the two; None is no limit."""
    limits = {caller.owner: caller.daily_budget_micros, STACK_OWNER: stack_daily_budget_micros}
    left = [
        max(limit - budget.get(owner, today).committed_micros, 0)
        for owner, limit in limits.items()
        if limit is not None
    ]
    return min(left, default=None)
