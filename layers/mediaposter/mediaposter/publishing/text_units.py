"""The units in which networks count text, which are rarely Python's characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mediaposter.publishing.links import Link

# twitter-text, config v3: these code points weigh one character, all others two, and a link 23.
_LINK_WEIGHT = 23
_WIDE = re.compile("[^\0-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
# The characters that join code points into one emoji. Without them, each code point is weighed by itself.
_EMOJI_PART = re.compile("[\u200d\u20e3\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
# "Regardless of complexity" (docs.x.com, counting characters).
_EMOJI_WEIGHT = 2


class Unit(NamedTuple):
    """A unit of text length.

    Attributes:
        name: its name in errors and documentation.
        count: counts the units of a text.
        bound: a cheap upper bound of the count, which is enough for most texts.
        explanation: added if the count differs from that of characters, and the name does not explain why.
    """

    name: str
    count: Callable[[str], int]
    bound: Callable[[str], int]
    explanation: str = ""


def find_links(text: str) -> tuple[Link, ...]:
    """Find the links in a text, from left to right."""
    if "." not in text:
        return ()
    from mediaposter.publishing import links

    return links.find_links(text)


def count_bytes(text: str) -> int:
    """Count the bytes of a text in UTF-8."""
    return len(text.encode())


def count_utf16_units(text: str) -> int:
    """Count the UTF-16 units of a text; an emoji has two or more."""
    return len(text.encode("utf-16-le")) // 2


def count_graphemes(text: str) -> int:
    """Count the characters that a reader sees (Unicode, UAX #29)."""
    import regex

    return len(regex.findall(r"\X", text))


def weigh(text: str) -> int:
    """Weigh a text as X does: a link counts 23, any emoji 2, a character beyond Latin 2, and others 1."""
    text = unicodedata.normalize("NFC", text)
    weigh_rest = _weigh_emoji if _EMOJI_PART.search(text) else _weigh_characters
    weight = at = 0
    for link in find_links(text):
        # X ignores a link that begins within another.
        if link.start >= at:
            weight += weigh_rest(text[at : link.start]) + _LINK_WEIGHT
            at = link.end
    return weight + weigh_rest(text[at:])


def weigh_at_most(text: str) -> int:
    """Return an upper bound of a text's weight: each part of an emoji by itself, and a link at every dot."""
    return _weigh_characters(unicodedata.normalize("NFC", text)) + _LINK_WEIGHT * text.count(".")


def _weigh_characters(text: str) -> int:
    return len(text) + len(_WIDE.findall(text))


def _weigh_emoji(text: str) -> int:
    sequences, initials, longest = _read_emoji()
    weight = at = 0
    while at < len(text):
        width = 1
        if text[at] in initials:
            lengths = range(min(longest, len(text) - at), 1, -1)
            width = next((length for length in lengths if text[at : at + length] in sequences), 1)
        weight += _EMOJI_WEIGHT if width > 1 else _weigh_characters(text[at])
        at += width
    return weight


@cache
def _read_emoji() -> tuple[frozenset[str], frozenset[str], int]:
    """Return the emoji of several code points, the first code points of those, and the length of the longest."""
    from emoji import EMOJI_DATA, STATUS

    sequences = frozenset(
        sequence
        for sequence, facts in EMOJI_DATA.items()
        # A keycap without its variation selector is an emoji, too.
        if len(sequence) > 1 and (facts["status"] == STATUS["fully_qualified"] or sequence.endswith("\u20e3"))
    )
    return sequences, frozenset(sequence[0] for sequence in sequences), max(map(len, sequences))


CHARACTERS = Unit("characters", count=len, bound=len)
UTF16_UNITS = Unit("UTF-16 units", count=count_utf16_units, bound=count_utf16_units)
BYTES = Unit("bytes", count=count_bytes, bound=count_bytes)
GRAPHEMES = Unit("graphemes", count=count_graphemes, bound=len)
WEIGHTED_CHARACTERS = Unit(
    "characters", count=weigh, bound=weigh_at_most, explanation="a link counts as 23, an emoji or a CJK character as 2"
)
