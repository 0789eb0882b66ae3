"""One submission to a provider: the request, the call that costs money, and the job that it became."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from mediaposter.ai.catalog import parse_size
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    SubmittedJobs,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
)
from mediaposter.domain.errors import MediaPosterError, NotFound, UnsupportedOperation, VersionConflict, VideoModelError
from mediaposter.stores.video_record import DerivationKind, Video
from mediaposter.stores.video_stages import Stage
from mediaposter.stores.videos import VideoStore

# Reads the reference picture of a video in the form that adapters accept; raises VideoModelError if it is gone.
Pictures = Callable[[Video], str]
# How often writing down a job is tried again when another worker wrote the record at that moment.
_KEEPS_MAX = 3


def describe_request(
    video: Video, pictures: Pictures, *, attempts: int, webhook_url: str | None = None
) -> VideoGenerationRequest:
    """Describe what a video's model is to make."""
    width, height = parse_size(video.size)
    return VideoGenerationRequest(
        prompt=video.prompt,
        width=width,
        height=height,
        duration_seconds=video.seconds,
        input_image=pictures(video) if video.input_image else None,
        provider_options=video.provider_options,
        # The same key for every submission of one attempt: a provider with idempotency keys makes one video.
        idempotency_key=f"{video.id}-{attempts}",
        webhook_url=webhook_url,
    )


def call_model(video: Video, model: VideoModelInterface, request: VideoGenerationRequest) -> VideoGenerationJob:
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


def write_job(
    videos: VideoStore,
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
            return videos.keep_job(
                video,
                model.webhook_key(job.job_id),
                now=now,
                provider_job_id=job.job_id,
                attempts=(*video.attempts[:-1], attempt),
                rendering_since=rendering_since,
                lease_expires_at=None,
            )
        except VersionConflict:
            found = _find(videos, video.id)
        if found is not None and found.provider_job_id == job.job_id:
            return found  # another worker found the job in the list, or resubmitted
        if found is None or found.failure is not None or len(found.attempts) != len(video.attempts):
            break
        if found.stage is not Stage.SUBMITTING:
            break
        video = found
    if videos.find_video_of_job(video.provider, model.webhook_key(job.job_id)) is None:  # guard: unowned job
        with suppress(UnsupportedOperation, VideoModelError):
            model.cancel_video(job.job_id)
    # The job is paid for, but the record no longer waits for it: the log must at least name it.
    raise MediaPosterError(
        f"{video.provider} accepted job {job.job_id}, but {video.id} was closed, or another video took the job, "
        "meanwhile."
    )


def _find(videos: VideoStore, video_id: str) -> Video | None:
    try:
        return videos.get_unchecked(video_id)
    except NotFound:
        return None


def find_lost_jobs(videos: VideoStore, video: Video, model: VideoModelInterface) -> SubmittedJobs:
    """List the provider's jobs that the submission may have started and that belong to no video."""
    width, height = parse_size(video.size)
    request = VideoGenerationRequest(prompt=video.prompt, width=width, height=height, duration_seconds=video.seconds)
    found = model.find_submitted(request, submitted_after=video.attempts[-1].started_at)
    return SubmittedJobs(
        matching=_leave_out_claimed(videos, video, model, found.matching),
        similar=_leave_out_claimed(videos, video, model, found.similar),
        indistinct=_leave_out_claimed(videos, video, model, found.indistinct),
        is_whole=found.is_whole,
    )


def _leave_out_claimed(
    videos: VideoStore, video: Video, model: VideoModelInterface, jobs: Sequence[VideoGenerationJob]
) -> list[VideoGenerationJob]:
    return [  # guard: job of another
        job for job in jobs if videos.find_video_of_job(video.provider, model.webhook_key(job.job_id)) is None
    ]
