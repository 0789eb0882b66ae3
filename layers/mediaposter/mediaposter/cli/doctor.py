"""`mediaposter doctor`: is the stack there, are the keys good, what is missing, and what to do about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from pydantic import JsonValue
from rich.text import Text

from mediaposter.ai.provider_accounts import PROVIDER_ACCOUNTS
from mediaposter.cli.accounts_hint import describe_account
from mediaposter.cli.address import Place
from mediaposter.cli.client import Client, Refusal
from mediaposter.cli.console import create_table, write_table
from mediaposter.cli.host_address import read_address
from mediaposter.cli.options import AsJson, EndpointUrl, create_group
from mediaposter.cli.replies import AccountView, ModelView, Page
from mediaposter.cli.secrets import STACK_NAMES
from mediaposter.cli.session import Session, find_session
from mediaposter.domain.errors import MediaPosterError
from mediaposter.host.environment import read_environment

_FAILED = 1
_SANDBOX = "sandbox"
_ADVICE = "mediaposter secrets set GEMINI_API_KEY"

app = create_group("Check a stack and its keys.")


class Check(NamedTuple):
    """What was found, and what to do.

    Attributes:
        name: what was checked.
        state: `ok`; `optional`, what would add to a stack that works; `missing`, what it cannot do; or `wrong`.
        message: a sentence about it, or the command that changes it.
    """

    name: str
    state: str
    message: str


@app.command("doctor")
def check_stack(
    context: typer.Context,
    *,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="The base URL of the API.")] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="Its API key.")] = None,
    stack: Annotated[str | None, typer.Option("--stack", metavar="NAME", help="A stack of your AWS account.")] = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="The data folder of a host.")] = None,
    endpoint_url: EndpointUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check whether the stack answers, the keys are good, and what is missing. Nothing is changed or spent."""
    session = find_session(context)
    checks = list(_check_all(session, Place(url, key, stack, endpoint_url, data)))
    is_good = all(check.state != "wrong" for check in checks)
    if as_json:
        rows: list[JsonValue] = [dict(check._asdict()) for check in checks]
        sys.stdout.write(json.dumps({"object": "doctor", "ok": is_good, "checks": rows}, indent=2) + "\n")
    else:
        table = create_table("", "", "")
        table.show_header = False
        styles = {"ok": "green", "optional": "cyan", "missing": "yellow", "wrong": "red"}
        for check in checks:
            table.add_row(Text(check.state, style=styles[check.state]), check.name, check.message)
        write_table(table)
    if not is_good:
        raise typer.Exit(_FAILED)


def _check_all(session: Session, place: Place) -> Iterator[Check]:
    try:
        address = session.find_address(place)
    except MediaPosterError as error:
        yield Check("stack", "wrong", str(error))
        if place.stack is not None:
            yield from _check_secrets(session, place)
        return
    client = session.open_client(address)
    api = _check_api(client)
    yield api
    if api.state == "ok":
        yield from _tolerate(lambda: _check_key(client), "key")
        yield from _tolerate(lambda: _check_models(client), "models")
        yield from _tolerate(lambda: _check_accounts(client), "accounts")
    if place.stack is not None:
        yield from _check_secrets(session, place)
    elif (host := read_address(place.data or session.choose_folder())) and host.base_url == address.base_url:
        yield from _check_env_file(session, host.env_file)


def _check_api(client: Client) -> Check:
    address = client.address
    try:
        client.get("/usage")
    except Refusal as refusal:
        if refusal.code == "insufficient_scope":
            return Check("stack", "ok", f"{address.base_url}, found: {address.found_by}.")
        return Check("stack", "wrong", f"{address.base_url} ({address.found_by}): {refusal}")
    except MediaPosterError as error:
        return Check("stack", "wrong", f"{address.base_url} ({address.found_by}): {error}")
    return Check("stack", "ok", f"{address.base_url}, found: {address.found_by}. It answers, and takes the key.")


def _tolerate(check: Callable[[], Iterator[Check]], name: str) -> Iterator[Check]:
    """Run a check of a route that an older stack lacks, or that the key may not use."""
    try:
        yield from check()
    except Refusal as refusal:
        if refusal.code == "insufficient_scope":
            yield Check(name, "missing", "The key may not read this.")
        elif refusal.status in {403, 404}:
            yield Check(name, "missing", "The stack is older than this check.")
        else:
            yield Check(name, "wrong", str(refusal))
    except MediaPosterError as error:
        yield Check(name, "wrong", str(error))


def _check_key(client: Client) -> Iterator[Check]:
    body = client.get("/key").body
    scopes = body.get("scopes")
    may = ", ".join(map(str, scopes)) if isinstance(scopes, list) else "what its owner gave it"
    expires = body.get("expires_at")
    yield Check("key", "ok", f"It may: {may}.{f' It expires at {expires}.' if expires else ''}")


def _check_models(client: Client) -> Iterator[Check]:
    models = Page[ModelView].model_validate(client.get("/models").body).data
    makers = sorted({model.owned_by for model in models} - {""})
    alias = next((model.alias_of for model in models if model.id == "sora-2" and model.alias_of), None)
    leads = f" sora-2 leads to {alias}." if alias else ""
    if set(makers) <= {_SANDBOX}:
        yield Check("models", "optional", f"Only the sandbox's clips.{leads} For real ones: {_ADVICE}")
    else:
        yield Check("models", "ok", f"{len(models)} names, of {', '.join(makers)}.{leads}")


def _check_accounts(client: Client) -> Iterator[Check]:
    accounts = Page[AccountView].model_validate(client.get("/accounts").body).data
    if accounts:
        shown = ", ".join(describe_account(account)[0].split("  ")[0] for account in accounts)
        yield Check("accounts", "ok", f"Posts can go to {shown}.")
    else:
        yield Check("accounts", "missing", "No account is connected: connect some at my.blotato.com.")


def _check_env_file(session: Session, env_file: Path | None) -> Iterator[Check]:
    """Tell which keys the host could have. They are read, not tried: a try could cost."""
    path = env_file if env_file is not None and env_file.is_file() else None
    try:
        environment, _ = read_environment(session.environ(), path)
    except MediaPosterError as error:
        yield Check("keys", "wrong", str(error))
        return
    for account in PROVIDER_ACCOUNTS:
        if environment.find_key(account.name) is None:
            yield Check(account.name, "optional", f"no {account.opened_by}: {account.variables[0]}")
        else:
            yield Check(account.name, "ok", f"The {account.opened_by} is there; it was not tried.")
    if environment.blotato_api_key is None:
        yield Check("blotato", "optional", "Posts are pretended, nothing is public: BLOTATO_API_KEY")
    else:
        yield Check("blotato", "ok", "The key is there: posts are real and public.")


def _check_secrets(session: Session, place: Place) -> Iterator[Check]:
    """Tell which secrets a stack on AWS has."""
    try:
        with session.stack(place.stack or "", place.endpoint_url) as opened:
            for variable, name in {name: variable for variable, name in STACK_NAMES.items()}.items():
                # Only their names: the values stay where they are.
                if name_is_there(opened.read_secret, variable):
                    yield Check(variable, "ok", "The secret is there; it was not tried.")
                elif variable.endswith("-api-key"):
                    advice = f"mediaposter secrets set {name} --stack {place.stack}"
                    yield Check(variable, "missing", advice)
    except MediaPosterError as error:
        yield Check("aws", "wrong", str(error))


def name_is_there(read_secret: Callable[[str], str], name: str) -> bool:
    """Tell whether a stack has a secret."""
    try:
        return bool(read_secret(name))
    except MediaPosterError:
        return False
