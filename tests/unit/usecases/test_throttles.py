"""A Lambda account that is full delays a video, and is no fault of it."""

from __future__ import annotations

from typing import Any

from tests.fakes.clock import Clock
from tests.fakes.effects import SimulatedCrash
from tests.fakes.state_machine import StateMachine, Status
from tests.fakes.world import DEFINITION

FAULTS_MAX = 6
THROTTLES_MAX = 20
THROTTLED = "Lambda.TooManyRequestsException"


def run(error: str, times: int) -> tuple[Status, list[Any]]:
    """Carry a video whose start breaks down so often; give how it ended, and with which faults it was closed."""
    closed: list[Any] = []
    left = times

    def start(_: dict[str, Any]) -> dict[str, Any]:
        nonlocal left
        left -= 1
        if left >= 0:
            raise SimulatedCrash(error)
        return {"outcome": "failed", "wait_seconds": 0, "posts": []}

    def close(payload: dict[str, Any]) -> dict[str, Any]:
        closed.append(payload["fault"])
        return {"outcome": "closed", "wait_seconds": 0, "posts": []}

    functions = {"${StartGenerationFunctionArn}": start, "${CloseVideoFunctionArn}": close}
    machine = StateMachine(DEFINITION, functions, Clock(), crash_error=error)
    return machine.run({"video_id": "video_1"}), closed


def test_a_start_that_is_throttled_for_a_while_is_taken_all_the_same() -> None:
    # The service's own retries take two of three.
    assert run(THROTTLED, 3 * (THROTTLES_MAX - 1)) == (Status.SUCCEEDED, [None])


def test_a_start_that_is_throttled_for_long_is_left_to_another_execution_and_is_no_fault() -> None:
    assert run(THROTTLED, 9 * THROTTLES_MAX) == (Status.SUCCEEDED, [])


def test_a_start_that_breaks_down_as_often_is_given_up() -> None:
    assert run("Runtime.ExitError", 10 * FAULTS_MAX) == (Status.FAILED, ["Runtime.ExitError"])
