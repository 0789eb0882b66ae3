"""The longest JSON of a model."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, StringConstraints

from checks.jsonata import NUMBER, UNBOUNDED, WIDEST_CHARACTER
from checks.state_size import find_largest, list_unbounded


class Word(StrEnum):
    SHORT = "no"
    LONG = "perhaps"


class Part(BaseModel):
    name: str = Field(max_length=3)


class Whole(BaseModel):
    parts: tuple[Part, ...] = Field(default=(), max_length=2)
    other: Part | None = None


@pytest.mark.parametrize(
    ("annotation", "largest"),
    [
        (Word, "perhaps"),
        (Literal["a", "bc"], "bc"),
        (int, NUMBER),
        (float, NUMBER),
        (bool, False),
        (Annotated[str, Field(max_length=2)], WIDEST_CHARACTER * 2),
        (Annotated[str, StringConstraints(max_length=2)], WIDEST_CHARACTER * 2),
        (Annotated[list[int], Field(max_length=2)], [NUMBER, NUMBER]),
        (Part | None, {"name": WIDEST_CHARACTER * 3}),
        (Whole, {"parts": [{"name": WIDEST_CHARACTER * 3}] * 2, "other": {"name": WIDEST_CHARACTER * 3}}),
        (str, UNBOUNDED),
        (list[int], UNBOUNDED),
        (dict[str, int], UNBOUNDED),
        (Any, UNBOUNDED),
    ],
)
def test_the_longest_json_of_a_type_has_every_field_at_its_greatest_length(annotation: Any, largest: Any) -> None:
    assert find_largest(annotation) == largest


def test_the_fields_that_nothing_bounds_are_named() -> None:
    value = {"a": UNBOUNDED, "b": {"c": UNBOUNDED, "d": 1}, "e": [{"f": UNBOUNDED}] * 2}

    assert list(list_unbounded(value)) == ["a", "b.c", "e.f"]
