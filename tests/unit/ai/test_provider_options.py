"""Which of a vendor's own fields a request may set, and what is read of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from mediaposter.ai.provider_options import ProviderOption, pick_options, read_options
from mediaposter.domain.errors import InvalidRequest


def option(type_: str, **bounds: Any) -> ProviderOption:
    return ProviderOption.model_validate({"type": type_, **bounds})


LISTED = {
    "seed": option("integer", min=0, max=99),
    "any_number": option("integer"),
    "scale": option("number", min=0.5, max=2),
    "loop": option("boolean"),
    "negative_prompt": option("text", max_characters=5),
    "mood": option("text", values=["calm", "wild"]),
    "camera": option("object", fields={"pan": option("integer"), "is_fixed": option("boolean")}),
}


def refuse(**options: JsonValue) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refusal:
        read_options("kite-1", LISTED, options)
    return refusal.value


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("seed", 7, 7),
        ("seed", 0, 0),
        ("seed", 99.0, 99),
        # A form and a spreadsheet have only text.
        ("seed", "7", 7),
        ("scale", 0.5, 0.5),
        ("scale", 2, 2),
        ("scale", "1.25", 1.25),
        ("loop", True, True),
        ("loop", "false", False),
        ("loop", "True", True),
        ("negative_prompt", "Möwe🪁", "Möwe🪁"),
        ("mood", "wild", "wild"),
        ("camera", {"pan": "3"}, {"pan": 3}),
        ("camera", {}, {}),
    ],
)
def test_a_listed_option_is_read_in_the_vendors_type(name: str, value: JsonValue, read: JsonValue) -> None:
    assert read_options("kite-1", LISTED, {name: value}) == {name: read}
    assert type(read_options("kite-1", LISTED, {name: value})[name]) is type(read)


REFUSED: dict[str, tuple[str, list[JsonValue]]] = {
    "seed": (
        "must be a whole number from 0 to 99",
        [-1, 100, 1.5, True, None, "", "7.0", "\u0667", "9" * 400, 10**400, [7]],
    ),
    "any_number": ("must be a whole number", [2**63, -(10**400), 1e30, math.nan, -math.inf]),
    "scale": (
        "must be a number from 0.5 to 2",
        [0.4, 2.1, "1e1", "nan", math.nan, math.inf, True, None, "file:///etc/passwd"],
    ),
    "loop": ("must be true or false", [1, 0, "yes", None, []]),
    "negative_prompt": ("must be a text of 1 to 5 characters", ["", "sixsix", 7, None, ["fog"]]),
    "mood": ("must be one of calm, wild", ["Calm", "", 7, None]),
    "camera": ("must be an object with no other fields than pan, is_fixed", ["pan", 7, None, [{"pan": 3}]]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_listed_option_does_not_take_is_refused_with_what_it_takes(name: str) -> None:
    sentence, values = REFUSED[name]
    for value in values:
        refusal = refuse(**{name: value})
        assert (refusal.message, refusal.param, refusal.code) == (
            f"provider_options.{name}: {sentence} for kite-1.",
            f"provider_options.{name}",
            "invalid_value",
        )


def test_an_option_that_is_not_listed_is_refused_with_those_that_are() -> None:
    refusal = refuse(seed=7, api_base="https://evil.example")
    assert (refusal.param, refusal.code) == ("provider_options.api_base", "unknown_parameter")
    assert refusal.message == (
        "provider_options.api_base: kite-1 takes no such option; it takes seed, any_number, scale, loop, "
        "negative_prompt, mood, camera."
    )


def test_a_field_of_an_object_that_is_not_listed_is_refused_with_those_that_are() -> None:
    refusal = refuse(camera={"pan": 3, "tools": [{"type": "url_context"}]})
    assert (refusal.param, refusal.code) == ("provider_options.camera.tools", "unknown_parameter")
    assert refusal.message.endswith("kite-1 takes no such option; it takes pan, is_fixed.")


def test_a_model_without_options_says_that_it_takes_none() -> None:
    with pytest.raises(InvalidRequest, match=r"kite-1 takes no such option; it takes none\."):
        read_options("kite-1", {}, {"seed": 7})


def test_a_name_as_long_as_a_body_is_not_repeated_whole() -> None:
    assert len(refuse(**{"x" * 1_000_000: 7}).message) < 300


def test_what_is_picked_is_what_could_be_read_and_the_rest_is_warned_of() -> None:
    picked = pick_options("kite-1", LISTED, {"seed": "7", "scale": 9, "api_base": "x"})
    assert picked.taken == {"seed": 7}
    assert [warning.partition(":")[0] for warning in picked.warnings] == [
        "provider_options.scale",
        "provider_options.api_base",
    ]
    assert all(warning.endswith(". It is left out.") for warning in picked.warnings)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(LISTED)) | st.text(min_size=1, max_size=9), JSON, max_size=4))
def test_whatever_a_request_sets_only_what_is_listed_comes_through_and_is_read_the_same_again(
    options: dict[str, JsonValue],
) -> None:
    taken = pick_options("kite-1", LISTED, options).taken
    assert set(taken) <= set(LISTED)
    assert read_options("kite-1", LISTED, taken) == taken


@pytest.mark.parametrize(
    ("type_", "bounds", "sentence"),
    [
        ("text", {"min": 1}, "min is no bound of an option of the type text"),
        ("boolean", {"values": ["a"]}, "values is no bound"),
        ("integer", {"max_characters": 5}, "max_characters is no bound"),
        ("integer", {"fields": {"a": {"type": "text"}}}, "fields is no bound"),
        ("object", {}, "says which fields it has"),
        ("integer", {"min": 2, "max": 1}, "the least first"),
        ("number", {"max": math.inf}, "finite numbers"),
        ("integer", {"min": 0.5}, "whole numbers"),
        ("url", {}, "Input should be 'integer'"),
        ("text", {"default": "a"}, "Extra inputs are not permitted"),
    ],
)
def test_a_row_with_an_option_that_contradicts_itself_is_not_read(
    type_: str, bounds: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        option(type_, **bounds)
