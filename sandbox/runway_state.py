"""What the stand-in for Runway's API remembers: tasks, faults, calls, the addresses it gave out."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from sandbox.calls import Call
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
    OnRetrieve,
    Respond,
    Script,
    Stall,
    Truncate,
    TruncateSilently,
)
from sandbox.render import RenderedVideo
from sandbox.runway_wire import (
    MODELS,
    ApiError,
    CancelledTask,
    Credits,
    FailedTask,
    ModelLimits,
    ModelUsage,
    Order,
    Organization,
    RunningTask,
    SucceededTask,
    TaskView,
    Tier,
    Usage,
    WaitingTask,
)

# Runway's last between this and the double: docs.dev.runwayml.com/assets/outputs.
OUTPUT_LIFETIME_SECONDS = 24 * 3600
# What was blocked is charged; any other failure is paid back.
_CHARGED_FAILURES = ("SAFETY", "INPUT_PREPROCESSING.SAFETY")
_CREDITS_BOUGHT = 100_000
_MAX_DAILY_GENERATIONS = 1000
_DAY_SECONDS = 24 * 3600

Status = Literal["THROTTLED", "PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]


class FailTask(Closed):
    """Accept the task, and let it fail where it would have succeeded. The code may be null, as Runway's may."""

    type: Literal["fail"] = "fail"
    failure: str = "The task failed."
    failure_code: str | None = Field(default=None, validation_alias=AliasChoices("failureCode", "failure_code"))


class CancelTask(Closed):
    """Accept the task, and let somebody stop it where it would have succeeded."""

    type: Literal["cancelled"] = "cancelled"


class ThrottleTask(Closed):
    """Accept the task, and hold it back for so long, as if others were in its way."""

    type: Literal["throttled_for"] = "throttled_for"
    seconds: float = Field(gt=0)


class ExpiredUrl(Closed):
    """Answer 403 from now on at the address that was asked for; the task's next answer has another."""

    type: Literal["expired_url"] = "expired_url"


class OnCreate(FaultRule):
    """A fault of the call that starts a task, or of the task it starts."""

    on: Literal["create"] = "create"
    action: Annotated[
        Respond
        | Delay
        | Drop
        | AcceptThenDrop
        | AcceptThenRespond
        | FailTask
        | NeverFinish
        | CancelTask
        | ThrottleTask,
        Field(discriminator="type"),
    ]


class OnContent(FaultRule):
    """A fault of the call that fetches an output."""

    on: Literal["content"] = "content"
    action: Annotated[
        Respond | Delay | Drop | Truncate | TruncateSilently | NotMp4 | Stall | ExpiredUrl,
        Field(discriminator="type"),
    ]


RunwayFault = OnCreate | OnRetrieve | OnContent


class RunwayFaultScript(Script[Annotated[RunwayFault, Field(discriminator="on")]]):
    """The script of this stand-in."""


Fate = FailTask | NeverFinish | CancelTask | ThrottleTask


@dataclass(slots=True)
class Task:
    """An accepted task. How it stands follows from the clock, its render, its fate, and when it got a place."""

    id: str
    order: Order
    created_at: float
    render: Future[RenderedVideo]
    fate: Fate | None
    enqueued_at: float | None = None

    @property
    def held_until(self) -> float:
        """Give the moment before which it gets no place."""
        return self.created_at + (self.fate.seconds if isinstance(self.fate, ThrottleTask) else 0)

    def tell_status(self, now: float, render_seconds: float) -> Status:
        """Tell how the task stands."""
        if self.enqueued_at is None:
            return "THROTTLED"
        age_seconds = now - self.enqueued_at
        if age_seconds <= render_seconds / 10:
            return "PENDING"
        if age_seconds < render_seconds or not self.render.done() or isinstance(self.fate, NeverFinish):
            return "RUNNING"
        if isinstance(self.fate, FailTask):
            return "FAILED"
        return "CANCELLED" if isinstance(self.fate, CancelTask) else "SUCCEEDED"

    def tell_progress(self, now: float, render_seconds: float) -> float:
        """Tell how far a task that has a place is, from 0 to 1."""
        age_seconds = now - (now if self.enqueued_at is None else self.enqueued_at)
        return min(0.99, round(age_seconds / max(age_seconds, render_seconds), 2))

    def charge(self, status: Status) -> int:
        """Give the credits it costs: those it was estimated at, unless it failed for no fault of the client's."""
        if status == "FAILED" and isinstance(self.fate, FailTask):
            is_charged = (self.fate.failure_code or "").startswith(_CHARGED_FAILURES)
            return self.order.credits if is_charged else 0
        return self.order.credits


class RunwayServer(JobServer[Call, RunwayFault]):
    """The stand-in's state: tasks, faults, calls, addresses of outputs."""

    def __init__(self, *, render_seconds: float, max_concurrent: int, clock: Callable[[], float]) -> None:
        super().__init__(render_seconds=render_seconds, clock=clock)
        self.max_concurrent = max_concurrent

    def reset(self) -> None:
        """Forget tasks, faults, calls and addresses."""
        super().reset()
        self.tasks: dict[str, Task] = {}
        # What tasks that are gone have cost, and when tasks were accepted, by model.
        self._credits_of_deleted = 0
        self._accepted: list[tuple[str, float]] = []
        # The tokens given out, with the task each is for and when it expires.
        self._tokens: dict[str, tuple[str, float]] = {}

    def accept(self, order: Order, fate: Fate | None) -> Task:
        """Take a task on and start its render."""
        render = self.renders.submit(order.prompt, width=order.width, height=order.height, seconds=order.seconds)
        task = Task(str(uuid.uuid4()), order, self.clock(), render, fate)
        self.tasks[task.id] = task
        self._accepted.append((order.model, task.created_at))
        self.count_accepted()
        return task

    def find(self, task_id: str) -> Task:
        """Give the task with this id."""
        if task_id not in self.tasks:
            raise ApiError(404, "The task does not exist.")
        return self.tasks[task_id]

    def describe(self, task: Task, base_url: str) -> TaskView:
        """Give the task as Runway would show it now, with fresh addresses under `base_url`."""
        self._fill_places()
        status = self._tell_status(task)
        created_at = datetime.fromtimestamp(task.created_at, UTC)
        estimated_cost, cost = Credits(credits=task.order.credits), Credits(credits=task.charge(status))
        if status in ("THROTTLED", "PENDING"):
            return WaitingTask(id=task.id, created_at=created_at, status=status, estimated_cost=estimated_cost)
        if status == "RUNNING":
            progress = task.tell_progress(self.clock(), self.render_seconds)
            return RunningTask(id=task.id, created_at=created_at, progress=progress, estimated_cost=estimated_cost)
        if isinstance(task.fate, FailTask):
            failure, failure_code = task.fate.failure, task.fate.failure_code
            return FailedTask(id=task.id, created_at=created_at, failure=failure, failure_code=failure_code, cost=cost)
        if isinstance(task.fate, CancelTask):
            return CancelledTask(id=task.id, created_at=created_at, cost=cost)
        url = f"{base_url}/outputs/{task.id}/0.mp4?_jwt={self._issue_token(task)}"
        return SucceededTask(id=task.id, created_at=created_at, output=(url,), cost=cost)

    def remove(self, task: Task) -> None:
        """Cancel a task that has not ended, or delete one that has; only one that never ran is paid back."""
        self._fill_places()
        status = self._tell_status(task)
        if status not in ("THROTTLED", "PENDING"):
            self._credits_of_deleted += task.charge(status)
        del self.tasks[task.id]

    def check_token(self, task: Task, token: str) -> None:
        """Refuse a token that is not the task's, has expired, or was revoked."""
        task_id, expires_at = self._tokens.get(token, ("", 0.0))
        if task_id != task.id or self.clock() >= expires_at:
            raise ApiError(403, "The URL has expired or its signature is wrong.")

    def revoke_token(self, token: str) -> None:
        """Let an address expire."""
        self._tokens.pop(token, None)

    def describe_organization(self) -> Organization:
        """Give the organization: what it has left, what it may do, what it did in the past day."""
        self._fill_places()
        spent = sum(task.charge(self._tell_status(task)) for task in self.tasks.values()) + self._credits_of_deleted
        today = [model for model, accepted_at in self._accepted if self.clock() - accepted_at < _DAY_SECONDS]
        limits = ModelLimits(
            max_concurrent_generations=self.max_concurrent, max_daily_generations=_MAX_DAILY_GENERATIONS
        )
        return Organization(
            credit_balance=_CREDITS_BOUGHT - spent,
            tier=Tier(max_monthly_credit_spend=_CREDITS_BOUGHT, models=dict.fromkeys(MODELS, limits)),
            usage=Usage(models={model: ModelUsage(daily_generations=today.count(model)) for model in MODELS}),
        )

    def count_in_flight(self) -> int:
        """Count the tasks that have not ended, those that wait among them."""
        self._fill_places()
        return sum(self._tell_status(task) in ("THROTTLED", "PENDING", "RUNNING") for task in self.tasks.values())

    def _tell_status(self, task: Task) -> Status:
        return task.tell_status(self.clock(), self.render_seconds)

    def _fill_places(self) -> None:
        """Give the places that are free to the tasks that wait, in their order; the limit is each model's own."""
        now = self.clock()
        busy = [task.order.model for task in self.tasks.values() if self._tell_status(task) in ("PENDING", "RUNNING")]
        for task in self.tasks.values():
            is_waiting = task.enqueued_at is None and now >= task.held_until
            if is_waiting and busy.count(task.order.model) < self.max_concurrent:
                task.enqueued_at = now
                busy.append(task.order.model)

    def _issue_token(self, task: Task) -> str:
        """Make a token that looks like a signed one; what it is good for is remembered here."""
        expires_at = self.clock() + OUTPUT_LIFETIME_SECONDS
        header = _encode({"alg": "HS256", "typ": "JWT"})
        payload = _encode({"keyHash": secrets.token_hex(8), "bucket": "sandbox", "exp": int(expires_at)})
        token = f"{header}.{payload}.{secrets.token_urlsafe(32)}"
        self._tokens[token] = (task.id, expires_at)
        return token


def _encode(claims: dict[str, str | int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
