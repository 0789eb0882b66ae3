"""The approval of a video: the question to a person before posting, and the one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self, TypedDict, Unpack

from pydantic import AwareDatetime, Field

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.due import give_due_attributes
from mediaposter.stores.table import Change, Create, Delete, Key, Record, Replace, Table
from mediaposter.stores.trail import Actor

# The request that decides also signals the state machine; if it crashed before that, the sweep signals.
SIGNAL_GRACE = timedelta(minutes=2)


class Decision(StrEnum):
    """The state of an approval."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


class ApprovalChanges(TypedDict, total=False):
    """The fields of `Approval` that a step may change, with the same types."""

    task_token: str | None
    is_signalled: bool
    is_told: bool


class ApprovalFields(ApprovalChanges, total=False):
    """All fields that change: also those that the store writes with the answer."""

    version: int
    decision: Decision
    decided_at: AwareDatetime | None
    decided_by: str | None
    decided_by_name: str | None
    comment: str | None


class Approval(Record):
    """The question whether a video may be posted.

    The state machine waits on `task_token`. Anyone with the token can resume the execution, so no reply, event, log or
    error contains it. `is_signalled` says that the state machine got the answer. `decided_by` is the id of the key that
    decided, or of earlier versions its owner. `round` counts the questions about a video: each is about other posts.
    """

    video_id: str
    decision: Decision = Decision.WAITING
    asked_at: AwareDatetime
    expires_at: AwareDatetime
    task_token: str | None = Field(default=None, repr=False)
    decided_at: AwareDatetime | None = None
    decided_by: str | None = None
    decided_by_name: str | None = None
    comment: str | None = None
    is_signalled: bool = False
    is_told: bool = False
    round: int = 1

    def copy_with(self, **fields: Unpack[ApprovalFields]) -> Self:
        return self.model_copy(update=fields)

    @property
    def decider(self) -> Actor | None:
        """Name the key that decided."""
        return None if self.decided_by is None else Actor(key=self.decided_by, name=self.decided_by_name or "")

    @property
    def key(self) -> Key:
        return approval_key(self.video_id)

    def index_attributes(self) -> Mapping[str, str]:
        """List the approval for the sweep until it is answered and the state machine got the answer."""
        if self.decision is Decision.WAITING:
            return give_due_attributes(self.expires_at)
        return give_due_attributes(None if self.is_signalled else (self.decided_at or self.asked_at) + SIGNAL_GRACE)


def approval_key(video_id: str) -> Key:
    """Give the primary key of an approval."""
    return Key(f"VIDEO#{video_id}", "APPROVAL")


def open_approval(video_id: str, *, now: datetime, hours: int) -> Create:
    """Build the change that opens an approval, which expires after `hours`."""
    return Create(Approval(video_id=video_id, asked_at=now, expires_at=now + timedelta(hours=hours)))


def ask_again(approval: Approval, *, now: datetime, hours: int) -> Replace:
    """Build the change that asks about a video once more, for other posts than those of an answered approval.

    Raises:
        VersionConflict: it is not answered, or the state machine did not get the answer yet.
    """
    if approval.decision is Decision.WAITING or not approval.is_signalled:
        raise VersionConflict(f"The approval of {approval.video_id} is {approval.decision} and not finished yet.")
    again = Approval(
        video_id=approval.video_id,
        asked_at=now,
        expires_at=now + timedelta(hours=hours),
        round=approval.round + 1,
        version=approval.version + 1,
    )
    return Replace(again, approval.version, {"decision": [approval.decision]})


def decide(
    approval: Approval, decision: Decision, *, now: datetime, by: Actor | None = None, comment: str | None = None
) -> Change:
    """Build the change that answers a waiting approval.

    Raises:
        VersionConflict: it already has an answer.
    """
    if approval.decision is not Decision.WAITING:  # guard: answered once
        raise VersionConflict(f"{approval.video_id} is {approval.decision} already; the first decision is final.")
    decided = approval.copy_with(
        decision=decision,
        decided_at=now,
        decided_by=by.key if by else None,
        decided_by_name=by.name if by else None,
        comment=comment,
        version=approval.version + 1,
    )
    return Replace(decided, approval.version, {"decision": [Decision.WAITING]})  # guard: one answer


class ApprovalStore:
    """The approvals of all videos."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, video_id: str) -> Approval:
        """Read the approval of a video.

        Raises:
            NotFound: no approval was opened for the video.
        """
        try:
            return Approval.model_validate(self._table.get(approval_key(video_id)))
        except NotFound as error:
            raise NotFound(f"{video_id} does not wait for an approval.", what="approval") from error

    def find_each(self, video_ids: Sequence[str]) -> dict[str, Approval]:
        """Read the approvals of up to 100 videos in one request, by the videos' ids; those without one are left out."""
        items = self._table.get_many([approval_key(video_id) for video_id in video_ids])
        return {approval.video_id: approval for approval in map(Approval.model_validate, items)}

    def note(self, approval: Approval, **changes: Unpack[ApprovalChanges]) -> Approval:
        """Record the task token, and which notifications were sent.

        Raises:
            VersionConflict: the record changed since it was read.
            InvalidChange: a change is none of `ApprovalChanges`.
        """
        approval.refuse_changes_but(ApprovalChanges.__optional_keys__, changes)
        changed = approval.copy_with(**changes, version=approval.version + 1)
        self._table.replace(changed, expected_version=approval.version, allowed={"decision": [approval.decision]})
        return changed

    def commit(self, decided: Change) -> None:
        """Write a decision on its own, without other changes.

        Raises:
            VersionConflict: another request decided meanwhile.
        """
        self._table.commit([decided])

    def forget(self, video_id: str) -> None:
        """Remove the approval of a deleted video."""
        self._table.commit([Delete(approval_key(video_id))])
