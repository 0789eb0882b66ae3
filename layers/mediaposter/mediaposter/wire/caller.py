"""The caller, as the authorizer passes it to every route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ConfigDict

from mediaposter.domain.errors import Forbidden
from mediaposter.stores.keys import ApiKey, Scope, name_account
from mediaposter.stores.trail import Actor
from mediaposter.wire.authorization import AuthorizerContext

if TYPE_CHECKING:
    from mediaposter.publishing.targets import PublishTarget


class Caller(BaseModel):
    """The owner behind a request, and what the request's key may do.

    Attributes:
        owner: the owner of the videos that the request reads and makes.
        key: the id of the key, as `mediaposter keys list` shows it.
        key_hash: the key's hash, to find the key again later; "" if the request had no key.
        scopes: what the key may do.
        accounts: the accounts that the key may post to, as `instagram:807`; None means all.
        daily_budget_micros: how much the owner may spend a day with this key, if there is a limit.
        monthly_budget_micros: the same for a month.
        rate_per_minute: how many requests the owner may send a minute with this key, if there is a limit.
        webhook_url: the receiver of the videos' events, unless a request names another.
        key_name: what the maker of the key knows it by.
        key_expires_at: when the key expires, if it does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str
    key: str = ""
    key_hash: str = ""
    scopes: frozenset[Scope]
    accounts: frozenset[str] | None = None
    daily_budget_micros: int | None = None
    monthly_budget_micros: int | None = None
    rate_per_minute: int | None = None
    webhook_url: str | None = None
    key_name: str = ""
    key_expires_at: AwareDatetime | None = None

    @property
    def actor(self) -> Actor:
        """Name the key for a trail; a request without a key is named by its owner."""
        return Actor(key=self.key or self.owner, name=self.key_name)

    def may(self, scope: Scope) -> bool:
        """Tell whether the key has a scope; admin includes every scope."""
        return bool(self.scopes & {scope, Scope.ADMIN})

    def require(self, scope: Scope) -> None:
        """Refuse a key without a scope; admin includes every scope.

        Raises:
            Forbidden: the key has neither the scope nor admin.
        """
        if not self.may(scope):
            raise Forbidden(
                f"This API key may not do that: it lacks the scope {scope}. Nothing was done. Use a key that has it; "
                f"mediaposter keys create NAME --scope {scope} makes one.",
                scope=scope,
            )

    def require_publishing(self, targets: Sequence[PublishTarget]) -> None:
        """Refuse a key that may not post to the targets of a request; a request without targets posts nothing.

        Raises:
            Forbidden: the key lacks the scope `publish`, or may not post to one of the accounts.
        """
        if targets:
            self.require(Scope.PUBLISH)
            self.require_accounts(targets, field="publish")

    def require_accounts(self, targets: Sequence[PublishTarget], *, field: str | None = None) -> None:
        """Refuse a key that may not post to the accounts of all targets. This checks no scope.

        Args:
            targets: the targets to post to, or to change.
            field: the field of the request that lists them, if there is one.

        Raises:
            Forbidden: names each account that the key may not post to, and how to allow it.
        """
        refused = [
            (index, target)
            for index, target in enumerate(targets)
            if not self.may_post_to(target.platform, target.account_id)
        ]
        if not refused:
            return
        names = [name_account(target.platform, target.account_id) for _, target in refused]
        accounts = " and ".join(f"{target.platform} account {target.account_id}" for _, target in refused)
        options = " ".join(f"--account {name}" for name in dict.fromkeys(names))
        raise Forbidden(
            f"This API key may not post to {accounts}: it is limited to other accounts. Nothing was done. Use a key "
            f"that may; mediaposter keys create NAME {options} makes one, and without --account a key may post to all.",
            code="account_not_allowed",
            param=None if field is None else f"{field}[{refused[0][0]}].account_id",
        )

    def may_post_to(self, platform: str, account_id: str) -> bool:
        """Tell whether the key may post to an account: to any, if it is an admin's or names no accounts."""
        return (
            self.accounts is None or Scope.ADMIN in self.scopes or name_account(platform, account_id) in self.accounts
        )

    def may_see(self, owner: str) -> bool:
        """Tell whether the caller may see an owner's records: their own, or everything for an admin."""
        return owner == self.owner or Scope.ADMIN in self.scopes

    def as_key_is_now(self, api_key: ApiKey) -> Caller:
        """Return the same caller with the current rights and limits of the key."""
        return self.model_copy(
            update={
                "scopes": frozenset(api_key.scopes),
                "accounts": None if api_key.accounts is None else frozenset(api_key.accounts),
                "daily_budget_micros": api_key.daily_budget_micros,
                "monthly_budget_micros": api_key.monthly_budget_micros,
                "rate_per_minute": api_key.rate_per_minute,
            }
        )


def read_caller(authorizer: Mapping[str, str]) -> Caller:
    """Read the authorizer's context of an API Gateway event, `requestContext.authorizer`."""
    context = AuthorizerContext.model_validate(dict(authorizer))
    return Caller(
        owner=context.owner,
        key=context.key,
        key_hash=context.key_hash,
        scopes=frozenset(map(Scope, context.scopes.split())),
        accounts=frozenset(context.accounts.split()) or None,
        daily_budget_micros=int(context.daily_budget_micros) if context.daily_budget_micros else None,
        monthly_budget_micros=int(context.monthly_budget_micros) if context.monthly_budget_micros else None,
        rate_per_minute=int(context.rate_per_minute) if context.rate_per_minute else None,
        webhook_url=context.webhook_url or None,
        key_name=context.key_name,
        key_expires_at=datetime.fromisoformat(context.expires_at) if context.expires_at else None,
    )
