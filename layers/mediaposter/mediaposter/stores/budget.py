"""Money spent and reserved, by owner and UTC day, and how much of the day's limit is left.

A create reserves its estimate in the transaction that writes its record. The transaction that settles the video
converts or releases the reservation exactly once. So spent and reserved money together never exceed a limit, unless a
provider charges more than its listed price.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.errors import NotFound
from mediaposter.stores.table import Change, Increase, Key, Table

# The stack's own limit is stored like an owner's.
STACK_OWNER = "*"
# A day's figures are kept for two years.
KEPT_FOR = timedelta(days=731)


class BudgetDay(BaseModel):
    """An owner's money on one day, in micro-dollars: `promised` is reserved by videos not settled yet."""

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


class Usage(NamedTuple):
    """An owner's spending: today's figures, and the cost of settled videos by day and model.

    `limit_micros` is the limit of a day; None if there is none, or if it is not known. `stack_limit_micros` is that of
    all owners together, and `stack_budget` what they spent today; both are None without such a limit.
    """

    today: date
    budget: BudgetDay
    days: list[ModelUsage]
    limit_micros: int | None
    stack_limit_micros: int | None = None
    stack_budget: BudgetDay | None = None


class Limit(NamedTuple):
    """An owner's spending limit for a day."""

    owner: str
    daily_micros: int | None


def reserve(limit: Limit, day: date, micros: int) -> Increase:
    """Reserve an amount, if the day's limit has room for it."""
    at_most = {} if limit.daily_micros is None else {"committed_micros": limit.daily_micros}
    return Increase(
        budget_key(limit.owner, day),
        {"committed_micros": micros, "videos": 1},
        at_most=at_most,
        expires_at=_expiry(day),
    )


def reserve_more(limit: Limit, day: date, micros: int) -> Increase:
    """Reserve more for a video that has a reservation, if the day's limit has room for it."""
    at_most = {} if limit.daily_micros is None else {"committed_micros": limit.daily_micros}
    return Increase(  # guard: day limit
        budget_key(limit.owner, day), {"committed_micros": micros}, at_most=at_most, expires_at=_expiry(day)
    )


def settle(owner: str, day: date, *, reserved_micros: int, spent_micros: int) -> Increase:
    """Release a reservation and record what was spent instead."""
    return Increase(
        budget_key(owner, day),
        {"committed_micros": spent_micros - reserved_micros, "spent_micros": spent_micros},
        expires_at=_expiry(day),
    )


def spend(limit: Limit, day: date, micros: int, *, kept_micros: int = 0) -> Increase:
    """Record an amount as spent, if the day's limit has room for it and for `kept_micros` beside it."""
    at_most = {} if limit.daily_micros is None else {"committed_micros": limit.daily_micros - kept_micros}
    amounts = {"committed_micros": micros, "spent_micros": micros}
    return Increase(budget_key(limit.owner, day), amounts, at_most=at_most, expires_at=_expiry(day))


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


def renews_at(day: date) -> datetime:
    """Tell when the limit of a day resets."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)


def budget_key(owner: str, day: date) -> Key:
    """Give the primary key of an owner's day."""
    return Key(f"BUDGET#{owner}", day.isoformat())


class BudgetStore:
    """Reads the figures of days."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, owner: str, day: date) -> BudgetDay:
        """Read an owner's day; a day without spending is all zeros."""
        try:
            return BudgetDay.model_validate(self._table.get(budget_key(owner, day)))
        except NotFound:
            return BudgetDay()

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
