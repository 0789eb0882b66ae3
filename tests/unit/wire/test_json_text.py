"""JSON as callers send it, and where it is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import InvalidRequest
from mediaposter.wire.bodies import parse_json_object
from mediaposter.wire.json_text import DEPTH_MAX, InvalidJsonError, RepeatedNameError, parse_json


def sentence_of(text: bytes | str) -> str:
    with pytest.raises(InvalidJsonError) as refused:
        parse_json(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{\n  "prompt": "a",\n  "seconds" 4\n}', "line 3, column 13", "a colon is expected"),
        ('{"prompt": "a"\n "seconds": 4}', "line 2, column 2", "a comma is expected"),
        ('{"prompt": }', "line 1, column 12", "a value is expected"),
        ("{'prompt': 1}", "line 1, column 2", "a name in double quotes is expected"),
        ('{"prompt": "a', "line 1, column 12", "the text that begins here has no closing quote"),
        ('{"prompt": "a\nb"}', "line 1, column 14", "is written with a backslash"),
        (r'{"prompt": "\x"}', "line 1, column 13", "a backslash that is meant as one is written twice"),
        (r'{"prompt": "\u12"}', "line 1, column 1", r"four hexadecimal digits follow \u"),
        ("{} {}", "line 1, column 4", "the JSON ended before this"),
        ('{"prompt": "é", }', "line 1, column 1", ""),
        ('{"prompt"', "line 1, column 10", "the text ends here, and a colon is expected"),
    ],
)
def test_json_that_is_wrong_is_told_where_and_how(text: str, place: str, words: str) -> None:
    sentence = sentence_of(text)

    assert sentence.startswith(f"is not valid JSON: {place}")
    assert words in sentence


@pytest.mark.parametrize(
    "body",
    [
        '{"prompt": "café"}'.encode("latin-1"),
        '{"prompt": "café"}'.encode("utf-16"),
        '{"prompt": "cafe"}'.encode("utf-16-le"),
        '{"prompt": "cafe"}'.encode("utf-32-be"),
        b'{"prompt": "\xed\xa0\xbd"}',  # half a character as bytes
    ],
)
def test_bytes_that_are_not_utf_8_are_told_as_that(body: bytes) -> None:
    assert sentence_of(body).startswith("is not valid JSON: it is not UTF-8")


@pytest.mark.parametrize("text", ["", " \n", b"", b"\xef\xbb\xbf"])
def test_nothing_is_told_as_nothing(text: bytes | str) -> None:
    assert sentence_of(text) == "is not valid JSON: it is empty"


@given(st.text(max_size=30) | st.text('{}[]",:\\0nultrefas\n ', max_size=30))
def test_whatever_is_no_json_is_told_in_a_sentence_without_what_was_sent(text: str) -> None:
    try:
        parse_json(text)
    except InvalidJsonError as refused:
        assert str(refused).startswith("is n")  # noqa: PT017 (either is right)
        assert "Expecting" not in str(refused)  # noqa: PT017
    except RepeatedNameError:
        pass


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


def nest(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_json_may_be_nested_so_deep_and_no_deeper() -> None:
    assert parse_json(nest(DEPTH_MAX)) is not None
    for depth in (DEPTH_MAX + 1, 900, 100_000):
        assert sentence_of(nest(depth)) == f"is nested more than {DEPTH_MAX} levels deep"


def test_what_is_nested_too_deep_is_told_by_its_field() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_json_object(f'{{"prompt": "a", "metadata": {nest(100)}}}')

    assert (refused.value.param, refused.value.code) == ("metadata", "invalid_json")


def test_a_number_that_other_parsers_cannot_read_is_told_by_its_digits() -> None:
    assert parse_json("9" * 308) == int("9" * 308)
    assert sentence_of(f'{{"seconds": {"9" * 309}}}').startswith("has a number of 309 digits")


def test_a_row_is_told_by_its_column_alone() -> None:
    """The file's line is told beside it."""
    with pytest.raises(InvalidRequest) as refused:
        parse_json_object('{"prompt": }', name="The row")

    assert refused.value.message.startswith("The row is not valid JSON: column 12: a value is expected")


def test_a_name_that_comes_twice_is_named() -> None:
    with pytest.raises(RepeatedNameError, match="has 'k' twice"):
        parse_json('{"a": [{"k": 1, "k": 2}]}')
