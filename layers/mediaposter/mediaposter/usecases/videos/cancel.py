"""Cancel a video and keep its record: an unfinished video is stopped, a stored one stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mediaposter.domain.errors import ErrorCode, NotFound, VersionConflict
from mediaposter.stores.posts import PostStore
from mediaposter.stores.trail import Actor
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import STAGES_THAT_CAN_FAIL, Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.cancel_render import RenderCanceller, stop_render
from mediaposter.usecases.steps import CloseInput
from mediaposter.usecases.videos.delete import TRIES_MAX, Stopper, cancel_posts

Clock = Callable[[], datetime]


class CancelVideo:
    """Ends a video that is not stored yet."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        workflow: Stopper,
        close: Callable[[CloseInput], object],
        cancel_render: RenderCanceller,
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._workflow = workflow
        self._close = close
        self._cancel_render = cancel_render
        self._clock = clock

    def __call__(self, video_id: str, *, also_running: bool, reason: str, by: Actor | None = None) -> None:
        """Cancel a video if its render has not started, or if `also_running`.

        It is failed before its execution is stopped, so that a running step sees that and does nothing more. Calling
        again continues an interrupted cancellation.

        Raises:
            VersionConflict: other writers changed the record at each try; nothing was changed, or it failed and is not
                closed yet.
        """
        video = self._end(video_id, also_running=also_running, reason=reason, by=by)
        if video is None:
            return
        self._workflow.stop(video.id, video.launch)
        stop_render(video, self._cancel_render)
        for _ in range(TRIES_MAX):
            try:
                cancel_posts(self._posts, video_id, reason=reason, now=self._clock())
                self._close(CloseInput(video_id=video_id))
            except VersionConflict:
                continue  # the end of the stopped execution also closes it
            return
        raise VersionConflict(f"{video_id} is cancelled, but other workers keep writing it; cancel it again.")

    def _end(self, video_id: str, *, also_running: bool, reason: str, by: Actor | None) -> Video | None:
        """Fail a video; None if it shall not be cancelled, or was cancelled and its event sent."""
        for _ in range(TRIES_MAX):
            try:
                video = self._videos.get_unchecked(video_id)
            except NotFound:
                return None  # deleted
            if video.failure is not None:
                is_unfinished = video.failure.code is ErrorCode.CANCELLED and not video.is_told
                return video if is_unfinished else None
            if video.stage not in STAGES_THAT_CAN_FAIL or not (also_running or video.stage is Stage.QUEUED):
                return None
            try:
                return self._videos.fail(
                    video, VideoFailure(code=ErrorCode.CANCELLED, message=reason), now=self._clock(), by=by
                )
            except VersionConflict:
                continue
        raise VersionConflict(f"Other workers keep writing {video_id}; cancel it again.")
