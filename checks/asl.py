"""What a state machine keeps to, so that every execution ends, and ends with a word.

Sources: Step Functions developer guide, "Service quotas" (25,000 events end an execution) and "Handling errors";
AWS Lambda's service faults are those of the guide's "Best practices", to be retried on every invocation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from statelint.linter import Linter  # type: ignore[import-untyped]  # it comes without types

from checks.cloudformation import Template, read_template
from checks.command import run
from checks.state_machine import Scope, State, count_history_events, read_state_machine
from mediaposter.config import FALLBACK_MODELS_MAX
from mediaposter.pipeline.approval import ASKS_MAX
from mediaposter.pipeline.finalize import STORE_ATTEMPTS_MAX, STORE_BUDGET_SECONDS
from mediaposter.pipeline.generate import POLLS_MAX, STARTS_MAX
from mediaposter.pipeline.publish import CREATE_ATTEMPTS_MAX
from mediaposter.pipeline.track import CHECKS_MAX
from mediaposter.publishing.blotato_client import _CALL_TIMEOUT as BLOTATO_TIMEOUT
from mediaposter.publishing.targets import TARGETS_MAX

HISTORY_EVENTS_MAX = 20_000
STATE_TYPES = frozenset({"Choice", "Fail", "Map", "Pass", "Succeed", "Task", "Wait"})
SERVICE_FAULTS = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
)
# The pipeline ends each loop itself, with a reason in the record; the machine's bound only stands behind it.
PIPELINE_BOUNDS = {
    "starts": STARTS_MAX,
    "polls": POLLS_MAX,
    "models": FALLBACK_MODELS_MAX,
    "stores": STORE_ATTEMPTS_MAX,
    "asks": ASKS_MAX,
    "creates": CREATE_ATTEMPTS_MAX,
    "checks": CHECKS_MAX,
}
BOUND_MARGIN_MAX = 5
# Steps that raise answer nothing, so the machine alone counts them, in counters of this name.
FAULT_COUNTER = "faults"
FAULTS_MAX = 10

_SUBSTITUTION = re.compile(r"\$\{(\w+)\}")
# statelint 3.1.0 takes a number only; in JSONata states Seconds may be an expression that gives an integer (Step
# Functions developer guide, "Wait workflow state").
_FALSE_FINDING = re.compile(r'\.Seconds is "\{% .* %\}" but should be an Integer$')


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
    functions = _find_functions(name, template)
    yield from _lint(path)
    yield from _check_query_language(machine)
    yield from _check_substitutions(path.read_text(encoding="utf-8"), functions)
    for scope in machine.walk():
        yield from _check_ways(scope)
        yield from _check_loops(scope)
        for state_name, state in scope.states.items():
            for finding in (*_check_errors(state), *_check_timeout(state, functions, template)):
                yield f'State "{state_name}": {finding}'
    events = count_history_events(machine, map_items=TARGETS_MAX)
    if events >= HISTORY_EVENTS_MAX:
        yield f"State machine: an execution may have {events:,} events, and must have less than {HISTORY_EVENTS_MAX:,}"


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


def _check_substitutions(text: str, functions: Mapping[str, str]) -> Iterator[str]:
    used = set(_SUBSTITUTION.findall(text))
    for name in sorted(used - functions.keys()):
        yield f"State machine: ${{{name}}} is not among its DefinitionSubstitutions in template.yaml"
    for name in sorted(functions.keys() - used):
        yield f"State machine: template.yaml substitutes ${{{name}}}, which is not here"


def _find_functions(name: str, template: Template) -> dict[str, str]:
    """Find the function behind each substitution of a definition."""
    for resource in template.of_type("AWS::Serverless::StateMachine").values():
        if resource.properties.get("DefinitionUri") == name:
            substitutions: dict[str, Any] = resource.properties.get("DefinitionSubstitutions", {})
            return {key: value["Fn::GetAtt"].removesuffix(".Arn") for key, value in substitutions.items()}
    return {}


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
        elif loop.counter in PIPELINE_BOUNDS:
            least = PIPELINE_BOUNDS[loop.counter] + 1
            most = PIPELINE_BOUNDS[loop.counter] + BOUND_MARGIN_MAX
        else:
            yield f"{place}: no constant of the pipeline bounds ${loop.counter} of the loop {way}"
            continue
        if not least <= loop.rounds <= most:
            yield f"{place}: ${loop.counter} allows {loop.rounds} rounds of {way}; it must allow {least} to {most}"


def _check_errors(state: State) -> Iterator[str]:
    if state.type not in STATE_TYPES:
        yield f"these checks do not look into a {state.type} yet"
    if state.type in {"Task", "Map"} and (not state.catch or state.catch[-1].error_equals != ("States.ALL",)):
        yield "its last Catch must be of States.ALL"
    if state.type != "Task":
        return
    if [retrier.error_equals for retrier in state.retry] != [SERVICE_FAULTS]:
        # After any other error the work may have been done: only the step itself can look.
        yield f"its one Retry must name {', '.join(SERVICE_FAULTS)}, in this order, and nothing else"
    elif state.retry[0].jitter_strategy != "FULL":
        yield "its Retry must have the JitterStrategy FULL"


def _check_timeout(state: State, functions: Mapping[str, str], template: Template) -> Iterator[str]:
    if state.type != "Task":
        return
    if state.timeout_seconds is None:
        yield "it must have TimeoutSeconds"
        return
    named = _SUBSTITUTION.fullmatch(str(state.arguments.get("FunctionName")))
    if named is None or named[1] not in functions:
        yield "its FunctionName must be a substitution of template.yaml"
        return
    function = functions[named[1]]
    timeout_seconds = template.function_timeout_seconds(function)
    if state.timeout_seconds <= timeout_seconds:
        yield f"its TimeoutSeconds, {state.timeout_seconds}, must be more than {function}'s Timeout, {timeout_seconds}"


def _check_times(template: Template) -> Iterator[str]:
    """Find a time that ends while what it is meant for may still go on."""
    lease_seconds = int(template.parameters["CallLeaseSeconds"]["Default"])
    start_seconds = template.function_timeout_seconds("StartFunction")
    if lease_seconds <= start_seconds:
        yield f"CallLeaseSeconds, {lease_seconds}, must be more than the Timeout of StartFunction, {start_seconds}"
    call_seconds = sum(math.inf if seconds is None else seconds for seconds in BLOTATO_TIMEOUT.as_dict().values())
    if lease_seconds <= call_seconds:
        yield f"CallLeaseSeconds, {lease_seconds}, must be more than a call to Blotato may take, {call_seconds:.0f}"
    store_seconds = template.function_timeout_seconds("StoreFunction")
    if store_seconds <= STORE_BUDGET_SECONDS:
        yield f"StoreFunction: its Timeout, {store_seconds}, must be more than {STORE_BUDGET_SECONDS:.0f}"


def _check_and_tell(root: Path) -> list[str]:
    findings = check_asl(root)
    if not findings:
        for path in _list_definitions(root):
            events = count_history_events(read_state_machine(path), map_items=TARGETS_MAX)
            print(f"{path.name}: an execution has {events:,} events at the most, of {HISTORY_EVENTS_MAX:,} allowed")
    return findings


if __name__ == "__main__":
    run(_check_and_tell)
