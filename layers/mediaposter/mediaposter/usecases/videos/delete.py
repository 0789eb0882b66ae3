"""Delete a video: stop its execution, remove its files, delete its record.

The records of its posts stay. Unsent posts are cancelled. Posts that the publisher has still go out, at once or at
their time, and are checked until they end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from mediaposter.domain.errors import ErrorCode, NotFound, PartiallyDone, VersionConflict, WriteConflict
from mediaposter.stores.approvals import ApprovalStore
from mediaposter.stores.posts import Post, PostState, PostStore
from mediaposter.stores.video_money import count_spent_micros
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import STAGES_THAT_CAN_FAIL, Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.cancel_render import RenderCanceller, stop_render
from mediaposter.wire.caller import Caller

Clock = Callable[[], datetime]
# A running step may write the record between our read and our write, but rarely.
TRIES_MAX = 5
_NOTHING_POSTED = "The video was deleted, so nothing was posted."


class Stopper(Protocol):
    """Stops the executions of videos."""

    def stop(self, video_id: str, launch: int = 0) -> None:
        """Stop an execution of a video, if it runs."""


class MediaRemover(Protocol):
    """Removes the files of videos."""

    def delete_video(self, video_id: str) -> int:
        """Remove all files of a video, and count them."""


class DeleteVideo:
    """Deletes a video at any stage."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        approvals: ApprovalStore,
        media: MediaRemover,
        workflow: Stopper,
        cancel_render: RenderCanceller,
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._approvals = approvals
        self._media = media
        self._workflow = workflow
        self._cancel_render = cancel_render
        self._clock = clock

    def __call__(self, video_id: str, *, caller: Caller) -> None:
        """Delete a video of this caller.

        It is failed, and its posts are cancelled, before its execution is stopped. So a running step sees that and does
        nothing more. You must cancel a post that is scheduled at the publisher first.

        Raises:
            NotFound: there is none.
            VersionConflict: other writers changed the record at each try; nothing was changed.
            PartiallyDone: it may be stopped and its files removed, but its record still exists.
        """
        video = self._videos.get(video_id, caller=caller)
        if video.stage in STAGES_THAT_CAN_FAIL:
            video = self._end(video, caller)
            # Also if an earlier deletion crashed after it had failed the video: repeating both is safe.
            if video.failure is not None and video.failure.code is ErrorCode.CANCELLED:
                self._workflow.stop(video_id, video.launch)
                stop_render(video, self._cancel_render)
        try:
            self._remove(video, caller)
        except WriteConflict as error:
            raise PartiallyDone(
                f"The deletion of {video_id} is not finished: another request is writing its record or one of its "
                "posts. The video may be stopped, and its files removed. Delete it again to finish."
            ) from error

    def _end(self, video: Video, caller: Caller) -> Video:
        failure = VideoFailure(code=ErrorCode.CANCELLED, message="The video was deleted by its owner.")
        for _ in range(TRIES_MAX):
            if video.failure is not None or video.stage not in STAGES_THAT_CAN_FAIL:
                return video
            try:
                return self._videos.fail(video, failure, now=self._clock(), by=caller.actor)
            except VersionConflict:
                video = self._videos.reload(video)
        raise VersionConflict(f"{video.id} is being written all the time; delete it again.")

    def _remove(self, video: Video, caller: Caller) -> None:
        for _ in range(TRIES_MAX):
            try:
                # New posts come with a new version of their video, so none can appear after the deleted version.
                # The close of the stopped execution may be writing the same posts.
                cancel_posts(self._posts, video.id, reason=_NOTHING_POSTED, now=self._clock())
                if video.stage is Stage.AWAITING_APPROVAL:
                    self._workflow.stop(video.id, video.launch)
                self._media.delete_video(video.id)
                self._videos.delete(video, count_spent_micros(video), now=self._clock(), by=caller.actor)
            except VersionConflict:
                try:
                    video = self._videos.reload(video)
                except NotFound:
                    break  # another request deleted it meanwhile
            else:
                break
        else:
            raise VersionConflict(f"{video.id} is being written all the time; delete it again.")
        # If this fails, the sweep removes the record when its time is over.
        self._approvals.forget(video.id)


def cancel_posts(posts: PostStore, video_id: str, *, reason: str, now: datetime) -> None:
    """Cancel the unsent posts of a video."""
    for post in posts.list_unchecked(video_id):
        if post.state is PostState.PENDING:
            cancel_post(posts, post, reason=reason, now=now)


def cancel_post(posts: PostStore, post: Post, *, reason: str, now: datetime) -> None:
    """Cancel an unsent post."""
    posts.advance(post, PostState.CANCELLED, now=now, error_code=ErrorCode.CANCELLED, error_message=reason)
