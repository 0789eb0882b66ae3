"""The way of a batch through statemachine/batch.asl.json: which steps it takes, and what a fault of one leads to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mediaposter.domain.errors import RateExceeded
from mediaposter.stores.batch_files import parts_key
from mediaposter.stores.batches import BatchStep
from mediaposter.usecases.batches.rows import BatchOutcome
from tests.fakes.clock import Clock
from tests.fakes.effects import SimulatedCrash
from tests.fakes.state_machine import StateMachine, Status
from tests.fakes.world import BATCH_DEFINITION

BATCH = {"batch_id": "batch_1"}
PARTS = [{"batch_id": "batch_1", "part": part, "first_byte": 100 * part, "size_bytes": 100} for part in range(3)]


class Machine:
    """The shipped machine over functions that note what they are given.

    Attributes:
        outcomes: what Read Rows and Finish Submitting answer.
        faults: what a step raises each time it is given this.
        has_parts: that the file of the parts can be read.
        calls: the steps that were taken, and with what.
    """

    def __init__(self) -> None:
        self.outcomes = {"read_rows": BatchOutcome.READ, "finish_submitting": BatchOutcome.TAKEN}
        self.faults: dict[tuple[str, int | None], list[BaseException]] = {}
        self.has_parts = True
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.clock = Clock()

    def run(self, step: BatchStep) -> Status:
        """Carry an execution to its end."""
        functions = {"${RunBatchStepFunctionArn}": self._call}
        machine = StateMachine(BATCH_DEFINITION, functions, self.clock, read_items=self._read)
        return machine.run({**BATCH, "step": str(step)})

    def _call(self, event: dict[str, Any]) -> dict[str, str] | None:
        name, given = event["step"], {field: value for field, value in event.items() if field != "step"}
        left = self.faults.get((name, given.get("part")), [])
        if left:
            raise left.pop(0)
        self.calls.append((name, given))
        return {"outcome": str(self.outcomes[name])} if name in self.outcomes else None

    def _read(self, arguments: Mapping[str, Any]) -> list[Any]:
        assert arguments == {"Bucket": "${VideoBucket}", "Key": parts_key("batch_1")}
        if not self.has_parts:
            raise FileNotFoundError(arguments["Key"])
        return PARTS


READ, CLOSE, RESULTS = ("read_rows", BATCH), ("finish_submitting", BATCH), ("write_results", BATCH)
TAKE, CANCEL = ([(name, part) for part in PARTS] for name in ("submit_chunk", "cancel_part"))


@pytest.mark.parametrize(
    ("step", "calls"),
    [
        (BatchStep.TAKE, [READ, *TAKE, CLOSE]),
        (BatchStep.CLOSE, [CLOSE]),
        (BatchStep.CANCEL, CANCEL),
        (BatchStep.RESULTS, [RESULTS]),
    ],
)
def test_an_execution_takes_the_steps_of_its_stretch(step: BatchStep, calls: list[Any]) -> None:
    machine = Machine()

    assert machine.run(step) is Status.SUCCEEDED
    assert machine.calls == calls


def test_a_file_that_cannot_be_understood_is_not_taken() -> None:
    machine = Machine()
    machine.outcomes["read_rows"] = BatchOutcome.OVER

    assert machine.run(BatchStep.TAKE) is Status.SUCCEEDED
    assert machine.calls == [READ]


def test_a_batch_that_was_cancelled_while_it_was_taken_is_cancelled_afterwards() -> None:
    machine = Machine()
    machine.outcomes["finish_submitting"] = BatchOutcome.CANCELLED

    machine.run(BatchStep.TAKE)

    assert machine.calls == [READ, *TAKE, CLOSE, *CANCEL]


@pytest.mark.parametrize(
    ("step", "name", "end"), [(BatchStep.TAKE, "submit_chunk", [CLOSE]), (BatchStep.CANCEL, "cancel_part", [])]
)
def test_parts_that_break_down_for_good_hold_up_no_other(step: BatchStep, name: str, end: list[Any]) -> None:
    machine = Machine()
    machine.faults = {(name, part): [SimulatedCrash(name)] * 99 for part in (0, 1)}

    assert machine.run(step) is Status.SUCCEEDED
    assert [call for call in machine.calls if call != READ] == [(name, PARTS[2]), *end]


def test_a_part_waits_for_room_in_the_minutes_of_its_key() -> None:
    machine = Machine()
    machine.faults = {("submit_chunk", 1): [RateExceeded("full", retry_after_seconds=1)] * 500}

    assert machine.run(BatchStep.TAKE) is Status.SUCCEEDED
    # It holds up no other part meanwhile.
    assert machine.calls == [READ, TAKE[0], TAKE[2], TAKE[1], CLOSE]


@pytest.mark.parametrize("broken", ["the rows", "the parts"])
def test_rows_that_cannot_be_read_are_counted_as_not_taken(broken: str) -> None:
    machine = Machine()
    machine.has_parts = broken != "the parts"
    machine.faults = {("read_rows", None): [SimulatedCrash(broken)] * 99} if broken == "the rows" else {}

    assert machine.run(BatchStep.TAKE) is Status.SUCCEEDED
    assert machine.calls[-1] == CLOSE
    assert not set(map(str, machine.calls)) & set(map(str, TAKE))


@pytest.mark.parametrize(
    ("step", "name"), [(BatchStep.CLOSE, "finish_submitting"), (BatchStep.RESULTS, "write_results")]
)
def test_a_batch_that_cannot_be_counted_or_written_fails(step: BatchStep, name: str) -> None:
    machine = Machine()
    machine.faults = {(name, None): [SimulatedCrash(name)] * 99}

    assert machine.run(step) is Status.FAILED
    assert machine.calls == []


def test_videos_that_cannot_be_listed_are_not_called_cancelled() -> None:
    machine = Machine()
    machine.has_parts = False

    assert machine.run(BatchStep.CANCEL) is Status.FAILED
