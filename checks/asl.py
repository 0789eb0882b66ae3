"""What a state machine keeps to, so that every execution ends, and ends with a word.

Sources: Step Functions developer guide, "Service quotas" (25,000 events end an execution) and "Handling errors";
AWS Lambda's service faults are those of the guide's "Best practices", to be retried on every invocation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from statelint.linter import Linter  # type: ignore[import-untyped]  # it comes without types

from checks.cloudformation import Template, read_template
from checks.command import run
from checks.jsonata import UNBOUNDED, Puzzle
from checks.state_machine import CALLBACK_SUFFIX, Scope, State, count_history_events, read_state_machine
from checks.state_size import (
    LAMBDA_RESOURCE,
    NAME_MAX_CHARACTERS,
    STATE_MAX_BYTES,
    ReadItems,
    StateSizes,
    find_answer,
    find_largest,
    list_unbounded,
    measure_states,
)
from mediaposter.api.batches import PART_ROWS_MAX, PartLine
from mediaposter.api.rows import ROWS_MAX
from mediaposter.config import FALLBACK_MODELS_MAX
from mediaposter.errors import RateExceeded
from mediaposter.library.batches import BATCH_ID_MAX_CHARACTERS
from mediaposter.library.videos import VIDEO_ID_MAX_CHARACTERS
from mediaposter.pipeline.approval import ASKS_MAX
from mediaposter.pipeline.end_batch import TAKING_ENDS_AFTER
from mediaposter.pipeline.finalize import STORE_ATTEMPTS_MAX, STORE_BUDGET_SECONDS
from mediaposter.pipeline.generate import POLLS_MAX
from mediaposter.pipeline.steps import PostReference, StepResult
from mediaposter.pipeline.take_batch import TAKING_MAX
from mediaposter.pipeline.track import CHECKS_MAX
from mediaposter.publishing.blotato_client import CALL_SECONDS as BLOTATO_CALL_SECONDS
from mediaposter.publishing.targets import TARGETS_MAX

HISTORY_EVENTS_MAX = 20_000
STATE_TYPES = frozenset({"Choice", "Fail", "Map", "Pass", "Succeed", "Task", "Wait"})
SERVICE_FAULTS = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
)
# What a step raises that has no room to go on: it is taken again until the step itself gives up, so often as it takes.
PACED_FUNCTION = "${TakePartFunctionArn}"
PACED_FAULT = (RateExceeded.__name__,)
# What each loop may be taken round, at least and at most. Where the pipeline ends a loop itself, the machine's bound
# stands behind it. The others end by a time in the record; when their bound comes first, another execution goes on.
LOOP_ROUNDS: Mapping[str, tuple[int, int]] = {
    "starts": (40, 60),
    "polls": (POLLS_MAX + 1, POLLS_MAX + 5),
    "models": (FALLBACK_MODELS_MAX + 1, FALLBACK_MODELS_MAX + 5),
    "stores": (STORE_ATTEMPTS_MAX + 1, STORE_ATTEMPTS_MAX + 5),
    "asks": (ASKS_MAX + 1, ASKS_MAX + 5),
    "creates": (20, 30),
    "checks": (CHECKS_MAX + 1, CHECKS_MAX + 5),
    # Lambda had no room: no try of a step's own.
    "throttles": (10, 30),
    "post_throttles": (5, 30),
}
# Steps that raise answer nothing, so the machine alone counts them, in counters of this name.
FAULT_COUNTER = "faults"
FAULTS_MAX = 10


class BatchExecution(BaseModel):
    """What workflow.py starts the machine of a batch with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_id: str = Field(max_length=BATCH_ID_MAX_CHARACTERS)
    step: str = Field(max_length=NAME_MAX_CHARACTERS)


class VideoExecution(BaseModel):
    """What workflow.py starts the machine of a video with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(max_length=VIDEO_ID_MAX_CHARACTERS)
    launch: int = 0
    posts: tuple[PostReference, ...] = Field(default=(), max_length=TARGETS_MAX)


class Machine(NamedTuple):
    """What cannot be read in a definition.

    Attributes:
        execution_input: what an execution is started with.
        read_items: what its Maps read from files.
        may_repeat: that all of its steps may be taken again after any error. None of them is paid or public.
    """

    execution_input: type[BaseModel]
    read_items: Mapping[str, ReadItems] = MappingProxyType({})
    may_repeat: bool = False


_PARTS = ReadItems(PartLine, most=math.ceil(ROWS_MAX / PART_ROWS_MAX))
MACHINES: Mapping[str, Machine] = {
    "video.asl.json": Machine(VideoExecution),
    "batch.asl.json": Machine(
        BatchExecution,
        read_items={"Take Rows": _PARTS, "Cancel Rows": _PARTS},
        may_repeat=True,
    ),
}

_SUBSTITUTION = re.compile(r"\$\{(\w+)\}")
# statelint 3.1.0 takes numbers only; in JSONata states Seconds and TimeoutSeconds may be expressions that give an
# integer (Amazon States Language, "Wait State" and "Timeouts"). And of an ItemReader it does not know the field that
# says what kind of file it reads (Step Functions developer guide, "ItemReader").
_FALSE_FINDING = re.compile(
    r'\.(?:Timeout)?Seconds is "\{% .* %\}" but should be an Integer$'
    r'|^Field "InputType" not allowed in .*\.ReaderConfig$'
)


def check_asl(root: Path) -> list[str]:
    """Find what is wrong with the state machines, and with the times they share with template.yaml."""
    template = read_template(root / "template.yaml")
    findings = [f"template.yaml: {finding}" for finding in _check_times(template)]
    for path in _list_definitions(root):
        name = path.relative_to(root).as_posix()
        findings += [f"{name}: {finding}" for finding in _check_machine(path, name, template)]
    return findings


def _list_definitions(root: Path) -> list[Path]:
    return sorted(root.glob("statemachine/*.asl.json"))


def _check_machine(path: Path, name: str, template: Template) -> Iterator[str]:
    try:
        machine = read_state_machine(path)
    except ValidationError as error:
        yield from (f"State machine: {problem['loc']}: {problem['msg']}" for problem in error.errors())
        return
    if path.name not in MACHINES:
        yield "State machine: MACHINES of this check must say what it is started with"
        return
    facts = MACHINES[path.name]
    functions = _find_functions(name, template)
    yield from _lint(path)
    yield from _check_query_language(machine)
    yield from _check_substitutions(path.read_text(encoding="utf-8"), _find_substitutions(name, template))
    for scope in machine.walk():
        yield from _check_ways(scope)
        yield from _check_loops(scope)
        for state_name, state in scope.states.items():
            for finding in (
                *_check_errors(state, may_repeat=facts.may_repeat),
                *_check_timeout(state, functions, template),
            ):
                yield f'State "{state_name}": {finding}'
    events = count_history_events(machine, map_items=TARGETS_MAX)
    if events >= HISTORY_EVENTS_MAX:
        yield f"State machine: an execution may have {events:,} events, and must have less than {HISTORY_EVENTS_MAX:,}"
    yield from _measure(machine, path, functions, template).findings


def _measure(machine: Scope, path: Path, functions: Mapping[str, str], template: Template) -> StateSizes:
    answer = partial(_find_answer, functions=functions, template=template, root=path.parents[1])
    facts = MACHINES[path.name]
    return measure_states(machine, execution_input=facts.execution_input, read_items=facts.read_items, answer=answer)


def _find_answer(state: State, *, functions: Mapping[str, str], template: Template, root: Path) -> Any:
    """Give the longest that a Task is answered: by its function, or with its task token."""
    if state.resource.endswith(CALLBACK_SUFFIX):
        # All that is sent with a token (Signaller of pipeline.approval).
        return find_largest(StepResult)
    named = _SUBSTITUTION.fullmatch(state.function_name)
    if state.resource != LAMBDA_RESOURCE or named is None or named[1] not in functions:
        return UNBOUNDED
    model = find_answer(root, template, functions[named[1]])
    payload = None if model is None else find_largest(model)
    fields = list(list_unbounded(payload))
    if model is not None and fields:
        raise Puzzle(f"{functions[named[1]]} answers {model.__name__}, and nothing bounds its {', '.join(fields)}")
    # Beside the Payload there is what Lambda's API says of the call.
    return {"Payload": payload, "SdkResponseMetadata": UNBOUNDED}


def _lint(path: Path) -> Iterator[str]:
    problems: list[str] = Linter.validate(str(path))
    yield from (f"statelint: {problem}" for problem in problems if not _FALSE_FINDING.search(problem))


def _check_query_language(machine: Scope) -> Iterator[str]:
    if machine.query_language != "JSONata":
        yield "State machine: its QueryLanguage must be JSONata"
    for scope in machine.walk():
        for name, state in scope.states.items():
            if state.query_language or (state.item_processor and state.item_processor.query_language):
                yield f'State "{name}": QueryLanguage stands at the top level only'


def _check_substitutions(text: str, substitutions: Mapping[str, Any]) -> Iterator[str]:
    used = set(_SUBSTITUTION.findall(text))
    for name in sorted(used - substitutions.keys()):
        yield f"State machine: ${{{name}}} is not among its DefinitionSubstitutions in template.yaml"
    if re.search(r"arn:(?!\$\{Partition\}:)", text):
        yield "State machine: every ARN must begin with arn:${Partition}:"
    for name in sorted(substitutions.keys() - used):
        yield f"State machine: template.yaml substitutes ${{{name}}}, which is not here"


def _find_substitutions(name: str, template: Template) -> dict[str, Any]:
    """Find what stands for the substitutions of a definition."""
    for resource in template.of_type("AWS::Serverless::StateMachine").values():
        if resource.properties.get("DefinitionUri") == name:
            substitutions: dict[str, Any] = resource.properties.get("DefinitionSubstitutions", {})
            return substitutions
    return {}


def _find_functions(name: str, template: Template) -> dict[str, str]:
    """Find the function behind each substitution of a definition that stands for one."""
    substitutions = _find_substitutions(name, template)
    arns = {key: value["Fn::GetAtt"] for key, value in substitutions.items() if "Fn::GetAtt" in value}
    functions = template.of_type("AWS::Serverless::Function")
    named = {key: arn.removesuffix(".Arn") for key, arn in arns.items()}
    return {key: function for key, function in named.items() if function in functions}


def _check_ways(scope: Scope) -> Iterator[str]:
    for edge in scope.list_edges():
        if edge.target not in scope.states:
            yield f'State "{edge.origin}": there is no state "{edge.target}" to go to'
    for name in scope.list_unreachable():
        yield f'State "{name}": nothing leads to it'


def _check_loops(scope: Scope) -> Iterator[str]:
    for loop in scope.list_loops():
        place, way = f'State "{loop.states[0]}"', " → ".join(loop.states)
        if loop.rounds is None:
            yield (
                f"{place}: nothing bounds the loop {way}: each way round must raise a counter and pass a Choice that "
                'requires "$counter <= …", or a Catch that answers by "$counter < …"'
            )
            continue
        if loop.counter.endswith(FAULT_COUNTER):
            least, most = 1, FAULTS_MAX
        elif loop.counter in LOOP_ROUNDS:
            least, most = LOOP_ROUNDS[loop.counter]
        else:
            yield f"{place}: LOOP_ROUNDS of this check must say how often ${loop.counter} may be raised in {way}"
            continue
        if not least <= loop.rounds <= most:
            yield f"{place}: ${loop.counter} allows {loop.rounds} rounds of {way}; it must allow {least} to {most}"


def _check_errors(state: State, *, may_repeat: bool) -> Iterator[str]:
    if state.type not in STATE_TYPES:
        yield f"these checks do not look into a {state.type} yet"
    if state.type in {"Task", "Map"} and (not state.catch or state.catch[-1].error_equals != ("States.ALL",)):
        yield "its last Catch must be of States.ALL"
    if state.type != "Task":
        return
    if not state.is_invocation:
        if state.retry:
            # Its Catch waits and goes on: a fault of what only shortens a wait is no reason to try again.
            yield "a Task that invokes no function must have no Retry"
        return
    repeated = [SERVICE_FAULTS, ("States.ALL",)] if may_repeat else [SERVICE_FAULTS]
    if state.function_name == PACED_FUNCTION:
        yield from _check_pace(state)
        repeated = [PACED_FAULT, *repeated]
    if [retrier.error_equals for retrier in state.retry] not in ([SERVICE_FAULTS], repeated):
        # After any other error the work may have been done: only the step itself can look.
        yield f"its one Retry must name {', '.join(SERVICE_FAULTS)}, in this order, and nothing else"
    elif any(retrier.jitter_strategy != "FULL" for retrier in state.retry):
        yield "its Retry must have the JitterStrategy FULL"


def _check_pace(state: State) -> Iterator[str]:
    # With the JitterStrategy FULL a wait is half as long on average.
    waits = [
        retrier.max_attempts * retrier.interval_seconds / 2
        for retrier in state.retry
        if retrier.error_equals == PACED_FAULT
    ]
    if sum(waits) <= TAKING_MAX.total_seconds():
        yield f"its Retry of {PACED_FAULT[0]} must last longer than the step waits for room, {TAKING_MAX}"


def _check_timeout(state: State, functions: Mapping[str, str], template: Template) -> Iterator[str]:
    if state.type != "Task":
        return
    if state.timeout_seconds is None:
        yield "it must have TimeoutSeconds"
        return
    if not state.is_invocation:
        return
    named = _SUBSTITUTION.fullmatch(state.function_name)
    if named is None or named[1] not in functions:
        yield "its FunctionName must be a substitution of template.yaml"
        return
    function = functions[named[1]]
    timeout_seconds = template.function_timeout_seconds(function)
    if isinstance(state.timeout_seconds, str) or state.timeout_seconds <= timeout_seconds:
        yield f"its TimeoutSeconds, {state.timeout_seconds}, must be more than {function}'s Timeout, {timeout_seconds}"


def _check_times(template: Template) -> Iterator[str]:
    """Find a time that ends while what it is meant for may still go on."""
    lease_seconds = int(template.parameters["CallLeaseSeconds"]["Default"])
    start_seconds = template.function_timeout_seconds("StartFunction")
    if lease_seconds <= start_seconds:
        yield f"CallLeaseSeconds, {lease_seconds}, must be more than the Timeout of StartFunction, {start_seconds}"
    if lease_seconds <= BLOTATO_CALL_SECONDS:
        yield (
            f"CallLeaseSeconds, {lease_seconds}, must be more than a call to Blotato may take, "
            f"{BLOTATO_CALL_SECONDS:.0f}"
        )
    store_seconds = template.function_timeout_seconds("StoreFunction")
    take_seconds = template.function_timeout_seconds("TakePartFunction")
    if TAKING_ENDS_AFTER.total_seconds() <= take_seconds:
        yield f"TakePartFunction: its Timeout, {take_seconds}, must be less than TAKING_ENDS_AFTER"
    if store_seconds <= STORE_BUDGET_SECONDS:
        yield f"StoreFunction: its Timeout, {store_seconds}, must be more than {STORE_BUDGET_SECONDS:.0f}"


def _check_and_tell(root: Path) -> list[str]:
    findings = check_asl(root)
    if not findings:
        template = read_template(root / "template.yaml")
        for path in _list_definitions(root):
            machine = read_state_machine(path)
            functions = _find_functions(path.relative_to(root).as_posix(), template)
            events = count_history_events(machine, map_items=TARGETS_MAX)
            sizes = _measure(machine, path, functions, template)
            print(f"{path.name}: an execution has {events:,} events at the most, of {HISTORY_EVENTS_MAX:,} allowed")
            print(
                f"{path.name}: {sizes.largest_bytes:,} bytes at the most are handed on, of {STATE_MAX_BYTES:,} allowed "
                f"({sizes.largest}); the variables have {sizes.variables_bytes:,} together"
            )
    return findings


if __name__ == "__main__":
    run(_check_and_tell)
