"""The file of a sheet on this machine: read it, and check its rows as the API would today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType

from mediaposter.ai.catalog import Catalog
from mediaposter.cli.console import count_of, open_console
from mediaposter.domain.errors import InvalidRequest
from mediaposter.stores.series import SheetFormat
from mediaposter.wire.row_templates import RowTemplates
from mediaposter.wire.rows import Row
from mediaposter.wire.sheets import read_sheet

_BAD_ROWS_SHOWN_MAX = 20
# The header of a CSV determines the separator, which may be a tab.
_SHEET_FORMATS = MappingProxyType({".csv": SheetFormat.CSV, ".tsv": SheetFormat.CSV, ".jsonl": SheetFormat.JSONL})


def read_file(path: Path) -> tuple[bytes, SheetFormat]:
    """Read the bytes of a sheet; its name says its format.

    Raises:
        InvalidRequest: it has another name, or cannot be read.
    """
    sheet_format = _SHEET_FORMATS.get(path.suffix.lower())
    if sheet_format is None:
        raise InvalidRequest(f"{path.name} is not a sheet: its name must end in .csv, .tsv or .jsonl.")
    try:
        return path.read_bytes(), sheet_format
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}.") from error


def check_rows(
    content: bytes,
    sheet_format: SheetFormat,
    catalog: Catalog,
    today: date,
    *,
    is_lenient: bool,
    templates: Mapping[str, str] = MappingProxyType({}),
) -> list[Row]:
    """Read a sheet; refuse it for invalid rows, unless these are to be skipped.

    Raises:
        InvalidRequest: names those rows, or the error of the file.
    """
    rows = read_rows(content, sheet_format, catalog, today, templates=templates)
    wrong = [row for row in rows if row.error is not None]
    if len(wrong) == len(rows) or (wrong and not is_lenient):
        lines = [_describe_error(row) for row in wrong[:_BAD_ROWS_SHOWN_MAX]]
        if len(wrong) > len(lines):
            lines.append(f"… and {len(wrong) - len(lines)} more.")
        advice = "Fix them." if len(wrong) == len(rows) else "Fix them, or leave them out with --skip-bad-rows."
        raise InvalidRequest(
            "\n".join(
                [f"{count_of(len(wrong), 'row')} of {len(rows)} cannot be made; nothing was changed. {advice}", *lines]
            )
        )
    return rows


def read_rows(
    content: bytes,
    sheet_format: SheetFormat,
    catalog: Catalog,
    today: date,
    *,
    templates: Mapping[str, str] = MappingProxyType({}),
) -> list[Row]:
    """Read all rows, the invalid ones with their errors."""
    rows = read_sheet(content, sheet_format, RowTemplates.read(templates))
    return [check_model(row, catalog, today) for row in rows]


def check_model(row: Row, catalog: Catalog, today: date) -> Row:
    """Report why the API would refuse a row today for its model."""
    if row.request is None:
        return row
    try:
        asked = catalog.resolve(row.request.model, today=today)
        if not asked.is_alias:
            asked.entry.check(seconds=row.request.seconds, size=row.request.size)
    except InvalidRequest as refusal:
        return row._replace(request=None, error=refusal.problem)
    return row


def _describe_error(row: Row) -> str:
    return f"row {row.number}, line {row.line}: {row.error.message if row.error else ''}"


def tell_left_out(rows: Sequence[Row]) -> None:
    """Write which rows of a sheet are skipped, and why."""
    for row in rows:
        if row.error is not None:
            open_console().print(f"Left out: {_describe_error(row)}")
