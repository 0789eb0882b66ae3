"""What the authorizer reads and answers."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.stores.keys import (
    ACCOUNTS_MAX_CHARACTERS,
    SCOPES_VERSION,
    WEBHOOK_URL_MAX_CHARACTERS,
    ApiKey,
    Scope,
)
from mediaposter.wire.authorization import decide, read_bearer_key
from tests.builders import NOW

ARN = "arn:aws:execute-api:eu-central-1:123456789012:abc123/v1/GET/videos/video_1/content"
EVERY_ROUTE = "arn:aws:execute-api:eu-central-1:123456789012:abc123/v1/*"
API_KEY = ApiKey(
    key_hash="0" * 64,
    owner="key_1",
    key_id="key_2",
    name="laptop",
    scopes_version=SCOPES_VERSION,
    scopes=(Scope.READ, Scope.PUBLISH),
    accounts=("instagram:807", "twitter:101"),
    daily_budget_micros=5_000_000,
    monthly_budget_micros=60_000_000,
    rate_per_minute=30,
    webhook_url="https://hooks.example/videos",
    created_at=NOW,
    expires_at=datetime(2027, 1, 31, 18, tzinfo=UTC),
)
APIS = st.builds(
    "arn:{}:execute-api:eu-central-1:123456789012:{}".format,
    st.sampled_from(["aws", "aws-cn"]),
    st.sampled_from(["a1b2c3d4e5", "z9y8x7w6v5"]),
)
STAGES = st.sampled_from(["v1", "Stage_2"])
# A path may have anything: ids are the caller's words.
ROUTES = st.builds(
    "{}/{}".format,
    st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD"]),
    st.lists(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=10), max_size=5).map("/".join),
)


def allows(answer: dict[str, Any], method_arn: str) -> bool:
    """Tell whether IAM lets a call pass: `*` is any text, `?` any character, and nothing else is special."""
    (statement,) = answer["policyDocument"]["Statement"]
    return statement["Effect"] == "Allow" and any(
        re.fullmatch(re.escape(resource).replace(r"\*", ".*").replace(r"\?", "."), method_arn, re.DOTALL)
        for resource in statement["Resource"]
    )


def write(api_key: ApiKey | None, method_arn: str = ARN) -> dict[str, Any]:
    """Write an answer as functions/authorize does."""
    return decide(api_key, method_arn).model_dump(by_alias=True, exclude_none=True)


@pytest.mark.parametrize("header", ["Bearer mp_abc", "bearer mp_abc", "BEARER mp_abc"])
def test_a_bearer_header_holds_the_key(header: str) -> None:
    assert read_bearer_key(header) == "mp_abc"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "mp_abc", "Basic mp_abc", "Bearer sk-abc", "Bearer  mp_abc", "Bearer\tmp_abc", "Bearer mp_é"],
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
        "context": {
            "owner": "key_1",
            "scopes": "read publish",
            "key": "key_2",
            "key_hash": "0" * 64,
            "accounts": "instagram:807 twitter:101",
            "daily_budget_micros": "5000000",
            "monthly_budget_micros": "60000000",
            "rate_per_minute": "30",
            "webhook_url": "https://hooks.example/videos",
            "key_name": "laptop",
            "expires_at": "2027-01-31T18:00:00+00:00",
        },
    }


def test_the_largest_answer_there_can_be_is_within_what_api_gateway_takes() -> None:
    # "Quotas for configuring and running a REST API": an authorizer's result has 8 KB at the most.
    largest = ApiKey(
        key_hash="0" * 64,
        owner="o" * 64,
        key_id=f"key_{'0' * 16}",
        # A character beyond the first plane takes twelve characters in JSON.
        name="\U0001fa81" * 100,
        expires_at=datetime(2027, 1, 31, 18, 0, 0, 1, tzinfo=UTC),
        scopes_version=SCOPES_VERSION,
        scopes=tuple(scope for scope in Scope if scope is not Scope.ADMIN),
        accounts=("a" * 20 + ":" + "1" * 64,) * (ACCOUNTS_MAX_CHARACTERS // 86),
        daily_budget_micros=10**15,
        monthly_budget_micros=10**15,
        rate_per_minute=10**9,
        # In JSON a quotation mark takes two characters.
        webhook_url="https://h/".ljust(WEBHOOK_URL_MAX_CHARACTERS, '"'),
        created_at=NOW,
    )

    answer = json.dumps(write(largest, f"arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:{'a' * 10}/v1/GET/x"))

    assert 7_000 < len(answer.encode()) < 8_192


def test_an_unknown_key_is_denied_every_route_and_has_no_owner() -> None:
    assert write(None) == {
        "principalId": "unknown",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": [EVERY_ROUTE]}],
        },
    }


@given(api=APIS, stage=STAGES, asked=ROUTES, next_one=ROUTES)
def test_the_answer_for_one_route_is_right_for_every_other_as_it_is_cached_for_all(
    api: str, stage: str, asked: str, next_one: str
) -> None:
    answer = write(API_KEY, f"{api}/{stage}/{asked}")

    assert allows(answer, f"{api}/{stage}/{next_one}")
    assert answer == write(API_KEY, f"{api}/{stage}/{next_one}")
    assert not allows(write(None, f"{api}/{stage}/{asked}"), f"{api}/{stage}/{next_one}")
    assert not allows(answer, f"{api}/{stage}-2/{next_one}")
    assert not allows(answer, f"{api}0/{stage}/{next_one}")
