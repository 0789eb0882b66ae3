"""`mediaposter webhooks`: the secret that a receiver of a stack's webhooks needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mediaposter.cli.console import open_console
from mediaposter.cli.options import STACK, EndpointUrl, StackName, create_group
from mediaposter.cli.session import find_session
from mediaposter.domain.errors import NotFound
from mediaposter.stores.keys import check_owner
from mediaposter.wire.webhooks import derive_webhook_secret

if TYPE_CHECKING:
    from mediaposter.cli.deployed_stack import DeployedStack

_SIGNING_KEY = "webhook-signing-key"

app = create_group("The webhooks of a stack.")


@app.callback()
def _be_a_group() -> None:
    """Make the name of the only command part of the command line."""


@app.command("secret")
def show_secret(
    context: typer.Context,
    owner: Annotated[
        str | None,
        typer.Option(parser=check_owner, metavar="OWNER", help="Whose videos they tell of, as keys list shows it."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY_ID", help="The id of a key of that owner, instead: key_…")
    ] = None,
    stack: StackName = STACK,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Show what the webhooks of an owner are signed with."""
    if (owner is None) is (key is None):
        raise context.fail("name the owner either by --owner or by --key")
    with find_session(context).stack(stack, endpoint_url) as opened:
        _write_secret(opened, _find_owner(opened, key_id=key, owner=owner))


def _find_owner(stack: DeployedStack, *, key_id: str | None, owner: str | None) -> str:
    """Find the owner; a mistyped owner would get a secret too, but no webhook is ever signed with it."""
    for api_key in stack.keys.list():
        if key_id == api_key.key_id or owner == api_key.owner:
            return api_key.owner
    # If a user passes the key itself instead of its id, the key must not end up in a log.
    what = f"no key of the owner {owner}" if owner else "no key with that id"
    raise NotFound(f"{stack.name} has {what}. mediaposter keys list shows those it has.")


def _write_secret(stack: DeployedStack, owner: str) -> None:
    secret = derive_webhook_secret(stack.read_secret(_SIGNING_KEY), owner)
    open_console().print(
        f"The webhooks of the owner {owner} are signed with this secret. Anyone who has it can forge them: keep it "
        "only where your receiver reads it.\n\n"
        f"export OPENAI_WEBHOOK_SECRET={secret}\n\n"
        "The openai SDK takes it from its environment: client.webhooks.verify_signature(body, headers). It stays the "
        f"same until the secret {_SIGNING_KEY} of the stack is put anew."
    )
