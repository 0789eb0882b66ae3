"""`mediaposter webhooks`: the secret that a receiver of a stack's webhooks needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from mediaposter.cli.arguments import CommandParser, add_stack_arguments, checked
from mediaposter.cli.console import open_console
from mediaposter.cli.deployed_stack import DeployedStack, OpenStack, explain_aws_errors
from mediaposter.domain.errors import NotFound
from mediaposter.stores.keys import check_owner
from mediaposter.wire.webhooks import derive_webhook_secret

_SIGNING_KEY = "webhook-signing-key"


def run(argv: Sequence[str], *, open_stack: OpenStack, clock: Callable[[], datetime]) -> None:
    """Run a command of this group.

    Raises:
        ConfigurationError: the stack cannot be reached, or has no signing key.
        NotFound: there is no such key or owner.
    """
    del clock
    arguments = _create_parser().parse_args(argv)
    with explain_aws_errors():
        stack = open_stack(arguments.stack, endpoint_url=arguments.endpoint_url)
        _show_secret(stack, _find_owner(stack, key_id=arguments.key, owner=arguments.owner))


def _create_parser() -> CommandParser:
    parser = CommandParser(prog="mediaposter webhooks", description="The webhooks of a stack.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    secret = commands.add_parser("secret", help="show the secret that signs the webhooks of an owner")
    whose = secret.add_mutually_exclusive_group(required=True)
    whose.add_argument("--owner", type=checked(check_owner), help="the owner of the videos, as keys list shows it")
    whose.add_argument("--key", metavar="KEY_ID", help="the id of a key of that owner: key_…")
    add_stack_arguments(secret)
    return parser


def _find_owner(stack: DeployedStack, *, key_id: str | None, owner: str | None) -> str:
    """Find the owner; a mistyped owner would get a secret too, but no webhook is ever signed with it."""
    for api_key in stack.keys.list():
        if key_id == api_key.key_id or owner == api_key.owner:
            return api_key.owner
    # If a user passes the key itself instead of its id, the key must not end up in a log.
    what = f"no key of the owner {owner}" if owner else "no key with that id"
    raise NotFound(f"{stack.name} has {what}. mediaposter keys list shows those it has.")


def _show_secret(stack: DeployedStack, owner: str) -> None:
    secret = derive_webhook_secret(stack.read_secret(_SIGNING_KEY), owner)
    open_console().print(
        f"The webhooks of the owner {owner} are signed with this secret. Anyone who has it can forge them: keep it "
        "only where your receiver reads it.\n\n"
        f"export OPENAI_WEBHOOK_SECRET={secret}\n\n"
        "The openai SDK takes it from its environment: client.webhooks.verify_signature(body, headers). It stays the "
        f"same until the secret {_SIGNING_KEY} of the stack is put anew."
    )
