"""What a TOKEN authorizer reads and answers (API Gateway developer guide, Lambda authorizers)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel, to_pascal

from mediaposter.stores.keys import KEY_PREFIX, ApiKey, write_accounts


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
    """What the routes learn of the caller; API Gateway takes flat text only, and 8 KB of a whole answer.

    Attributes:
        owner: who it is.
        scopes: what the key may do, parted by spaces.
        key: the id of the key.
        key_hash: what the table keeps the key under. It opens nothing: 256 random bits cannot be found by their hash.
        accounts: which accounts the key may post to, parted by spaces; "" is all of them.
        daily_budget_micros: a whole number, or "" where the key has no such limit.
        rate_per_minute: the same.
        webhook_url: "" where the key has none.
    """

    # API Gateway adds fields of its own. An answer that was cached before an update lacks what came with it.
    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str
    scopes: str
    key: str = ""
    key_hash: str = ""
    accounts: str = ""
    daily_budget_micros: str = ""
    rate_per_minute: str = ""
    webhook_url: str = ""


class AuthorizerAnswer(BaseModel):
    """The answer of an authorizer."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    principal_id: str
    policy_document: PolicyDocument
    context: AuthorizerContext | None = None


def read_bearer_key(authorization: str) -> str | None:
    """Give the key of an `Authorization: Bearer mp_…` header, if it is one."""
    scheme, _, secret = authorization.partition(" ")
    is_ours = scheme.lower() == "bearer" and secret.startswith(KEY_PREFIX) and secret.isascii()
    return secret if is_ours else None


def decide(api_key: ApiKey | None, method_arn: str) -> AuthorizerAnswer:
    """Allow every route of the stage to a key that exists, and deny them all to one that does not.

    The answer is cached by the header and served for other routes too: a policy for the one that was
    asked for would be wrong for the next. A denial is an answer, not an error, so that errors stay faults.
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
        rate_per_minute=_write_limit(api_key.rate_per_minute),
        webhook_url=api_key.webhook_url or "",
    )


def _write_limit(limit: int | None) -> str:
    return "" if limit is None else str(limit)
