"""What became of the rows of a file, as JSONL and as CSV (RFC 4180), line by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mediaposter.api.columns import LIST_SEPARATOR
from mediaposter.api.rows import RowError

# A cell that begins with one of these is a formula to a spreadsheet, and may send away what lies beside it
# (owasp.org, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
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
)


class ResultRow(BaseModel):
    """What became of a row; one that is `refused` never was a video.

    `row` is its number and `id` the caller's own. `mp4_url` lets whoever has it fetch the video.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    row: int
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
    """Write a header and a line for each row.

    The posts' URLs are in one cell, `|` between them. A cell that a spreadsheet would take for a formula begins with an
    apostrophe.
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
            )
        )


def _guard(text: str | None) -> str:
    text = text or ""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _write_line(cells: Iterable[object]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
