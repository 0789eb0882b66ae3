"""The input and output of a TOKEN authorizer (API Gateway developer guide, Lambda authorizers)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel, to_pascal

from mediaposter.stores.keys import KEY_PREFIX, ApiKey, write_accounts

# Of a key's name. API Gateway takes an authorizer's answer of 8 KB at most, and a character may take 12 bytes of it.
_SHOWN_NAME_CHARACTERS = 40


class Statement(BaseModel):
    """One statement of an IAM policy."""

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal, populate_by_name=True)

    action: Literal["execute-api:Invoke"] = "execute-api:Invoke"
    effect: Literal["Allow", "Deny"]
    resource: list[str]


class PolicyDocument(BaseModel):
    """An IAM policy."""

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal, populate_by_name=True)

    version: Literal["2012-10-17"] = "2012-10-17"
    statement: list[Statement]


class AuthorizerContext(BaseModel):
    """What the routes get to know of the caller; API Gateway takes flat text only, and 8 KB for the whole answer.

    Attributes:
        owner: the owner of the key.
        scopes: what the key may do, separated by spaces.
        key: the id of the key.
        key_hash: the key's hash, its id in the table. It is no secret: 256 random bits cannot be recovered from their
            hash.
        accounts: the accounts that the key may post to, separated by spaces; "" means all.
        daily_budget_micros: a whole number, or "" if the key has no such limit.
        monthly_budget_micros: the same.
        rate_per_minute: the same.
        webhook_url: "" if the key has none.
        key_name: the beginning of what its maker knows it by.
        expires_at: in ISO 8601, or "" if the key does not expire.
    """

    # API Gateway adds fields of its own. An answer that was cached before an update lacks the fields added by that
    # update.
    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str
    scopes: str
    key: str = ""
    key_hash: str = ""
    accounts: str = ""
    daily_budget_micros: str = ""
    monthly_budget_micros: str = ""
    rate_per_minute: str = ""
    webhook_url: str = ""
    key_name: str = ""
    expires_at: str = ""


class AuthorizerAnswer(BaseModel):
    """The answer of an authorizer."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    principal_id: str
    policy_document: PolicyDocument
    context: AuthorizerContext | None = None


def read_bearer_key(authorization: str) -> str | None:
    """Return the key of an `Authorization: Bearer mp_…` header, or None for any other header."""
    scheme, _, secret = authorization.partition(" ")
    is_ours = scheme.lower() == "bearer" and secret.startswith(KEY_PREFIX) and secret.isascii()
    return secret if is_ours else None


def decide(api_key: ApiKey | None, method_arn: str) -> AuthorizerAnswer:
    """Allow every route of the stage for a key that exists, and deny every route for one that does not.

    API Gateway caches the answer by the header and reuses it for other routes, so a policy for one route would be wrong
    for the next. A denial is an answer, not an error, so that an error always means a fault.
    """
    api_arn, stage = method_arn.split("/")[:2]
    every_route = [f"{api_arn}/{stage}/*"]
    if api_key is None:
        statement = Statement(effect="Deny", resource=every_route)
        return AuthorizerAnswer(principal_id="unknown", policy_document=PolicyDocument(statement=[statement]))
    return AuthorizerAnswer(
        principal_id=api_key.owner,
        policy_document=PolicyDocument(statement=[Statement(effect="Allow", resource=every_route)]),
        context=_tell_routes(api_key),
    )


def _tell_routes(api_key: ApiKey) -> AuthorizerContext:
    return AuthorizerContext(
        owner=api_key.owner,
        scopes=" ".join(api_key.scopes),
        key=api_key.key_id,
        key_hash=api_key.key_hash,
        accounts=write_accounts(api_key.accounts or ()),
        daily_budget_micros=_write_limit(api_key.daily_budget_micros),
        monthly_budget_micros=_write_limit(api_key.monthly_budget_micros),
        rate_per_minute=_write_limit(api_key.rate_per_minute),
        webhook_url=api_key.webhook_url or "",
        key_name=api_key.name[:_SHOWN_NAME_CHARACTERS],
        expires_at=api_key.expires_at.isoformat() if api_key.expires_at else "",
    )


def _write_limit(limit: int | None) -> str:
    return "" if limit is None else str(limit)
