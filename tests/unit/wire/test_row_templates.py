"""Templates: columns between braces and nothing else, filled row by row, and refused row by row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.wire.columns import HeaderError
from mediaposter.wire.requests import CreateVideoRequest
from mediaposter.wire.row_templates import RowTemplates, Template
from mediaposter.wire.rows import Row, read_csv, read_jsonl

PRODUCTS = {"prompt": "A {product} on {place}"}


def of_csv(templates: dict[str, str], *lines: str) -> list[Row]:
    return list(read_csv(["\n".join(lines).encode()], RowTemplates.read(templates)))


def of_jsonl(templates: dict[str, str], *rows: object) -> list[Row]:
    return list(read_jsonl(["\n".join(map(json.dumps, rows)).encode()], RowTemplates.read(templates)))


def request_of(row: Row) -> CreateVideoRequest:
    assert row.error is None, row.error
    assert row.request is not None
    return row.request


def problem_of(row: Row) -> tuple[str, str | None, str]:
    assert row.request is None
    assert row.error is not None
    return row.error.code, row.error.param, row.error.message


# The text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("A {product} on {place}", "A red kite on Mars"),
        ("{ product }", "red kite"),
        ("{product}{product}", "red kitered kite"),
        ("{{product}}", "{product}"),
        ("{{{product}}}", "{red kite}"),
        ("no column", "no column"),
        ("{Größe in cm}", "12"),
    ],
)
def test_columns_are_filled_and_doubled_braces_are_braces(text: str, written: str) -> None:
    values = {"product": "red kite", "place": "Mars", "Größe in cm": "12"}

    assert Template(text).fill(values) == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A {product", "stray { at character 3"),
        ("A product}", "stray } at character 10"),
        ("{a{b}}", "stray { at character 1"),
        ("{}", "without a column"),
        ("{ }", "without a column"),
        ("{a.b}", "the name of a column alone"),
        ("{a[0]}", "the name of a column alone"),
        ("{a!r}", "the name of a column alone"),
        ("{a:>10}", "the name of a column alone"),
        ("{__class__.__init__}", "the name of a column alone"),
        ("{a\nb}", "the name of a column alone"),
        ("{" + "a" * 101 + "}", "more than 100 characters"),
    ],
)
def test_braces_that_hold_no_column_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Template(text)


@given(st.text(), st.text())
def test_what_a_cell_holds_is_not_read_as_a_template(before: str, cell: str) -> None:
    template = Template(before.replace("{", "{{").replace("}", "}}") + "{cell}")

    assert template.fill({"cell": cell}) == before + cell


# The rows


@pytest.mark.parametrize(
    "rows",
    [
        of_csv(PRODUCTS, "id,product,place,seconds", "a,red kite,the {sea},8", "b,boat,Mars,"),
        of_jsonl(
            PRODUCTS,
            {"id": "a", "product": "red kite", "place": "the {sea}", "seconds": 8},
            {"id": "b", "product": "boat", "place": "Mars"},
        ),
    ],
    ids=["csv", "jsonl"],
)
def test_each_row_fills_the_prompt_and_keeps_its_other_fields(rows: list[Row]) -> None:
    first, second = rows

    assert (request_of(first).prompt, request_of(first).seconds) == ("A red kite on the {sea}", 8)
    assert (request_of(second).prompt, second.row_id) == ("A boat on Mars", "b")


def test_captions_and_titles_are_filled_too_and_fields_of_the_request_are_columns_as_well() -> None:
    templates = {"prompt": "Film: {prompt}", "text": "{product}, {seconds} s, {id}", "title": "{product}"}
    [row] = of_csv(templates, "id,prompt,product,seconds", "7,a kite,Kite,8")

    request = request_of(row)
    assert (request.prompt, request.text, request.title) == ("Film: a kite", "Kite, 8 s, 7", "Kite")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (of_csv(PRODUCTS, "product,place", "kite,"), ("missing_required_parameter", "place", "empty in this row")),
        (
            of_csv(PRODUCTS, "product,place", "kite,\u200b"),
            ("missing_required_parameter", "place", "empty in this row"),
        ),
        (of_csv(PRODUCTS, "product,place", "kite"), ("missing_required_parameter", "place", "empty in this row")),
        (of_csv(PRODUCTS, "product,place", "kite,#REF!"), ("invalid_value", "place", "a formula that failed")),
        (
            of_csv(PRODUCTS, "product,place,prompt", "kite,Mars,A boat"),
            ("invalid_value", "prompt", "the row has one of its own"),
        ),
        (of_csv(PRODUCTS, "product,place", f"kite,{'x' * 32_001}"), ("invalid_value", "prompt", "32000")),
        (
            of_jsonl(PRODUCTS, {"product": "kite", "Place": "Mars"}),
            ("missing_required_parameter", "place", "Did you mean {Place}?"),
        ),
        (
            of_jsonl(PRODUCTS, {"product": "kite", "place": None}),
            ("missing_required_parameter", "place", "empty in this row"),
        ),
        (of_jsonl(PRODUCTS, {"product": "kite", "place": ["Mars"]}), ("invalid_value", "place", "a text or a number")),
        (of_jsonl(PRODUCTS, {"product": True, "place": "Mars"}), ("invalid_value", "product", "a text or a number")),
        (of_jsonl(PRODUCTS, {"product": "a\ud800", "place": "Mars"}), ("invalid_value", "product", "half a character")),
        (
            of_jsonl(PRODUCTS, {"product": "kite", "place": "Mars", "big": "1"}),
            ("unknown_parameter", "big", ""),
        ),
    ],
)
def test_a_row_that_does_not_fill_its_template_is_refused_alone(
    rows: list[Row], expected: tuple[str, str | None, str]
) -> None:
    [row] = rows

    code, param, message = problem_of(row)
    assert (code, param) == expected[:2]
    assert expected[2] in message


def test_a_number_is_written_as_a_person_would() -> None:
    [row] = of_jsonl({"prompt": "{length} cm, {price} dollars, {year}"}, {"length": 12.0, "price": 1.5, "year": 2026})

    assert request_of(row).prompt == "12 cm, 1.5 dollars, 2026"


@pytest.mark.parametrize(
    ("header", "param", "message"),
    [
        ("product", "place", "the header does not have it"),
        ("product,Place", "place", "Did you mean {Place}?"),
        ("product,place,big", "big", "no column is called that"),
        ("product,place,publish", "publish", "a network and a field follow"),
    ],
)
def test_a_header_has_the_columns_of_its_template_and_no_others(header: str, param: str, message: str) -> None:
    with pytest.raises(HeaderError, match=message) as refusal:
        of_csv(PRODUCTS, header, "kite,Mars,red")

    assert refusal.value.param == param


def test_without_a_template_a_column_of_your_own_is_refused() -> None:
    with pytest.raises(HeaderError):
        of_csv({}, "prompt,product", "A kite,kite")


def test_a_row_of_a_template_is_blank_if_nothing_is_in_it() -> None:
    rows: list[Any] = of_csv(PRODUCTS, "product,place", ",", "kite,Mars")

    assert [row.number for row in rows] == [2]
