"""What a person is asked before a video is posted, and what was answered: once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self, TypedDict, Unpack

from pydantic import AwareDatetime, Field

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.due import give_due_attributes
from mediaposter.stores.table import Change, Create, Delete, Key, Record, Replace, Table

# The machine is told at once; if whoever decided died before he told it, the sweep does.
SIGNAL_GRACE = timedelta(minutes=2)


class Decision(StrEnum):
    """Where an approval stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


class ApprovalChanges(TypedDict, total=False):
    """What a step may change in the record of a question; its types are those of `Approval`."""

    task_token: str | None
    is_signalled: bool
    is_told: bool


class ApprovalFields(ApprovalChanges, total=False):
    """All that changes: besides, what the library writes as the question is answered."""

    version: int
    decision: Decision
    decided_at: AwareDatetime | None
    decided_by: str | None


class Approval(Record):
    """The question whether a video may be posted.

    `task_token` is what the machine waits on. Who has it can carry the execution on, so it is in no reply, event or
    log, and no error shows it. `is_signalled` says that the machine was told.
    """

    video_id: str
    decision: Decision = Decision.WAITING
    asked_at: AwareDatetime
    expires_at: AwareDatetime
    task_token: str | None = Field(default=None, repr=False)
    decided_at: AwareDatetime | None = None
    decided_by: str | None = None
    is_signalled: bool = False
    is_told: bool = False

    def copy_with(self, **fields: Unpack[ApprovalFields]) -> Self:
        """Copy it with some fields changed. Raises InvalidChange."""
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return approval_key(self.video_id)

    def index_attributes(self) -> Mapping[str, str]:
        """List a question for the sweep until it is answered, and the machine has heard the answer."""
        if self.decision is Decision.WAITING:
            return give_due_attributes(self.expires_at)
        return give_due_attributes(None if self.is_signalled else (self.decided_at or self.asked_at) + SIGNAL_GRACE)


def approval_key(video_id: str) -> Key:
    """Give the primary key of an approval."""
    return Key(f"VIDEO#{video_id}", "APPROVAL")


def open_approval(video_id: str, *, now: datetime, hours: int) -> Create:
    """Ask a person, as from now."""
    return Create(Approval(video_id=video_id, asked_at=now, expires_at=now + timedelta(hours=hours)))


def decide(approval: Approval, decision: Decision, *, now: datetime, by: str | None = None) -> Change:
    """Answer a question that still waits.

    Raises:
        VersionConflict: it was answered before.
    """
    if approval.decision is not Decision.WAITING:  # guard: answered once
        raise VersionConflict(f"{approval.video_id} is {approval.decision} already; the first decision holds.")
    decided = approval.copy_with(decision=decision, decided_at=now, decided_by=by, version=approval.version + 1)
    return Replace(decided, approval.version, {"decision": [Decision.WAITING]})  # guard: one answer


class ApprovalStore:
    """The approvals of all videos."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, video_id: str) -> Approval:
        """Read the approval of a video.

        Raises:
            NotFound: it was never asked for.
        """
        try:
            return Approval.model_validate(self._table.get(approval_key(video_id)))
        except NotFound as error:
            raise NotFound(f"Nobody is asked for an approval of {video_id}.", what="approval") from error

    def note(self, approval: Approval, **changes: Unpack[ApprovalChanges]) -> Approval:
        """Write down what the machine waits on, and whom was told what.

        Raises:
            VersionConflict: the record changed since it was read.
            InvalidChange: a change is none of `ApprovalChanges`.
        """
        approval.refuse_changes_but(ApprovalChanges.__optional_keys__, changes)
        changed = approval.copy_with(**changes, version=approval.version + 1)
        self._table.replace(changed, expected_version=approval.version, allowed={"decision": [approval.decision]})
        return changed

    def commit(self, decided: Change) -> None:
        """Write a decision of which nothing else follows.

        Raises:
            VersionConflict: it was decided meanwhile.
        """
        self._table.commit([decided])

    def forget(self, video_id: str) -> None:
        """Remove the approval of a video that is no more."""
        self._table.commit([Delete(approval_key(video_id))])
