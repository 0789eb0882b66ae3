"""Start the videos that wait for a slot of their provider, when slots become free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from mediaposter.domain.errors import NotFound, NotStarted, SlotsTaken, VersionConflict
from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.video_record import Video
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.videos.resume import Workflow

Clock = Callable[[], datetime]


class DispatchVideos:
    """Gives free slots to waiting videos in queue order, and starts them."""

    def __init__(self, *, videos: VideoStore, slots: CapacityStore, workflow: Workflow, clock: Clock) -> None:
        self._videos = videos
        self._slots = slots
        self._workflow = workflow
        self._clock = clock

    def __call__(self, provider: str) -> int:
        """Give every free slot of a provider to a waiting video, and count them.

        Several dispatchers may run at once: each slot goes to one video, and one dispatcher starts each video.
        """
        dispatched = 0
        while self._slots.count_free(provider) > 0:
            taken = self._dequeue(provider)
            dispatched += taken
            if not taken:
                break  # others took the slots, or the index lags: the next event dispatches again
        return dispatched

    def dispatch_each(self, providers: Sequence[str]) -> int:
        """Dispatch several providers; a failure at one does not stop the others.

        Raises:
            ExceptionGroup: what went wrong; all of them were tried.
        """
        dispatched = 0
        faults: list[Exception] = []
        for provider in providers:
            try:
                dispatched += self(provider)
            except Exception as error:
                faults.append(error)
        if faults:
            raise ExceptionGroup(f"{len(faults)} of {len(providers)} providers could not be dispatched to", faults)
        return dispatched

    def _dequeue(self, provider: str) -> int:
        dispatched = 0
        for video_id in self._slots.list_waiting(provider):
            try:
                video = self._videos.get_unchecked(video_id)
                if video.place is None or video.provider != provider:
                    continue  # the index lags behind the record
                self._dispatch(video, video.place)
            except SlotsTaken:
                break
            except (VersionConflict, NotFound):
                continue  # another worker dispatched, failed or deleted it
            dispatched += 1
        return dispatched

    def _dispatch(self, video: Video, place: str) -> None:
        bound = self._slots.bound(video.provider, may_overtake=True)
        video = self._videos.dequeue(video, place, now=self._clock(), at_most=bound)
        try:
            self._workflow.start(video.id, video.launch)
        except NotStarted:
            return  # it has its slot, and the sweep starts it
