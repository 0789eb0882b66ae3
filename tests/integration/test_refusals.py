"""What bad input gets: 4xx in OpenAI's envelope, nothing recorded, nothing spent."""

from __future__ import annotations

import httpx
import pytest
from pydantic import JsonValue

from tests.integration.stack import DeployedStack

REFUSALS: dict[str, tuple[dict[str, JsonValue], str, str]] = {
    "an empty prompt": ({"prompt": ""}, "prompt", "invalid_value"),
    "a blank prompt": ({"prompt": " \n"}, "prompt", "invalid_value"),
    "no prompt": ({}, "prompt", "missing_required_parameter"),
    "an over-long prompt": ({"prompt": "x" * 32_001}, "prompt", "invalid_value"),
    "an unknown model": ({"prompt": "x", "model": "sora-9"}, "model", "model_not_found"),
    "a size it cannot do": ({"prompt": "x", "size": "1024x1792"}, "size", "invalid_value"),
    "a length it cannot do": ({"prompt": "x", "seconds": "5"}, "seconds", "invalid_value"),
    "a length that no alias ever took": (
        {"prompt": "x", "model": "house-model", "seconds": 7000},
        "seconds",
        "invalid_value",
    ),
    "a size that no alias ever took": (
        {"prompt": "x", "model": "house-model", "size": "13x17"},
        "size",
        "invalid_value",
    ),
    "an option that the model does not list": (
        {"prompt": "x", "provider_options": {"input_reference[image_url]": "http://169.254.169.254/"}},
        "provider_options.input_reference[image_url]",
        "unknown_parameter",
    ),
    "an unknown field": ({"prompt": "x", "colour": "red"}, "colour", "unknown_parameter"),
    "a target without its required field": (
        {"prompt": "x", "publish": [{"platform": "facebook", "account_id": "803"}]},
        "publish[0].page_id",
        "missing_required_parameter",
    ),
    "a target with a field it does not have": (
        {"prompt": "x", "publish": [{"platform": "twitter", "account_id": "801", "is_draft": True}]},
        "publish[0].is_draft",
        "unknown_parameter",
    ),
}


@pytest.fixture
def count_records(stack: DeployedStack) -> int:
    return _count_items(stack)


@pytest.mark.parametrize("what", REFUSALS)
def test_bad_input_is_refused_and_leaves_nothing(stack: DeployedStack, count_records: int, what: str) -> None:
    body, param, code = REFUSALS[what]

    answer = stack.api.post("/videos", json=body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert _count_items(stack) == count_records


def test_a_refused_size_lists_what_the_model_can_do(stack: DeployedStack) -> None:
    message = stack.api.post("/videos", json={"prompt": "x", "size": "1x1"}).json()["error"]["message"]

    assert "720x1280" in message
    assert "1280x720" in message


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/json", b"{", "invalid_json"),
        ("application/json", b"[]", "invalid_json"),
        ("text/plain", b"prompt=x", "unsupported_content_type"),
        ("multipart/form-data", b"--x--", "invalid_multipart"),
        ("multipart/form-data; boundary=x", b"no boundary in here", "invalid_multipart"),
    ],
)
def test_a_malformed_body_is_refused(stack: DeployedStack, content_type: str, body: bytes, code: str) -> None:
    answer = stack.api.post("/videos", content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer mp_wrong"},
        {"Authorization": "Basic mp_wrong"},
        # Of the right form: only the authorizer knows that there is no such key.
        {"Authorization": f"Bearer mp_{'a' * 43}"},
    ],
    ids=str,
)
def test_a_missing_or_wrong_key_is_refused(stack: DeployedStack, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{stack.world.stack.base_url}/videos", json={"prompt": "x"}, headers=headers)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_an_unknown_route_answers_in_the_envelope(stack: DeployedStack) -> None:
    answer = stack.api.get("/nothing/here")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def _count_items(stack: DeployedStack) -> int:
    # What a request writes; videos that still run write counters of their own.
    count = stack.aws("dynamodb").scan(
        TableName=stack.world.stack.table,
        Select="COUNT",
        FilterExpression="begins_with(pk, :video) OR begins_with(pk, :name)",
        ExpressionAttributeValues={":video": {"S": "VIDEO#"}, ":name": {"S": "IDEMPOTENCY#"}},
    )["Count"]
    assert isinstance(count, int)
    return count
