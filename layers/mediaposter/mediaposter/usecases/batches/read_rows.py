"""The step that reads the file of a batch into rows, in chunks.

It can run again after a crash at any point: it writes the same files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Protocol

from mediaposter.domain.errors import InvalidRequest, NotFound
from mediaposter.domain.problem import Problem
from mediaposter.stores.batch_files import parts_key, rows_key
from mediaposter.stores.batches import Batch, BatchStage, BatchStore
from mediaposter.stores.rate import count_rows_per_minute
from mediaposter.usecases.batches.finish import EndBatch
from mediaposter.usecases.batches.rows import TAKING_MAX, BatchOutcome, BatchResult, RowFiles, write_result
from mediaposter.usecases.batches.submit import Clock
from mediaposter.wire.batches import PART_ROWS_MAX, PartLine, write_lines, write_row
from mediaposter.wire.pictures import UploadedPicture, UploadReference
from mediaposter.wire.row_templates import RowTemplates
from mediaposter.wire.rows import Row, read_csv, read_jsonl

ROW_READERS: Mapping[str, Callable[[Iterator[bytes], RowTemplates], Iterator[Row]]] = MappingProxyType(
    {"csv": read_csv, "jsonl": read_jsonl}
)


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
            for row in ROW_READERS[batch.source.format](chunks, RowTemplates.read(batch.source.templates)):
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
        write_result(self._files, batch, [], failure)
        self._end(batch.id, failure=failure)


def _explain(error: InvalidRequest | NotFound) -> Problem:
    if isinstance(error, InvalidRequest):
        return error.problem
    return Problem(code="file_not_found", message="The file was removed before it was read. Send it again.")


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
