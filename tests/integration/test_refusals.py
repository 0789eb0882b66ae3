"""What bad input gets: 4xx in OpenAI's envelope, nothing recorded, nothing spent."""

from __future__ import annotations

import httpx
import pytest
from pydantic import JsonValue

from tests.integration.stack import DeployedStack

# One of the request's model and one of the catalog: which there are, tests/unit/wire and tests/unit/usecases ask.
REFUSALS: dict[str, tuple[dict[str, JsonValue], str, str]] = {
    "no prompt": ({}, "prompt", "missing_required_parameter"),
    "a size it cannot do": ({"prompt": "x", "size": "1024x1792"}, "size", "invalid_value"),
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


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("application/json", b"{", "invalid_json"),
        ("multipart/form-data; boundary=x", b"no boundary in here", "invalid_multipart"),
    ],
)
def test_a_malformed_body_is_refused(stack: DeployedStack, content_type: str, body: bytes, code: str) -> None:
    answer = stack.api.post("/videos", content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        # What the gateway has no route for.
        ("GET", "/nothing"),
        ("PUT", "/videos"),
        ("PUT", "/videos/video_1/posts"),
        ("DELETE", "/batches/batch_1"),
        # What ApiFunction has none for.
        ("GET", "/videos/video_1/likes"),
        ("GET", "/videos/video_1/remix"),
        ("POST", "/batches/batch_1/pause"),
    ],
)
def test_a_route_that_there_is_not_is_answered_in_the_envelope(stack: DeployedStack, method: str, path: str) -> None:
    answer = stack.ask(method, path)

    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "message": "There is no such route.",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }
    assert answer.headers["x-request-id"]


def test_the_rest_of_a_path_takes_a_key(stack: DeployedStack) -> None:
    for path in ("/videos/video_1/content", "/batches/batch_1"):
        answer = httpx.get(f"{stack.world.stack.base_url}{path}")

        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer mp_wrong"},
        # Of the right form: only the authorizer knows that there is no such key.
        {"Authorization": f"Bearer mp_{'a' * 43}"},
    ],
    ids=str,
)
def test_a_missing_or_wrong_key_is_refused(stack: DeployedStack, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{stack.world.stack.base_url}/videos", json={"prompt": "x"}, headers=headers)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


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
