"""Ask a person before a video is posted, and carry the answer to the machine: once, whoever dies meanwhile.

The answer stands in the table before the machine is told. So a decision is never made twice, and one that the machine
has not heard is told again: by the sweep, or when the machine asks once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, Protocol

from mediaposter.domain.errors import ErrorCode, NotAllowedInState, NotFound, VersionConflict
from mediaposter.events import VideoEvent
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.approvals import Approval, ApprovalStore, Decision, decide
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import Post, PostState, PostStore
from mediaposter.stores.table import Change, Create, Delete, Replace
from mediaposter.stores.videos import Stage, Video, VideoStore
from mediaposter.usecases.posting.plan_posts import plan_posts
from mediaposter.usecases.scheduled.recorded_events import describe_question
from mediaposter.usecases.steps import AwaitApprovalInput, Outcome, PostReference, StepResult
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import ApprovalRequest, PostEdits

Clock = Callable[[], datetime]

# How often the machine asks for one video: once, unless something breaks.
ASKS_MAX = 6

_OUTCOME_OF = {
    Decision.APPROVED: Outcome.APPROVED,
    Decision.REJECTED: Outcome.REJECTED,
    Decision.EXPIRED: Outcome.REJECTED,
}


class Signaller(Protocol):
    """Whatever waits for decisions."""

    def signal(self, task_token: str, result: StepResult) -> None:
        """Carry an execution on; one that does not wait any more is left as it is."""


class AwaitApproval:
    """Note what the machine waits on, and tell the owner that something waits."""

    def __init__(
        self,
        *,
        library: VideoStore,
        ledger: PostStore,
        approvals: ApprovalStore,
        signaller: Signaller,
        send_event: Callable[[VideoEvent], None],
        clock: Clock,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._approvals = approvals
        self._signaller = signaller
        self._send_event = send_event
        self._clock = clock

    def __call__(self, step: AwaitApprovalInput) -> None:
        """Ask, or answer at once when it was decided before the machine came back to ask.

        Raises:
            VersionConflict: it is being decided at this moment; asking again finds the answer.
        """
        # Whoever told the machine before told another token.
        approval = self._approvals.note(
            self._approvals.get(step.video_id), task_token=step.task_token, is_signalled=False
        )
        if approval.decision is not Decision.WAITING:
            tell_machine(approval, approvals=self._approvals, ledger=self._ledger, signaller=self._signaller)
            return
        if approval.is_told:
            return
        video = self._library.get_unchecked(step.video_id)
        self._send_event(describe_question(video, approval))
        self._approvals.note(approval, is_told=True)


class DecideApproval:
    """Take a person's decision."""

    def __init__(
        self,
        *,
        library: VideoStore,
        ledger: PostStore,
        approvals: ApprovalStore,
        signaller: Signaller,
        validate_accounts: Callable[[Sequence[PublishTarget]], list[str]],
        clock: Clock,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._approvals = approvals
        self._signaller = signaller
        self._preflight = validate_accounts
        self._clock = clock

    def __call__(self, video_id: str, request: ApprovalRequest, *, caller: Caller) -> tuple[Video, list[Post]]:
        """Decide once: approve, with changed posts or as they are, or reject.

        Raises:
            NotFound: there is no such video, or nobody asked for a decision.
            Forbidden: the caller may not approve, or not post to an account that the video goes to.
            NotAllowedInState: there is a decision, or the time for one is over.
            InvalidRequest: the changed posts would be refused; nothing was decided.
        """
        caller.require(Scope.APPROVE)  # guard: scope approve
        video = self._library.get(video_id, caller=caller)
        approval = self._approvals.get(video_id)
        # The accounts of the posts there are, which edits may take away, and those that edits add.
        caller.require_accounts([post.target for post in self._list_waiting(video)])  # guard: accounts decided
        if request.edits is not None:
            caller.require_accounts(request.edits.publish, field="edits.publish")  # guard: accounts edited
        now = self._clock()
        if approval.decision is Decision.WAITING and now >= approval.expires_at:
            approval = self._write(video, _Decided(approval, Decision.EXPIRED, now))
        if approval.decision is not Decision.WAITING:  # guard: first answer
            self._tell(approval)
            raise NotAllowedInState(
                f"{video_id} is {approval.decision} since {approval.decided_at:%Y-%m-%dT%H:%M:%SZ}; the first decision "
                "holds. Nothing was changed."
            )
        decision = Decision.APPROVED if request.decision == "approve" else Decision.REJECTED
        edited = None if request.edits is None else self._edit(video, request.edits, now)
        approval = self._write(video, _Decided(approval, decision, now, by=caller.owner, edited=edited))
        self._tell(approval)
        return self._library.reload(video), self._ledger.list(video)

    def _edit(self, video: Video, edits: PostEdits, now: datetime) -> list[Post]:
        """Plan the posts anew; without targets of their own the edits are to the words of those there are."""
        waiting = self._list_waiting(video)
        if edits.publish:
            self._preflight(edits.publish)
            return plan_posts(edits, video, candidates=(), now=now).posts
        planned = plan_posts(
            edits.model_copy(update={"publish": [post.target for post in waiting]}), video, candidates=(), now=now
        )
        return [post.copy_with(text=new.text) for post, new in zip(waiting, planned.posts, strict=True)]

    def _list_waiting(self, video: Video) -> list[Post]:
        return [post for post in self._ledger.list(video) if post.state is PostState.PENDING]

    def _write(self, video: Video, decided: _Decided) -> Approval:
        return _write_decision(video, decided, library=self._library, ledger=self._ledger, approvals=self._approvals)

    def _tell(self, approval: Approval) -> None:
        tell_machine(approval, approvals=self._approvals, ledger=self._ledger, signaller=self._signaller)


class ExpireApproval:
    """Take the decision of the clock, where no person decided in time."""

    def __init__(
        self,
        *,
        library: VideoStore,
        ledger: PostStore,
        approvals: ApprovalStore,
        signaller: Signaller,
        clock: Clock,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._approvals = approvals
        self._signaller = signaller
        self._clock = clock

    def __call__(self, video_id: str) -> None:
        """Reject what nobody decided in time; tell the machine of a decision that it has not heard."""
        approval = self._approvals.get(video_id)
        now = self._clock()
        if approval.decision is Decision.WAITING:
            if now < approval.expires_at:
                return
            try:
                video = self._library.get_unchecked(video_id)
            except NotFound:
                self._approvals.forget(video_id)
                return
            decided = _Decided(approval, Decision.EXPIRED, now)
            approval = _write_decision(
                video, decided, library=self._library, ledger=self._ledger, approvals=self._approvals
            )
        tell_machine(approval, approvals=self._approvals, ledger=self._ledger, signaller=self._signaller)


class _Decided(NamedTuple):
    """A question, and how it is answered: by whom, and with which posts in place of those there are."""

    approval: Approval
    decision: Decision
    at: datetime
    by: str | None = None
    edited: Sequence[Post] | None = None


def _write_decision(
    video: Video, decided: _Decided, *, library: VideoStore, ledger: PostStore, approvals: ApprovalStore
) -> Approval:
    """Write the decision and all that follows from it, all or nothing."""
    posts = ledger.list(video)
    changes: list[Change] = [decide(decided.approval, decided.decision, now=decided.at, by=decided.by)]
    if decided.decision is Decision.APPROVED:
        stage = Stage.PUBLISHING
        changes += [] if decided.edited is None else _replace_posts(posts, decided.edited)
    else:
        stage = Stage.DONE
        waiting = [post for post in posts if post.state is PostState.PENDING]
        changes += [_cancel(post, decided.decision, decided.at) for post in waiting]
    if video.stage is Stage.AWAITING_APPROVAL:
        since = decided.at if stage is Stage.PUBLISHING else None
        library.advance_with(video, stage, now=decided.at, together=changes, publishing_since=since)
    elif decided.decision is Decision.EXPIRED:
        # Its execution broke off and closed it: the question alone is left.
        approvals.commit(changes[0])
    else:
        raise NotAllowedInState(f"{video.id} waits for no decision any more: it is {video.stage}. Nothing was changed.")
    return approvals.get(video.id)


def tell_machine(approval: Approval, *, approvals: ApprovalStore, ledger: PostStore, signaller: Signaller) -> None:
    """Tell the machine what was decided, unless it heard it; telling it twice does no harm.

    A machine that has not asked yet is answered when it asks.
    """
    if approval.is_signalled:
        return
    if approval.task_token is not None:
        posts = tuple(
            PostReference(video_id=post.video_id, post_id=post.target.post_id)
            for post in ledger.list_unchecked(approval.video_id)
        )
        outcome = _OUTCOME_OF[approval.decision]
        signaller.signal(
            approval.task_token, StepResult(outcome=outcome, posts=posts if outcome is Outcome.APPROVED else ())
        )
    # In a conflict somebody else told it, or the machine asks just now; what it has not heard the sweep tells.
    with suppress(VersionConflict):
        approvals.note(approval, is_signalled=True)


def _replace_posts(posts: Sequence[Post], edited: Sequence[Post]) -> list[Change]:
    """Put other posts in the place of those that wait."""
    waiting = {post.key: post for post in posts if post.state is PostState.PENDING}
    changes: list[Change] = []
    for post in edited:
        before = waiting.pop(post.key, None)
        if before is None:
            changes.append(Create(post))
        else:
            replacement = post.copy_with(version=before.version + 1)
            changes.append(Replace(replacement, before.version, {"state": [PostState.PENDING]}))
    return changes + [Delete(post.key, post.version) for post in waiting.values()]


def _cancel(post: Post, decision: Decision, now: datetime) -> Change:
    reason = "It was rejected." if decision is Decision.REJECTED else "Nobody approved it in time."
    cancelled = post.copy_with(
        state=PostState.CANCELLED,
        error_code=ErrorCode.CANCELLED,
        error_message=f"{reason} Nothing was posted.",
        version=post.version + 1,
        updated_at=now,
    )
    return Replace(cancelled, post.version, {"state": [PostState.PENDING]})
