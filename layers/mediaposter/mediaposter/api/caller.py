"""Who is calling, as the authorizer tells it to every route."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from mediaposter.api.authorization import AuthorizerContext
from mediaposter.errors import Forbidden
from mediaposter.library.keys import Scope


class Caller(BaseModel):
    """The owner behind a request, and what the key that came with it may do.

    Attributes:
        owner: whose videos are seen and made.
        key: the id of the key, as `mediaposter keys list` shows it.
        scopes: what the key may do.
        daily_budget_micros: how much the owner may spend a day by this key, if there is a limit.
        rate_per_minute: how much the owner may ask for in a minute by this key, if there is a limit.
        webhook_url: who is told of the videos, unless a request names another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str
    key: str = ""
    scopes: frozenset[Scope]
    daily_budget_micros: int | None = None
    rate_per_minute: int | None = None
    webhook_url: str | None = None

    def require(self, scope: Scope) -> None:
        """Let pass who has a scope; admin includes them all.

        Raises:
            Forbidden: the key has neither.
        """
        if not self.scopes & {scope, Scope.ADMIN}:
            raise Forbidden(
                f"This API key may not do that: it has not the scope {scope}. Nothing was done. Use a key that has it; "
                f"mediaposter keys create NAME --scope {scope} makes one.",
                scope=scope,
            )

    def may_see(self, owner: str) -> bool:
        """Tell whether an owner's things are the caller's to see: his own are, and all are for an admin."""
        return owner == self.owner or Scope.ADMIN in self.scopes


def read_caller(authorizer: Mapping[str, str]) -> Caller:
    """Read the authorizer's context of an API Gateway event, `requestContext.authorizer`."""
    context = AuthorizerContext.model_validate(dict(authorizer))
    return Caller(
        owner=context.owner,
        key=context.key,
        scopes=frozenset(map(Scope, context.scopes.split())),
        daily_budget_micros=int(context.daily_budget_micros) if context.daily_budget_micros else None,
        rate_per_minute=int(context.rate_per_minute) if context.rate_per_minute else None,
        webhook_url=context.webhook_url or None,
    )
