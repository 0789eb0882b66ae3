"""The steps that turn the file of a batch into videos: read its rows, submit them in chunks, record each outcome.

Each step can run again after a crash at any point: the idempotency record of a row allows one video at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import IO, Protocol

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    NotStarted,
    PartiallyDone,
    RateExceeded,
    RequestRefused,
    WriteConflict,
)
from mediaposter.domain.problem import Problem
from mediaposter.stores.batch_files import outcomes_key, parts_key, rows_key
from mediaposter.stores.batches import (
    STAGES_BEFORE_VIDEOS,
    Batch,
    BatchStage,
    BatchStore,
)
from mediaposter.stores.idempotency import IdempotencyStore, identify_request
from mediaposter.stores.keys import ApiKey, Scope
from mediaposter.stores.rate import count_rows_per_minute
from mediaposter.usecases.batches.finish import EndBatch
from mediaposter.usecases.requests.submit import SubmitVideo
from mediaposter.wire.batches import (
    PART_ROWS_MAX,
    OutcomeLine,
    PartLine,
    RowLine,
    present_answer,
    read_outcomes,
    read_parts,
    read_row_lines,
    write_lines,
    write_row,
)
from mediaposter.wire.caller import Caller
from mediaposter.wire.pictures import UploadedPicture, UploadReference
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.requests import CreateVideoRequest
from mediaposter.wire.rows import Row, read_csv, read_jsonl

Clock = Callable[[], datetime]

# How long rows wait for their key's rate limit. An execution ends after a day, and the idempotency records of the rows
# are kept as long.
TAKING_MAX = timedelta(hours=20)

ROW_READERS: Mapping[str, Callable[[Iterator[bytes]], Iterator[Row]]] = MappingProxyType(
    {"csv": read_csv, "jsonl": read_jsonl}
)
_NOT_TAKEN = Problem(
    code="not_taken",
    message="The service was too busy to take this row, or failed. Nothing was rendered; send it again.",
)
_CANCELLED = Problem(code="cancelled", message="The batch was cancelled before this row was taken.")
_KEY_IS_GONE = Problem(
    code="invalid_api_key",
    message="The API key that asked for this batch was revoked, or had expired, before this row was taken. Nothing was "
    "recorded for it; send the row again with another key.",
)
# A postponed row is not over: a later try submits it.
_PUT_OFF = Problem(
    code="rate_limit_exceeded",
    message="The key's rate limit had no room for this row. Nothing was recorded for it; send it again.",
)
# By code: a step may read an outcome that an earlier version of this stack wrote, with another message.
_NOT_OVER = frozenset({_NOT_TAKEN.code, _PUT_OFF.code})


class BatchOutcome(StrEnum):
    """Which way the state machine continues."""

    READ = "read"  # submit the rows next
    TAKEN = "taken"  # the videos are being made
    CANCELLED = "cancelled"  # cancel the videos next
    OVER = "over"  # nothing is left to do


class BatchResult(BaseModel):
    """The result of a step."""

    model_config = ConfigDict(frozen=True)

    outcome: BatchOutcome


class RowFiles(Protocol):
    """Stores the files of batches."""

    def open_version(self, key: str, version_id: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open a version of a file for one read. Raises NotFound."""

    def read(self, key: str) -> bytes:
        """Read a file. Raises NotFound."""

    def read_range(self, key: str, first_byte: int, size_bytes: int) -> bytes:
        """Read some of a file. Raises NotFound."""

    def put(self, key: str, content: bytes, *, content_type: str = ...) -> object:
        """Put a file; it replaces an earlier one."""

    def write(self, *keys: str) -> AbstractContextManager[IO[bytes]]:
        """Write a file under several keys when the block ends without an error."""


class PictureKeeper(Protocol):
    """Stores the pictures of requests until their videos are made."""

    def keep_upload(self, owner: str, upload_id: str, content: bytes, content_type: str) -> None: ...


class ReadRows:
    """Read the file of a batch: each row becomes a request or an error."""

    def __init__(
        self,
        *,
        batches: BatchStore,
        files: RowFiles,
        pictures: Callable[[], PictureKeeper],
        end: EndBatch,
        clock: Clock,
    ) -> None:
        self._batches = batches
        self._files = files
        self._pictures = pictures
        self._end = end
        self._clock = clock

    def __call__(self, batch_id: str) -> BatchResult:
        """Write the parsed rows and the list of chunks. An error of the file itself ends the batch."""
        batch = self._batches.get_unchecked(batch_id)
        if batch.stage is BatchStage.READING:
            try:
                rows = self._write(batch)
            except (InvalidRequest, NotFound) as error:
                self._refuse(batch, _explain(error))
                return BatchResult(outcome=BatchOutcome.OVER)
            batch = self._batches.advance(batch_id, BatchStage.TAKING, now=self._clock(), rows=rows)
        is_taking = batch.stage is BatchStage.TAKING
        return BatchResult(outcome=BatchOutcome.READ if is_taking else BatchOutcome.OVER)

    def _write(self, batch: Batch) -> int:
        rows = first_byte = size_bytes = 0
        parts: list[PartLine] = []

        def end_part() -> None:
            parts.append(
                PartLine(batch_id=batch.id, part=len(parts), first_byte=first_byte, size_bytes=size_bytes - first_byte)
            )

        with (
            self._files.open_version(batch.source.key, batch.source.version_id) as chunks,
            self._files.write(rows_key(batch.id)) as file,
        ):
            for row in ROW_READERS[batch.source.format](chunks):
                rows += 1
                size_bytes += file.write(write_row(self._keep_picture(batch, row)))
                if rows % PART_ROWS_MAX == 0:
                    end_part()
                    first_byte = size_bytes
            if size_bytes > first_byte:
                end_part()
        check_rate(batch.caller.rate_per_minute, rows)
        self._files.put(parts_key(batch.id), write_lines(parts))
        return rows

    def _keep_picture(self, batch: Batch, row: Row) -> Row:
        """Store the picture in a row as an upload, with the same id each time the row is read."""
        if row.request is None or not isinstance(row.request.input_reference, UploadedPicture):
            return row
        picture = row.request.input_reference
        upload_id = f"upload_{sha256(f'{batch.id} {row.number}'.encode()).hexdigest()[:32]}"
        self._pictures().keep_upload(batch.caller.owner, upload_id, picture.content, picture.content_type)
        request = row.request.model_copy(update={"input_reference": UploadReference(upload_id=upload_id)})
        return row._replace(request=request)

    def _refuse(self, batch: Batch, failure: Problem) -> None:
        _lay_answer(self._files, batch, [], failure)
        self._end(batch.id, failure=failure)


def _explain(error: InvalidRequest | NotFound) -> Problem:
    if isinstance(error, InvalidRequest):
        return error.problem
    return Problem(code="file_not_found", message="The file was removed before it was read. Send it again.")


def explain_forbidden(refusal: Forbidden) -> Problem:
    """Describe why the key may not do what a row asks for; a missing right to post is that of the targets."""
    problem = refusal.problem
    return problem.model_copy(update={"param": "publish"}) if refusal.scope == Scope.PUBLISH else problem


def check_rate(rate_per_minute: int | None, rows: int) -> None:
    """Refuse a batch with more rows than its key's rate limit allows before the batch must end.

    Raises:
        InvalidRequest: says how many rows it allows.
    """
    if rate_per_minute is None:
        return
    per_minute = count_rows_per_minute(rate_per_minute)
    hours = TAKING_MAX // timedelta(hours=1)
    rows_max = per_minute * (TAKING_MAX // timedelta(minutes=1))
    if rows > rows_max:
        raise InvalidRequest(
            f"The file has {rows:,} rows. By its rate of {rate_per_minute} a minute this key takes "
            f"{rows_max:,} in the {hours} hours that a batch has. No row was taken; send smaller files, or use a key "
            "with a higher rate.",
            code="too_many_rows",
        )


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
        clock: Clock,
    ) -> None:
        """Take the collaborators.

        Args:
            batches: the records of the batches.
            files: their files.
            submit: submits a row as a video.
            requests: the idempotency records of the rows.
            find_key: finds the key of a hash, if the key is still valid.
            clock: the time in UTC.
        """
        self._batches = batches
        self._files = files
        self._submit = submit
        self._requests = requests
        self._find_key = find_key
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
            is_full = is_full or outcome.error == _PUT_OFF
            outcomes.append(outcome)
        batch = self._batches.get_unchecked(part.batch_id)
        if batch.stage is not BatchStage.TAKING:
            # The rows were counted meanwhile by their idempotency records: a late try must not overwrite that.
            return
        self._files.put(outcomes_key(part.batch_id, part.part), write_lines(outcomes))
        put_off = sum(outcome.error == _PUT_OFF for outcome in outcomes)
        if put_off and self._clock() < batch.created_at + TAKING_MAX:
            raise RateExceeded(f"{put_off} of {len(lines)} rows of part {part.part} wait for room in a minute.")
        left = sum(outcome.error == _NOT_TAKEN for outcome in outcomes)
        if left:
            raise PartiallyDone(f"{left} of {len(lines)} rows of part {part.part} could not be taken just now.")

    def _read_told(self, part: PartLine) -> dict[int, OutcomeLine]:
        """Read the outcomes of an earlier try, for the rows that are over."""
        try:
            told = read_outcomes(self._files.read(outcomes_key(part.batch_id, part.part)))
        except NotFound:
            return {}
        return {outcome.row: outcome for outcome in told if not _is_open(outcome)}

    def _take(self, batch_id: str, line: RowLine, *, is_full: bool) -> OutcomeLine:
        """Submit a row, or say why not; `is_full` says that the rate limit has no room."""
        if line.request is None:
            return _describe(line, error=line.error)
        # Read for each row: the batch can be cancelled and its key revoked at any time.
        batch = self._batches.get_unchecked(batch_id)
        if batch.cancel is not None or batch.stage is not BatchStage.TAKING:
            return self._find_or_refuse(batch, line, _CANCELLED)
        caller = self._find_caller(batch)
        if caller is None:
            return self._find_or_refuse(batch, line, _KEY_IS_GONE)
        if is_full:
            return self._find_or_refuse(batch, line, _PUT_OFF)
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
        return _describe(line, video_id=video_id, error=None if video_id else error)

    def _submit_row(self, batch: Batch, line: RowLine, request: CreateVideoRequest, caller: Caller) -> OutcomeLine:
        if caller.rate_per_minute is not None:
            rows_per_minute = count_rows_per_minute(caller.rate_per_minute)
            caller = caller.model_copy(update={"rate_per_minute": rows_per_minute})  # guard: rows leave room
        try:
            caller.require(Scope.CREATE)  # guard: scope create
            submission = self._submit(
                request,
                caller=caller,
                request_context=RequestContext(idempotency_key=_name_row(batch.id, line.row)),
                batch_id=batch.id,
            )
        except RequestRefused as refusal:
            return _describe(line, error=refusal.problem)
        except Forbidden as refusal:
            return self._find_or_refuse(batch, line, explain_forbidden(refusal))
        except RateExceeded:
            return _describe(line, error=_PUT_OFF)
        except (WriteConflict, NotStarted):
            return _describe(line, error=_NOT_TAKEN)
        return _describe(line, video_id=submission.video.id)


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
            _lay_answer(self._files, batch, [], failure)
            self._end(batch_id, failure=failure)
            return BatchResult(outcome=BatchOutcome.OVER)
        if batch.stage in STAGES_BEFORE_VIDEOS:
            parts = read_parts(self._files.read(parts_key(batch_id)))
            outcomes = [outcome for part in parts for outcome in self._settle(batch, part)]
            refused = sum(outcome.video_id is None for outcome in outcomes)
            _lay_answer(self._files, batch.copy_with(refused=refused), outcomes)
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
            told = [_describe(line, error=line.error or _NOT_TAKEN) for line in lines]
        if not any(_is_open(outcome) for outcome in told):
            return told
        settled = [self._find_out(batch, outcome) for outcome in told]
        self._files.put(key, write_lines(settled))
        return settled

    def _find_out(self, batch: Batch, outcome: OutcomeLine) -> OutcomeLine:
        video_id = find_taken(self._requests, batch, outcome.row, now=self._clock()) if _is_open(outcome) else None
        return outcome.model_copy(update={"video_id": video_id, "error": None}) if video_id else outcome


def _is_open(outcome: OutcomeLine) -> bool:
    """Tell whether a later try may still submit the row."""
    return outcome.error is not None and outcome.error.code in _NOT_OVER


def find_taken(requests: IdempotencyStore, batch: Batch, row: int, *, now: datetime) -> str | None:
    """Find the video that a row became."""
    # The lookup uses only the name; the request and the video are in the record that is found.
    known = requests.find(identify_request(batch.caller.owner, _name_row(batch.id, row), "", "", now=now), now=now)
    return known.video_id if known else None


def _name_row(batch_id: str, row: int) -> str:
    return f"batch:{batch_id}:{row}"


def _describe(line: RowLine, *, video_id: str | None = None, error: Problem | None = None) -> OutcomeLine:
    return OutcomeLine(row=line.row, line=line.line, row_id=line.row_id, video_id=video_id, error=error)


def _lay_answer(files: RowFiles, batch: Batch, outcomes: list[OutcomeLine], failure: Problem | None = None) -> None:
    """Write the result for the file of a batch, if it came from the inbox."""
    stem = batch.source.answer_stem
    if stem is not None:
        content = present_answer(batch, outcomes, failure).model_dump_json().encode()
        files.put(f"{stem}.result.json", content, content_type="application/json")
