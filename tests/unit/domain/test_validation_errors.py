"""What people are told of a value that breaks a rule: the rule and the count, in plain words."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from mediaposter.domain.validation_errors import find_problem, tell_rule
from mediaposter.publishing.targets import AccountId, Line, PageId, PublicUrl

# Pydantic's own words.
PYDANTIC = (
    "Input ",
    "String ",
    "Value error",
    " should ",
    "pattern",
    "Field required",
    "Extra inputs",
    "[A-Z",
    "{1,",
    "\\x",
)


def rule_of(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    return tell_rule(find_problem(refused.value))


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        (int, "four", "must be a whole number"),
        (int, 4.5, "must be a whole number"),
        (int, float("inf"), "must be a finite number"),
        (Annotated[int, Field(ge=0, le=100)], 101, "must be at most 100, got 101"),
        (Annotated[int, Field(ge=0, le=100)], "-1", "must be at least 0, got -1"),
        (Annotated[int, Field(le=100)], 10**4_000, "must be at most 100"),
        (bool, "maybe", "must be true or false"),
        (str, 5, "must be a text"),
        (Annotated[str, Field(max_length=500)], "x" * 504, "must have at most 500 characters, got 504"),
        (Annotated[str, Field(min_length=1)], "", "must not be empty"),
        (Annotated[str, Field(min_length=3)], "é", "must have at least 3 characters, got 1"),
        (Annotated[list[int], Field(max_length=2)], [1, 2, 3], "must have at most 2 entries, got 3"),
        (Annotated[list[int], Field(max_length=1)], [1, 2, 3], "must have at most 1 entry, got 3"),
        (list[int], "[1]", "must be a list"),
        (dict[str, str], [], "must be an object"),
        (Literal["direct", "verified"], "soon", "must be one of direct, verified"),
        (Literal["direct"], "soon", "must be direct"),
        (AccountId, "@kites", "may have letters A to Z, digits, _ and - only"),
        (AccountId, "x" * 65, "must have 1 to 64 characters, got 65"),
        (PageId, "page", "may have digits only"),
        (Line, "a\nb", "must be one line without control characters"),
        (
            PublicUrl,
            "http://kites.example",
            "must be an https URL; characters other than printable ASCII are percent-encoded in it",
        ),
        (Annotated[str, StringConstraints(pattern="^upload_[0-9a-f]{32}$")], "x", "must be upload_ and 32 digits and"),
        (Annotated[str, StringConstraints(pattern="^(a|b)+$")], "x", "does not have the form that it must have"),
    ],
)
def test_a_rule_is_told_with_its_count(kind: Any, value: object, rule: str) -> None:
    assert rule_of(kind, value).startswith(rule)


def test_what_is_missing_or_not_known_is_told_so() -> None:
    class Kite(BaseModel):
        model_config = ConfigDict(extra="forbid")
        colour: str

    assert rule_of(Kite, {}) == "is required"
    assert rule_of(Kite, {"colour": "red", "tail": 1}) == "is not known here"


def test_a_text_is_never_repeated() -> None:
    for kind in (int, bool, list[int], Literal["a"], AccountId, Annotated[str, Field(max_length=3)]):
        assert "secret" not in rule_of(kind, "a secret @")


def test_no_kind_of_problem_is_told_in_pydantics_words() -> None:
    context: dict[str, Any] = dict.fromkeys(("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length"), 3)
    for kind in get_args(ErrorType):
        rule = tell_rule(describe(kind, context))

        assert rule
        assert [words for words in PYDANTIC if words in rule] == []
        assert not rule.endswith(".")


def describe(kind: str, context: dict[str, Any]) -> ErrorDetails:
    return ErrorDetails(
        type=kind,
        loc=("field",),
        msg="Input should be a valid kite",
        input="a text",
        ctx={**context, "expected": "'a' or 'b'", "expected_tags": "'a', 'b'", "pattern": "^[A-Z]{1,3}$"},
    )
