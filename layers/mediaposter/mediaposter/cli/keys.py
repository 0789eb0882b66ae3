"""`mediaposter keys`: make, list and revoke the API keys of a stack."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

from mediaposter.cli.arguments import (
    CommandParser,
    add_stack_arguments,
    checked,
    read_count,
    read_dollars,
    write_dollars,
)
from mediaposter.cli.console import create_table, open_console
from mediaposter.cli.deployed_stack import DeployedStack, OpenStack, explain_aws_errors
from mediaposter.domain.errors import ConfigurationError, NotFound
from mediaposter.stores.keys import (
    ApiKey,
    Scope,
    check_account,
    check_accounts,
    check_name,
    check_owner,
    check_webhook_url,
)
from mediaposter.wire.post_requests import PostPath

# Scopes that are cheap and publish nothing. Posting, and reading other owners' videos, must be granted explicitly.
_USUAL_SCOPES = (Scope.READ, Scope.CREATE)
_DEEDS = {
    Scope.READ: "read what its owner has",
    Scope.CREATE: "make videos",
    Scope.PUBLISH: "post them",
    Scope.APPROVE: "approve what waits to be posted",
    Scope.ADMIN: "do everything, for every owner",
}
_SCOPES_OF_ACCOUNTS = {Scope.PUBLISH, Scope.APPROVE}
# The same pattern as in the paths of posts.
_NETWORKS: tuple[str, ...] = get_args(PostPath.model_fields["platform"].annotation)
_DAYS_MAX = 3_650


class KeyLine(BaseModel):
    """A key in the output of `keys list --json`; never its hash."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    owner: str
    scopes: tuple[Scope, ...]
    accounts: tuple[str, ...] | None
    daily_budget_usd: str | None
    rate_per_minute: int | None
    webhook_url: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


_KEY_LINES = TypeAdapter(list[KeyLine])


def run(argv: Sequence[str], *, open_stack: OpenStack, clock: Callable[[], datetime]) -> None:
    """Run a command of this group.

    Raises:
        ConfigurationError: the stack cannot be reached, or is too old for what was asked.
        NotFound: there is no such key.
    """
    arguments = _create_parser().parse_args(argv)
    if arguments.command == "create" and (problem := _find_contradiction(arguments)):
        arguments.refuse(f"argument --account: {problem}")
    with explain_aws_errors():
        stack = open_stack(arguments.stack, endpoint_url=arguments.endpoint_url)
        if arguments.command == "create":
            _create(arguments, stack, clock())
        elif arguments.command == "list":
            _list(stack, as_json=arguments.json)
        else:
            _revoke(arguments.key_id, stack, clock())


def _create_parser() -> CommandParser:
    parser = CommandParser(prog="mediaposter keys", description="The API keys of a stack.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    create = commands.add_parser("create", help="make a key; it is shown once")
    create.set_defaults(refuse=create.error)
    create.add_argument("name", type=checked(check_name), metavar="NAME", help="its name, for you")
    create.add_argument(
        "--scope",
        action="append",
        choices=[scope.value for scope in Scope],
        help=f"what it may do; repeat it for more (default: {' and '.join(_USUAL_SCOPES)}; admin includes all)",
    )
    create.add_argument(
        "--account",
        action="append",
        type=checked(_check_network),
        metavar="NETWORK:ID",
        help="which account it may post to, as instagram:807, if its scopes let it post; repeat it for more "
        "(default: all accounts)",
    )
    create.add_argument(
        "--owner",
        type=checked(check_owner),
        help="the owner whose videos it sees and makes, for example to replace a key (default: a new owner)",
    )
    create.add_argument(
        "--daily-budget",
        type=read_dollars,
        metavar="DOLLARS",
        help="what its owner may spend on a UTC day by it (default: no limit)",
    )
    create.add_argument(
        "--rate",
        type=read_count,
        metavar="COUNT",
        help="how many videos its owner may ask for in a minute by it (default: no limit)",
    )
    create.add_argument(
        "--expires-in-days",
        type=_read_days,
        metavar="COUNT",
        help="after how many days it expires (default: never)",
    )
    create.add_argument(
        "--webhook-url",
        type=checked(check_webhook_url),
        metavar="URL",
        help="the https URL that gets the events of its videos (default: none)",
    )
    add_stack_arguments(create)

    listing = commands.add_parser("list", help="list the keys, the revoked ones too, the oldest first")
    listing.add_argument("--json", action="store_true", help="write JSON")
    add_stack_arguments(listing)

    revoke = commands.add_parser("revoke", help="revoke a key for good")
    revoke.add_argument("key_id", metavar="KEY_ID", help="its id: key_…")
    add_stack_arguments(revoke)
    return parser


def _check_network(account: str) -> str:
    """Refuse an account of an unknown network.

    Raises:
        ValueError: names the networks, or the format of an account.
    """
    network = check_account(account).partition(":")[0]
    if network not in _NETWORKS:
        raise ValueError(f"there is no network {network}; there are {', '.join(_NETWORKS)}")
    return account


def _read_days(text: str) -> int:
    days = read_count(text)
    if days > _DAYS_MAX:
        raise argparse.ArgumentTypeError(f"a key is valid for {_DAYS_MAX} days at most, or without an end")
    return days


def _find_contradiction(arguments: argparse.Namespace) -> str | None:
    """Return why a key's accounts contradict its scopes, or None."""
    if not arguments.account:
        return None
    scopes = set(arguments.scope or _USUAL_SCOPES)
    try:
        check_accounts(arguments.account, scopes)
    except ValueError as error:
        return str(error)
    if not scopes & _SCOPES_OF_ACCOUNTS:
        return "without --scope publish or --scope approve a key posts to no account at all"
    return None


def _create(arguments: argparse.Namespace, stack: DeployedStack, now: datetime) -> None:
    chosen = arguments.scope or _USUAL_SCOPES
    days = arguments.expires_in_days
    if not stack.knows_key_restrictions and (arguments.account or days or Scope.APPROVE in chosen):
        raise ConfigurationError(
            f"The stack {stack.name} is older than accounts and expiry of keys and the scope approve, and would "
            "ignore them. Update it first, with sam build and sam deploy. No key was made."
        )
    secret, api_key = stack.keys.create(
        arguments.name,
        scopes=tuple(scope for scope in Scope if scope in chosen),
        now=now,
        owner=arguments.owner,
        accounts=tuple(dict.fromkeys(arguments.account)) if arguments.account else None,
        expires_at=now + timedelta(days=days) if days else None,
        daily_budget_micros=arguments.daily_budget,
        rate_per_minute=arguments.rate,
        webhook_url=arguments.webhook_url,
    )
    console = open_console()
    console.print(f"{api_key.key_id} is made: {api_key.name}, of the owner {api_key.owner}.")
    console.print(f"It may {', '.join(_DEEDS[scope] for scope in api_key.scopes)}; {_describe_limits(api_key)}.")
    if _SCOPES_OF_ACCOUNTS & set(api_key.scopes):
        console.print(f"It may post to {_describe_accounts(api_key)}.")
    if api_key.expires_at:
        console.print(f"It expires at {api_key.expires_at:%Y-%m-%d %H:%M} UTC.")
    if api_key.webhook_url:
        console.print(f"The events of its videos go to {api_key.webhook_url}.")
    console.print(
        f"\nexport OPENAI_BASE_URL={stack.base_url}\nexport OPENAI_API_KEY={secret}\n\n"
        "The key is shown now and never again: only its hash is kept. The openai SDK takes both from its environment, "
        "or as OpenAI(base_url=…, api_key=…):\n\n"
        "from openai import OpenAI\n\n"
        'video = OpenAI().videos.create_and_poll(prompt="A paper boat on a rainy street")'
    )


def _describe_limits(api_key: ApiKey) -> str:
    budget, rate = api_key.daily_budget_micros, api_key.rate_per_minute
    spends = "without a daily budget" if budget is None else f"up to ${write_dollars(budget)} on a UTC day"
    asks = "without a rate limit" if rate is None else f"up to {rate} times a minute"
    return f"{spends}, {asks}"


def _describe_accounts(api_key: ApiKey) -> str:
    if api_key.accounts is None:
        return "all accounts that are connected; --account limits a key to some"
    return f"{', '.join(api_key.accounts)}, and to no other account"


def _list(stack: DeployedStack, *, as_json: bool) -> None:
    keys = stack.keys.list()
    if as_json:
        lines = [
            KeyLine(
                id=api_key.key_id,
                name=api_key.name,
                owner=api_key.owner,
                scopes=api_key.scopes,
                accounts=api_key.accounts,
                daily_budget_usd=_write_budget(api_key),
                rate_per_minute=api_key.rate_per_minute,
                webhook_url=api_key.webhook_url,
                created_at=api_key.created_at,
                expires_at=api_key.expires_at,
                revoked_at=api_key.revoked_at,
            )
            for api_key in keys
        ]
        sys.stdout.write(_KEY_LINES.dump_json(lines, indent=2).decode() + "\n")
        return
    if not keys:
        open_console().print(f"{stack.name} has no keys yet. mediaposter keys create NAME makes one.")
        return
    table = create_table(
        *(
            "KEY_ID",
            "name",
            "owner",
            "scopes",
            "accounts",
            "$ a day",
            "a minute",
            "made",
            "expires",
            "revoked",
            "webhook",
        )
    )
    for api_key in keys:
        table.add_row(
            api_key.key_id,
            api_key.name,
            api_key.owner,
            " ".join(api_key.scopes),
            "all" if api_key.accounts is None else " ".join(api_key.accounts),
            _write_budget(api_key) or "",
            str(api_key.rate_per_minute or ""),
            f"{api_key.created_at:%Y-%m-%d}",
            f"{api_key.expires_at:%Y-%m-%d}" if api_key.expires_at else "",
            f"{api_key.revoked_at:%Y-%m-%d}" if api_key.revoked_at else "",
            api_key.webhook_url or "",
        )
    open_console().print(table)


def _write_budget(api_key: ApiKey) -> str | None:
    return None if api_key.daily_budget_micros is None else write_dollars(api_key.daily_budget_micros)


def _revoke(key_id: str, stack: DeployedStack, now: datetime) -> None:
    try:
        api_key = stack.keys.revoke(key_id, now=now)
    except NotFound as error:
        raise NotFound(f"{stack.name} has no key with that id. mediaposter keys list shows those it has.") from error
    open_console().print(
        f"{api_key.key_id} ({api_key.name}) is revoked since {api_key.revoked_at:%Y-%m-%d %H:%M} UTC.\n"
        "The stack no longer accepts it. But API Gateway caches its decision for up to 5 minutes, so a key that was "
        "used just before works as long. To end that at once:\n\n"
        f"aws apigateway flush-stage-authorizers-cache --rest-api-id {stack.api_id} --stage-name v1"
    )
