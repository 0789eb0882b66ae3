"""The rows of a series' sheet: a small file of requests, read one row at a time."""

from __future__ import annotations

from mediaposter.domain.errors import InvalidRequest
from mediaposter.stores.series import SheetFormat
from mediaposter.wire.row_templates import NO_TEMPLATES, RowTemplates
from mediaposter.wire.rows import Row, read_csv, read_jsonl

# At one a day, almost three years of rows; the record holds the numbers of all waiting rows.
SHEET_ROWS_MAX = 1_000
# Each run reads it again.
SHEET_MAX_BYTES = 4 * 1024 * 1024

_READERS = {SheetFormat.CSV: read_csv, SheetFormat.JSONL: read_jsonl}


def read_sheet(content: bytes, sheet_format: SheetFormat, templates: RowTemplates = NO_TEMPLATES) -> list[Row]:
    """Read all rows.

    Raises:
        InvalidRequest: the file is not a sheet, or has too many rows. An error in a row belongs to that row.
    """
    if len(content) > SHEET_MAX_BYTES:
        raise InvalidRequest(
            f"The sheet has {len(content):,} bytes, and may have {SHEET_MAX_BYTES:,}. A picture is named by its URL, "
            "or by the id that POST /uploads gives.",
            code="file_too_large",
        )
    rows = list(_READERS[sheet_format]([content], templates))
    if len(rows) > SHEET_ROWS_MAX:
        raise InvalidRequest(
            f"The sheet has {len(rows):,} rows, and a series may have {SHEET_ROWS_MAX:,} at once. Give it those that "
            "come first, and the others later.",
            code="too_many_rows",
        )
    return rows


def find_row(content: bytes, sheet_format: SheetFormat, number: int, templates: RowTemplates = NO_TEMPLATES) -> Row:
    """Read one row, and nothing after it.

    Raises:
        InvalidRequest: the file is not a sheet, or has no such row.
    """
    for row in _READERS[sheet_format]([content], templates):
        if row.number == number:
            return row
    raise InvalidRequest(f"The sheet has no row {number}.", code="row_not_found")
