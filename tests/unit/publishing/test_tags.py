"""What is a hashtag, what a mention, and how many links there are."""

from __future__ import annotations

import pytest

from mediaposter.publishing.tags import count_hashtags, count_links, count_mentions


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("#kite", 1),
        ("a #kite, (#sea) \n#dusk.", 3),
        ("＃凧 #旅行 #कविता #été", 4),
        ("#snake_case #_a #1st", 3),
        ("##kite", 1),
        ("#a#b#c", 3),
        ("#🪁 ✌️#a 🪁#b", 3),
        ("#a,#b;#c.#d", 4),
        # No hashtag begins here, or it has no letter.
        ("C# F#", 0),
        ("x#y 凧#旅 _#a", 0),
        ("# a #", 0),
        ("#1 #2026 #_ #️⃣ #1️⃣", 0),
        ("it&#39;s &#x27;so&#x27;", 0),
        # In a link.
        ("https://example.org/#a", 0),
        ("https://example.org/x?y=1#a https://example.org#a", 0),
        ("example.org/#a example.org?x=#a example.org#a", 0),
        ("https://localhost:3000/#a http://192.168.0.1/#a", 0),
        ("https://example.org,#a (https://example.org/) #b", 2),
    ],
)
def test_a_hashtag_begins_a_word_and_is_in_no_link(text: str, count: int) -> None:
    assert count_hashtags(text) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("@ada and (@grace.h), ＠joan", 3),
        ("@@ada", 1),
        ("ada@example.org a@b", 0),
        ("@ @. @-", 0),
        ("https://example.org/@ada example.org/@ada", 0),
    ],
)
def test_a_mention_begins_a_word_and_is_in_no_link(text: str, count: int) -> None:
    assert count_mentions(text) == count


def test_a_link_counts_once_however_often_it_is_there() -> None:
    assert count_links("https://e.org https://e.org e.org/a https://e.org, e.org/b.") == 3
