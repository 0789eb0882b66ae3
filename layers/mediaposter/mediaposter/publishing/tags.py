"""Count the hashtags, mentions and links of a text, which networks limit as they limit its length."""

from __future__ import annotations

import re
import unicodedata

from mediaposter.publishing.text_units import find_links

_ENTITY = re.compile(r"&#(?:[0-9]+|[xX][0-9A-Fa-f]+);")
_HASH = re.compile("[#＃]")
# After a letter or digit of any script, a sign starts no tag: C# is no hashtag, me@example.com no mention.
_MENTION = re.compile(r"(?<!\w)[@＠](?=[A-Za-z0-9_])")
_NAME = re.compile(r"(?<!\w)[@＠]([A-Za-z0-9_][A-Za-z0-9_.-]*)")
# A sentence may end after a link.
_ENDS = ".,;:!?)]}'\"…"
# Links for people that X does not recognize: localhost and IP addresses.
_OTHER_LINK = re.compile(r"https?://\S+", re.IGNORECASE)
_QUERY = re.compile(r"\?\S*")
_JOINERS = "\u200c\u200d"


def count_hashtags(text: str) -> int:
    """Count the hashtags: a # or ＃ outside of links that begins a word with a letter or an emoji.

    #a#b are two. C#, #1, &#39; and https://example.org/#a have none.
    """
    text = _ENTITY.sub(" ", _blank_links(text))
    count = 0
    tag_end = -1
    for sign in _HASH.finditer(text):
        before = text[sign.start() - 1 : sign.start()]
        begins = sign.start() == tag_end or not (before.isalnum() or before == "_")
        end = sign.end()
        while end < len(text) and (_is_letter(text[end]) or _goes_on(text[end])):
            end += 1
        if begins and any(map(_is_letter, text[sign.end() : end])):
            count += 1
            tag_end = end
    return count


def count_mentions(text: str) -> int:
    """Count the mentions: an @ or ＠ outside of links that begins a word."""
    return len(_MENTION.findall(_blank_links(text)))


def count_links(text: str) -> int:
    """Count the different links."""
    return len({text[link.start : link.end] for link in find_links(text)})


def list_links(text: str) -> set[str]:
    """List the links in a text, also those that no network recognizes, in lower case."""
    own = {text[link.start : link.end] for link in find_links(text)}
    return {link.casefold().rstrip(_ENDS) for link in (*own, *_OTHER_LINK.findall(text))}


def list_mentions(text: str) -> set[str]:
    """List the mentions in a text, each as @name in lower case."""
    return {f"@{name.casefold().rstrip('.')}" for name in _NAME.findall(_blank_links(text))}


def _blank_links(text: str) -> str:
    """Replace each link by a letter, so that it holds no tag, and no word begins right after it."""
    parts = []
    at = 0
    for link in find_links(text):
        if link.start >= at:
            query = _QUERY.match(text, link.end)
            parts.append(text[at : link.start])
            at = query.end() if query else link.end
    return _OTHER_LINK.sub("x", "x".join([*parts, text[at:]]))


def _is_letter(character: str) -> bool:
    # Instagram treats emoji as letters.
    return character.isalpha() or unicodedata.category(character) == "So"


def _goes_on(character: str) -> bool:
    return character.isalnum() or character in "_" + _JOINERS or unicodedata.category(character).startswith("M")
