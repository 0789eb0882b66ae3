"""What became of the rows of a file, as JSONL and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.problem import Problem
from mediaposter.wire.results import ResultRow, write_csv, write_jsonl

DONE = ResultRow(
    row=1,
    line=2,
    id="a-1",
    status="completed",
    video_id="video_1",
    mp4_url="https://example.com/video.mp4?a=1&b=2",
    post_urls=("https://x.com/1", "https://instagram.com/2"),
)
REFUSED = ResultRow(
    row=2, line=3, status="refused", error=Problem(code="invalid_value", message='prompt: "a", b.', param="prompt")
)


def read_back(*rows: ResultRow) -> list[dict[str, str]]:
    text = b"".join(write_csv(rows)).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_jsonl_has_an_object_with_every_field_for_each_row() -> None:
    lines = [json.loads(line) for line in write_jsonl([DONE, REFUSED])]

    assert lines[0] == {
        "row": 1,
        "line": 2,
        "id": "a-1",
        "status": "completed",
        "video_id": "video_1",
        "mp4_url": "https://example.com/video.mp4?a=1&b=2",
        "post_urls": ["https://x.com/1", "https://instagram.com/2"],
        "error": None,
    }
    assert lines[1]["error"] == {"code": "invalid_value", "message": 'prompt: "a", b.', "param": "prompt"}


def test_csv_has_a_header_and_a_line_for_each_row() -> None:
    assert b"".join(write_csv([DONE, REFUSED])) == (
        b'"row","id","status","video_id","mp4_url","post_urls","error_code","error_message","error_param","line"\r\n'
        b'"1","a-1","completed","video_1","https://example.com/video.mp4?a=1&b=2",'
        b'"https://x.com/1|https://instagram.com/2","","","","2"\r\n'
        b'"2","","refused","","","","invalid_value","prompt: ""a"", b.","prompt","3"\r\n'
    )


def test_a_cell_that_would_be_a_formula_begins_with_an_apostrophe() -> None:
    error = Problem(code="=1", message="=1", param="=1")
    row = ResultRow(row=1, id="=1", status="failed", video_id="=1", mp4_url="=1", post_urls=("=1",), error=error)

    (cells,) = read_back(row)

    columns = ("id", "video_id", "mp4_url", "post_urls", "error_code", "error_message", "error_param")
    assert [cells[column] for column in columns] == ["'=1"] * 7


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("+1", "'+1"),
        ("\uff0b1", "'\uff0b1"),
        ("\t=1", "'\t'=1"),
        (" \u00a0\u200b=1", " \u00a0\u200b'=1"),
        ('"=1"', '"\'=1"'),
        ("x\n-1", "x\n'-1"),
        ('x;"" \t=1', "x;\"\" '\t'=1"),
        ("'=1", "'=1"),
        ("a=1, b-2; c@d", "a=1, b-2; c@d"),
    ],
)
def test_a_formula_is_one_also_behind_other_separators_and_what_cannot_be_seen(text: str, guarded: str) -> None:
    (cells,) = read_back(DONE.model_copy(update={"id": text}))

    assert cells["id"] == guarded


HOSTILE = st.text(
    st.sampled_from("=+-@\uff1d\uff0b\uff0d\uff20\u2212;,\t\r\n\v\x85\u2028\"'| \u00a0\u200b\ufeffa1"), max_size=12
)


@given(texts=st.lists(HOSTILE, min_size=5, max_size=5), separator=st.sampled_from(",;\t"))
def test_no_cell_is_a_formula_whatever_separator_a_spreadsheet_is_told(separator: str, texts: list[str]) -> None:
    row_id, video_id, url, message, param = texts
    error = Problem(code="a", message=message, param=param)
    row = ResultRow(row=1, line=2, id=row_id, status="failed", video_id=video_id, post_urls=(url,), error=error)
    content = b"".join(write_csv([row, row])).decode()

    # Line ends as they are, and as programs see them that know more of them.
    for lines in (io.StringIO(content, newline=""), content.splitlines(keepends=True)):
        for cell in (cell for cells in csv.reader(lines, delimiter=separator) for cell in cells):
            assert not cell.startswith(("=", "+", "-", "@", "\t"))
            assert not cell.lstrip(' \t\r\n\v\x85\u2028\u00a0\u200b\ufeff"').startswith(
                tuple("=+-@\uff1d\uff0b\uff0d\uff20\u2212")
            )


def test_a_separator_within_a_url_is_percent_encoded() -> None:
    (cells,) = read_back(DONE.model_copy(update={"post_urls": ("https://x.com/a|b", "https://x.com/c")}))

    assert cells["post_urls"].split("|") == ["https://x.com/a%7Cb", "https://x.com/c"]


@given(row_id=st.text(), message=st.text())
def test_a_csv_of_results_reads_back_as_it_was(row_id: str, message: str) -> None:
    (cells,) = read_back(
        ResultRow(row=7, id=row_id, status="failed", error=Problem(code="a", message=message, param=None))
    )

    assert cells["row"] == "7"
    assert cells["id"].replace("'", "") == row_id.replace("'", "")
    assert cells["error_message"].replace("'", "") == message.replace("'", "")
    assert cells["error_param"] == ""


@pytest.mark.parametrize(("write", "lines"), [(write_csv, 2), (write_jsonl, 1)])
def test_results_are_written_while_they_come(
    write: Callable[[Iterator[ResultRow]], Iterator[bytes]], lines: int
) -> None:
    taken = []

    def come() -> Iterator[ResultRow]:
        for row in (DONE, REFUSED):
            taken.append(row.row)
            yield row

    written = write(come())
    for _ in range(lines):
        next(written)

    assert taken == [1]


def test_a_result_shown_in_a_log_has_no_url_of_the_video() -> None:
    assert "example.com" not in repr(DONE)
