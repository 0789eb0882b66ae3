"""A state machine service that only remembers what it was asked to start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mediaposter.errors import NotStarted
from mediaposter.pipeline.steps import PostReference, StepResult
from tests.fakes.effects import Effects


class FakeWorkflow:
    """Starts executions in name.

    Attributes:
        executions: the videos that have one.
        postings: the posts of each execution that posts a video again, by its name.
        signals: what was sent with each task token.
        stopped: those that were ended.
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
        self.refuses = refuses
        self.starts_anyway = starts_anyway
        self.on_start: Callable[[], object] = _nothing
        self.on_look: Callable[[], object] = _nothing
        self.on_stop: Callable[[], object] = _nothing
        self._effects = effects or Effects()

    def start(self, video_id: str) -> None:
        """Start an execution once, or refuse to; it may run all the same."""
        with self._effects.take("start the execution"):
            if video_id not in self.executions and (self.starts_anyway or not self.refuses):
                self.executions.append(video_id)
                self.on_start()
            if self.refuses:
                raise NotStarted(f"The execution of {video_id} was not started: ReadTimeoutError.")

    def start_posting(self, video_id: str, run: int, posts: Sequence[PostReference]) -> None:
        """Start an execution for posts once, or refuse to."""
        with self._effects.take("start posting"):
            if self.refuses:
                raise NotStarted(f"The posts of {video_id} were not started: ReadTimeoutError.")
            self.postings.setdefault(f"{video_id}-posts-{run}", list(posts))

    def signal(self, task_token: str, result: StepResult) -> None:
        """Carry an execution on."""
        with self._effects.take("signal the machine"):
            self.signals[task_token] = result

    def stop(self, video_id: str) -> None:
        """End an execution."""
        self.on_stop()
        self.stopped.append(video_id)

    def exists(self, video_id: str) -> bool:
        """Tell whether a video ever had an execution."""
        self.on_look()
        return video_id in self.executions


def _nothing() -> None:
    """Let nothing happen meanwhile."""
