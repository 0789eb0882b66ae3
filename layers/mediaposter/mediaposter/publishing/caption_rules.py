"""What a written caption must keep to: the rules of its network and its posts, and what the request has in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from mediaposter.domain.text import refuse_unwritable
from mediaposter.publishing.networks import Network
from mediaposter.publishing.scripts import is_in_another_script
from mediaposter.publishing.tags import count_hashtags, list_links, list_mentions
from mediaposter.publishing.targets import TEXT_MAX_CHARACTERS, PublishTarget, UnlabelledTarget

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
        targets: the posts that get the caption; each is measured as it will be sent. They keep their own titles.
        is_language_free: the caller names a language, so that the script may be another than that of `sources`.
    """

    network: Network
    sources: Sequence[str]
    hashtags_max: int | None = None
    targets: Sequence[PublishTarget] = ()
    is_language_free: bool = False

    @property
    def has_title(self) -> bool:
        """Tell whether a title is to be written."""
        return "title" in self.network.texts and not self.targets

    def describe(self) -> str:
        """Describe the rules for the writer."""
        fields = ("text", "title") if self.has_title else ("text",)
        limits = [f"{name}: {self.network.texts[name].describe()}" for name in fields]
        hashtags = [most for most in (self.network.hashtags_max, self.hashtags_max) if most is not None]
        added = max(
            (len(target.disclosure or "") for target in self.targets if isinstance(target, UnlabelledTarget)), default=0
        )
        return ". ".join(
            [
                *limits,
                *([f"At most {min(hashtags)} hashtags"] if hashtags else []),
                *([f"Of this, {added + 1} are for a line that is added"] if added else []),
            ]
        )

    def find_fault(self, words: Words) -> str | None:
        """Say why words cannot be used; None if they can."""
        for name, text in (("text", words.text), ("title", words.title)):
            if text is not None and (fault := self._find_fault_of(name, text)):
                return fault
        if words.title is None and self.has_title:
            return "title: is missing"
        if self.hashtags_max is not None and (found := count_hashtags(words.text)) > self.hashtags_max:
            return f"hashtags: at most {self.hashtags_max}, got {found}"
        fault = self.network.find_tag_fault(words.text, None)
        return fault or next(filter(None, (_find_fault_of_post(target, words.text) for target in self.targets)), None)

    def _find_fault_of(self, name: str, text: str) -> str | None:
        try:
            refuse_unwritable(text)
        except ValueError as error:
            return f"{name}: {error}"
        if _PLACEHOLDER.search(text):
            return f"{name}: has a placeholder in braces"
        if self._list_foreign(text):
            return f"{name}: has a link or a mention that was not in the request"  # never which: it may be hostile
        if not self.is_language_free and is_in_another_script(text, self.sources):
            return f"{name}: is in another script than the request"
        return self.network.find_text_fault(name, text)

    def _list_foreign(self, text: str) -> set[str]:
        allowed: set[str] = set()
        for source in self.sources:
            allowed |= list_links(source) | list_mentions(source)
        return (list_links(text) | list_mentions(text)) - allowed


def _find_fault_of_post(target: PublishTarget, text: str) -> str | None:
    """Say why a post with this caption would be refused: a disclosure may be added, and a first comment has tags."""
    if len(text) > TEXT_MAX_CHARACTERS:
        return f"text: at most {TEXT_MAX_CHARACTERS} characters, got {len(text)}"
    try:
        target.compose_caption(prompt="", title=None, default_text=text)
    except ValueError as error:
        return str(error)
    return None
