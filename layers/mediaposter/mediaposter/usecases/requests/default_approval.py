"""Decide whether the posts of a request wait for a person: the request says so, or the stack's default does."""

from __future__ import annotations

from typing import NamedTuple

from mediaposter.stores.keys import Scope
from mediaposter.wire.caller import Caller
from mediaposter.wire.requests import PublishRequest

BY_DEFAULT = (
    "approval: posts wait for a person here, so this video does; approve it with POST /videos/{video_id}/approval. A "
    'request that says "approval": "none" is posted at once.'
)
NOT_THIS_KEY = (
    'approval: only a key with the scope approve may say "none" here, so the posts of this video wait for a person; '
    "approve it with POST /videos/{video_id}/approval."
)


class ChosenApproval(NamedTuple):
    """How many hours the posts wait for an approval, None if they need none; and what to warn the caller of."""

    hours: int | None
    warnings: tuple[str, ...] = ()


def choose_approval(request: PublishRequest, caller: Caller, *, is_default: bool) -> ChosenApproval:
    """Choose by the request.

    By the default of the stack, or of this kind of request, an approval is required unless an approver says "none".
    """
    if not request.publish:
        return ChosenApproval(None)
    if request.approval == "required":
        return ChosenApproval(request.approval_hours)
    if not is_default and not request.is_approval_default:
        return ChosenApproval(None)
    if "approval" not in request.model_fields_set:
        return ChosenApproval(request.approval_hours, (BY_DEFAULT,))  # guard: approval by default
    if not caller.may(Scope.APPROVE):
        return ChosenApproval(request.approval_hours, (NOT_THIS_KEY,))  # guard: none by approvers
    return ChosenApproval(None)
