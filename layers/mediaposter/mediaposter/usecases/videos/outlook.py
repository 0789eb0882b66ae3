"""Tell when a video will be rendered: its place in the queue, and the end that render times of its model suggest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Protocol

from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.render_times import RenderTimes, RenderTimeStore
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import STAGES_AT_A_PROVIDER, Stage
from mediaposter.usecases.generation.pacing import predict_end_seconds
from mediaposter.wire.video_object import Outlook

Clock = Callable[[], datetime]


class FindTimes(Protocol):
    """Finds the render times of a video's model."""

    def __call__(self, model: str, expected_seconds: int) -> RenderTimes: ...


class TellOutlook:
    """Tell the outlook of videos, with a few reads for all of them: none where nothing waits or renders."""

    def __init__(
        self,
        *,
        slots: CapacityStore,
        limits: Callable[[str], int],
        render_times: RenderTimeStore,
        clock: Clock,
    ) -> None:
        """Take the collaborators.

        Args:
            slots: the queues of the providers.
            limits: how many videos a provider renders at once.
            render_times: the learned times.
            clock: the time in UTC.
        """
        self._slots = slots
        self._limits = limits
        self._render_times = render_times
        self._clock = clock

    def __call__(self, videos: Iterable[Video]) -> dict[str, Outlook]:
        """Tell the outlook of those that wait for a provider or are rendered, by their ids."""
        now = self._clock()
        active = [video for video in videos if video.failure is None and video.stage in STAGES_AT_A_PROVIDER]
        positions = self._find_positions([video for video in active if video.place is not None])

        @cache
        def find_times(model: str, expected_seconds: int) -> RenderTimes:
            return self._render_times.get(model, expected_seconds=expected_seconds)

        outlooks = {}
        for video in active:
            position = positions.get(video.id)
            outlooks[video.id] = Outlook(position, self._predict_end(video, position, find_times, now))
        return outlooks

    def _find_positions(self, waiting: Sequence[Video]) -> dict[str, int]:
        positions: dict[str, int] = {}
        for provider in {video.provider for video in waiting}:
            places = {video.id: video.place for video in waiting if video.provider == provider and video.place}
            found = self._slots.find_positions(provider, places.values())
            positions |= {video_id: found[place] for video_id, place in places.items() if place in found}
        return positions

    def _predict_end(self, video: Video, position: int | None, find_times: FindTimes, now: datetime) -> int | None:
        """Give the likely end of the render, in seconds since 1970.

        What waits comes after those before it, which are taken to render as long as it does, as many at once as its
        provider has slots.
        """
        if video.place is not None and position is None:
            return None
        times = find_times(video.resolved_model, video.expected_render_seconds)
        if video.stage is Stage.RENDERING and video.rendering_since is not None:
            elapsed_seconds = max((now - video.rendering_since).total_seconds(), 0.0)
            end_seconds = predict_end_seconds(times, elapsed_seconds=elapsed_seconds)
            return round(video.rendering_since.timestamp() + end_seconds)
        turns = 1.0 if position is None else 1.0 + position / max(self._limits(video.provider), 1)
        return round(now.timestamp() + turns * predict_end_seconds(times))
