"""Send the queued event of every new video, however it was requested, and the warnings of its budgets."""

from __future__ import annotations

from collections.abc import Callable

from mediaposter.domain.errors import NotFound
from mediaposter.events import VideoQueued
from mediaposter.stores.video_record import Video
from mediaposter.stores.videos import VideoStore


class AnnounceVideo:
    """Sends the queued event of a video, and checks the limits that its money counts for."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        send_event: Callable[[VideoQueued], object],
        warn_of_budgets: Callable[[Video], object],
    ) -> None:
        self._videos = videos
        self._send_event = send_event
        self._warn_of_budgets = warn_of_budgets

    def __call__(self, video_id: str) -> None:
        """Send the event that a video was recorded; a video deleted by now gets none.

        Raises:
            EventNotSent: the bus refused it; sending again is safe.
        """
        try:
            video = self._videos.get_unchecked(video_id)
        except NotFound:
            return
        self._send_event(
            VideoQueued(
                request_id=video.request_id,
                correlation_id=video.correlation_id,
                owner=video.owner,
                occurred_at=video.created_at,
                video_id=video.id,
                batch_id=video.batch_id,
            )
        )
        self._warn_of_budgets(video)
