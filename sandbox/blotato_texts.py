"""How the networks behind Blotato count the texts of a post, from their own pages; nothing of it is the product's.

X: docs.x.com, counting characters, and twitter-text 3. Threads: Meta, posts. TikTok: content posting API. Bluesky:
AT Protocol, app.bsky.feed.post. YouTube: Data API, videos. Instagram: Meta, content publishing, and Blotato's cap.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

from publicsuffixlist import PublicSuffixList
from wcwidth import iter_graphemes

_SUFFIXES: Final = PublicSuffixList(accept_unknown=False)

# A link as twitter-text describes it: what may be a host, and then a port, a path and a query.
_HOST_LETTER: Final = r"[^\s!'#%&()*+,\-./:;<=>?@\\\[\]^_{|}~$\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
_HOST: Final = re.compile(
    rf"(?<![A-Za-z0-9@＠$#＃])(?P<protocol>https?://)?"
    rf"(?P<host>{_HOST_LETTER}(?:{_HOST_LETTER}|[_-])*(?:\.{_HOST_LETTER}(?:{_HOST_LETTER}|[_-])*)+)",
    re.IGNORECASE,
)
_TOP_LEVEL: Final = re.compile(r"[a-z]+(?![0-9a-z@+\-])", re.IGNORECASE)
_ASCII_HOST: Final = re.compile(r"[a-z0-9\-\xc0-\u024f]+(?:\.[a-z0-9\-\xc0-\u024f]+)+\Z", re.IGNORECASE)
_PORT: Final = re.compile(r":\d+", re.ASCII)
_IN_PATH: Final = r"[\w!*';:=+,.$/%#\[\]\-\u2013~@|&]"
_PATH: Final = re.compile(rf"/(?:{_IN_PATH}|\({_IN_PATH}+\))*+")
# A sentence goes on with these, and a path does not end in them.
_NO_PATH_END: Final = "!*';:,.$%[]\u2013~@|&"
_QUERY: Final = re.compile(r"\?[\w!?*'@();:&=+$/%#\[\]\-.,~|]*[\w\-&=#/]", re.ASCII)
_ANY_ADDRESS: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_WEIGHS_ONE: Final = ((0x0000, 0x10FF), (0x2000, 0x200D), (0x2010, 0x201F), (0x2032, 0x2037))


class _Link(NamedTuple):
    start: int
    end: int


def count_graphemes(text: str) -> int:
    """Count the characters that a reader sees."""
    return sum(1 for _ in iter_graphemes(text))


def count_utf16(text: str) -> int:
    """Count UTF-16 units: two for what is beyond the basic plane."""
    return sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def weigh_for_x(text: str) -> int:
    """Weigh a text as X shows it at its counter."""
    text = unicodedata.normalize("NFC", text)
    weight = 0
    rest = []
    at = 0
    for link in _find_links(text):
        rest.append(text[at : link.start])
        weight += 23
        at = link.end
    for part in (*rest, text[at:]):
        weight += sum(map(_weigh_grapheme, iter_graphemes(part)))
    return weight


def _weigh_grapheme(grapheme: str) -> int:
    is_keycap = len(grapheme) > 1 and grapheme.endswith("\u20e3")
    is_emoji = unicodedata.category(grapheme[0]) == "So" and len(grapheme) > 1
    if is_keycap or is_emoji:
        return 2
    return sum(1 if any(low <= ord(one) <= high for low, high in _WEIGHS_ONE) else 2 for one in grapheme)


def count_links(text: str) -> int:
    """Count the links that differ."""
    return len({text[start:end] for start, end in _find_links(text)})


def count_hashtags(text: str) -> int:
    """Count what Instagram links as hashtags: of letters, digits and emoji, at the beginning of a word."""
    first, *pieces = re.split("[#＃]", re.sub(r"&#[0-9A-Za-z]+;", " ", _leave_out_links(text)))
    count = 0
    is_glued = _ends_in_word(first)
    for piece in pieces:
        word = _read_word(piece)
        is_tag = not is_glued and any(one.isalpha() or unicodedata.category(one) == "So" for one in word)
        count += is_tag
        is_glued = _ends_in_word(piece) and not (is_tag and word == piece)
    return count


def count_mentions(text: str) -> int:
    """Count the names of people."""
    return len(re.findall(r"(?:^|\W)[@＠][A-Za-z0-9_]", _leave_out_links(text)))


def _ends_in_word(text: str) -> bool:
    return text[-1:].isalnum() or text.endswith("_")


def _read_word(text: str) -> str:
    for number, one in enumerate(text):
        kind = unicodedata.category(one)
        if not (one.isalnum() or kind[0] == "M" or kind == "So" or one in "_\u200c\u200d"):
            return text[:number]
    return text


def _leave_out_links(text: str) -> str:
    """Write a letter for each link, and for each address that is none to X."""
    for start, end in reversed(list(_find_links(text))):
        query = re.match(r"\?\S*", text[end:])
        text = f"{text[:start]}x{text[end + (query.end() if query else 0) :]}"
    return _ANY_ADDRESS.sub("x", text)


def _find_links(text: str) -> Iterator[_Link]:
    if "." not in text:
        return
    at = 0
    while found := _HOST.search(text, at):
        at = found.end()
        host_end = _find_host_end(text, found.start("host"), found.end("host"))
        if host_end is None:
            continue
        port = _PORT.match(text, host_end)
        end = port.end() if port else host_end
        path = _PATH.match(text, end)
        if path:
            end += len(path[0].rstrip(_NO_PATH_END))
        query = _QUERY.match(text, end)
        at = end = query.end() if query else end
        if found["protocol"]:
            yield _Link(found.start(), end)
        elif ascii_host := _ASCII_HOST.search(text[found.start() : host_end]):
            yield _Link(found.start() + ascii_host.start(), end if path else host_end)


def _find_host_end(text: str, start: int, end: int) -> int | None:
    """Tell where the last top-level domain ends that a host may end in."""
    for dot in reversed([start + found.start() for found in re.finditer(r"\.", text[start:end])]):
        name = _TOP_LEVEL.match(text, dot + 1)
        is_known = name is not None and _SUFFIXES.publicsuffix(name[0].lower()) is not None
        if name and is_known and "_" not in text[start:dot].rpartition(".")[2]:
            return name.end()
    return None
