"""What this host does not know of a definition is refused when it is loaded, with where and what."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from mediaposter.host.definition import Definition, Refused
from mediaposter.host.walker import Services, Walker
from tests.fakes.host import WAIT_WRITE, a_machine, a_pass, a_task

DEFINITIONS = sorted((Path(__file__).parents[3] / "statemachine").glob("*.asl.json"))
RULE = {"Condition": "{% true %}", "Next": "End"}
END = {"Type": "Succeed"}
ALL = ["States.ALL"]


def a_map(mode: str = "INLINE", **fields: Any) -> dict[str, Any]:
    states = fields.pop("States", {"Each": a_pass()})
    processor = {"ProcessorConfig": {"Mode": mode}, "StartAt": "Each", "States": states}
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}


def a_reader(**fields: Any) -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Arguments": {"Bucket": "b", "Key": "k"},
        **fields,
    }


def a_wait_write(**changes: Any) -> dict[str, Any]:
    state = deepcopy(WAIT_WRITE) | {"End": True}
    state["Arguments"] |= changes
    return state


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_the_shipped_machines_are_known(path: Path) -> None:
    assert Definition.load(path.read_text(encoding="utf-8")).list_functions()


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ({"Start": {"Type": "Parallel", "Branches": [], "End": True}}, "Parallel"),
        ({"Start": a_task(HeartbeatSeconds=5)}, "HeartbeatSeconds"),
        ({"Start": a_task(ResultPath="$")}, "ResultPath"),
        ({"Start": a_pass(QueryLanguage="JSONPath")}, "QueryLanguage"),
        ({"Start": a_map(Items=[], ItemSelector={})}, "ItemSelector"),
        ({"Start": a_map("DISTRIBUTED", ItemReader=a_reader(), ItemBatcher={})}, "ItemBatcher"),
        ({"Start": a_map("DISTRIBUTED", ItemReader=a_reader(), ResultWriter={})}, "ResultWriter"),
        ({"Start": a_map("DISTRIBUTED")}, "ItemReader"),
        ({"Start": a_map(Items=[], ToleratedFailurePercentage=5)}, "tolerates"),
        ({"Start": a_map("DISTRIBUTED", ItemReader=a_reader(ReaderConfig={"InputType": "CSV"}))}, "JSONL"),
        ({"Start": a_map("DISTRIBUTED", ItemReader=a_reader(Resource="arn:aws:states:::s3:listObjectsV2"))}, "list"),
        ({"Start": {"Type": "Wait", "Timestamp": "2026-01-01T00:00:00Z", "End": True}}, "Timestamp"),
        ({"Start": {"Type": "Fail", "Error": "{% $states.input %}"}}, "Error and Cause"),
        ({"Start": {"Type": "Succeed", "Output": 1}}, "Output"),
    ],
)
def test_states_and_fields_that_are_not_known_are_refused(states: dict[str, Any], says: str) -> None:
    _refuse(states, says)


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::sqs:sendMessage",
        "arn:aws:states:::lambda:invoke.sync",
        "arn:aws:states:::aws-sdk:dynamodb:updateItem",
        "arn:aws:lambda:eu-west-1:123456789012:function:work",
    ],
)
def test_resources_that_are_not_known_are_refused(resource: str) -> None:
    _refuse({"Start": {**a_task(), "Resource": resource}}, resource)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"Retry": [{"ErrorEquals": ["A"], "Backoff": 2}]}, "Backoff"),
        ({"Retry": [{"ErrorEquals": []}]}, "ErrorEquals"),
        ({"Retry": [{"ErrorEquals": ["A"], "JitterStrategy": "HALF"}]}, "JitterStrategy"),
        ({"Retry": [{"ErrorEquals": ["A"], "IntervalSeconds": 5, "MaxDelaySeconds": 5}]}, "MaxDelaySeconds"),
        ({"Retry": [{"ErrorEquals": ALL}, {"ErrorEquals": ["A"]}]}, "States.ALL"),
        ({"Retry": [{"ErrorEquals": ["A", "States.ALL"]}]}, "States.ALL"),
        ({"Catch": [{"ErrorEquals": ALL, "Next": "End", "ResultPath": "$"}]}, "ResultPath"),
        ({"Catch": [{"ErrorEquals": ALL, "Next": "Nowhere"}]}, "Nowhere"),
        ({"TimeoutSeconds": 0}, "TimeoutSeconds"),
        ({"Arguments": {"FunctionName": "work"}}, "FunctionName and Payload"),
        ({"Arguments": {"FunctionName": "work", "Payload": 1, "InvocationType": "Event"}}, "FunctionName and Payload"),
        ({"Arguments": {"FunctionName": "{% $states.input %}", "Payload": 1}}, "FunctionName"),
    ],
)
def test_forms_of_a_task_that_are_not_known_are_refused(fields: dict[str, Any], says: str) -> None:
    _refuse({"Start": a_task(**fields), "End": END}, says)


@pytest.mark.parametrize(
    "changes",
    [
        {"UpdateExpression": "SET task_token = :token, #ttl = :ttl ADD version :two"},
        {"ConditionExpression": "attribute_not_exists(pk)"},
        {"ReturnValues": "ALL_NEW"},
        {"Key": {"pk": {"S": "JOB#1"}, "sk": {"S": "JOB"}}},
    ],
)
def test_any_other_write_than_that_of_a_wait_is_refused(changes: dict[str, Any]) -> None:
    _refuse({"Start": a_wait_write(**changes)}, "word by word")


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("$states.input.", "no JSONata"),
        ("$uuid()", "$uuid"),
        ("$eval('1')", "$eval"),
        ("$map([1], function($x) { $x })", "$map"),
        ("$n[0]", "filter"),
        ("$states.input.list[0]", "path"),
        ("$states.input.list[a = 1]", "path"),
        ("$states.input.*", "path"),
        ("(1; 2)", "parenthesis"),
        ("outcome", "path"),
        ("$", "nothing gives"),
        ("$never_assigned", "$never_assigned"),
        ("$states.result", "$states.result"),
        ("$states.errorOutput.Error", "$states.errorOutput"),
        ("$states.context.Task.Token", "Task.Token"),
        ("$states.context.Execution.StartTime", "StartTime"),
    ],
)
def test_expressions_that_are_not_known_are_refused(expression: str, says: str) -> None:
    _refuse({"Start": a_pass(Output=f"{{% {expression} %}}")}, says)


def test_an_expression_that_does_not_end_is_refused() -> None:
    _refuse({"Start": a_pass(Output="{% $states.input")}, "does not end")


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ({"Start": a_pass(Next="Nowhere")}, "Nowhere"),
        ({"Start": {"Type": "Pass"}}, "either a Next or an End"),
        ({"Start": {"Type": "Choice", "Choices": [RULE], "Default": "Nowhere"}, "End": END}, "Nowhere"),
        ({"Start": a_pass(Assign={"states": 1})}, "states"),
        (
            {
                "Start": a_pass(Assign={"n": 1}, Next="Map"),
                "Map": a_map(Items=[], States={"Each": a_pass(Assign={"n": 2})}),
            },
            "another scope",
        ),
        (
            {
                "Start": a_pass(Assign={"n": 1}, Next="Map"),
                "Map": a_map("DISTRIBUTED", ItemReader=a_reader(), States={"Each": a_pass(Output="{% $n %}")}),
            },
            "nothing gives $n",
        ),
    ],
)
def test_ways_and_variables_that_lead_nowhere_are_refused(states: dict[str, Any], says: str) -> None:
    _refuse(states, says)


def test_a_machine_whose_functions_are_not_all_given_is_refused() -> None:
    definition = Definition.load(json.dumps(a_machine(Start=a_task("${StartGenerationFunctionArn}"))))

    with pytest.raises(Refused, match="StartGenerationFunctionArn"):
        Walker(definition, Services({}, lambda _: True, lambda *_: b""), new_token=lambda: "")


def _refuse(states: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as refused:
        Definition.load(json.dumps(a_machine(**states)))
    assert says in str(refused.value)
    assert any(place in str(refused.value) for place in ("Start", "Map", "Each", "Assign")), "where?"
