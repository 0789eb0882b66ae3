"""A planted fault for every rule on state machines."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from checks.asl import VideoExecution, check_asl
from checks.state_machine import Loop, Scope, count_history_events
from mediaposter.pipeline.steps import PostReference
from mediaposter.workflow import StepFunctionsWorkflow
from tests.builders import NOW
from tests.unit.checks.planting import plant, run_check

_FILE = "statemachine/video.asl.json"
_BATCH = "statemachine/batch.asl.json"

Json = dict[str, Any]
Edit = Callable[[Json], object]


def _edit(root: Path, edit: Edit, file: str = _FILE) -> None:
    machine = json.loads((root / file).read_text())
    edit(machine["States"])
    (root / file).write_text(json.dumps(machine))


def _of_posts(edit: Edit) -> Edit:
    return lambda states: edit(states["Publish Posts"]["ItemProcessor"]["States"])


def _check_generation(edit: Edit) -> Edit:
    return lambda states: edit(states["Check Generation"])


def _go_on_if(condition: str) -> Edit:
    def edit(states: Json) -> None:
        rule = next(rule for rule in states["Finished?"]["Choices"] if rule["Next"] == "Wait For Render")
        rule.update(Condition=f"{{% {condition} %}}")

    return edit


def _answer_a_fault_by(outcome: str) -> Edit:
    return lambda states: states["Store Video"]["Catch"][-1]["Output"].update(outcome=outcome)


def _keep_a_log(more: str) -> Edit:
    def edit(states: Json) -> None:
        states["Prepare"]["Assign"].update(log="")
        states["Check Generation"]["Catch"][0]["Assign"].update(log=more)

    return edit


def _rename_the_counter(states: Json) -> None:
    renamed = json.loads(json.dumps(states).replace("$polls", "$asked").replace('"polls"', '"asked"'))
    states.update(renamed)


def test_an_untouched_copy_keeps_every_rule(root: Path) -> None:
    assert check_asl(root) == []


@pytest.mark.parametrize(
    ("edit", "finding"),
    [
        pytest.param(
            _check_generation(lambda task: task.pop("TimeoutSeconds")),
            'State "Check Generation": it must have TimeoutSeconds',
            id="a task without a timeout",
        ),
        pytest.param(
            _check_generation(lambda task: task.update(TimeoutSeconds=60)),
            'State "Check Generation": its TimeoutSeconds, 60, must be more than PollFunction\'s Timeout, 60',
            id="a task that ends before its function",
        ),
        pytest.param(
            _check_generation(lambda task: task.update(TimeoutSeconds="{% $polls %}")),
            'State "Check Generation": its TimeoutSeconds, {% $polls %}, must be more than PollFunction\'s Timeout, 60',
            id="a task that may end before its function",
        ),
        pytest.param(
            lambda states: states["Close Video"].update(TimeoutSeconds=29),
            'State "Close Video": its TimeoutSeconds, 29, must be more than CloseFunction\'s Timeout, 29',
            id="a task that ends with the timeout of Globals",
        ),
        pytest.param(
            _check_generation(lambda task: task["Arguments"].update(FunctionName="poll")),
            'State "Check Generation": its FunctionName must be a substitution',
            id="a function named by hand",
        ),
        pytest.param(
            lambda states: states["Listen"].update(Retry=states["Check Generation"]["Retry"]),
            'State "Listen": a Task that invokes no function must have no Retry',
            id="a retry of what only shortens a wait",
        ),
        pytest.param(
            lambda states: states["Listen"].pop("TimeoutSeconds"),
            'State "Listen": it must have TimeoutSeconds',
            id="a wait for a webhook without an end",
        ),
        pytest.param(
            lambda states: states["Listen"]["Arguments"].update(TableName="${VideoTable}"),
            "State machine: ${VideoTable} is not among its DefinitionSubstitutions in template.yaml",
            id="a table that is not substituted",
        ),
        pytest.param(
            lambda states: states["Close Video"].update(Resource="arn:aws:states:::lambda:invoke"),
            "State machine: every ARN must begin with arn:${Partition}:",
            id="a partition named by hand",
        ),
        pytest.param(
            _check_generation(lambda task: task.pop("Retry")),
            'State "Check Generation": its one Retry must name Lambda.ServiceException',
            id="no retry",
        ),
        pytest.param(
            _check_generation(lambda task: task["Retry"][0]["ErrorEquals"].pop()),
            'State "Check Generation": its one Retry must name Lambda.ServiceException',
            id="a retry that forgets a service fault",
        ),
        pytest.param(
            lambda states: states["Start Generation"]["Retry"].append({"ErrorEquals": ["States.ALL"]}),
            'State "Start Generation": its one Retry must name Lambda.ServiceException',
            id="a retry of everything around a paid call",
        ),
        pytest.param(
            _check_generation(lambda task: task["Retry"][0].pop("JitterStrategy")),
            'State "Check Generation": its Retry must have the JitterStrategy FULL',
            id="a retry without jitter",
        ),
        pytest.param(
            _check_generation(lambda task: task.pop("Catch")),
            'State "Check Generation": its last Catch must be of States.ALL',
            id="no catch",
        ),
        pytest.param(
            _of_posts(lambda states: states["Create Post"]["Catch"][-1].update(ErrorEquals=["States.Timeout"])),
            'State "Create Post": its last Catch must be of States.ALL',
            id="a catch of something, inside the map",
        ),
        pytest.param(
            lambda states: states["Publish Posts"].pop("Catch"),
            'State "Publish Posts": its last Catch must be of States.ALL',
            id="a map without a catch",
        ),
        pytest.param(
            lambda states: states["Prepare"].update(Type="Parallel"),
            'State "Prepare": these checks do not look into a Parallel yet',
            id="a state the checks would pass over",
        ),
        pytest.param(
            _check_generation(lambda task: task.update(Next="Done?")),
            'State "Check Generation": there is no state "Done?" to go to',
            id="a dangling next",
        ),
        pytest.param(
            lambda states: states["Finished?"].update(Default="Give Up"),
            'State "Finished?": there is no state "Give Up" to go to',
            id="a dangling default",
        ),
        pytest.param(
            _of_posts(lambda states: states["Check Post"]["Catch"][0].update(Next="Give Up")),
            'State "Check Post": there is no state "Give Up" to go to',
            id="a dangling catch, inside the map",
        ),
        pytest.param(
            lambda states: states.update({"Rest": {"Type": "Succeed"}}),
            'State "Rest": nothing leads to it',
            id="an unreachable state",
        ),
        pytest.param(
            lambda states: states.update({"Rest": {"Type": "Pass", "Next": "Sleep"}, "Sleep": {"Type": "Succeed"}}),
            'State "Sleep": nothing leads to it',
            id="a state that only an unreachable one leads to",
        ),
        pytest.param(
            lambda states: states["Close Video"].update(QueryLanguage="JSONata"),
            'State "Close Video": QueryLanguage stands at the top level only',
            id="a query language of one state",
        ),
        pytest.param(
            lambda states: states["Publish Posts"]["ItemProcessor"].update(QueryLanguage="JSONata"),
            'State "Publish Posts": QueryLanguage stands at the top level only',
            id="a query language of a map",
        ),
        pytest.param(
            _go_on_if("$states.input.outcome = 'wait'"),
            'State "Wait For Render": nothing bounds the loop Wait For Render → Check Generation → Finished?',
            id="a loop without a bound",
        ),
        pytest.param(
            _go_on_if("$states.input.outcome = 'wait' or $polls <= 221"),
            'State "Wait For Render": nothing bounds the loop',
            id="a bound that is one of two alternatives",
        ),
        pytest.param(
            _check_generation(lambda task: task.pop("Assign")),
            'State "Wait For Render": nothing bounds the loop',
            id="a counter that is not raised",
        ),
        pytest.param(
            _check_generation(lambda task: task["Catch"][0].pop("Assign")),
            'State "Wait For Render": nothing bounds the loop',
            id="a counter that a fault does not raise",
        ),
        pytest.param(
            lambda states: states["Wait For Render"].update(Assign={"polls": 1}),
            'State "Wait For Render": nothing bounds the loop',
            id="a counter that the loop sets back",
        ),
        pytest.param(
            lambda states: states["Wait For Render"].update(Assign={"polls": "{% $polls - 1 %}"}),
            'State "Wait For Render": nothing bounds the loop',
            id="a counter that the loop lowers",
        ),
        pytest.param(
            _check_generation(lambda task: task["Assign"].update(polls="{% $stores + 1 %}")),
            'State "Wait For Render": nothing bounds the loop',
            id="a counter that takes the value of another",
        ),
        pytest.param(
            lambda states: states["Prepare"]["Assign"].pop("polls"),
            'State "Wait For Render": nothing bounds the loop',
            id="a counter that starts nowhere",
        ),
        pytest.param(
            _answer_a_fault_by("wait"),
            'State "Store Video": nothing bounds the loop',
            id="a fault that is always waited for",
        ),
        pytest.param(
            _answer_a_fault_by("{% $faults < 6 ? 'again' : 'fault' %}"),
            'State "Store Video": nothing bounds the loop',
            id="a fault answered by a word that bounds nothing",
        ),
        pytest.param(
            _answer_a_fault_by("{% $faults < 11 ? 'wait' : 'fault' %}"),
            'State "Store Video": $faults allows 12 rounds of Store Video → Stored? → Wait To Store; '
            "it must allow 1 to 10",
            id="too many faults",
        ),
        pytest.param(
            _go_on_if("$states.input.outcome = 'wait' and $polls <= 220"),
            'State "Wait For Render": $polls allows 220 rounds of Wait For Render → Check Generation → Finished?; '
            "it must allow 221 to 225",
            id="a bound below the pipeline's own",
        ),
        pytest.param(
            _go_on_if("$states.input.outcome = 'wait' and $polls <= 226"),
            'State "Wait For Render": $polls allows 226 rounds of ',
            id="a raised bound",
        ),
        pytest.param(
            _rename_the_counter,
            'State "Wait For Render": LOOP_ROUNDS of this check must say how often $asked may be raised in ',
            id="a counter the check does not know",
        ),
        pytest.param(
            _of_posts(lambda states: states["Check Post"]["Retry"][0].update(MaxAttempts=9)),
            "State machine: an execution may have ",
            id="too long a history",
        ),
        pytest.param(
            _check_generation(lambda task: task.update(Parameters={})),
            'statelint: Field "Parameters" not allowed in State Machine.States.Check Generation',
            id="a field of the other query language",
        ),
        pytest.param(
            lambda states: states["Wait For Render"].update(Seconds="soon"),
            'statelint: State Machine.States.Wait For Render.Seconds is "soon"',
            id="seconds that are neither a number nor an expression",
        ),
        pytest.param(
            _check_generation(lambda task: task.update(Retry="twice")),
            "State machine: ('States', 'Check Generation', 'Retry'): ",
            id="a field of another type",
        ),
        pytest.param(
            lambda states: states["Close Video"]["Catch"][0]["Output"].update(fault="{% $states.errorOutput.Cause %}"),
            'State "Close Video": its Catch Output carries {% $states.errorOutput.Cause %}, which nothing bounds',
            id="the cause of an error",
        ),
        pytest.param(
            _check_generation(lambda task: task["Catch"][0]["Assign"].update(last="{% $states.errorOutput %}")),
            'State "Check Generation": its Catch Assign carries {% $states.errorOutput %}, which nothing bounds',
            id="an error with its cause, in a variable",
        ),
        pytest.param(
            lambda states: states["Publish Posts"]["Catch"][0].pop("Output"),
            'State "Publish Posts": its Catch Output: there is none, so all is handed on, and nothing bounds its '
            "result.Cause",
            id="a catch that hands on an error as it is",
        ),
        pytest.param(
            _check_generation(lambda task: task.pop("Output")),
            'State "Check Generation": its Output: there is none, so all is handed on, and nothing bounds its '
            "result.SdkResponseMetadata",
            id="a task that hands on all that a service answers",
        ),
        pytest.param(
            _check_generation(lambda task: task.update(Output="{% $states.result %}")),
            'State "Check Generation": its Output carries {% $states.result %}, which nothing bounds',
            id="an output of all that a service answers",
        ),
        pytest.param(
            _check_generation(lambda task: task.update(Resource="arn:${Partition}:states:::s3:getObject")),
            'State "Check Generation": its Output carries {% $states.result.Payload %}, which nothing bounds',
            id="the answer of a service that nobody knows",
        ),
        pytest.param(
            _check_generation(lambda task: task.update(Output={"posts": "{% $states.result.Payload.replies %}"})),
            'State "Check Generation": its Output: nothing gives $states.result.Payload.replies',
            id="a field that the model has not",
        ),
        pytest.param(
            _check_generation(lambda task: task.update(Output={"posts": "{% $append($states.input, 1) %}"})),
            'State "Check Generation": its Output: this check does not know the function $append',
            id="a function the check does not know",
        ),
        pytest.param(
            _keep_a_log("{% $log & $states.errorOutput.Error %}"),
            "State machine: its variables may have ",
            id="a variable to which each fault adds its name",
        ),
        pytest.param(
            _keep_a_log("{% $log & '.' %}"),
            "State machine: what it carries grows each time round a loop, without a bound",
            id="a variable to which each fault adds a sign",
        ),
        pytest.param(
            _of_posts(lambda states: states["Post Settled"]["Output"].update(settled="x" * 20_000)),
            'State "Publish Posts": its Output may have 43',
            id="results of a map that are too large together",
        ),
        pytest.param(
            lambda states: states["Close Video"]["Arguments"]["Payload"].update(fault="x" * 262_144),
            'State "Close Video": its Arguments may have 2',
            id="a payload that is too large",
        ),
        pytest.param(
            lambda states: states["Publish Posts"].update(Items="{% $states.input %}"),
            'State "Publish Posts": its Items: nothing tells how many there are',
            id="a map of what is no list",
        ),
    ],
)
def test_a_fault_is_named_by_its_state(root: Path, edit: Edit, finding: str) -> None:
    _edit(root, edit)

    assert [line for line in check_asl(root) if line.startswith(f"{_FILE}: {finding}")]


@pytest.mark.parametrize(
    ("edit", "finding"),
    [
        pytest.param(
            lambda states: states["Take Rows"]["ItemProcessor"]["States"]["Take Part"].update(Output="x" * 700),
            'State "Take Rows": its results may have ',
            id="results of a map that are too large together, though none is kept",
        ),
        pytest.param(
            lambda states: (
                states.update({"Take All": states.pop("Take Rows")})
                or states["Readable?"]["Choices"][0].update(Next="Take All")
            ),
            'State "Take All": its Items: nothing tells how many there are',
            id="a map of a file that the check does not know",
        ),
        pytest.param(
            lambda states: states["Take Rows"]["ItemProcessor"]["States"]["Take Part"]["Retry"][0].update(
                MaxAttempts=100
            ),
            'State "Take Part": its Retry of RateExceeded must last longer than the step waits for room, 20:00:00',
            id="rows that are given up before their step gives them up",
        ),
        pytest.param(
            lambda states: states["Take Rows"]["ItemProcessor"]["States"]["Take Part"]["Retry"].pop(0),
            'State "Take Part": its one Retry must name ',
            id="rows that do not wait for room",
        ),
        pytest.param(
            lambda states: states["Write Results"]["Retry"].reverse(),
            'State "Write Results": its one Retry must name ',
            id="a retry of everything before the service faults",
        ),
        pytest.param(
            lambda states: states["Write Results"]["Retry"][1].pop("JitterStrategy"),
            'State "Write Results": its Retry must have the JitterStrategy FULL',
            id="a retry of everything without jitter",
        ),
        pytest.param(
            lambda states: states["Take Rows"]["ItemProcessor"]["States"]["Take Part"]["Retry"][1].update(
                MaxAttempts=7_000
            ),
            "State machine: an execution may have ",
            id="too long a history of an item that has its own",
        ),
    ],
)
def test_a_fault_of_the_machine_of_batches_is_named_by_its_state(root: Path, edit: Edit, finding: str) -> None:
    _edit(root, edit, _BATCH)

    assert [line for line in check_asl(root) if line.startswith(f"{_BATCH}: {finding}")]


def test_another_query_language_is_named(root: Path) -> None:
    plant(root, _FILE, '"QueryLanguage": "JSONata"', '"QueryLanguage": "JSONPath"')

    assert f"{_FILE}: State machine: its QueryLanguage must be JSONata" in check_asl(root)


def test_a_substitution_the_template_does_not_make_is_named(root: Path) -> None:
    plant(root, "template.yaml", "        PollFunctionArn: !GetAtt PollFunction.Arn\n", "")

    assert (
        f"{_FILE}: State machine: ${{PollFunctionArn}} is not among its DefinitionSubstitutions in template.yaml"
        in (check_asl(root))
    )


def test_a_substitution_that_is_not_used_is_named(root: Path) -> None:
    substitution = "        PollFunctionArn: !GetAtt PollFunction.Arn\n"
    plant(root, "template.yaml", substitution, substitution + "        SweepFunctionArn: !GetAtt SweepFunction.Arn\n")

    assert check_asl(root) == [
        f"{_FILE}: State machine: template.yaml substitutes ${{SweepFunctionArn}}, which is not here"
    ]


@pytest.mark.parametrize(
    ("room", "new", "finding"),
    [
        ("doors", "take_request()(", "CloseFunction answers IntakeResult, and nothing bounds its "),
        ("steps", "close_all(", "this check cannot tell what CloseFunction answers: its handler has 0 use cases"),
        ("background", "read_accounts()(", "this check cannot tell what CloseFunction answers: int is no model"),
    ],
    ids=["a model without bounds", "no use case", "no model"],
)
def test_an_answer_that_nothing_bounds_is_named_by_its_task(root: Path, room: str, new: str, finding: str) -> None:
    handler = "functions/finalize/close.py"
    plant(root, handler, "from mediaposter.bootstrap import steps\n", f"from mediaposter.bootstrap import {room}\n")
    plant(root, handler, "steps.close_video()(", f"{room}.{new}")

    assert [line for line in check_asl(root) if line.startswith(f'{_FILE}: State "Close Video": its answer: {finding}')]


def test_a_machine_is_measured_only_when_it_is_known_what_starts_it(root: Path) -> None:
    shutil.copy(root / _FILE, root / "statemachine" / "other.asl.json")

    assert (
        "statemachine/other.asl.json: State machine: MACHINES of this check must say what it is started with"
        in check_asl(root)
    )


def test_what_starts_a_machine_is_what_the_check_takes_it_for() -> None:
    client = boto3.client("stepfunctions", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    started: list[str] = []
    client.meta.events.register("provide-client-params", lambda params, **_: started.append(params["input"]))
    workflow = StepFunctionsWorkflow(client, "arn:aws:states:us-east-1:123456789012:stateMachine:video")
    with Stubber(client) as service:
        for _ in range(2):
            service.add_response("start_execution", {"executionArn": "arn", "startDate": NOW})
        workflow.start("video_1", 1)
        workflow.start("video_1", 2, [PostReference(video_id="video_1", post_id="twitter#101")])

    given = [VideoExecution.model_validate_json(execution_input) for execution_input in started]

    assert [execution.posts != () for execution in given] == [False, True]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (
            "    Default: 120\n",
            "    Default: 60\n",
            "CallLeaseSeconds, 60, must be more than the Timeout of StartFunction, 60",
        ),
        (
            "    Default: 120\n",
            "    Default: 30\n",
            "CallLeaseSeconds, 30, must be more than a call to Blotato may take, 30",
        ),
        (
            "      Handler: take.handler\n      Timeout: 300\n",
            "      Handler: take.handler\n      Timeout: 360\n",
            "TakePartFunction: its Timeout, 360, must be less than TAKING_ENDS_AFTER",
        ),
        (
            "      Timeout: 900\n      Layers:",
            "      Timeout: 840\n      Layers:",
            "StoreFunction: its Timeout, 840, must be more than 840",
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


def test_each_way_round_is_listed_once() -> None:
    states = {"Ask": {"Type": "Pass", "Next": "Rest"}, "Rest": {"Type": "Wait", "Next": "Ask"}}

    assert Scope.model_validate({"StartAt": "Ask", "States": states}).list_loops() == [Loop(("Ask", "Rest"), "", None)]


def test_a_loop_without_a_bound_counts_once() -> None:
    states = {"Ask": {"Type": "Pass", "Next": "Rest"}, "Rest": {"Type": "Wait", "Next": "Ask"}}

    assert count_history_events(Scope.model_validate({"StartAt": "Ask", "States": states}), map_items=1) == 2 + 2 + 2


def test_the_longest_history_is_told(root: Path) -> None:
    code, printed = run_check("asl", root)

    assert code == 0
    told = [line for line in printed if line.startswith("video.asl.json: ")]
    assert [re.sub(r"\d[\d,]*\d", "N", line) for line in told] == [
        "video.asl.json: an execution has N events at the most, of N allowed",
        (
            'video.asl.json: N bytes at the most are handed on, of N allowed (State "Create Post": its input); '
            "the variables have N together"
        ),
    ]


def test_the_command_prints_the_findings_and_fails(root: Path) -> None:
    _edit(root, _check_generation(lambda task: task.pop("TimeoutSeconds")))

    assert run_check("asl", root) == (1, [f'{_FILE}: State "Check Generation": it must have TimeoutSeconds'])
