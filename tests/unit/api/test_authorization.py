"""What the authorizer reads and answers."""

from __future__ import annotations

from typing import Any

import pytest

from mediaposter.api.authorization import decide, read_bearer_key
from mediaposter.library.keys import ApiKey, Scope
from tests.builders import NOW

ARN = "arn:aws:execute-api:eu-central-1:123456789012:abc123/v1/GET/videos/video_1/content"
EVERY_ROUTE = "arn:aws:execute-api:eu-central-1:123456789012:abc123/v1/*"
API_KEY = ApiKey(key_hash="0" * 64, owner="key_1", name="laptop", scopes=(Scope.READ, Scope.PUBLISH), created_at=NOW)


def write(api_key: ApiKey | None, method_arn: str = ARN) -> dict[str, Any]:
    """Write an answer as functions/authorize does."""
    return decide(api_key, method_arn).model_dump(by_alias=True, exclude_none=True)


@pytest.mark.parametrize("header", ["Bearer mp_abc", "bearer mp_abc", "BEARER mp_abc"])
def test_a_bearer_header_holds_the_key(header: str) -> None:
    assert read_bearer_key(header) == "mp_abc"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "mp_abc",
        "Basic mp_abc",
        "Bearer sk-abc",
        "Bearer  mp_abc",
        "Bearer\tmp_abc",
        "Bearer:mp_",
    ],
)
def test_anything_else_holds_none(header: str) -> None:
    assert read_bearer_key(header) is None


def test_a_known_key_may_take_every_route_of_the_stage_as_its_owner() -> None:
    assert write(API_KEY) == {
        "principalId": "key_1",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": [EVERY_ROUTE]}],
        },
        "context": {"owner": "key_1", "scopes": "read publish"},
    }


def test_an_unknown_key_is_denied_every_route_and_is_nobody() -> None:
    assert write(None) == {
        "principalId": "unknown",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": [EVERY_ROUTE]}],
        },
    }


@pytest.mark.parametrize("route", ["POST/videos", "GET/", "DELETE/videos/video_1"])
def test_the_answer_is_the_same_for_every_route_as_it_is_cached_for_all(route: str) -> None:
    assert write(API_KEY, EVERY_ROUTE.replace("*", route)) == write(API_KEY)


def test_another_stage_is_not_allowed_along() -> None:
    answer = write(API_KEY, ARN.replace("/v1/", "/v2/"))

    assert answer["policyDocument"]["Statement"][0]["Resource"] == [EVERY_ROUTE.replace("/v1/", "/v2/")]
