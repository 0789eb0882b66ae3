"""The program of a child process that decodes and draws videos: `python -m mediaposter.host.decoder_child`.

A job is a line of JSON on its input, its answer one on its output (host.child_jobs). When the input ends, so does the
program, also in the middle of a job.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import IO

from mediaposter.domain.errors import MediaError
from mediaposter.host.child_jobs import ChildAnswer, ChildJob, Drawing
from mediaposter.host.pretend.render import render_video
from mediaposter.media.inspection import Inspection, InspectionReply
from mediaposter.media.probe import draw_spritesheet, draw_thumbnail, probe_video

# A frame of 8K has 50 MB, and one thread decodes. Lambda's function has 1 GiB of memory for all; address space is more.
_MEMORY_BYTES_MAX = 2 * 1024**3


def main() -> None:
    """Do jobs until the input ends."""
    # Ctrl-C, and a service manager, signal all processes at once. The host ends its children itself.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library prints must not come between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read_jobs, args=(sys.stdin.buffer, jobs), daemon=True).start()
    _limit_memory()
    while True:
        job = ChildJob.model_validate_json(jobs.get())
        _limit_cpu(job.seconds)
        answers.write(_do(job).model_dump_json().encode() + b"\n")
        answers.flush()


def _read_jobs(source: IO[bytes], jobs: queue.Queue[bytes]) -> None:
    for line in source:
        jobs.put(line)
    # The host has ended, or ends this process. PyAV decodes without Python's lock, so this is reached at any time.
    os._exit(0)


def _do(job: ChildJob) -> ChildAnswer:
    try:
        if job.inspect is not None:
            return ChildAnswer(inspected=_inspect(Path(job.inspect)))
        if job.draw is not None:
            _draw(job.draw)
        return ChildAnswer()
    except MemoryError:
        return ChildAnswer(fault="used up its memory.")


def _inspect(path: Path) -> InspectionReply:
    try:
        return InspectionReply(
            inspection=Inspection(
                probe=probe_video(path), thumbnail=draw_thumbnail(path), spritesheet=draw_spritesheet(path)
            )
        )
    except MediaError as error:
        return InspectionReply(refusal=str(error))


def _draw(drawing: Drawing) -> None:
    render_video(
        drawing.prompt,
        width=drawing.width,
        height=drawing.height,
        seconds=drawing.seconds,
        path=Path(drawing.path),
    )


if sys.platform == "win32":
    # Windows has no such limits for a process that runs already: time alone bounds it there.
    def _limit_memory() -> None:
        """Leave it."""

    def _limit_cpu(seconds: float) -> None:
        """Leave it."""

else:
    import resource

    def _limit_memory() -> None:
        """Limit the address space. macOS knows the limit and does not hold it: there, too, time alone bounds it."""
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_AS, _MEMORY_BYTES_MAX)

    def _limit_cpu(seconds: float) -> None:
        """Limit the CPU time of the next job. The host counts real seconds; this holds when the host is gone."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)

    def _lower(kind: int, limit: int) -> None:
        """Set the limit that a process may raise again, up to the one it was started with."""
        _, highest = resource.getrlimit(kind)
        soft = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
        try:
            resource.setrlimit(kind, (soft, highest))
        except (OSError, ValueError):
            return  # a system that takes no such limit


if __name__ == "__main__":
    main()
