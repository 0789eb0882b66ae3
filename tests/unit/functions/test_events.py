"""The sample events are what AWS sends to each function."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from aws_lambda_powertools.utilities.parser.models import ApiGatewayAuthorizerToken, APIGatewayProxyEventModel

from checks.state_machine import State, read_state_machine
from mediaposter.wire.authorization import AuthorizerContext
from tests.unit.functions.stack import REPOSITORY, Event, read_event, shipped_template

_TEMPLATE = shipped_template()
_MACHINE = read_state_machine(REPOSITORY / "statemachine" / "video.asl.json")
_EVENTS = sorted(path.stem for path in (REPOSITORY / "events").glob("*.json"))
# Which function each sample is for: a file is named after its function, or its step, and the case.
_STEPS = {
    "startgeneration": "StartGenerationFunction",
    "checkgeneration-running": "CheckGenerationFunction",
    "checkgeneration-completed": "CheckGenerationFunction",
    "storevideo": "StoreVideoFunction",
    "createpost": "CreatePostFunction",
    "checkpost": "CheckPostFunction",
    "closevideo": "CloseVideoFunction",
    "closevideo-execution-failed": "CloseVideoFunction",
}


def _list_tasks(function: str) -> Iterator[State]:
    for scope in _MACHINE.walk():
        for state in scope.states.values():
            if state.arguments.get("FunctionName") == f"${{{function}Arn}}":
                yield state


# The functions behind the routes, by what their samples are named after.
_ROUTED = {
    "batches": "ApiFunction",
    "library": "ApiFunction",
    "posts": "ApiFunction",
    "mcp": "McpFunction",
    "submit": "SubmitFunction",
    "providerwebhooks": "ProviderWebhooksFunction",
}


@pytest.mark.parametrize("name", [name for name in _EVENTS if name.startswith("authorize-")])
def test_an_authorizers_sample_is_one_of_a_token_authorizer(name: str) -> None:
    ApiGatewayAuthorizerToken.model_validate(read_event(name))


@pytest.mark.parametrize(
    "name", [name for name in _EVENTS if name.partition("-")[0] in _ROUTED.keys() - {"providerwebhooks"}]
)
def test_a_request_is_one_of_a_rest_api(name: str) -> None:
    event = read_event(name)

    # Powertools takes `scopes` for Cognito's list; of a Lambda authorizer API Gateway passes on flat text only.
    AuthorizerContext.model_validate(event["requestContext"].pop("authorizer"))
    APIGatewayProxyEventModel.model_validate(event)
    assert event["requestContext"]["path"] == f"/v1{event['path']}"
    assert event["headers"] == {name: values[0] for name, values in event["multiValueHeaders"].items()}


def test_a_webhook_comes_without_a_key() -> None:
    event = read_event("providerwebhooks-completed")

    assert "authorizer" not in event["requestContext"]
    APIGatewayProxyEventModel.model_validate(event)


@pytest.mark.parametrize(
    "name",
    [name for name in _EVENTS if name.partition("-")[0] in _ROUTED and "unknown" not in name],
)
def test_a_request_is_for_a_route_of_its_function(name: str) -> None:
    event = read_event(name)
    function = _TEMPLATE.resources[_ROUTED[name.partition("-")[0]]]

    routes = {
        (route["Properties"]["Method"], route["Properties"]["Path"]) for route in function.properties["Events"].values()
    }

    assert (event["httpMethod"], event["resource"]) in routes
    # What API Gateway makes of a route and of the parts of a path.
    assert event["resource"].replace("{proxy+}", "{proxy}").format(**event["pathParameters"] or {}) == event["path"]


@pytest.mark.parametrize(("name", "function"), _STEPS.items())
def test_a_step_is_told_what_the_state_machine_tells_it(name: str, function: str) -> None:
    event = read_event(name)

    assert event.keys() in [task.arguments["Payload"].keys() for task in _list_tasks(function)]


def test_an_execution_that_broke_off_is_told_as_its_rule_does() -> None:
    rule = _TEMPLATE.resources["CloseVideoFunction"].properties["Events"]["ExecutionBrokeOff"]["Properties"]
    told: Event = read_event("closevideo-from-event")

    template = rule["InputTransformer"]["InputTemplate"]

    assert json.loads(template.replace("<execution>", told["execution"]).replace("<status>", "TIMED_OUT")) == told
