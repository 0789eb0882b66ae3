"""Carry on a video that no execution carries any more, and close one whose time is over.

An execution may end in the middle: by a bug, an outage, a bound of its own, or because a video has to wait longer than
an execution should. The record stands where it was, and a new execution goes on from there: every step looks at the
record first, so nothing is sent or paid for twice. What must not go on for ever is bounded by times in the record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from mediaposter.domain.errors import ErrorCode, NotFound
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.publishing.targets import TARGETS_MAX
from mediaposter.stores.posts import PostState, PostStore
from mediaposter.stores.videos import WAITS_FOR, Stage, Video, VideoFailure, VideoStore
from mediaposter.usecases.steps import CloseInput, PostReference

Clock = Callable[[], datetime]

# How much later the sweep asks again about a video that an execution carries; of one that waits for a person, which may
# be for a week, later.
ASK_AGAIN_AFTER = timedelta(minutes=10)
ASK_AGAIN_IN_APPROVAL_AFTER = timedelta(hours=1)
# Of a video that no step has taken up, when its time is over.
TAKEN_UP_WITHIN = timedelta(hours=24)
# A generation ends itself at its deadline, and a provider that does not answer is asked for a day longer.
GENERATED_WITHIN = timedelta(hours=30)
# A finished render is fetched as long as its provider keeps it; of older records it is not known how long.
STORED_WITHIN = timedelta(hours=24)
# Posts that could not be sent for so long are said to have failed.
POSTED_WITHIN = timedelta(hours=24)


class Workflow(Protocol):
    """What starts executions that carry videos, and tells how they stand."""

    def start(self, video_id: str, launch: int = 0, posts: Sequence[PostReference] = ()) -> None:
        """Start an execution that carries a video, or posts of it; repeating it changes nothing. Raises NotStarted."""

    def find_status(self, video_id: str, launch: int = 0) -> ExecutionStatus | None:
        """Tell how an execution stands; None if none is shown, which may be late."""


def may_go_on(video: Video, now: datetime) -> bool:
    """Tell whether there is time left in which another execution may carry a video on."""
    return video.failure is None and now < give_end(video)  # guard: time left


def give_end(video: Video) -> datetime:
    """Tell when the time of a video is over at the stage where it stands."""
    if video.stage is Stage.STORING:
        return video.store_until or (video.rendering_since or video.created_at) + STORED_WITHIN
    if video.stage is Stage.PUBLISHING:
        return (video.publishing_since or video.updated_at) + POSTED_WITHIN
    if video.stage is Stage.AWAITING_APPROVAL:
        # The sweep ends the time to decide; what is left is to tell the machine.
        return video.updated_at + timedelta(hours=video.approval_hours or 0) + POSTED_WITHIN
    if video.deadline_at is None:
        return video.created_at + TAKEN_UP_WITHIN
    return video.deadline_at + GENERATED_WITHIN


class ResumeVideo:
    """See to a video whose alarm went off."""

    def __init__(
        self,
        *,
        library: VideoStore,
        ledger: PostStore,
        workflow: Workflow,
        close: Callable[[CloseInput], object],
        clock: Clock,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._workflow = workflow
        self._close = close
        self._clock = clock

    def __call__(self, video_id: str) -> datetime | None:
        """Start, resume or close a video, unless an execution carries it.

        It is closed only when its execution was seen to have ended, or was never asked for.

        Returns:
            When to ask again of one that is carried; None where the record says so itself.

        Raises:
            NotFound: it was deleted.
            VersionConflict: another worker wrote the record.
            NotStarted: the next time tries again.
        """
        now = self._clock()
        video = self._library.get_unchecked(video_id)
        if video.is_over:
            return None
        if video.place is not None:  # guard: waits for slot
            return now + WAITS_FOR
        if video.lease_expires_at is not None and now < video.lease_expires_at:  # guard: worker lease
            # A worker is at the provider: it must find the record as it left it.
            return video.lease_expires_at
        status = self._workflow.find_status(video_id, video.launch)
        if status is not None and not status.has_ended:  # guard: still running
            is_asked = video.stage is Stage.AWAITING_APPROVAL
            return now + (ASK_AGAIN_IN_APPROVAL_AFTER if is_asked else ASK_AGAIN_AFTER)
        if video.failure is not None or video.stage is Stage.DONE:
            self._close(CloseInput(video_id=video_id))
        elif status is None:  # guard: seen to end
            self._start(video, now)
        elif may_go_on(video, now):
            self._start_another(video, now)
        else:
            self._close(CloseInput(video_id=video_id, fault=video.fault or f"its execution ended: {status}"))
        return None

    def _start(self, video: Video, now: datetime) -> None:
        """Start an execution that the service shows no sign of; if it runs all the same, nothing is started."""
        if video.was_taken_up or video.is_accepted:  # guard: never taken up
            self._workflow.start(video.id, video.launch, self._list_posts(video))
            return
        # Its caller had an error, and was told that sending again is safe: a late start would make it twice.
        failure = VideoFailure(
            code=ErrorCode.INTERNAL_ERROR,
            message="The pipeline broke off at queued (a crash before its execution was started). "
            "Nothing was generated or spent; send the request again.",
        )
        self._library.fail(video, failure, now=now)
        self._close(CloseInput(video_id=video.id))

    def _start_another(self, video: Video, now: datetime) -> None:
        """Number a new execution in the record first, so that only one is ever started in place of another."""
        video = self._library.note(video, now=now, launch=video.launch + 1, is_accepted=True)  # guard: numbered first
        self._workflow.start(video.id, video.launch, self._list_posts(video))

    def _list_posts(self, video: Video) -> list[PostReference]:
        """List the posts that an execution is about, of a video that is kept; others begin at the first step."""
        if video.stage is not Stage.PUBLISHING:
            return []
        open_states = (PostState.PENDING, PostState.CALLING, PostState.SUBMITTED)
        posts = [post for post in self._ledger.list(video) if post.state in open_states]
        # guard: posts max
        return [PostReference(video_id=video.id, post_id=post.target.post_id) for post in posts[:TARGETS_MAX]]


def was_deleted(library: VideoStore, video_id: str) -> bool:
    """Tell whether a video was deleted, or is about to be: nothing of it may stay behind."""
    try:
        video = library.get_unchecked(video_id)
    except NotFound:
        return True
    return video.failure is not None and video.failure.code is ErrorCode.CANCELLED
