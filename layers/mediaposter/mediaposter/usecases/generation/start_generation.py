"""Start a generation at most once: submit it, or find out what became of an earlier submission."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoGenerationRequest, VideoModelInterface
from mediaposter.domain.errors import (
    BudgetExceeded,
    ConfigurationError,
    ErrorCode,
    InvalidRequest,
    SlotsTaken,
    SubmissionUnknown,
    UnsupportedOperation,
    VideoModelError,
    WriteConflict,
)
from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.render_times import RenderTimeStore
from mediaposter.stores.video_money import count_spent_micros
from mediaposter.stores.video_record import Attempt, Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.attempts import (
    ANSWER_GRACE,
    Clock,
    Models,
    can_fall_back,
    end_attempt,
    explain_unknown,
    fail,
    fall_back,
)
from mediaposter.usecases.generation.pacing import choose_wait_seconds
from mediaposter.usecases.generation.provider_webhooks import ProviderCallbacks
from mediaposter.usecases.generation.submission import Pictures, call_model, describe_request, find_lost_jobs, write_job
from mediaposter.usecases.steps import Outcome, StepInput, StepResult, wait

# How long to wait before reading a record again that another worker is moving.
LOOK_SECONDS = 5
LOOK_AGAIN_SECONDS = 30.0
# How many resubmissions an owner can allow: each risks paying once more.
RESUBMITS_MAX = 2
# The deadline of a render: this many times its expected time, and at least this long.
_EXPECTED_TIMES = 3
_RENDER_LEAST = timedelta(minutes=10)


class StartGeneration:
    """Submit a video to its model at most once, and to the next model if that refuses."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        models: Models,
        pictures: Pictures,
        render_times: RenderTimeStore,
        slots: CapacityStore,
        listening: ProviderCallbacks,
        clock: Clock,
        lease_seconds: int,
        timeout_seconds: int,
    ) -> None:
        self._slots = slots
        self._listening = listening
        self._videos = videos
        self._models = models
        self._pictures = pictures
        self._render_times = render_times
        self._clock = clock
        # Longer than StartGenerationFunction may run: after it, the execution that announced the call has ended.
        self._lease = timedelta(seconds=lease_seconds)
        self._timeout = timedelta(seconds=timeout_seconds)

    def __call__(self, step: StepInput) -> StepResult:
        """Start the generation, or find out what became of an earlier start.

        The record is `submitting` before the call is made. A step that finds it so reconciles, and never submits again.
        """
        video = self._videos.get_unchecked(step.video_id)
        now = self._clock()
        if video.failure is not None:
            return StepResult(outcome=Outcome.FAILED)
        if step.launch != video.launch or video.place is not None:
            return StepResult(outcome=Outcome.QUEUED_FOR_CAPACITY)
        if video.stage is Stage.SUBMITTING:
            return self._look(video)
        if video.stage is not Stage.QUEUED:
            return StepResult(outcome=Outcome.STARTED, wait_seconds=LOOK_SECONDS)

        attempts = _open_attempt(video, now)
        deadline_at = video.deadline_at or now + self._timeout
        # Before the call is announced: afterwards a failure would not tell whether the call was made.
        try:
            model = self._models(video)
            webhook_url = self._listening.find_address(video, model)
            request = describe_request(video, self._pictures, attempts=len(attempts), webhook_url=webhook_url)
        except (ConfigurationError, VideoModelError) as error:
            opened = video.copy_with(attempts=attempts, deadline_at=deadline_at)
            return self._take_refusal(opened, _as_refusal(error))
        try:
            video = self._videos.advance(
                video,
                Stage.SUBMITTING,
                now=now,
                attempts=attempts,
                lease_expires_at=now + self._lease,
                deadline_at=self._give_time(video, deadline_at, now),  # guard: render time
                # It already has a slot, unless this provider takes over from another.
                slot=video.provider,
                at_most=self._slots.bound(video.provider, may_overtake=False),
                more_micros=_count_missing_micros(video, attempts),  # guard: money promised
            )
        except SlotsTaken:
            return self._park(video, now)
        except BudgetExceeded:
            opened = video.copy_with(attempts=attempts)
            ended = end_attempt(opened, ErrorCode.BUDGET_EXCEEDED, _explain_budget(video), cost_micros=0)
            return fail(self._videos, video, ended, now)
        except WriteConflict:
            # The record changed, or others write the provider's counters. Nothing was announced: look again.
            return wait(LOOK_SECONDS)
        return self._submit(video, model, request, deadline_at=deadline_at)

    def _park(self, video: Video, now: datetime) -> StepResult:
        try:
            self._videos.park(video, self._slots.choose_place(video, now=now), now=now)
        except WriteConflict:
            return wait(LOOK_SECONDS)
        return StepResult(outcome=Outcome.QUEUED_FOR_CAPACITY)

    def _give_time(self, video: Video, deadline_at: datetime, now: datetime) -> datetime:
        """Give a submission the remaining time, and at least its expected render time: it is paid for."""
        expected = timedelta(seconds=video.expected_render_seconds)
        return max(deadline_at, now + min(max(_EXPECTED_TIMES * expected, _RENDER_LEAST), self._timeout))

    def _submit(
        self,
        video: Video,
        model: VideoModelInterface,
        request: VideoGenerationRequest,
        *,
        deadline_at: datetime | None,
    ) -> StepResult:
        # A refused submission renders nothing, so a busy provider gets no more time than before.
        refused = video.copy_with(deadline_at=deadline_at)  # guard: busy deadline
        try:
            job = call_model(video, model, request)
        except SubmissionUnknown as error:
            return self._take_unknown(video, model, error.message)
        except VideoModelError as error:
            return self._take_refusal(refused, error)
        except (InvalidRequest, UnsupportedOperation) as error:
            # The error came before anything was sent.
            return self._take_refusal(refused, VideoModelError(ErrorCode.INVALID_REQUEST, str(error)))
        return self._keep_job(video, model, job)

    def _take_unknown(self, video: Video, model: VideoModelInterface, message: str) -> StepResult:
        """Postpone reconciling a lost submission, if the provider can tell its outcome later."""
        can_tell = _knows_repetition(video, model) or model.capabilities.list_jobs
        if not can_tell or self._is_late(video):
            return self._leave_unknown(video, message, may_resubmit=True)
        ended = end_attempt(video, ErrorCode.SUBMISSION_UNKNOWN, message)
        self._videos.note(video, now=self._clock(), attempts=ended.attempts)
        return self._wait_for_lease(video)

    def _look(self, video: Video) -> StepResult:
        """Reconcile a submission without a recorded outcome, once the execution that made it has certainly ended."""
        if video.lease_expires_at is not None and self._clock() < video.lease_expires_at:  # guard: submission lease
            return self._wait_for_lease(video)
        lost = video.attempts[-1].failure
        message = lost.message if lost else "The process that submitted it crashed."
        may_resubmit = True
        try:
            model = self._models(video)
            if _knows_repetition(video, model) and not self._is_late(video):
                return self._repeat(video, model, message)
            if model.capabilities.list_jobs:
                found = find_lost_jobs(self._videos, video, model)
                if found.is_certain:
                    return self._keep_job(video, model, found.matching[0], started_at=found.matching[0].created_at)
                message = f"{message} {found.explain()}"
                may_resubmit = not found.may_have_it  # guard: may be lost job
        except (ConfigurationError, VideoModelError) as error:
            # You can add a missing key meanwhile.
            may_pass = isinstance(error, ConfigurationError) or error.transient
            if may_pass and not self._is_late(video, grace=ANSWER_GRACE):
                return wait(LOOK_AGAIN_SECONDS)
            may_resubmit = False  # guard: unread list forbids
        return self._leave_unknown(video, message, may_resubmit=may_resubmit)

    def _repeat(self, video: Video, model: VideoModelInterface, message: str) -> StepResult:
        """Submit again under the same idempotency key: the provider answers for the first submission."""
        now = self._clock()
        attempts = end_attempt(video, ErrorCode.SUBMISSION_UNKNOWN, message).attempts
        webhook_url = self._listening.find_address(video, model)
        request = describe_request(video, self._pictures, attempts=len(attempts), webhook_url=webhook_url)
        try:
            video = self._videos.note(video, now=now, attempts=attempts, lease_expires_at=now + self._lease)
        except WriteConflict:
            # The record changed, or others write the provider's counters. Nothing was announced: look again.
            return wait(LOOK_SECONDS)
        return self._submit(video, model, request, deadline_at=video.deadline_at)

    def _leave_unknown(self, video: Video, message: str, *, may_resubmit: bool) -> StepResult:
        """Submit again if the owner allowed it and no job matches; otherwise leave it to a person."""
        now = self._clock()
        ended = end_attempt(video, ErrorCode.SUBMISSION_UNKNOWN, message)
        is_allowed = video.resubmit and may_resubmit
        if not is_allowed or sum(map(_is_lost, ended.attempts)) > RESUBMITS_MAX:  # guard: resubmits counted
            ended = end_attempt(video, ErrorCode.SUBMISSION_UNKNOWN, explain_unknown(message))
            return fail(self._videos, video, ended, now)
        self._videos.advance(
            video,
            Stage.QUEUED,
            now=now,
            attempts=ended.attempts,
            lease_expires_at=None,
            warnings=(*video.warnings, f"resubmit: a submission to {video.provider} was lost and sent again."),
        )
        return wait(LOOK_SECONDS)

    def _take_refusal(self, video: Video, error: VideoModelError) -> StepResult:
        """Retry later if that may help and time is left; otherwise fall back to the next model, if it may accept.

        The provider accepted nothing.
        """
        now = self._clock()
        wait_seconds = error.retry_after_seconds or 30.0
        if _is_lost(video.attempts[-1]):
            return self._take_refused_look(video, error, wait_seconds)
        is_too_late = now + timedelta(seconds=wait_seconds) > _end_of_patience(video, now)
        if error.transient and not is_too_late:
            self._videos.advance(
                video,
                Stage.QUEUED,
                now=now,
                attempts=video.attempts,
                deadline_at=video.deadline_at,
                lease_expires_at=None,
            )
            return wait(wait_seconds)
        ended = end_attempt(video, error.code, error.message, cost_micros=0)
        if can_fall_back(video, error.code):
            fall_back(self._videos, video, ended, now)
            return wait(1)
        return fail(self._videos, video, ended, now)

    def _take_refused_look(self, video: Video, error: VideoModelError, wait_seconds: float) -> StepResult:
        """Continue reconciling: a refused repetition says nothing about the lost submission."""
        if not error.transient or self._is_late(video):
            return self._leave_unknown(video, error.message, may_resubmit=True)
        lease_expires_at = self._clock() + timedelta(seconds=wait_seconds)
        self._videos.note(video, now=self._clock(), lease_expires_at=lease_expires_at)
        return wait(wait_seconds)

    def _keep_job(
        self,
        video: Video,
        model: VideoModelInterface,
        job: VideoGenerationJob,
        *,
        started_at: datetime | None = None,
    ) -> StepResult:
        """Record the job, which started just now unless it was found in a list."""
        now = self._clock()
        rendering_since = min(started_at or now, now)
        video = write_job(self._videos, video, model, job, rendering_since=rendering_since, now=now)
        times = self._render_times.get(video.resolved_model, expected_seconds=video.expected_render_seconds)
        elapsed_seconds = (now - rendering_since).total_seconds()
        wait_seconds = choose_wait_seconds(times, elapsed_seconds=elapsed_seconds, hint_seconds=job.retry_after_seconds)
        started = StepResult(outcome=Outcome.STARTED, wait_seconds=wait(wait_seconds).wait_seconds)
        return self._listening.listen(started, video, model, job.job_id, now=now)

    def _wait_for_lease(self, video: Video) -> StepResult:
        now = self._clock()
        return wait(((video.lease_expires_at or now) - now).total_seconds())

    def _is_late(self, video: Video, *, grace: timedelta = timedelta(0)) -> bool:
        return video.deadline_at is not None and self._clock() >= video.deadline_at + grace


def _knows_repetition(video: Video, model: VideoModelInterface) -> bool:
    """Tell whether the provider recognizes a submission by its idempotency key; extensions and edits have none."""
    return model.capabilities.idempotent_submit and video.derivation is None


def _open_attempt(video: Video, now: datetime) -> tuple[Attempt, ...]:
    """Continue a postponed attempt, or begin a new one."""
    last = video.attempts[-1] if video.attempts else None
    if last is not None and last.failure is None and last.provider_job_id is None:
        return video.attempts
    attempt = Attempt(
        provider=video.provider,
        model=video.resolved_model,
        started_at=now,
        estimate_micros=video.cost_estimate_micros,
    )
    return (*video.attempts, attempt)


def _as_refusal(error: ConfigurationError | VideoModelError) -> VideoModelError:
    return error if isinstance(error, VideoModelError) else VideoModelError(ErrorCode.AUTHENTICATION, str(error))


def _count_missing_micros(video: Video, attempts: tuple[Attempt, ...]) -> int:
    """Count the possible cost of another attempt beyond the reservation: earlier ones may also be paid."""
    promised_micros = 0 if video.reservation is None else video.reservation.micros
    return max(count_spent_micros(video, attempts[:-1]) + video.cost_estimate_micros - promised_micros, 0)


def _explain_budget(video: Video) -> str:
    dollars = Decimal(video.cost_estimate_micros) / 1_000_000
    return (
        f"Another try, by {video.resolved_model}, may cost ${dollars:f}. The tries before it may be charged as well, "
        "and the limit of the day or month, or max_cost_usd, has no room for both. Nothing more was sent. Raise the "
        "limit, or send the request again when it renews."
    )


def _end_of_patience(video: Video, now: datetime) -> datetime:
    """Give the deadline for a busy provider: the models still to try share the time equally."""
    started_at = video.attempts[-1].started_at
    left = (video.deadline_at or now) - started_at
    return started_at + left / (1 + len(video.fallbacks))


def _is_lost(attempt: Attempt) -> bool:
    return attempt.failure is not None and attempt.failure.code is ErrorCode.SUBMISSION_UNKNOWN
