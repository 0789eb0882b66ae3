"""Resume a video without a running execution, and close one whose time is over.

An execution may end in the middle: by a bug, an outage, a limit of its own, or because a video must wait too long for
one execution. A new execution continues from the record. Every step reads the record first, so nothing is sent or
paid for twice. Times in the record bound what must not continue forever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from mediaposter.domain.errors import ErrorCode, NotFound
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.publishing.targets import TARGETS_MAX
from mediaposter.stores.posts import STATES_TO_CARRY, PostStore
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import WAITS_FOR, Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.steps import CloseInput, PostReference

Clock = Callable[[], datetime]

# When the sweep checks a video with a running execution again; later for a video that waits for a person, perhaps for a
# week.
ASK_AGAIN_AFTER = timedelta(minutes=10)
ASK_AGAIN_IN_APPROVAL_AFTER = timedelta(hours=1)
# The time limit of a video whose first step has not run.
TAKEN_UP_WITHIN = timedelta(hours=24)
# A generation ends itself at its deadline; a silent provider is polled for a day longer.
GENERATED_WITHIN = timedelta(hours=30)
# A finished render is downloaded as long as its provider keeps it; older records do not say how long.
STORED_WITHIN = timedelta(hours=24)
# Posts that could not be sent for this long become failed.
POSTED_WITHIN = timedelta(hours=24)


class Workflow(Protocol):
    """Starts executions of videos, and gives their status."""

    def start(self, video_id: str, launch: int = 0, posts: Sequence[PostReference] = ()) -> None:
        """Start an execution for a video, or for posts of it; repeating it changes nothing. Raises NotStarted."""

    def find_status(self, video_id: str, launch: int = 0) -> ExecutionStatus | None:
        """Give the status of an execution; None if none is shown yet."""


def may_continue(video: Video, now: datetime) -> bool:
    """Tell whether time is left for another execution of a video."""
    return video.failure is None and now < give_end(video)  # guard: time left


def give_end(video: Video) -> datetime:
    """Give the time limit of a video at its current stage."""
    if video.stage is Stage.STORING:
        return video.store_until or (video.rendering_since or video.created_at) + STORED_WITHIN
    if video.stage is Stage.PUBLISHING:
        return (video.publishing_since or video.updated_at) + POSTED_WITHIN
    if video.stage is Stage.AWAITING_APPROVAL:
        # The sweep ends the time to decide; only the signal to the state machine is left.
        return video.updated_at + timedelta(hours=video.approval_hours or 0) + POSTED_WITHIN
    if video.deadline_at is None:
        return video.created_at + TAKEN_UP_WITHIN
    return video.deadline_at + GENERATED_WITHIN


class ResumeVideo:
    """Handles a due video."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        workflow: Workflow,
        close: Callable[[CloseInput], object],
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._workflow = workflow
        self._close = close
        self._clock = clock

    def __call__(self, video_id: str) -> datetime | None:
        """Start, resume or close a video, unless an execution runs for it.

        It is closed only if its execution was seen to have ended, or was never requested.

        Returns:
            When to check a video with a running execution again; None if the record sets that time itself.

        Raises:
            NotFound: it was deleted.
            VersionConflict: another worker wrote the record.
            NotStarted: the next visit tries again.
        """
        now = self._clock()
        video = self._videos.get_unchecked(video_id)
        if video.is_over:
            return None
        if video.place is not None:  # guard: waits for slot
            return now + WAITS_FOR
        if video.lease_expires_at is not None and now < video.lease_expires_at:  # guard: worker lease
            # A worker is calling the provider: it must find the record unchanged.
            return video.lease_expires_at
        status = self._workflow.find_status(video_id, video.launch)
        if status is not None and not status.has_ended:  # guard: still running
            is_asked = video.stage is Stage.AWAITING_APPROVAL
            return now + (ASK_AGAIN_IN_APPROVAL_AFTER if is_asked else ASK_AGAIN_AFTER)
        if video.failure is not None or video.stage is Stage.DONE:
            self._close(CloseInput(video_id=video_id))
        elif status is None:  # guard: seen to end
            self._start(video, now)
        elif may_continue(video, now):
            self._start_another(video, now)
        else:
            self._close(CloseInput(video_id=video_id, fault=video.fault or f"its execution ended: {status}"))
        return None

    def _start(self, video: Video, now: datetime) -> None:
        """Start an execution that the service does not show; if it runs nevertheless, nothing is started."""
        if video.was_taken_up or video.is_accepted:  # guard: never taken up
            self._workflow.start(video.id, video.launch, self._list_posts(video))
            return
        # Its caller got an error saying that sending again is safe: a late start would make the video twice.
        failure = VideoFailure(
            code=ErrorCode.INTERNAL_ERROR,
            message="MediaPoster itself failed at queued (a crash before its execution was started). "
            "Nothing was generated or spent; send the request again.",
        )
        self._videos.fail(video, failure, now=now)
        self._close(CloseInput(video_id=video.id))

    def _start_another(self, video: Video, now: datetime) -> None:
        """Record the number of the new execution first, so that only one ever replaces another."""
        video = self._videos.note(video, now=now, launch=video.launch + 1, is_accepted=True)  # guard: numbered first
        self._workflow.start(video.id, video.launch, self._list_posts(video))

    def _list_posts(self, video: Video) -> list[PostReference]:
        """List the posts for an execution of a stored video; other videos begin at the first step."""
        if video.stage is not Stage.PUBLISHING:
            return []
        posts = [post for post in self._posts.list(video) if post.state in STATES_TO_CARRY]
        # guard: posts max
        return [PostReference(video_id=video.id, post_id=post.target.post_id) for post in posts[:TARGETS_MAX]]


def was_deleted(videos: VideoStore, video_id: str) -> bool:
    """Tell whether a video was deleted, or is being deleted: no file of it may stay."""
    try:
        video = videos.get_unchecked(video_id)
    except NotFound:
        return True
    return video.failure is not None and video.failure.code is ErrorCode.CANCELLED
