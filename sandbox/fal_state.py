"""What the stand-in for fal's queue remembers: jobs, faults, calls, the files it gave out.

A request to the queue is called a job here, so that it is not mistaken for an HTTP request.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from sandbox.calls import Call
from sandbox.control import JobServer
from sandbox.fal_wire import (
    ApiError,
    Cancellation,
    Failure,
    File,
    Metrics,
    ModelFailure,
    Order,
    Output,
    RequestFailure,
    Status,
    StatusView,
    build_detail,
)
from sandbox.faults import (
    AcceptThenDrop,
    AcceptThenRespond,
    Closed,
    Delay,
    Drop,
    FaultRule,
    NeverFinish,
    NotMp4,
    OnRetrieve,
    Respond,
    Script,
    Stall,
    Truncate,
    TruncateSilently,
)
from sandbox.render import RenderedVideo

_SEED = 1_234_567
_CANCELLED = Failure(499, RequestFailure(detail="The request was cancelled.", error_type="client_cancelled"))


class ExhaustedBalance(Closed):
    """Refuse the submit as fal does when the prepaid balance is used up; requests under way go on."""

    type: Literal["exhausted_balance"] = "exhausted_balance"


class FailModel(Closed):
    """Complete the request, and give as its result what a model found wrong: by default, that it is not allowed."""

    type: Literal["fail_model"] = "fail_model"
    status: int = Field(default=422, ge=400, le=599)
    error_type: str = "content_policy_violation"
    message: str = "The content could not be processed because it contained material flagged by a content checker."


class FailRequest(Closed):
    """Complete the request, and give as its result that it did not get through its model."""

    type: Literal["fail_request"] = "fail_request"
    status: int = Field(default=504, ge=400, le=599)
    error_type: str = "request_timeout"
    message: str = "Request timed out"


class IgnoreCancel(Closed):
    """Accept the request, and go on with it though it is cancelled while a runner has it, as many models do."""

    type: Literal["ignore_cancel"] = "ignore_cancel"


class ExpiredUrl(Closed):
    """Answer 404 from now on at the address of the file that was asked for; the result gives no other."""

    type: Literal["expired_url"] = "expired_url"


class Duplicate(Closed):
    """Send the webhook twice, though it was taken the first time."""

    type: Literal["duplicate"] = "duplicate"


class Unsigned(Closed):
    """Send the webhook without its signature, as anybody could."""

    type: Literal["unsigned"] = "unsigned"


Fate = FailModel | FailRequest | IgnoreCancel | NeverFinish


class OnCreate(FaultRule):
    """A fault of the submit, or of the request it makes; of an input that cannot be read the prompt is empty."""

    on: Literal["create"] = "create"
    action: Annotated[
        Respond
        | Delay
        | Drop
        | AcceptThenDrop
        | AcceptThenRespond
        | ExhaustedBalance
        | FailModel
        | FailRequest
        | IgnoreCancel
        | NeverFinish,
        Field(discriminator="type"),
    ]


class OnResult(FaultRule):
    """A fault of the call that asks for the result; OnRetrieve is of the one that asks for the status."""

    on: Literal["result"] = "result"
    action: Annotated[Respond | Delay | Drop, Field(discriminator="type")]


class OnContent(FaultRule):
    """A fault of the call that fetches a file."""

    on: Literal["content"] = "content"
    action: Annotated[
        Respond | Delay | Drop | Truncate | TruncateSilently | NotMp4 | Stall | ExpiredUrl,
        Field(discriminator="type"),
    ]


class OnWebhook(FaultRule):
    """A fault of the webhook of a request; `drop` sends none. With `delay` on create it comes before the ticket."""

    on: Literal["webhook"] = "webhook"
    action: Annotated[Drop | Duplicate | Unsigned, Field(discriminator="type")]


FalFault = OnCreate | OnRetrieve | OnResult | OnContent | OnWebhook


class FalFaultScript(Script[Annotated[FalFault, Field(discriminator="on")]]):
    """The script of this stand-in."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that was ordered, and its render."""

    order: Order
    render: Future[RenderedVideo]


@dataclass(slots=True, eq=False)
class Job:
    """An accepted request. How it stands follows from the clock, its work, its fate, and when a runner took it.

    Its work is a clip or, where the input cannot be read, the refusal that will be its result.
    """

    id: str
    app: str
    work: Clip | Failure
    fate: Fate | None
    file_path: str
    taken_at: float | None = None
    cancelled: bool = False

    @property
    def prompt(self) -> str:
        """Give what the rules of faults are matched with."""
        return self.work.order.prompt if isinstance(self.work, Clip) else ""

    def tell_status(self, now: float, render_seconds: float) -> Status:
        """Tell how the job stands. To refuse takes a model no time."""
        if self.cancelled:
            return "COMPLETED"
        if self.taken_at is None or now - self.taken_at <= render_seconds / 10:
            return "IN_QUEUE"
        if isinstance(self.work, Failure):
            return "COMPLETED"
        is_rendered = now - self.taken_at >= render_seconds and self.work.render.done()
        return "COMPLETED" if is_rendered and not isinstance(self.fate, NeverFinish) else "IN_PROGRESS"

    def find_outcome(self) -> Clip | Failure:
        """Give what a completed job came to."""
        if self.cancelled:
            return _CANCELLED
        match self.fate:
            case FailModel(status=status, error_type=error_type, message=message):
                detail = build_detail(error_type, message, ("body", "prompt"), self.prompt)
                return Failure(status, ModelFailure(detail=(detail,)))
            case FailRequest(status=status, error_type=error_type, message=message):
                return Failure(status, RequestFailure(detail=message, error_type=error_type))
        return self.work


class FalServer(JobServer[Call, FalFault]):
    """The stand-in's state: jobs, faults, calls, files."""

    def __init__(self, *, render_seconds: float, max_concurrent: int, clock: Callable[[], float]) -> None:
        super().__init__(render_seconds=render_seconds, clock=clock)
        self.max_concurrent = max_concurrent

    def reset(self) -> None:
        """Forget jobs, faults, calls and files."""
        super().reset()
        self.jobs: dict[str, Job] = {}
        self._expired_paths: set[str] = set()

    def accept(self, app: str, order: Order | Failure, fate: Fate | None) -> Job:
        """Take a request on; start its render, unless its model is going to refuse it."""
        work: Clip | Failure = order if isinstance(order, Failure) else self._start(order)
        file_path = f"/files/b/{secrets.token_hex(4)}/{secrets.token_urlsafe(16)}_output.mp4"
        job = Job(str(uuid.uuid4()), app, work, fate, file_path)
        self.jobs[job.id] = job
        self.count_accepted()
        return job

    def find(self, app: str, request_id: str) -> Job | None:
        """Give the request with this id, if it was made to this application."""
        job = self.jobs.get(request_id)
        return job if job is not None and job.app == app else None

    def cancel(self, job: Job) -> Cancellation:
        """Take a job out of the queue, or tell its runner to stop, which a model need not heed."""
        status = self.tell_status(job)
        if status == "COMPLETED":
            return Cancellation(status="ALREADY_COMPLETED")
        job.cancelled = status == "IN_QUEUE" or not isinstance(job.fate, IgnoreCancel)
        return Cancellation(status="OK" if status == "IN_QUEUE" else "CANCELLATION_REQUESTED")

    def tell_status(self, job: Job) -> Status:
        """Tell how a job stands now."""
        self._fill_places()
        return job.tell_status(self.clock(), self.render_seconds)

    def list_waiting(self) -> list[Job]:
        """Give the jobs that are in the queue, the next one first."""
        return [job for job, status in self._list_statuses() if status == "IN_QUEUE"]

    def count_in_flight(self) -> int:
        """Count the jobs that have not ended."""
        return sum(status != "COMPLETED" for _, status in self._list_statuses())

    def describe(self, job: Job, base_url: str) -> StatusView:
        """Give the job as fal would show it now; `base_url` is this server's, as the client sees it."""
        waiting = self.list_waiting()
        # Time goes on: whether it waits is asked once, so that it has a place wherever it is said to wait.
        status = "IN_QUEUE" if job in waiting else self.tell_status(job)
        outcome = job.find_outcome() if status == "COMPLETED" else None
        failure = outcome if isinstance(outcome, Failure) else None
        url = f"{base_url}/{job.app}/requests/{job.id}"
        return StatusView(
            status=status,
            request_id=job.id,
            gateway_request_id=job.id,
            response_url=url,
            status_url=f"{url}/status",
            cancel_url=f"{url}/cancel",
            queue_position=waiting.index(job) if job in waiting else None,
            logs=None if status == "IN_QUEUE" else (),
            metrics=Metrics(inference_time=self.render_seconds) if isinstance(outcome, Clip) else None,
            error=failure.message if failure else None,
            error_type=failure.error_type if failure else None,
        )

    def describe_result(self, job: Job, base_url: str) -> Output | Failure:
        """Give the result of a completed job."""
        outcome = job.find_outcome()
        if isinstance(outcome, Failure):
            return outcome
        size_bytes = outcome.render.result(timeout=0).path.stat().st_size
        name = job.file_path.rpartition("/")[2]
        video = File(url=base_url + job.file_path, file_name=name, file_size=size_bytes)
        return Output(video=video, seed=_SEED if outcome.order.tells_seed else None)

    def find_file(self, path: str) -> tuple[Job, Clip]:
        """Give the clip at this path, which nobody is told before it is there, and the job that made it."""
        for job in self.jobs.values():
            outcome = job.find_outcome()
            if job.file_path == path and path not in self._expired_paths and isinstance(outcome, Clip):
                return job, outcome
        raise ApiError(404, "File not found")

    def expire_file(self, path: str) -> None:
        """Let a file expire."""
        self._expired_paths.add(path)

    def _start(self, order: Order) -> Clip:
        render = self.renders.submit(order.prompt, width=order.width, height=order.height, seconds=order.seconds)
        return Clip(order, render)

    def _list_statuses(self) -> list[tuple[Job, Status]]:
        self._fill_places()
        now = self.clock()
        return [(job, job.tell_status(now, self.render_seconds)) for job in self.jobs.values()]

    def _fill_places(self) -> None:
        """Give the places that are free to the jobs that wait, in their order; the limit is the account's."""
        now = self.clock()
        taken = [job for job in self.jobs.values() if job.taken_at is not None]
        free = self.max_concurrent - sum(job.tell_status(now, self.render_seconds) != "COMPLETED" for job in taken)
        for job in self.jobs.values():
            if free > 0 and job.taken_at is None:
                job.taken_at = now
                free -= 1
