"""Start executions in Step Functions, and resume those that wait."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from mediaposter.domain.errors import NotStarted
from mediaposter.domain.executions import ExecutionStatus

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class StepFunctionsWorkflow:
    """Executions of one state machine, named by their video so that a start is safe to repeat."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn

    def start(self, video_id: str, launch: int = 0, posts: Sequence[BaseModel] = ()) -> None:
        """Start an execution that carries a video, or some posts of it; one that exists already is left as it is.

        Raises:
            NotStarted: the service did not confirm it. It may run yet: its first step asks the record.
        """
        references = {"posts": [post.model_dump() for post in posts]} if posts else {}
        try:
            self._client.start_execution(
                stateMachineArn=self._state_machine_arn,
                name=_name_execution(video_id, launch),
                input=json.dumps({"video_id": video_id, "launch": launch, **references}),
            )
        except self._client.exceptions.ExecutionAlreadyExists:
            return
        except (ClientError, BotoCoreError) as error:
            raise NotStarted(f"The execution of {video_id} was not started: {type(error).__name__}.") from error

    def find_status(self, video_id: str, launch: int = 0) -> ExecutionStatus | None:
        """Tell how an execution stands; None if the service shows none, which may be late (DescribeExecution).

        The service is eventually consistent: one that was just started may not be shown yet, and one that has just
        ended may be shown to run. What is shown to have ended has.
        """
        try:
            found = self._client.describe_execution(executionArn=self._give_arn(video_id, launch))
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return ExecutionStatus(found["status"])

    def stop(self, video_id: str, launch: int = 0) -> None:
        """Stop an execution of a video, if it runs."""
        arn = self._give_arn(video_id, launch)
        try:
            self._client.stop_execution(executionArn=arn, error="Deleted", cause="The video was deleted by its owner.")
        except self._client.exceptions.ExecutionDoesNotExist:
            return

    def _give_arn(self, video_id: str, launch: int) -> str:
        executions = self._state_machine_arn.replace(":stateMachine:", ":execution:")
        return f"{executions}:{_name_execution(video_id, launch)}"


def _name_execution(video_id: str, launch: int) -> str:
    """Name an execution by its video, so that a start is safe to repeat."""
    return f"{video_id}-launch-{launch}" if launch else video_id


class BatchExecutions:
    """Executions of the state machine of batches, named by their batch and what they do for it."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn

    def start(self, batch_id: str, step: str, run: int) -> None:
        """Start an execution for a batch; one that exists already is left as it is.

        Raises:
            NotStarted: the service did not confirm it. It may run yet: each step asks the record.
        """
        try:
            self._client.start_execution(
                stateMachineArn=self._state_machine_arn,
                name=f"{batch_id}-{step}-{run}",
                input=json.dumps({"batch_id": batch_id, "step": step}),
            )
        except self._client.exceptions.ExecutionAlreadyExists:
            return
        except (ClientError, BotoCoreError) as error:
            raise NotStarted(f"The execution of {batch_id} was not started: {type(error).__name__}.") from error

    def find_status(self, batch_id: str, step: str, run: int) -> ExecutionStatus | None:
        """Tell how such an execution stands; None if the service shows none, which may be late."""
        executions = self._state_machine_arn.replace(":stateMachine:", ":execution:")
        try:
            found = self._client.describe_execution(executionArn=f"{executions}:{batch_id}-{step}-{run}")
        except self._client.exceptions.ExecutionDoesNotExist:
            return None
        return ExecutionStatus(found["status"])


class TaskTokens:
    """Executions that wait for a decision, known by their tokens alone."""

    def __init__(self, client: SFNClient) -> None:
        self._client = client

    def signal(self, task_token: str, result: BaseModel) -> None:
        """Resume an execution that waits for a decision; does nothing if it no longer waits."""
        try:
            self._client.send_task_success(taskToken=task_token, output=result.model_dump_json())
        except (
            self._client.exceptions.TaskDoesNotExist,
            self._client.exceptions.TaskTimedOut,
            self._client.exceptions.InvalidToken,
        ):
            return  # it is over, or asks again and is answered then
