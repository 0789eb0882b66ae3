"""Poll a generation until it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NoReturn

from mediaposter.ai.video_model_interface import VideoModelInterface, VideoStatus
from mediaposter.domain.errors import ConfigurationError, ErrorCode, MediaPosterError, VideoModelError
from mediaposter.stores.render_times import RenderTimeStore
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.attempts import (
    ANSWER_GRACE,
    Clock,
    Models,
    add_costs,
    can_fall_back,
    end_attempt,
    fail,
    fall_back,
)
from mediaposter.usecases.generation.pacing import choose_wait_seconds
from mediaposter.usecases.generation.provider_webhooks import ProviderCallbacks
from mediaposter.usecases.steps import CheckInput, Outcome, StepResult, wait

# The maximum of polls within one execution: enough for the longest generation. If it is not, another execution
# continues.
POLLS_MAX = 220


# A job that the provider has just accepted may not be readable yet.
NEW_JOB_GRACE = timedelta(seconds=60)


class CheckGeneration:
    """Poll a generation."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        models: Models,
        render_times: RenderTimeStore,
        listening: ProviderCallbacks,
        clock: Clock,
        kept_for: Callable[[Video], timedelta],
    ) -> None:
        """Take the collaborators; `kept_for` gives how long the provider keeps a rendered video."""
        self._videos = videos
        self._models = models
        self._render_times = render_times
        self._listening = listening
        self._clock = clock
        self._kept_for = kept_for

    def __call__(self, step: CheckInput) -> StepResult:
        """Poll once, and choose when to poll again. A failed poll never ends a paid render."""
        video = self._videos.get_unchecked(step.video_id)
        if video.failure is not None:
            return StepResult(outcome=Outcome.FAILED)
        if video.stage is Stage.QUEUED:
            # An earlier step queued it for the next model, and crashed before it could return that.
            return StepResult(outcome=Outcome.NEXT_MODEL)
        if video.stage is not Stage.RENDERING:
            return StepResult(outcome=Outcome.COMPLETED)
        now = self._clock()
        if video.provider_job_id is None:
            _raise_incomplete(video)
        try:
            model = self._models(video)
        except ConfigurationError as error:
            return self._take_fault(video, VideoModelError(ErrorCode.AUTHENTICATION, str(error)))
        hinted_at = self._listening.apply_hint(video, model, video.provider_job_id, now=now)
        try:
            job = model.get_status(video.provider_job_id)
        except VideoModelError as error:
            return self._listen(self._take_fault(video, error), video, model)

        if job.status is VideoStatus.COMPLETED:
            attempt = video.attempts[-1].copy_with(cost_micros=job.cost_micros)
            attempts = (*video.attempts[:-1], attempt)
            self._videos.advance(
                video,
                Stage.STORING,
                now=now,
                progress=100,
                attempts=attempts,
                cost_micros=add_costs(attempts),
                store_until=now + self._kept_for(video),
            )
            self._learn(video, step, now, hinted_at)
            return StepResult(outcome=Outcome.COMPLETED)
        if job.status is VideoStatus.FAILED:
            code = job.error_code or ErrorCode.PROVIDER_ERROR
            message = job.error_message or f"{video.provider} gave no reason."
            # Some vendors charge for a render that they refuse to deliver.
            ended = end_attempt(video, code, message, cost_micros=job.cost_micros)
            if can_fall_back(video, code):
                fall_back(self._videos, video, ended, now)
                return StepResult(outcome=Outcome.NEXT_MODEL)
            return fail(self._videos, video, ended, now)
        if _is_overdue(video, now):
            message = f"{video.provider} had not finished the video in time; its job {job.job_id} may still end there."
            ended = end_attempt(video, ErrorCode.TIMEOUT, message)
            return fail(self._videos, video, ended, now)
        # Unchanged progress has no information.
        progress = job.progress if job.progress is not None and job.progress > video.progress else None
        if progress is not None:
            video = self._videos.note(video, now=now, progress=progress)
        result = self._wait(video, now, progress=progress, hint_seconds=job.retry_after_seconds)
        return self._listen(result, video, model)

    def _take_fault(self, video: Video, error: VideoModelError) -> StepResult:
        now = self._clock()
        is_new = video.rendering_since is not None and now - video.rendering_since < NEW_JOB_GRACE
        is_gone = error.code is ErrorCode.EXPIRED and not is_new
        # You can fix a refused key, and a provider can recover: the render may still be done.
        if is_gone or _is_overdue(video, now - ANSWER_GRACE):
            code = ErrorCode.TIMEOUT if error.transient else error.code
            ended = end_attempt(video, code, error.message)
            return fail(self._videos, video, ended, now)
        return self._wait(video, now, hint_seconds=error.retry_after_seconds)

    def _wait(
        self, video: Video, now: datetime, *, hint_seconds: float | None, progress: int | None = None
    ) -> StepResult:
        times = self._render_times.get(video.resolved_model, expected_seconds=video.expected_render_seconds)
        return wait(
            choose_wait_seconds(
                times, elapsed_seconds=_count_seconds(video, now), progress=progress, hint_seconds=hint_seconds
            )
        )

    def _listen(self, result: StepResult, video: Video, model: VideoModelInterface) -> StepResult:
        if result.outcome is not Outcome.WAIT or video.provider_job_id is None:
            return result
        return self._listening.listen(result, video, model, video.provider_job_id, now=self._clock())

    def _learn(self, video: Video, step: CheckInput, now: datetime, hinted_at: datetime | None) -> None:
        """Add the render's time to the model's render times.

        It ended when its provider's webhook said so, or else at some time after the previous poll.
        """
        done_seconds = _count_seconds(video, now)
        running_seconds = max(done_seconds - step.waited_seconds, 0.0) if step.attempt > 1 else 0.0
        if hinted_at is not None:
            running_seconds = max(_count_seconds(video, hinted_at), 0.0)
        self._render_times.learn(
            video.resolved_model,
            expected_seconds=video.expected_render_seconds,
            running_seconds=running_seconds,
            done_seconds=done_seconds,
        )


def _is_overdue(video: Video, now: datetime) -> bool:
    return video.deadline_at is not None and now >= video.deadline_at


def _count_seconds(video: Video, now: datetime) -> float:
    """Count the seconds since the render began."""
    return (now - (video.rendering_since or now)).total_seconds()


def _raise_incomplete(video: Video) -> NoReturn:
    raise MediaPosterError(f"{video.id} renders without a provider job: the record is damaged.")
