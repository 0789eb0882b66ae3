"""Keep the finished video, and close its record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from mediaposter.errors import (
    ConfigurationError,
    Conflict,
    ErrorCode,
    MediaError,
    MediaPosterError,
    NotFound,
    VideoModelError,
)
from mediaposter.events import PostEvent, VideoEvent
from mediaposter.library.approvals import open_approval
from mediaposter.library.media import StoredVideo
from mediaposter.library.posts import PostLedger
from mediaposter.library.videos import STAGES_OF_A_KEPT_VIDEO, Stage, Video, VideoFailure, VideoLibrary
from mediaposter.pipeline.generate import Clock, Models, count_spent_micros, explain_unknown
from mediaposter.pipeline.publish import settle_left_over
from mediaposter.pipeline.recorded_events import describe_end
from mediaposter.pipeline.steps import CloseInput, Outcome, PostReference, StepInput, StepResult, wait
from mediaposter.pipeline.track import tell_end
from mediaposter.streaming.video_stream import VideoStream

# A render is paid for: a download that fails is tried again, whatever the reason.
STORE_ATTEMPTS_MAX = 5
# StoreFunction may run 900 s; the rest is for closing the upload and the record.
STORE_BUDGET_SECONDS = 840.0


class MediaStore(Protocol):
    """Where videos are kept."""

    def store_video(
        self,
        video_id: str,
        open_stream: Callable[[int, str | None], AbstractContextManager[VideoStream]],
        *,
        deadline: float,
    ) -> StoredVideo:
        """Keep a video that is complete and playable, or raise MediaError and keep nothing."""

    def delete_video(self, video_id: str) -> int:
        """Remove everything that is kept of a video, and count it."""


class StoreVideo:
    """Stream the finished video into the bucket. Storing twice stores once."""

    def __init__(
        self,
        *,
        library: VideoLibrary,
        ledger: PostLedger,
        media: MediaStore,
        models: Models,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._media = media
        self._models = models
        self._clock = clock
        self._monotonic = monotonic

    def __call__(self, step: StepInput) -> StepResult:
        """Store the video; from here on it is completed, whatever becomes of its posts."""
        video = self._library.get(step.video_id)
        if video.failure is not None:
            return StepResult(outcome=Outcome.FAILED)
        posts = tuple(
            PostReference(video_id=video.id, post_id=post.target.post_id) for post in self._ledger.list(video.id)
        )
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
        except (VideoModelError, MediaError, ConfigurationError) as error:
            if step.attempt < STORE_ATTEMPTS_MAX:
                hint = error.retry_after_seconds if isinstance(error, VideoModelError) else None
                return wait(hint or 15.0 * step.attempt)
            code = _judge_refusal(error)
            failure = VideoFailure(
                code=code, message=f"{video.provider} rendered the video but did not hand it over whole. {error}"
            )
            self._library.fail(video, failure, now=self._clock())
            return StepResult(outcome=Outcome.FAILED)

        is_asked = bool(posts) and video.approval_hours is not None
        try:
            self._keep(video, stored, has_posts=bool(posts))
        except Conflict:
            if not self._is_deleted(video.id):
                raise
            self._media.delete_video(video.id)
            return StepResult(outcome=Outcome.FAILED)
        return StepResult(outcome=Outcome.AWAITING_APPROVAL if is_asked else Outcome.STORED, posts=posts)

    def _keep(self, video: Video, stored: StoredVideo, *, has_posts: bool) -> None:
        """Write down that the video is kept, and what comes next: a person's decision, its posts, or nothing."""
        now = self._clock()
        kept: dict[str, Any] = {"stored": stored, "completed_at": now}
        if not has_posts:
            self._library.advance(video, Stage.DONE, now=now, **kept)
        elif video.approval_hours is None:
            self._library.advance(video, Stage.PUBLISHING, now=now, publishing_since=now, **kept)
        else:
            question = open_approval(video.id, now=now, hours=video.approval_hours)
            self._library.advance_with(video, Stage.AWAITING_APPROVAL, now=now, together=[question], **kept)

    def _is_deleted(self, video_id: str) -> bool:
        """Tell whether the video was deleted while it was stored: nothing of it may stay behind."""
        try:
            video = self._library.get(video_id)
        except NotFound:
            return True
        return video.failure is not None and video.failure.code is ErrorCode.CANCELLED


class CloseVideo:
    """Close the record of a video whose execution ends, well or not."""

    def __init__(
        self,
        *,
        library: VideoLibrary,
        ledger: PostLedger,
        send_event: Callable[[VideoEvent | PostEvent], None],
        count_metric: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._send_event = send_event
        self._count_metric = count_metric
        self._clock = clock

    def __call__(self, closing: CloseInput) -> StepResult:
        """Close the record; doing so again changes nothing.

        The record says that the bus was told only afterwards: whoever finds it untold tells it again, under the same
        id.
        """
        try:
            video = self._library.get(closing.video_id)
        except NotFound:
            return StepResult(outcome=Outcome.CLOSED)  # deleted, and settled by that
        if _is_carried_on(video, closing):
            return StepResult(outcome=Outcome.CLOSED)
        now = self._clock()
        if video.failure is None and video.stage not in STAGES_OF_A_KEPT_VIDEO:
            failure = _explain_break(video, closing.fault)
            video = self._library.fail(video, failure, now=now)
        code, reason = (
            (video.failure.code, "The video failed, so nothing was posted.")
            if video.failure
            else (
                ErrorCode.INTERNAL_ERROR,
                f"The pipeline broke off ({closing.fault or 'no reason given'}) before anything was sent.",
            )
        )
        # Posts that another execution carries by now are not this one's to close.
        is_last = closing.run is None or closing.run == video.posting_run
        for post in self._ledger.list(video.id) if is_last else ():
            settled = settle_left_over(
                self._ledger, post, reason=reason, code=code, now=now, count_metric=self._count_metric
            )
            tell_end(self._library, self._ledger, settled, send_event=self._send_event)
        if is_last and video.stage in (Stage.AWAITING_APPROVAL, Stage.PUBLISHING):
            video = self._library.advance(video, Stage.DONE, now=now)
        event = describe_end(video)
        video = self._library.settle(video, count_spent_micros(video), now=now)
        if not video.is_told:
            self._send_event(event)
            self._count_metric("VideosFailed" if video.failure else "VideosCompleted")
            self._library.note_told(video)
        return StepResult(outcome=Outcome.CLOSED)


def _is_carried_on(video: Video, closing: CloseInput) -> bool:
    """Tell whether another execution than the one that ends carries the video, or will when it has a slot."""
    if video.failure is not None:
        return False
    return video.place is not None or (closing.launch is not None and closing.launch != video.launch)


def _judge_refusal(error: VideoModelError | MediaError | ConfigurationError) -> ErrorCode:
    if isinstance(error, ConfigurationError):
        return ErrorCode.AUTHENTICATION
    return error.code if isinstance(error, VideoModelError) else ErrorCode.PROVIDER_ERROR


def _explain_break(video: Video, fault: str | None) -> VideoFailure:
    """Say what a break means for the caller, by how far the video had come."""
    broke = f"The pipeline broke off at {video.stage} ({fault or 'no reason given'})."
    if video.stage is Stage.QUEUED and count_spent_micros(video) == 0:
        return VideoFailure(
            code=ErrorCode.INTERNAL_ERROR, message=f"{broke} Nothing was generated or spent; send the request again."
        )
    if video.stage is Stage.SUBMITTING:
        # Between intent and reply, nobody knows what was accepted.
        return VideoFailure(code=ErrorCode.SUBMISSION_UNKNOWN, message=explain_unknown(broke))
    return VideoFailure(
        code=ErrorCode.INTERNAL_ERROR,
        message=f"{broke} The provider's job {video.provider_job_id} may have been paid for; nothing was posted.",
    )
