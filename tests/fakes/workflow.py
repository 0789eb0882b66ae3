"""A state machine service that only remembers what it was asked to start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mediaposter.domain.errors import NotStarted
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.usecases.steps import LAUNCH, PostReference, StepResult
from tests.fakes.effects import Effects


class FakeWorkflow:
    """Starts executions in name.

    Attributes:
        executions: the videos that have one.
        postings: the posts of each execution that is about posts alone, by its name.
        signals: what was sent with each task token.
        stopped: those that were ended.
        over: how the executions ended that have.
        refuses: say that nothing was started.
        starts_anyway: start what it says it did not.
        on_start: what the execution does before the answer to its start is there.
        on_look: what happens before it tells whether there is an execution.
        on_stop: what happens before an execution is ended.
    """

    def __init__(
        self,
        effects: Effects | None = None,
        *,
        refuses: bool = False,
        starts_anyway: bool = False,
    ) -> None:
        self.executions: list[str] = []
        self.postings: dict[str, list[PostReference]] = {}
        self.signals: dict[str, StepResult] = {}
        self.stopped: list[str] = []
        self.over: dict[str, ExecutionStatus] = {}
        self.refuses = refuses
        self.starts_anyway = starts_anyway
        self.on_start: Callable[[], object] = _nothing
        self.on_look: Callable[[], object] = _nothing
        self.on_stop: Callable[[], object] = _nothing
        self._effects = effects or Effects()

    def start(self, video_id: str, launch: int = 0, posts: Sequence[PostReference] = ()) -> None:
        """Start an execution once, or refuse to; it may run all the same."""
        with self._effects.take("start the execution"):
            name = name_execution(video_id, launch)
            if name not in self.executions and (self.starts_anyway or not self.refuses):
                self.executions.append(name)
                if posts:
                    self.postings[name] = list(posts)
                self.on_start()
            if self.refuses:
                raise NotStarted(f"The execution of {video_id} was not started: ReadTimeoutError.")

    def signal(self, task_token: str, result: StepResult) -> None:
        """Carry an execution on."""
        with self._effects.take("signal the machine"):
            self.signals[task_token] = result

    def stop(self, video_id: str, launch: int = 0) -> None:
        """End an execution."""
        self.on_stop()
        name = name_execution(video_id, launch)
        self.stopped.append(name)
        if name in self.executions:
            self.over.setdefault(name, ExecutionStatus.ABORTED)

    def find_status(self, video_id: str, launch: int = 0) -> ExecutionStatus | None:
        """Tell how an execution stands."""
        self.on_look()
        name = name_execution(video_id, launch)
        if name not in self.executions:
            return None
        return self.over.get(name, ExecutionStatus.RUNNING)


def name_execution(video_id: str, launch: int) -> str:
    """Name an execution that carries a video."""
    return f"{video_id}{LAUNCH}{launch}" if launch else video_id


def _nothing() -> None:
    """Let nothing happen meanwhile."""
