"""How much room an expression's value may take."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest

from checks.jsonata import MISSING, NUMBER, UNBOUNDED, Puzzle, find_widest, measure_bytes, widen

NAMES: Mapping[str, Any] = {"count": 1, "short": "ab", "long": "abcdef", "states": {"input": {"posts": [1, 2]}}}


@pytest.mark.parametrize(
    ("expression", "widest"),
    [
        ("$long", "abcdef"),
        ("$states.input.posts", [1, 2]),
        ("$count + 1", NUMBER),
        ("$round(10 + $random() * 20 * ($count + 1))", NUMBER),
        ("-1", 1.0),
        ("$count < 6 ? 'wait' : 'fault'", "fault"),
        ("$count < 6 and $exists($no.such) ? $short : $long", "abcdef"),
        ("$exists($no) ? $no : null", None),
        ("$short & '-' & $long", "ab-abcdef"),
        ("$short & $states.input.posts", "ab[1,2]"),
        ("$string($long)", "abcdef"),
        ("$string($states.input)", '{"posts":[1,2]}'),
        ("$count(3)", NUMBER),
        ("($long)", "abcdef"),
        ("$long = 'x'", False),
    ],
)
def test_an_expression_gives_the_widest_that_it_may(expression: str, widest: Any) -> None:
    assert find_widest(f"{{% {expression} %}}", NAMES) == widest


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("$no", "nothing gives $no"),
        ("$short.length", "nothing gives $short.length"),
        ("$merge([$short])", "this check does not know the ["),
        ("$uppercase($short)", "this check does not know the function $uppercase"),
        ("$short $long", "this check does not know the $long of"),
        ("($short", "there is no ) in"),
        ("$count ? 1", "there is no : in"),
        ("short", "this check does not know the short of"),
        ("$count +", "this check does not know the end of"),
    ],
)
def test_what_is_not_understood_is_told(expression: str, problem: str) -> None:
    with pytest.raises(Puzzle, match=re.escape(problem)):
        find_widest(expression, NAMES)


@pytest.mark.parametrize("expression", ["$x", "$x.deep.inside", "$short & $x", "$string($x)", "$count < 1 ? $x : 1"])
def test_what_nothing_bounds_makes_what_it_is_part_of_boundless(expression: str) -> None:
    assert measure_bytes(find_widest(expression, {**NAMES, "x": UNBOUNDED})) == math.inf


@pytest.mark.parametrize(
    ("one", "other", "widest"),
    [
        ("ab", "c", "ab"),
        (None, "c", None),
        (MISSING, "c", "c"),
        ({"a": 1}, {"a": 22, "b": "x"}, {"a": 22, "b": "x"}),
        ([1], [22, 3, 4], [22, 22, 22]),
        ([], [], []),
        ({"a": UNBOUNDED}, {"a": 1}, {"a": UNBOUNDED}),
        ({"a": 1}, UNBOUNDED, UNBOUNDED),
    ],
)
def test_the_wider_of_two_has_room_for_both(one: Any, other: Any, widest: Any) -> None:
    assert widen(one, other) == widest
    assert measure_bytes(widen(other, one)) == measure_bytes(widest)


def test_a_value_is_measured_as_json_in_utf_8() -> None:
    assert measure_bytes({"é": ["\x01", 10]}) == len(b'{"\xc3\xa9":["\\u0001",10]}')
