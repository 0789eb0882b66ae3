"""What a state machine keeps to, so that every execution ends, and says how.

Sources: Step Functions developer guide, "Service quotas" (25,000 events end an execution) and "Handling errors";
AWS Lambda's service faults are those of the guide's "Best practices", to be retried on every invocation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from statelint.linter import Linter  # type: ignore[import-untyped]  # it comes without types

from checks.cloudformation import Template, read_template
from checks.command import run
from checks.state_machine import LAMBDA_RESOURCE, Loop, State, count_history_events, read_state_machine
from mediaposter.config import FALLBACK_MODELS_MAX
from mediaposter.domain.errors import RateExceeded
from mediaposter.host.definition import Definition, Refused
from mediaposter.publishing.blotato_client import CALL_SECONDS as BLOTATO_CALL_SECONDS
from mediaposter.publishing.targets import TARGETS_MAX
from mediaposter.usecases.batches.finish import TAKING_ENDS_AFTER
from mediaposter.usecases.batches.rows import TAKING_MAX
from mediaposter.usecases.generation.check_generation import POLLS_MAX
from mediaposter.usecases.generation.store_and_close import STORE_ATTEMPTS_MAX, STORE_BUDGET_SECONDS
from mediaposter.usecases.posting.approval import ASKS_MAX
from mediaposter.usecases.posting.check_post import CHECKS_MAX

HISTORY_EVENTS_MAX = 20_000
STATE_TYPES = frozenset({"Choice", "Fail", "Map", "Pass", "Succeed", "Task", "Wait"})
# All of whose steps may be taken again after any error: none of them is paid or public.
REPEATABLE_MACHINES = frozenset({"batch.asl.json"})
SERVICE_FAULTS = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
)
# What a step raises that has no room to go on: it is taken again until the step itself gives up, so often as it takes.
PACED_STEP = "submit_chunk"
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
    # Steps that raise answer nothing, so the machine alone counts them.
    "faults": (1, 10),
    "listen_faults": (1, 10),
    "close_faults": (1, 10),
    "post_faults": (1, 10),
}

_SUBSTITUTION = re.compile(r"\$\{(\w+)\}")
# statelint 3.1.0 takes numbers only; in JSONata states Seconds and TimeoutSeconds may be expressions that give an
# integer (Amazon States Language, "Wait State" and "Timeouts"). And of an ItemReader it does not know the field that
# says what kind of file it reads (Step Functions developer guide, "ItemReader").
_FALSE_FINDING = re.compile(
    r'\.(?:Timeout)?Seconds is "\{% .* %\}" but should be an Integer$'
    r'|^Field "InputType" not allowed in .*\.ReaderConfig$'
)
# All of an error, or all that Lambda's API says of a call: nothing bounds its length.
_UNBOUNDED_ERROR = re.compile(r"\$states\.errorOutput\b(?!\.Error\b)[\w.]*")
_UNBOUNDED_RESULT = re.compile(r"\$states\.result\b(?!\.Payload\b)[\w.]*")


def check_asl(root: Path) -> Iterator[str]:
    """Find what is wrong with the state machines, and with the times they share with template.yaml."""
    template = read_template(root / "template.yaml")
    yield from (f"template.yaml: {finding}" for finding in _check_times(template))
    for path in _list_definitions(root):
        name = path.relative_to(root).as_posix()
        yield from (f"{name}: {finding}" for finding in _check_machine(path, name, template))


def _list_definitions(root: Path) -> list[Path]:
    return sorted(root.glob("statemachine/*.asl.json"))


def _check_machine(path: Path, name: str, template: Template) -> Iterator[str]:
    try:
        machine = read_state_machine(path)
    except ValidationError as error:
        yield from (f"State machine: {problem['loc']}: {problem['msg']}" for problem in error.errors())
        return
    problems: list[str] = Linter.validate(str(path))
    yield from (f"statelint: {problem}" for problem in problems if not _FALSE_FINDING.search(problem))
    if machine.query_language != "JSONata":
        yield "State machine: its QueryLanguage must be JSONata"
    try:
        Definition.load(path.read_text(encoding="utf-8"))
    except Refused as refused:
        yield f"State machine: the host of one process does not take it: {refused}"
    substitutions = _find_substitutions(name, template)
    yield from _check_substitutions(path.read_text(encoding="utf-8"), substitutions)
    for scope in machine.walk():
        for loop in scope.loops:
            yield from _check_loop(loop)
        for state_name, state in scope.states.items():
            for finding in (
                *_check_errors(state, may_repeat=path.name in REPEATABLE_MACHINES),
                *_check_timeout(state, substitutions, template),
                *_check_data(state),
            ):
                yield f'State "{state_name}": {finding}'
    events = count_history_events(machine, map_items=TARGETS_MAX)
    if events >= HISTORY_EVENTS_MAX:
        yield f"State machine: an execution may have {events:,} events, and must have less than {HISTORY_EVENTS_MAX:,}"


def _find_substitutions(name: str, template: Template) -> dict[str, Any]:
    """Find what stands for the substitutions of a definition."""
    machines = [resource.properties for resource in template.of_type("AWS::Serverless::StateMachine").values()]
    return next((dict(found["DefinitionSubstitutions"]) for found in machines if found["DefinitionUri"] == name), {})


def _check_substitutions(text: str, substitutions: Mapping[str, Any]) -> Iterator[str]:
    used = set(_SUBSTITUTION.findall(text))
    for name in sorted(used - substitutions.keys()):
        yield f"State machine: ${{{name}}} is not among its DefinitionSubstitutions in template.yaml"
    if re.search(r"arn:(?!\$\{Partition\}:)", text):
        yield "State machine: every ARN must begin with arn:${Partition}:"
    for name in sorted(substitutions.keys() - used):
        yield f"State machine: template.yaml substitutes ${{{name}}}, which is not here"


def _check_loop(loop: Loop) -> Iterator[str]:
    place, way = f'State "{loop.states[0]}"', " → ".join(loop.states)
    least, most = LOOP_ROUNDS.get(loop.counter, (0, 0))
    if loop.rounds is None:
        yield (
            f"{place}: nothing bounds the loop {way}: each way round must raise a counter and pass a Choice that "
            'requires "$counter <= …", or a Catch that answers by "$counter < …"'
        )
    elif not most:
        yield f"{place}: LOOP_ROUNDS of this check must say how often ${loop.counter} may be raised in {way}"
    elif not least <= loop.rounds <= most:
        yield f"{place}: ${loop.counter} allows {loop.rounds} rounds of {way}; it must allow {least} to {most}"


def _check_errors(state: State, *, may_repeat: bool) -> Iterator[str]:
    if state.type not in STATE_TYPES:
        yield f"these checks do not look into a {state.type} yet"
    if state.query_language or (state.item_processor and state.item_processor.query_language):
        yield "QueryLanguage stands at the top level only"
    if state.type in {"Task", "Map"} and (not state.catch or state.catch[-1].error_equals != ("States.ALL",)):
        yield "its last Catch must be of States.ALL"
    if state.is_invocation:
        yield from _check_retry(state, may_repeat=may_repeat)
    elif state.type == "Task" and state.retry:
        # Its Catch waits and goes on: a fault of what only shortens a wait is no reason to try again.
        yield "a Task that invokes no function must have no Retry"


def _check_retry(state: State, *, may_repeat: bool) -> Iterator[str]:
    repeated = [SERVICE_FAULTS, ("States.ALL",)] if may_repeat else [SERVICE_FAULTS]
    payload = state.arguments.get("Payload")
    if isinstance(payload, dict) and payload.get("step") == PACED_STEP:
        repeated = [PACED_FAULT, *repeated]
        # With the JitterStrategy FULL a wait is half as long on average.
        paced = [retrier for retrier in state.retry if retrier.error_equals == PACED_FAULT]
        waits = sum(retrier.max_attempts * retrier.interval_seconds / 2 for retrier in paced)
        if waits <= TAKING_MAX.total_seconds():
            yield f"its Retry of {PACED_FAULT[0]} must last longer than the step waits for room, {TAKING_MAX}"
    if [retrier.error_equals for retrier in state.retry] not in ([SERVICE_FAULTS], repeated):
        # After any other error the work may have been done: only the step itself can look.
        yield f"its one Retry must name {', '.join(SERVICE_FAULTS)}, in this order, and nothing else"
    elif any(retrier.jitter_strategy != "FULL" for retrier in state.retry):
        yield "its Retry must have the JitterStrategy FULL"


def _check_timeout(state: State, substitutions: Mapping[str, Any], template: Template) -> Iterator[str]:
    if state.type == "Task" and state.timeout_seconds is None:
        yield "it must have TimeoutSeconds"
    elif state.is_invocation:
        named = _SUBSTITUTION.fullmatch(state.function_name)
        function = substitutions.get(named[1] if named else "", {}).get("Fn::GetAtt", "").removesuffix(".Arn")
        if function not in template.of_type("AWS::Serverless::Function"):
            yield "its FunctionName must be a substitution of template.yaml"
            return
        least = template.function_timeout_seconds(function)
        if not isinstance(state.timeout_seconds, int) or state.timeout_seconds <= least:
            yield f"its TimeoutSeconds, {state.timeout_seconds}, must be more than {function}'s Timeout, {least}"


def _check_data(state: State) -> Iterator[str]:
    """Find what is handed on that the lengths of the answers do not bound (tests/unit/usecases/test_state_size.py)."""
    outputs = [caught.output for caught in state.catch]
    if state.resource == LAMBDA_RESOURCE:
        outputs.append(state.output)
    if None in outputs:
        yield "it and each Catch must have an Output: without one all of an error, or of a call, is handed on"
    carried = json.dumps([state.assign, state.output, *((caught.assign, caught.output) for caught in state.catch)])
    unbounded = _UNBOUNDED_ERROR.findall(carried)
    if state.resource == LAMBDA_RESOURCE:
        unbounded += _UNBOUNDED_RESULT.findall(carried)
    yield from (f"it carries {expression}, which nothing bounds" for expression in unbounded)


def _check_times(template: Template) -> Iterator[str]:
    """Find a time that ends while what it is meant for may still go on."""
    lease_seconds = int(template.parameters["CallLeaseSeconds"]["Default"])
    timeout = template.function_timeout_seconds
    for what, seconds, than, least_seconds in (
        (
            "CallLeaseSeconds",
            lease_seconds,
            "the Timeout of StartGenerationFunction",
            timeout("StartGenerationFunction"),
        ),
        ("CallLeaseSeconds", lease_seconds, "a call to Blotato may take", BLOTATO_CALL_SECONDS),
        (
            *("the Timeout of StoreVideoFunction", timeout("StoreVideoFunction")),
            *("STORE_BUDGET_SECONDS and ProbeVideoFunction's", STORE_BUDGET_SECONDS + timeout("ProbeVideoFunction")),
        ),
        (
            *("TAKING_ENDS_AFTER", TAKING_ENDS_AFTER.total_seconds()),
            *("the Timeout of RunBatchStepFunction", timeout("RunBatchStepFunction")),
        ),
    ):
        if seconds <= least_seconds:
            yield f"{what}, {seconds:.0f}, must be more than {than}, {least_seconds:.0f}"


def _check_and_tell(root: Path) -> Iterator[str]:
    for path in _list_definitions(root):
        machine = read_state_machine(path)
        scopes = list(machine.walk())
        print(
            f"{path.name}: {sum(len(scope.states) for scope in scopes)} states; "
            f"{sum(len(scope.loops) for scope in scopes)} loops; "
            f"{count_history_events(machine, map_items=TARGETS_MAX):,} events at most, of {HISTORY_EVENTS_MAX:,}"
        )
    yield from check_asl(root)


if __name__ == "__main__":
    run(_check_and_tell)
