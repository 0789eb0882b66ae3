"""The file of a batch on this machine: read it, and check its rows by this package's own rules."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

from mediaposter.ai.catalog import built_in_catalog
from mediaposter.cli.replies import BatchCheck, RowError
from mediaposter.cli.sheet_file import check_model
from mediaposter.domain.errors import InvalidRequest
from mediaposter.wire.records import FILE_MAX_BYTES
from mediaposter.wire.row_templates import RowTemplates
from mediaposter.wire.rows import read_csv, read_jsonl

_CSV, _JSONL = "text/csv", "application/jsonl"
_CONTENT_TYPES = {".csv": _CSV, ".tsv": _CSV, ".txt": _CSV, ".jsonl": _JSONL, ".ndjson": _JSONL}
_WORKBOOKS = frozenset({".xlsx", ".xls", ".ods", ".numbers"})


class BatchFile(NamedTuple):
    """The bytes of a file, and what POST /uploads calls it."""

    content: bytes
    content_type: str


def read_batch_file(path: Path) -> BatchFile:
    """Read a file of requests; its name says its format.

    Raises:
        InvalidRequest: it has another name, is empty or too large, or cannot be read.
    """
    ending = path.suffix.lower()
    if ending in _WORKBOOKS:
        raise InvalidRequest(
            f"{path.name} is a workbook. Save its sheet as CSV UTF-8 (File, Save as), and run that: "
            f"mediaposter batch run {path.with_suffix('.csv').name}"
        )
    content_type = _CONTENT_TYPES.get(ending)
    if content_type is None:
        raise InvalidRequest(f"{path.name} is no file of requests: its name must end in .csv, .tsv or .jsonl.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from error
    if not content.strip():
        raise InvalidRequest(f"{path} is empty.")
    if len(content) > FILE_MAX_BYTES:
        raise InvalidRequest(f"{path} has {len(content):,} bytes, and may have {FILE_MAX_BYTES:,}.")
    return BatchFile(content, content_type)


def check_here(file: BatchFile, templates: RowTemplates, today: date) -> BatchCheck:
    """Check all rows without the API; its own models, budgets and accounts are not known here.

    Raises:
        InvalidRequest: the file as a whole is wrong.
    """
    read = read_csv if file.content_type == _CSV else read_jsonl
    catalog = built_in_catalog()
    rows = [check_model(row, catalog, today) for row in read([file.content], templates)]
    errors = tuple(
        RowError(row=row.number, line=row.line, custom_id=row.row_id, message=row.error.message)
        for row in rows
        if row.error is not None
    )
    return BatchCheck(rows=len(rows), accepted=len(rows) - len(errors), refused=len(errors), errors=errors)
