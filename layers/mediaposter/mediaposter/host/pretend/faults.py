"""Failures that you can ask for in words, in the prompt of a video or the text of a post: `[video: fail]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

# The names are those of the stand-ins (sandbox.faults), where they have the same fault.


class VideoFault(StrEnum):
    """What the sandbox model does instead of drawing a video: `[video: fail]` in the prompt."""

    REFUSE = "refuse"
    ACCEPT_THEN_DROP = "accept_then_drop"
    FAIL = "fail"
    BREAK_DOWN = "break_down"
    NEVER_FINISH = "never_finish"
    NOT_MP4 = "not_mp4"
    TRUNCATE_SILENTLY = "truncate_silently"


class PostFault(StrEnum):
    """What the pretended publisher does instead of posting: `[post: refuse]` in the text."""

    REFUSE = "refuse"
    ACCEPT_THEN_DROP = "accept_then_drop"
    FAIL_PUBLISH = "fail_publish"
    STAY_IN_PROGRESS = "stay_in_progress"


FaultT = TypeVar("FaultT", VideoFault, PostFault)
_TAGS: Mapping[type[VideoFault] | type[PostFault], str] = {VideoFault: "video", PostFault: "post"}


def find_fault(kind: type[FaultT], text: str) -> FaultT | None:
    """Find the failure that a text asks for.

    Raises:
        ValueError: it asks for one that there is not; the sentence lists those that there are.
    """
    tag = _TAGS[kind]
    found = re.search(rf"\[{tag}: *([^\[\]]*)\]", text)
    if found is None:
        return None
    try:
        return kind(found[1].strip())
    except ValueError as error:
        known = ", ".join(f"[{tag}: {fault}]" for fault in kind)
        raise ValueError(f"There is no failure {found[1].strip()[:40]!r} to try. There are: {known}.") from error
