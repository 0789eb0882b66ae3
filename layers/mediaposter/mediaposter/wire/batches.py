"""Batches on the wire: requests, responses, and the lines of the files between the steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from pydantic import model_validator as validate_model

from mediaposter.domain.errors import NotFound
from mediaposter.domain.problem import Problem
from mediaposter.stores.batches import BATCH_ID_MAX_CHARACTERS, Batch, BatchStage, BatchTotals
from mediaposter.wire.bodies import parse_body, validate_fields
from mediaposter.wire.errors import ErrorDetail, present_problem
from mediaposter.wire.intake import AnsweredFile
from mediaposter.wire.objects import ListObject, list_page
from mediaposter.wire.pictures import PictureUrl, UploadReference
from mediaposter.wire.queries import LIST_LIMIT, Limit, Name, Query
from mediaposter.wire.requests import CreateVideoRequest, RequestBody
from mediaposter.wire.row_templates import PromptTemplate, TextTemplate, TitleTemplate
from mediaposter.wire.rows import ROWS_MAX, Row
from mediaposter.wire.video_object import to_dollars

# The work of one function call: some seconds, and a few megabytes at most.
PART_ROWS_MAX = 25

UploadId = Annotated[str, StringConstraints(pattern=r"^upload_[0-9a-f]{32}$")]
BatchStatus = Literal["validating", "in_progress", "finalizing", "completed", "failed", "cancelling", "cancelled"]
_STATUSES: dict[BatchStage, BatchStatus] = {
    BatchStage.READING: "validating",
    BatchStage.TAKING: "in_progress",
    BatchStage.RUNNING: "in_progress",
    BatchStage.WRITING: "finalizing",
}


class CreateBatchRequest(RequestBody):
    """POST /batches: the rows themselves, or the id of a file that was put to the URL of POST /uploads.

    A row has the fields of POST /videos, and an `id` of the caller's own. What is wrong with one the results say.
    `template` makes the prompt of each row from its columns, as "A {product} on {place}"; `text_template` and
    `title_template` do so with the texts of posts. Rows may have further columns that a template names.
    """

    # A row whose text cannot be encoded is refused alone, when it is read.
    unchecked_fields = frozenset({"rows"})

    rows: Annotated[list[JsonValue], Field(min_length=1, max_length=ROWS_MAX)] | None = None
    file: UploadId | None = None
    template: PromptTemplate | None = None
    text_template: TextTemplate | None = None
    title_template: TitleTemplate | None = None

    @validate_model(mode="after")
    def _choose_one(self) -> CreateBatchRequest:
        if (self.rows is None) == (self.file is None):
            raise ValueError("must have either rows or a file, not both")
        return self

    @property
    def templates(self) -> dict[str, str]:
        """Give the templates by the field that each makes."""
        texts = {"prompt": self.template, "text": self.text_template, "title": self.title_template}
        return {field: text for field, text in texts.items() if text is not None}

    def fingerprint(self) -> str:
        """Return a hash that is equal for equal requests."""
        content = ["batch", self.rows, self.file, *([self.templates] if self.templates else [])]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class CancelBatchRequest(RequestBody):
    """POST /batches/{id}/cancel: whether what is rendered already is stopped, too."""

    running: bool = False


class BatchListQuery(Query):
    """GET /batches: the newest first, `after` the `last_id` of the page before."""

    after: Name | None = None
    limit: Limit = LIST_LIMIT


class ResultsQuery(Query):
    """GET /batches/{id}/results: the format."""

    format: Literal["csv", "jsonl"] = "jsonl"


def parse_create_batch(body: bytes, content_type: str) -> CreateBatchRequest:
    """Read the body of POST /batches.

    Raises:
        InvalidRequest: names the field and the rule.
    """
    return validate_fields(CreateBatchRequest, parse_body(body, content_type, allow_form=False).fields)


def parse_cancel_batch(body: bytes, content_type: str) -> CancelBatchRequest:
    """Read the body of POST /batches/{id}/cancel, which may have none.

    Raises:
        InvalidRequest: names the field and the rule.
    """
    if not body:
        return CancelBatchRequest()
    return validate_fields(CancelBatchRequest, parse_body(body, content_type, allow_form=False).fields)


def check_batch_id(batch_id: str) -> str:
    """Refuse text that cannot be the id of a batch.

    Raises:
        NotFound: there is no such batch.
    """
    if not batch_id.startswith("batch_") or len(batch_id) > BATCH_ID_MAX_CHARACTERS:
        raise NotFound("There is no batch with this id.", what="batch")
    return batch_id


def write_input(rows: Sequence[JsonValue]) -> bytes:
    """Write the rows of a request as a file, one row a line."""
    # In ASCII: JSON can escape lone surrogates, which UTF-8 cannot encode.
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


# The input of the steps, and the lines of the files between them.


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class BatchStepInput(_Line):
    """The batch that a step works on."""

    batch_id: str


class RowLine(_Line):
    """A row as parsed, or its refusal; a picture in the row is stored as an upload."""

    row: int
    line: int
    row_id: str | None = None
    request: CreateVideoRequest | None = None
    error: Problem | None = None


class PartLine(_Line):
    """A chunk of consecutive rows, by its position in the file of rows."""

    batch_id: str = Field(max_length=BATCH_ID_MAX_CHARACTERS)
    part: int
    first_byte: int
    size_bytes: int


class OutcomeLine(_Line):
    """The result of a row: a video, or the reason why there is none."""

    row: int
    line: int
    row_id: str | None = None
    video_id: str | None = None
    error: Problem | None = None


def write_row(row: Row) -> bytes:
    """Write a row as a line.

    Args:
        row: a row without an inline picture, for which JSON would only hold a hash.
    """
    fields = None
    if row.request is not None:
        fields = row.request.model_dump(mode="json", exclude_unset=True)
        reference = row.request.input_reference
        if isinstance(reference, PictureUrl):
            fields["input_reference"] = reference.url
        elif isinstance(reference, UploadReference):
            fields["input_reference"] = reference.upload_id
    error = row.error.model_dump() if row.error else None
    content = {"row": row.number, "line": row.line, "row_id": row.row_id, "request": fields, "error": error}
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def write_lines(lines: Iterable[BaseModel]) -> bytes:
    """Write one object a line."""
    return b"".join(line.model_dump_json(exclude_none=True).encode() + b"\n" for line in lines)


def read_row_lines(content: bytes) -> list[RowLine]:
    """Read rows as they were written."""
    return [RowLine.model_validate_json(line) for line in content.splitlines()]


def read_parts(content: bytes) -> list[PartLine]:
    """Read the chunks of a batch."""
    return [PartLine.model_validate_json(line) for line in content.splitlines()]


def read_outcomes(content: bytes) -> list[OutcomeLine]:
    """Read the results of the rows of a chunk."""
    return [OutcomeLine.model_validate_json(line) for line in content.splitlines()]


# # Responses.


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class RequestCounts(_Answer):
    """The rows of a batch, by what became of them: a refused one is no video. OpenAI's three, and ours.

    `total` is known when the file was read, `refused` when all rows were looked at.
    """

    total: int
    completed: int
    failed: int
    queued: int
    in_progress: int
    refused: int


class BatchErrorObject(_Answer):
    """Why a batch failed; `param` is a column of its file, if one is wrong."""

    code: str
    message: str
    param: str | None


class ResultLinks(_Answer):
    """Where the results of the rows can be downloaded, with an API key."""

    jsonl: str
    csv: str


class BatchObject(_Answer):
    """A batch as the API answers it. Times are seconds since 1970; what it cost so far is dollars as text."""

    id: str
    object: Literal["batch"] = "batch"
    status: BatchStatus
    created_at: int
    ended_at: int | None
    request_counts: RequestCounts
    cost_usd: str
    error: BatchErrorObject | None
    results: ResultLinks | None


class BatchView(NamedTuple):
    """A batch and its counts; `queued` and the others count its videos by status."""

    batch: Batch
    totals: BatchTotals
    queued: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0


def present_batch(view: BatchView, *, base_url: str) -> BatchObject:
    """Write a batch as the API answers it."""
    batch = view.batch
    results = f"{base_url}/batches/{batch.id}/results?format="
    return BatchObject(
        id=batch.id,
        status=tell_status(batch),
        created_at=int(batch.created_at.timestamp()),
        ended_at=int(batch.ended_at.timestamp()) if batch.ended_at else None,
        request_counts=RequestCounts(
            total=batch.rows,
            completed=view.completed,
            failed=view.failed,
            queued=view.queued,
            in_progress=view.in_progress,
            refused=batch.refused,
        ),
        cost_usd=to_dollars(view.totals.spent_micros),
        error=BatchErrorObject.model_validate(batch.failure.model_dump()) if batch.failure else None,
        results=ResultLinks(jsonl=f"{results}jsonl", csv=f"{results}csv") if batch.has_results else None,
    )


def present_batches(views: Sequence[BatchView], *, has_more: bool, base_url: str) -> ListObject[BatchObject]:
    """Write a page of batches."""
    data = [present_batch(view, base_url=base_url) for view in views]
    return list_page(data, [batch.id for batch in data], has_more=has_more)


def tell_status(batch: Batch) -> BatchStatus:
    """Map a batch to a status of OpenAI's batches."""
    if batch.stage is BatchStage.DONE:
        if batch.failure is not None:
            return "failed"
        return "completed" if batch.cancel is None else "cancelled"
    return _STATUSES[batch.stage] if batch.cancel is None else "cancelling"


class TakenBatch(_Answer):
    """A batch once all of its rows were checked."""

    id: str
    rows: int
    refused: int


class BatchAnswer(_Answer):
    """The result object of a dropped file: for each row its video or its error; or the error of the whole file."""

    request: AnsweredFile
    batch: TakenBatch
    rows: list[OutcomeLine]
    error: ErrorDetail | None


def present_answer(batch: Batch, outcomes: list[OutcomeLine], failure: Problem | None = None) -> BatchAnswer:
    """Write the result object of a batch's file."""
    return BatchAnswer(
        request=AnsweredFile(key=batch.source.key, version_id=batch.source.version_id),
        batch=TakenBatch(id=batch.id, rows=batch.rows, refused=batch.refused),
        rows=outcomes,
        error=present_problem(failure) if failure else None,
    )
