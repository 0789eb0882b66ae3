"""Delete a video: stop what runs, remove what is kept, forget the record.

The ledger of its posts stays. What was not sent is cancelled; what the publisher has goes out all the same, at once or
at its time, and is followed to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from mediaposter.domain.errors import (
    Contention,
    ErrorCode,
    NotFound,
    PartiallyDone,
    VersionConflict,
)
from mediaposter.stores.approvals import ApprovalStore
from mediaposter.stores.posts import Post, PostState, PostStore
from mediaposter.stores.videos import (
    STAGES_THAT_CAN_FAIL,
    Stage,
    Video,
    VideoFailure,
    VideoStore,
    count_spent_micros,
)
from mediaposter.usecases.generation.cancel_render import RenderCanceller, stop_render
from mediaposter.wire.caller import Caller

Clock = Callable[[], datetime]
# A running step may write the record between our look and our write, but not often.
TRIES_MAX = 5
_NOTHING_POSTED = "The video was deleted, so nothing was posted."


class Stopper(Protocol):
    """Whatever carries videos through their steps."""

    def stop(self, video_id: str, launch: int = 0) -> None:
        """End an execution that carries a video, if it runs."""


class MediaRemover(Protocol):
    """Where videos are kept."""

    def delete_video(self, video_id: str) -> int:
        """Remove everything that is kept of a video, and count it."""


class DeleteVideo:
    """Delete a video, whatever it is doing."""

    def __init__(
        self,
        *,
        library: VideoStore,
        ledger: PostStore,
        approvals: ApprovalStore,
        media: MediaRemover,
        workflow: Stopper,
        cancel_render: RenderCanceller,
        clock: Clock,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._approvals = approvals
        self._media = media
        self._workflow = workflow
        self._cancel_render = cancel_render
        self._clock = clock

    def __call__(self, video_id: str, *, caller: Caller) -> None:
        """Delete a video of this caller.

        It is failed before it is stopped, and its posts are cancelled before, so that a step that runs on finds out and
        does nothing more. A post that waits for its time at the publisher has to be cancelled first.

        Raises:
            NotFound: there is none.
            VersionConflict: its record is written all the time; nothing was changed.
            PartiallyDone: it may be stopped and its content gone, but not its record.
        """
        video = self._library.get(video_id, caller=caller)
        if video.stage in STAGES_THAT_CAN_FAIL:
            video = self._end(video)
            # Also where an earlier deletion died after it had failed the video: neither does harm twice.
            if video.failure is not None and video.failure.code is ErrorCode.CANCELLED:
                self._workflow.stop(video_id, video.launch)
                stop_render(video, self._cancel_render)
        try:
            self._remove(video)
        except (Contention, VersionConflict) as error:
            raise PartiallyDone(
                f"The deletion of {video_id} is not finished: its record or a post of it is being written by others "
                "just now. The video may be stopped and its content gone already. Delete it again; that goes on where "
                "this one ended."
            ) from error

    def _end(self, video: Video) -> Video:
        failure = VideoFailure(code=ErrorCode.CANCELLED, message="The video was deleted by its owner.")
        for _ in range(TRIES_MAX):
            if video.failure is not None or video.stage not in STAGES_THAT_CAN_FAIL:
                return video
            try:
                return self._library.fail(video, failure, now=self._clock())
            except VersionConflict:
                video = self._library.reload(video)
        raise VersionConflict(f"{video.id} is being written all the time; delete it again.")

    def _remove(self, video: Video) -> None:
        for _ in range(TRIES_MAX):
            # New posts come with a new version of their video, so none comes after those of the one that is deleted.
            cancel_posts(self._ledger, video.id, reason=_NOTHING_POSTED, now=self._clock())
            if video.stage is Stage.AWAITING_APPROVAL:
                self._workflow.stop(video.id, video.launch)
            self._media.delete_video(video.id)
            try:
                self._library.delete(video, count_spent_micros(video), now=self._clock())
            except VersionConflict:
                try:
                    video = self._library.reload(video)
                except NotFound:
                    break  # somebody else deleted it meanwhile
            else:
                break
        else:
            raise VersionConflict(f"{video.id} is being written all the time; delete it again.")
        # Should this not come to pass, the sweep forgets it when its time is over.
        self._approvals.forget(video.id)


def cancel_posts(ledger: PostStore, video_id: str, *, reason: str, now: datetime) -> None:
    """Cancel the posts of a video that were not sent."""
    for post in ledger.list_unchecked(video_id):
        if post.state is PostState.PENDING:
            cancel_post(ledger, post, reason=reason, now=now)


def cancel_post(ledger: PostStore, post: Post, *, reason: str, now: datetime) -> None:
    """Cancel a post that was not sent."""
    ledger.advance(post, PostState.CANCELLED, now=now, error_code=ErrorCode.CANCELLED, error_message=reason)
