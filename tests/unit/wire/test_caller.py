"""Who is calling: what the routes learn from the authorizer, and what they let pass."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import Forbidden
from mediaposter.stores.keys import SCOPES_VERSION, ApiKey, Scope
from mediaposter.wire.authorization import decide
from mediaposter.wire.caller import Caller, read_caller

ARN = "arn:aws:execute-api:eu-central-1:123456789012:abc123/v1/GET/videos"
# What API Gateway adds to the context of a Lambda authorizer.
GATEWAYS_OWN = {"principalId": "key_1", "integrationLatency": 42}
CONTEXT = {
    "owner": "key_1",
    "scopes": "read create",
    "key": "key_2",
    "daily_budget_micros": "5000000",
    "rate_per_minute": "30",
    "webhook_url": "https://hooks.example/videos",
}


def a_caller(*scopes: Scope) -> Caller:
    return Caller(owner="key_1", scopes=frozenset(scopes))


def test_an_answer_that_was_cached_before_an_update_is_still_understood() -> None:
    assert read_caller({"owner": "key_1", "scopes": "read"}) == a_caller(Scope.READ)


@pytest.mark.parametrize(
    ("authorizer", "problem"),
    [
        ({}, "owner"),
        ({"owner": "key_1"}, "scopes"),
        ({"scopes": "admin"}, "owner"),
        ({**CONTEXT, "scopes": "everything"}, "'everything' is not a valid Scope"),
        ({**CONTEXT, "daily_budget_micros": "5.00"}, r"invalid literal for int.*5\.00"),
        ({**CONTEXT, "rate_per_minute": "many"}, "invalid literal for int.*many"),
    ],
)
def test_a_context_of_no_authorizer_of_ours_is_refused(authorizer: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_caller(authorizer)


@given(
    # An admin has no accounts.
    scopes=st.lists(st.sampled_from([*Scope][:-1]), min_size=1, unique=True),
    accounts=st.none() | st.just(("instagram:807",)) | st.just(("instagram:807", "twitter:101")),
    budgets_micros=st.tuples(*[st.none() | st.integers(1, 10**15)] * 2),
    rate_per_minute=st.none() | st.integers(1, 10**6),
    webhook_url=st.none() | st.just("https://hooks.example/videos?a=b"),
)
def test_the_routes_learn_what_is_kept_with_the_key(
    scopes: list[Scope],
    accounts: tuple[str, ...] | None,
    budgets_micros: tuple[int | None, int | None],
    rate_per_minute: int | None,
    webhook_url: str | None,
) -> None:
    daily_budget_micros, monthly_budget_micros = budgets_micros
    expires_at = None if webhook_url is None else datetime(2027, 1, 31, 18, tzinfo=UTC)
    api_key = ApiKey(
        key_hash="0" * 64,
        owner="key_1",
        key_id="key_2",
        name="laptop",
        scopes=tuple(scopes),
        daily_budget_micros=daily_budget_micros,
        monthly_budget_micros=monthly_budget_micros,
        rate_per_minute=rate_per_minute,
        webhook_url=webhook_url,
        scopes_version=SCOPES_VERSION,
        accounts=accounts,
        created_at=datetime(2026, 12, 1, tzinfo=UTC),
        expires_at=expires_at,
    )
    context = decide(api_key, ARN).model_dump(by_alias=True, exclude_none=True)["context"]

    assert all(type(value) is str for value in context.values())
    event = APIGatewayProxyEvent({"requestContext": {"authorizer": {**GATEWAYS_OWN, **context}}})
    assert read_caller(event.request_context.authorizer) == Caller(
        owner="key_1",
        key="key_2",
        key_hash="0" * 64,
        scopes=frozenset(scopes),
        accounts=None if accounts is None else frozenset(accounts),
        daily_budget_micros=daily_budget_micros,
        monthly_budget_micros=monthly_budget_micros,
        rate_per_minute=rate_per_minute,
        webhook_url=webhook_url,
        key_name="laptop",
        key_expires_at=expires_at,
    )


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_lets_its_own_pass_as_admin_does_and_no_other_stands_in_for_it(scope: Scope) -> None:
    others = [other for other in Scope if other not in {scope, Scope.ADMIN}]

    a_caller(scope).require(scope)
    a_caller(Scope.ADMIN).require(scope)
    with pytest.raises(Forbidden) as caught:
        a_caller(*others).require(scope)

    assert (caught.value.code, caught.value.scope) == ("insufficient_scope", scope)
    assert caught.value.message == str(caught.value)
    assert f"the scope {scope}." in caught.value.message
    assert f"mediaposter keys create NAME --scope {scope}" in caught.value.message


def test_an_owners_own_things_are_seen_and_all_by_an_admin() -> None:
    others = a_caller(Scope.READ, Scope.CREATE, Scope.PUBLISH)

    assert (others.may_see("key_1"), others.may_see("key_10")) == (True, False)
    assert a_caller(Scope.ADMIN).may_see("key_10")
