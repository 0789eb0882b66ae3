"""`mediaposter accounts`: the accounts that a stack can post to, with their ids for requests."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, TypeAdapter

from mediaposter.cli.accounts_hint import OldStack, list_accounts_of
from mediaposter.cli.address import KEY_VARIABLE, NoStackFound, Place
from mediaposter.cli.console import create_table, open_console, write_note
from mediaposter.cli.options import AsJson, EndpointUrl, create_group
from mediaposter.cli.replies import AccountView
from mediaposter.cli.session import BLOTATO_KEY_NAME, Session, find_session
from mediaposter.domain.errors import ConfigurationError, ErrorCode, PublisherError
from mediaposter.publishing.publisher_interface import Account, PublisherInterface

app = create_group("The accounts that are connected at Blotato.")


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


@app.command()
def list_accounts(
    context: typer.Context,
    *,
    as_json: AsJson = False,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="The base URL of the API.")] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="Its API key.")] = None,
    stack: Annotated[
        str | None,
        typer.Option(
            "--stack", metavar="NAME", help="A stack of your AWS account; without a key, its key of Blotato is taken."
        ),
    ] = None,
    endpoint_url: EndpointUrl = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="The data folder of a mediaposter up that runs.")
    ] = None,
) -> None:
    """Show the accounts that a stack can post to, with their pages, playlists and boards beneath.

    Without a stack, Blotato is asked with BLOTATO_API_KEY.
    """
    session = find_session(context)
    if stack is not None and not (key or session.environ().get(KEY_VARIABLE)):
        with session.stack(stack, endpoint_url) as opened:
            key_place = f"the secret {BLOTATO_KEY_NAME} of the stack"
            lines = _read_accounts(session.connect(opened), key_place=key_place)
    else:
        place = Place(url=url, key=key, stack=stack, endpoint_url=endpoint_url, data=data)
        lines = _find_accounts(session, place)
    if as_json:
        sys.stdout.write(_ACCOUNT_LINES.dump_json(lines, indent=2).decode() + "\n")
    else:
        _write_table(lines)


def _find_accounts(session: Session, place: Place) -> list[AccountLine]:
    """Ask the stack that is found; without one, or if it is too old to list accounts, Blotato with BLOTATO_API_KEY.

    Raises:
        ConfigurationError: there is neither, or Blotato refused the key.
        Refusal: the stack refuses the key.
        PublisherError: Blotato did not answer.
    """
    try:
        address = session.find_address(place)
        write_note(f"On {address.base_url} ({address.found_by}).")
        return [_describe_listed(account) for account in list_accounts_of(session.open_client(address)).data]
    except NoStackFound:
        return _read_accounts(session.connect(None), key_place="BLOTATO_API_KEY")
    except OldStack as old:
        try:
            publisher = session.connect(None)
        except ConfigurationError:
            raise old from None
        return _read_accounts(publisher, key_place="BLOTATO_API_KEY")


def _describe_listed(account: AccountView) -> AccountLine:
    below = tuple(BelowLine(id=page.id, name=page.name) for page in account.pages)
    is_youtube = account.platform == "youtube"
    return AccountLine(
        account_id=account.id,
        platform=account.platform,
        name=account.username or account.name,
        pages=() if is_youtube else below,
        playlists=below if is_youtube else (),
        boards=tuple(BelowLine(id=board.id, name=board.name) for board in account.boards),
    )


def _read_accounts(publisher: PublisherInterface, *, key_place: str) -> list[AccountLine]:
    """Read the accounts.

    Raises:
        ConfigurationError: Blotato refused the key.
        PublisherError: Blotato did not answer.
    """
    try:
        return [_describe(account, publisher) for account in publisher.list_accounts()]
    except PublisherError as error:
        if error.code is not ErrorCode.AUTHENTICATION:
            raise
        raise ConfigurationError(
            f"Blotato refused the key: {error}. Put it into {key_place} as it is, with the = at its end."
        ) from error


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
