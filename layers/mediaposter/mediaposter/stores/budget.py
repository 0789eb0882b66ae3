"""Money spent and reserved, by owner, UTC day and UTC month, and how much of their limits is left.

A create reserves its estimate in the transaction that writes its record. The transaction that settles the video
converts or releases the reservation exactly once. So spent and reserved money together never exceed a limit, unless a
provider charges more than its listed price. Both always change the month of the day as they change the day itself: a
month is the sum of its days.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.errors import NotFound
from mediaposter.stores.table import Change, Increase, Key, Table

# The stack's own limit is stored like an owner's.
STACK_OWNER = "*"
# A day's figures are kept for two years.
KEPT_FOR = timedelta(days=731)


class BudgetPeriod(StrEnum):
    """What a limit is for: a day or a month, in UTC."""

    DAY = "day"
    MONTH = "month"


class BudgetFigures(BaseModel):
    """An owner's money in one day or month, in micro-dollars: `promised` is reserved by videos not settled yet."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    committed_micros: int = 0
    spent_micros: int = 0
    videos: int = 0

    @property
    def promised_micros(self) -> int:
        """Give the reserved amount, without what is spent."""
        return self.committed_micros - self.spent_micros


class ModelUsage(BaseModel):
    """What the settled videos of one model, or the captions that it wrote, cost on one day.

    `captions` counts the requests that it wrote for.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    day: date
    model: str
    videos: int = 0
    captions: int = 0
    spent_micros: int = 0


class PeriodUsage(NamedTuple):
    """What an owner spent in a period, and its limits.

    `limit_micros` is None if there is none, or if it is not known. `stack_limit_micros` is that of all owners together,
    and `stack_budget` what they spent; both are None without such a limit.
    """

    budget: BudgetFigures
    limit_micros: int | None = None
    stack_limit_micros: int | None = None
    stack_budget: BudgetFigures | None = None


class Usage(NamedTuple):
    """An owner's spending: the figures of today and of its month, and the cost of settled videos by day and model."""

    today: date
    day: PeriodUsage
    month: PeriodUsage
    days: list[ModelUsage]


class StackLimits(NamedTuple):
    """What all owners together may spend in a day and in a month; None is no limit."""

    daily_micros: int | None = None
    monthly_micros: int | None = None

    @property
    def exist(self) -> bool:
        """Tell whether there is one, so that the money of all owners is counted."""
        return self.daily_micros is not None or self.monthly_micros is not None


class Limit(NamedTuple):
    """An owner's spending limit for a period; None counts without a limit."""

    owner: str
    micros: int | None
    period: BudgetPeriod = BudgetPeriod.DAY

    @property
    def at_most(self) -> dict[str, int]:
        return {} if self.micros is None else {"committed_micros": self.micros}


def list_limits(
    owner: str, *, daily_micros: int | None, monthly_micros: int | None, stack: StackLimits | None
) -> list[Limit]:
    """List what an owner's spending counts for, those of the month first; the stack's if there is a `stack`.

    Of several limits without room, a caller is told of the first: it renews last.
    """
    months = [Limit(owner, monthly_micros, BudgetPeriod.MONTH)]
    days = [Limit(owner, daily_micros)]
    if stack is not None:  # guard: stack limit
        months.append(Limit(STACK_OWNER, stack.monthly_micros, BudgetPeriod.MONTH))
        days.append(Limit(STACK_OWNER, stack.daily_micros))
    return [*months, *days]


def reserve(limit: Limit, day: date, micros: int) -> Increase:
    """Reserve an amount, if the limit of the day, or of its month, has room for it."""
    return Increase(
        budget_key(limit.owner, day, limit.period),
        {"committed_micros": micros, "videos": 1},
        at_most=limit.at_most,
        expires_at=_expiry(day),
    )


def reserve_more(limit: Limit, day: date, micros: int) -> Increase:
    """Reserve more for a video that has a reservation, if the limit of the day, or of its month, has room for it."""
    return Increase(  # guard: day limit
        budget_key(limit.owner, day, limit.period),
        {"committed_micros": micros},
        at_most=limit.at_most,
        expires_at=_expiry(day),
    )


def settle(
    owner: str, day: date, *, reserved_micros: int, spent_micros: int, period: BudgetPeriod = BudgetPeriod.DAY
) -> Increase:
    """Release a reservation of a day, and record what was spent instead: on that day, or in its month."""
    return Increase(
        budget_key(owner, day, period),
        {"committed_micros": spent_micros - reserved_micros, "spent_micros": spent_micros},
        expires_at=_expiry(day),
    )


def spend(limit: Limit, day: date, micros: int, *, kept_micros: int = 0) -> Increase:
    """Record an amount as spent, if the limit of the day, or of its month, has room for it and for `kept_micros`."""
    at_most = {} if limit.micros is None else {"committed_micros": limit.micros - kept_micros}
    amounts = {"committed_micros": micros, "spent_micros": micros}
    key = budget_key(limit.owner, day, limit.period)
    return Increase(key, amounts, at_most=at_most, expires_at=_expiry(day))


def count_usage(owner: str, day: date, model: str, *, videos: int = 1, spent_micros: int) -> Increase:
    """Add the cost of a settled video to the usage of a model."""
    return Increase(
        Key(f"USAGE#{owner}", f"{day.isoformat()}#{model}"),
        {"videos": videos, "spent_micros": spent_micros},
        expires_at=_expiry(day),
    )


def count_captions(owner: str, day: date, model: str, *, captions: int = 0, spent_micros: int) -> Increase:
    """Add the cost of written captions to the usage of the model that wrote them."""
    return Increase(
        Key(f"USAGE#{owner}", f"{day.isoformat()}#{model}"),
        {"captions": captions, "spent_micros": spent_micros},
        expires_at=_expiry(day),
    )


def count_call(owner: str, moment: datetime, *, per_minute: int, calls: int = 1) -> Increase:
    """Count a create in its minute, if the rate limit has room for it; with 0 `calls` only require the room."""
    minute = moment.astimezone(UTC).replace(second=0, microsecond=0)
    return Increase(
        Key(f"RATE#{owner}", minute.isoformat()),
        {"calls": calls},
        at_most={"calls": per_minute},
        expires_at=int(minute.timestamp()) + 600,
    )


def renews_at(day: date, period: BudgetPeriod = BudgetPeriod.DAY) -> datetime:
    """Tell when the limit of a day, or of its month, resets."""
    last = day if period is BudgetPeriod.DAY else day.replace(day=monthrange(day.year, day.month)[1])
    return datetime.combine(last + timedelta(days=1), time(), tzinfo=UTC)


def name_period(day: date, period: BudgetPeriod) -> str:
    """Write a day as 2026-12-01, and its month as 2026-12."""
    return day.isoformat() if period is BudgetPeriod.DAY else f"{day:%Y-%m}"


def budget_key(owner: str, day: date, period: BudgetPeriod = BudgetPeriod.DAY) -> Key:
    """Give the primary key of an owner's day, or of its month."""
    return Key(f"BUDGET#{owner}", name_period(day, period))


class BudgetStore:
    """Reads the figures of days and months."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, owner: str, day: date, period: BudgetPeriod = BudgetPeriod.DAY) -> BudgetFigures:
        """Read an owner's day, or its month; without spending all figures are zero."""
        try:
            return BudgetFigures.model_validate(self._table.get(budget_key(owner, day, period)))
        except NotFound:
            return BudgetFigures()

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes of days and of usage, all or none.

        Raises:
            VersionConflict: a limit has no room; nothing was changed.
        """
        self._table.commit(changes)

    def list_usage(self, owner: str, *, since: date, until: date) -> list[ModelUsage]:
        """List the cost of settled videos by day and model, both days included."""
        items = self._table.query_range(f"USAGE#{owner}", since.isoformat(), f"{until.isoformat()}$")
        usage = []
        for item in items:
            day, _, model = str(item["sk"]).partition("#")
            usage.append(ModelUsage.model_validate({**item, "day": day, "model": model}))
        return usage


def _expiry(day: date) -> int:
    return int((renews_at(day) + KEPT_FOR).timestamp())
