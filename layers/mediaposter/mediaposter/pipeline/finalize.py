"""Keep the finished video, and close its record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from mediaposter.ai.video_model_interface import VideoStream
from mediaposter.errors import ConfigurationError, ErrorCode, MediaError, MediaPosterError, VideoModelError
from mediaposter.events import VideoEvent
from mediaposter.library.media import StoredVideo
from mediaposter.library.posts import PostLedger
from mediaposter.library.videos import STAGES_OF_A_KEPT_VIDEO, Stage, VideoFailure, VideoLibrary
from mediaposter.pipeline.generate import Clock, Models
from mediaposter.pipeline.publish import settle_left_over
from mediaposter.pipeline.steps import CloseInput, Outcome, PostReference, StepInput, StepResult, wait

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
            return StepResult(outcome=Outcome.STORED, posts=posts)
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
            code = error.code if isinstance(error, VideoModelError) else ErrorCode.PROVIDER_ERROR
            failure = VideoFailure(
                code=code, message=f"{video.provider} rendered the video but did not hand it over whole. {error}"
            )
            self._library.fail(video, failure, now=self._clock())
            return StepResult(outcome=Outcome.FAILED)

        now = self._clock()
        next_stage = Stage.PUBLISHING if posts else Stage.DONE
        self._library.advance(video, next_stage, now=now, stored=stored, completed_at=now)
        return StepResult(outcome=Outcome.STORED, posts=posts)


class CloseVideo:
    """Close the record of a video whose execution ends, well or not."""

    def __init__(
        self,
        *,
        library: VideoLibrary,
        ledger: PostLedger,
        send_event: Callable[[VideoEvent], None],
        count_metric: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._send_event = send_event
        self._count_metric = count_metric
        self._clock = clock

    def __call__(self, closing: CloseInput) -> StepResult:
        """Close the record; doing so again changes nothing."""
        video = self._library.get(closing.video_id)
        now = self._clock()
        if video.failure is None and video.stage not in STAGES_OF_A_KEPT_VIDEO:
            failure = VideoFailure(
                code=_judge_fault(video.stage),
                message=(
                    f"The pipeline broke off at {video.stage} ({closing.fault or 'no reason given'}). "
                    + (
                        f"The provider's job is {video.provider_job_id}."
                        if video.provider_job_id
                        else "Nothing was posted."
                    )
                ),
            )
            video = self._library.fail(video, failure, now=now)
        for post in self._ledger.list(video.id):
            settle_left_over(
                self._ledger,
                post,
                reason="The video failed, so nothing was posted."
                if video.failure
                else _explain_unposted(closing.fault),
                code=video.failure.code if video.failure else ErrorCode.INTERNAL_ERROR,
                now=now,
                count_metric=self._count_metric,
            )
        if video.stage is Stage.PUBLISHING:
            video = self._library.advance(video, Stage.DONE, now=now)
        self._send_event(_describe(video.id, video.owner, video.failure))
        self._count_metric("VideosFailed" if video.failure else "VideosCompleted")
        return StepResult(outcome=Outcome.CLOSED)


def _explain_unposted(fault: str | None) -> str:
    return f"The pipeline broke off ({fault or 'no reason given'}) before anything was sent to the network."


def _judge_fault(stage: Stage) -> ErrorCode:
    """Say what a break means for the caller: between intent and reply, nobody knows what was accepted."""
    return ErrorCode.SUBMISSION_UNKNOWN if stage is Stage.SUBMITTING else ErrorCode.INTERNAL_ERROR


def _describe(video_id: str, owner: str, failure: VideoFailure | None) -> VideoEvent:
    if failure is None:
        return VideoEvent(type="video.completed", video_id=video_id, owner=owner)
    return VideoEvent(type="video.failed", video_id=video_id, owner=owner, error_code=failure.code)
