"""What a person is told of a video that waits for approval, and the e-mail that tells it.

The prompt and the captions are texts of strangers. They are shown as text: their control characters are removed here,
and each writer escapes what its receiver would take for formatting.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

# Texts are cut to these lengths, visibly. The page has them whole.
PROMPT_SHOWN_CHARACTERS = 600
# Posts beyond so many are counted, not shown.
CAPTIONS_SHOWN = 12
# SNS takes 256 KB, and a subject of up to 100 ASCII characters (Amazon SNS API reference, "Publish").
_EMAIL_CAPTION_CHARACTERS = 5_000
_SUBJECT_MAX_CHARACTERS = 100

# Control characters but for a new line, and those that turn the direction of what follows.
_UNSHOWN = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CUT = " … (cut)"


class Caption(NamedTuple):
    """One post: where it goes, and its text."""

    target: str
    text: str


class Question(BaseModel):
    """A video that waits for a person.

    `approval_url` is the page to decide on, if there is one. `picture_url` is a signed link to frames of the video,
    which needs no key. Opening either decides nothing.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    video_id: str
    prompt: str
    captions: tuple[Caption, ...]
    price_usd: str
    expires_at: AwareDatetime
    approval_url: str | None
    picture_url: str | None = Field(default=None, repr=False)

    @property
    def summary(self) -> str:
        """Tell in one line what waits; it has no word of a stranger."""
        posts = "1 post" if len(self.captions) == 1 else f"{len(self.captions)} posts"
        return f"A video waits for your approval: {posts}, ${self.price_usd}"

    @property
    def how_to_decide(self) -> str:
        """Tell how to decide where there is no page."""
        return f"mediaposter approve {self.video_id}, or mediaposter reject {self.video_id}"

    @property
    def left_out(self) -> str:
        """Tell how many posts are not shown; "" if all are."""
        count = len(self.captions) - CAPTIONS_SHOWN
        return f"And {count} more." if count > 0 else ""


def clean(text: str) -> str:
    """Remove what could hide or turn a text."""
    return _UNSHOWN.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def cut(text: str, most: int, *, measure: Callable[[str], int] = len) -> str:
    """Cut a text to a length as `measure` counts it, and say so at its end."""
    if measure(text) <= most:
        return text
    room = most - measure(_CUT)
    kept = text[:room]
    while kept and measure(kept) > room:
        kept = kept[: -max(1, (measure(kept) - room) // 8)]
    return f"{kept.rstrip()}{_CUT}"


def write_moment(moment: datetime) -> str:
    """Write a time for a person anywhere."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def write_email(question: Question) -> tuple[str, str]:
    """Write the subject and the plain text of an e-mail."""
    captions = [
        f"{caption.target}:\n{cut(clean(caption.text), _EMAIL_CAPTION_CHARACTERS) or '(no caption)'}"
        for caption in question.captions[:CAPTIONS_SHOWN]
    ]
    link = question.approval_url
    parts = [
        f"{question.summary}.",
        f"Look at it and decide:\n{link}" if link else f"Decide: {question.how_to_decide}",
        f"It waits until {write_moment(question.expires_at)}. Without a decision nothing is posted.",
        f"Prompt:\n{cut(clean(question.prompt), PROMPT_SHOWN_CHARACTERS)}",
        *captions,
        question.left_out,
        f"Frames of the video, for a while:\n{question.picture_url}" if question.picture_url else "",
        f"{question.video_id}. Opening a link decides nothing; the page asks for your key.",
    ]
    return question.summary[:_SUBJECT_MAX_CHARACTERS], "\n\n".join(filter(None, parts)) + "\n"
