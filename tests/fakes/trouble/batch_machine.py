"""Walks statemachine/batch.asl.json, as far as it uses the language: JSONPath, and maps over the lines of a file."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tests.fakes.effects import SimulatedCrash
from tests.fakes.state_machine import Function, StatesError, Status

DEFINITION = Path(__file__).parents[3] / "statemachine" / "batch.asl.json"

# Gives the parts of a batch, as its file lists them.
ReadParts = Callable[[str], list[dict[str, Any]]]
Walk = Generator[float, None, Any]


class BatchMachine:
    """The definition, and the functions that its tasks name."""

    def __init__(self, functions: Mapping[str, Function], read_parts: ReadParts, *, crash_error: str) -> None:
        self._functions = functions
        self._read_parts = read_parts
        self._crash_error = crash_error

    def walk(self, given: dict[str, Any]) -> Generator[float, None, Status]:
        """Carry an execution on from wait to wait."""
        try:
            yield from self._walk(_read(), dict(given))
        except StatesError:
            return Status.FAILED
        return Status.SUCCEEDED

    def _walk(self, machine: Mapping[str, Any], given: dict[str, Any]) -> Walk:
        name: str | None = machine["StartAt"]
        while name is not None:
            state = machine["States"][name]
            kind = state["Type"]
            if kind == "Fail":
                raise StatesError(state["Error"])
            if kind == "Choice":
                name = next(
                    (
                        choice["Next"]
                        for choice in state["Choices"]
                        if _find(given, choice["Variable"]) == choice["StringEquals"]
                    ),
                    state["Default"],
                )
                continue
            if kind == "Succeed":
                return
            assert kind in ("Task", "Map"), kind
            try:
                answer = yield from (self._call(state, given) if kind == "Task" else self._map(state, given))
            except StatesError:
                [catcher] = state.get("Catch") or [None]
                if catcher is None:
                    raise
                assert catcher["ErrorEquals"] == ["States.ALL"]
                name = catcher["Next"]
                continue
            if state.get("ResultPath") == "$.result":
                assert state["ResultSelector"] == {"outcome.$": "$.Payload.outcome"}
                given["result"] = {"outcome": answer["outcome"]}
            name = state.get("Next")

    def _call(self, state: Mapping[str, Any], given: dict[str, Any]) -> Walk:
        parameters = state["Parameters"]
        payload = given if parameters.get("Payload.$") == "$" else {"batch_id": given["batch_id"]}
        tries = [0] * len(state["Retry"])
        while True:
            try:
                return (yield from self._invoke(self._functions[parameters["FunctionName"]], payload))
            except StatesError as error:
                number = next(
                    index
                    for index, retrier in enumerate(state["Retry"])
                    if error.name in retrier["ErrorEquals"] or "States.ALL" in retrier["ErrorEquals"]
                )
                retrier = state["Retry"][number]
                if tries[number] >= retrier["MaxAttempts"]:
                    raise
                delay = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** tries[number]
                tries[number] += 1
                yield min(delay, retrier["MaxDelaySeconds"])

    def _invoke(self, function: Function, payload: dict[str, Any]) -> Walk:
        try:
            answer = function(payload)
            return (yield from answer) if isinstance(answer, Generator) else answer
        except SimulatedCrash as crash:
            raise StatesError(self._crash_error) from crash
        except (AssertionError, StatesError):
            raise
        except Exception as error:
            raise StatesError(type(error).__name__) from error

    def _map(self, state: Mapping[str, Any], given: dict[str, Any]) -> Walk:
        assert state["ToleratedFailurePercentage"] == 100
        try:
            parts = self._read_parts(given["batch_id"])
        except Exception as error:
            raise StatesError("States.ItemReaderFailed") from error
        for part in parts:
            try:
                yield from self._walk(state["ItemProcessor"], part)
            except StatesError:
                continue  # as many may fail as there are


@cache
def _read() -> dict[str, Any]:
    return TypeAdapter(dict[str, Any]).validate_json(DEFINITION.read_bytes())


def _find(given: Mapping[str, Any], path: str) -> Any:
    found: Any = given
    for name in path.removeprefix("$.").split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
