"""Build the state machines of a host: the shipped definitions, whose functions call the use cases of its stack."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from mediaposter.host.definition import Definition
from mediaposter.host.executions import Ended
from mediaposter.host.walker import Function, Services, Walker
from mediaposter.host.workflow import BATCH_MACHINE, VIDEO_MACHINE
from mediaposter.usecases.steps import (
    AwaitApprovalInput,
    CheckInput,
    CloseInput,
    PostStepInput,
    StepInput,
)
from mediaposter.wire.batches import BatchStepInput, PartLine

if TYPE_CHECKING:
    from mediaposter.host.bucket import FolderBucket
    from mediaposter.host.table import SqliteTable
    from mediaposter.stack import Stack

# In a checkout; a wheel has them beside this module.
_CHECKOUT = Path(__file__).parents[4] / "statemachine"


def build_walkers(stack: Stack, table: SqliteTable, bucket: FolderBucket) -> dict[str, Walker]:
    """Build the walker of each machine."""
    return {
        name: Walker(
            Definition.load(read_definition(name)),
            Services(functions=functions, write_wait=table.write_wait, read_object=lambda _, key: bucket.read(key)),
            new_token=lambda: secrets.token_urlsafe(32),
        )
        for name, functions in (
            (VIDEO_MACHINE, list_video_functions(stack)),
            (BATCH_MACHINE, list_batch_functions(stack)),
        )
    }


def read_definition(name: str) -> str:
    """Read a shipped definition."""
    shipped = resources.files("mediaposter.host").joinpath("statemachine", f"{name}.asl.json")
    found = shipped if shipped.is_file() else _CHECKOUT / f"{name}.asl.json"
    return found.read_text(encoding="utf-8")


def list_video_functions(stack: Stack) -> Mapping[str, Function]:
    """List the functions that the machine of videos names, as template.yaml substitutes them."""
    return {
        "${StartGenerationFunctionArn}": _step(StepInput, lambda: stack.start_generation),
        "${CheckGenerationFunctionArn}": _step(CheckInput, lambda: stack.check_generation),
        "${StoreVideoFunctionArn}": _step(StepInput, lambda: stack.store_video),
        "${AwaitApprovalFunctionArn}": _step(AwaitApprovalInput, lambda: stack.await_approval),
        "${CreatePostFunctionArn}": _step(PostStepInput, lambda: stack.create_post),
        "${CheckPostFunctionArn}": _step(PostStepInput, lambda: stack.check_post),
        "${CloseVideoFunctionArn}": _step(CloseInput, lambda: stack.close_video),
    }


def list_batch_functions(stack: Stack) -> Mapping[str, Function]:
    """List the functions that the machine of batches names: one, whose payload names the step."""
    steps = {
        "read_rows": _batch_step(lambda: stack.read_rows),
        "submit_chunk": _step(PartLine, lambda: stack.submit_chunk),
        "finish_submitting": _batch_step(lambda: stack.finish_submitting),
        "write_results": _batch_step(lambda: stack.write_results),
        "cancel_part": _step(PartLine, lambda: stack.cancel_part),
    }
    return {"${RunBatchStepFunctionArn}": lambda payload: steps[payload["step"]](payload)}


def follow_end(stack: Stack, ended: Ended) -> None:
    """Close a video whose execution broke off, as the rule ExecutionBrokeOff of template.yaml does."""
    if ended.execution.machine == VIDEO_MACHINE and ended.status != "SUCCEEDED":
        closing = CloseInput.model_validate({"execution": ended.execution.name, "fault": f"execution {ended.status}"})
        stack.close_video(closing)


def _step(model: type[BaseModel], use_case: Callable[[], Callable[[Any], BaseModel | None]]) -> Function:
    """Read a step's payload, take the step, and write its result as JSON; the use case is built when it is needed."""

    def invoke(payload: Any) -> Any:
        result = use_case()(model.model_validate(payload))
        return None if result is None else result.model_dump(mode="json")

    return invoke


def _batch_step(use_case: Callable[[], Callable[[str], BaseModel | None]]) -> Function:
    """The same for a step that takes the id of its batch."""
    return _step(BatchStepInput, lambda: lambda step: use_case()(step.batch_id))
