"""How much a caller may still spend today."""

from __future__ import annotations

from datetime import date

from mediaposter.stores.budget import BudgetStore, StackLimits, list_limits
from mediaposter.wire.caller import Caller


def find_left_micros(budget: BudgetStore, caller: Caller, *, stack_limits: StackLimits, today: date) -> int | None:
    """Find how much may still be spent today: the least that the limits of the key and the stack leave.

    Those of the month count too; None is no limit.
    """
    limits = list_limits(
        caller.owner,
        daily_micros=caller.daily_budget_micros,
        monthly_micros=caller.monthly_budget_micros,
        stack=stack_limits,
    )
    left = [
        max(limit.micros - budget.get(limit.owner, today, limit.period).committed_micros, 0)
        for limit in limits
        if limit.micros is not None
    ]
    return min(left, default=None)
