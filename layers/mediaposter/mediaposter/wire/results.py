"""Write the results of a file's rows as JSONL or CSV (RFC 4180), line by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mediaposter.domain.problem import Problem
from mediaposter.wire.cells import trim
from mediaposter.wire.columns import LIST_SEPARATOR

# These turn a cell into a formula, which may leak other cells (owasp.org, CSV Injection). Unicode (compatibility
# decomposition) and some spreadsheets treat the wide, small and superscript forms of these signs the same.
_FORMULA_SIGNS = frozenset(
    "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u207b\u207c\u208a\u208b\u208c\u2212"
)
_LINE_ENDS = frozenset("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
# Another locale may use a semicolon or a tab as separator; quotes do not protect then.
_STARTS_OF_TABS = _LINE_ENDS | {";"}
_CELL_STARTS = _STARTS_OF_TABS | {"\t"}
_COLUMNS = (
    "row",
    "id",
    "status",
    "video_id",
    "mp4_url",
    "post_urls",
    "error_code",
    "error_message",
    "error_param",
    "line",
)


class ResultRow(BaseModel):
    """The result of a row; a `refused` row never became a video.

    `row` is its number, `line` the line where it begins, and `id` the caller's own. Anyone with `mp4_url` can fetch the
    video.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    row: int
    line: int | None = None
    id: str | None = None
    status: Literal["refused", "queued", "in_progress", "completed", "failed"]
    video_id: str | None = None
    mp4_url: str | None = Field(default=None, repr=False)
    post_urls: tuple[str, ...] = ()
    error: Problem | None = None


def write_jsonl(rows: Iterable[ResultRow]) -> Iterator[bytes]:
    """Write one object per row, with all of its fields."""
    for row in rows:
        yield row.model_dump_json().encode() + b"\n"


def write_csv(rows: Iterable[ResultRow]) -> Iterator[bytes]:
    """Write a header and one line per row, with every cell in quotes.

    One cell holds the posts' URLs, separated by `|`. An apostrophe precedes anything that a spreadsheet would run as a
    formula, whatever separator it uses.
    """
    yield _write_line(_COLUMNS)
    for row in rows:
        code, message, param = (row.error.code, row.error.message, row.error.param) if row.error else (None,) * 3
        yield _write_line(
            (
                row.row,
                _guard(row.id),
                row.status,
                _guard(row.video_id),
                _guard(row.mp4_url),
                _guard(LIST_SEPARATOR.join(url.replace(LIST_SEPARATOR, "%7C") for url in row.post_urls)),
                _guard(code),
                _guard(message),
                _guard(param),
                row.line,
            )
        )


def _guard(text: str | None) -> str:
    guarded: list[str] = []
    start = ";"  # the separator before the text read since; "" once the cell has a visible character
    for character in text or "":
        is_formula = bool(start) and character in _FORMULA_SIGNS
        # Some programs skip these at the beginning of a cell.
        is_left_out = (character == "\t" and start in _STARTS_OF_TABS) or (character in _LINE_ENDS and not guarded)
        if is_formula or is_left_out:
            guarded.append("'")
        guarded.append(character)
        if character in _CELL_STARTS:
            start = character
        elif not _is_skipped(character):
            start = ""
    return "".join(guarded)


def _is_skipped(character: str) -> bool:
    """Tell whether a spreadsheet may skip a character: a quote, or an invisible one."""
    return character == '"' or not trim(character)


def _write_line(cells: Iterable[object]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue().encode()
