"""The two steps of a generation: start it at most once, and poll it until it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, NoReturn

from mediaposter.ai.catalog import parse_size
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    SubmittedJobs,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
)
from mediaposter.domain.errors import (
    BudgetExceeded,
    ConfigurationError,
    ErrorCode,
    InvalidRequest,
    MediaPosterError,
    NotFound,
    SlotsTaken,
    SubmissionUnknown,
    UnsupportedOperation,
    VersionConflict,
    VideoModelError,
)
from mediaposter.stores.capacity import CapacityStore
from mediaposter.stores.render_times import RenderTimeStore
from mediaposter.stores.video_money import count_spent_micros
from mediaposter.stores.video_record import Attempt, DerivationKind, Video, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.pacing import choose_wait_seconds
from mediaposter.usecases.generation.provider_webhooks import ProviderCallbacks
from mediaposter.usecases.steps import CheckInput, Outcome, StepInput, StepResult, wait

Clock = Callable[[], datetime]
# Builds the model that renders a video; raises ConfigurationError if its key or address is missing.
Models = Callable[[Video], VideoModelInterface]
# Reads the reference picture of a video in the form that adapters accept; raises VideoModelError if it is gone.
Pictures = Callable[[Video], str]

# The maximum of polls within one execution: enough for the longest generation. If it is not, another execution
# continues.
POLLS_MAX = 220
# How long to wait before reading a record again that another worker is moving.
LOOK_SECONDS = 5
LOOK_AGAIN_SECONDS = 30.0
# How many resubmissions an owner can allow: each risks paying once more.
RESUBMITS_MAX = 2
# Refusals for reasons of the provider, not of the video: another model may accept.
CODES_OF_THE_PROVIDER = frozenset(
    {
        ErrorCode.AUTHENTICATION,
        ErrorCode.INSUFFICIENT_CREDIT,
        ErrorCode.MODEL_NOT_FOUND,
        ErrorCode.PROVIDER_ERROR,
        ErrorCode.RATE_LIMITED,
    }
)
# How long a silent provider is polled beyond the deadline: the render may be paid for and done.
ANSWER_GRACE = timedelta(hours=24)
# The deadline of a render: this many times its expected time, and at least this long.
_EXPECTED_TIMES = 3
_RENDER_LEAST = timedelta(minutes=10)
# How often writing down a job is tried again when another worker wrote the record at that moment.
_KEEPS_MAX = 3
# A job that the provider has just accepted may not be readable yet.
NEW_JOB_GRACE = timedelta(seconds=60)


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
            request = self._describe(video, attempts=len(attempts), webhook_url=webhook_url)
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
            self._videos.park(video, self._slots.choose_place(video, now=now), now=now)
            return StepResult(outcome=Outcome.QUEUED_FOR_CAPACITY)
        except BudgetExceeded:
            opened = video.copy_with(attempts=attempts)
            ended = end_attempt(opened, ErrorCode.BUDGET_EXCEEDED, _explain_budget(video), cost_micros=0)
            return fail(self._videos, video, ended, now)
        except VersionConflict:
            return wait(LOOK_SECONDS)
        return self._submit(video, model, request, deadline_at=deadline_at)

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
            job = self._call(video, model, request)
        except SubmissionUnknown as error:
            return self._take_unknown(video, model, error.message)
        except VideoModelError as error:
            return self._take_refusal(refused, error)
        except (InvalidRequest, UnsupportedOperation) as error:
            # The error came before anything was sent.
            return self._take_refusal(refused, VideoModelError(ErrorCode.INVALID_REQUEST, str(error)))
        return self._keep_job(video, model, job)

    def _call(self, video: Video, model: VideoModelInterface, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Make the one call that costs money."""
        origin = video.derivation
        if origin is None:
            if any(attempt.model != video.resolved_model for attempt in video.attempts):
                # A fallback model gets no options that its catalog row does not list; a warning said so.
                options = model.entry.pick_options(request.provider_options).taken
                request = request.model_copy(update={"provider_options": options})
            return model.create_video(request)
        width, height = parse_size(video.size)
        source = SourceVideo(width, height, seconds=video.seconds - (origin.extend_seconds or 0))
        if origin.kind is DerivationKind.REMIX:
            return model.remix_video(origin.provider_job_id, video.prompt, source=source)
        if origin.kind is DerivationKind.EDIT:
            return model.edit_video(origin.provider_job_id, video.prompt, source=source)
        added_seconds = origin.extend_seconds or video.seconds
        return model.extend_video(origin.provider_job_id, video.prompt, added_seconds, source=source)

    def _describe(self, video: Video, *, attempts: int, webhook_url: str | None = None) -> VideoGenerationRequest:
        width, height = parse_size(video.size)
        return VideoGenerationRequest(
            prompt=video.prompt,
            width=width,
            height=height,
            duration_seconds=video.seconds,
            input_image=self._pictures(video) if video.input_image else None,
            provider_options=video.provider_options,
            # The same key for every submission of one attempt: a provider with idempotency keys makes one video.
            idempotency_key=f"{video.id}-{attempts}",
            webhook_url=webhook_url,
        )

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
                found = self._find_jobs(video, model)
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
        request = self._describe(video, attempts=len(attempts), webhook_url=webhook_url)
        try:
            video = self._videos.note(video, now=now, attempts=attempts, lease_expires_at=now + self._lease)
        except VersionConflict:
            return wait(LOOK_SECONDS)
        return self._submit(video, model, request, deadline_at=video.deadline_at)

    def _find_jobs(self, video: Video, model: VideoModelInterface) -> SubmittedJobs:
        """List the provider's jobs that the submission may have started and that belong to no video."""
        width, height = parse_size(video.size)
        request = VideoGenerationRequest(
            prompt=video.prompt, width=width, height=height, duration_seconds=video.seconds
        )
        found = model.find_submitted(request, submitted_after=video.attempts[-1].started_at)
        return SubmittedJobs(
            matching=self._leave_out_claimed(video, model, found.matching),
            similar=self._leave_out_claimed(video, model, found.similar),
            indistinct=self._leave_out_claimed(video, model, found.indistinct),
            is_whole=found.is_whole,
        )

    def _leave_out_claimed(
        self, video: Video, model: VideoModelInterface, jobs: Sequence[VideoGenerationJob]
    ) -> list[VideoGenerationJob]:
        return [  # guard: job of another
            job for job in jobs if self._videos.find_video_of_job(video.provider, model.webhook_key(job.job_id)) is None
        ]

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
        video = self._write_job(video, model, job, rendering_since=rendering_since, now=now)
        times = self._render_times.get(video.resolved_model, expected_seconds=video.expected_render_seconds)
        elapsed_seconds = (now - rendering_since).total_seconds()
        wait_seconds = choose_wait_seconds(times, elapsed_seconds=elapsed_seconds, hint_seconds=job.retry_after_seconds)
        started = StepResult(outcome=Outcome.STARTED, wait_seconds=wait(wait_seconds).wait_seconds)
        return self._listening.listen(started, video, model, job.job_id, now=now)

    def _write_job(
        self,
        video: Video,
        model: VideoModelInterface,
        job: VideoGenerationJob,
        *,
        rendering_since: datetime,
        now: datetime,
    ) -> Video:
        """Record a job that may be paid for, even if other workers changed the video meanwhile.

        Raises:
            MediaPosterError: the video does not wait for it any more; the job is cancelled if the provider can.
        """
        for _ in range(_KEEPS_MAX):
            attempt = video.attempts[-1].copy_with(provider_job_id=job.job_id, failure=None)
            try:
                return self._videos.keep_job(
                    video,
                    model.webhook_key(job.job_id),
                    now=now,
                    provider_job_id=job.job_id,
                    attempts=(*video.attempts[:-1], attempt),
                    rendering_since=rendering_since,
                    lease_expires_at=None,
                )
            except VersionConflict:
                found = self._find(video.id)
            if found is not None and found.provider_job_id == job.job_id:
                return found  # another worker found the job in the list, or resubmitted
            if found is None or found.failure is not None or len(found.attempts) != len(video.attempts):
                break
            if found.stage is not Stage.SUBMITTING:
                break
            video = found
        if self._videos.find_video_of_job(video.provider, model.webhook_key(job.job_id)) is None:  # guard: unowned job
            with suppress(UnsupportedOperation, VideoModelError):
                model.cancel_video(job.job_id)
        # The job is paid for, but the record no longer waits for it: the log must at least name it.
        raise MediaPosterError(
            f"{video.provider} accepted job {job.job_id}, but {video.id} was closed, or another video took the job, "
            "meanwhile."
        )

    def _find(self, video_id: str) -> Video | None:
        try:
            return self._videos.get_unchecked(video_id)
        except NotFound:
            return None

    def _wait_for_lease(self, video: Video) -> StepResult:
        now = self._clock()
        return wait(((video.lease_expires_at or now) - now).total_seconds())

    def _is_late(self, video: Video, *, grace: timedelta = timedelta(0)) -> bool:
        return video.deadline_at is not None and self._clock() >= video.deadline_at + grace


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
        "and the day's limit has no room for both. Nothing more was sent. Raise the limit of the key, or send the "
        "request again when the limit renews."
    )


class EndedAttempt(NamedTuple):
    """Why the last attempt failed, and all attempts with that recorded."""

    failure: VideoFailure
    attempts: tuple[Attempt, ...]


def end_attempt(video: Video, code: ErrorCode, message: str, *, cost_micros: int | None = None) -> EndedAttempt:
    """Record how the last attempt failed, and its cost if that is known."""
    failure = VideoFailure(code=code, message=message)
    last = video.attempts[-1].copy_with(failure=failure, cost_micros=cost_micros)
    return EndedAttempt(failure, (*video.attempts[:-1], last))


def add_costs(attempts: tuple[Attempt, ...]) -> int | None:
    """Add up the costs of the attempts; None if no attempt's cost is known."""
    costs = [attempt.cost_micros for attempt in attempts]
    return None if costs[-1] is None else sum(cost for cost in costs if cost is not None)


def _end_of_patience(video: Video, now: datetime) -> datetime:
    """Give the deadline for a busy provider: the models still to try share the time equally."""
    started_at = video.attempts[-1].started_at
    left = (video.deadline_at or now) - started_at
    return started_at + left / (1 + len(video.fallbacks))


def can_fall_back(video: Video, code: ErrorCode) -> bool:
    """Tell whether another model is left that may accept despite this error."""
    return code in CODES_OF_THE_PROVIDER and bool(video.fallbacks)


def fall_back(videos: VideoStore, video: Video, ended: EndedAttempt, now: datetime) -> None:
    """Queue the video again, for the next model."""
    candidate, *rest = video.fallbacks
    videos.advance(
        video,
        Stage.QUEUED,
        now=now,
        attempts=ended.attempts,
        deadline_at=video.deadline_at,
        resolved_model=candidate.model,
        provider=candidate.provider,
        seconds=candidate.seconds,
        size=candidate.size,
        cost_estimate_micros=candidate.cost_estimate_micros,
        expected_render_seconds=candidate.expected_render_seconds,
        fallbacks=tuple(rest),
        warnings=(
            *video.warnings,
            f"model: {video.resolved_model} refused ({ended.failure.code}); {candidate.model} takes over.",
            *candidate.warnings,
        ),
        progress=0,
        provider_job_id=None,
        rendering_since=None,
        lease_expires_at=None,
    )


def fail(videos: VideoStore, video: Video, ended: EndedAttempt, now: datetime) -> StepResult:
    """End a video as its last attempt ended, with what all of them cost."""
    videos.fail(video, ended.failure, now=now, attempts=ended.attempts, cost_micros=add_costs(ended.attempts))
    return StepResult(outcome=Outcome.FAILED)


def _is_lost(attempt: Attempt) -> bool:
    return attempt.failure is not None and attempt.failure.code is ErrorCode.SUBMISSION_UNKNOWN


def explain_unknown(message: str) -> str:
    """Say what to do about a submission with an unknown outcome."""
    return (
        f"{message} The provider may have accepted the video and may charge for it, so it was not sent again. Check "
        "the provider, then send a new request if it has no such video."
    )


def _raise_incomplete(video: Video) -> NoReturn:
    raise MediaPosterError(f"{video.id} renders without a provider job: the record is damaged.")
