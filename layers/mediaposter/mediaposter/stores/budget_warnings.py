"""Records that a limit was nearly used up, so that its owner is told once for each limit and period."""

from __future__ import annotations

from datetime import timedelta
from typing import Self, TypedDict, Unpack

from pydantic import AwareDatetime

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.budget import BudgetPeriod
from mediaposter.stores.table import Key, Record, Table

# A webhook is tried for a day after its event.
KEPT_FOR = timedelta(days=90)


class BudgetWarningChanges(TypedDict, total=False):
    """The fields of `BudgetWarning` that change."""

    version: int
    is_sent: bool


class BudgetWarning(Record):
    """One limit of an owner, most of which was used or reserved in a period. Amounts are dollars as text.

    `period_name` is a day, as 2026-12-01, or a month, as 2026-12. `webhook_url` is the receiver of the key whose video
    passed the mark. Another limit in the same period, after a change of the key, has a warning of its own.
    """

    owner: str
    period: BudgetPeriod
    period_name: str
    limit_usd: str
    used_usd: str
    renews_at: AwareDatetime
    warned_at: AwareDatetime
    webhook_url: str | None = None
    is_sent: bool = False
    ttl: int | None = None

    def copy_with(self, **fields: Unpack[BudgetWarningChanges]) -> Self:
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        return _warning_key(self.owner, self.period_name, self.limit_usd)


def _warning_key(owner: str, period_name: str, limit_usd: str) -> Key:
    return Key(f"BUDGET#{owner}", f"WARNING#{period_name}#{limit_usd}")


class BudgetWarningStore:
    """Reads and writes the warnings of budgets."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, owner: str, period_name: str, limit_usd: str) -> BudgetWarning:
        """Read a warning.

        Raises:
            NotFound: there was none.
        """
        return BudgetWarning.model_validate(self._table.get(_warning_key(owner, period_name, limit_usd)))

    def record(self, warning: BudgetWarning) -> BudgetWarning:
        """Record a warning, or give the one that was recorded before for the same limit and period."""
        try:
            return self.get(warning.owner, warning.period_name, warning.limit_usd)
        except NotFound:
            pass
        try:
            self._table.create([warning])
        except VersionConflict:
            return self.get(warning.owner, warning.period_name, warning.limit_usd)
        return warning

    def mark_event_sent(self, warning: BudgetWarning) -> None:
        """Record that the event of a warning was sent; another worker may have done so."""
        sent = warning.copy_with(is_sent=True, version=warning.version + 1)
        try:
            self._table.replace(sent, expected_version=warning.version, allowed={})
        except VersionConflict:
            return
