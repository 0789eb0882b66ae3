"""`mediaposter keys`: make, list and revoke the API keys of a stack, or of the embedded host."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

from mediaposter.cli.console import count_of, create_table, open_console, write_note, write_table
from mediaposter.cli.expiry import Expiry, find_end, read_expiry
from mediaposter.cli.options import (
    AsJson,
    DataFolder,
    EndpointUrl,
    StackOrNone,
    create_group,
    read_count,
    read_dollars,
    write_dollars,
)
from mediaposter.cli.session import OWN_KEY_PREFIX, STUDIO_KEY, find_session
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
from mediaposter.wire.chats import hide_secret
from mediaposter.wire.post_requests import PostPath

if TYPE_CHECKING:
    from rich.table import Table

    from mediaposter.cli.deployed_stack import DeployedStack
    from mediaposter.cli.host_folder import HostStack

app = create_group("The API keys of a stack, or of the host that runs here.")

# Scopes that are cheap and publish nothing. Posting, and reading other owners' videos, must be granted explicitly.
_USUAL_SCOPES = (Scope.READ, Scope.CREATE)
_DEEDS = {
    Scope.READ: "read what its owner has",
    Scope.CREATE: "make videos",
    Scope.PUBLISH: "post them",
    Scope.APPROVE: "approve what waits to be posted",
    Scope.ADMIN: "do everything, for every owner",
}
# What the widest rows need.
_COLUMNS_OF_ALL = 160
_SCOPES_OF_ACCOUNTS = {Scope.PUBLISH, Scope.APPROVE}
# The same pattern as in the paths of posts.
_NETWORKS: tuple[str, ...] = get_args(PostPath.model_fields["platform"].annotation)


class KeyLine(BaseModel):
    """A key in the output of `keys list --json`; never its hash."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    owner: str
    scopes: tuple[Scope, ...]
    accounts: tuple[str, ...] | None
    daily_budget_usd: str | None
    monthly_budget_usd: str | None
    rate_per_minute: int | None
    webhook_url: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


_KEY_LINES = TypeAdapter(list[KeyLine])


def _check_name(name: str) -> str:
    """Refuse a name of the keys that commands make for themselves.

    Raises:
        ValueError: says what names there are.
    """
    if name.startswith(OWN_KEY_PREFIX):
        raise ValueError(f"names that begin with {OWN_KEY_PREFIX} are those of keys that mediaposter makes itself")
    return check_name(name)


def _check_network(account: str) -> str:
    """Refuse an account of an unknown network.

    Raises:
        ValueError: names the networks, or the format of an account.
    """
    network = check_account(account).partition(":")[0]
    if network not in _NETWORKS:
        raise ValueError(f"there is no network {network}; there are {', '.join(_NETWORKS)}")
    return account


@app.command("create")
def create_key(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(parser=_check_name, metavar="NAME", help="Its name.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            metavar="SCOPE",
            help=f"What it may do: {', '.join(Scope)}; may be repeated. Default: {' and '.join(_USUAL_SCOPES)}; "
            "admin includes all.",
        ),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            parser=_check_network,
            metavar="NETWORK:ID",
            help="Which account it may post to, as instagram:807, where its scopes let it post; may be repeated. "
            "Default: all accounts.",
        ),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            parser=check_owner,
            metavar="OWNER",
            help="Whose videos it sees and makes, to replace a key by another. Default: an owner of its own.",
        ),
    ] = None,
    daily_budget: Annotated[
        int | None,
        typer.Option(
            parser=read_dollars,
            metavar="DOLLARS",
            help="What its owner may spend on a UTC day by it. Default: no limit.",
        ),
    ] = None,
    monthly_budget: Annotated[
        int | None,
        typer.Option(
            parser=read_dollars,
            metavar="DOLLARS",
            help="What its owner may spend in a UTC month by it. Default: no limit.",
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            parser=read_count,
            metavar="COUNT",
            help="How many videos its owner may ask for in a minute by it. Default: no limit.",
        ),
    ] = None,
    expires: Annotated[
        Expiry | None,
        typer.Option(
            parser=read_expiry,
            metavar="WHEN",
            help="When it expires: after 30m, 12h or 7d, or at a time, as 2027-01-31T18:00:00Z. Default: never.",
        ),
    ] = None,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            parser=check_webhook_url,
            metavar="URL",
            help="Where its videos' events are sent, over https. Default: nowhere.",
        ),
    ] = None,
    stack: StackOrNone = None,
    data: DataFolder = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Make a key; it is shown once."""
    scopes = tuple(known for known in Scope if known in (scope or _USUAL_SCOPES))
    accounts = tuple(dict.fromkeys(account)) if account else None
    if problem := _find_contradiction(scopes, accounts):
        raise typer.BadParameter(problem, ctx=context, param_hint="'--account'")
    session = find_session(context)
    now = session.clock()
    expires_at = _find_end(context, expires, now)
    with session.stack_or_host(stack=stack, endpoint_url=endpoint_url, data=data) as opened:
        if accounts or expires_at or Scope.APPROVE in scopes:
            _require_key_restrictions(opened)
        if monthly_budget is not None and not opened.knows_monthly_budgets:
            raise _refuse_old_stack(opened, "monthly budgets of keys")
        secret, api_key = opened.keys.create(
            name,
            scopes=scopes,
            now=now,
            owner=owner,
            accounts=accounts,
            expires_at=expires_at,
            daily_budget_micros=daily_budget,
            monthly_budget_micros=monthly_budget,
            rate_per_minute=rate,
            webhook_url=webhook_url,
        )
        _tell_made(api_key, secret, opened)


def _find_end(context: typer.Context, expires: Expiry | None, now: datetime) -> datetime | None:
    if expires is None:
        return None
    try:
        return find_end(expires, now=now)
    except ValueError as error:
        raise typer.BadParameter(str(error), ctx=context, param_hint="'--expires'") from error


def _find_contradiction(scopes: Sequence[Scope], accounts: Sequence[str] | None) -> str | None:
    """Return why a key's accounts contradict its scopes, or None."""
    if accounts is None:
        return None
    try:
        check_accounts(accounts, set(scopes))
    except ValueError as error:
        return str(error)
    if not _SCOPES_OF_ACCOUNTS & set(scopes):
        return "without --scope publish or --scope approve a key posts to no account at all"
    return None


def _require_key_restrictions(stack: DeployedStack | HostStack) -> None:
    """Refuse a stack that would not enforce what a key may not do.

    Raises:
        ConfigurationError: it is too old.
    """
    if not stack.knows_key_restrictions:
        raise _refuse_old_stack(stack, "accounts and expiry of keys and the scope approve")


def _refuse_old_stack(stack: DeployedStack | HostStack, restrictions: str) -> ConfigurationError:
    return ConfigurationError(
        f"The stack {stack.name} is older than {restrictions}, and would ignore them. Update it first, with sam build "
        "and sam deploy. No key was made."
    )


def _tell_made(api_key: ApiKey, secret: str, stack: DeployedStack | HostStack) -> None:
    console = open_console()
    console.print(f"{api_key.key_id} is made: {api_key.name}, of the owner {api_key.owner}.")
    console.print(f"It may {', '.join(_DEEDS[scope] for scope in api_key.scopes)}; {_describe_limits(api_key)}.")
    if _SCOPES_OF_ACCOUNTS & set(api_key.scopes):
        console.print(f"It may post to {_describe_accounts(api_key)}.")
    if api_key.expires_at:
        console.print(f"It expires at {api_key.expires_at:%Y-%m-%d %H:%M} UTC.")
    if api_key.webhook_url:
        console.print(f"The events of its videos go to {hide_secret(api_key.webhook_url)}.")
    console.print(
        "Copy the key now: we keep only its hash.\n\nFor mediaposter:\n\n"
        f"export MEDIAPOSTER_BASE_URL={stack.base_url}\nexport MEDIAPOSTER_API_KEY={secret}\n\n"
        "For the openai SDK, which takes both from its environment, or as OpenAI(base_url=…, api_key=…):\n\n"
        f"export OPENAI_BASE_URL={stack.base_url}\nexport OPENAI_API_KEY={secret}\n\n"
        "from openai import OpenAI\n\n"
        'video = OpenAI().videos.create_and_poll(prompt="A paper boat on a rainy street")'
    )


def _describe_limits(api_key: ApiKey) -> str:
    daily, monthly, rate = api_key.daily_budget_micros, api_key.monthly_budget_micros, api_key.rate_per_minute
    spends = "without a daily budget" if daily is None else f"up to ${write_dollars(daily)} on a UTC day"
    if monthly is not None:
        spends += f", up to ${write_dollars(monthly)} in a UTC month"
    asks = "without a rate limit" if rate is None else f"up to {rate} times a minute"
    return f"{spends}, {asks}"


def _describe_accounts(api_key: ApiKey) -> str:
    if api_key.accounts is None:
        return "all accounts that are connected; --account limits a key to some"
    return f"{', '.join(api_key.accounts)}, and to no other account"


@app.command("list")
def list_keys(
    context: typer.Context,
    *,
    as_json: AsJson = False,
    stack: StackOrNone = None,
    data: DataFolder = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """List the keys, the revoked ones too, the oldest first."""
    session = find_session(context)
    with session.stack_or_host(stack=stack, endpoint_url=endpoint_url, data=data) as opened:
        keys, name = opened.keys.list(), opened.name
    if as_json:
        lines = [
            KeyLine(
                id=api_key.key_id,
                name=api_key.name,
                owner=api_key.owner,
                scopes=api_key.scopes,
                accounts=api_key.accounts,
                daily_budget_usd=_write_budget(api_key.daily_budget_micros),
                monthly_budget_usd=_write_budget(api_key.monthly_budget_micros),
                rate_per_minute=api_key.rate_per_minute,
                webhook_url=hide_secret(api_key.webhook_url) if api_key.webhook_url else None,
                created_at=api_key.created_at,
                expires_at=api_key.expires_at,
                revoked_at=api_key.revoked_at,
            )
            for api_key in keys
        ]
        sys.stdout.write(_KEY_LINES.dump_json(lines, indent=2).decode() + "\n")
        return
    if not keys:
        open_console().print(f"{name} has no keys yet. mediaposter keys create NAME makes one.")
        return
    _write_table(keys, now=session.clock())


def _write_table(keys: Sequence[ApiKey], *, now: datetime) -> None:
    """Write the keys; a terminal that is not wide gets what tells them apart."""
    tabs = [api_key for api_key in keys if api_key.name == STUDIO_KEY and not api_key.is_valid(now=now)]
    shown = [api_key for api_key in keys if api_key not in tabs]
    console = open_console()
    if console.is_terminal and console.width < _COLUMNS_OF_ALL:
        table = create_table("KEY_ID", "name", "owner", "scopes", "ends")
        for api_key in shown:
            table.add_row(api_key.key_id, api_key.name, api_key.owner, " ".join(api_key.scopes), _describe_end(api_key))
        write_table(table)
        write_note("Accounts, limits and webhooks: mediaposter keys list --json, or a wider window.")
    else:
        write_table(_tabulate(shown))
    if tabs:
        write_note(f"{count_of(len(tabs), 'key')} of the studio that ended: left out; --json has them.")


def _describe_end(api_key: ApiKey) -> str:
    if api_key.revoked_at:
        return f"revoked {api_key.revoked_at:%Y-%m-%d}"
    return f"{api_key.expires_at:%Y-%m-%d %H:%M}" if api_key.expires_at else "never"


def _tabulate(keys: Sequence[ApiKey]) -> Table:
    titles = ("name", "owner", "scopes", "accounts", "$ a day", "$ a month", "a minute")
    table = create_table("KEY_ID", *titles, "made", "expires", "revoked", "webhook")
    for api_key in keys:
        table.add_row(
            api_key.key_id,
            api_key.name,
            api_key.owner,
            " ".join(api_key.scopes),
            "all" if api_key.accounts is None else " ".join(api_key.accounts),
            _write_budget(api_key.daily_budget_micros) or "",
            _write_budget(api_key.monthly_budget_micros) or "",
            str(api_key.rate_per_minute or ""),
            f"{api_key.created_at:%Y-%m-%d}",
            f"{api_key.expires_at:%Y-%m-%dT%H:%MZ}" if api_key.expires_at else "",
            f"{api_key.revoked_at:%Y-%m-%d}" if api_key.revoked_at else "",
            hide_secret(api_key.webhook_url) if api_key.webhook_url else "",
        )
    return table


def _write_budget(micros: int | None) -> str | None:
    return None if micros is None else write_dollars(micros)


@app.command("revoke")
def revoke_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="Its id: key_…")],
    stack: StackOrNone = None,
    data: DataFolder = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Revoke a key for good."""
    session = find_session(context)
    with session.stack_or_host(stack=stack, endpoint_url=endpoint_url, data=data) as opened:
        try:
            api_key = opened.keys.revoke(key_id, now=session.clock())
        except NotFound as error:
            raise NotFound(
                f"{opened.name} has no key with that id. mediaposter keys list shows those it has."
            ) from error
    open_console().print(
        f"{api_key.key_id} ({api_key.name}) is revoked since {api_key.revoked_at:%Y-%m-%d %H:%M} UTC.\n"
        f"{_tell_when(opened)}"
    )


def _tell_when(stack: DeployedStack | HostStack) -> str:
    """Say when a revoked key stops working."""
    api_id: str | None = getattr(stack, "api_id", None)
    if api_id is None:
        return "The host refuses it from now on. If `mediaposter up` printed it, the next start makes another."
    return (
        "The stack no longer accepts it. But API Gateway caches its decision for up to 5 minutes, so a key that was "
        "used just before works as long. To end that at once:\n\n"
        f"aws apigateway flush-stage-authorizers-cache --rest-api-id {api_id} --stage-name v1"
    )
