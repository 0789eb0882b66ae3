"""Files of requests: one as JSON, many as JSONL or CSV, read while their bytes come.

What is wrong with a row is said of that row, and no other suffers from it. What is wrong with the file is raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from mediaposter.api.columns import ROW_ID, Columns
from mediaposter.api.pictures import REQUEST_PICTURE_MAX_BYTES
from mediaposter.api.records import ROW_MAX_BYTES, Record, decode_text, drop_bom, read_records
from mediaposter.api.requests import CreateVideoRequest, parse_json_object, validate_fields
from mediaposter.errors import InvalidRequest

ROWS_MAX = 10_000
ROW_ID_MAX_CHARACTERS = 128
# As POST /videos takes it: a picture may lie in it as a data URL.
REQUEST_MAX_BYTES = REQUEST_PICTURE_MAX_BYTES * 4 // 3 + ROW_MAX_BYTES

_ROW_ID = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{ROW_ID_MAX_CHARACTERS}}}")


class RowError(BaseModel):
    """What is wrong with a row; `param` is the field or the column, where it is one."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    param: str | None = None


class Row(NamedTuple):
    """A row: its request, or what is wrong with it.

    `number` counts from 1, blank rows too but not a header, and `line` is where in the file the row begins: a quoted
    cell may have several. `row_id` is the caller's own, of a row that is wrong where it can be told.
    """

    number: int
    request: CreateVideoRequest | None
    row_id: str | None
    error: RowError | None
    line: int


def read_json(content: bytes) -> CreateVideoRequest:
    """Read a file that is one request, with the fields of POST /videos.

    Raises:
        InvalidRequest: naming the field, or what the file is instead.
    """
    if len(content) > REQUEST_MAX_BYTES:
        raise InvalidRequest(
            f"The file has {len(content)} bytes, and a request may have {REQUEST_MAX_BYTES} at most.",
            code="request_too_large",
        )
    text = decode_text(drop_bom(content), name="The file")
    return validate_fields(CreateVideoRequest, parse_json_object(text, name="The file"))


def read_jsonl(chunks: Iterable[bytes]) -> Iterator[Row]:
    """Read a file with one request on each line: the fields of POST /videos, and the caller's own `id`.

    Args:
        chunks: the bytes of the file, in order; blank lines are passed over.

    Raises:
        InvalidRequest: while it is iterated; the file is no text, empty or too large. Rows that were given stand.
    """
    yield from _read_rows(
        read_records(chunks, has_quotes=False), header_number=0, parse=_parse_line, validate=_validate_line
    )


def read_csv(chunks: Iterable[bytes]) -> Iterator[Row]:
    """Read a file with one request in each row below a header, whose columns `api.columns` describes.

    Args:
        chunks: the bytes of the file, in order; blank rows are passed over.

    Raises:
        HeaderError: while it is iterated, before any row is given; a column is wrong or missing.
        InvalidRequest: while it is iterated; the file is no text, empty or too large. Rows that were given stand.
    """
    records = read_records(chunks, has_quotes=True)
    for header in records:
        if header.content is None or header.content.strip():
            columns = Columns.read(header)
            yield from _read_rows(records, header_number=header.number, parse=columns.parse, validate=columns.validate)
            return
    raise _refuse_empty()


def _parse_line(text: str) -> dict[str, Any] | None:
    return parse_json_object(text, name="The row") if text.strip() else None


def _validate_line(fields: dict[str, Any]) -> CreateVideoRequest:
    return validate_fields(CreateVideoRequest, fields)


_Parse = Callable[[str], dict[str, Any] | None]
_Validate = Callable[[dict[str, Any]], CreateVideoRequest]


def _read_rows(records: Iterator[Record], *, header_number: int, parse: _Parse, validate: _Validate) -> Iterator[Row]:
    numbers: dict[str, int] = {}  # of the rows, by their ids
    is_empty = True
    for record in records:
        number = record.number - header_number
        row = _read_row(record, number, numbers, parse, validate)
        if row is None:
            continue
        if number > ROWS_MAX:
            raise InvalidRequest(
                f"The file has more than {ROWS_MAX:,} rows, the most that one may have. Split it into several.",
                code="too_many_rows",
            )
        is_empty = False
        yield row
    if is_empty:
        raise _refuse_empty()


def _read_row(record: Record, number: int, numbers: dict[str, int], parse: _Parse, validate: _Validate) -> Row | None:
    row_id = None
    try:
        fields = parse(record.decode())
        if fields is None:
            return None
        row_id = _read_id(fields.pop(ROW_ID, None))
        if row_id is not None:
            _refuse_repeated(row_id, number, numbers)
        return Row(number, validate(fields), row_id, None, record.line)
    except InvalidRequest as refusal:
        error = RowError(code=refusal.code, message=refusal.message, param=refusal.param)
        return Row(number, None, row_id, error, record.line)


def _read_id(value: object) -> str | None:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if text is None or (isinstance(text, str) and _ROW_ID.fullmatch(text)):
        return text
    raise InvalidRequest(
        f"id: must be a text of 1 to {ROW_ID_MAX_CHARACTERS} characters on one line.",
        param=ROW_ID,
        code="invalid_value",
    )


def _refuse_repeated(row_id: str, number: int, numbers: dict[str, int]) -> None:
    first = numbers.setdefault(row_id, number)
    if first != number:
        raise InvalidRequest(f"id: row {first} has it already.", param=ROW_ID, code="duplicate_id")


def _refuse_empty() -> InvalidRequest:
    return InvalidRequest("The file has no rows.", code="empty_file")
