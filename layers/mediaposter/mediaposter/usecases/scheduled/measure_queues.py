"""Measure how many videos wait for a slot of their provider, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from mediaposter.domain.errors import NotFound
from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.store_and_close import Measure

Clock = Callable[[], datetime]


class MeasureQueues:
    """Measures the queues of all providers; when nothing waits it writes nothing, so an idle stack pays nothing."""

    def __init__(
        self,
        *,
        slots: CapacityStore,
        videos: VideoStore,
        providers: Callable[[], Sequence[str]],
        measure: Measure,
        clock: Clock,
    ) -> None:
        self._slots = slots
        self._videos = videos
        self._providers = providers
        self._measure = measure
        self._clock = clock

    def __call__(self) -> int:
        """Measure once, and give the number of videos that wait.

        The oldest of a queue is that of the next hundred: ids sort by their time.
        """
        waiting = {provider: self._slots.count(provider).waiting for provider in self._providers()}
        total = sum(waiting.values())
        if total:
            self._measure("VideosWaiting", total)
            ages = [self._find_age(provider) for provider, count in waiting.items() if count]
            self._measure("OldestWaitingSeconds", max(ages))
        return total

    def _find_age(self, provider: str) -> float:
        ids = self._slots.list_waiting(provider)
        if not ids:
            return 0  # the index lags behind the counter
        try:
            video = self._videos.get_unchecked(min(ids))
        except NotFound:
            return 0  # deleted meanwhile
        return max((self._clock() - video.created_at).total_seconds(), 0)
