"""The limits of each network: one table for the checks, their error messages and the documentation.

If sources disagree, the stricter limit counts; docs/publishing.md names it. `python -m checks.networks --write` writes
its tables from this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from mediaposter.publishing.tags import count_hashtags, count_links, count_mentions
from mediaposter.publishing.text_units import BYTES, CHARACTERS, GRAPHEMES, UTF16_UNITS, WEIGHTED_CHARACTERS, Unit

# Blotato takes 400 MB on its starter plan and this on the others (start-with-an-ai-agent, limits). It does not say
# which plan an account has.
UPLOAD_MAX_BYTES = 1_000_000_000
# Our own limit, from the size of a post's record: X counts a link of 4,096 characters as 23.
TEXT_MAX_BYTES = 100_000

_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")


class Limit(NamedTuple):
    """The maximum number of a unit."""

    most: int
    unit: Unit

    def find_fault(self, text: str) -> str | None:
        """Report that a text exceeds the limit, with the network's own count; None if it fits."""
        if self.unit.bound(text) <= self.most:
            return None
        count = self.unit.count(text)
        if count <= self.most:
            return None
        reason = f" ({self.unit.explanation})" if self.unit.explanation and count != len(text) else ""
        return f"at most {self.most} {self.unit.name}, got {count}{reason}"


class TextRule(NamedTuple):
    """A network's rules for one text.

    Attributes:
        limits: all apply; the first exceeded one is reported.
        refused: characters that the network refuses anywhere in the text.
        called: the network's name for this text.
        is_line: a single line, without control characters.
        may_be_empty: true for a caption; any other text must not be empty if it is set.
    """

    limits: tuple[Limit, ...]
    refused: str = ""
    called: str = "text"
    is_line: bool = False
    may_be_empty: bool = False

    def describe(self) -> str:
        """Describe it for the documentation: "at most 3,000 bytes and 300 graphemes, no < or >"."""
        parts = [" and ".join(f"{most:,} {unit.name}" for most, unit in self.limits)]
        if self.refused:
            parts.append(f"no {self._name_refused()}")
        return f"At most {', '.join(parts)}"

    def find_fault(self, text: str) -> str | None:
        """Say what the network would refuse; None if nothing."""
        if not self.may_be_empty and not text.strip():
            return "must not be empty"
        for limit in (*self.limits, Limit(TEXT_MAX_BYTES, BYTES)):
            if fault := limit.find_fault(text):
                return fault
        if any(character in text for character in self.refused):
            return f"no {self._name_refused()} in a {self.called}"
        if self.is_line and _CONTROLS.search(text):
            return "must be one line without control characters"
        return None

    def _name_refused(self) -> str:
        *names, last = map(_name_character, self.refused)
        return f"{', '.join(names)} or {last}" if names else last


class VideoLimits(NamedTuple):
    """A network's limits for a video, both ends included; `is_upright` allows only 9:16."""

    seconds_max: int
    seconds_min: int = 0
    bytes_max: int = UPLOAD_MAX_BYTES
    width_max: int | None = None
    height_max: int | None = None
    is_upright: bool = False


class Network(NamedTuple):
    """A network's rules for one kind of post.

    Attributes:
        texts: the rule of each text, by the target's field. A kind of post without a caption has no rule for `text`.
        video: the limits for the video.
        hashtags_max: the limit for caption and first comment together, like `mentions_max`.
        links_max: the maximum number of different links in the caption.
    """

    texts: Mapping[str, TextRule]
    video: VideoLimits
    hashtags_max: int | None = None
    mentions_max: int | None = None
    links_max: int | None = None

    def find_text_fault(self, name: str, text: str) -> str | None:
        """Report why the network would refuse the text of a field, with the field's name; None if it would not."""
        rule = self.texts.get(name)
        fault = rule.find_fault(text) if rule else None
        return f"{name}: {fault}" if fault else None

    def find_tag_fault(self, caption: str, first_comment: str | None) -> str | None:
        """Report too many tags, mentions or links in the caption and its first comment; None if there are not."""
        texts = (caption, first_comment or "")
        where = " in the text and the first comment" if first_comment else ""
        for name, most, count in (
            ("hashtags", self.hashtags_max, count_hashtags),
            ("mentions", self.mentions_max, count_mentions),
        ):
            if most is not None and (found := sum(map(count, texts))) > most:
                return f"{name}: at most {most}{where}, got {found}"
        if self.links_max is not None and (found := count_links(caption)) > self.links_max:
            return f"links: at most {self.links_max}, got {found}"
        return None


def _name_character(character: str) -> str:
    """Name a character for people: by itself, or by its code point if it is invisible."""
    return character if "!" <= character <= "~" else f"U+{ord(character):04X}"


def _caption(*limits: Limit, refused: str = "", called: str = "text") -> TextRule:
    return TextRule(limits, refused=refused, called=called, may_be_empty=True)


# twitter-text, parseTweet: a post with one of these is not valid. Spreadsheets write the first at the start of a file.
_REFUSED_BY_X = "\ufeff\ufffe\uffff"
# X, media best practices.
_X_VIDEO = VideoLimits(seconds_max=140, bytes_max=512_000_000)
X = Network({"text": _caption(Limit(280, WEIGHTED_CHARACTERS), refused=_REFUSED_BY_X)}, _X_VIDEO)
X_PREMIUM = Network({"text": _caption(Limit(25_000, WEIGHTED_CHARACTERS), refused=_REFUSED_BY_X)}, _X_VIDEO)

_INSTAGRAM_ALT_TEXT = TextRule((Limit(1_000, CHARACTERS),))
INSTAGRAM_REEL = Network(
    {
        "text": _caption(Limit(2_200, CHARACTERS)),
        "first_comment": TextRule((Limit(2_200, CHARACTERS),)),
        "alt_text": _INSTAGRAM_ALT_TEXT,
        "audio_name": TextRule((Limit(100, CHARACTERS),), is_line=True),
    },
    # Meta, Instagram content publishing.
    VideoLimits(seconds_min=3, seconds_max=15 * 60, bytes_max=300_000_000, is_upright=True),
    # Blotato's cap; Meta's page says 30.
    hashtags_max=5,
    mentions_max=20,
)
INSTAGRAM_STORY = Network(
    {"alt_text": _INSTAGRAM_ALT_TEXT},
    VideoLimits(seconds_min=3, seconds_max=60, bytes_max=100_000_000, is_upright=True),
)
FACEBOOK = Network(
    {"text": _caption(Limit(63_206, CHARACTERS)), "first_comment": TextRule((Limit(5_000, CHARACTERS),))},
    # Blotato posts every video as a reel or a story. Its pages say 90 s and 1 GB, or 4 h and 512 MB.
    VideoLimits(seconds_min=3, seconds_max=90, bytes_max=512_000_000, is_upright=True),
)
LINKEDIN = Network(
    {"text": _caption(Limit(3_000, CHARACTERS))},
    # LinkedIn, Videos API; an upright 4K video exceeds this height.
    VideoLimits(seconds_min=3, seconds_max=30 * 60, bytes_max=500_000_000, width_max=4096, height_max=2304),
)
TIKTOK = Network(
    # TikTok, content posting API: "UTF-16 runes".
    {"text": _caption(Limit(2_200, UTF16_UNITS)), "title": TextRule((Limit(90, UTF16_UNITS),), is_line=True)},
    # Ten minutes; an account's own limit may be lower. Blotato takes one of TikTok's 4 GB.
    VideoLimits(seconds_max=10 * 60),
)
YOUTUBE = Network(
    # YouTube, Data API, videos: snippet.title and snippet.description.
    {
        "text": _caption(Limit(5_000, BYTES), refused="<>", called="description"),
        "title": TextRule((Limit(100, CHARACTERS),), refused="<>", called="title", is_line=True),
    },
    # YouTube, upload videos longer than 15 minutes: the limit of an unverified account.
    VideoLimits(seconds_max=15 * 60),
)
PINTEREST = Network(
    {
        # A client of Blotato says 800.
        "text": _caption(Limit(500, CHARACTERS)),
        "title": TextRule((Limit(100, CHARACTERS),), is_line=True),
        "alt_text": TextRule((Limit(500, CHARACTERS),)),
    },
    # Blotato's page; Pinterest would take 2 GB.
    VideoLimits(seconds_min=4, seconds_max=5 * 60),
)
THREADS = Network(
    # Meta, Threads posts: "Emojis are counted as the number of UTF-8 bytes"; its API counts all text so.
    {"text": _caption(Limit(500, BYTES))},
    # Meta, Threads API; its 1 GB is Blotato's, too.
    VideoLimits(seconds_max=5 * 60),
    # Meta's page says five since 2025-12-22; a fourth was seen refused (gitroomhq/postiz-app#1203).
    links_max=3,
)
BLUESKY = Network(
    # AT Protocol, app.bsky.feed.post. Bytes come first, since counting graphemes in a long text is slow.
    {"text": _caption(Limit(3_000, BYTES), Limit(300, GRAPHEMES))},
    # Bluesky 1.99 made 60 s three minutes; documents say 50 or 100 MB.
    VideoLimits(seconds_max=3 * 60, bytes_max=50_000_000),
)

# In the order of docs/publishing.md.
NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        "`twitter`": X,
        "`twitter`, `premium`": X_PREMIUM,
        "`instagram` reel": INSTAGRAM_REEL,
        "`instagram` story": INSTAGRAM_STORY,
        "`facebook`": FACEBOOK,
        "`linkedin`": LINKEDIN,
        "`tiktok`": TIKTOK,
        "`youtube`": YOUTUBE,
        "`pinterest`": PINTEREST,
        "`threads`": THREADS,
        "`bluesky`": BLUESKY,
    }
)
