"""Options and values that the commands share."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

STACK = "mediaposter"

_STACK_HELP = "The stack."
_ENDPOINT_HELP = "Where AWS is, for the local cloud. Default: AWS_ENDPOINT_URL, else AWS."

StackName: TypeAlias = Annotated[str, typer.Option("--stack", metavar="NAME", help=_STACK_HELP)]
# For commands that work on a host as well: without either, they take the host that runs here, else this stack.
StackOrNone: TypeAlias = Annotated[
    str | None, typer.Option("--stack", metavar="NAME", help=f"A stack on AWS. Default: {STACK}.")
]
DataFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="The data folder of mediaposter up, instead. Default: yours, while it runs."
    ),
]
EndpointUrl: TypeAlias = Annotated[str | None, typer.Option("--endpoint-url", metavar="URL", help=_ENDPOINT_HELP)]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def create_group(description: str, *, invoke_without_command: bool = False) -> typer.Typer:
    """Create a group of commands; `description` is its help."""
    # Names and paths in brackets are text, not Rich's markup.
    return typer.Typer(
        help=description,
        invoke_without_command=invoke_without_command,
        add_completion=False,
        rich_markup_mode=None,
    )


def read_dollars(text: str) -> int:
    """Parse an amount of dollars into micro-dollars.

    Raises:
        ValueError: it is not an amount above zero.
    """
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII) or not Decimal(text):
        raise ValueError("an amount is in dollars and more than nothing, as 5.00")
    return int(Decimal(text) * 1_000_000)


def read_count(text: str) -> int:
    """Parse a whole number above zero.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not int(text):
        raise ValueError("a count is a whole number above zero, as 30")
    return int(text)


def write_dollars(micros: int) -> str:
    """Write micro-dollars as dollars, to the cent or with as many digits as needed."""
    dollars, rest = divmod(micros, 1_000_000)
    digits = f"{rest:06}"
    return f"{dollars}.{digits[:2]}{digits[2:].rstrip('0')}"
