"""Text that can be written, and text that cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.text import UnwritableTextError, refuse_unwritable, refuse_unwritable_within

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("text", ["", "🪁 é\n\t", "\ufffd\U0010ffff"])
def test_text_of_whole_characters_passes_as_it_is(text: str) -> None:
    assert refuse_unwritable(text) is text


@pytest.mark.parametrize(
    ("text", "code_point"), [("cut \ud83d", "U+D83D"), ("\ude80", "U+DE80"), ("a\udfffb", "U+DFFF")]
)
def test_half_a_character_is_named_by_its_number(text: str, code_point: str) -> None:
    with pytest.raises(ValueError, match="has half a character") as refused:
        refuse_unwritable(text)

    assert str(refused.value) == f"has half a character ({code_point}); send whole characters"


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"prompt": "\ud83d"}, ("prompt",), "has half"),
        ({"publish": [{"text": "ok"}, {"text": "\ud83d"}]}, ("publish", 1, "text"), "has half"),
        ({"metadata": {"a\ud83d": "x"}}, ("metadata",), "a name in it has half"),
        ({"\0": 1}, (), "a name in it must not have null"),
        ({"a": {"b": [[{"c": "\0"}]]}}, ("a", "b", 0, 0, "c"), "must not have null"),
    ],
)
def test_a_text_is_found_where_it_lies(value: object, path: tuple[object, ...], reason: str) -> None:
    with pytest.raises(UnwritableTextError, match=reason) as refused:
        refuse_unwritable_within(value)

    assert refused.value.path == path


def test_depth_exhausts_nothing() -> None:
    value: Any = "\ud83d"
    for _ in range(50_000):
        value = [value]

    with pytest.raises(UnwritableTextError):
        refuse_unwritable_within(value)


@given(JSON)
def test_what_passes_can_be_written_as_utf_8_and_what_is_refused_cannot_or_has_a_null(value: object) -> None:
    written = json.dumps(value, ensure_ascii=False)
    try:
        refuse_unwritable_within(value)
    except UnwritableTextError:
        with pytest.raises(UnicodeEncodeError):
            written.replace("\\u0000", "\ud800").encode()
    else:
        assert "\\u0000" not in written.replace("\\\\", "")
        written.encode()
