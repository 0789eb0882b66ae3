"""The steps that turn the rows of a batch into videos: submit them in chunks, and record each outcome.

Each step can run again after a crash at any point: the idempotency record of a row allows one video at most.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mediaposter.domain.errors import (
    Forbidden,
    NotFound,
    NotStarted,
    PartiallyDone,
    RateExceeded,
    RequestRefused,
    WriteConflict,
)
from mediaposter.domain.problem import Problem
from mediaposter.stores.batch_files import outcomes_key, parts_key, rows_key
from mediaposter.stores.batches import STAGES_BEFORE_VIDEOS, Batch, BatchStage, BatchStore
from mediaposter.stores.idempotency import IdempotencyStore
from mediaposter.stores.keys import ApiKey, Scope
from mediaposter.stores.rate import count_rows_per_minute
from mediaposter.usecases.batches.finish import EndBatch
from mediaposter.usecases.batches.rows import (
    NOT_TAKEN,
    PUT_OFF,
    TAKING_MAX,
    BatchOutcome,
    BatchResult,
    RowFiles,
    describe_outcome,
    find_taken,
    is_open,
    name_row,
    write_result,
)
from mediaposter.usecases.requests.submit import SubmitVideo
from mediaposter.wire.batches import (
    OutcomeLine,
    PartLine,
    RowLine,
    read_outcomes,
    read_parts,
    read_row_lines,
    write_lines,
)
from mediaposter.wire.caller import Caller
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.requests import CreateVideoRequest

Clock = Callable[[], datetime]

_CANCELLED = Problem(code="cancelled", message="The batch was cancelled before this row was taken.")
_KEY_IS_GONE = Problem(
    code="invalid_api_key",
    message="The API key that asked for this batch was revoked, or had expired, before this row was taken. Nothing was "
    "recorded for it; send the row again with another key.",
)


def explain_forbidden(refusal: Forbidden) -> Problem:
    """Describe why the key may not do what a row asks for; a missing right to post is that of the targets."""
    problem = refusal.problem
    return problem.model_copy(update={"param": "publish"}) if refusal.scope == Scope.PUBLISH else problem


class SubmitChunk:
    """Submit a chunk of a batch's rows, within the rate limit of the batch's key."""

    def __init__(
        self,
        *,
        batches: BatchStore,
        files: RowFiles,
        submit: SubmitVideo,
        requests: IdempotencyStore,
        find_key: Callable[[str], ApiKey | None],
        rest: Callable[[], None],
        clock: Clock,
    ) -> None:
        """Take the collaborators.

        Args:
            batches: the records of the batches.
            files: their files.
            submit: submits a row as a video.
            requests: the idempotency records of the rows.
            find_key: finds the key of a hash, if the key is still valid.
            rest: waits before each row that is submitted, for single requests to come between.
            clock: the time in UTC.
        """
        self._batches = batches
        self._files = files
        self._submit = submit
        self._requests = requests
        self._find_key = find_key
        self._rest = rest
        self._clock = clock

    def __call__(self, part: PartLine) -> None:
        """Submit each row, and record the outcome of each.

        Raises:
            RateExceeded: the key's rate limit has no room for the remaining rows; calling again later submits them.
            PartiallyDone: some rows could not be submitted now; calling again submits them.
        """
        lines = read_row_lines(self._files.read_range(rows_key(part.batch_id), part.first_byte, part.size_bytes))
        told = self._read_told(part)
        outcomes: list[OutcomeLine] = []
        is_full = False
        for line in lines:
            outcome = told.get(line.row) or self._take(part.batch_id, line, is_full=is_full)
            is_full = is_full or outcome.error == PUT_OFF
            outcomes.append(outcome)
        batch = self._batches.get_unchecked(part.batch_id)
        if batch.stage is not BatchStage.TAKING:
            # The rows were counted meanwhile by their idempotency records: a late try must not overwrite that.
            return
        self._files.put(outcomes_key(part.batch_id, part.part), write_lines(outcomes))
        put_off = sum(outcome.error == PUT_OFF for outcome in outcomes)
        if put_off and self._clock() < batch.created_at + TAKING_MAX:
            raise RateExceeded(f"{put_off} of {len(lines)} rows of part {part.part} wait for room in a minute.")
        left = sum(outcome.error == NOT_TAKEN for outcome in outcomes)
        if left:
            raise PartiallyDone(f"{left} of {len(lines)} rows of part {part.part} could not be taken just now.")

    def _read_told(self, part: PartLine) -> dict[int, OutcomeLine]:
        """Read the outcomes of an earlier try, for the rows that are over."""
        try:
            told = read_outcomes(self._files.read(outcomes_key(part.batch_id, part.part)))
        except NotFound:
            return {}
        return {outcome.row: outcome for outcome in told if not is_open(outcome)}

    def _take(self, batch_id: str, line: RowLine, *, is_full: bool) -> OutcomeLine:
        """Submit a row, or say why not; `is_full` says that the rate limit has no room."""
        if line.request is None:
            return describe_outcome(line, error=line.error)
        # Read for each row: the batch can be cancelled and its key revoked at any time.
        batch = self._batches.get_unchecked(batch_id)
        if batch.cancel is not None or batch.stage is not BatchStage.TAKING:
            return self._find_or_refuse(batch, line, _CANCELLED)
        caller = self._find_caller(batch)
        if caller is None:
            return self._find_or_refuse(batch, line, _KEY_IS_GONE)
        if is_full:
            return self._find_or_refuse(batch, line, PUT_OFF)
        return self._submit_row(batch, line, line.request, caller)

    def _find_caller(self, batch: Batch) -> Caller | None:
        """Build the caller of the rows with the key's current rights; None if the key is no longer valid."""
        caller = Caller.model_validate(batch.caller.model_dump())
        if not caller.key_hash:
            return caller  # it came without a key, or is older than key hashes
        api_key = self._find_key(caller.key_hash)
        return None if api_key is None else caller.as_key_is_now(api_key)  # guard: key as it is now

    def _find_or_refuse(self, batch: Batch, line: RowLine, error: Problem) -> OutcomeLine:
        """Refuse a row, unless an earlier try submitted it and crashed before recording the outcome."""
        video_id = find_taken(self._requests, batch, line.row, now=self._clock())
        return describe_outcome(line, video_id=video_id, error=None if video_id else error)

    def _submit_row(self, batch: Batch, line: RowLine, request: CreateVideoRequest, caller: Caller) -> OutcomeLine:
        if caller.rate_per_minute is not None:
            rows_per_minute = count_rows_per_minute(caller.rate_per_minute)
            caller = caller.model_copy(update={"rate_per_minute": rows_per_minute})  # guard: rows leave room
        self._rest()
        try:
            caller.require(Scope.CREATE)  # guard: scope create
            submission = self._submit(
                request,
                caller=caller,
                request_context=RequestContext(idempotency_key=name_row(batch.id, line.row), door="batch"),
                batch_id=batch.id,
            )
        except RequestRefused as refusal:
            return describe_outcome(line, error=refusal.problem)
        except Forbidden as refusal:
            return self._find_or_refuse(batch, line, explain_forbidden(refusal))
        except RateExceeded:
            return describe_outcome(line, error=PUT_OFF)
        except (WriteConflict, NotStarted):
            return describe_outcome(line, error=NOT_TAKEN)
        return describe_outcome(line, video_id=submission.video.id)


class FinishSubmitting:
    """Record the outcomes of the rows, when all were tried."""

    def __init__(
        self,
        *,
        batches: BatchStore,
        files: RowFiles,
        requests: IdempotencyStore,
        end: EndBatch,
        clock: Clock,
    ) -> None:
        self._batches = batches
        self._files = files
        self._requests = requests
        self._end = end
        self._clock = clock

    def __call__(self, batch_id: str) -> BatchResult:
        """Count the rows, write the result for an inbox file, and leave the videos to the sweep."""
        batch = self._batches.get_unchecked(batch_id)
        if batch.stage is BatchStage.READING:
            failure = Problem(
                code="internal_error",
                message="The file could not be read because of a fault of this stack. No row was taken; send it again.",
            )
            write_result(self._files, batch, [], failure)
            self._end(batch_id, failure=failure)
            return BatchResult(outcome=BatchOutcome.OVER)
        if batch.stage in STAGES_BEFORE_VIDEOS:
            parts = read_parts(self._files.read(parts_key(batch_id)))
            outcomes = [outcome for part in parts for outcome in self._settle(batch, part)]
            refused = sum(outcome.video_id is None for outcome in outcomes)
            write_result(self._files, batch.copy_with(refused=refused), outcomes)
            now = self._clock()
            batch = self._batches.advance(batch_id, BatchStage.RUNNING, now=now, refused=refused, due_at=now)
        if batch.stage is not BatchStage.RUNNING:
            return BatchResult(outcome=BatchOutcome.OVER)
        return BatchResult(outcome=BatchOutcome.CANCELLED if batch.cancel else BatchOutcome.TAKEN)

    def _settle(self, batch: Batch, part: PartLine) -> list[OutcomeLine]:
        """Give the outcomes of a chunk's rows, also if the worker that submitted them crashed before recording them."""
        key = outcomes_key(batch.id, part.part)
        try:
            told = read_outcomes(self._files.read(key))
        except NotFound:
            lines = read_row_lines(self._files.read_range(rows_key(batch.id), part.first_byte, part.size_bytes))
            told = [describe_outcome(line, error=line.error or NOT_TAKEN) for line in lines]
        if not any(is_open(outcome) for outcome in told):
            return told
        settled = [self._find_out(batch, outcome) for outcome in told]
        self._files.put(key, write_lines(settled))
        return settled

    def _find_out(self, batch: Batch, outcome: OutcomeLine) -> OutcomeLine:
        video_id = find_taken(self._requests, batch, outcome.row, now=self._clock()) if is_open(outcome) else None
        return outcome.model_copy(update={"video_id": video_id, "error": None}) if video_id else outcome
