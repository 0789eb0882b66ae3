"""The `mediaposter` command: accounts, API keys, the model catalog, schedules, and webhook secrets.

Each command group is its own module, loaded only when it is used: `models` needs no AWS.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

from mediaposter.cli.arguments import CommandParser
from mediaposter.domain.errors import MediaPosterError
from mediaposter.domain.text import refuse_unwritable

if TYPE_CHECKING:
    from mediaposter.cli.deployed_stack import DeployedStack, OpenStack

_GROUPS = {
    "accounts": "show what is connected at Blotato",
    "keys": "make, list and revoke API keys",
    "models": "list the models, and check your own catalog",
    "schedule": "make videos on a schedule, one row of a sheet each time",
    "webhooks": "show the signing secret of webhooks",
}
_EXTRAS = frozenset({"boto3", "botocore", "rich"})


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def open_stack(name: str, *, endpoint_url: str | None) -> DeployedStack:
    """Find a stack with the credentials and the region of the environment."""
    stack: DeployedStack = import_module("mediaposter.cli.deployed_stack").open_stack(name, endpoint_url=endpoint_url)
    return stack


def main(
    argv: Sequence[str] | None = None,
    *,
    open_stack: OpenStack = open_stack,
    clock: Callable[[], datetime] = now,
) -> int:
    """Run a command and return its exit status; 1 is a failure, with one sentence on stderr.

    Raises:
        SystemExit: with 2, if the command line is wrong.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = CommandParser(prog="mediaposter", description="MediaPoster from the command line.")
    groups = parser.add_subparsers(dest="group", required=True, metavar="COMMAND")
    for name, summary in _GROUPS.items():
        groups.add_parser(name, help=summary, add_help=False)
    for number, word in enumerate(words, start=1):
        # Python reads a byte that is not UTF-8 as a lone surrogate.
        try:
            refuse_unwritable(word)
        except ValueError as error:
            parser.error(f"word {number} of the command is not UTF-8, or {error}")
    # Only the first word: the group parses the rest.
    group = parser.parse_args(words[:1]).group
    try:
        import_module(f"mediaposter.cli.{group}").run(words[1:], open_stack=open_stack, clock=clock)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        return _fail(f"This command needs {missing}, which is not installed: pip install 'mediaposter[cli,aws]'")
    except MediaPosterError as error:
        return _fail(str(error))
    return 0


def _fail(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1
