"""Sheets as Excel, Google Sheets, Numbers, LibreOffice and pandas write them, byte for byte.

Those that name LibreOffice were saved by LibreOffice 7.4 in several languages. The others are written by hand, after
what is documented of each program.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import InvalidRequest
from mediaposter.wire.cells import refuse_failed_formula
from mediaposter.wire.columns import HeaderError
from mediaposter.wire.rows import Row, read_csv, read_jsonl
from tests.unit.wire import sending

ACCOUNT = "publish.instagram.account_id"
TIME = "publish.instagram.scheduled_time"


def rows_of(content: bytes | str) -> list[Row]:
    return list(read_csv([content.encode() if isinstance(content, str) else content]))


def row_of(**cells: str) -> Row:
    """Read a row of one sheet with these cells, and a prompt; a dot in a name is written as two underscores."""
    cells = {"prompt": "kite", **{name.replace("__", "."): cell for name, cell in cells.items()}}
    quoted = ('"{}"'.format(cell.replace('"', '""')) for cell in cells.values())
    (row,) = rows_of(f"{','.join(cells)}\n{','.join(quoted)}\n")
    return row


def fields_of(row: Row) -> dict[str, Any]:
    assert row.error is None, row.error
    assert row.request is not None
    return row.request.model_dump(exclude_unset=True)


def account_of(row: Row) -> str:
    (target,) = fields_of(row)["publish"]
    return str(target["account_id"])


def refused(row: Row) -> tuple[str | None, str]:
    assert row.request is None
    assert row.error is not None
    return row.error.param, row.error.message


def refusal_of(content: bytes, *, lines: bool = False) -> InvalidRequest:
    return sending.refusal_of(list, (read_jsonl if lines else read_csv)([content]))


# What a row leaves out, and what it has to spare


def test_a_row_may_leave_out_its_last_cells_where_they_are_empty() -> None:
    # Numbers and many scripts drop them; with them goes a comma each.
    first, second, third, lacking = rows_of("id,prompt,model,seconds\na,kite\nb,sea,\nc,sky,sora-2,8\nd\n")

    assert fields_of(first) == {"prompt": "kite"}
    assert fields_of(second) == {"prompt": "sea"}
    assert fields_of(third) == {"prompt": "sky", "model": "sora-2", "seconds": 8}
    assert refused(lacking) == ("prompt", "prompt: is required.")


def test_empty_cells_to_spare_say_nothing() -> None:
    (row,) = rows_of('prompt,model\nkite,sora-2, ,"",\u00a0\n')

    assert fields_of(row) == {"prompt": "kite", "model": "sora-2"}


def test_a_cell_beyond_the_columns_is_refused_and_named_by_the_separator_of_the_file() -> None:
    (row,) = rows_of("prompt;model\nA kite; red;sora-2;;\n")

    assert refused(row)[1] == (
        "The row has 3 cells, and the header has 2 columns. A cell with a semicolon in it is written in quotes."
    )


def test_curly_quotes_are_told_to_be_none_where_a_row_has_too_many_cells() -> None:
    wrong, right = rows_of("prompt,model\n\u201cA kite, red\u201d,sora-2\n\u201cA kite\u201d,sora-2\n")

    assert "Those must be straight" in refused(wrong)[1]
    assert fields_of(right)["prompt"] == "\u201cA kite\u201d"


def test_a_header_may_have_columns_without_a_name_as_long_as_nothing_is_in_them() -> None:
    empty, filled, beyond = rows_of("id,,prompt,,\na,,kite,,\nb,see here,sea,,\nc,,sky,,see here\n")

    assert fields_of(empty) == {"prompt": "kite"}
    assert refused(filled)[1].startswith(
        "Cell 2 of the row has something in it, and column 2 of the header has no name."
    )
    assert refused(beyond)[1].startswith("The row has 5 cells, and the header has 3 columns.")


def test_rows_of_separators_alone_are_passed_over_before_the_header_and_below_it() -> None:
    (row,) = rows_of(";;\n\n;;;\nid;prompt;resubmit\n;;\n \u00a0;;\u200b\na;kite;WAHR\n;;;;\n")

    assert (row.number, row.line, row.row_id) == (3, 7, "a")


def test_rows_of_unticked_checkboxes_are_passed_over() -> None:
    # Google Sheets writes FALSE for each of a column of them, down to the end of the sheet.
    (row,) = rows_of("prompt,resubmit\nkite,TRUE\n,FALSE\n,FALSE\n")

    assert fields_of(row) == {"prompt": "kite", "resubmit": True}


# Separators


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize(
    ("named", "encoding"), [(False, "utf-8"), (True, "utf-8-sig"), (False, "utf-16"), (True, "utf-16")]
)
def test_the_separator_is_that_of_the_header_or_of_the_line_that_names_it(
    separator: str, named: bool, encoding: str
) -> None:
    other = "," if separator == ";" else ";"
    lines = [
        *([f"sep={separator}"] if named else []),
        separator.join(["id", "prompt", "metadata.note"]),
        separator.join(["a", f'"A ""red"" kite{separator}\nover the sea 😀"', f"x{other}y"]),
        separator.join(["b", "sea"]),
    ]

    first, second = rows_of("\r\n".join(lines).encode(encoding))

    prompt = f'A "red" kite{separator}\nover the sea 😀'
    assert fields_of(first) == {"prompt": prompt, "metadata": {"note": f"x{other}y"}}
    assert (second.number, second.line, fields_of(second)) == (2, 4 + named, {"prompt": "sea"})


@pytest.mark.parametrize("header", ['"metadata.a;b",prompt', "prompt,metadata.a;b;c", 'prompt,"metadata.a\t"'])
def test_another_separator_in_the_name_of_a_column_is_none(header: str) -> None:
    (row,) = rows_of(f"{header}\nkite,kite\n")

    assert fields_of(row)["prompt"] == "kite"


def test_a_separator_that_would_tear_lists_apart_is_refused() -> None:
    assert "'|' as its separator" in refusal_of(b"sep=|\nid|prompt\na|kite\n").message


# Encodings


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-8"])
def test_half_of_an_emoji_is_refused_of_its_row_and_column_alone(codec: str) -> None:
    # =LEFT(A1, 5) cuts between the halves.
    text = "\ufeffid\tprompt\tmodel\r\na\tkite\r\nb\tkite \ud83d\r\nc\tsea\r\n"

    before, wrong, after = rows_of(text.encode(codec, "surrogatepass"))

    assert refused(wrong) == ("prompt", "prompt: has half a character (U+D83D); send whole characters.")
    assert (wrong.row_id, wrong.number, wrong.line) == ("b", 2, 3)
    assert [fields_of(row)["prompt"] for row in (before, after)] == ["kite", "sea"]


def test_half_of_an_emoji_in_the_header_refuses_the_file() -> None:
    refusal = refusal_of("prompt,metadata.\ud83d\nkite,x\n".encode("utf-8", "surrogatepass"))

    assert isinstance(refusal, HeaderError)
    assert refusal.message.startswith("Column 2 of the header has half a character")
    assert refusal.param is None


def test_utf_16_that_was_cut_is_refused_as_a_whole() -> None:
    assert "so it is incomplete" in refusal_of("prompt\nkite\n".encode("utf-16")[:-1]).message


# Formulas that failed


@pytest.mark.parametrize(
    "shown",
    [
        *("#DIV/0!", "#N/A", " #N/A\u00a0", "\u200b#REF!", "##", "########", "Loading...", "Loading\u2026"),
        # LibreOffice and Excel in German, French, Spanish, Polish, Swedish and Japanese.
        *("#BEZUG!", "Fehler:502", "#R\u00c9F\u00a0!", "#DIV/0 !", "Err :509", "#\u00bfNOMBRE?", "B\u0142\u0105d:502"),
        *("#SAKNAS", "\u30a8\u30e9\u30fc:502"),
    ],
)
def test_a_cell_that_shows_why_it_has_no_value_is_refused(shown: str) -> None:
    row = row_of(id="b", prompt=shown)

    assert row.row_id == "b"
    assert refused(row)[0] == "prompt"
    assert refused(row)[1].startswith("prompt: the sheet shows ")


@pytest.mark.parametrize("column", ["text", "seconds", "resubmit", "metadata__note", "provider_options__a"])
def test_such_a_cell_is_refused_in_each_kind_of_column(column: str) -> None:
    refusal = ("the sheet shows #N/A there, a formula that failed.", column.replace("__", "."))

    assert refused(row_of(**{column: "#N/A"})) == (refusal[1], f"{refusal[1]}: {refusal[0]}")


def test_a_formula_that_failed_is_no_id_and_no_item_of_a_list() -> None:
    no_id, no_item = row_of(id="#N/A"), row_of(fallback_models="sora-2|#REF!")

    assert (no_id.row_id, refused(no_id)[0]) == (None, "id")
    assert refused(no_item)[0] == "fallback_models"


@pytest.mark.parametrize(
    "text",
    ["#ref and #N/A", "What is #REF! about?", "#na", "#NASA", "#1", "#", "Error: 502", "Loading", "# Kites", "#YES!"],
)
def test_a_text_that_only_looks_like_it_is_a_text(text: str) -> None:
    assert fields_of(row_of(text=text))["text"] == text


@given(text=st.text())
def test_a_text_passes_as_it_is_or_is_refused(text: str) -> None:
    try:
        assert refuse_failed_formula(text) == text
    except ValueError as error:
        assert "the sheet shows" in str(error)  # noqa: PT017 (most texts raise nothing)


# Numbers, ids and flags


@pytest.mark.parametrize(
    "shown", ["807", "807,0", "807.00", "8,07E+2", "8.07E+002", "8.070e+02", "\u00a0807\u200b", "\t807"]
)
def test_an_id_is_the_number_that_a_sheet_made_of_it(shown: str) -> None:
    assert account_of(row_of(publish__instagram__account_id=shown)) == "807"


@pytest.mark.parametrize("shown", ["1,23457E+14", "8.1E+2", "8E+2", "1234567890123456.0"])
def test_an_id_that_has_lost_digits_is_refused(shown: str) -> None:
    param, message = refused(row_of(publish__instagram__account_id=shown))

    assert param == ACCOUNT
    assert f"the sheet shows {shown}, which has lost digits of the number" in message
    assert "format the column as text" in message
    assert account_of(row_of(publish__instagram__account_id="123456789012345.0")) == "123456789012345"


@pytest.mark.parametrize("shown", ["807.5", "8.075E+2", "8\u200b07"])
def test_what_is_no_whole_number_is_left_to_the_rule_of_the_field(shown: str) -> None:
    assert "may have letters A to Z" in refused(row_of(publish__instagram__account_id=shown))[1]
    assert refused(row_of(seconds=shown)) == ("seconds", "seconds: must be a whole number.")


def test_a_number_that_may_be_two_is_refused() -> None:
    assert "thousands separator" in refused(row_of(publish__instagram__account_id="807.000"))[1]
    assert "thousands separator" in refused(row_of(seconds="8,000"))[1]


@pytest.mark.parametrize("shown", ["8", "8,0", " 8"])
def test_seconds_are_a_number_as_a_sheet_shows_it(shown: str) -> None:
    assert fields_of(row_of(seconds=shown))["seconds"] == 8


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["TRUE", "True", "true", "WAHR", "VRAI", "VERDADERO", "VERO", "PRAWDA", " TRUE\u00a0"], True),
        (["FALSE", "False", "FALSCH", "FAUX", "FALSO", "FA\u0141SZ", "ONWAAR"], False),
    ],
)
def test_flags_are_read_in_the_language_of_the_sheet(words: list[str], flag: bool) -> None:
    assert [fields_of(row_of(resubmit=word))["resubmit"] for word in words] == [flag] * len(words)


def test_a_flag_among_the_options_is_one_where_the_sheet_made_capitals_of_it() -> None:
    fields = fields_of(row_of(provider_options__loop="TRUE", provider_options__style="True"))

    assert fields["provider_options"] == {"loop": True, "style": "True"}


@pytest.mark.parametrize("shown", ["24.12.2026 18:00", "46380.75", "2026-12-24"])
def test_a_date_in_the_format_of_the_sheet_is_refused_and_says_what_to_do(shown: str) -> None:
    param, message = refused(row_of(publish__instagram__account_id="807", publish__instagram__scheduled_time=shown))

    assert param == TIME
    assert "as 2026-12-24T18:00:00Z" in message
    assert "format the column as text" in message


@pytest.mark.parametrize("shown", ["2026-12-24T18:00", "2026-12-24 18:00:00"])
def test_a_time_without_an_offset_is_refused_and_says_so(shown: str) -> None:
    row = row_of(publish__instagram__account_id="807", publish__instagram__scheduled_time=shown)

    assert "has no offset from UTC" in refused(row)[1]


@pytest.mark.parametrize("shown", ["2026-12-24T18:00:00+01:00", "2026-12-24T17:00Z", " 2026-12-24 18:00:00+0100 "])
def test_a_time_with_an_offset_is_taken(shown: str) -> None:
    row = row_of(publish__instagram__account_id="807", publish__instagram__scheduled_time=shown)

    assert fields_of(row)["publish"][0]["scheduled_time"].isoformat() == "2026-12-24T17:00:00+00:00"


def test_what_cannot_be_seen_around_a_name_or_a_value_is_taken_away_but_not_from_prose() -> None:
    (row,) = rows_of(
        "\ufeff\u00a0prompt , \u200bmodel,size\u202f\n kite ,\u00a0sora-2\u200b, 720x1280\n".encode("utf-8-sig")
    )

    assert fields_of(row) == {"prompt": " kite ", "model": "sora-2", "size": "720x1280"}


def test_null_bytes_are_named_by_their_column() -> None:
    wrong, after = rows_of(b"id,prompt,model\na,ki\0te,\nb,sea,\n")

    assert refused(wrong) == ("prompt", "prompt: has null bytes, which are not text.")
    assert (wrong.row_id, fields_of(after)["prompt"]) == ("a", "sea")


# Whole sheets


def test_a_sheet_of_libreoffice_in_french_is_read() -> None:
    # Charset and separator as chosen in the dialog; the words are those of the language of the program.
    first, failed, last = rows_of(
        (
            'id\tprompt\tseconds\tresubmit\tmetadata.n\na\t"A kite, ""red""; \u00fcber"\t8\tVRAI\t0,333333333333333\n'
            'b\t#N/D\t#DIV/0\u00a0!\tFAUX\tErr\u00a0:502\nc\t"line\nbreak"\t8\t\t\n'
        ).encode("utf-16")
    )

    assert fields_of(first)["prompt"] == 'A kite, "red"; \u00fcber'
    assert fields_of(first)["resubmit"] is True
    assert refused(failed)[0] == "prompt"
    assert (last.number, last.line, fields_of(last)["prompt"]) == (3, 4, "line\nbreak")


def test_a_frame_of_pandas_is_read() -> None:
    # A column of whole numbers with a gap is one of floats.
    first, second = rows_of(f"prompt,seconds,{ACCOUNT},resubmit\nkite,8.0,807.0,True\nsea,,,False\n")

    assert (fields_of(first)["seconds"], account_of(first)) == (8, "807")
    assert fields_of(second) == {"prompt": "sea", "resubmit": False}


# JSON that programs make of a sheet


def rows_of_json(*rows: Any) -> list[Row]:
    return list(read_jsonl(["\n".join(map(json.dumps, rows)).encode()]))


@pytest.mark.parametrize("account_id", [807, 807.0, "807", "8.07E+2"])
def test_an_id_may_be_a_number(account_id: object) -> None:
    (row,) = rows_of_json({"prompt": "kite", "publish": [{"platform": "instagram", "account_id": account_id}]})

    assert account_of(row) == "807"


@pytest.mark.parametrize("account_id", [1e11, 807.5, True, "1.23457E+14"])
def test_a_number_that_is_no_id_is_refused(account_id: object) -> None:
    (row,) = rows_of_json({"prompt": "kite", "publish": [{"platform": "instagram", "account_id": account_id}]})

    assert refused(row)[0] == "publish[0].account_id"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": "#N/A"}, "prompt"),
        ({"publish": [{"platform": "instagram", "account_id": "1", "text": "#REF!"}]}, "publish[0].text"),
        ({"metadata": {"\ud83d": "note"}}, "metadata"),
        ({"publish": [{"platform": "x"}]}, "publish[0]"),
    ],
)
def test_what_cannot_be_made_or_written_is_refused_of_its_line_and_field_alone(
    fields: dict[str, Any], param: str | None
) -> None:
    before, wrong, after = rows_of_json({"prompt": "kite"}, {"id": "b", "prompt": "x", **fields}, {"prompt": "sea"})

    assert refused(wrong)[0] == param
    assert "\ud83d" not in refused(wrong)[1]
    assert (wrong.row_id, wrong.number, wrong.line) == ("b", 2, 2)
    assert [fields_of(row)["prompt"] for row in (before, after)] == ["kite", "sea"]


TWO = [{"prompt": "kite"}, {"prompt": "sea"}]


@pytest.mark.parametrize(
    "content",
    [json.dumps(TWO, indent=2), "\n\n[{},\n{}]".format(*map(json.dumps, TWO)), json.dumps(TWO[0], indent=2)],
    ids=["pretty array", "begun on its first line", "pretty object"],
)
def test_json_over_many_lines_is_refused_as_a_whole_and_says_what_to_write(content: str) -> None:
    refusal = refusal_of(content.encode(), lines=True)

    assert "one object on a line of its own" in refusal.message
    assert refusal.code == "invalid_json"
    assert "one object on a line of its own" in refused(rows_of_json(TWO)[0])[1]


@given(
    cells=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), min_size=1, max_size=6
    ),
    separator=st.sampled_from(",;\t"),
)
def test_no_row_of_any_cells_takes_a_neighbour_with_it(cells: list[str], separator: str) -> None:
    quoted = separator.join('"{}"'.format(cell.replace('"', '""')) for cell in cells)
    header = separator.join(["id", "prompt", "seconds", ACCOUNT])

    rows = rows_of(f"{header}\nfirst{separator}kite\n{quoted}\nlast{separator}sea\n")

    ends = [row for row in rows if row.row_id in {"first", "last"}]
    assert [fields_of(row)["prompt"] for row in (ends[0], ends[-1])] == ["kite", "sea"]
    assert len(rows) in {2, 3}
    assert all(one.line < other.line for one, other in itertools.pairwise(rows))
