"""Start the videos that wait for a slot of their provider, as slots come free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from mediaposter.domain.errors import NotFound, NotStarted, SlotsTaken, VersionConflict
from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.videos import Video, VideoStore
from mediaposter.usecases.videos.resume import Workflow

Clock = Callable[[], datetime]


class DispatchVideos:
    """Start those whose turn it is."""

    def __init__(self, *, library: VideoStore, slots: CapacityStore, workflow: Workflow, clock: Clock) -> None:
        self._library = library
        self._slots = slots
        self._workflow = workflow
        self._clock = clock

    def __call__(self, provider: str) -> int:
        """Give every free slot of a provider to one who waits, and count them.

        Others may do the same at the same time: a slot is taken by one video, and a video by one of us.
        """
        dispatched = 0
        while self._slots.count_free(provider) > 0:
            taken = self._take_turns(provider)
            dispatched += taken
            if not taken:
                break  # others took them, or what the index lists is not what waits: the next event tells more
        return dispatched

    def dispatch_each(self, providers: Sequence[str]) -> int:
        """Do so for several providers; one of whom it fails holds up no other.

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

    def _take_turns(self, provider: str) -> int:
        dispatched = 0
        for video_id in self._slots.list_waiting(provider):
            try:
                video = self._library.get_unchecked(video_id)
                if video.place is None or video.provider != provider:
                    continue  # the index comes a moment after the record
                self._dispatch(video, video.place)
            except SlotsTaken:
                break
            except (VersionConflict, NotFound):
                continue  # somebody else dispatched, failed or deleted it
            dispatched += 1
        return dispatched

    def _dispatch(self, video: Video, place: str) -> None:
        bound = self._slots.bound(video.provider, may_overtake=True)
        video = self._library.take_turn(video, place, now=self._clock(), at_most=bound)
        try:
            self._workflow.start(video.id, video.launch)
        except NotStarted:
            return  # it has its slot, and the sweep starts it
