"""The section "sam local" of docs/operations.md: its commands name functions and samples that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from checks.state_machine import read_state_machine
from tests.unit.functions.stack import shipped_template

CHECKOUT = Path(__file__).parents[3]
PAGE = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## sam local\n")[2].partition("\n## ")[0]
ROW = re.compile(r"^\| .+ \| `sam local invoke (\w+) -e events/([\w-]+)\.json` \| (.*)\|$", re.MULTILINE)
TEMPLATE = shipped_template()
FUNCTIONS = TEMPLATE.of_type("AWS::Serverless::Function")
SAMPLES = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((CHECKOUT / "events").glob("*.json"))
}


# What samples are named after where a function does several things: routes about, and states of a machine.
PARTS = {
    "ApiFunction": ("library", "posts", "batches"),
    "RunBatchStepFunction": ("readrows", "submitchunk", "finishsubmitting", "cancelpart", "writeresults"),
}


class Row(NamedTuple):
    """A row of the table: a function and its samples."""

    function: str
    samples: tuple[str, ...]


class Trigger(NamedTuple):
    """What calls a function, and some of what it sends."""

    function: str
    what: str
    sends: dict[str, Any]


def list_rows() -> list[Row]:
    return [Row(row[1], (row[2], *re.findall(r"`([\w-]+)`", row[3]))) for row in ROW.finditer(SECTION)]


def list_triggers() -> Iterator[Trigger]:
    """List each kind of event of each function."""
    for function, resource in FUNCTIONS.items():
        for name, event in resource.properties.get("Events", {}).items():
            properties = event["Properties"]
            match event["Type"]:
                case "Api":
                    route = {"httpMethod": properties["Method"], "resource": properties["Path"]}
                    yield Trigger(function, f"{properties['Method']} {properties['Path']}", route)
                case "ScheduleV2":
                    yield Trigger(function, name, {"detail-type": "Scheduled Event"})
                case "EventBridgeRule":
                    template = json.loads(properties["InputTransformer"]["InputTemplate"])
                    yield Trigger(function, name, dict.fromkeys(template, ...))
                case other:
                    raise AssertionError(f"{function} has an event of type {other}: say here what it sends")
    for name, mapping in TEMPLATE.of_type("AWS::Lambda::EventSourceMapping").items():
        function = mapping.properties["FunctionName"]["Fn::GetAtt"].removesuffix(".Arn")
        is_stream = mapping.properties["EventSourceArn"]["Fn::GetAtt"].endswith(".StreamArn")
        yield Trigger(function, name, {"Records": "aws:dynamodb" if is_stream else "aws:sqs"})
    for api in TEMPLATE.of_type("AWS::Serverless::Api").values():
        for name, authorizer in api.properties["Auth"]["Authorizers"].items():
            yield Trigger(authorizer["FunctionArn"]["Fn::GetAtt"].removesuffix(".Arn"), name, {"type": "TOKEN"})
    yield from list_steps()


def list_steps() -> Iterator[Trigger]:
    for machine in TEMPLATE.of_type("AWS::Serverless::StateMachine").values():
        arns = {
            f"${{{name}}}": value["Fn::GetAtt"].removesuffix(".Arn")
            for name, value in machine.properties["DefinitionSubstitutions"].items()
            if "Fn::GetAtt" in value
        }
        for scope in read_state_machine(CHECKOUT / machine.properties["DefinitionUri"]).walk():
            for name, state in scope.states.items():
                payload = state.arguments.get("Payload", {})
                if state.function_name in arns:
                    sends = {key: ... if str(value).startswith("{%") else value for key, value in payload.items()}
                    yield Trigger(arns[state.function_name], name, sends)


def fits(sample: dict[str, Any], sends: dict[str, Any]) -> bool:
    """Tell whether a sample is what a trigger sends; `...` stands for anything."""
    found = {**sample}
    if isinstance(found.get("Records"), list):
        found["Records"] = found["Records"][0]["eventSource"]
    return all(name in found and value in (..., found[name]) for name, value in sends.items())


def list_samples(function: str) -> list[str]:
    """List the samples of a function: a file is named after it, or after a part of its work, and the case."""
    parts = PARTS.get(function, (function.removesuffix("Function").lower(),))
    return sorted(name for name in SAMPLES if name.partition("-")[0] in parts)


def test_every_function_has_its_row() -> None:
    assert {row.function for row in list_rows()} == set(FUNCTIONS)


def test_the_rows_of_a_function_name_its_samples() -> None:
    for function in FUNCTIONS:
        named = [sample for row in list_rows() if row.function == function for sample in row.samples]
        assert sorted(named) == list_samples(function)


def test_every_sample_is_of_a_function() -> None:
    named = {sample for function in FUNCTIONS for sample in list_samples(function)}

    assert set(SAMPLES) == named


def test_whatever_calls_a_function_has_a_sample() -> None:
    without = [
        trigger
        for trigger in list_triggers()
        if not any(fits(SAMPLES[name], trigger.sends) for name in list_samples(trigger.function))
    ]

    assert without == []


def test_every_command_of_the_section_names_a_function_and_a_sample() -> None:
    for function, sample in re.findall(r"sam local invoke (\w+) -e events/([\w-]+)\.json", SECTION):
        assert function in FUNCTIONS
        assert sample in list_samples(function)


def test_the_samples_that_the_section_speaks_of_are_there() -> None:
    expected = SECTION.partition("**What to expect**")[2]
    named = re.findall(r"`([a-z]+-[a-z-]+)`", expected)

    assert set(named) <= set(SAMPLES)


def test_the_names_that_a_stack_tells_are_all_that_the_template_refers_to() -> None:
    told = dict(re.findall(r"(\w+): StackResourceSummaries\[\?LogicalResourceId=='(\w+)'\]", SECTION))
    environments = [resource.properties.get("Environment", {}).get("Variables", {}) for resource in FUNCTIONS.values()]
    variables = [*environments, TEMPLATE.globals["Environment"]["Variables"]]
    referred = {
        name: value["Ref"]
        for environment in variables
        for name, value in environment.items()
        if isinstance(value, dict) and value.get("Ref") in TEMPLATE.resources
    }

    assert told == referred
