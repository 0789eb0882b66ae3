"""What the state machine is told, and what it may be answered."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mediaposter.usecases.steps import Outcome, StepInput, wait


@pytest.mark.parametrize(
    ("seconds", "wait_seconds"), [(0, 1), (-5, 1), (0.2, 1), (1.2, 2), (3599.5, 3600), (3601, 3600), (1e12, 3600)]
)
def test_a_wait_is_whole_seconds_between_one_and_an_hour(seconds: float, wait_seconds: int) -> None:
    result = wait(seconds)

    assert (result.outcome, result.wait_seconds) == (Outcome.WAIT, wait_seconds)


@pytest.mark.parametrize("payload", [{}, {"video_id": ""}, {"video_id": "v", "attempt": 0}, {"video_id": "v", "x": 1}])
def test_a_payload_the_machine_should_never_send_is_refused(payload: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StepInput.model_validate(payload)
