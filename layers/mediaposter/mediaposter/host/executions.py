"""Executions of the state machines: started once under a name, restarted with the host, reported when they end.

The store records which executions exist and how they ended, but not their current state. Every step reads the records
before it acts, so a restarted execution continues where the records are (docs/decisions/0030).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from mediaposter.domain.executions import ExecutionStatus
from mediaposter.host.expressions import StatesError
from mediaposter.host.loop import Loop, Strand, Timer
from mediaposter.host.walker import Walker

logger = logging.getLogger(__name__)

_WRITTEN_AGAIN_AFTER_SECONDS = 5.0


class Execution(NamedTuple):
    """The machine, name and input of an execution. `input` is JSON."""

    machine: str
    name: str
    input: str


class Ended(NamedTuple):
    """How an execution ended. `error` and `cause` are empty if it did not fail."""

    execution: Execution
    status: ExecutionStatus
    error: str = ""
    cause: str = ""


class ExecutionStore(Protocol):
    """A table of machine, name, input and status, with machine and name as its key. Called from any thread.

    A write that fails raises, and changes nothing.
    """

    def insert(self, execution: Execution) -> bool:
        """Put an execution as RUNNING, on disk, unless one of its machine and name is there; tell whether it was put.

        Raises:
            NotStarted: it is unknown whether it was put.
        """
        ...

    def find_status(self, machine: str, name: str) -> ExecutionStatus | None:
        """Give the status of an execution."""
        ...

    def finish(self, machine: str, name: str, status: ExecutionStatus) -> bool:
        """Change the status of an execution that is RUNNING; tell whether it was."""
        ...

    def list_running(self) -> list[Execution]:
        """List the executions that are RUNNING, the oldest first."""
        ...


class _Live(NamedTuple):
    execution: Execution
    strand: Strand
    deadline: Timer


class Executions:
    """All executions of this process. `start`, `stop` and `find_status` may be called from any thread.

    Args:
        walkers: the machines by their names.
        store: records the executions.
        loop: runs them.
        on_end: called at every end, in the pool, before the end is recorded: at least once, and again after a crash
            between the two. What it raises is logged and ends nothing.
    """

    def __init__(
        self,
        walkers: Mapping[str, Walker],
        *,
        store: ExecutionStore,
        loop: Loop,
        on_end: Callable[[Ended], object],
    ) -> None:
        self._walkers = walkers
        self._store = store
        self._loop = loop
        self._on_end = on_end
        self._live: dict[tuple[str, str], _Live] = {}

    def resume(self) -> int:
        """Restart every execution that the store has as RUNNING, once, when the host starts; give their number."""
        running = self._store.list_running()
        for execution in running:
            self._loop.post(partial(self._begin, execution))
        return len(running)

    def start(self, execution: Execution) -> None:
        """Start an execution; one that exists already is left as it is.

        Raises:
            NotStarted: it may not be recorded.
        """
        if self._store.insert(execution):
            self._loop.post(partial(self._begin, execution))

    def find_status(self, machine: str, name: str) -> ExecutionStatus | None:
        """Give the status of an execution; None if there is none."""
        return self._store.find_status(machine, name)

    def stop(self, machine: str, name: str) -> None:
        """Stop an execution, if it runs. A running step finishes, and its result is dropped."""
        if self._store.finish(machine, name, ExecutionStatus.ABORTED):
            self._loop.post(partial(self._abort, machine, name))

    def _begin(self, execution: Execution) -> None:
        key = (execution.machine, execution.name)
        # It may have been stopped since it was listed.
        if key in self._live or self._store.find_status(*key) is not ExecutionStatus.RUNNING:
            return
        walker = self._walkers[execution.machine]
        walk = walker.walk(execution.name, json.loads(execution.input))
        strand = Strand(self._loop, walk, partial(self._see_end, execution))
        deadline = self._loop.after(walker.timeout_seconds, partial(self._time_out, execution))
        self._live[key] = _Live(execution, strand, deadline)
        strand.begin()

    def _forget(self, machine: str, name: str) -> _Live | None:
        live = self._live.pop((machine, name), None)
        if live is not None:
            self._loop.cancel(live.deadline)
        return live

    def _see_end(self, execution: Execution, _output: Any, error: StatesError | None) -> None:
        self._forget(execution.machine, execution.name)
        if error is None:
            self._end(Ended(execution, ExecutionStatus.SUCCEEDED))
        else:
            self._end(Ended(execution, ExecutionStatus.FAILED, error.name, error.cause))

    def _time_out(self, execution: Execution) -> None:
        live = self._forget(execution.machine, execution.name)
        if live is not None:
            live.strand.cancel()
            cause = "It took longer than its machine allows."
            self._end(Ended(execution, ExecutionStatus.TIMED_OUT, "States.Timeout", cause))

    def _abort(self, machine: str, name: str) -> None:
        live = self._forget(machine, name)
        if live is not None:
            live.strand.cancel()
            self._loop.pool.submit(self._tell, Ended(live.execution, ExecutionStatus.ABORTED))

    def _end(self, ended: Ended) -> None:
        def follow() -> None:
            self._tell(ended)
            self._write_down(ended)

        self._loop.pool.submit(follow)

    def _tell(self, ended: Ended) -> None:
        try:
            self._on_end(ended)
        except Exception:
            logger.exception("What follows the end of %s broke down", ended.execution.name)

    def _write_down(self, ended: Ended) -> None:
        try:
            self._store.finish(ended.execution.machine, ended.execution.name, ended.status)
        except Exception:
            logger.exception("The end of %s was not written down; it is tried again", ended.execution.name)
            again = partial(self._loop.pool.submit, self._write_down, ended)
            self._loop.post(lambda: self._loop.after(_WRITTEN_AGAIN_AFTER_SECONDS, again))
