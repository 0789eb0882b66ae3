"""Follow generations to their end, one or many at once."""

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
    """Give each job as it ends, well or not; between two questions about one job lies what the provider asks for.

    Args:
        model: whose jobs they are.
        jobs: as `create_video` gave them.
        timeout_seconds: for all of them together.
        on_progress: told of every answer.
        sleep: waits.
        clock: seconds that only grow.

    Raises:
        VideoModelError: with code `timeout` when the time is up, or what `get_status` raised and no other try can
            mend. The jobs that were not given yet go on at the provider: the error, and Ctrl-C too, names them.
    """
    deadline = clock() + timeout_seconds
    report = on_progress or _say_nothing
    # When to ask, the place among the jobs, what was said last.
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
        # A fault of one question says nothing about a render that is paid for.
        if not error.transient:
            raise
        return job.model_copy(update={"retry_after_seconds": error.retry_after_seconds})


def _say_nothing(_job: VideoGenerationJob) -> None:
    """Report to nobody."""
