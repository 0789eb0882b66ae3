"""A host that runs one machine: in virtual time, on the thread of the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from itertools import count
from typing import Any

from mediaposter.domain.executions import ExecutionStatus
from mediaposter.host.definition import Definition
from mediaposter.host.executions import Ended, Execution, Executions, ExecutionStore
from mediaposter.host.loop import Loop
from mediaposter.host.walker import Function, Services, WaitWrite, Walker
from tests.fakes.clock import Clock
from tests.fakes.state_machine import InlineExecutor

INVOKE = "arn:${Partition}:states:::lambda:invoke"
WAIT_WRITE: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:${Partition}:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken",
    "TimeoutSeconds": 60,
    "Arguments": {
        "TableName": "${LibraryTable}",
        "Key": {"pk": {"S": "JOB#sora#1"}, "sk": {"S": "WAIT"}},
        "UpdateExpression": "SET task_token = :token, #ttl = :ttl ADD version :one",
        "ConditionExpression": "attribute_not_exists(hinted_at)",
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ExpressionAttributeValues": {
            ":token": {"S": "{% $states.context.Task.Token %}"},
            ":ttl": {"N": "{% $string(1000) %}"},
            ":one": {"N": "1"},
        },
    },
}


def a_task(function: str = "work", payload: Any = None, **fields: Any) -> dict[str, Any]:
    """Give a state that invokes a function, and ends the machine unless it says what comes next."""
    task = {
        "Type": "Task",
        "Resource": INVOKE,
        "TimeoutSeconds": 60,
        "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}" if payload is None else payload},
        **fields,
    }
    return task if "Next" in task else {**task, "End": True}


def a_pass(**fields: Any) -> dict[str, Any]:
    """Give a state that only says something, and ends the machine unless it says what comes next."""
    state = {"Type": "Pass", **fields}
    return state if "Next" in state else {**state, "End": True}


def a_machine(timeout_seconds: int = 1_000_000, /, **states: Any) -> dict[str, Any]:
    """Give a machine that begins with the first of its states."""
    return {
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": timeout_seconds,
        "StartAt": next(iter(states)),
        "States": states,
    }


class InMemoryExecutions:
    """A store that is lost when its process ends."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Execution, ExecutionStatus]] = {}

    def insert(self, execution: Execution) -> bool:
        """Put an execution, unless it is there."""
        entry = (execution, ExecutionStatus.RUNNING)
        return self._kept.setdefault((execution.machine, execution.name), entry) is entry

    def find_status(self, machine: str, name: str) -> ExecutionStatus | None:
        """Give the status of an execution."""
        kept = self._kept.get((machine, name))
        return None if kept is None else kept[1]

    def finish(self, machine: str, name: str, status: ExecutionStatus) -> bool:
        """End an execution that is running."""
        kept = self._kept.get((machine, name))
        if kept is None or kept[1] is not ExecutionStatus.RUNNING:
            return False
        self._kept[machine, name] = (kept[0], status)
        return True

    def list_running(self) -> list[Execution]:
        """List those that are running."""
        return [execution for execution, status in list(self._kept.values()) if status is ExecutionStatus.RUNNING]


class Host:
    """Runs executions of one machine.

    Attributes:
        calls: what the function `work` was given, and each other that was not given.
        writes: the waits that were written down.
        ends: how executions ended.
        states: the states that were entered, and the retries.
        drawn: what each draw of chance gives.
    """

    def __init__(
        self,
        machine: Mapping[str, Any],
        *,
        functions: Mapping[str, Function] | None = None,
        objects: Mapping[str, bytes] | None = None,
        store: ExecutionStore | None = None,
        clock: Clock | None = None,
        pool: Executor | None = None,
        write_wait: Callable[[WaitWrite], bool] = lambda _: True,
        on_end: Callable[[Ended], object] = lambda _: None,
    ) -> None:
        self.calls: list[Any] = []
        self.writes: list[WaitWrite] = []
        self.ends: list[Ended] = []
        self.states: list[str] = []
        self.drawn = 0.5
        self.clock = clock or Clock()
        self.loop = Loop(self.clock, pool or InlineExecutor())
        self.store = store or InMemoryExecutions()
        self._on_end = on_end
        self._write_wait = write_wait
        numbers = count(1)
        walker = Walker(
            Definition.load(json.dumps(machine)),
            Services(
                functions={"work": self._note, **(functions or {})},
                write_wait=self._write,
                read_object=lambda _, key: (objects or {})[key],
            ),
            new_token=lambda: f"token-{next(numbers)}",
            random=lambda: self.drawn,
            on_state=lambda _, state: self.states.append(state),
        )
        self.executions = Executions({"machine": walker}, store=self.store, loop=self.loop, on_end=self._end)

    def start(self, given: Any = None, name: str = "one") -> None:
        """Start an execution, and carry it to its first wait."""
        self.executions.start(Execution("machine", name, json.dumps({} if given is None else given)))
        self.loop.run_ready()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and everything happen in it at its time."""
        until = self.clock.monotonic() + seconds
        while self.loop.next_at is not None and self.loop.next_at.timestamp() <= until:
            self.clock.advance(max(self.loop.next_at.timestamp() - self.clock.monotonic(), 0))
            self.loop.run_ready()
        self.clock.advance(until - self.clock.monotonic())

    def run(self, given: Any = None) -> ExecutionStatus | None:
        """Carry an execution to its end, however long it takes; tell how it ended."""
        self.start(given)
        while self.ends == [] and self.loop.next_at is not None:
            self.pass_time(max((self.loop.next_at - self.clock()).total_seconds(), 0))
        return self.find_status()

    def find_status(self, name: str = "one") -> ExecutionStatus | None:
        """Tell how an execution stands."""
        return self.executions.find_status("machine", name)

    def send(self, answer: Any, token: str = "token-1") -> None:
        """Answer with a token."""
        self.loop.send(token, answer)
        self.loop.run_ready()

    def _note(self, payload: Any) -> Any:
        self.calls.append(payload)
        return payload

    def _write(self, write: WaitWrite) -> bool:
        self.writes.append(write)
        return self._write_wait(write)

    def _end(self, ended: Ended) -> None:
        self.ends.append(ended)
        self._on_end(ended)
