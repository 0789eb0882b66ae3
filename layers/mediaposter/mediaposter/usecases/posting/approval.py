"""Ask a person before a video is posted, and signal the answer to the state machine, once despite crashes.

The answer is in the table before the state machine gets it. So a decision is never made twice. If the state machine
did not get it, the sweep signals it again, or the state machine reads it when it repeats its step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, Protocol

from mediaposter.domain.channels import Channel
from mediaposter.domain.errors import ErrorCode, NotAllowedInState, NotFound, VersionConflict
from mediaposter.events import ApprovalNotice, VideoEvent
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.approvals import Approval, ApprovalStore, Decision, decide
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import STATES_TO_CARRY, Post, PostState, PostStore
from mediaposter.stores.table import Change, Create, Delete, Replace
from mediaposter.stores.trail import TrailEntry, TrailType
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.default_disclosure import add_default_disclosure
from mediaposter.usecases.posting.edit_captions import edit_captions
from mediaposter.usecases.posting.plan_posts import plan_posts
from mediaposter.usecases.scheduled.recorded_events import describe_notice, describe_question
from mediaposter.usecases.steps import AwaitApprovalInput, Outcome, PostReference, StepResult
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import ApprovalRequest, PostEdits

Clock = Callable[[], datetime]

# How often the state machine asks for one video: once, unless an execution crashes.
ASKS_MAX = 6

_OUTCOME_OF = {
    Decision.APPROVED: Outcome.APPROVED,
    Decision.REJECTED: Outcome.REJECTED,
    Decision.EXPIRED: Outcome.REJECTED,
}


_TRAIL_OF = {Decision.APPROVED: TrailType.APPROVED, Decision.REJECTED: TrailType.REJECTED}


class Signaller(Protocol):
    """Resumes executions that wait for a decision."""

    def signal(self, task_token: str, result: StepResult) -> None:
        """Resume an execution; does nothing if it no longer waits."""


class AwaitApproval:
    """Record the task token, and send the owner the event that an approval waits."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        approvals: ApprovalStore,
        signaller: Signaller,
        send_event: Callable[[VideoEvent | ApprovalNotice], None],
        channels: Sequence[Channel],
        studio_url: Callable[[], str | None],
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._approvals = approvals
        self._signaller = signaller
        self._send_event = send_event
        self._channels = channels
        self._studio_url = studio_url
        self._clock = clock

    def __call__(self, step: AwaitApprovalInput) -> None:
        """Ask, or signal at once if the decision was made before the state machine asked.

        Raises:
            VersionConflict: it is being decided at this moment; calling again finds the answer.
        """
        # An earlier signal went to another task token.
        approval = self._approvals.note(
            self._approvals.get(step.video_id), task_token=step.task_token, is_signalled=False
        )
        if approval.decision is not Decision.WAITING:
            tell_machine(approval, approvals=self._approvals, posts=self._posts, signaller=self._signaller)
            return
        if approval.is_told:
            return
        video = self._videos.get_unchecked(step.video_id)
        self._send_event(describe_question(video, approval, studio_url=self._studio_url()))
        for channel in self._channels:
            self._send_event(describe_notice(video, approval, channel))
        self._approvals.note(approval, is_told=True)


class DecideApproval:
    """Record a person's decision."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        approvals: ApprovalStore,
        signaller: Signaller,
        validate_accounts: Callable[[Sequence[PublishTarget]], list[str]],
        clock: Clock,
        default_disclosure: str = "",
    ) -> None:
        self._default_disclosure = default_disclosure
        self._videos = videos
        self._posts = posts
        self._approvals = approvals
        self._signaller = signaller
        self._preflight = validate_accounts
        self._clock = clock

    def __call__(self, video_id: str, request: ApprovalRequest, *, caller: Caller) -> tuple[Video, list[Post]]:
        """Decide once: approve, with or without changed posts, or reject.

        Raises:
            NotFound: there is no such video, or it needs no decision.
            Forbidden: the caller may not approve, or may not post to one of the video's accounts.
            NotAllowedInState: a decision was made, or the time for one is over.
            InvalidRequest: the changed posts would be refused; nothing was decided.
        """
        caller.require(Scope.APPROVE)  # guard: scope approve
        video = self._videos.get(video_id, caller=caller)
        approval = self._approvals.get(video_id)
        # Check the accounts of the current posts, which edits may remove, and those that edits add.
        caller.require_accounts([post.target for post in self._list_waiting(video)])  # guard: accounts decided
        if request.edits is not None:
            caller.require_accounts(request.edits.publish, field="edits.publish")  # guard: accounts edited
        now = self._clock()
        if approval.decision is Decision.WAITING and now >= approval.expires_at:
            approval = self._write(video, _expire(approval, now))
        if approval.decision is not Decision.WAITING:  # guard: first answer
            self._tell(approval)
            raise NotAllowedInState(
                f"{video_id} is {approval.decision} since {approval.decided_at:%Y-%m-%dT%H:%M:%SZ}; the first "
                "decision is final. Nothing was changed."
            )
        decision = Decision.APPROVED if request.decision == "approve" else Decision.REJECTED
        edited = None if request.edits is None else self._edit(video, request.edits, now)
        noted = TrailEntry(
            at=now,
            type=_TRAIL_OF[decision],
            by=caller.actor,
            comment=request.comment,
            edits=None if request.edits is None else request.edits.kind,
        )
        approval = self._write(video, _Decided(approval, decision, now, noted, edited=edited))
        self._tell(approval)
        return self._videos.reload(video), self._posts.list(video)

    def _edit(self, video: Video, edits: PostEdits, now: datetime) -> list[Post]:
        """Plan the posts again; edits without targets change the texts of the current posts."""
        waiting = self._list_waiting(video)
        if edits.captions:
            return edit_captions(waiting, edits.captions)
        if edits.publish:
            self._preflight(edits.publish)
            edits = add_default_disclosure(edits, self._default_disclosure)
            return plan_posts(edits, video, candidates=(), now=now).posts
        planned = plan_posts(
            edits.model_copy(update={"publish": [post.target for post in waiting]}), video, candidates=(), now=now
        )
        return [post.copy_with(text=new.text) for post, new in zip(waiting, planned.posts, strict=True)]

    def _list_waiting(self, video: Video) -> list[Post]:
        return [post for post in self._posts.list(video) if post.state is PostState.PENDING]

    def _write(self, video: Video, decided: _Decided) -> Approval:
        return _write_decision(video, decided, videos=self._videos, posts=self._posts, approvals=self._approvals)

    def _tell(self, approval: Approval) -> None:
        tell_machine(approval, approvals=self._approvals, posts=self._posts, signaller=self._signaller)


class ExpireApproval:
    """Reject a video if no person decided in time."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        approvals: ApprovalStore,
        signaller: Signaller,
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._approvals = approvals
        self._signaller = signaller
        self._clock = clock

    def __call__(self, video_id: str) -> None:
        """Reject an approval whose time is over; signal a decision that the state machine did not get."""
        approval = self._approvals.get(video_id)
        now = self._clock()
        if approval.decision is Decision.WAITING:
            if now < approval.expires_at:
                return
            try:
                video = self._videos.get_unchecked(video_id)
            except NotFound:
                self._approvals.forget(video_id)
                return
            decided = _expire(approval, now)
            approval = _write_decision(
                video, decided, videos=self._videos, posts=self._posts, approvals=self._approvals
            )
        tell_machine(approval, approvals=self._approvals, posts=self._posts, signaller=self._signaller)


class _Decided(NamedTuple):
    """An approval and its answer: the decision, its entry in the trail, and the posts that replace the current ones."""

    approval: Approval
    decision: Decision
    at: datetime
    noted: TrailEntry
    edited: Sequence[Post] | None = None


def _expire(approval: Approval, now: datetime) -> _Decided:
    return _Decided(approval, Decision.EXPIRED, now, TrailEntry(at=now, type=TrailType.EXPIRED))


def _write_decision(
    video: Video, decided: _Decided, *, videos: VideoStore, posts: PostStore, approvals: ApprovalStore
) -> Approval:
    """Write the decision and its consequences, all or nothing."""
    planned = posts.list(video)
    noted = decided.noted
    changes: list[Change] = [
        decide(decided.approval, decided.decision, now=decided.at, by=noted.by, comment=noted.comment)
    ]
    if decided.decision is Decision.APPROVED:
        stage = Stage.PUBLISHING
        changes += [] if decided.edited is None else _replace_posts(planned, decided.edited)
    else:
        stage = Stage.DONE
        waiting = [post for post in planned if post.state is PostState.PENDING]
        changes += [_cancel(post, decided.decision, decided.at) for post in waiting]
    if video.stage is Stage.AWAITING_APPROVAL:
        since = decided.at if stage is Stage.PUBLISHING else None
        videos.advance_with(video, stage, now=decided.at, together=changes, noted=noted, publishing_since=since)
    elif decided.decision is Decision.EXPIRED:
        # Its execution crashed and closed it: only the approval is left.
        approvals.commit(changes[0])
    else:
        raise NotAllowedInState(f"{video.id} no longer waits for a decision: it is {video.stage}. Nothing was changed.")
    return approvals.get(video.id)


def tell_machine(approval: Approval, *, approvals: ApprovalStore, posts: PostStore, signaller: Signaller) -> None:
    """Signal the decision to the state machine, unless that was done; signalling twice is safe.

    A state machine that has not asked yet gets the answer when it asks.
    """
    if approval.is_signalled:
        return
    if approval.task_token is not None:
        # Other posts of the video ended before this question.
        references = tuple(
            PostReference(video_id=post.video_id, post_id=post.target.post_id)
            for post in posts.list_unchecked(approval.video_id)
            if post.state in STATES_TO_CARRY
        )
        outcome = _OUTCOME_OF[approval.decision]
        signaller.signal(
            approval.task_token, StepResult(outcome=outcome, posts=references if outcome is Outcome.APPROVED else ())
        )
    # In a conflict another worker signalled it, or the state machine is asking now; otherwise the sweep signals it.
    with suppress(VersionConflict):
        approvals.note(approval, is_signalled=True)


def _replace_posts(posts: Sequence[Post], edited: Sequence[Post]) -> list[Change]:
    """Build the changes that replace the waiting posts."""
    waiting = {post.key: post for post in posts if post.state is PostState.PENDING}
    changes: list[Change] = []
    for post in edited:
        before = waiting.pop(post.key, None)
        if before is None:
            changes.append(Create(post))
        else:
            replacement = post.copy_with(version=before.version + 1, trail=before.trail)
            changes.append(Replace(replacement, before.version, {"state": [PostState.PENDING]}))
    return changes + [Delete(post.key, post.version) for post in waiting.values()]


def _cancel(post: Post, decision: Decision, now: datetime) -> Change:
    reason = "It was rejected." if decision is Decision.REJECTED else "It was not approved in time."
    cancelled = post.copy_with(
        state=PostState.CANCELLED,
        error_code=ErrorCode.CANCELLED,
        error_message=f"{reason} Nothing was posted.",
        version=post.version + 1,
        updated_at=now,
    )
    return Replace(cancelled, post.version, {"state": [PostState.PENDING]})
