"""The two steps of a generation: start it at most once, and follow it to its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NoReturn

from mediaposter.ai.catalog import Catalog, parse_size
from mediaposter.ai.video_model_interface import (
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
)
from mediaposter.errors import (
    ConfigurationError,
    Conflict,
    ErrorCode,
    MediaPosterError,
    SubmissionUnknown,
    VideoModelError,
)
from mediaposter.library.videos import Attempt, Stage, Video, VideoFailure, VideoLibrary
from mediaposter.pipeline.steps import Outcome, StepInput, StepResult, wait

Clock = Callable[[], datetime]
# Give the model that renders a video; raises ConfigurationError when its key or address is missing.
Models = Callable[[Video], VideoModelInterface]

# These two bound the execution's history; the machine's own bounds are a little higher.
STARTS_MAX = 60
POLLS_MAX = 250
POLL_FLOOR_SECONDS = 5.0
# A late answer costs at most this part of the time the render has taken, and polls grow only with its logarithm.
POLL_PART_OF_ELAPSED = 1 / 40
FIRST_WAIT_PART_OF_EXPECTED = 0.6
# A job the provider has just accepted may not be readable yet.
NEW_JOB_GRACE = timedelta(seconds=60)


class StartGeneration:
    """Submit a video to its model, at most once."""

    def __init__(
        self,
        *,
        library: VideoLibrary,
        models: Models,
        catalog: Catalog,
        clock: Clock,
        lease_seconds: int,
        timeout_seconds: int,
    ) -> None:
        self._library = library
        self._models = models
        self._catalog = catalog
        self._clock = clock
        # Longer than StartFunction may run: when it has passed, whoever announced the call is dead.
        self._lease = timedelta(seconds=lease_seconds)
        self._timeout = timedelta(seconds=timeout_seconds)

    def __call__(self, step: StepInput) -> StepResult:
        """Start the generation, or find out what became of an earlier start.

        The record is `submitting` before the call is made. Whoever finds it so looks, and never submits again.
        """
        video = self._library.get(step.video_id)
        now = self._clock()
        if video.failure is not None:
            return StepResult(outcome=Outcome.FAILED)
        if video.stage is Stage.SUBMITTING:
            return self._look(video, now)
        if video.stage is not Stage.QUEUED:
            return StepResult(outcome=Outcome.STARTED, wait_seconds=int(POLL_FLOOR_SECONDS))

        try:
            model = self._models(video)
        except ConfigurationError as error:
            return self._fail(video, ErrorCode.AUTHENTICATION, str(error))
        deadline_at = video.deadline_at or now + self._timeout
        attempt = Attempt(provider=video.provider, model=video.resolved_model, started_at=now)
        try:
            video = self._library.advance(
                video,
                Stage.SUBMITTING,
                now=now,
                attempts=(*video.attempts, attempt),
                lease_expires_at=now + self._lease,
                deadline_at=deadline_at,
            )
        except Conflict:
            return wait(POLL_FLOOR_SECONDS)

        try:
            job = model.create_video(_to_generation_request(video))
        except SubmissionUnknown as error:
            return self._fail(video, error.code, explain_unknown(error.message))
        except VideoModelError as error:
            return self._take_refusal(video, error, deadline_at, step.attempt)
        return self._keep_job(video, job)

    def _look(self, video: Video, now: datetime) -> StepResult:
        if video.lease_expires_at is not None and now < video.lease_expires_at:
            return wait((video.lease_expires_at - now).total_seconds())
        return self._fail(
            video, ErrorCode.SUBMISSION_UNKNOWN, explain_unknown("The process that submitted it was lost.")
        )

    def _take_refusal(self, video: Video, error: VideoModelError, deadline_at: datetime, attempt: int) -> StepResult:
        """Come back later if that may help and the deadline allows it; the provider accepted nothing."""
        now = self._clock()
        wait_seconds = error.retry_after_seconds or 30.0
        is_too_late = attempt >= STARTS_MAX or now + timedelta(seconds=wait_seconds) > deadline_at
        if not error.transient or is_too_late:
            return self._fail(video, error.code, error.message)
        self._library.advance(video, Stage.QUEUED, now=now, attempts=video.attempts[:-1], lease_expires_at=None)
        return wait(wait_seconds)

    def _keep_job(self, video: Video, job: VideoGenerationJob) -> StepResult:
        now = self._clock()
        attempt = video.attempts[-1].model_copy(update={"provider_job_id": job.job_id})
        try:
            self._library.advance(
                video,
                Stage.RENDERING,
                now=now,
                provider_job_id=job.job_id,
                attempts=(*video.attempts[:-1], attempt),
                rendering_since=now,
                lease_expires_at=None,
            )
        except Conflict as error:
            # Paid for, and the record no longer waits for it: the log must at least name it.
            raise MediaPosterError(
                f"{video.provider} accepted job {job.job_id}, but {video.id} was closed meanwhile."
            ) from error
        expected_seconds = self._catalog.get(video.resolved_model).expected_render_seconds
        first_wait = job.retry_after_seconds or expected_seconds * FIRST_WAIT_PART_OF_EXPECTED
        return StepResult(outcome=Outcome.STARTED, wait_seconds=wait(first_wait).wait_seconds)

    def _fail(self, video: Video, code: ErrorCode, message: str) -> StepResult:
        return _fail(self._library, video, code, message, self._clock())


class CheckGeneration:
    """Ask how a generation stands."""

    def __init__(self, *, library: VideoLibrary, models: Models, clock: Clock) -> None:
        self._library = library
        self._models = models
        self._clock = clock

    def __call__(self, step: StepInput) -> StepResult:
        """Ask once, and say when to ask again. A fault of one question never ends a paid render."""
        video = self._library.get(step.video_id)
        if video.failure is not None:
            return StepResult(outcome=Outcome.FAILED)
        if video.stage is not Stage.RENDERING:
            return StepResult(outcome=Outcome.COMPLETED)
        now = self._clock()
        last_poll = step.attempt >= POLLS_MAX or (video.deadline_at is not None and now >= video.deadline_at)
        try:
            if video.provider_job_id is None:
                _raise_incomplete(video)
            job = self._models(video).get_status(video.provider_job_id)
        except ConfigurationError as error:
            return self._take_fault(video, VideoModelError(ErrorCode.AUTHENTICATION, str(error)), last_poll=last_poll)
        except VideoModelError as error:
            return self._take_fault(video, error, last_poll=last_poll)

        if job.status is VideoStatus.COMPLETED:
            self._library.advance(video, Stage.STORING, now=now, progress=100, cost_micros=job.cost_micros)
            return StepResult(outcome=Outcome.COMPLETED)
        if job.status is VideoStatus.FAILED:
            code = job.error_code or ErrorCode.PROVIDER_ERROR
            message = job.error_message or f"{video.provider} gave no reason."
            # Some vendors charge for a render they refuse to hand over.
            failure = VideoFailure(code=code, message=message)
            self._library.fail(video, failure, now=now, cost_micros=job.cost_micros)
            return StepResult(outcome=Outcome.FAILED)
        if last_poll:
            return _fail(
                self._library,
                video,
                ErrorCode.TIMEOUT,
                f"{video.provider} had not finished the video in time; its job {job.job_id} may still end there.",
                now,
            )
        if job.progress is not None and job.progress > video.progress:
            video = self._library.note(video, now=now, progress=job.progress)
        return wait(max(job.retry_after_seconds or 0.0, self._next_wait_seconds(video, now)))

    def _take_fault(self, video: Video, error: VideoModelError, *, last_poll: bool) -> StepResult:
        now = self._clock()
        is_new = video.rendering_since is not None and now - video.rendering_since < NEW_JOB_GRACE
        is_gone = error.code is ErrorCode.EXPIRED and not is_new
        # A refused key can be mended while the render goes on; only the deadline ends that.
        if is_gone or last_poll:
            code = ErrorCode.TIMEOUT if error.transient else error.code
            return _fail(self._library, video, code, error.message, now)
        return wait(max(error.retry_after_seconds or 0.0, self._next_wait_seconds(video, now)))

    def _next_wait_seconds(self, video: Video, now: datetime) -> float:
        elapsed = (now - (video.rendering_since or now)).total_seconds()
        return max(POLL_FLOOR_SECONDS, elapsed * POLL_PART_OF_ELAPSED)


def _to_generation_request(video: Video) -> VideoGenerationRequest:
    width, height = parse_size(video.size)
    return VideoGenerationRequest(
        prompt=video.prompt,
        model=video.resolved_model,
        width=width,
        height=height,
        duration_seconds=video.seconds,
    )


def _fail(library: VideoLibrary, video: Video, code: ErrorCode, message: str, now: datetime) -> StepResult:
    library.fail(video, VideoFailure(code=code, message=message), now=now)
    return StepResult(outcome=Outcome.FAILED)


def explain_unknown(message: str) -> str:
    """Say what to do about a submission whose fate nobody can tell."""
    return (
        f"{message} The provider may have accepted the video and may charge for it, so it was not sent again. "
        "Look at the provider, then submit a new video if there is none."
    )


def _raise_incomplete(video: Video) -> NoReturn:
    raise MediaPosterError(f"{video.id} renders without a provider job: the record is damaged.")
