"""End captions with the stack's disclosure, where a network has no label for AI and a target has no words of its own.

It becomes the target's own disclosure before anything else looks at the request. So it is counted like one that the
caller wrote, and the post is refused if its caption has no room for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from mediaposter.publishing.targets import PublishTarget, UnlabelledTarget
from mediaposter.wire.body_errors import name_target
from mediaposter.wire.requests import PostsRequest

RequestT = TypeVar("RequestT", bound=PostsRequest)


def add_default_disclosure(request: RequestT, disclosure: str) -> RequestT:
    """Give a request with the disclosure in each target that lacks one; "" adds nothing."""
    if not disclosure or not request.publish:
        return request
    targets = [target.with_default_disclosure(disclosure) for target in request.publish]
    return request.model_copy(update={"publish": targets})


def warn_of_undisclosed(targets: Sequence[PublishTarget], disclosure: str) -> list[str]:
    """Warn of targets that go out without the disclosure, since they have no caption."""
    if not disclosure:
        return []
    return [
        f"{name_target(index, target.platform, target.account_id)}: a story has no caption, so the disclosure of this "
        "stack is not on it."
        for index, target in enumerate(targets)
        if isinstance(target, UnlabelledTarget) and target.disclosure is None
    ]
