"""The provider of the sandbox model within this process: its jobs are files, and its webhook is a function call."""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ErrorCode, MediaPosterError, VideoModelError, WebhookRejected
from mediaposter.host.disk import make_folder, sync, sync_folder
from mediaposter.host.pretend.faults import VideoFault

RENDER_SECONDS = 4.0
# What is older is removed when the host starts.
KEPT_FOR = timedelta(days=30)
# A webhook that failed comes again so often; a lost one costs the rest of a wait.
_REPORTS_MAX = 4
_REPORT_AGAIN_SECONDS = 1.0
# After the computer slept, the time is later than the one that was read last.
_LOOKS_EVERY_SECONDS = 15.0
# The part of a job's time during which it is queued.
_QUEUED_PART = 0.1
_JOB_ID = re.compile(r"video_[0-9a-f]{32}")
_TOKEN_HEADER = "webhook-token"  # noqa: S105 (the name of a header)

# How a job ends that asked for a failure.
_FAILURES: Mapping[VideoFault | None, tuple[ErrorCode, str]] = MappingProxyType(
    {
        VideoFault.FAIL: (ErrorCode.CONTENT_POLICY, "Your request was blocked by our moderation system."),
        VideoFault.BREAK_DOWN: (ErrorCode.PROVIDER_ERROR, "The sandbox broke down, as the prompt asked."),
    }
)

_logger = logging.getLogger(__name__)


class Draw(Protocol):
    """Draws clips; raises MediaPosterError."""

    def __call__(self, prompt: str, *, width: int, height: int, seconds: int, path: Path) -> None:
        """Draw a clip; `path` appears whole or not at all."""


class ClipOrder(BaseModel):
    """What a clip is to show: pixels and seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    model: str
    width: int
    height: int
    seconds: int


class SandboxJob(BaseModel):
    """A job, as its file has it. Where it stands follows from the time, and from whether its clip is drawn.

    A job with an error fails when it is ready; a cancelled one at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str
    order: ClipOrder
    fault: VideoFault | None = None
    created_at: AwareDatetime
    ready_at: AwareDatetime
    error_code: ErrorCode | None = None
    error_message: str | None = None


class SandboxProvider:
    """Draws clips for any prompt. Each job is a file, which is on disk before the job is accepted.

    After a restart the jobs under way go on: what is not drawn is drawn again. Methods may be called from any thread.
    """

    def __init__(
        self,
        folder: Path,
        draw: Draw,
        *,
        clock: Callable[[], datetime],
        render_seconds: float = RENDER_SECONDS,
        draws_at_once: int = 2,
    ) -> None:
        """Read the jobs in the folder; none goes on before `start`.

        Args:
            folder: of this provider alone.
            draw: draws a clip (host.decoder.ChildDrawer).
            clock: the time, with its zone.
            render_seconds: how long a job takes at least.
            draws_at_once: how many clips are drawn at once.
        """
        self._folder = folder
        self._draw = draw
        self._clock = clock
        self._render_time = timedelta(seconds=render_seconds)
        self._token = secrets.token_hex(32)
        self._changed = threading.Condition()
        # One thread reports at a time, so that each end is told so often and no more.
        self._reporting = threading.Lock()
        self._on_end: Callable[[str], object] = _do_nothing
        self._is_closed = False
        self._drawings: set[Future[None]] = set()
        self._pool = ThreadPoolExecutor(draws_at_once, thread_name_prefix="sandbox-draw")
        self._watcher = threading.Thread(target=self._watch, name="sandbox-ends", daemon=True)
        self._jobs = self._read_jobs()
        # The reports made of a job whose end has still to be reported.
        self._unreported = {job.job_id: 0 for job in self._jobs.values() if not self._has_ended(job)}

    def start(self, on_end: Callable[[str], object]) -> None:
        """Go on with the jobs under way, and report the end of each job.

        Args:
            on_end: takes the id of a job that ended, and passes `write_webhook` of it to ReceiveProviderWebhook. It is
                called on a thread of the provider's, and again if it raises.
        """
        self._on_end = on_end
        for job_id in list(self._unreported):
            self._begin_drawing(self._jobs[job_id])
        self._watcher.start()

    def close(self) -> None:
        """Stop, after the report that is being made. Jobs under way go on when the host starts again."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._watcher.is_alive():
            self._watcher.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # Jobs

    def accept(self, order: ClipOrder, *, fault: VideoFault | None, idempotency_key: str | None) -> tuple[bool, str]:
        """Accept a job, once for each idempotency key. Tell whether it is new, and its id."""
        digest = sha256(idempotency_key.encode()).hexdigest()[:32] if idempotency_key else uuid.uuid4().hex
        job_id = f"video_{digest}"
        with self._changed:
            if job_id in self._jobs:
                return False, job_id
            now = self._clock()
            code, message = _FAILURES.get(fault, (None, None))
            job = SandboxJob(
                job_id=job_id,
                order=order,
                fault=fault,
                created_at=now,
                ready_at=now + self._render_time,
                error_code=code,
                error_message=message,
            )
            self._write(job)
            self._unreported[job_id] = 0
        self._begin_drawing(job)
        return True, job_id

    def find(self, job_id: str) -> SandboxJob:
        """Find a job.

        Raises:
            VideoModelError: there is none, or the id is none of this provider's.
        """
        if not _JOB_ID.fullmatch(job_id):
            raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{job_id[:80]!r} is not the id of a job.")
        with self._changed:
            job = self._jobs.get(job_id)
        if job is None:
            raise VideoModelError(ErrorCode.EXPIRED, f"The sandbox has no job {job_id}: it was deleted, or is too old.")
        return job

    def describe(self, job: SandboxJob) -> VideoGenerationJob:
        """Tell where a job stands."""
        status, progress = self._find_status(job)
        has_failed = status is VideoStatus.FAILED
        return VideoGenerationJob(
            job_id=job.job_id,
            status=status,
            progress=progress,
            error_code=job.error_code if has_failed else None,
            error_message=job.error_message if has_failed else None,
            prompt=job.order.prompt,
            model=job.order.model,
            size=f"{job.order.width}x{job.order.height}",
            seconds=job.order.seconds,
            created_at=job.created_at,
        )

    def list_latest(self, limit: int) -> list[SandboxJob]:
        """List the latest jobs, the newest first."""
        with self._changed:
            jobs = list(self._jobs.values())
        return sorted(jobs, key=lambda job: job.created_at, reverse=True)[:limit]

    def cancel(self, job_id: str) -> None:
        """End a job that is under way; one that has ended stays as it is."""
        job = self.find(job_id)
        with self._changed:
            if not self._has_ended(job):
                self._end(job, ErrorCode.CANCELLED, "The job was cancelled.")

    def delete(self, job_id: str) -> None:
        """Remove a job that has ended, and its clip.

        Raises:
            VideoModelError: it is still under way.
        """
        job = self.find(job_id)
        with self._changed:
            if not self._has_ended(job):
                raise VideoModelError(ErrorCode.INVALID_REQUEST, "A job cannot be deleted before it has ended.")
            self._remove(job)

    def find_clip(self, job: SandboxJob) -> Path:
        """Give the place of a job's clip, which is there once it is drawn."""
        return self._folder / f"{job.job_id}.mp4"

    def wait_until_drawn(self) -> None:
        """Wait for the clips that are being drawn now."""
        with self._changed:
            drawings = list(self._drawings)
        wait(drawings)

    # Webhooks

    def write_webhook(self, job_id: str) -> tuple[dict[str, str], bytes]:
        """Write the headers and the body of the webhook about a job, for ReceiveProviderWebhook."""
        return {_TOKEN_HEADER: self._token}, job_id.encode()

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> str:
        """Verify that this process wrote a webhook, and give its job.

        Raises:
            WebhookRejected: it did not.
        """
        sent = next((value for name, value in headers.items() if name.lower() == _TOKEN_HEADER), "")
        if not hmac.compare_digest(sent.encode(), self._token.encode()):
            raise WebhookRejected("The sandbox of this host did not send this webhook.")
        return body.decode()

    def report_ends(self) -> None:
        """Report the jobs that have ended since the last time."""
        with self._reporting:
            with self._changed:
                ended = [job_id for job_id in self._unreported if self._has_ended(self._jobs[job_id])]
            for job_id in ended:
                self._report_end(job_id)

    def _report_end(self, job_id: str) -> None:
        try:
            self._on_end(job_id)
        except Exception:
            with self._changed:
                if job_id not in self._unreported:
                    return  # it was deleted meanwhile
                self._unreported[job_id] = reports = self._unreported[job_id] + 1
            if reports < _REPORTS_MAX:
                return
            _logger.exception("The end of the sandbox's job %s was not passed on; it is polled for", job_id)
        with self._changed:
            self._unreported.pop(job_id, None)

    def _watch(self) -> None:
        while True:
            with self._changed:
                if not self._is_closed:
                    self._changed.wait(self._count_seconds_to_next_end())
                if self._is_closed:
                    return
            self.report_ends()

    def _count_seconds_to_next_end(self) -> float:
        now = self._clock()
        seconds = [_LOOKS_EVERY_SECONDS]
        for job_id in self._unreported:
            job = self._jobs[job_id]
            if self._has_ended(job):
                seconds.append(_REPORT_AGAIN_SECONDS)
            elif job.ready_at > now:
                seconds.append((job.ready_at - now).total_seconds())
        return min(seconds)

    # How a job stands

    def _find_status(self, job: SandboxJob) -> tuple[VideoStatus, int]:
        if self._has_ended(job):
            return (VideoStatus.FAILED, 0) if job.error_code else (VideoStatus.COMPLETED, 100)
        spent = (self._clock() - job.created_at) / self._render_time if self._render_time else 1.0
        if spent <= _QUEUED_PART:
            return VideoStatus.QUEUED, 0
        return VideoStatus.IN_PROGRESS, min(99, int(100 * spent))

    def _has_ended(self, job: SandboxJob) -> bool:
        if job.error_code is ErrorCode.CANCELLED:
            return True
        if self._clock() < job.ready_at or job.fault is VideoFault.NEVER_FINISH:
            return False
        return job.error_code is not None or self.find_clip(job).exists()

    def _begin_drawing(self, job: SandboxJob) -> None:
        if job.error_code is None and job.fault is not VideoFault.NEVER_FINISH and not self.find_clip(job).exists():
            with suppress(RuntimeError), self._changed:  # the host is stopping, and draws it when it starts again
                drawing = self._pool.submit(self._draw_clip, job)
                self._drawings.add(drawing)
                drawing.add_done_callback(self._drawings.discard)

    def _draw_clip(self, job: SandboxJob) -> None:
        clip, order = self.find_clip(job), job.order
        error: str | None = None
        try:
            if self._is_wanted(job):
                self._draw(order.prompt, width=order.width, height=order.height, seconds=order.seconds, path=clip)
        except MediaPosterError as fault:
            error = f"The sandbox could not draw the clip: {fault}"
        except Exception:
            _logger.exception("The sandbox could not draw the clip of %s", job.job_id)
            error = "The sandbox could not draw the clip. The host's log says why."
        with self._changed:
            if self._is_closed:
                return
            if not self._is_wanted(job):
                clip.unlink(missing_ok=True)
            elif error is not None:
                self._end(job, ErrorCode.PROVIDER_ERROR, error)
            self._changed.notify_all()

    def _is_wanted(self, job: SandboxJob) -> bool:
        """Tell whether a job was neither cancelled nor deleted."""
        return self._jobs.get(job.job_id) == job

    def _end(self, job: SandboxJob, code: ErrorCode, message: str) -> None:
        self._write(job.model_copy(update={"error_code": code, "error_message": message}))
        self._changed.notify_all()

    # Files

    def _write(self, job: SandboxJob) -> None:
        """Have a job on disk."""
        path = self._folder / f"{job.job_id}.json"
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            file.write(job.model_dump_json())
            file.flush()
            sync(file.fileno())
        part.replace(path)
        sync_folder(self._folder)
        self._jobs[job.job_id] = job

    def _remove(self, job: SandboxJob) -> None:
        (self._folder / f"{job.job_id}.json").unlink(missing_ok=True)
        self.find_clip(job).unlink(missing_ok=True)
        self._jobs.pop(job.job_id, None)
        self._unreported.pop(job.job_id, None)

    def _read_jobs(self) -> dict[str, SandboxJob]:
        make_folder(self._folder)
        for part in self._folder.glob("*.part"):
            part.unlink()
        jobs = []
        for path in self._folder.glob("video_*.json"):
            try:
                jobs.append(SandboxJob.model_validate_json(path.read_bytes()))
            except ValidationError:
                _logger.warning("%s is no job of this sandbox; it is left as it is", path)
        oldest = self._clock() - KEPT_FOR
        for job in jobs:
            if job.created_at < oldest:
                (self._folder / f"{job.job_id}.json").unlink()
                self.find_clip(job).unlink(missing_ok=True)
        kept = [job for job in jobs if job.created_at >= oldest]
        return {job.job_id: job for job in sorted(kept, key=lambda job: job.created_at)}


def _do_nothing(_job_id: str) -> None:
    """Report to nothing, before `start`."""
