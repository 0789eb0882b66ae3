"""The cost of a video, and the changes of the budgets with its record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from mediaposter.domain.errors import BudgetExceeded, ErrorCode
from mediaposter.stores.batches import count_settled
from mediaposter.stores.budget import (
    BudgetPeriod,
    Limit,
    StackLimits,
    count_usage,
    list_limits,
    reserve_more,
    settle,
)
from mediaposter.stores.table import Change
from mediaposter.stores.video_record import Attempt, Reservation, Video, VideoFields
from mediaposter.stores.video_stages import Stage


def count_spent_micros(video: Video, attempts: Sequence[Attempt] | None = None) -> int:
    """Count the cost of a video, or of some of its attempts, as far as it is known.

    If the provider reported no cost, a successful render counts as its estimate. So does a render that may still run or
    may have been accepted. A render that the provider failed counts as nothing.
    """
    return sum(_count_attempt_micros(video, attempt) for attempt in (video.attempts if attempts is None else attempts))


def _count_attempt_micros(video: Video, attempt: Attempt) -> int:
    if attempt.cost_micros is not None:
        return attempt.cost_micros
    if attempt.failure is None:
        # Still queued: the provider refused it for a while and never accepted it.
        return 0 if video.stage is Stage.QUEUED else attempt.estimate_micros
    may_be_charged = attempt.failure.code in (ErrorCode.SUBMISSION_UNKNOWN, ErrorCode.TIMEOUT, ErrorCode.EXPIRED)
    return attempt.estimate_micros if may_be_charged else 0


class Promise(NamedTuple):
    """The changes of a record and of the budgets when more is reserved for a video."""

    changes: VideoFields
    books: Sequence[Change]


def promise_more(video: Video, more_micros: int) -> Promise:
    """Reserve more for a video on its owner's day and month, and on the stack's if that has a limit.

    Raises:
        BudgetExceeded: the request lets its video cost less.
    """
    reservation = video.reservation
    if reservation is None or more_micros <= 0:
        return Promise({}, [])
    if reservation.max_micros is not None and reservation.micros + more_micros > reservation.max_micros:
        raise BudgetExceeded(f"Another try of {video.id} may cost more than its max_cost_usd.")
    more = reservation.copy_with(micros=reservation.micros + more_micros)
    books = [reserve_more(limit, reservation.on, more_micros) for limit in list_budgets(video, reservation)]
    return Promise({"reservation": more}, books)


def list_budgets(video: Video, reservation: Reservation) -> list[Limit]:
    """List what a video's reservation counts for, with the limits as they were when it was made."""
    months = video.month_limits
    limits = list_limits(
        video.owner,
        daily_micros=reservation.limit_micros,
        monthly_micros=months.limit_micros if months else None,
        stack=StackLimits(reservation.stack_limit_micros, months.stack_limit_micros if months else None)
        if reservation.of_stack
        else None,
    )
    return [limit for limit in limits if months is not None or limit.period is BudgetPeriod.DAY]  # guard: older records


def book_settlement(video: Video, reservation: Reservation, spent_micros: int) -> list[Change]:
    """Give the changes that settle a reservation: on each budget, in the usage, and in the batch."""
    promises = [
        settle(
            limit.owner,
            reservation.on,
            reserved_micros=reservation.micros,
            spent_micros=spent_micros,
            period=limit.period,
        )
        for limit in list_budgets(video, reservation)
    ]
    of_batch = [] if video.batch_id is None else [count_settled(video.batch_id, spent_micros=spent_micros)]
    return [*promises, *_count_usage(video, reservation.on, spent_micros), *of_batch]


def _count_usage(video: Video, day: date, spent_micros: int) -> list[Change]:
    """Record the cost by model; the video itself counts for the last model."""
    by_model = Counter({video.resolved_model: spent_micros})
    for attempt in video.attempts:
        charged_micros = _count_attempt_micros(video, attempt)
        if attempt.model != video.resolved_model and charged_micros > 0:
            by_model[attempt.model] += charged_micros
            by_model[video.resolved_model] -= charged_micros
    return [
        count_usage(video.owner, day, model, videos=int(model == video.resolved_model), spent_micros=micros)
        for model, micros in by_model.items()
    ]
