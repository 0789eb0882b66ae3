"""What became of the rows of a file, as JSONL and as CSV (RFC 4180), line by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mediaposter.wire.cells import trim
from mediaposter.wire.columns import LIST_SEPARATOR
from mediaposter.wire.rows import RowError

# These make a formula of a cell, which may send away what lies beside it (owasp.org, CSV Injection). The wide, small
# and raised forms of these signs are the same to Unicode (compatibility decomposition), and to some spreadsheets.
_FORMULA_SIGNS = frozenset(
    "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u207b\u207c\u208a\u208b\u208c\u2212"
)
_LINE_ENDS = frozenset("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
# Who opens the file in another country has a semicolon or a tab for separator; quotes are no protection then.
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
    """What became of a row; one that is `refused` never was a video.

    `row` is its number, `line` where it begins in the file, and `id` the caller's own. `mp4_url` lets whoever has it
    fetch the video.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    row: int
    line: int | None = None
    id: str | None = None
    status: Literal["refused", "queued", "in_progress", "completed", "failed"]
    video_id: str | None = None
    mp4_url: str | None = Field(default=None, repr=False)
    post_urls: tuple[str, ...] = ()
    error: RowError | None = None


def write_jsonl(rows: Iterable[ResultRow]) -> Iterator[bytes]:
    """Write an object for each row, with all of its fields."""
    for row in rows:
        yield row.model_dump_json().encode() + b"\n"


def write_csv(rows: Iterable[ResultRow]) -> Iterator[bytes]:
    """Write a header and a line for each row, every cell in quotes.

    The posts' URLs are in one cell, `|` between them. An apostrophe stands before what a spreadsheet would take for a
    formula, whichever separator it is told.
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
    start = ";"  # the separator before what was read since; "" once there is something to be seen in the cell
    for character in text or "":
        is_formula = bool(start) and character in _FORMULA_SIGNS
        # Some programs leave these out where a cell begins with them, and read on.
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
    """Tell whether a spreadsheet may read on behind a character as if it were not there: a quote, or nothing to see."""
    return character == '"' or not trim(character)


def _write_line(cells: Iterable[object]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue().encode()
