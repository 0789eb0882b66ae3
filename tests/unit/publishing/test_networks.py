"""Each network counts by its own rule, and the stand-in, which shares nothing with the product, refuses the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mediaposter.publishing.networks import NETWORKS, TEXT_MAX_BYTES
from mediaposter.publishing.tags import count_hashtags, count_links, count_mentions
from mediaposter.publishing.text_units import count_graphemes, count_utf16_units, weigh
from sandbox import blotato_texts
from sandbox.blotato_networks import ACCOUNTS, FACEBOOK_PAGE, PINTEREST_BOARD, Platform, Target, find_refusal
from tests.builders import a_target

WIRE: TypeAdapter[Target] = TypeAdapter(Target)
VIDEO = "https://media.example.com/clip.mp4"
REQUIRED: dict[str, dict[str, str]] = {
    "facebook": {"page_id": FACEBOOK_PAGE.id},
    "pinterest": {"board_id": PINTEREST_BOARD.id},
}
FAMILY = "👨‍👩‍👧‍👦"
LINK = "https://example.org/" + "x" * 300


def refusal_of(platform: str, **fields: Any) -> str | None:
    """Give the sentence by which a target is refused."""
    try:
        target = a_target(platform, ACCOUNTS[platform].id, **{**REQUIRED.get(platform, {}), **fields})
        target.compose_caption(prompt="A kite", title=None, default_text="")
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    except ValueError as error:
        return str(error)
    return None


def refusal_after_acceptance(platform: str, **fields: Any) -> str | None:
    """Give what the network says of the same post once Blotato has taken it."""
    target = a_target(platform, ACCOUNTS[platform].id, **REQUIRED.get(platform, {})).to_wire()
    names = {"first_comment": "firstComment", "alt_text": "altText", "audio_name": "audioName"}
    sent = {names.get(name, name): value for name, value in fields.items() if name != "text"}
    wire = WIRE.validate_json(json.dumps({**target, **sent}))
    return find_refusal(Platform(platform), fields.get("text", ""), (VIDEO,), wire)


# How each counts


@pytest.mark.parametrize(
    ("platform", "fits", "more", "sentence"),
    [
        ("twitter", "日" * 140, "日" * 140 + "x", "text: at most 280 characters, got 281 (a link counts as 23, an "),
        ("twitter", FAMILY * 140, FAMILY * 141, "text: at most 280 characters, got 282 (a link counts as 23, an emoji"),
        ("twitter", f"{LINK} " * 11, f"{LINK} " * 12, "text: at most 280 characters, got 288 (a link counts as 23, an"),
        ("twitter", "e.org " * 11, "e.org " * 12, "text: at most 280 characters, got 288 (a link counts as 23, an "),
        ("threads", "é" * 250, "é" * 252, "text: at most 500 bytes, got 504"),
        ("threads", "x" * 497 + "\u2019", "x" * 498 + "\u2019", "text: at most 500 bytes, got 501"),
        ("tiktok", "🪁" * 1_100, "🪁" * 1_100 + "x", "text: at most 2200 UTF-16 units, got 2201"),
        ("bluesky", "🇩🇪" * 300, "🇩🇪" * 301, "text: at most 300 graphemes, got 301"),
        ("bluesky", FAMILY * 120, FAMILY * 121, "text: at most 3000 bytes, got 3025"),
        ("youtube", "ü" * 2_500, "ü" * 2_501, "text: at most 5000 bytes, got 5002"),
        ("instagram", "🪁" * 2_200, "🪁" * 2_201, "text: at most 2200 characters, got 2201"),
        ("facebook", "x" * 63_206, "x" * 63_207, "text: at most 63206 characters, got 63207"),
    ],
)
def test_a_caption_is_counted_as_its_network_counts_it(platform: str, fits: str, more: str, sentence: str) -> None:
    assert refusal_of(platform, text=fits) is None
    assert str(refusal_of(platform, text=more)).startswith(sentence)
    assert refusal_after_acceptance(platform, text=fits) is None
    assert refusal_after_acceptance(platform, text=more) is not None


@pytest.mark.parametrize(
    ("platform", "fields", "sentence"),
    [
        ("tiktok", {"title": "🪁" * 45 + "x"}, "title: at most 90 UTF-16 units, got 91"),
        ("tiktok", {"title": " "}, "title: must not be empty"),
        ("tiktok", {"title": "a\nb"}, "title: must be one line without control characters"),
        ("youtube", {"title": "x" * 101}, "title: at most 100 characters, got 101"),
        ("youtube", {"title": "a < b"}, "title: no < or > in a title"),
        ("youtube", {"title": " \u3000"}, "title: must not be empty"),
        ("youtube", {"title": "a\u2028b"}, "title: must be one line without control characters"),
        ("youtube", {"text": "a > b"}, "text: no < or > in a description"),
        ("pinterest", {"title": "x" * 101}, "title: at most 100 characters, got 101"),
        ("pinterest", {"alt_text": "x" * 501}, "alt_text: at most 500 characters, got 501"),
        ("instagram", {"alt_text": "x" * 1_001}, "alt_text: at most 1000 characters, got 1001"),
        ("instagram", {"audio_name": "x" * 101}, "audio_name: at most 100 characters, got 101"),
        ("instagram", {"first_comment": "x" * 2_201}, "first_comment: at most 2200 characters, got 2201"),
        ("instagram", {"first_comment": "\n"}, "first_comment: must not be empty"),
        ("facebook", {"first_comment": "x" * 5_001}, "first_comment: at most 5000 characters, got 5001"),
        ("twitter", {"text": "\ufeffA kite"}, "text: no U+FEFF, U+FFFE or U+FFFF in a text"),
        ("instagram", {"text": "#a #b #c #d #e #f"}, "hashtags: at most 5, got 6"),
        (
            "instagram",
            {"text": "#a #b #c", "first_comment": "#d #e #f"},
            "hashtags: at most 5 in the text and the first comment, got 6",
        ),
        ("instagram", {"first_comment": "#a " * 6}, "hashtags: at most 5 in the text and the first comment, got 6"),
        ("instagram", {"text": "@ada " * 21}, "mentions: at most 20, got 21"),
        (
            "instagram",
            {"text": "@ada " * 20, "first_comment": "@grace"},
            "mentions: at most 20 in the text and the first comment, got 21",
        ),
        ("threads", {"text": "https://a.org b.org c.org/x www.d.org"}, "links: at most 3, got 4"),
    ],
)
def test_every_text_of_a_post_is_measured(platform: str, fields: dict[str, str], sentence: str) -> None:
    assert refusal_of(platform, **fields) == sentence


@pytest.mark.parametrize(
    "text",
    [
        "#a #b #c #d #e, C#, #1, it&#39;s, https://example.org/#f example.org/#g ##",
        "@a @b ada@example.org https://example.org/@c",
    ],
)
def test_what_is_no_tag_counts_for_none_on_instagram(text: str) -> None:
    assert refusal_of("instagram", text=text, first_comment="https://example.org/#a") is None
    assert refusal_after_acceptance("instagram", text=text, first_comment="https://example.org/#a") is None


def test_the_same_link_counts_once_on_threads() -> None:
    assert refusal_of("threads", text="a.org b.org c.org a.org b.org c.org") is None


def test_an_account_with_premium_takes_longer_texts() -> None:
    assert refusal_of("twitter", premium=True, text="x" * 25_000) is None
    assert "text: at most 25000 characters, got 25002" in str(refusal_of("twitter", premium=True, text="日" * 12_501))
    assert refusal_of("twitter", premium=False, text="x" * 281) == "text: at most 280 characters, got 281"


def test_what_a_record_cannot_hold_is_refused_although_x_counts_a_link_as_23() -> None:
    link = "https://example.org/" + "x" * 4_000

    assert refusal_of("twitter", premium=True, text=f"{link} " * 25) == (
        f"text: at most {TEXT_MAX_BYTES} bytes, got {25 * 4_021}"
    )


# The stand-in

WORDS = st.sampled_from(
    ["a", "kite", "C#", "#1", "été", "日本", "Привет", "हिन्दी", "—", "\u2019", "<", "don't", "3.5", "&#39;"]
)
EMOJI = st.sampled_from(["👍", "👍🏽", "👩🏽‍🚀", FAMILY, "🇩🇪", "1️⃣", "❤️", "☺", "🧑‍🚀", "©", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"])
TAGS = st.sampled_from(
    ["#a", "#été", "#旅行", "＃凧", "#a#b", "#🪁", "##x", "@ada", "@@b", "me@example.org", "x#y", "#_"]
)
LINKS = st.sampled_from(
    [
        "https://example.org",
        "example.com/a",
        "https://example.org/#a",
        "http://www.example.co.uk/x?y=1#z",
        "kite.museum",
        "main.py",
        "https://例え.jp/x",
        "https://t.org/(a)",
    ]
)
RUNS = st.tuples(st.sampled_from(["x", "é", "日", "🪁", "👍🏽", "x ", "#a ", "a.org "]), st.integers(1, 520)).map(
    lambda run: run[0] * run[1]
)
SEPARATORS = st.sampled_from([" ", " ", " ", "\n", ", ", "! ", "… "])
TEXTS = st.lists(st.tuples(WORDS | EMOJI | TAGS | LINKS | RUNS, SEPARATORS), max_size=12).map(
    lambda parts: "".join(part for pair in parts for part in pair)
)
SHORT = st.lists(WORDS | EMOJI | TAGS, max_size=25).map(" ".join)
FIELDS: dict[str, tuple[str, ...]] = {
    "instagram": ("first_comment", "alt_text", "audio_name"),
    "facebook": ("first_comment",),
    "tiktok": ("title",),
    "youtube": ("title",),
    "pinterest": ("title", "alt_text"),
}


def a_post(platform: str) -> st.SearchStrategy[dict[str, str]]:
    """Draw the texts of a post; what Blotato refuses at once is not what is compared."""
    others = {name: SHORT.filter(lambda text: len(text) <= 90) for name in FIELDS.get(platform, ())}
    return st.fixed_dictionaries({"text": TEXTS}, optional=others)


POSTS = st.sampled_from(sorted(ACCOUNTS)).flatmap(lambda platform: st.tuples(st.just(platform), a_post(platform)))


COUNTS = {
    "weight": (weigh, blotato_texts.weigh_for_x),
    "graphemes": (count_graphemes, blotato_texts.count_graphemes),
    "UTF-16 units": (count_utf16_units, blotato_texts.count_utf16),
    "hashtags": (count_hashtags, blotato_texts.count_hashtags),
    "mentions": (count_mentions, blotato_texts.count_mentions),
    "links": (count_links, blotato_texts.count_links),
}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(POSTS)
@example(("bluesky", {"text": "x" * 301}))
@example(("twitter", {"text": "x" * 258 + "example.org"}))
def test_what_is_taken_here_is_published_and_what_is_refused_here_would_fail_there(
    post: tuple[str, dict[str, str]],
) -> None:
    platform, fields = post

    here, there = refusal_of(platform, **fields), refusal_after_acceptance(platform, **fields)

    assert (here is None) == (there is None), f"{here!r} here, and there {there!r}"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
@pytest.mark.parametrize(("count", "count_there"), COUNTS.values(), ids=COUNTS)
def test_the_stand_in_counts_the_same(
    count: Callable[[str], int], count_there: Callable[[str], int], text: str
) -> None:
    assert count(text) == count_there(text)


def test_every_network_of_the_stand_in_is_in_the_table() -> None:
    assert {name.split("`")[1] for name in NETWORKS} == set(ACCOUNTS)
