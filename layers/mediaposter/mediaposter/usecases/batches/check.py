"""Check a batch before it is created: which rows would be refused, and what the others would cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Protocol

from mediaposter.domain.errors import Forbidden, RequestRefused
from mediaposter.domain.problem import Problem
from mediaposter.stores.budget import BudgetStore, StackLimits
from mediaposter.stores.video_record import Estimate
from mediaposter.usecases.batches.create import UploadFinder, find_source
from mediaposter.usecases.batches.read_rows import ROW_READERS, check_rate
from mediaposter.usecases.batches.submit import explain_forbidden
from mediaposter.usecases.requests.left_today import find_left_micros
from mediaposter.usecases.requests.submit import SubmitVideo
from mediaposter.wire.batch_check import BatchCheck, RowProblem
from mediaposter.wire.batches import CreateBatchRequest, write_input
from mediaposter.wire.caller import Caller
from mediaposter.wire.row_templates import RowTemplates
from mediaposter.wire.rows import Row

# API Gateway waits 29 seconds for an answer; some are left to read the first rows and to write the errors.
CHECK_SECONDS = 20.0
ERRORS_MAX = 1_000


class SourceFiles(UploadFinder, Protocol):
    """Finds and reads the files that callers uploaded."""

    def open_version(self, key: str, version_id: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open a version of a file for one read. Raises NotFound."""


class CheckBatch:
    """Check the rows of a batch as they would be submitted now; nothing is written, and no provider is asked."""

    def __init__(
        self,
        *,
        files: SourceFiles,
        submit: SubmitVideo,
        budget: BudgetStore,
        stack_limits: StackLimits,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._files = files
        self._submit = submit
        self._budget = budget
        self._stack_limits = stack_limits
        self._clock = clock
        self._monotonic = monotonic

    def __call__(self, request: CreateBatchRequest, *, caller: Caller) -> BatchCheck:
        """Check the rows for 20 seconds at most. Pictures are not looked at.

        Raises:
            InvalidRequest: there is no such file, it is broken, or it has more rows than the key's rate allows.
        """
        with self._open(request, caller) as rows:
            check = self._check(rows, caller)
        check_rate(caller.rate_per_minute, check.rows)
        return check._replace(
            left_micros=find_left_micros(
                self._budget,
                caller,
                stack_limits=self._stack_limits,
                today=self._clock().date(),
            )
        )

    def _open(self, request: CreateBatchRequest, caller: Caller) -> AbstractContextManager[Iterable[Row]]:
        templates = RowTemplates.read(request.templates)
        if request.rows is not None:
            return nullcontext(ROW_READERS["jsonl"](iter([write_input(request.rows)]), templates))
        return self._open_file(str(request.file), templates, caller)

    @contextmanager
    def _open_file(self, upload_id: str, templates: RowTemplates, caller: Caller) -> Iterator[Iterable[Row]]:
        source = find_source(self._files, upload_id, caller)
        with self._files.open_version(source.key, source.version_id) as chunks:
            yield ROW_READERS[source.format](chunks, templates)

    def _check(self, rows: Iterable[Row], caller: Caller) -> BatchCheck:
        ends_at = self._monotonic() + CHECK_SECONDS
        count = refused = estimate_micros = reserved_micros = with_captions = 0
        problems: list[RowProblem] = []
        is_complete = True
        for row in rows:
            count += 1
            found = self._check_row(row, caller)
            if isinstance(found, Problem):
                refused += 1
                if len(problems) < ERRORS_MAX:
                    problems.append(RowProblem(row._replace(request=None), found))
            else:
                estimate_micros += found.candidates[0].cost_estimate_micros
                reserved_micros += found.reserved_micros
                with_captions += row.request is not None and row.request.captions is not None
            if self._monotonic() >= ends_at:
                is_complete = next(iter(rows), None) is None
                break
        return BatchCheck(count, refused, problems, estimate_micros, reserved_micros, with_captions, None, is_complete)

    def _check_row(self, row: Row, caller: Caller) -> Estimate | Problem:
        if row.error is not None or row.request is None:
            return row.error or Problem(code="invalid_request", message="The row has no request.")
        try:
            return self._submit.estimate(row.request, caller=caller)
        except RequestRefused as refusal:
            return refusal.problem
        except Forbidden as refusal:
            return explain_forbidden(refusal)
