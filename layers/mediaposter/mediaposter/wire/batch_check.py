"""The answer of POST /batches?dry_run=true: what a batch would become."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.problem import Problem
from mediaposter.wire.rows import Row
from mediaposter.wire.video_object import to_dollars


class RowProblem(NamedTuple):
    """A row, and why it would be refused."""

    row: Row
    problem: Problem


class BatchCheck(NamedTuple):
    """What was found of the rows of a batch. Money is in micro-dollars.

    Attributes:
        rows: how many rows were looked at.
        refused: how many of them would be refused.
        problems: the first of those.
        estimate_micros: what the others would cost with their first models.
        reserved_micros: what they would reserve of the day, with the dearest of their models.
        with_captions: how many of the others would have captions written.
        left_micros: what is left of the day for the key and its stack; None without a limit.
        is_complete: whether there was time for all rows.
    """

    rows: int
    refused: int
    problems: list[RowProblem]
    estimate_micros: int
    reserved_micros: int
    with_captions: int
    left_micros: int | None
    is_complete: bool


class RowErrorObject(BaseModel):
    """Why a row would be refused; `line` is where it begins, `custom_id` the caller's own `id` of it."""

    model_config = ConfigDict(frozen=True)

    row: int
    line: int
    custom_id: str | None
    code: str
    message: str
    param: str | None


class BatchCheckObject(BaseModel):
    """What a batch would become; nothing was recorded or spent.

    `refused` counts every row with an error, and `errors` has the first 1,000 of them. `reserved_usd` is what the rows
    would reserve until they are settled, and `left_usd` what today's limits of the key and the stack leave; null is no
    limit. `captions` counts the rows that would have captions written, for which no model is asked here and whose price
    is not in the figures. `complete` is false if the time ended before the rows did: all figures are of the first
    `rows` rows then.
    """

    model_config = ConfigDict(frozen=True)

    object: Literal["batch.check"] = "batch.check"
    rows: int
    accepted: int
    refused: int
    complete: bool
    captions: int
    cost_estimate_usd: str
    reserved_usd: str
    left_usd: str | None
    fits_budget: bool
    errors: list[RowErrorObject]


def present_check(check: BatchCheck) -> BatchCheckObject:
    """Write what was found of a batch."""
    left = check.left_micros
    return BatchCheckObject(
        rows=check.rows,
        accepted=check.rows - check.refused,
        refused=check.refused,
        complete=check.is_complete,
        captions=check.with_captions,
        cost_estimate_usd=to_dollars(check.estimate_micros),
        reserved_usd=to_dollars(check.reserved_micros),
        left_usd=None if left is None else to_dollars(left),
        fits_budget=left is None or check.reserved_micros <= left,
        errors=[
            RowErrorObject(
                row=row.number,
                line=row.line,
                custom_id=row.row_id,
                code=problem.code,
                message=problem.message,
                param=problem.param,
            )
            for row, problem in check.problems
        ],
    )
