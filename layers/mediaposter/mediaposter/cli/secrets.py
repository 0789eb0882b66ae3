"""`mediaposter secrets set`: put a key where a stack reads it; no screen and no shell's history shows it."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer
from dotenv import set_key

from mediaposter.ai.provider_accounts import PROVIDER_ACCOUNTS
from mediaposter.cli.console import open_console, write_note
from mediaposter.cli.host_address import read_address
from mediaposter.cli.options import EndpointUrl, create_group
from mediaposter.cli.session import BLOTATO_KEY_NAME, Session, find_session
from mediaposter.cli.up_text import ENV_FILE
from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.disk import write_privately

if TYPE_CHECKING:
    from mediaposter.cli.deployed_stack import DeployedStack

# The names of a stack's parameters, by the variable of `.env` that stands for the same.
STACK_NAMES = MappingProxyType(
    {
        **{
            variable: f"providers/{account.name}-api-key"
            for account in PROVIDER_ACCOUNTS
            if account.opened_by == "key"
            for variable in account.variables
        },
        "SORA_API_KEY": "providers/sora-api-key",
        "BLOTATO_API_KEY": BLOTATO_KEY_NAME,
        "CAPTIONS_API_KEY": "captions-api-key",
        "APPROVAL_SLACK_URL": "approvals/slack-url",
        "APPROVAL_TELEGRAM_TOKEN": "approvals/telegram-token",
        "GEMINI_WEBHOOK_SECRET": "providers/gemini-webhook-secret",
        "SORA_WEBHOOK_SECRET": "providers/sora-webhook-secret",
    }
)
_STACK_ONLY = ("webhook-signing-key",)

app = create_group("The keys of providers and of Blotato.")


@app.callback()
def _be_a_group() -> None:
    """Make the name of the only command part of the command line."""


@app.command("set")
def set_secret(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The variable, as GEMINI_API_KEY, FAL_KEY or BLOTATO_API_KEY.")
    ],
    stack: Annotated[
        str | None, typer.Option("--stack", metavar="NAME", help="Put it into this stack on AWS instead.")
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option("--env-file", metavar="FILE", help="Default: that of the host that runs, else .env here."),
    ] = None,
    endpoint_url: EndpointUrl = None,
) -> None:
    """Ask for a key without showing it, and put it where a host or a stack reads it.

    A script gives it on stdin. A host reads its file when it starts; a stack within minutes.
    """
    session = find_session(context)
    if stack is not None:
        parameter = _find_stack_name(context, name)
        with session.stack(stack, endpoint_url) as opened:
            _put(opened, parameter, _ask(name))
        open_console().print(f"{parameter} of the stack {stack} is set. Its functions use it within some minutes.")
        return
    _check_variable(context, name)
    path = env_file or _find_env_file(session)
    value = _ask(name)
    _write(path, name, value)
    open_console().print(f"{name} is set in {path}. Start mediaposter up again: it reads its keys when it starts.")


def _find_stack_name(context: typer.Context, name: str) -> str:
    parameter = STACK_NAMES.get(name, name)
    known = (*STACK_NAMES.values(), *_STACK_ONLY)
    if parameter not in known:
        context.fail(_refuse_name(name, (*STACK_NAMES, *_STACK_ONLY)))
    return parameter


def _check_variable(context: typer.Context, name: str) -> None:
    addresses = tuple(
        variable for account in PROVIDER_ACCOUNTS if account.opened_by == "address" for variable in account.variables
    )
    known = (*STACK_NAMES, "OPENAI_API_KEY", "SMTP_URL", *addresses)
    if name not in known:
        context.fail(_refuse_name(name, known))


def _refuse_name(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name.upper(), known, n=1) or difflib.get_close_matches(name, known, n=1)
    return f"{name} is no key that is read. " + (
        f"Did you mean {near[0]}?" if near else f"Those are {', '.join(sorted(known))}"
    )


def _ask(name: str) -> str:
    """Ask a person without an echo, or read one line of a pipe.

    Raises:
        ConfigurationError: it is empty, or holds what no header takes.
    """
    value = typer.prompt(name, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    value = str(value).strip()
    if not re.fullmatch(r"[!-~]+", value):
        raise ConfigurationError(
            f"That is no value of {name}: it is empty, or has a space or a character that no key has. Nothing was "
            "changed; copy it again."
        )
    return value


def _find_env_file(session: Session) -> Path:
    address = read_address(session.choose_folder())
    if address is not None and address.env_file is not None:
        write_note(f"The host that runs here reads {address.env_file}.")
        return address.env_file
    return ENV_FILE.absolute()


def _write(path: Path, name: str, value: str) -> None:
    try:
        if not path.exists():
            write_privately(path, "")
        set_key(path, name, value, quote_mode="never" if re.fullmatch(r"[\w./:+=@-]+", value) else "always")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}. Nothing was changed.") from error


def _put(stack: DeployedStack, parameter: str, value: str) -> None:
    stack.write_secret(parameter, value)
