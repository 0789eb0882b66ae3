"""Which scripts a text is written in: enough to see that a model answered in another language with another script."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

# Japanese mixes three, and Korean two.
_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL"})


def is_in_another_script(text: str, sources: Iterable[str]) -> bool:
    """Tell whether most letters of a text are of scripts that no letter of the sources is of."""
    known = count_scripts("".join(sources))
    found = count_scripts(text)
    foreign = sum(count for script, count in found.items() if script not in known)
    return bool(known) and foreign * 2 > found.total()


def count_scripts(text: str) -> Counter[str]:
    """Count the letters of each script, by the first word of their names in Unicode."""
    names = (unicodedata.name(character, "").partition(" ")[0] for character in text if character.isalpha())
    return Counter("EAST ASIAN" if name in _EAST_ASIAN else name for name in names if name)
