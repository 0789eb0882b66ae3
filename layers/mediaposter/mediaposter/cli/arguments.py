"""Command-line arguments that the commands share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from decimal import Decimal
from typing import NoReturn, TypeVar

STACK = "mediaposter"

Value = TypeVar("Value")


class CommandParser(argparse.ArgumentParser):
    """A parser that reports an error in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print the error and how to get help, and exit with 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


def add_stack_arguments(parser: argparse.ArgumentParser, *, default: str | None = STACK, purpose: str = "") -> None:
    """Add the arguments that select a stack."""
    words = purpose or f"the stack (default: {default})"
    parser.add_argument("--stack", default=default, metavar="NAME", help=words)
    parser.add_argument(
        "--endpoint-url", metavar="URL", help="where AWS is, for the local cloud (default: AWS_ENDPOINT_URL, else AWS)"
    )


def checked(check: Callable[[str], Value]) -> Callable[[str], Value]:
    """Make argparse print the message of a failed check."""

    def read(text: str) -> Value:
        try:
            return check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def read_dollars(text: str) -> int:
    """Parse an amount of dollars into micro-dollars."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text, re.ASCII) or not Decimal(text):
        raise argparse.ArgumentTypeError("an amount is in dollars and more than nothing, as 5.00")
    return int(Decimal(text) * 1_000_000)


def read_count(text: str) -> int:
    """Parse a whole number above zero."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not int(text):
        raise argparse.ArgumentTypeError("a count is a whole number above zero, as 30")
    return int(text)


def write_dollars(micros: int) -> str:
    """Write micro-dollars as dollars, to the cent or with as many digits as needed."""
    dollars, rest = divmod(micros, 1_000_000)
    digits = f"{rest:06}"
    return f"{dollars}.{digits[:2]}{digits[2:].rstrip('0')}"
