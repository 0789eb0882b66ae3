"""Plan posts of a stored video that a person approves before they are sent.

A new execution carries the question, as that of a new video does: it finds the video stored, and asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from mediaposter.domain.errors import NotAllowedInState, NotFound, NotStarted
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.approvals import Approval, ApprovalStore, Decision, ask_again, open_approval
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import Post, PostStore
from mediaposter.stores.table import Change, Key
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.default_disclosure import add_default_disclosure
from mediaposter.usecases.posting.plan_posts import plan_posts
from mediaposter.usecases.posting.repost import STATES_TO_REPEAT, plan_write, refuse_what_may_be_public
from mediaposter.usecases.videos.resume import Workflow
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import PublishAgainRequest

Clock = Callable[[], datetime]

# For this long a rejection also answers the next request: a program does not ask a person until they give in.
REJECTED_FOR = timedelta(minutes=45)


class PostWithApproval:
    """Ask a person whether a stored video is posted to more targets."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        approvals: ApprovalStore,
        workflow: Workflow,
        validate_accounts: Callable[[Sequence[PublishTarget]], list[str]],
        clock: Clock,
        default_disclosure: str = "",
    ) -> None:
        self._default_disclosure = default_disclosure
        self._videos = videos
        self._posts = posts
        self._approvals = approvals
        self._workflow = workflow
        self._preflight = validate_accounts
        self._clock = clock

    def __call__(
        self, video_id: str, request: PublishAgainRequest, *, hours: int, caller: Caller
    ) -> tuple[Video, list[Post]]:
        """Record the posts and the question; the same request again changes nothing.

        Args:
            video_id: the video.
            request: the targets, at least one.
            hours: how long the posts wait for a person.
            caller: needs the scope `publish`. A person with the scope `approve` decides.

        Raises:
            Forbidden: the caller may not publish, or not to one of the accounts.
            NotFound: there is no such video.
            NotAllowedInState: it is not stored, it is being posted or asked about, or a person has just rejected it.
            InvalidRequest: a target would be refused, or an account has the video or may have it.
        """
        caller.require(Scope.PUBLISH)  # guard: scope publish asked
        caller.require_accounts(request.publish, field="publish")  # guard: accounts asked
        request = add_default_disclosure(request, self._default_disclosure)
        video = self._videos.get(video_id, caller=caller)
        now = self._clock()
        known = {post.key: post for post in self._posts.list(video)}
        wanted = plan_posts(request, video, candidates=(), now=now).posts
        if all(_is_planned(post, known.get(post.key)) for post in wanted):
            return video, list(known.values())
        if video.stage is not Stage.DONE or video.stored is None:  # guard: kept and done asked
            raise NotAllowedInState(
                f"{video_id} is {video.status} at {video.stage}: it can be posted only when it is stored, and not "
                "being posted or waiting for an approval. Nothing was changed."
            )
        refuse_what_may_be_public(wanted, known)  # guard: account asked once
        question = self._open_question(video, hours, now)
        self._preflight(request.publish)
        return self._ask(video, wanted, known, question, hours=hours, now=now, caller=caller)

    def _open_question(self, video: Video, hours: int, now: datetime) -> Change:
        try:
            earlier = self._approvals.get(video.id)
        except NotFound:
            return open_approval(video.id, now=now, hours=hours)
        _refuse_rejected(earlier, now)
        return ask_again(earlier, now=now, hours=hours)

    def _ask(
        self,
        video: Video,
        wanted: Sequence[Post],
        known: Mapping[Key, Post],
        question: Change,
        *,
        hours: int,
        now: datetime,
        caller: Caller,
    ) -> tuple[Video, list[Post]]:
        """Record all or nothing, then start the execution; if it does not start, the sweep starts it."""
        changes: list[Change] = [question, *(plan_write(post, known) for post in wanted)]
        video = self._videos.advance_with(
            video,
            Stage.AWAITING_APPROVAL,
            now=now,
            together=changes,
            launch=video.launch + 1,
            approval_hours=hours,
            by=caller.actor,
        )
        with suppress(NotStarted):
            self._workflow.start(video.id, video.launch)
        return video, self._posts.list(video)


def _is_planned(wanted: Post, known: Post | None) -> bool:
    """Tell whether a post is recorded as it is wanted, and was neither refused nor cancelled since."""
    return (
        known is not None
        and known.state not in STATES_TO_REPEAT
        and (known.target, known.text) == (wanted.target, wanted.text)
    )


def _refuse_rejected(approval: Approval, now: datetime) -> None:
    decided_at = approval.decided_at
    if approval.decision is Decision.REJECTED and decided_at is not None and now < decided_at + REJECTED_FOR:
        raise NotAllowedInState(
            f"A person rejected the posts of {approval.video_id} at {decided_at:%Y-%m-%dT%H:%M:%SZ}. Nothing was "
            f"changed; ask that person, or try again {REJECTED_FOR.seconds // 60} minutes after the rejection."
        )
