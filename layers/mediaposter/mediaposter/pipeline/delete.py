"""Delete a video: stop what runs, remove what is kept, forget the record. The ledger of its posts stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from mediaposter.api.caller import Caller
from mediaposter.errors import ConfigurationError, Conflict, ErrorCode, NotFound, UnsupportedOperation, VideoModelError
from mediaposter.library.posts import PostLedger
from mediaposter.library.videos import STAGES_THAT_CAN_FAIL, Video, VideoFailure, VideoLibrary
from mediaposter.pipeline.generate import Models, count_spent_micros
from mediaposter.pipeline.publish import settle_left_over

Clock = Callable[[], datetime]
# A running step may write the record between our look and our write, but not often.
TRIES_MAX = 5


class Stopper(Protocol):
    """Whatever carries videos through their steps."""

    def stop(self, video_id: str) -> None:
        """End the execution of a video, if it runs."""


class MediaRemover(Protocol):
    """Where videos are kept."""

    def delete_video(self, video_id: str) -> int:
        """Remove everything that is kept of a video, and count it."""


class DeleteVideo:
    """Delete a video, whatever it is doing."""

    def __init__(
        self,
        *,
        library: VideoLibrary,
        ledger: PostLedger,
        media: MediaRemover,
        models: Models,
        workflow: Stopper,
        count_metric: Callable[[str], None],
        report_fault: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._media = media
        self._models = models
        self._workflow = workflow
        self._count_metric = count_metric
        self._report_fault = report_fault
        self._clock = clock

    def __call__(self, video_id: str, *, caller: Caller) -> None:
        """Delete a video of this caller.

        It is failed before it is stopped, so that a step that runs on finds out and does nothing more.

        Raises:
            NotFound: there is none.
            Conflict: its record is written all the time; asking again is safe.
        """
        video = self._library.get(video_id)
        if not caller.may_see(video.owner):
            raise NotFound(f"There is no video {video_id}.")
        if video.stage in STAGES_THAT_CAN_FAIL:
            video = self._end(video)
            # Also where an earlier deletion died after it had failed the video: neither does harm twice.
            if video.failure is not None and video.failure.code is ErrorCode.CANCELLED:
                self._workflow.stop(video_id)
                self._cancel(video)
        for post in self._ledger.list(video_id):
            settle_left_over(
                self._ledger,
                post,
                reason="The video was deleted, so nothing was posted.",
                code=ErrorCode.CANCELLED,
                now=self._clock(),
                count_metric=self._count_metric,
            )
        self._media.delete_video(video_id)
        self._forget(video)

    def _end(self, video: Video) -> Video:
        failure = VideoFailure(code=ErrorCode.CANCELLED, message="The video was deleted by its owner.")
        for _ in range(TRIES_MAX):
            if video.failure is not None or video.stage not in STAGES_THAT_CAN_FAIL:
                return video
            try:
                return self._library.fail(video, failure, now=self._clock())
            except Conflict:
                video = self._library.get(video.id)
        raise Conflict(f"{video.id} is being written all the time; delete it again.")

    def _cancel(self, video: Video) -> None:
        """Stop the render where the provider can; that it cannot must not keep the video from being deleted."""
        if video.provider_job_id is None:
            return
        try:
            self._models(video).cancel_video(video.provider_job_id)
        except UnsupportedOperation:
            return
        except (ConfigurationError, VideoModelError) as error:
            self._report_fault(f"{video.provider} did not cancel job {video.provider_job_id} of {video.id}: {error}")

    def _forget(self, video: Video) -> None:
        for _ in range(TRIES_MAX):
            try:
                self._library.delete(video, count_spent_micros(video))
            except Conflict:
                try:
                    video = self._library.get(video.id)
                except NotFound:
                    return  # somebody else deleted it meanwhile
            else:
                return
        raise Conflict(f"{video.id} is being written all the time; delete it again.")
