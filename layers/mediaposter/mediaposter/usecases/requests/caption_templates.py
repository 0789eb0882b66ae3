"""The captions that the posts of a request have where no model wrote one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mediaposter.publishing.targets import AnyTarget
from mediaposter.wire.requests import PublishRequest


class PostTexts(NamedTuple):
    """Captions by the ids of posts, in place of the text of the request; what they cost, and what to warn of."""

    texts: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    spent_micros: int = 0


def list_without_text(request: PublishRequest) -> Sequence[AnyTarget]:
    """List the targets of a request that get a written caption: those that take one and have none of their own."""
    if request.captions is None:
        return []
    return [target for target in request.publish if target.text is None and target.takes_caption]


def choose_templates(request: PublishRequest, prompt: str) -> dict[str, str]:
    """Choose the empty caption for posts that are to get a written one, and whose network would refuse the prompt.

    A prompt is written for a video model, and may be longer than a caption. A text that the request has for captions is
    not replaced: if it does not fit, the request is refused.
    """
    if request.text is not None:
        return {}
    return {target.post_id: "" for target in list_without_text(request) if not _takes(target, prompt)}


def _takes(target: AnyTarget, prompt: str) -> bool:
    try:
        target.compose_caption(prompt=prompt, title=None, default_text=None)
    except ValueError:
        return False
    return True
