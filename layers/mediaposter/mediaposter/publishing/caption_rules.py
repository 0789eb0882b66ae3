"""What a written caption must keep to: the rules of its network, and no link or mention that was not asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from mediaposter.domain.text import refuse_unwritable
from mediaposter.publishing.networks import Network
from mediaposter.publishing.tags import count_hashtags, list_links, list_mentions

# They would be filled in with the words of the request, after the text was measured.
_PLACEHOLDER = re.compile(r"\{(prompt|title)\}")


class Words(NamedTuple):
    """The words of a post."""

    text: str
    title: str | None


class CaptionRule(NamedTuple):
    """The rules for the words of one network.

    Attributes:
        network: its limits.
        sources: the texts of the request: links and mentions may come from them alone.
        hashtags_max: how many hashtags the caller wants at most.
    """

    network: Network
    sources: Sequence[str]
    hashtags_max: int | None = None

    @property
    def has_title(self) -> bool:
        """Tell whether posts of the network have a title."""
        return "title" in self.network.texts

    def describe(self) -> str:
        """Describe the rules for the writer."""
        limits = [
            f"{name}: {self.network.texts[name].describe()}" for name in ("text", "title") if name in self.network.texts
        ]
        hashtags = [most for most in (self.network.hashtags_max, self.hashtags_max) if most is not None]
        return ". ".join([*limits, *([f"At most {min(hashtags)} hashtags"] if hashtags else [])])

    def find_fault(self, words: Words) -> str | None:
        """Say why words cannot be used; None if they can."""
        for name, text in (("text", words.text), ("title", words.title)):
            if text is not None and (fault := self._find_fault_of(name, text)):
                return fault
        if words.title is None and self.has_title:
            return "title: is missing"
        if self.hashtags_max is not None and (found := count_hashtags(words.text)) > self.hashtags_max:
            return f"hashtags: at most {self.hashtags_max}, got {found}"
        return self.network.find_tag_fault(words.text, None)

    def _find_fault_of(self, name: str, text: str) -> str | None:
        try:
            refuse_unwritable(text)
        except ValueError as error:
            return f"{name}: {error}"
        if _PLACEHOLDER.search(text):
            return f"{name}: has a placeholder in braces"
        if self._list_foreign(text):
            return f"{name}: has a link or a mention that was not in the request"  # never which: it may be hostile
        return self.network.find_text_fault(name, text)

    def _list_foreign(self, text: str) -> set[str]:
        allowed: set[str] = set()
        for source in self.sources:
            allowed |= list_links(source) | list_mentions(source)
        return (list_links(text) | list_mentions(text)) - allowed
