"""Wait for generations to end, one or many at once."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from mediaposter.domain.errors import ErrorCode, VideoModelError

if TYPE_CHECKING:
    from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoModelInterface

POLL_SECONDS = 5.0


def wait_for_all(
    model: VideoModelInterface,
    jobs: Iterable[VideoGenerationJob],
    *,
    timeout_seconds: float = 3600,
    on_progress: Callable[[VideoGenerationJob], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[VideoGenerationJob]:
    """Yield each job as it ends, successful or not; poll each job at the provider's interval.

    Args:
        model: whose jobs they are.
        jobs: as returned by `create_video`.
        timeout_seconds: for all of them together.
        on_progress: called with every status.
        sleep: waits.
        clock: monotonic seconds.

    Raises:
        VideoModelError: with code `timeout` when the time is up, or a permanent error of `get_status`. The jobs not
            yielded yet go on at the provider: the error names them, as Ctrl-C does.
    """
    deadline = clock() + timeout_seconds
    report = on_progress or _say_nothing
    # When to poll, the index among the jobs, the last status.
    waiting: list[tuple[float, int, VideoGenerationJob]] = []
    for place, job in enumerate(jobs):
        report(job)
        if job.status.is_terminal:
            yield job
        else:
            heapq.heappush(waiting, (clock() + (job.retry_after_seconds or POLL_SECONDS), place, job))
    try:
        while waiting:
            ask_at, place, job = waiting[0]
            _wait_until(ask_at, deadline=deadline, sleep=sleep, clock=clock)
            job = _ask(model, job)
            report(job)
            if job.status.is_terminal:
                heapq.heappop(waiting)
                yield job
            else:
                heapq.heapreplace(waiting, (clock() + (job.retry_after_seconds or POLL_SECONDS), place, job))
    except (VideoModelError, KeyboardInterrupt) as error:
        job_ids = ", ".join(job.job_id for _, _, job in waiting)
        error.add_note(f"These go on at the provider; ask for them again with get_status: {job_ids}")
        raise


def _wait_until(moment: float, *, deadline: float, sleep: Callable[[float], None], clock: Callable[[], float]) -> None:
    if moment > deadline:
        raise VideoModelError(ErrorCode.TIMEOUT, "The time to wait for videos is up, and not all have ended.")
    sleep(max(0.0, moment - clock()))


def _ask(model: VideoModelInterface, job: VideoGenerationJob) -> VideoGenerationJob:
    try:
        return model.get_status(job.job_id)
    except VideoModelError as error:
        # A failed poll says nothing about the paid render.
        if not error.transient:
            raise
        return job.model_copy(update={"retry_after_seconds": error.retry_after_seconds})


def _say_nothing(_job: VideoGenerationJob) -> None:
    """Ignore progress."""
