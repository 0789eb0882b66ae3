"""The shipped machines on a host: their functions, and what follows an end."""

from __future__ import annotations

import pytest

from mediaposter.domain.executions import ExecutionStatus
from mediaposter.host.definition import Definition
from mediaposter.host.executions import Ended, Execution
from mediaposter.host.machines import follow_end, list_batch_functions, list_video_functions, read_definition
from mediaposter.stores.video_stages import Stage
from tests.builders import VIDEO_ID, a_caller, a_video
from tests.fakes.world import World

FUNCTIONS = {"video": list_video_functions, "batch": list_batch_functions}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_host_has_exactly_the_functions_that_the_machine_names(name: str) -> None:
    named = Definition.load(read_definition(name)).list_functions()

    assert set(FUNCTIONS[name](World().stack)) == named


@pytest.mark.parametrize(
    ("machine", "status", "is_closed"),
    [
        ("video", ExecutionStatus.FAILED, True),
        ("video", ExecutionStatus.TIMED_OUT, True),
        ("video", ExecutionStatus.ABORTED, True),
        ("video", ExecutionStatus.SUCCEEDED, False),
        ("batch", ExecutionStatus.FAILED, False),
    ],
)
def test_a_video_whose_execution_broke_off_is_closed_with_the_reason(
    machine: str, status: ExecutionStatus, *, is_closed: bool
) -> None:
    world = World()
    world.video_store.create(a_video(stage=Stage.RENDERING), [])

    follow_end(world.stack, Ended(Execution(machine, VIDEO_ID, "{}"), status))

    expected = f"execution {status}" if is_closed else None
    assert world.video_store.get(VIDEO_ID, caller=a_caller()).fault == expected
