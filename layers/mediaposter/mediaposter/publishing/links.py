"""Find the links in a text as X does: twitter-text 3, extractUrlsWithIndices.

A link begins with https:// or with an ASCII domain, and its domain ends in a top-level domain that X knows. The texts
come from callers and may be long, so the search takes linear, not quadratic, time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from mediaposter.publishing.top_level_domains import TOP_LEVEL_DOMAINS

_LINK_MAX_CHARACTERS = 4096
_LABEL_MAX_CHARACTERS = 63
_SHORTENED_MAX_CHARACTERS = 40

_ACCENTED = (
    "\xc0-\xd6\xd8-\xf6\xf8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b\u02bb"
    "\u0300-\u036f\u1e00-\u1eff"
)
_SPACES = "\\t-\\r \x85\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_NO_CHARACTERS = "\ufeff\ufffe\uffff"
# Any character except a domain's letters, in any script, and the dots, hyphens and underscores between them.
_OUTSIDE_HOST = r"!'#%&()*+,/:;<=>?@\\\[\]^{|}~$" + _SPACES + _DIRECTIONS + _NO_CHARACTERS
_PATH_END = rf"A-Za-z0-9{_ACCENTED}\u0400-\u04ff+\-=_#/"
_PATH_MIDDLE = r"!*';:,.$%\[\]\u2013~@|&"
_IN_PATH = f"[{_PATH_END}{_PATH_MIDDLE}]"
# A path may have balanced parentheses, at most one pair within another.
_IN_PARENTHESES = rf"(?:\({_IN_PATH}++\)|\({_IN_PATH}*+\({_IN_PATH}++\){_IN_PATH}*+\))"

_HOST = re.compile(f"[^{_OUTSIDE_HOST}]+")
_DOT = re.compile(r"\.")
_STOP = re.compile("[\u3002\uff0e\uff61]")
_LETTER = re.compile(rf"[^{_OUTSIDE_HOST}._\-]")
_ASCII_HOST = re.compile(rf"[A-Za-z0-9{_ACCENTED}.\-]+")
_PROTOCOL = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://\Z")
_GLUED = re.compile(rf"[A-Za-z0-9@＠$#＃{_NO_CHARACTERS}]")  # no link begins after these
_ASCII_NAME = re.compile(r"[A-Za-z]+")
_PUNYCODE = re.compile(r"[Xx][Nn]--[\-0-9A-Za-z]+")
_NAME_GOES_ON = re.compile(r"[0-9A-Za-z@+\-]")
_OTHER_NAMES = sorted((name for name in TOP_LEVEL_DOMAINS if not name.isascii()), key=len, reverse=True)
_OTHER_INITIALS = frozenset(name[0] for name in _OTHER_NAMES)
_PORT = re.compile(r":[0-9]+")
_PATH = re.compile(
    f"/(?:[{_PATH_END}]|{_IN_PARENTHESES}|[{_PATH_MIDDLE}](?:[{_PATH_MIDDLE}]|{_IN_PARENTHESES})*+[{_PATH_END}])*+"
)
_QUERY = re.compile(r"\?[A-Za-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[A-Za-z0-9\-_&=#/]")
_SHORTENED = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://[Tt]\.[Cc][Oo]/([A-Za-z0-9]+)")


class Link(NamedTuple):
    """Where a link begins and ends in its text."""

    start: int
    end: int


class _Label(NamedTuple):
    """A label of a host that ends in a dot, and the ends of the domains that include it.

    `longest` is the end of a domain that has more labels after this one, `shortest` of one whose top-level domain is
    next.
    """

    start: int
    dot: int
    longest: int | None
    shortest: int | None


class _Tail(NamedTuple):
    """The part after a domain: optional port, path and query."""

    end: int
    has_path: bool


# A text is measured several times: on parsing, on composing the caption, and by several rules.
@lru_cache(maxsize=8)
def find_links(text: str) -> tuple[Link, ...]:
    """Find the links, from left to right."""
    return tuple(_find_links(text))


def _find_links(text: str) -> Iterator[Link]:
    read_to = 0
    for host in _HOST.finditer(text):
        for label in _read_labels(text, host.start(), host.end()):
            domain = _find_domain(text, label, read_to)
            if domain is None:
                continue
            tail = _read_tail(text, domain.end)
            protocol = _PROTOCOL.search(text, max(0, domain.start - len("https://")), domain.start)
            if protocol and _may_begin(text, protocol.start(), read_to):
                yield from _read_whole(text, protocol.start(), domain, tail)
            elif domain.start == 0 or text[domain.start - 1] not in "-_./":
                yield from _read_bare(text, domain, tail)
            read_to = tail.end


def _read_labels(text: str, start: int, end: int) -> list[_Label]:
    labels: list[_Label] = []
    dots = [dot.start() for dot in _DOT.finditer(text, start, end)]
    longest: int | None = None
    # From the right, since the last top-level domain ends a domain.
    for label_start, dot in reversed(list(zip([start, *(dot + 1 for dot in dots)], dots, strict=False))):
        shortest = _find_name_end(text, dot + 1, end)
        labels.append(_Label(label_start, dot, longest, shortest))
        is_label = label_start < dot and _LETTER.match(text, label_start) and _LETTER.match(text, dot - 1)
        if not is_label:
            longest = None
        elif longest is None and text.find("_", label_start, dot) < 0:
            longest = shortest
    return labels[::-1]


def _find_domain(text: str, label: _Label, read_to: int) -> Link | None:
    """Find the domain that begins anywhere within a label, for example after CJK characters."""
    end = label.longest or label.shortest
    if end is None or label.dot <= read_to or not _LETTER.match(text, label.dot - 1):
        return None
    # A domain has no underscores in the label before its top-level domain.
    start = label.start if label.longest else max(label.start, text.rfind("_", label.start, label.dot) + 1)
    for at in [1, 0, *range(2, label.dot)] if start == 0 else range(max(start, read_to), label.dot):
        if at < label.dot and _may_begin(text, at, read_to) and _LETTER.match(text, at):
            return Link(at, end)
    return None


def _may_begin(text: str, at: int, read_to: int) -> bool:
    """Tell whether a link may begin here: at the start, or after an unread character that links may follow."""
    return at == 0 or (at > read_to and not _GLUED.match(text, at - 1))


def _read_tail(text: str, start: int) -> _Tail:
    port = _PORT.match(text, start)
    end = port.end() if port else start
    path = _PATH.match(text, end)
    if path:
        end = path.end()
    query = _QUERY.match(text, end)
    return _Tail(query.end() if query else end, path is not None)


def _read_whole(text: str, start: int, domain: Link, tail: _Tail) -> Iterator[Link]:
    """Return a link with its protocol; X's own short links have no further path."""
    end = tail.end
    if not _is_short_enough(text, domain, end - start):
        return
    if shortened := _SHORTENED.match(text, start, end):
        if len(shortened[1]) > _SHORTENED_MAX_CHARACTERS:
            return
        query = _QUERY.match(text, shortened.end(), end)
        end = query.end() if query else shortened.end()
    yield Link(start, end)


def _read_bare(text: str, domain: Link, tail: _Tail) -> Iterator[Link]:
    """Return the ASCII domains within a domain of any script; the path belongs to the last one."""
    if not _is_short_enough(text, domain, len("https://") + tail.end - domain.start):
        return
    found = list(_find_ascii_domains(text, domain))
    yield from found[:-1]
    for last in found[-1:]:
        # For the characters between such a domain and its path, X counts as many characters of the path instead.
        skipped = domain.end - last.end
        yield Link(last.start, tail.end - skipped if tail.has_path else last.end)


def _is_short_enough(text: str, domain: Link, link_characters: int) -> bool:
    """Tell whether a link and the labels of its domain, in ASCII, are within the length limits."""
    if text.startswith("xn--", domain.start) and not any(_find_ascii_domains(text, domain)):
        return False
    for label in text[domain.start : domain.end].split("."):
        # Punycode is never shorter than the text, so a long text needs no encoding.
        if len(label) > _LABEL_MAX_CHARACTERS:
            return False
        # A CJK full stop also ends a label, but not for the functions above.
        in_ascii = [
            part if part.isascii() else f"xn--{part.encode('punycode').decode()}" for part in _STOP.split(label)
        ]
        ascii_characters = len(".".join(in_ascii))
        if ascii_characters > _LABEL_MAX_CHARACTERS:
            return False
        link_characters += ascii_characters - len(label)
    return link_characters <= _LINK_MAX_CHARACTERS


def _find_ascii_domains(text: str, within: Link) -> Iterator[Link]:
    for host in _ASCII_HOST.finditer(text, within.start, within.end):
        start = host.start()
        found: Link | None = None
        for dot in re.finditer(r"\.", host[0]):
            at = host.start() + dot.start()
            if at < start:
                continue
            if at == start or text[at - 1] == ".":
                # An empty label ends a domain.
                if found:
                    yield found
                start, found = at + 1, None
                continue
            name_end = _find_name_end(text, at + 1, within.end)
            if name_end is not None:
                found = Link(start, name_end)
        if found:
            yield found


def _find_name_end(text: str, start: int, end: int) -> int | None:
    """Return the end of the top-level domain that begins here, if there is one."""
    if name := _ASCII_NAME.match(text, start, end):
        is_known = name[0].lower() in TOP_LEVEL_DOMAINS and not _NAME_GOES_ON.match(text, name.end())
        if is_known:
            return name.end()
        punycode = _PUNYCODE.match(text, start, end)
        return punycode.end() if punycode else None
    if text[start : start + 1].lower() in _OTHER_INITIALS:
        for other in _OTHER_NAMES:
            name_end = start + len(other)
            if text[start:name_end].lower() == other and not _NAME_GOES_ON.match(text, name_end):
                return name_end
    return None
