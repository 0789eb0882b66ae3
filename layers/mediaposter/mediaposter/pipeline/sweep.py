"""Sweep up what a crash left between a record and its execution."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from mediaposter.errors import Conflict, NotFound
from mediaposter.library.videos import Stage, VideoLibrary
from mediaposter.pipeline.steps import CloseInput
from mediaposter.pipeline.submit import Workflow

Clock = Callable[[], datetime]

# Longer than any submit can run, so that the sweep never meets one at work.
NEVER_STARTED_AFTER = timedelta(minutes=5)


class SweepVideos:
    """Fail what a crash left between the record and its execution.

    It is not started late: its caller had an error and was told that sending again is safe, so a late
    start would render, pay for and post the same thing twice.
    """

    def __init__(
        self,
        *,
        library: VideoLibrary,
        workflow: Workflow,
        close: Callable[[CloseInput], object],
        clock: Clock,
    ) -> None:
        self._library = library
        self._workflow = workflow
        self._close = close
        self._clock = clock

    def __call__(self) -> int:
        """Fail the videos that never had an execution, and count them."""
        swept = 0
        for video_id in self._library.list_never_started(older_than=NEVER_STARTED_AFTER, now=self._clock()):
            if self._workflow.exists(video_id):
                continue
            try:
                video = self._library.get(video_id)
            except NotFound:
                continue  # deleted meanwhile
            if video.failure is not None or video.stage is not Stage.QUEUED:
                continue
            try:
                self._close(CloseInput(video_id=video_id, fault="a crash before its execution was started"))
            except Conflict:
                continue  # someone closed it meanwhile
            swept += 1
        return swept
