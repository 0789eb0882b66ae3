"""Store the finished video, and close its record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from mediaposter.domain.errors import (
    ConfigurationError,
    ErrorCode,
    IncompleteMedia,
    MediaError,
    MediaPosterError,
    NotFound,
    StorageFull,
    VersionConflict,
    VideoModelError,
)
from mediaposter.events import PostEvent, VideoEvent
from mediaposter.media.video_stream import VideoStream
from mediaposter.publishing.targets import TARGETS_MAX
from mediaposter.stores.approvals import open_approval
from mediaposter.stores.media import StoredVideo
from mediaposter.stores.posts import SETTLED_STATES, Post, PostState, PostStore
from mediaposter.stores.promises import compare_shape
from mediaposter.stores.video_money import count_spent_micros
from mediaposter.stores.video_record import Video, VideoChanges, VideoFailure
from mediaposter.stores.video_stages import STAGES_OF_A_KEPT_VIDEO, Stage
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.attempts import Clock, Models, explain_unknown
from mediaposter.usecases.posting.check_post import emit_end
from mediaposter.usecases.posting.create_post import settle_orphaned
from mediaposter.usecases.scheduled.recorded_events import describe_end
from mediaposter.usecases.steps import CloseInput, Outcome, PostReference, StepInput, StepResult, wait
from mediaposter.usecases.videos.resume import give_end, may_continue, was_deleted

# Why a video that was rendered is not stored yet.
_Trouble: TypeAlias = VideoModelError | MediaError | ConfigurationError | StorageFull
# A render is paid for, so a failed download is tried again, this often within an execution. Then the record waits for
# the sweep, longer each time, for as long as the provider keeps the video.
STORE_ATTEMPTS_MAX = 5
_STORE_AGAIN_AFTER = timedelta(minutes=5)
_STORE_AGAIN_AFTER_MAX = timedelta(hours=1)
# The last try ends before the provider removes the video.
_STORE_LAST_BEFORE_END = timedelta(minutes=5)
# Time can fix a silent provider, a refused key, an outage of our own, a file that is not whole yet. It does not restore
# a removed file, and a whole one that does not play stays as it is.
_STORE_REFUSALS_TO_OUTLAST = frozenset(
    {ErrorCode.AUTHENTICATION, ErrorCode.INSUFFICIENT_CREDIT, ErrorCode.RATE_LIMITED, ErrorCode.TIMEOUT}
)
# How long the first execution after a crashed one waits; each further one waits twice as long, up to half an hour.
_RESUME_AFTER = timedelta(minutes=1)
_RESUME_AFTER_MAX = timedelta(minutes=30)
# StoreVideoFunction may run 900 s; the rest is for ProbeVideoFunction's 120 s and to close the upload and the record.
STORE_BUDGET_SECONDS = 720.0


class Measure(Protocol):
    """What adds a value to a metric, of the stack or of one of its providers."""

    def __call__(self, name: str, value: float, /, *, provider: str | None = None) -> None: ...


class VideoKeeper(Protocol):
    """Stores and removes videos."""

    def store_video(
        self,
        video_id: str,
        open_stream: Callable[[int, str | None], AbstractContextManager[VideoStream]],
        *,
        deadline: float,
    ) -> StoredVideo:
        """Store a complete, playable video, or raise MediaError and store nothing."""

    def delete_video(self, video_id: str) -> int:
        """Remove all files of a video, and count them."""


class StoreVideo:
    """Stream the finished video into the bucket; repeating it stores nothing more."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        media: VideoKeeper,
        models: Models,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._media = media
        self._models = models
        self._clock = clock
        self._monotonic = monotonic

    def __call__(self, step: StepInput) -> StepResult:
        """Store the video; from here on it is completed, whatever happens to its posts."""
        video = self._videos.get_unchecked(step.video_id)
        if video.failure is not None:
            return StepResult(outcome=Outcome.FAILED)
        posts = self._list_posts(video)
        if video.stage in STAGES_OF_A_KEPT_VIDEO:
            is_asked = video.stage is Stage.AWAITING_APPROVAL
            return StepResult(outcome=Outcome.AWAITING_APPROVAL if is_asked else Outcome.STORED, posts=posts)
        job_id = video.provider_job_id
        if video.stage is not Stage.STORING or job_id is None:
            raise MediaPosterError(f"{video.id} is at {video.stage}: there is nothing to store yet.")

        try:
            model = self._models(video)
            stored = self._media.store_video(
                video.id,
                lambda start_byte, validator: model.open_video(job_id, start_byte=start_byte, validator=validator),
                deadline=self._monotonic() + STORE_BUDGET_SECONDS,
            )
        except (VideoModelError, MediaError, ConfigurationError, StorageFull) as error:
            return self._take_failure(video, error, step)

        is_asked = bool(posts) and video.approval_hours is not None
        try:
            self._keep(video, stored, has_posts=bool(posts))
        except VersionConflict:
            if not was_deleted(self._videos, video.id):
                raise
            self._media.delete_video(video.id)  # guard: deleted leaves nothing
            return StepResult(outcome=Outcome.FAILED)
        return StepResult(outcome=Outcome.AWAITING_APPROVAL if is_asked else Outcome.STORED, posts=posts)

    def _list_posts(self, video: Video) -> tuple[PostReference, ...]:
        """List the posts that are not over; the sweep handles those that an execution leaves."""
        posts = [post for post in self._posts.list(video) if post.state not in SETTLED_STATES]
        return tuple(PostReference(video_id=video.id, post_id=post.target.post_id) for post in posts[:TARGETS_MAX])

    def _take_failure(self, video: Video, error: _Trouble, step: StepInput) -> StepResult:
        """Download the video again: soon, then ever later, until its provider removes it."""
        if step.attempt < STORE_ATTEMPTS_MAX:
            hint = error.retry_after_seconds if isinstance(error, VideoModelError) else None
            return wait(hint or 15.0 * step.attempt)
        now = self._clock()
        again_at = min(
            now + _double(_STORE_AGAIN_AFTER, video, _STORE_AGAIN_AFTER_MAX), give_end(video) - _STORE_LAST_BEFORE_END
        )
        if _may_pass(error) and now < again_at:  # guard: download again
            self._videos.note(video, now=now, due_at=again_at, fault=_explain_trouble(error))
            return StepResult(outcome=Outcome.QUEUED_FOR_CAPACITY)
        failure = VideoFailure(
            code=_judge_refusal(error),
            message=f"{_blame(video, error)}{_explain_trouble(error)} {_explain_store(video)}",
        )
        self._videos.fail(video, failure, now=now)
        return StepResult(outcome=Outcome.FAILED)

    def _keep(self, video: Video, stored: StoredVideo, *, has_posts: bool) -> None:
        """Record that the video is stored, and what comes next: an approval, its posts, or nothing."""
        now = self._clock()
        warnings = (*video.warnings, *compare_shape(video.size, video.seconds, stored))
        kept: VideoChanges = {"stored": stored, "completed_at": now, "fault": None, "warnings": warnings}
        if not has_posts:
            self._videos.advance(video, Stage.DONE, now=now, **kept)
        elif video.approval_hours is None:
            kept["publishing_since"] = now
            self._videos.advance(video, Stage.PUBLISHING, now=now, **kept)
        else:
            question = open_approval(video.id, now=now, hours=video.approval_hours)
            self._videos.advance_with(video, Stage.AWAITING_APPROVAL, now=now, together=[question], **kept)


class CloseVideo:
    """Close the record of a video at the end of its execution, successful or not."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        send_event: Callable[[VideoEvent | PostEvent], None],
        count_metric: Callable[[str], None],
        measure: Measure,
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._send_event = send_event
        self._count_metric = count_metric
        self._measure = measure
        self._clock = clock

    def __call__(self, closing: CloseInput) -> StepResult:
        """Close the record; calling again changes nothing.

        The event is marked as sent only after it was sent. A worker that finds it unmarked sends it again under the
        same id.
        """
        try:
            video = self._videos.get_unchecked(closing.video_id)
        except NotFound:
            return StepResult(outcome=Outcome.CLOSED)  # deleted; deleting it also settled it
        if _is_carried_on(video, closing):
            return StepResult(outcome=Outcome.CLOSED)
        now = self._clock()
        posts = self._posts.list(video)
        if _is_unfinished(video, posts):
            if may_continue(video, now):  # guard: left to another
                self._leave(video, posts, closing.reason, now)
                return StepResult(outcome=Outcome.CLOSED)
            if video.stage not in STAGES_OF_A_KEPT_VIDEO:
                video = self._videos.fail(video, _explain_break(video, closing.reason or video.fault), now=now)
        self._settle_posts(video, posts, closing.reason or video.fault, now)
        if video.failure is None and video.stage is not Stage.DONE:
            video = self._videos.advance(video, Stage.DONE, now=now)
        event = describe_end(video)
        video = self._videos.settle(video, count_spent_micros(video), now=now)
        if not video.is_told:  # guard: video event once
            self._send_event(event)
            self._count_end(video)
            self._videos.mark_event_sent(video)
        return StepResult(outcome=Outcome.CLOSED)

    def _count_end(self, video: Video) -> None:
        self._count_metric("VideosFailed" if video.failure else "VideosCompleted")
        self._measure("SpentUsd", count_spent_micros(video) / 1_000_000)
        for attempt in video.attempts:
            if attempt.failure is not None:
                self._measure("ProviderFailures", 1, provider=attempt.provider)

    def _leave(self, video: Video, posts: Sequence[Post], fault: str | None, now: datetime) -> None:
        """Leave a video to another execution, which the sweep starts; record the fault for its owner."""
        resume_at = now + _double(_RESUME_AFTER, video, _RESUME_AFTER_MAX)
        # Posts that wait for a rate slot of the publisher need no execution before its time.
        places = [post.place_at for post in posts if post.state is PostState.PENDING and post.place_at is not None]
        due_at = max([resume_at, min(places)]) if places and fault is None else resume_at
        self._videos.note(video, now=now, due_at=due_at, fault=fault or video.fault)  # guard: fault kept

    def _settle_posts(self, video: Video, posts: Sequence[Post], fault: str | None, now: datetime) -> None:
        """Settle the posts that will never be sent, and send the events of those that ended."""
        code, reason = (
            (video.failure.code, "The video failed, so nothing was posted.")
            if video.failure
            else (
                ErrorCode.INTERNAL_ERROR,
                f"MediaPoster itself failed ({fault or 'no reason given'}) before anything was sent.",
            )
        )
        for post in posts:
            settled = settle_orphaned(
                self._posts, post, reason=reason, code=code, now=now, count_metric=self._count_metric
            )
            emit_end(self._videos, self._posts, settled, send_event=self._send_event)


def _is_unfinished(video: Video, posts: Sequence[Post]) -> bool:
    """Tell whether a video that did not fail still has work that needs an execution."""
    if video.failure is not None or video.stage is Stage.DONE:
        return False
    if video.stage is Stage.PUBLISHING:
        return any(post.state is PostState.PENDING for post in posts)
    return True


def _may_pass(error: _Trouble) -> bool:
    """Tell whether a failed download may succeed later."""
    if isinstance(error, VideoModelError):
        return error.transient or error.code in _STORE_REFUSALS_TO_OUTLAST
    return isinstance(error, ConfigurationError | IncompleteMedia | StorageFull)


def _double(first: timedelta, video: Video, longest: timedelta) -> timedelta:
    """Double the wait for each further execution of a video, up to `longest`."""
    return min(first * (1 << min(video.launch, 10)), longest)


def _is_carried_on(video: Video, closing: CloseInput) -> bool:
    """Tell whether another execution carries the video, or will once it gets a slot."""
    if video.failure is not None:
        return False
    return video.place is not None or (closing.launch is not None and closing.launch != video.launch)  # guard: carried


def _explain_trouble(error: _Trouble) -> str:
    if isinstance(error, StorageFull):
        # Its own message has the path, which a caller need not know.
        return "The video is rendered, but the disk of this host is full, so it is not stored. Make room on the disk."
    return str(error)


def _blame(video: Video, error: _Trouble) -> str:
    if isinstance(error, StorageFull):
        return ""
    return f"{video.provider} rendered the video but did not deliver it whole. "


def _judge_refusal(error: _Trouble) -> ErrorCode:
    if isinstance(error, ConfigurationError):
        return ErrorCode.AUTHENTICATION
    if isinstance(error, StorageFull):
        return ErrorCode.INTERNAL_ERROR
    return error.code if isinstance(error, VideoModelError) else ErrorCode.PROVIDER_ERROR


def _explain_break(video: Video, fault: str | None) -> VideoFailure:
    """Explain a crashed execution to the caller, by the stage of the video."""
    broke = f"MediaPoster itself failed at {video.stage} ({fault or 'no reason given'})."
    if video.stage is Stage.QUEUED and count_spent_micros(video) == 0:
        return VideoFailure(
            code=ErrorCode.INTERNAL_ERROR, message=f"{broke} Nothing was generated or spent; send the request again."
        )
    if video.stage is Stage.SUBMITTING:
        # Between intent and reply, it is unknown whether the provider accepted the job.
        return VideoFailure(code=ErrorCode.SUBMISSION_UNKNOWN, message=explain_unknown(broke))
    if video.stage is Stage.STORING:
        return VideoFailure(
            code=ErrorCode.INTERNAL_ERROR, message=f"{broke} Nothing was posted. {_explain_store(video)}"
        )
    return VideoFailure(
        code=ErrorCode.INTERNAL_ERROR,
        message=f"{broke} The provider's job {video.provider_job_id} may have been paid for; nothing was posted.",
    )


def _explain_store(video: Video) -> str:
    return f"POST /videos/{video.id}/store downloads it again, without another render, while {video.provider} keeps it."
