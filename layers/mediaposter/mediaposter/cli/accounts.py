"""`mediaposter accounts`: the accounts connected at Blotato, with their ids for requests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, TypeAdapter

from mediaposter.cli.arguments import CommandParser, add_stack_arguments
from mediaposter.cli.console import create_table, open_console
from mediaposter.domain.errors import ConfigurationError, ErrorCode, PublisherError
from mediaposter.publishing.blotato_client import BlotatoClient
from mediaposter.publishing.publisher_interface import Account, PublisherInterface

if TYPE_CHECKING:
    from mediaposter.cli.deployed_stack import DeployedStack, OpenStack

_KEY_NAME = "blotato-api-key"


class BelowLine(BaseModel):
    """A page, a playlist or a board in the output of `accounts --json`."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str


class AccountLine(BaseModel):
    """An account in the output of `accounts --json`."""

    model_config = ConfigDict(frozen=True)

    account_id: str
    platform: str
    name: str
    pages: tuple[BelowLine, ...] = ()
    playlists: tuple[BelowLine, ...] = ()
    boards: tuple[BelowLine, ...] = ()


_ACCOUNT_LINES = TypeAdapter(list[AccountLine])


def connect(stack: DeployedStack | None) -> PublisherInterface:
    """Connect to Blotato with the key of a stack, or of the environment.

    Raises:
        ConfigurationError: there is none.
    """
    if stack is None:
        return BlotatoClient()
    return BlotatoClient(stack.read_secret(_KEY_NAME), base_url=stack.settings.blotato_base_url)


def run(
    argv: Sequence[str],
    *,
    open_stack: OpenStack,
    clock: Callable[[], datetime],
    connect: Callable[[DeployedStack | None], PublisherInterface] = connect,
) -> None:
    """Run the command.

    Raises:
        ConfigurationError: there is no key, or Blotato refused it, or the stack cannot be reached.
        PublisherError: Blotato did not answer.
    """
    del clock
    arguments = _create_parser().parse_args(argv)
    is_of_stack = arguments.stack is not None
    publisher = connect(open_stack(arguments.stack, endpoint_url=arguments.endpoint_url) if is_of_stack else None)
    try:
        lines = [_describe(account, publisher) for account in publisher.list_accounts()]
    except PublisherError as error:
        if error.code is not ErrorCode.AUTHENTICATION:
            raise
        where = f"the secret {_KEY_NAME} of the stack" if is_of_stack else "BLOTATO_API_KEY"
        raise ConfigurationError(
            f"Blotato refused the key: {error}. Put it into {where} as it is, with the = at its end."
        ) from error
    if arguments.json:
        sys.stdout.write(_ACCOUNT_LINES.dump_json(lines, indent=2).decode() + "\n")
    else:
        _write_table(lines)


def _create_parser() -> CommandParser:
    parser = CommandParser(
        prog="mediaposter accounts",
        description="The accounts that are connected at Blotato, with their pages, playlists and boards beneath. The "
        "key is that of BLOTATO_API_KEY, or a stack's.",
    )
    parser.add_argument("--json", action="store_true", help="write JSON")
    add_stack_arguments(parser, default=None, purpose="the stack whose key to use (default: none; no AWS is needed)")
    return parser


def _describe(account: Account, publisher: PublisherInterface) -> AccountLine:
    pages = publisher.list_pages(account.account_id) if account.has_pages else []
    boards = publisher.list_boards(account.account_id) if account.has_boards else []
    below = tuple(BelowLine(id=page.page_id, name=page.name) for page in pages)
    is_youtube = account.platform == "youtube"
    return AccountLine(
        account_id=account.account_id,
        platform=account.platform,
        name=account.name,
        pages=() if is_youtube else below,
        playlists=below if is_youtube else (),
        boards=tuple(BelowLine(id=board.board_id, name=board.name) for board in boards),
    )


def _write_table(lines: Sequence[AccountLine]) -> None:
    console = open_console()
    if not lines:
        console.print("The key is good, and no account is connected yet: connect some at my.blotato.com.")
        return
    table = create_table("ID", "what", "name")
    for line in lines:
        table.add_row(line.account_id, line.platform, line.name)
        for kind, below in (("page", line.pages), ("playlist", line.playlists), ("board", line.boards)):
            for item in below:
                table.add_row(f"  {item.id}", f"  {kind}", f"  {item.name}")
    console.print(table)
