"""A request that has captions written, and the captions of its posts where no model wrote one.

Every request loads this module; only those that have captions written load the ones that ask a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mediaposter.publishing.targets import AnyTarget
from mediaposter.stores.idempotency import IdempotencyRecord
from mediaposter.stores.video_record import Reservation, Video
from mediaposter.wire.caller import Caller
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.requests import PublishRequest

_NO_REASON = "the model wrote nothing for it"


class PostTexts(NamedTuple):
    """Captions by the ids of posts, in place of the text of the request; what they cost, and what to warn of."""

    texts: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    spent_micros: int = 0


class TakenRequest(NamedTuple):
    """A request that is about to be recorded.

    Attributes:
        request: with its targets.
        video: its record.
        reservation: the money that the video needs.
        name: its idempotency record.
        context: how it was sent.
        caller: who sent it.
    """

    request: PublishRequest
    video: Video
    reservation: Reservation
    name: IdempotencyRecord
    context: RequestContext
    caller: Caller


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


def give_texts(request: PublishRequest, prompt: str, texts: Mapping[str, str], reasons: Mapping[str, str]) -> PostTexts:
    """Give each post the words of its network; where there are none, what it has without them, with a warning.

    Args:
        request: with its targets.
        prompt: of the video.
        texts: the words by network.
        reasons: why a network has none.
    """
    targets = list_without_text(request)
    templates = choose_templates(request, prompt)
    written = {target.post_id: texts[target.platform] for target in targets if target.platform in texts}
    left: dict[str, list[AnyTarget]] = {}
    for target in targets:
        if target.platform not in texts:
            left.setdefault(reasons.get(target.platform, _NO_REASON), []).append(target)
    template = "text of the request" if request.text is not None else "prompt"
    warnings = [_warn(reason, group, template, templates) for reason, group in left.items()]
    return PostTexts({**templates, **written}, tuple(warnings))


def _warn(reason: str, targets: Sequence[AnyTarget], template: str, templates: Mapping[str, str]) -> str:
    """Say of some networks why they have no written caption, and what theirs is."""
    empty = [target.platform for target in targets if target.post_id in templates]
    names = [target.platform for target in targets]
    sentences = [f"captions: none was written for {_join(names)}: {reason.removesuffix('.')}."]
    if len(empty) < len(names):
        sentences.append(f"The caption is the {template}.")
    if empty:
        where = f" on {_join(empty)}" if len(empty) < len(names) else ""
        sentences.append(f"The caption{where} is empty, since the network would refuse the prompt.")
    return " ".join(sentences)


def _join(names: Sequence[str]) -> str:
    *others, last = dict.fromkeys(names)
    return f"{', '.join(others)} and {last}" if others else last


def _takes(target: AnyTarget, prompt: str) -> bool:
    try:
        target.compose_caption(prompt=prompt, title=None, default_text=None)
    except ValueError:
        return False
    return True
