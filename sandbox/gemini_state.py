"""What the stand-in for Gemini's Interactions API remembers: jobs, files, faults, calls."""

from __future__ import annotations

import base64
import uuid
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from sandbox.calls import ReceivedCall, ReceivedCalls
from sandbox.control import JobServer
from sandbox.faults import (
    AcceptThenDrop,
    AcceptThenRespond,
    Closed,
    Delay,
    Drop,
    FaultRule,
    NeverFinish,
    NotMp4,
    Respond,
    Script,
    ShowStatus,
    Stall,
    Truncate,
)
from sandbox.gemini_wire import (
    ApiError,
    Clip,
    CreateInteraction,
    File,
    Interaction,
    InteractionError,
    ModelOutput,
    Thought,
    Usage,
    VideoContent,
)
from sandbox.render import RenderedVideo

_RUNNING = ("queued", "in_progress")
_FILE_LIFETIME_SECONDS = 48 * 3600
# After its interaction a file is PROCESSING for this share of the time that a render takes.
_PROCESSING_SHARE = 0.3
# Of a second at 720p; the price list counts in these.
_TOKENS_PER_SECOND = 5792
# What the model thought is opaque to the caller.
_SIGNATURE = "c2FuZGJveA=="


class FailInteraction(Closed):
    """Accept the interaction, and let it fail where it would have been completed."""

    type: Literal["fail"] = "fail"
    code: str = "internal"
    message: str = "An internal error has occurred."


class CompleteEmpty(Closed):
    """Complete the interaction without a video, as Google does with what its filters block."""

    type: Literal["complete_empty"] = "complete_empty"


class InlineAnyway(Closed):
    """Give the video as base64 though `delivery` is `uri`, as was seen on the preview model."""

    type: Literal["inline_anyway"] = "inline_anyway"


class Incomplete(Closed):
    """End the interaction as `incomplete`, without a video."""

    type: Literal["incomplete"] = "incomplete"


class BudgetExceeded(Closed):
    """End the interaction as `budget_exceeded`, without a video."""

    type: Literal["budget_exceeded"] = "budget_exceeded"


class FileFailed(Closed):
    """Complete the interaction, and let its file become FAILED instead of ACTIVE."""

    type: Literal["file_failed"] = "file_failed"


class OnCreate(FaultRule):
    """A fault of the call that starts an interaction, or of the interaction; `status` is the word it ends with."""

    on: Literal["create"] = "create"
    action: Annotated[
        Respond
        | Delay
        | Drop
        | AcceptThenDrop
        | AcceptThenRespond
        | FailInteraction
        | NeverFinish
        | ShowStatus
        | CompleteEmpty
        | InlineAnyway
        | Incomplete
        | BudgetExceeded
        | FileFailed,
        Field(discriminator="type"),
    ]


class OnRetrieve(FaultRule):
    """A fault of `GET /interactions/{id}`; `status` is the word it shows."""

    on: Literal["retrieve"] = "retrieve"
    action: Annotated[Respond | Delay | Drop | ShowStatus, Field(discriminator="type")]


class OnContent(FaultRule):
    """A fault of the call that downloads a file."""

    on: Literal["content"] = "content"
    action: Annotated[Respond | Delay | Drop | Truncate | NotMp4 | Stall, Field(discriminator="type")]


GeminiFault = OnCreate | OnRetrieve | OnContent


class GeminiFaultScript(Script[Annotated[GeminiFault, Field(discriminator="on")]]):
    """The script of this stand-in."""


class Call(ReceivedCall):
    """A call; `interaction_id` is the one of the path or, for a create, the one that was accepted."""

    interaction_id: str | None = None
    images: int = 0


class CallLog(ReceivedCalls[Call]):
    """What `GET /_sandbox/calls` answers, where the jobs are interactions."""


@dataclass(frozen=True, slots=True)
class Job:
    """An accepted interaction. How it stands follows from the clock, its render, its fault, and a cancellation."""

    id: str
    file_id: str
    order: CreateInteraction
    clip: Clip
    created_at: float
    render: Future[RenderedVideo]
    fault: OnCreate | None = None
    cancelled_at: float | None = None

    def find_status(self, now: float, render_seconds: float) -> str:
        """Give the status at this moment."""
        if self.cancelled_at is not None:
            return "cancelled"
        age_seconds = now - self.created_at
        if age_seconds <= render_seconds / 10:
            return "queued"
        action = self.fault.action if self.fault else None
        if age_seconds < render_seconds or not self.render.done() or isinstance(action, NeverFinish):
            return "in_progress"
        match action:
            case FailInteraction():
                return "failed"
            case Incomplete() | BudgetExceeded():
                return action.type
            case ShowStatus():
                return action.status
        return "completed"

    def find_ended_at(self, render_seconds: float) -> float:
        """Give the Unix time at which an ended job ended."""
        if self.cancelled_at is not None:
            return self.cancelled_at
        return max(self.created_at + render_seconds, self.render.result(timeout=0).finished_at)

    def has_video(self, status: str) -> bool:
        """Tell whether a job with this status has a video."""
        return status == "completed" and not (self.fault and isinstance(self.fault.action, CompleteEmpty))

    def find_errors(self, status: str) -> tuple[InteractionError, ...] | None:
        """Give the reason why a job with this status failed."""
        action = self.fault.action if self.fault else None
        if status != "failed" or not isinstance(action, FailInteraction):
            return None
        return (InteractionError(code=action.code, message=action.message),)

    def is_inline(self) -> bool:
        """Tell whether the video comes as base64."""
        anyway = self.fault is not None and isinstance(self.fault.action, InlineAnyway)
        return anyway or self.order.response_format.delivery == "inline"


class GeminiServer(JobServer[Call, GeminiFault]):
    """The stand-in's state: jobs, files, faults, calls."""

    def reset(self) -> None:
        """Forget jobs, files, faults and calls."""
        super().reset()
        self.jobs: dict[str, Job] = {}
        # By the id of the file, which nobody is told before the file is there. A file outlives its interaction.
        self._made: dict[str, Job] = {}

    def accept(self, order: CreateInteraction, previous: Clip | None, fault: OnCreate | None) -> Job:
        """Take an interaction on and start its render; `previous` is what the one before it made."""
        clip = order.plan_clip(previous)
        render = self.renders.submit(order.prompt, width=clip.width, height=clip.height, seconds=clip.seconds)
        job = Job(f"v1_{uuid.uuid4().hex}", uuid.uuid4().hex[:12], order, clip, self.clock(), render, fault)
        self.jobs[job.id] = job
        self._made[job.file_id] = job
        self.count_accepted()
        return job

    def find(self, interaction_id: str) -> Job:
        """Give the stored interaction with this id."""
        job = self.jobs.get(interaction_id)
        if job is None or not job.order.store:
            raise ApiError(404, "NOT_FOUND", f"Interaction {interaction_id} was not found.")
        return job

    def find_status(self, job: Job) -> str:
        """Give the status of a job now."""
        return job.find_status(self.clock(), self.render_seconds)

    def is_running(self, job: Job) -> bool:
        """Tell whether a job has not ended."""
        return self.find_status(job) in _RUNNING

    def count_in_flight(self) -> int:
        """Count the jobs that have not ended."""
        return sum(self.is_running(job) for job in self.jobs.values())

    def cancel(self, job: Job) -> Job:
        """Stop a job that runs in the background."""
        if not job.order.background or not self.is_running(job):
            message = "Only an interaction that is running in the background can be cancelled."
            raise ApiError(400, "FAILED_PRECONDITION", message)
        self.jobs[job.id] = replace(job, cancelled_at=self.clock())
        return self.jobs[job.id]

    def show(self, job: Job, status: str, base_url: str) -> Interaction:
        """Give the job with this status as Google would show it; `base_url` is this server's, as the client sees it."""
        running = status in _RUNNING
        tokens = _TOKENS_PER_SECOND * job.clip.added_seconds if job.has_video(status) else 0
        return Interaction(
            id=job.id,
            status=status,
            model=job.order.model,
            created=_format_time(job.created_at),
            updated=_format_time(job.created_at if running else self._find_ended_at(job)),
            previous_interaction_id=job.order.previous_interaction_id,
            steps=() if running else (*job.order.input, *_show_output(job, status, base_url)),
            errors=job.find_errors(status),
            usage=None if running else Usage(total_output_tokens=tokens),
        )

    def show_file(self, file_id: str, base_url: str) -> File:
        """Give the file as Google would show it now."""
        job = self._find_made(file_id)
        ended_at = self._find_ended_at(job)
        return File(
            name=f"files/{file_id}",
            mime_type="video/mp4",
            size_bytes=str(job.render.result(timeout=0).path.stat().st_size),
            create_time=_format_time(ended_at),
            expiration_time=_format_time(ended_at + _FILE_LIFETIME_SECONDS),
            uri=f"{base_url}/v1beta/files/{file_id}",
            download_uri=_build_download_uri(file_id, base_url),
            state=self._find_file_state(job),
        )

    def find_downloadable(self, file_id: str) -> Job:
        """Give the job that made a file, once the file is ACTIVE."""
        job = self._find_made(file_id)
        state = self._find_file_state(job)
        if state != "ACTIVE":
            raise ApiError(400, "FAILED_PRECONDITION", f"The File {file_id} is not in an ACTIVE state: {state}.")
        return job

    def _find_made(self, file_id: str) -> Job:
        """Give the job that made a file, while the file is there."""
        job = self._made.get(file_id)
        if job is None or self.clock() >= self._find_ended_at(job) + _FILE_LIFETIME_SECONDS:
            raise ApiError(404, "NOT_FOUND", f"The File {file_id} does not exist, or has expired.")
        return job

    def _find_file_state(self, job: Job) -> Literal["PROCESSING", "ACTIVE", "FAILED"]:
        if self.clock() < self._find_ended_at(job) + _PROCESSING_SHARE * self.render_seconds:
            return "PROCESSING"
        return "FAILED" if job.fault and isinstance(job.fault.action, FileFailed) else "ACTIVE"

    def _find_ended_at(self, job: Job) -> float:
        return job.find_ended_at(self.render_seconds)


def _show_output(job: Job, status: str, base_url: str) -> tuple[Thought | ModelOutput, ...]:
    if not job.has_video(status):
        return ()
    if job.is_inline():
        content = job.render.result(timeout=0).path.read_bytes()
        video = VideoContent(data=base64.b64encode(content).decode())
    else:
        video = VideoContent(uri=_build_download_uri(job.file_id, base_url))
    return Thought(signature=_SIGNATURE), ModelOutput(content=(video,))


def _build_download_uri(file_id: str, base_url: str) -> str:
    """Build the address that Google puts into `content[].uri`."""
    return f"{base_url}/v1beta/files/{file_id}:download?alt=media"


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
