"""A planted fault for every rule on state machines; statelint's own, as that every Next leads somewhere, have none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checks.asl import check_asl
from checks.state_machine import Loop, Scope, count_history_events
from tests.unit.checks.planting import plant

_FILE = "statemachine/video.asl.json"
_BATCH = "statemachine/batch.asl.json"

Json = dict[str, Any]
Edit = Callable[[Json], object]


def _plant(root: Path, state: str, edit: Edit, file: str = _FILE) -> list[str]:
    """Edit a state of a machine, or all of them together, and give what the check finds in it."""
    machine = json.loads((root / file).read_text())
    edit(machine["States"] if state == "all" else _list_states(machine)[state])
    (root / file).write_text(json.dumps(machine))
    return [finding.removeprefix(f"{file}: ") for finding in check_asl(root)]


def _list_states(machine: Json) -> dict[str, Json]:
    """List the states by their names, also those within a map; that of a service but Lambda is called Listen."""
    states = dict(machine["States"])
    for state in machine["States"].values():
        states |= {"Listen": state} if "aws-sdk" in state.get("Resource", "") else {}
        states |= _list_states(state["ItemProcessor"]) if "ItemProcessor" in state else {}
    return states


def _go_on_if(condition: str) -> Edit:
    def edit(state: Json) -> None:
        rule = next(rule for rule in state["Choices"] if rule["Next"] == "Wait For Render")
        rule.update(Condition=f"{{% {condition} %}}")

    return edit


def _answer_a_fault_by(outcome: str) -> Edit:
    return lambda state: state["Catch"][-1]["Output"].update(outcome=outcome)


def _rename_the_counter(states: Json) -> None:
    renamed = json.loads(json.dumps(states).replace("$polls", "$asked").replace('"polls"', '"asked"'))
    states.update(renamed)


def _retry_all(task: Json) -> None:
    task["Retry"] = [*task.get("Retry", ()), {"ErrorEquals": ["States.ALL"]}]


def test_an_untouched_copy_keeps_every_rule(root: Path) -> None:
    assert list(check_asl(root)) == []


# The state, what is done to it, and what is said of it.
_FAULTS: list[tuple[str, Edit, str]] = [
    (
        "Check Generation",
        lambda task: task["Arguments"].update(FunctionName="poll"),
        "its FunctionName must be a substitution",
    ),
    (
        "Check Generation",
        lambda task: task["Retry"][0]["ErrorEquals"].pop(),
        "its one Retry must name Lambda.ServiceException",
    ),
    ("Start Generation", _retry_all, "its one Retry must name Lambda.ServiceException"),
    (
        "Check Generation",
        lambda task: task["Retry"][0].pop("JitterStrategy"),
        "its Retry must have the JitterStrategy FULL",
    ),
    (
        "Create Post",
        lambda task: task["Catch"][-1].update(ErrorEquals=["States.Timeout"]),
        "its last Catch must be of States.ALL",
    ),
    ("Prepare", lambda state: state.update(Type="Parallel"), "these checks do not look into a Parallel yet"),
    (
        "Publish Posts",
        lambda state: state["ItemProcessor"].update(QueryLanguage="JSONata"),
        "QueryLanguage stands at the top level only",
    ),
    (
        "Check Generation",
        lambda task: task.update(Output="{% $states.result %}"),
        "it carries $states.result, which nothing bounds",
    ),
    ("Publish Posts", lambda state: state["Catch"][0].pop("Output"), "it and each Catch must have an Output"),
    ("Check Generation", lambda task: task.pop("Output"), "it and each Catch must have an Output"),
    (
        "Check Generation",
        lambda task: task["Catch"][0]["Assign"].update(last="{% $states.errorOutput.Cause %}"),
        "it carries $states.errorOutput.Cause, which nothing bounds",
    ),
    *(
        (
            "Check Generation",
            lambda task, seconds=seconds: task.update(TimeoutSeconds=seconds),
            f"its TimeoutSeconds, {seconds}, must be more than CheckGenerationFunction's Timeout, 60",
        )
        for seconds in (60, "{% $polls %}")
    ),
]
_MACHINE_FAULTS: list[tuple[str, Edit, str]] = [
    ("Listen", lambda task: task.pop("TimeoutSeconds"), ": it must have TimeoutSeconds"),
    ("Listen", _retry_all, ": a Task that invokes no function must have no Retry"),
    (
        "Listen",
        lambda task: task["Arguments"].update(TableName="${VideoTable}"),
        "State machine: ${VideoTable} is not among its DefinitionSubstitutions in template.yaml",
    ),
    ("Check Post", lambda task: task["Retry"][0].update(MaxAttempts=9), "State machine: an execution may have "),
    (
        "Check Generation",
        lambda task: task.update(HeartbeatSeconds=9),
        "State machine: the host of one process does not take it: ",
    ),
    (
        "Check Generation",
        lambda task: task.update(Retry="twice"),
        "State machine: ('States', 'Check Generation', 'Retry'): ",
    ),
    (
        "Wait For Render",
        lambda state: state.update(Seconds="soon"),
        'statelint: State Machine.States.Wait For Render.Seconds is "soon"',
    ),
]
_LOOP = 'State "Wait For Render": nothing bounds the loop Wait For Render → Check Generation → Finished?'
_STORE_LOOP = 'State "Store Video": nothing bounds the loop'
# Those of a bound that is one of two alternatives, and of a counter that a fault does not raise, that the loop sets
# back, or that starts nowhere; of a fault that is always waited for, or is answered by a word that bounds nothing.
_LOOP_FAULTS: list[tuple[str, Edit, str]] = [
    ("Finished?", _go_on_if("$states.input.outcome = 'wait' or $polls <= 221"), _LOOP),
    ("Check Generation", lambda task: task["Catch"][0].pop("Assign"), _LOOP),
    ("Wait For Render", lambda state: state.update(Assign={"polls": "{% $polls - 1 %}"}), _LOOP),
    ("Prepare", lambda state: state["Assign"].pop("polls"), _LOOP),
    ("Store Video", _answer_a_fault_by("wait"), _STORE_LOOP),
    ("Store Video", _answer_a_fault_by("{% $faults < 6 ? 'again' : 'fault' %}"), _STORE_LOOP),
    (
        "Store Video",
        _answer_a_fault_by("{% $faults < 11 ? 'wait' : 'fault' %}"),
        'State "Store Video": $faults allows 12 rounds of Store Video → Stored? → Wait To Store; it must allow 1 to 10',
    ),
    (
        "Finished?",
        _go_on_if("$states.input.outcome = 'wait' and $polls <= 220"),
        f"{_LOOP.replace('nothing bounds the loop', '$polls allows 220 rounds of')}; it must allow 221 to 225",
    ),
    (
        "all",
        _rename_the_counter,
        'State "Wait For Render": LOOP_ROUNDS of this check must say how often $asked may be raised in ',
    ),
]
_BATCH_FAULTS: list[tuple[str, Edit, str]] = [
    ("Write Results", lambda task: task["Retry"].reverse(), 'State "Write Results": its one Retry must name '),
    ("Submit Chunk", lambda task: task["Retry"].pop(0), 'State "Submit Chunk": its one Retry must name '),
    (
        "Submit Chunk",
        lambda task: task["Retry"][0].update(MaxAttempts=100),
        'State "Submit Chunk": its Retry of RateExceeded must last longer than the step waits for room, 20:00:00',
    ),
    ("Submit Chunk", lambda task: task["Retry"][1].update(MaxAttempts=7_000), "State machine: an execution may have "),
]


@pytest.mark.parametrize(("state", "edit", "sentence"), _FAULTS)
def test_a_fault_is_named_by_its_state(root: Path, state: str, edit: Edit, sentence: str) -> None:
    assert [line for line in _plant(root, state, edit) if line.startswith(f'State "{state}": {sentence}')]


@pytest.mark.parametrize(("state", "edit", "finding"), _MACHINE_FAULTS)
def test_a_fault_that_another_tool_or_the_whole_machine_has_is_named(
    root: Path, state: str, edit: Edit, finding: str
) -> None:
    assert [line for line in _plant(root, state, edit) if finding in line]


@pytest.mark.parametrize(("state", "edit", "finding"), _LOOP_FAULTS)
def test_a_loop_that_may_go_on_is_named_by_its_first_state(root: Path, state: str, edit: Edit, finding: str) -> None:
    assert [line for line in _plant(root, state, edit) if line.startswith(finding)]


@pytest.mark.parametrize(("state", "edit", "finding"), _BATCH_FAULTS)
def test_a_fault_of_the_machine_of_batches_is_named_by_its_state(
    root: Path, state: str, edit: Edit, finding: str
) -> None:
    assert [line for line in _plant(root, state, edit, _BATCH) if line.startswith(finding)]


def test_another_query_language_is_named(root: Path) -> None:
    plant(root, _FILE, '"QueryLanguage": "JSONata"', '"QueryLanguage": "JSONPath"')

    assert f"{_FILE}: State machine: its QueryLanguage must be JSONata" in check_asl(root)


def test_a_substitution_that_is_not_used_is_named(root: Path) -> None:
    substitution = "        CheckGenerationFunctionArn: !GetAtt CheckGenerationFunction.Arn\n"
    plant(root, "template.yaml", substitution, substitution + "        SweepFunctionArn: !GetAtt SweepFunction.Arn\n")

    assert list(check_asl(root)) == [
        f"{_FILE}: State machine: template.yaml substitutes ${{SweepFunctionArn}}, which is not here"
    ]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            "    Default: 120\n",
            "    Default: 60\n",
            "CallLeaseSeconds, 60, must be more than the Timeout of StartGenerationFunction, 60",
        ),
        (
            "    Default: 120\n",
            "    Default: 30\n",
            "CallLeaseSeconds, 30, must be more than a call to Blotato may take, 30",
        ),
        (
            "      Handler: run_step.handler\n      MemorySize: 1024\n      Timeout: 900\n",
            "      Handler: run_step.handler\n      MemorySize: 1024\n      Timeout: 960\n",
            "TAKING_ENDS_AFTER, 960, must be more than the Timeout of RunBatchStepFunction, 960",
        ),
        (
            "a slow download slower.\n      MemorySize: 1024\n      Timeout: 900\n",
            "a slow download slower.\n      MemorySize: 1024\n      Timeout: 840\n",
            (
                "the Timeout of StoreVideoFunction, 840, must be more than STORE_BUDGET_SECONDS and "
                "ProbeVideoFunction's, 840"
            ),
        ),
    ],
)
def test_a_time_too_short_for_what_it_is_meant_for_is_named(root: Path, old: str, new: str, finding: str) -> None:
    plant(root, "template.yaml", old, new)

    assert f"template.yaml: {finding}" in check_asl(root)


def test_the_events_of_an_execution_are_counted_as_step_functions_writes_them() -> None:
    task = {"Type": "Task", "Retry": [{"ErrorEquals": ["Lambda.ServiceException"], "MaxAttempts": 2}]}
    machine = {
        "StartAt": "Prepare",
        "States": {
            "Prepare": {"Type": "Pass", "Assign": {"polls": 1}, "Next": "Ask"},
            "Ask": {**task, "Assign": {"polls": "{% $polls + 1 %}"}, "Next": "Done?"},
            "Done?": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $polls <= 10 %}", "Next": "Rest"}],
                "Default": "All",
            },
            "Rest": {"Type": "Wait", "Next": "Ask"},
            "All": {"Type": "Map", "ItemProcessor": {"StartAt": "Tell", "States": {"Tell": task}}},
        },
    }

    # 10 rounds of 5 + 2 × 3 for the task, 2 for the choice and 2 for the wait; 20 items of 2 + 11 in a map of 4; the
    # pass has 2, and so have the start and the end.
    assert count_history_events(Scope.model_validate(machine), map_items=20) == 10 * 15 + 20 * 13 + 4 + 2 + 2


def test_ways_round_that_share_a_counter_share_its_bound() -> None:
    guarded = "{% $polls <= 10 %}"
    machine = {
        "StartAt": "Prepare",
        "States": {
            "Prepare": {"Type": "Pass", "Assign": {"polls": 1}, "Next": "Ask"},
            "Ask": {"Type": "Pass", "Assign": {"polls": "{% $polls + 1 %}"}, "Next": "Done?"},
            "Done?": {
                "Type": "Choice",
                "Choices": [{"Condition": guarded, "Next": "Rest"}, {"Condition": guarded, "Next": "Listen"}],
                "Default": "All",
            },
            "Rest": {"Type": "Wait", "Next": "Ask"},
            "Listen": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Next": "Ask"},
            "All": {"Type": "Succeed"},
        },
    }

    # Each state once, and nine times more the longer way round: 2 and 2, and 6 for a task that waits to be told.
    assert count_history_events(Scope.model_validate(machine), map_items=1) == 2 + 5 * 2 + 6 + 9 * (2 + 2 + 6)


def test_a_loop_without_a_bound_is_listed_and_counted_once() -> None:
    states = {"Ask": {"Type": "Pass", "Next": "Rest"}, "Rest": {"Type": "Wait", "Next": "Ask"}}
    machine = Scope.model_validate({"StartAt": "Ask", "States": states})

    assert machine.loops == [Loop(("Ask", "Rest"), "", None)]
    assert count_history_events(machine, map_items=1) == 2 + 2 + 2
