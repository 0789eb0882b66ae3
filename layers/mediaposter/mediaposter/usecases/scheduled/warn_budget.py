"""Warn once when most of a limit is used or reserved: of a key or of the stack, for a day or a month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mediaposter.events import BudgetEvent
from mediaposter.stores.budget import STACK_OWNER, BudgetStore, Limit, name_period, renews_at
from mediaposter.stores.budget_warnings import KEPT_FOR, BudgetWarning, BudgetWarningStore
from mediaposter.stores.video_money import list_budgets
from mediaposter.stores.video_record import Video
from mediaposter.usecases.scheduled.recorded_events import describe_warning
from mediaposter.wire.video_object import to_dollars

WARNED_AT_PERCENT = 80


class WarnOfBudgets:
    """Checks the limits that a new video's money counts for."""

    def __init__(
        self,
        *,
        budget: BudgetStore,
        warnings: BudgetWarningStore,
        send_event: Callable[[BudgetEvent], object],
        report: Callable[[str], object],
        clock: Callable[[], datetime],
    ) -> None:
        self._budget = budget
        self._warnings = warnings
        self._send_event = send_event
        self._report = report
        self._clock = clock

    def __call__(self, video: Video) -> None:
        """Record a warning for each limit that is nearly used up, and send its event, once.

        The record comes first. So a repeated call sends an event that was lost, with the same id, and no second one.

        Raises:
            EventNotSent: the bus refused it; calling again is safe.
        """
        reservation = video.reservation
        if reservation is None:
            return
        for limit in list_budgets(video, reservation):
            if limit.micros is None:
                continue
            used_micros = self._budget.get(limit.owner, reservation.on, limit.period).committed_micros
            if used_micros * 100 >= limit.micros * WARNED_AT_PERCENT:
                self._warn(video, limit, limit.micros, used_micros)

    def _warn(self, video: Video, limit: Limit, limit_micros: int, used_micros: int) -> None:
        now = self._clock()
        day = now.date() if video.reservation is None else video.reservation.on
        warning = self._warnings.record(
            BudgetWarning(
                owner=limit.owner,
                period=limit.period,
                period_name=name_period(day, limit.period),
                limit_usd=to_dollars(limit_micros),
                used_usd=to_dollars(used_micros),
                renews_at=renews_at(day, limit.period),
                warned_at=now,
                # Not the receiver that a request names: it waits for its own video.
                webhook_url=None if limit.owner == STACK_OWNER else video.key_webhook_url,  # guard: own receiver
                ttl=int((now + KEPT_FOR).timestamp()),
            )
        )
        if warning.is_sent:  # guard: warned once
            return
        self._send_event(describe_warning(warning))
        whose = "all keys together" if limit.owner == STACK_OWNER else f"the owner {limit.owner}"
        self._report(
            f"Of the limit of {whose} for {warning.period_name}, ${warning.limit_usd}, ${warning.used_usd} is spent or "
            f"reserved. It renews at {warning.renews_at:%Y-%m-%dT%H:%M:%SZ}."
        )
        self._warnings.mark_event_sent(warning)
