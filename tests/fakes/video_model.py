"""A provider that does as it is told, and remembers what it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from mediaposter.ai.video_model_interface import (
    Capabilities,
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
    VideoStream,
)
from mediaposter.domain.errors import ErrorCode, SubmissionUnknown, VideoModelError
from tests.builders import CATALOG, NOW
from tests.fakes.answers import Accept, Answer, Drop, Refuse
from tests.fakes.clock import Clock
from tests.fakes.effects import Effects

NO_CAPABILITIES = Capabilities()
MP4 = b"\x00\x00\x00\x18ftypisom a whole film"


class FakeVideoModel(VideoModelInterface):
    """Answers creates and polls by a script; when that is used up it accepts, and has finished.

    Attributes:
        accepted: the requests it took and will charge for.
        derived: of those made from another video, what was asked for: how, of which job, and what that job's video is.
        retry_after_seconds: the hint that comes with an accepted job.
        cancelled: the jobs it was told to stop.
        cancel_errors: what the next calls to stop one raise.
        listed: jobs in its list that are not ours.
        list_errors: what the next questions for the list raise.
        meanwhile: what happens while it decides on a create.
    """

    provider = "fake"

    def __init__(
        self,
        effects: Effects | None = None,
        *,
        creates: Sequence[Answer] = (),
        polls: Sequence[VideoGenerationJob | VideoModelError] = (),
        retry_after_seconds: float | None = None,
        capabilities: Capabilities = NO_CAPABILITIES,
    ) -> None:
        super().__init__(entry=CATALOG.get("sora-2").model_copy(update={"capabilities": capabilities}))
        self.accepted: list[VideoGenerationRequest] = []
        self.derived: list[tuple[str, str, SourceVideo | None]] = []
        self.create_calls = 0
        self.poll_calls = 0
        self.retry_after_seconds = retry_after_seconds
        self.meanwhile: Callable[[], object] = _nothing
        self.cancelled: list[str] = []
        self.cancel_errors: list[VideoModelError] = []
        self.listed: list[VideoGenerationJob] = []
        self.list_errors: list[VideoModelError] = []
        self._effects = effects or Effects()
        self._creates = list(creates)
        self._polls = list(polls)

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Take, refuse or lose a request."""
        self.create_calls += 1
        self.meanwhile()
        answer = self._creates.pop(0) if self._creates else Accept()
        with self._effects.take("create at the provider"):
            if isinstance(answer, Refuse):
                raise answer.error
            if isinstance(answer, Drop) and not answer.is_accepted:
                raise SubmissionUnknown("The connection was lost.")
            if not self._is_repeated(request):
                self.accepted.append(request)
            if isinstance(answer, Drop):
                raise SubmissionUnknown("The connection was lost.")
        return VideoGenerationJob(
            job_id=f"job-{len(self.accepted)}",
            status=VideoStatus.QUEUED,
            retry_after_seconds=self.retry_after_seconds,
        )

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Answer by the script, then say that the video is there."""
        self.poll_calls += 1
        self._check_job(job_id)
        answer = self._polls.pop(0) if self._polls else None
        if isinstance(answer, VideoModelError):
            raise answer
        return answer or VideoGenerationJob(job_id=job_id, status=VideoStatus.COMPLETED, cost_micros=800_000)

    def remix_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Take a remix."""
        return self._derive("remix", job_id, prompt, source)

    def edit_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Take an edit."""
        return self._derive("edit", job_id, prompt, source)

    def extend_video(
        self, job_id: str, prompt: str, duration_seconds: int, *, source: SourceVideo | None = None
    ) -> VideoGenerationJob:
        """Take an extension."""
        return self._derive(f"extend by {duration_seconds}", job_id, prompt, source)

    def _derive(self, kind: str, job_id: str, prompt: str, source: SourceVideo | None) -> VideoGenerationJob:
        self.derived.append((kind, job_id, source))
        return self.create_video(VideoGenerationRequest(prompt=prompt))

    def cancel_video(self, job_id: str) -> None:
        """Stop a job."""
        if not self.capabilities.cancel:
            self._unsupported("cancel_video")
        if self.cancel_errors:
            raise self.cancel_errors.pop(0)
        self.cancelled.append(job_id)

    def list_jobs(self, limit: int = 20) -> list[VideoGenerationJob]:
        """List what it accepted, newest first."""
        if self.list_errors:
            raise self.list_errors.pop(0)
        accepted = [
            VideoGenerationJob(
                job_id=f"job-{number}",
                status=VideoStatus.IN_PROGRESS,
                prompt=request.prompt,
                size=request.size,
                seconds=request.duration_seconds,
                created_at=NOW,
            )
            for number, request in enumerate(self.accepted, start=1)
        ]
        return [*self.listed, *reversed(accepted)][:limit]

    def _is_repeated(self, request: VideoGenerationRequest) -> bool:
        keys = {accepted.idempotency_key for accepted in self.accepted}
        return self.capabilities.idempotent_submit and request.idempotency_key in keys

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Serve the film."""
        del validator
        self._check_job(job_id)
        yield VideoStream(chunks=iter([MP4[start_byte:]]), start_byte=start_byte, size_bytes=len(MP4))

    def _check_job(self, job_id: str) -> None:
        if job_id not in {f"job-{number}" for number in range(1, len(self.accepted) + 1)}:
            raise VideoModelError(ErrorCode.EXPIRED, f"There is no job {job_id}.")


class RenderingModel(FakeVideoModel):
    """Renders each job for so long.

    Attributes:
        clock: whose time passes.
        render_seconds: of the jobs that are accepted from now on.
        done_at: when the latest of them is done.
        known_at: when that was first learned.
        questions: how often it was asked until then.
    """

    takes_webhook_url = True

    def __init__(self, effects: Effects | None = None, *, capabilities: Capabilities = NO_CAPABILITIES) -> None:
        super().__init__(effects, capabilities=capabilities)
        self.clock = Clock()
        self.render_seconds = 60.0
        self.done_at = self.known_at = NOW
        self.questions = 0

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Take a request, and render from now on."""
        self.done_at = self.clock() + timedelta(seconds=self.render_seconds)
        self.known_at = NOW
        self.questions = 0
        return super().create_video(request)

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Answer that it renders, until it is done."""
        if self.known_at < self.done_at:
            self.questions += 1
        if self.clock() < self.done_at:
            return VideoGenerationJob(job_id=job_id, status=VideoStatus.IN_PROGRESS)
        if self.known_at < self.done_at:
            self.known_at = self.clock()
        return super().get_status(job_id)

    @property
    def delay_seconds(self) -> float:
        """Tell how long a finished render was not known."""
        return (self.known_at - self.done_at).total_seconds()


def _nothing() -> None:
    """Let nothing happen meanwhile."""
