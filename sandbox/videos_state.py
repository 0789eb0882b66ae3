"""What the stand-in for a Videos API server remembers: jobs, faults, calls."""

from __future__ import annotations

import uuid
from concurrent.futures import Future
from dataclasses import dataclass

from sandbox.calls import Call
from sandbox.control import JobServer
from sandbox.faults import Fail, MoovLast, NeverFinish, OnCreate, VideosFault, VllmFailed
from sandbox.render import RenderedVideo
from sandbox.videos_wire import ApiError, CreateVideo, Video, VideoError

_ASSET_LIFETIME_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Job:
    """An accepted job. How it stands follows from the clock, its render, and the fault it was given."""

    id: str
    order: CreateVideo
    created_at: float
    render: Future[RenderedVideo]
    fault: OnCreate | None
    remixed_from_video_id: str | None

    def describe(self, now: float, render_seconds: float) -> Video:
        """Give the job as OpenAI would show it at this moment."""
        age_seconds = now - self.created_at
        video = Video(
            id=self.id,
            status="queued",
            progress=0,
            model=self.order.model,
            created_at=int(self.created_at),
            seconds=self.order.seconds,
            size=self.order.size,
            prompt=self.order.prompt,
            remixed_from_video_id=self.remixed_from_video_id,
        )
        if age_seconds <= render_seconds / 10:
            return video
        action = self.fault.action if self.fault else None
        if age_seconds < render_seconds or not self.render.done() or isinstance(action, NeverFinish):
            progress = int(100 * age_seconds / max(age_seconds, render_seconds))
            return video.model_copy(update={"status": "in_progress", "progress": min(99, progress)})
        if isinstance(action, Fail | VllmFailed):
            error = VideoError(code=str(action.code), message=action.message)
            return video.model_copy(update={"status": "failed", "error": error})
        completed_at = int(max(self.created_at + render_seconds, self.render.result(timeout=0).finished_at))
        return video.model_copy(
            update={
                "status": "completed",
                "progress": 100,
                "completed_at": completed_at,
                "expires_at": completed_at + _ASSET_LIFETIME_SECONDS,
            }
        )


class VideoServer(JobServer[Call, VideosFault]):
    """The stand-in's state: jobs, faults, calls.

    It follows OpenAI's Videos reference (developers.openai.com/api/reference/resources/videos) as openai-python 3.54.0
    carries it: create, retrieve, list, delete, content, remix; not edits, extensions and characters. OpenAI switched
    the API off on 2026-09-24; vLLM-Omni, SGLang Diffusion, LiteLLM and other gateways go on speaking it.
    """

    def reset(self) -> None:
        """Forget jobs, faults and calls."""
        super().reset()
        self.jobs: dict[str, Job] = {}

    def accept(self, order: CreateVideo, fault: OnCreate | None, remixed_from_video_id: str | None) -> Job:
        """Take a job on and start its render."""
        render = self.renders.submit(
            order.prompt,
            width=order.width,
            height=order.height,
            seconds=int(order.seconds),
            faststart=not (fault and isinstance(fault.action, MoovLast)),
        )
        job = Job(f"video_{uuid.uuid4().hex}", order, self.clock(), render, fault, remixed_from_video_id)
        self.jobs[job.id] = job
        self.count_accepted()
        return job

    def describe(self, job: Job) -> Video:
        """Give the job as OpenAI would show it now."""
        return job.describe(self.clock(), self.render_seconds)

    def find(self, video_id: str) -> Job:
        """Give the job with this id."""
        if video_id not in self.jobs:
            raise ApiError(404, f"Video with id '{video_id}' not found.", param="video_id")
        return self.jobs[video_id]

    def find_completed(self, video_id: str) -> Job:
        """Give the job with this id, once its video is there."""
        job = self.find(video_id)
        if self.describe(job).status != "completed":
            raise ApiError(404, "Video is not ready yet, use GET /v1/videos/{video_id} to check status.")
        return job

    def count_in_flight(self) -> int:
        """Count the jobs that have not ended."""
        return sum(self.describe(job).status in ("queued", "in_progress") for job in self.jobs.values())
