"""What the gateway and the authorizer of the template answer by themselves, and what they tell the functions."""

from __future__ import annotations

import httpx
import pytest

from mediaposter.stores.keys import Scope
from tests.integration.stack import DeployedStack


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
@pytest.mark.parametrize("path", ["/videos", "/videos/video_1/content", "/batches/batch_1"])
def test_a_missing_or_wrong_key_opens_no_route(stack: DeployedStack, path: str, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{stack.world.stack.base_url}{path}", headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_function_is_told_what_a_key_may_do(stack: DeployedStack) -> None:
    key = stack.make_key((Scope.READ,))
    with httpx.Client(
        base_url=stack.world.stack.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=60
    ) as client:
        answers = [client.get("/usage"), client.post("/videos", json={"prompt": "A kite"})]

    assert [answer.status_code for answer in answers] == [200, 403]
    assert answers[1].json()["error"]["code"] == "insufficient_scope"
