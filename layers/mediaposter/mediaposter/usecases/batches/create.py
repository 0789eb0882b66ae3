"""Create a batch (record it with its file, start its execution), read it, and cancel it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.errors import (
    Contention,
    IdempotencyKeyReused,
    InvalidRequest,
    NotAllowedInState,
    NotFound,
    NotStarted,
    RateExceeded,
    VersionConflict,
)
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.stores.batch_files import FileVersion, input_key, results_key
from mediaposter.stores.batches import (
    STAGES_TO_CANCEL,
    Batch,
    BatchCaller,
    BatchPage,
    BatchSource,
    BatchStage,
    BatchStep,
    BatchStore,
    CancelScope,
)
from mediaposter.stores.budget import count_call
from mediaposter.stores.idempotency import IdempotencyRecord, IdempotencyStore, identify_request
from mediaposter.stores.table import Change, Create
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.videos.read import Presigner
from mediaposter.wire.batches import (
    BatchListQuery,
    BatchView,
    CancelBatchRequest,
    CreateBatchRequest,
    tell_status,
    write_input,
)
from mediaposter.wire.caller import Caller
from mediaposter.wire.request_context import RequestContext

Clock = Callable[[], datetime]

# How often the sweep visits a batch.
LOOK_AGAIN_AFTER = timedelta(minutes=1)
_TRIES_MAX = 5
_FORMATS: dict[str, Literal["csv", "jsonl"]] = {"text/csv": "csv", "application/jsonl": "jsonl"}


class BatchWorkflow(Protocol):
    """Starts the executions of batches."""

    def start(self, batch_id: str, step: BatchStep, run: int) -> None:
        """Start an execution for a batch; repeating it changes nothing. Raises NotStarted."""

    def find_status(self, batch_id: str, step: BatchStep, run: int) -> ExecutionStatus | None:
        """Give the status of an execution; None if none is shown yet."""


class UploadFinder(Protocol):
    """Finds the files that callers uploaded."""

    def find_upload(self, owner: str, upload_id: str) -> FileVersion:
        """Find a file that a caller put to the URL of POST /uploads. Raises NotFound."""


class InputStore(UploadFinder, Protocol):
    """Stores the files of batches."""

    def put(self, key: str, content: bytes) -> FileVersion:
        """Put a file; it replaces an earlier one."""


class _Order(NamedTuple):
    """A new batch, and its idempotency record if it has one."""

    batch_id: str
    name: IdempotencyRecord | None
    now: datetime


class OpenBatch:
    """Record a batch and start its execution."""

    def __init__(
        self,
        *,
        batches: BatchStore,
        files: InputStore,
        requests: IdempotencyStore,
        workflow: BatchWorkflow,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._batches = batches
        self._files = files
        self._requests = requests
        self._workflow = workflow
        self._clock = clock
        self._new_id = new_id

    def __call__(self, request: CreateBatchRequest, *, caller: Caller, request_context: RequestContext) -> Batch:
        """Create a batch from a request, once for each Idempotency-Key.

        Raises:
            InvalidRequest: there is no such file; nothing was recorded.
            IdempotencyKeyReused: the caller's key names another request.
            RateExceeded: the caller's rate limit has no room for one more request.
            Contention: other writers hold the same records; sending again is safe.
        """
        order = self._name(request.fingerprint(), caller, request_context)
        known = self._find_known(order, caller)
        if known is not None:
            return known
        if request.rows is not None:
            put = self._files.put(input_key(order.batch_id), write_input(request.rows))
            source = BatchSource(key=put.key, version_id=put.version_id, format="jsonl")
        else:
            source = find_source(self._files, str(request.file), caller)
        return self._record(order, source.model_copy(update={"templates": request.templates}), caller)

    def take_file(self, source: BatchSource, *, caller: Caller, request_context: RequestContext) -> Batch:
        """Create a batch from a file in the bucket; each version of a file becomes one batch.

        Raises:
            Contention: other writers hold the same records; calling again with the same file is safe.
        """
        order = self._name(f"{source.key} {source.version_id}", caller, request_context)
        return self._find_known(order, caller) or self._record(order, source, caller)

    def _name(self, fingerprint: str, caller: Caller, request_context: RequestContext) -> _Order:
        now, batch_id = self._clock(), self._new_id()
        if request_context.idempotency_key is None:
            return _Order(batch_id, None, now)
        return _Order(
            batch_id,
            identify_request(caller.owner, request_context.idempotency_key, fingerprint, batch_id, now=now),
            now,
        )

    def _find_known(self, order: _Order, caller: Caller) -> Batch | None:
        known = None if order.name is None else self._requests.find(order.name, now=order.now)
        if order.name is None or known is None:
            return None
        if known.fingerprint != order.name.fingerprint:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another request in the last 24 hours. Nothing was recorded; use a "
                "new key for a new batch."
            )
        return self._batches.get(known.video_id, caller=caller)

    def _record(self, order: _Order, source: BatchSource, caller: Caller) -> Batch:
        batch = Batch(
            id=order.batch_id,
            caller=BatchCaller.model_validate(caller.model_dump()),
            source=source,
            created_at=order.now,
            updated_at=order.now,
            due_at=order.now + LOOK_AGAIN_AFTER,
        )
        conditions: list[Change] = []
        if order.name is not None:
            conditions.append(Create(order.name, now=int(order.now.timestamp())))
        if caller.rate_per_minute is not None:  # guard: batch counted
            # This counts the request itself; each row is counted when it is submitted.
            conditions.append(count_call(caller.owner, order.now, per_minute=caller.rate_per_minute))
        try:
            self._batches.create(batch, conditions=conditions)
        except VersionConflict as conflict:
            # A request accepted before gets the same answer again, even if the rate limit is now used up.
            known = self._find_known(order, caller)
            if known is not None:
                return known
            if caller.rate_per_minute is not None and len(conditions) in conflict.changes:
                raise RateExceeded(
                    f"This key may ask for {caller.rate_per_minute} videos a minute, and a batch counts as one more "
                    "request. Nothing was recorded; wait for the next minute."
                ) from conflict
            raise Contention(
                "The record of this Idempotency-Key is just being removed; send the request again."
            ) from conflict
        with suppress(NotStarted):  # the sweep starts it
            self._workflow.start(batch.id, batch.step, batch.run)
        return batch


def find_source(files: UploadFinder, upload_id: str, caller: Caller) -> BatchSource:
    """Find the file of a batch that a caller uploaded.

    Raises:
        InvalidRequest: there is none, or it is of another type.
    """
    try:
        found = files.find_upload(caller.owner, upload_id)
    except NotFound as error:
        raise InvalidRequest(
            f"There is no upload {upload_id}: first PUT the file to the URL that POST /uploads returned.",
            param="file",
            code="invalid_value",
        ) from error
    file_format = _FORMATS.get(found.content_type)
    if file_format is None:
        raise InvalidRequest(
            f"The upload {upload_id} is {found.content_type}, and a batch is made from {' or '.join(_FORMATS)}.",
            param="file",
            code="invalid_value",
        )
    return BatchSource(key=found.key, version_id=found.version_id, format=file_format)


class ReadBatches:
    """Read batches for a caller."""

    def __init__(self, *, batches: BatchStore, videos: VideoStore, media: Presigner) -> None:
        self._batches = batches
        self._videos = videos
        self._media = media

    def retrieve(self, batch_id: str, *, caller: Caller) -> BatchView:
        """Read a batch, and count its videos.

        Raises:
            NotFound: there is none, or another owner's; a caller cannot tell the two apart.
        """
        return self._count(self._batches.get(batch_id, caller=caller))

    def list_batches(self, query: BatchListQuery, *, caller: Caller) -> tuple[list[BatchView], bool]:
        """List a page of the caller's batches, and tell whether there are more."""
        page: BatchPage = self._batches.list_page(caller.owner, limit=query.limit, after=query.after)
        return [self._count(batch) for batch in page.batches], page.has_more

    def locate(self, batch_id: str, file_format: str, *, caller: Caller) -> str:
        """Give a short-lived URL of the results.

        Raises:
            NotFound: there is no such batch of this caller.
            InvalidRequest: it has no results, or none yet.
        """
        batch = self._batches.get(batch_id, caller=caller)
        if not batch.has_results:
            raise InvalidRequest(f"The batch is {tell_status(batch)}: it has no results.", code="batch_not_ready")
        return self._media.presign_download(results_key(batch_id, file_format), filename=f"{batch_id}.{file_format}")

    def _count(self, batch: Batch) -> BatchView:
        totals = self._batches.count(batch.id)
        if batch.stage is BatchStage.DONE:
            return BatchView(batch, totals, completed=batch.completed, failed=batch.failed)
        statuses = self._videos.count_batch(batch.caller.owner, batch.id)
        return BatchView(
            batch,
            totals,
            queued=statuses[VideoStatus.QUEUED],
            in_progress=statuses[VideoStatus.IN_PROGRESS],
            completed=statuses[VideoStatus.COMPLETED],
            failed=statuses[VideoStatus.FAILED],
        )


class CancelBatch:
    """Start no more videos of a batch, and cancel those that shall not be made."""

    def __init__(self, *, batches: BatchStore, workflow: BatchWorkflow, clock: Clock) -> None:
        self._batches = batches
        self._workflow = workflow
        self._clock = clock

    def __call__(self, batch_id: str, request: CancelBatchRequest, *, caller: Caller) -> None:
        """Cancel a batch; calling again continues an interrupted cancellation.

        Raises:
            NotFound: there is no such batch of this caller.
            NotAllowedInState: it is over.
            VersionConflict: other writers changed the record at each try; nothing was changed.
        """
        for _ in range(_TRIES_MAX):
            batch = self._batches.get(batch_id, caller=caller)
            if tell_status(batch) == "cancelled":
                return
            if batch.stage not in STAGES_TO_CANCEL:
                raise NotAllowedInState(f"The batch is {tell_status(batch)}: nothing is left to cancel.")
            is_all = request.running or batch.cancel is CancelScope.RUNNING
            # Before this stage, the execution that submits the rows cancels after it has read all of them.
            is_taken = batch.stage is BatchStage.RUNNING
            try:
                batch = self._batches.note(
                    batch,
                    now=self._clock(),
                    cancel=CancelScope.RUNNING if is_all else CancelScope.WAITING,
                    cancel_run=batch.cancel_run + is_taken,
                )
            except VersionConflict:
                continue
            if is_taken:
                with suppress(NotStarted):  # the sweep starts it
                    self._workflow.start(batch.id, BatchStep.CANCEL, batch.cancel_run)
            return
        raise VersionConflict(f"Other workers keep writing {batch_id}; cancel it again.")
