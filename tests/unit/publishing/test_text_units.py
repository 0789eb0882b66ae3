"""How long a text is to a network, held against what the networks' own libraries measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaposter.publishing.text_units import (
    BYTES,
    CHARACTERS,
    GRAPHEMES,
    UTF16_UNITS,
    WEIGHTED_CHARACTERS,
    Unit,
    count_graphemes,
    count_utf16_units,
    weigh,
)

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors" / "lengths.json").read_text())["vectors"]
UNITS = {"x": WEIGHTED_CHARACTERS, "graphemes": GRAPHEMES, "utf16": UTF16_UNITS, "bytes": BYTES}
# The two emoji are joined by what joins no two emoji, so they are two.
NOT_ONE = "👍\u200d👍"


@pytest.mark.parametrize("name", UNITS)
def test_a_text_counts_as_the_networks_libraries_count_it(name: str) -> None:
    counted = {vector["text"]: UNITS[name].count(vector["text"]) for vector in VECTORS}

    assert counted == {vector["text"]: vector[name] for vector in VECTORS}
    assert len(counted) > 150


@pytest.mark.parametrize(
    "link", ["https://e.org", "example.org", "https://example.org/" + "x" * 400, "https://例え.jp/a"]
)
def test_a_link_weighs_23_on_x_whatever_its_length(link: str) -> None:
    assert weigh(f"See {link}, now") == len("See , now") + 23


@pytest.mark.parametrize("emoji", ["👍", "👍🏽", "👩🏽‍🚀", "👨‍👩‍👧‍👦", "🇩🇪", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "🧑‍🚀", "❤️‍🔥", "🫱🏻‍🫲🏿"])
def test_an_emoji_weighs_two_on_x_of_however_many_code_points(emoji: str) -> None:
    assert (weigh(emoji), weigh(emoji * 140)) == (2, 280)


def test_emoji_that_nothing_makes_one_weigh_their_parts() -> None:
    assert weigh(NOT_ONE) == 5


def test_a_letter_and_its_accent_are_one_on_x() -> None:
    assert weigh("e\u0301") == weigh("é") == 1


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8") | st.sampled_from("a.éあ👍🏽\u200d\ufe0f🇩🇪#1\u20e3/"), max_size=60))
@pytest.mark.parametrize("unit", [CHARACTERS, *UNITS.values()], ids=lambda unit: unit.name)
def test_a_bound_is_never_less_than_the_count(unit: Unit, text: str) -> None:
    assert unit.bound(text) >= unit.count(text)


@given(st.text())
def test_utf16_units_are_those_of_the_encoding(text: str) -> None:
    assert count_utf16_units(text) == len(text.encode("utf-16-le", "surrogatepass")) // 2


def test_a_flag_after_a_line_end_is_one_grapheme() -> None:
    assert count_graphemes("a\n🇩🇪") == 3


def test_what_is_slow_to_import_is_imported_for_a_text_that_needs_it_alone() -> None:
    program = """
import sys
from mediaposter.publishing.networks import NETWORKS
for network in NETWORKS.values():
    network.find_text_fault("text", "A paper boat. On a rain-wet street, at dusk: ❤️ #ai")
print(sorted({"regex", "emoji", "mediaposter.publishing.links"} & set(sys.modules)))
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
