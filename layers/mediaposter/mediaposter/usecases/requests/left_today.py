"""How much a caller may still spend today."""

from __future__ import annotations

from datetime import date

from mediaposter.stores.budget import STACK_OWNER, BudgetPeriod, BudgetStore, Limit, StackLimits
from mediaposter.wire.caller import Caller


def find_left_micros(budget: BudgetStore, caller: Caller, *, stack_limits: StackLimits, today: date) -> int | None:
    """Find how much may still be spent today: the least that the limits of the key and the stack leave.

    Those of the month count too; None is no limit.
    """
    limits = [
        Limit(caller.owner, caller.daily_budget_micros),
        Limit(caller.owner, caller.monthly_budget_micros, BudgetPeriod.MONTH),
        Limit(STACK_OWNER, stack_limits.daily_micros),
        Limit(STACK_OWNER, stack_limits.monthly_micros, BudgetPeriod.MONTH),
    ]
    left = [
        max(limit.micros - budget.get(limit.owner, today, limit.period).committed_micros, 0)
        for limit in limits
        if limit.micros is not None
    ]
    return min(left, default=None)
