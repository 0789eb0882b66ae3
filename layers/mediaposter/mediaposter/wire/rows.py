"""Read files of requests while their bytes arrive: one request as JSON, many as JSONL or CSV.

An error in a row belongs to that row, and does not affect the others. An error in the file is raised.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from mediaposter.domain.errors import InvalidRequest, RequestTooLarge
from mediaposter.domain.problem import Problem
from mediaposter.domain.text import refuse_unwritable
from mediaposter.wire.bodies import parse_json_object, validate_fields
from mediaposter.wire.cells import read_whole_number, refuse_failed_formula
from mediaposter.wire.columns import NETWORKS, ROW_ID, Columns
from mediaposter.wire.pictures import REQUEST_PICTURE_MAX_BYTES
from mediaposter.wire.records import ROW_MAX_BYTES, BrokenFile, Record, decode_text, drop_bom, read_records
from mediaposter.wire.requests import CreateVideoRequest
from mediaposter.wire.row_templates import NO_TEMPLATES, RowTemplates

ROWS_MAX = 10_000
ROW_ID_MAX_CHARACTERS = 128
# As POST /videos takes it: it may hold a picture as a data URL.
REQUEST_MAX_BYTES = REQUEST_PICTURE_MAX_BYTES * 4 // 3 + ROW_MAX_BYTES

_PLACE_MAX_CHARACTERS = 80
# A sheet rounds numbers with more digits.
_EXACT_BELOW = 10**11
_ONE_OBJECT_A_LINE = "Write each request as one object on a line of its own, with no commas between lines (JSON Lines)."

_ROW_ID = re.compile(rf"[^\x00-\x1f\x7f\ud800-\udfff]{{1,{ROW_ID_MAX_CHARACTERS}}}")


class Row(NamedTuple):
    """A row: its request or its error.

    `number` counts from 1, including blank rows but not a header. `line` is the line where the row begins: a quoted
    cell may have several lines. `row_id` is the caller's own; a wrong row has it if it can be read.
    """

    number: int
    request: CreateVideoRequest | None
    row_id: str | None
    error: Problem | None
    line: int


def read_json(content: bytes) -> CreateVideoRequest:
    """Read a file that is one request, with the fields of POST /videos.

    Raises:
        InvalidRequest: names the field, or what the file is instead.
    """
    if len(content) > REQUEST_MAX_BYTES:
        raise RequestTooLarge(f"The file has {len(content)} bytes, and a request may have {REQUEST_MAX_BYTES} at most.")
    text = decode_text(drop_bom(content), name="The file")
    return validate_fields(CreateVideoRequest, parse_json_object(text, name="The file"))


def read_jsonl(chunks: Iterable[bytes], templates: RowTemplates = NO_TEMPLATES) -> Iterator[Row]:
    """Read a file with one request on each line: the fields of POST /videos, and the caller's own `id`.

    Args:
        chunks: the bytes of the file, in order; blank lines are skipped.
        templates: texts that the fields of each line fill; a line may have further fields that they name.

    Raises:
        InvalidRequest: while it is iterated; the file is not text, is JSON over many lines, empty or too large. Rows
            that were yielded before belong to the refused file too.
    """
    records = _refuse_other_json(read_records(chunks, has_quotes=False))
    yield from _read_rows(records, _Reading(_parse_line, _validate_line, templates), header_number=0)


def read_csv(chunks: Iterable[bytes], templates: RowTemplates = NO_TEMPLATES) -> Iterator[Row]:
    """Read a file with one request in each row below a header, whose columns `wire.columns` describes.

    Args:
        chunks: the bytes of the file, in order; blank rows are passed over.
        templates: texts that the cells of each row fill; the file may have further columns that they name.

    Raises:
        HeaderError: while it is iterated, before any row is given; a column is wrong or missing.
        InvalidRequest: while it is iterated; the file is not text, broken, empty or too large. Rows that were yielded
            before belong to the refused file too.
    """
    records = read_records(chunks, has_quotes=True)
    for header in records:
        if not header.is_blank and not header.names_separator:
            columns = Columns.read(header, templates)
            reading = _Reading(columns.parse, columns.validate, templates)
            yield from _read_rows(records, reading, header_number=header.number)
            return
    raise _refuse_empty()


def _refuse_other_json(records: Iterable[Record]) -> Iterator[Record]:
    """Refuse JSON that is not one object a line: a line within a document may look like a request by chance."""
    is_first = True
    for record in records:
        if is_first and not record.is_blank and record.content is not None:
            is_first = False
            _refuse_first_line(record.content.strip())
        yield record


def _refuse_first_line(line: bytes) -> None:
    if line.startswith(b"[") and not _is_json(line):
        raise BrokenFile(f"The file is one JSON array over many lines. {_ONE_OBJECT_A_LINE}", code="invalid_json")
    if line.startswith(b"{") and line.endswith((b"{", b"[", b",", b":")):
        raise BrokenFile(f"The file has a JSON object over many lines. {_ONE_OBJECT_A_LINE}", code="invalid_json")


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return True


def _parse_line(text: str) -> dict[str, Any] | None:
    if not text.strip():
        return None
    if "\0" in text:
        raise InvalidRequest("The row has null bytes, which are not text.", code="invalid_encoding")
    try:
        return parse_json_object(text, name="The row")
    except InvalidRequest as refusal:
        if text.lstrip().startswith("["):
            raise InvalidRequest(f"{refusal.message} {_ONE_OBJECT_A_LINE}", code=refusal.code) from refusal
        raise


def _validate_line(fields: dict[str, Any]) -> CreateVideoRequest:
    for place, text, is_name in _list_texts(fields):
        try:
            refuse_unwritable(text)
            if not is_name:
                refuse_failed_formula(text)
        except ValueError as error:
            raise InvalidRequest(
                f"{place or 'A name in the row'}: {error}.", param=place, code="invalid_value"
            ) from error
    targets = fields.get("publish")
    if isinstance(targets, list):
        fields = {**fields, "publish": [_read_target(target, index) for index, target in enumerate(targets)]}
    return validate_fields(CreateVideoRequest, _leave_out_nulls(fields, CreateVideoRequest))


def _list_texts(fields: dict[str, Any]) -> Iterator[tuple[str | None, str, bool]]:
    """List the texts in JSON, names included, with their paths. No recursion: a caller could exhaust the stack."""
    waiting: list[tuple[str | None, object]] = [(None, fields)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            yield place, value, False
        elif isinstance(value, dict):
            yield from ((place, name, True) for name in value)
            inner = [((f"{place}.{name}" if place else name)[:_PLACE_MAX_CHARACTERS], value[name]) for name in value]
            waiting += reversed(inner)
        elif isinstance(value, list):
            waiting += reversed([(f"{place}[{index}]", inner) for index, inner in enumerate(value)])


def _read_target(target: object, index: int) -> object:
    """Read a target as sheet-to-JSON programs write it: null for an empty cell, an id as a number."""
    platform = target.get("platform") if isinstance(target, dict) else None
    model = NETWORKS.get(platform) if isinstance(platform, str) else None
    if not isinstance(target, dict) or model is None:
        return target
    fields = _leave_out_nulls(target, model)
    for name in fields:
        if name.endswith("_id") and name in model.model_fields:
            fields[name] = _read_number_as_id(fields[name], f"publish[{index}].{name}")
    return fields


def _read_number_as_id(value: object, place: str) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_BELOW:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    try:
        return read_whole_number(value) if isinstance(value, str) else value
    except ValueError as error:
        raise InvalidRequest(f"{place}: {error}.", param=place, code="invalid_value") from error


def _leave_out_nulls(fields: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    optional = _list_optional(model)
    return {name: value for name, value in fields.items() if value is not None or name not in optional}


@functools.cache
def _list_optional(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if not field.is_required())


class _Reading(NamedTuple):
    """How the rows of a file are read: text to fields, fields to request, and the templates between the two."""

    parse: Callable[[str], dict[str, Any] | None]
    validate: Callable[[dict[str, Any]], CreateVideoRequest]
    templates: RowTemplates


def _read_rows(records: Iterator[Record], reading: _Reading, *, header_number: int) -> Iterator[Row]:
    numbers: dict[str, int] = {}  # of the rows, by their ids
    is_empty = True
    for record in records:
        number = record.number - header_number
        row = _read_row(record, number, numbers, reading)
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


def _read_row(record: Record, number: int, numbers: dict[str, int], reading: _Reading) -> Row | None:
    row_id = None
    try:
        fields = reading.parse(record.decode())
        if fields is None:
            return None
        row_id = _read_id(fields.pop(ROW_ID, None))
        if row_id is not None:
            _refuse_repeated(row_id, number, numbers)
        return Row(number, reading.validate(reading.templates.fill(fields, row_id)), row_id, None, record.line)
    except BrokenFile:
        raise
    except InvalidRequest as refusal:
        return Row(number, None, row_id, refusal.problem, record.line)


def _read_id(value: object) -> str | None:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str):
        try:
            refuse_failed_formula(text)
        except ValueError as error:
            raise InvalidRequest(f"id: {error}.", param=ROW_ID, code="invalid_value") from error
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
