"""List the accounts of a network where `--publish` names none of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from mediaposter.cli.api import Api
from mediaposter.cli.client import Client, Refusal
from mediaposter.cli.replies import AccountView, Page
from mediaposter.cli.targets import Target
from mediaposter.domain.errors import ConfigurationError


class OldStack(ConfigurationError):
    """A stack that does not list its accounts."""


def refuse_without_accounts(api: Api, targets: Sequence[Target]) -> None:
    """Refuse a target without an account, with the accounts that it could be; the request is not sent.

    Raises:
        typer.UsageError: with that list, exit status 2.
    """
    for target in targets:
        if not target.account_id:
            _refuse(api, target.platform)


def list_accounts_of(client: Client) -> Page[AccountView]:
    """List the accounts that are connected at a stack.

    Raises:
        OldStack: the stack is older than that route.
        Refusal: the API refuses it.
    """
    try:
        return Page[AccountView].model_validate(client.get("/accounts").body)
    except Refusal as refusal:
        if refusal.status in {403, 404} and refusal.code not in {"insufficient_scope"}:
            raise OldStack(
                "This stack does not list its accounts over HTTP yet. With BLOTATO_API_KEY set, mediaposter accounts "
                "asks Blotato itself; docs/local.md names those of a host without a key."
            ) from refusal
        raise


def describe_account(account: AccountView) -> list[str]:
    """Write an account as `--publish` takes it, and its pages and boards beneath."""
    name = account.username or account.name
    lines = [f"{account.platform}:{account.id}  {name}".rstrip()]
    for kind, below in (("page_id", account.pages), ("board_id", account.boards)):
        lines += [f"  {account.platform}:{account.id},{kind}={item.id}  {item.name}".rstrip() for item in below]
    return lines


def _refuse(api: Api, platform: str) -> NoReturn:
    accounts = [account for account in list_accounts_of(api.client).data if account.platform == platform]
    if not accounts:
        api.context.fail(f"--publish {platform} names no account, and none of {platform} is connected")
    lines = [line for account in accounts for line in describe_account(account)]
    api.context.fail(f"--publish {platform} names no account. Those connected:\n  " + "\n  ".join(lines) + "\n")
    raise AssertionError("fail raises")
