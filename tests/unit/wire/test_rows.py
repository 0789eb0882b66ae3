"""Files of requests: JSON, JSONL and CSV, what is refused in them, and that they are read as they come."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import InvalidRequest
from mediaposter.domain.problem import Problem
from mediaposter.wire import records as records_module
from mediaposter.wire import rows as rows_module
from mediaposter.wire.columns import HeaderError
from mediaposter.wire.records import ROW_MAX_BYTES, read_records
from mediaposter.wire.requests import CreateVideoRequest, parse_create_video
from mediaposter.wire.rows import (
    REQUEST_MAX_BYTES,
    ROW_ID_MAX_CHARACTERS,
    Row,
    read_csv,
    read_json,
    read_jsonl,
)
from tests.unit.wire.sending import PROMPT, refusal_of

BOM = b"\xef\xbb\xbf"
BOTH = pytest.mark.parametrize("read", [read_csv, read_jsonl])
Read = Callable[[Iterable[bytes]], Iterator[Row]]


def rows_of_csv(*lines: str) -> list[Row]:
    return list(read_csv(["\n".join(lines).encode()]))


def rows_of_jsonl(*lines: object) -> list[Row]:
    return list(read_jsonl(["\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()]))


def request_of(row: Row) -> CreateVideoRequest:
    assert row.error is None
    assert row.request is not None
    return row.request


def error_of(row: Row) -> Problem:
    assert row.request is None
    assert row.error is not None
    return row.error


def prompts_of(rows: Iterable[Row]) -> list[str | None]:
    return [None if row.request is None else row.request.prompt for row in rows]


def refusal_of_file(read: Read, content: bytes) -> InvalidRequest:
    return refusal_of(lambda: next(read([content])))


def refusal_of_header(header: str) -> InvalidRequest:
    refusal = refusal_of_file(read_csv, f"{header}\n".encode())
    assert isinstance(refusal, HeaderError)
    return refusal


class Outcome(NamedTuple):
    """All that a file comes to: its rows, and how it was refused if it was."""

    rows: list[Row]
    refusal: tuple[str, str | None, str] | None


def read_all(read: Read, chunks: Iterable[bytes]) -> Outcome:
    rows = []
    try:
        for row in read(chunks):
            rows.append(row)  # noqa: PERF402 (what was given before a refusal counts)
    except InvalidRequest as refusal:
        return Outcome(rows, (refusal.message, refusal.param, refusal.code))
    return Outcome(rows, None)


def zip_of(*names: str, content: bytes = b"prompt\nkite\n") -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return written.getvalue()


# What is no text


OPEN_DOCUMENT = b"application/vnd.oasis.opendocument.spreadsheet"
FOREIGN = {
    "zip": (zip_of("rows.csv"), "a zip archive"),
    "empty zip": (zip_of(), "a zip archive"),
    "xlsx of Excel": (zip_of("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
    "xlsx of openpyxl": (zip_of("docProps/app.xml", "xl/workbook.xml"), "an Excel workbook"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "an old Excel workbook"),
    "ods": (zip_of("mimetype", content=OPEN_DOCUMENT), "an OpenDocument file"),
    "numbers": (zip_of("Index/Document.iwa", "preview.jpg"), "a document of Apple Numbers"),
    "html": (b"<!DOCTYPE html><html><head><title>Google Sheets: Sign-in", "a web page"),
    "rtf": (rb"{\rtf1\ansi\ansicpg1252 id,prompt}", "a document with formatting"),
    "gzip": (gzip.compress(b"prompt\nkite\n"), "a gzip archive"),
    "webp": (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP picture"),
    "mp4": (b"\0\0\0\x18ftypmp42", "a video"),
}


@pytest.mark.parametrize(("content", "kind"), FOREIGN.values(), ids=FOREIGN)
def test_another_kind_of_file_is_named(content: bytes, kind: str) -> None:
    for refusal in (
        *(refusal_of_file(read, content) for read in (read_csv, read_jsonl)),
        refusal_of(read_json, content),
    ):
        assert refusal.message.startswith(f"The file is {kind}")
        assert refusal.code == "unsupported_file"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
@BOTH
def test_wide_encodings_without_a_mark_are_named(read: Read, encoding: str) -> None:
    refusal = refusal_of_file(read, "prompt\nkite\n".encode(encoding))

    assert f"The file is {encoding[:6].upper()}" in refusal.message
    assert refusal.code == "invalid_encoding"


@BOTH
def test_a_file_of_another_encoding_is_refused_as_a_whole_and_says_how_to_save_it(read: Read) -> None:
    header, row = (b"prompt\n", '"kite\nStraße"') if read is read_csv else (b"\n\n", '{"prompt":"Straße"}')
    content = header + row.encode("latin-1") + b"\n" + (b"sea" if read is read_csv else b'{"prompt":"sea"}')

    outcome = read_all(read, [content])

    assert outcome.refusal is not None
    message, _, code = outcome.refusal
    assert code == "invalid_encoding"
    assert message.startswith(f"Line 3 is not UTF-8: byte {5 if read is read_csv else 16} of it is 0x")
    assert "No row of it was taken" in message
    assert '"CSV UTF-8"' in message


def test_latin_1_in_the_header_refuses_the_file() -> None:
    refusal = refusal_of_file(read_csv, "prompt,metadata.straße\n".encode("latin-1"))

    assert isinstance(refusal, HeaderError)
    assert refusal.message.startswith("The header is not UTF-8")


def test_a_line_with_null_bytes_is_refused_alone() -> None:
    first, wrong = read_jsonl([b'{"prompt":"kite"}\n\0'])

    assert first.error is None
    assert error_of(wrong) == Problem(code="invalid_encoding", message="The row has null bytes, which are not text.")


@pytest.mark.parametrize("content", [b"", BOM, b"\xff\xfe"], ids=["nothing", "a mark alone", "a mark of UTF-16 alone"])
@BOTH
def test_an_empty_file_is_refused(read: Read, content: bytes) -> None:
    assert refusal_of_file(read, content).message == "The file is empty."
    assert refusal_of(lambda: next(read([]))).code == "empty_file"


def test_an_empty_file_is_no_request() -> None:
    assert refusal_of(read_json, BOM).message == "The file is empty."


@pytest.mark.parametrize(
    ("read", "content"),
    [(read_csv, b"prompt"), (read_csv, b"prompt\n\n  \n"), (read_csv, b"\n\n"), (read_jsonl, b"\n \r\n\t\n")],
)
def test_a_file_without_rows_is_refused(read: Read, content: bytes) -> None:
    assert refusal_of_file(read, content).message == "The file has no rows."


# Lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("is_ended", [False, True])
def test_lines_end_in_any_of_three_ways(end: str, is_ended: bool) -> None:
    bom, last = (BOM, end) if is_ended else (b"", "")
    of_csv = bom + end.join(["prompt,model", "kite,a", '"two\nlines",b', 'sea,"c"']).encode() + last.encode()
    of_jsonl = bom + end.join(['{"prompt":"kite"}', '{"prompt":"sea"}']).encode() + last.encode()

    rows = list(read_csv([of_csv]))

    assert prompts_of(rows) == ["kite", "two\nlines", "sea"]
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 3), (3, 5)]
    assert [(row.number, row.line) for row in read_jsonl([of_jsonl])] == [(1, 1), (2, 2)]


def test_blank_rows_count_and_are_passed_over() -> None:
    of_csv = rows_of_csv("", "prompt,model", "", "kite,", ",", "  ", "sea,")
    of_jsonl = rows_of_jsonl("", {"prompt": "kite"}, " \t", {"prompt": "sea"})

    assert [(row.number, row.line) for row in of_csv] == [(2, 4), (5, 7)]
    assert prompts_of(of_csv) == prompts_of(of_jsonl) == ["kite", "sea"]
    assert [(row.number, row.line) for row in of_jsonl] == [(2, 2), (4, 4)]


# One request


def test_a_file_of_one_request_is_read_as_the_body_of_a_post() -> None:
    fields = {"prompt": PROMPT, "seconds": "8", "publish": [{"platform": "twitter", "account_id": "101"}]}
    content = json.dumps(fields, indent=1).encode()

    assert read_json(BOM + content) == parse_create_video(content, "application/json")


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"prompt: kite", "invalid_json", "The file is not valid JSON: line 1, column 1: "),
        (b"\xe4", "invalid_encoding", "The file is not UTF-8: byte 1 of it is 0xE4."),
        (json.dumps({"prompt": PROMPT}).encode("utf-16"), "invalid_encoding", "The file is UTF-16"),
        (b'{"prompt":"a\0"}', "invalid_encoding", "The file has null bytes, which are not text."),
        (bytes(REQUEST_MAX_BYTES + 1), "request_too_large", "The file has 6262145 bytes"),
    ],
)
def test_a_file_that_is_no_request_is_refused(content: bytes, code: str, message: str) -> None:
    refusal = refusal_of(lambda: read_json(content))

    assert refusal.code == code
    assert refusal.message.startswith(message)


# JSONL


def test_a_line_is_a_request_and_its_id() -> None:
    first, second, third = rows_of_jsonl(
        {"prompt": "kite", "seconds": 8, "id": "a-1"}, {"id": 7, "prompt": "sea"}, {"prompt": "sky"}
    )

    assert first == Row(1, CreateVideoRequest(prompt="kite", seconds=8), "a-1", None, 1)
    assert second.row_id == "7"
    assert third.row_id is None


@pytest.mark.parametrize(
    ("line", "code", "param"),
    [
        ("kite", "invalid_json", None),
        ('{"prompt":"a","model":"b","model":"c"}', "duplicate_field", "model"),
        ('{"prompt":"a","provider_options":{"x":1,"x":2}}', "duplicate_field", "x"),
        ('{"publish":[{"platform":"twitter"}],"prompt":"a"}', "missing_required_parameter", "publish[0].account_id"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_of_it_alone(line: str, code: str, param: str | None) -> None:
    (alone,) = rows_of_jsonl(line)
    before, wrong, after = rows_of_jsonl({"prompt": "kite"}, line, {"prompt": "sea"})

    assert prompts_of([before, after]) == ["kite", "sea"]
    assert (error_of(wrong).code, error_of(wrong).param) == (code, param)
    assert error_of(alone) == error_of(wrong)
    assert (wrong.number, wrong.line) == (2, 2)


# Ids


@pytest.mark.parametrize(
    "value", ["", "a" * (ROW_ID_MAX_CHARACTERS + 1), "a\nb", "a\x7f", "\ud800", True, 1.5, []], ids=repr
)
def test_an_id_is_a_short_text(value: object) -> None:
    (row,) = rows_of_jsonl({"prompt": "kite", "id": value})

    assert row.row_id is None
    assert (error_of(row).code, error_of(row).param) == ("invalid_value", "id")


def test_an_id_that_is_taken_is_an_error_of_the_later_row_naming_the_first() -> None:
    of_csv = rows_of_csv("id,prompt", "a,kite", "b,sea", "a,sky", "a,sun")
    of_jsonl = rows_of_jsonl({"id": "7", "prompt": "kite"}, {"id": 7, "prompt": "sky"})

    assert prompts_of(of_csv) == ["kite", "sea", None, None]
    assert error_of(of_csv[2]) == Problem(code="duplicate_id", message="id: row 1 has it already.", param="id")
    assert error_of(of_csv[3]).message == "id: row 1 has it already."
    assert error_of(of_jsonl[1]).code == "duplicate_id"


def test_a_row_that_is_wrong_keeps_its_id_and_has_it_first() -> None:
    wrong, later = rows_of_csv("id,prompt,seconds", "a,kite,soon", "a,kite,4")

    assert (wrong.row_id, error_of(wrong).param) == ("a", "seconds")
    assert error_of(later).code == "duplicate_id"


# The columns of CSV

EVERYTHING: dict[str, Any] = {
    "prompt": 'A "red" kite,\nover the sea',
    "model": "kite-1",
    "seconds": 8,
    "size": "1280x720",
    "input_reference": "https://example.com/kite.png",
    "fallback_models": ["sora-2", "glider-1"],
    "resubmit": True,
    "text": "-5 °C, =1+1",
    "title": "2026",
    "stagger_minutes": 5,
    "delivery": "verified",
    "approval": "required",
    "approval_hours": 12,
    "webhook_url": "https://example.com/hook",
    "metadata": {"campaign": "007", "a.b": "true"},
    "provider_options": {"seed": 7, "style": "natural", "camera": {"pan": [1, None]}, "code": "007", "limit": "NaN"},
    "publish": [
        {
            "platform": "youtube",
            "account_id": "1",
            "title": "2026",
            "playlist_ids": ["a", "b"],
            "is_made_for_kids": True,
        },
        {
            "platform": "tiktok",
            "account_id": "2",
            "privacy_level": "SELF_ONLY",
            "video_cover_timestamp": 1500,
            "is_ai_generated": False,
            "scheduled_time": "2026-12-24T18:00:00+01:00",
        },
        {"platform": "instagram", "account_id": "3", "collaborators": ["kite", "sea.side"], "share_to_feed": False},
        {"platform": "instagram", "account_id": "4", "media_type": "story"},
    ],
}
CELLS = {
    **{name: EVERYTHING[name] for name in EVERYTHING if not isinstance(EVERYTHING[name], dict | list)},
    "resubmit": "TRUE",
    "fallback_models": "sora-2 | glider-1",
    "metadata.campaign": "007",
    "metadata.a.b": "true",
    "provider_options.seed": "7",
    "provider_options.style": "natural",
    "provider_options.camera": '{"pan": [1, null]}',
    "provider_options.code": "007",
    "provider_options.limit": "NaN",
    "publish.youtube.account_id": "1",
    "publish.youtube.title": "2026",
    "publish.youtube.playlist_ids": "a|b",
    "publish.youtube.is_made_for_kids": "true",
    "publish.tiktok.account_id": "2",
    "publish.tiktok.privacy_level": "SELF_ONLY",
    "publish.tiktok.video_cover_timestamp": "1500",
    "publish.tiktok.is_ai_generated": "false",
    "publish.tiktok.scheduled_time": "2026-12-24T18:00:00+01:00",
    "publish.instagram.account_id": "3",
    "publish.instagram.collaborators": "kite|sea.side",
    "publish.instagram.share_to_feed": "FALSE",
    "publish.instagram.2.account_id": "4",
    "publish.instagram.2.media_type": "story",
}


def csv_of(*rows: dict[str, Any]) -> bytes:
    content = io.StringIO(newline="")
    writer = csv.DictWriter(content, fieldnames=list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return content.getvalue().encode()


def test_the_cells_of_a_row_say_what_a_request_in_json_says() -> None:
    whole, bare = read_csv([csv_of(CELLS, {"prompt": "kite"})])

    assert request_of(whole) == parse_create_video(json.dumps(EVERYTHING).encode(), "application/json")
    assert request_of(bare) == CreateVideoRequest(prompt="kite")
    assert request_of(bare).model_fields_set == {"prompt"}


def test_a_target_without_a_value_is_not_one_of_the_row() -> None:
    header = "prompt,publish.twitter.account_id,publish.twitter.2.account_id,publish.twitter.2.text"
    neither, second, both = rows_of_csv(header, "kite,,,", "kite,,2,", "kite,1,2,hello")

    assert request_of(neither).publish == []
    assert [target.account_id for target in request_of(second).publish] == ["2"]
    assert [target.account_id for target in request_of(both).publish] == ["1", "2"]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("promt", "no column is called that; did you mean 'prompt'? There are id, text,"),
        ("Input Reference", "no column is called that; did you mean 'input_reference'?"),
        (
            "publish.instagram.Account ID",
            "instagram has no such field; did you mean 'account_id'? There are account_id,",
        ),
        ("publish", "a network and a field follow, as in publish.instagram.account_id."),
        ("publish.instgram.account_id", "no network is called that; did you mean 'instagram'? There are twitter,"),
        ("publish.twitter.platform", "twitter has no such field"),
        ("publish.twitter.1.text", "the first account of a network has no number"),
        ("publish.twitter.21.text", "the first account of a network has no number"),
        ("metadata", "a name of 1 to 64 characters follows, as in metadata.<name>."),
        (f"metadata.{'a' * 65}", "a name of 1 to 64 characters follows"),
        ("provider_options.a.b", "an option that is an object is written as JSON, in provider_options.a."),
        ("prompt", "the header has it twice, as columns 1 and 2."),
    ],
)
def test_a_column_that_is_wrong_is_named_with_what_there_is(column: str, reason: str) -> None:
    refusal = refusal_of_header(f"prompt,{column},id")

    assert refusal.param == column
    assert refusal.message.startswith(f"{column}: {reason}")


@pytest.mark.parametrize(
    ("header", "param", "reason"),
    [
        ("model", "prompt", "the header must have this column."),
        ("prompt,publish.x.account_id,publish.x.2.text", "publish.x.2.account_id", ", as it has publish.x.2.text."),
    ],
)
def test_a_column_that_must_be_there_is_named(header: str, param: str, reason: str) -> None:
    refusal = refusal_of_header(header.replace(".x.", ".twitter."))

    assert (refusal.param, refusal.code) == (param.replace(".x.", ".twitter."), "missing_required_parameter")
    assert refusal.message.endswith(reason.replace(".x.", ".twitter."))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("prompt|model", "The header has | between its columns. Save the file with commas, semicolons or tabs."),
        ('[{"prompt":"kite"}]', "The file is JSON, and was sent as CSV."),
        ('prompt,"model"x', "The header is not valid CSV: "),
        ('prompt,"model', "The header opens a quote that is never closed"),
        ("prompt,metadata." + "a" * ROW_MAX_BYTES, "The header has more than 256 KB"),
        ("prompt\0", "The header has null bytes"),
    ],
)
def test_a_header_that_is_none_is_refused(header: str, message: str) -> None:
    refusal = refusal_of_header(header)

    assert refusal.param is None
    assert refusal.message.startswith(message)


def test_a_long_name_of_a_column_is_cut_in_its_refusal() -> None:
    assert refusal_of_header("prompt," + "a" * 100_000).param == "a" * 80


# The cells of CSV


@pytest.mark.parametrize(
    ("column", "cell", "code", "message"),
    [
        ("seconds", "soon", "invalid_value", "seconds: must be a whole number."),
        ("resubmit", "yes", "invalid_value", "resubmit: must be true or false."),
        ("fallback_models", "a||b", "invalid_value", "fallback_models[1]: must not be empty."),
        ("metadata.a", "a" * 513, "invalid_value", "metadata.a: must have at most 512 characters, got 513."),
        ("provider_options.a", '{"x":1,"x":2}', "invalid_value", "provider_options.a: has 'x' twice."),
        ("provider_options.a", "[" * 20 + "]" * 20, "invalid_value", "provider_options: may be nested 16 levels deep"),
        ("publish.twitter.account_id", "!", "invalid_value", "publish.twitter (twitter): account_id: may have letters"),
        (
            "publish.youtube.account_id",
            *("7", "missing_required_parameter", "publish.youtube (youtube account 7): title: is required."),
        ),
        ("approval", "required", "invalid_value", "approval: needs publish"),
        ("prompt", "", "missing_required_parameter", "prompt: is required."),
        ("prompt", " ", "invalid_value", "prompt: must not be empty."),
        ("prompt", '"kite"x', "invalid_csv", "The row is not valid CSV: ',' expected after '\"'."),
        (
            "prompt",
            '"kite\nsea"x',
            "invalid_csv",
            "The row is not valid CSV: ',' expected after '\"'. A quote in it made 2",
        ),
    ],
)
def test_what_is_wrong_with_a_cell_is_said_of_its_column_and_row_alone(
    column: str, cell: str, code: str, message: str
) -> None:
    # The cell stands as it is; one that is to be quoted is.
    quoted = cell if column == "prompt" else '"{}"'.format(cell.replace('"', '""'))
    header, row = ("model,prompt", f"sora-2,{cell}") if column == "prompt" else (f"prompt,{column}", f"kite,{quoted}")
    good = "sora-2,kite" if column == "prompt" else "kite,"

    before, wrong, after = rows_of_csv(header, good, row, good)

    assert prompts_of([before, after]) == ["kite", "kite"]
    assert error_of(wrong).code == code
    assert error_of(wrong).message.startswith(message)
    if code != "invalid_csv":
        assert (error_of(wrong).param or "").split(".")[0].split("[")[0] == column.partition(".")[0]


def test_a_field_of_a_second_account_is_named_by_its_column() -> None:
    header = "prompt,publish.youtube.2.account_id,publish.youtube.2.title,publish.youtube.2.playlist_ids"
    (row,) = rows_of_csv(header, "kite,7,Kites,a|b c")

    assert error_of(row).param == "publish.youtube.2.playlist_ids[1]"
    assert error_of(row).message.startswith("publish.youtube.2 (youtube account 7): playlist_ids[1]: ")


@pytest.mark.parametrize(
    ("separator", "row", "line"), [(",", '"sea', 3), (";", '"a\nb";"sea', 4), ("\t", 'a\t"sea', 3)]
)
def test_a_quote_that_is_never_closed_refuses_the_file_and_names_its_line(separator: str, row: str, line: int) -> None:
    row += "a\r\n" * 200_000 if separator == "," else ""  # more than is kept of a row
    outcome = read_all(read_csv, [f"prompt{separator}model\nkite\n{row}\nsky\nsun\n".encode()])

    assert outcome.refusal is not None
    assert outcome.refusal[0].startswith(f"Line {line} opens a quote that is never closed")
    assert outcome.refusal[2] == "invalid_csv"


# Bounds


@pytest.mark.parametrize("size_bytes", [1_000, 70_000])
@BOTH
def test_a_prompt_of_300_kb_in_row_17_is_an_error_of_that_row_alone(read: Read, size_bytes: int) -> None:
    prompts = ["kite"] * 16 + ['"\r\n' * 100_000] + ["sea"] * 3
    if read is read_csv:
        content = csv_of(*({"prompt": prompt} for prompt in prompts))
    else:
        content = "\n".join(json.dumps({"prompt": prompt}) for prompt in prompts).encode()

    rows = list(read(content[start : start + size_bytes] for start in range(0, len(content), size_bytes)))

    assert prompts_of(rows) == ["kite"] * 16 + [None] + ["sea"] * 3
    assert error_of(rows[16]).code == "row_too_large"
    assert "more than 256 KB" in error_of(rows[16]).message
    assert [row.number for row in rows] == list(range(1, 21))
    # Of CSV with a header, and with a cell of 100,001 lines.
    assert rows[17].line == (100_019 if read is read_csv else 18)


@pytest.mark.parametrize("more", [0, 1])
@BOTH
def test_a_row_may_have_so_many_bytes_and_no_more(read: Read, more: int) -> None:
    head, start, end = (b"prompt,model\n", b"kite,", b"") if read is read_csv else (b"", b'{"model":"', b'"}')
    row = start + b"a" * (ROW_MAX_BYTES + more - len(start) - len(end)) + end

    (read_row,) = read([head + row + b"\r\n"])

    assert (error_of(read_row).code == "row_too_large") == bool(more)


def test_a_row_too_many_is_refused_once_the_others_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "ROWS_MAX", 5)
    whole = read_all(read_csv, [b"prompt\n" + b"kite\n" * 5 + b"\n\n"])
    more = read_all(read_csv, [b"prompt\n" + b"kite\n" * 6])

    assert (len(whole.rows), whole.refusal, len(more.rows)) == (5, None, 5)
    assert more.refusal is not None
    assert more.refusal[0].startswith("The file has more than 5 rows")
    assert more.refusal[2] == "too_many_rows"


def test_blank_rows_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "RECORDS_MAX", 9)

    assert len(list(read_records([b"\n" * 9], has_quotes=True))) == 9
    refusal = refusal_of(list, read_records(itertools.repeat(b"\n" * 7), has_quotes=True))
    assert refusal.message.startswith("The file has more than 9 rows, blank ones included.")
    assert refusal.code == "too_many_rows"


def test_a_file_may_have_so_many_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "FILE_MAX_BYTES", 1024**2)
    line = b"kite".ljust(1_023) + b"\n"

    whole, more = (read_all(read_jsonl, [*itertools.repeat(line, 1_024), rest]) for rest in (b"", b"s"))

    assert (len(whole.rows), whole.refusal, len(more.rows)) == (1_024, None, 1_024)
    assert more.refusal is not None
    assert more.refusal[0].startswith("The file has more than 1 MB")
    assert more.refusal[2] == "request_too_large"


def csv_of_4_mb() -> Iterator[bytes]:
    yield b"id,prompt,metadata.note\n"
    for number in range(1_000):
        yield b'%d,"A kite,\r\n""over"" the sea %b",note\n' % (number, b"x" * 4_000)


def csv_that_never_closes() -> Iterator[bytes]:
    yield b'prompt\n"'
    for _ in range(400):
        yield b'""\r\n' * 2_500


def one_line_that_never_ends() -> Iterator[bytes]:
    for _ in range(400):
        yield b"[" * 10_000


@pytest.mark.parametrize(
    ("read", "chunks", "rows"),
    [(read_csv, csv_of_4_mb, 1_000), (read_csv, csv_that_never_closes, 0), (read_jsonl, one_line_that_never_ends, 1)],
)
def test_a_large_file_is_never_held_in_memory(read: Read, chunks: Callable[[], Iterator[bytes]], rows: int) -> None:
    count = 0
    tracemalloc.start()
    try:
        with contextlib.suppress(InvalidRequest):
            for _ in read(chunks()):
                count += 1
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == rows
    assert peak_bytes < 2_000_000


# However the bytes come

# What a file is shows in its first 4 KB, which are read at once: only what lies further on can come in parts.
BEGINNINGS: dict[Read, bytes] = {
    read_csv: b"id,prompt,publish.youtube.title,publish.youtube.account_id\n0," + b"a" * 5_000 + b",,\n",
    read_jsonl: b'{"prompt":"' + b"a" * 5_000 + b'"}\n',
}
SAMPLES = {
    "csv": (
        read_csv,
        BEGINNINGS[read_csv]
        + '1,"a ""kité"",\r\nb",,\r2,"",x,7\n\n3,"""x""",,\r\n\r\r\n,,,\n4,"x"y,,\n'
        '"5",a"b,"c, ""d\n""",1\n"6\n",x,"""\n""",\n7,x,"\n"",\n",""\n8,"'.encode(),
    ),
    "csv with a wrong header": (read_csv, b"prompt,,\r\nkite"),
    "jsonl": (
        read_jsonl,
        BEGINNINGS[read_jsonl] + '{"prompt":"kité"}\r\n\r{"prompt":\n\n\r\n{"id":"1"}\rx\xe4'.encode("latin-1"),
    ),
    "csv with semicolons": (
        read_csv,
        b"sep=;\r\n"
        + BEGINNINGS[read_csv].replace(b",", b";")
        + '1;"a "";"" kité";\r\nb;;\r2;"";x;7\n\n3;"x;y";;\r\n\r\r\n;;;;;\n4;"x"y;;\n8;"'.encode(),
    ),
    "utf-16": (read_csv, (BEGINNINGS[read_csv].decode() + '1,"kité\r\n😀",,\n2,x,,\n').encode("utf-16")),
    "utf-16 without a mark": (read_csv, "prompt\nkite".encode("utf-16-le")),
    "xlsx": (read_csv, zip_of("xl/workbook.xml")),
    "zip archive that has a name of a workbook's far within": (read_csv, b"PK\x03\x04" + bytes(5_000) + b"xl/"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_where_a_file_is_cut_never_changes_what_it_says(name: str) -> None:
    read, content = SAMPLES[name]
    whole = read_all(read, [content])

    assert all(
        read_all(read, [content[:cut], b"", content[cut:]]) == whole
        for cut in range(max(0, len(content) - 200), len(content) + 1)
    )
    assert read_all(read, (content[at : at + 1] for at in range(len(content)))) == whole


PARTS = st.sampled_from(
    [
        *(b"prompt", b"id", b",", b",", b'"', b'"', b'""', b"\r", b"\n", b"\r\n"),
        *(b"a", b"\xc3\xa9", b"\xe9", b"\0", b"|"),
        *(b'{"prompt":"a"}', b"{", b"}", b":", b"[", b" ", b"metadata.a", b"publish.twitter.account_id", b"true", BOM),
    ]
)
CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.lists(PARTS, max_size=30).map(b"".join),
    st.lists(PARTS, max_size=30).map(
        lambda parts: b"id,prompt,resubmit,publish.twitter.account_id\n" + b"".join(parts)
    ),
)


@given(content=CONTENTS)
@BOTH
def test_any_bytes_are_read_or_refused(read: Read, content: bytes) -> None:
    outcome = read_all(read, [content])

    assert outcome.rows or outcome.refusal
    assert all((row.request is None) != (row.error is None) for row in outcome.rows)
    numbers = [row.number for row in outcome.rows]
    assert numbers == sorted(set(numbers))


@given(content=CONTENTS, cuts=st.lists(st.integers(0, 200), max_size=5))
@BOTH
def test_bytes_say_the_same_however_they_come(read: Read, content: bytes, cuts: list[int]) -> None:
    beginning = BEGINNINGS[read]
    bounds = [0, *sorted(cuts), len(content)]
    parts = [content[start:end] for start, end in itertools.pairwise(bounds)]

    assert read_all(read, [beginning, *parts]) == read_all(read, [beginning + b"".join(parts)])


NAMES = st.sampled_from(
    ["id", "prompt", "publish", "platform", "account_id", "metadata", "provider_options", "seconds"]
)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5),
    )
)
def test_any_json_is_a_request_or_an_error_of_its_row(value: Any) -> None:
    (row,) = read_jsonl([json.dumps(value).encode()])

    assert (row.request is None) != (row.error is None)


def test_the_end_of_a_line_is_no_part_of_its_record() -> None:
    records = read_records([b"kite\n\r\nsea\r"], has_quotes=False)

    assert [record.content for record in records] == [b"kite", b"", b"sea"]


@given(text=st.text(alphabet='ab,;\t"\r\né ', min_size=1, max_size=60), separator=st.sampled_from(",;\t"))
def test_rows_end_where_pythons_csv_ends_them(text: str, separator: str) -> None:
    text = f"a{separator}b\n{text}"
    expected = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    records = list(read_records([text.encode()], has_quotes=True))

    assert {record.separator for record in records} == {separator}
    cells = [next(csv.reader([(record.content or b"").decode()], delimiter=separator), []) for record in records]
    assert cells == expected
