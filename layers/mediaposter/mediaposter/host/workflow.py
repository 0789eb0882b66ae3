"""Start the executions of videos and batches on this host, and resume those that wait.

The same names and the same public methods as `mediaposter.workflow` has over Step Functions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import BaseModel

from mediaposter.domain.executions import ExecutionStatus
from mediaposter.host.executions import Execution, Executions
from mediaposter.host.loop import Loop

VIDEO_MACHINE = "video"
BATCH_MACHINE = "batch"


class HostWorkflow:
    """Executions of the machine of videos, named by their video so that a start is safe to repeat."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    def start(self, video_id: str, launch: int = 0, posts: Sequence[BaseModel] = ()) -> None:
        """Start an execution that carries a video, or some posts of it; one that exists already is left as it is.

        Raises:
            NotStarted: it was perhaps not written down. It may run yet: its first step asks the record.
        """
        references = {"posts": [post.model_dump(mode="json") for post in posts]} if posts else {}
        given = json.dumps({"video_id": video_id, "launch": launch, **references})
        self._executions.start(Execution(VIDEO_MACHINE, _name_execution(video_id, launch), given))

    def find_status(self, video_id: str, launch: int = 0) -> ExecutionStatus | None:
        """Give the status of an execution; None if there is none."""
        return self._executions.find_status(VIDEO_MACHINE, _name_execution(video_id, launch))

    def stop(self, video_id: str, launch: int = 0) -> None:
        """Stop an execution of a video, if it runs."""
        self._executions.stop(VIDEO_MACHINE, _name_execution(video_id, launch))


def _name_execution(video_id: str, launch: int) -> str:
    return f"{video_id}-launch-{launch}" if launch else video_id


class HostBatchWorkflow:
    """Executions of the machine of batches, named by their batch and what they do for it."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    def start(self, batch_id: str, step: str, run: int) -> None:
        """Start an execution for a batch; one that exists already is left as it is.

        Raises:
            NotStarted: it was perhaps not written down. It may run yet: each step asks the record.
        """
        given = json.dumps({"batch_id": batch_id, "step": step})
        self._executions.start(Execution(BATCH_MACHINE, f"{batch_id}-{step}-{run}", given))

    def find_status(self, batch_id: str, step: str, run: int) -> ExecutionStatus | None:
        """Tell how such an execution stands; None if there is none."""
        return self._executions.find_status(BATCH_MACHINE, f"{batch_id}-{step}-{run}")


class HostTokens:
    """Executions that wait for a decision, known only by their tokens. A token ends with its wait or its process."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def signal(self, task_token: str, result: BaseModel) -> None:
        """Resume an execution that waits for a decision; does nothing if it no longer waits."""
        self._loop.send(task_token, result.model_dump(mode="json"))
