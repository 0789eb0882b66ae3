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


def _plant(root: Path, edit: Edit, file: str = _FILE) -> list[str]:
    """Edit the states of a machine, and give what the check finds in it."""
    machine = json.loads((root / file).read_text())
    edit(machine["States"])
    (root / file).write_text(json.dumps(machine))
    return [finding.removeprefix(f"{file}: ") for finding in check_asl(root)]


def _check_generation(edit: Edit) -> Edit:
    return lambda states: edit(states["Check Generation"])


def _listen(edit: Edit) -> Edit:
    return lambda states: edit(next(state for state in states.values() if "aws-sdk" in state.get("Resource", "")))


def _of_posts(edit: Edit) -> Edit:
    return lambda states: edit(states["Publish Posts"]["ItemProcessor"]["States"])


def _of_retries(edit: Callable[[list[Json]], object]) -> Edit:
    return lambda states: edit(states["Submit Rows"]["ItemProcessor"]["States"]["Submit Chunk"]["Retry"])


def _go_on_if(condition: str) -> Edit:
    def edit(states: Json) -> None:
        rule = next(rule for rule in states["Finished?"]["Choices"] if rule["Next"] == "Wait For Render")
        rule.update(Condition=f"{{% {condition} %}}")

    return edit


def _answer_a_fault_by(outcome: str) -> Edit:
    return lambda states: states["Store Video"]["Catch"][-1]["Output"].update(outcome=outcome)


def _rename_the_counter(states: Json) -> None:
    renamed = json.loads(json.dumps(states).replace("$polls", "$asked").replace('"polls"', '"asked"'))
    states.update(renamed)


def test_an_untouched_copy_keeps_every_rule(root: Path) -> None:
    assert list(check_asl(root)) == []


_FAULTS: dict[str, tuple[Edit, str]] = {
    "a task without a timeout": (_listen(lambda task: task.pop("TimeoutSeconds")), ": it must have TimeoutSeconds"),
    "a task that ends before its function": (
        _check_generation(lambda task: task.update(TimeoutSeconds=60)),
        ('State "Check Generation": its TimeoutSeconds, 60, must be more than CheckGenerationFunction\'s Timeout, 60'),
    ),
    "a timeout that nothing holds against that of the function": (
        _check_generation(lambda task: task.update(TimeoutSeconds="{% $polls %}")),
        (
            'State "Check Generation": its TimeoutSeconds, {% $polls %}, must be more than '
            "CheckGenerationFunction's Timeout, 60"
        ),
    ),
    "a function named by hand": (
        _check_generation(lambda task: task["Arguments"].update(FunctionName="poll")),
        'State "Check Generation": its FunctionName must be a substitution of template.yaml',
    ),
    "a table that is not substituted": (
        _listen(lambda task: task["Arguments"].update(TableName="${VideoTable}")),
        "State machine: ${VideoTable} is not among its DefinitionSubstitutions in template.yaml",
    ),
    "a retry of what only shortens a wait": (
        _listen(lambda task: task.update(Retry=[{"ErrorEquals": ["States.ALL"]}])),
        ": a Task that invokes no function must have no Retry",
    ),
    "a retry that forgets a service fault": (
        _check_generation(lambda task: task["Retry"][0]["ErrorEquals"].pop()),
        'State "Check Generation": its one Retry must name Lambda.ServiceException',
    ),
    "a retry of everything around a paid call": (
        lambda states: states["Start Generation"]["Retry"].append({"ErrorEquals": ["States.ALL"]}),
        'State "Start Generation": its one Retry must name Lambda.ServiceException',
    ),
    "a retry without jitter": (
        _check_generation(lambda task: task["Retry"][0].pop("JitterStrategy")),
        'State "Check Generation": its Retry must have the JitterStrategy FULL',
    ),
    "a catch of something, inside the map": (
        _of_posts(lambda states: states["Create Post"]["Catch"][-1].update(ErrorEquals=["States.Timeout"])),
        'State "Create Post": its last Catch must be of States.ALL',
    ),
    "a state the checks would pass over": (
        lambda states: states["Prepare"].update(Type="Parallel"),
        'State "Prepare": these checks do not look into a Parallel yet',
    ),
    "a query language of a map": (
        lambda states: states["Publish Posts"]["ItemProcessor"].update(QueryLanguage="JSONata"),
        'State "Publish Posts": QueryLanguage stands at the top level only',
    ),
    "the cause of an error, in a variable": (
        _check_generation(lambda task: task["Catch"][0]["Assign"].update(last="{% $states.errorOutput.Cause %}")),
        'State "Check Generation": it carries $states.errorOutput.Cause, which nothing bounds',
    ),
    "an output of all that a service answers": (
        _check_generation(lambda task: task.update(Output="{% $states.result %}")),
        'State "Check Generation": it carries $states.result, which nothing bounds',
    ),
    "a catch that hands on an error as it is": (
        lambda states: states["Publish Posts"]["Catch"][0].pop("Output"),
        'State "Publish Posts": it and each Catch must have an Output',
    ),
    "a task that hands on all that a service answers": (
        _check_generation(lambda task: task.pop("Output")),
        'State "Check Generation": it and each Catch must have an Output',
    ),
    "too long a history": (
        _of_posts(lambda states: states["Check Post"]["Retry"][0].update(MaxAttempts=9)),
        "State machine: an execution may have ",
    ),
    "what the host of one process does not know": (
        _check_generation(lambda task: task.update(HeartbeatSeconds=9)),
        "State machine: the host of one process does not take it: ",
    ),
    "seconds that are neither a number nor an expression": (
        lambda states: states["Wait For Render"].update(Seconds="soon"),
        'statelint: State Machine.States.Wait For Render.Seconds is "soon"',
    ),
    "a field of another type": (
        _check_generation(lambda task: task.update(Retry="twice")),
        "State machine: ('States', 'Check Generation', 'Retry'): ",
    ),
    "a bound that is one of two alternatives": (
        _go_on_if("$states.input.outcome = 'wait' or $polls <= 221"),
        'State "Wait For Render": nothing bounds the loop Wait For Render → Check Generation → Finished?',
    ),
    "a counter that a fault does not raise": (
        _check_generation(lambda task: task["Catch"][0].pop("Assign")),
        'State "Wait For Render": nothing bounds the loop',
    ),
    "a counter that the loop sets back": (
        lambda states: states["Wait For Render"].update(Assign={"polls": "{% $polls - 1 %}"}),
        'State "Wait For Render": nothing bounds the loop',
    ),
    "a counter that starts nowhere": (
        lambda states: states["Prepare"]["Assign"].pop("polls"),
        'State "Wait For Render": nothing bounds the loop',
    ),
    "a fault always waited for": (_answer_a_fault_by("wait"), 'State "Store Video": nothing bounds the loop'),
    "a fault answered by a word that bounds nothing": (
        _answer_a_fault_by("{% $faults < 6 ? 'again' : 'fault' %}"),
        'State "Store Video": nothing bounds the loop',
    ),
    "too many faults": (
        _answer_a_fault_by("{% $faults < 11 ? 'wait' : 'fault' %}"),
        (
            'State "Store Video": $faults allows 12 rounds of Store Video → Stored? → Wait To Store; '
            "it must allow 1 to 10"
        ),
    ),
    "a bound below the pipeline's own": (
        _go_on_if("$states.input.outcome = 'wait' and $polls <= 220"),
        (
            'State "Wait For Render": $polls allows 220 rounds of Wait For Render → Check Generation → Finished?; '
            "it must allow 221 to 225"
        ),
    ),
    "a counter the check does not know": (
        _rename_the_counter,
        'State "Wait For Render": LOOP_ROUNDS of this check must say how often $asked may be raised in ',
    ),
}
_BATCH_FAULTS: dict[str, tuple[Edit, str]] = {
    "rows that are given up before their step gives them up": (
        _of_retries(lambda retries: retries[0].update(MaxAttempts=100)),
        'State "Submit Chunk": its Retry of RateExceeded must last longer than the step waits for room, 20:00:00',
    ),
    "rows that do not wait for room": (
        _of_retries(lambda retries: retries.pop(0)),
        'State "Submit Chunk": its one Retry must name ',
    ),
    "a retry of everything before the service faults": (
        lambda states: states["Write Results"]["Retry"].reverse(),
        'State "Write Results": its one Retry must name ',
    ),
    "too long a history of an item that has its own": (
        _of_retries(lambda retries: retries[1].update(MaxAttempts=7_000)),
        "State machine: an execution may have ",
    ),
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_fault_is_named_by_its_state(root: Path, fault: str) -> None:
    edit, finding = _FAULTS[fault]

    assert [line for line in _plant(root, edit) if finding in line]


@pytest.mark.parametrize("fault", _BATCH_FAULTS)
def test_a_fault_of_the_machine_of_batches_is_named_by_its_state(root: Path, fault: str) -> None:
    edit, finding = _BATCH_FAULTS[fault]

    assert [line for line in _plant(root, edit, _BATCH) if line.startswith(finding)]


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
