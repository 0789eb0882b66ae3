"""The accounts of GET /accounts, as a page offers them for posts."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from mediaposter.publishing.publisher_interface import Account
from mediaposter.stores.accounts import ConnectedAccounts


class AccountList(NamedTuple):
    """The accounts that a key may post to.

    Attributes:
        connected: what is connected, with the pages and boards; None before the publisher ever answered.
        accounts: those of them that the key may post to.
        warning: why the list may be old, or is not known.
    """

    connected: ConnectedAccounts | None
    accounts: list[Account]
    warning: str | None


class BelowObject(BaseModel):
    """A page, a playlist or a board of an account."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str


class AccountObject(BaseModel):
    """A connected account: `id` is the `account_id` of a target, `pages` have its `page_id`, `boards` its `board_id`.

    `playlists` are those of a YouTube account, for `playlist_ids`.
    """

    model_config = ConfigDict(frozen=True)

    object: Literal["account"] = "account"
    id: str
    platform: str
    name: str
    username: str | None
    pages: list[BelowObject]
    playlists: list[BelowObject]
    boards: list[BelowObject]


class AccountListObject(BaseModel):
    """The connected accounts that the key may post to.

    `checked_at` is when Blotato was asked, in seconds since 1970; null if it never answered. `warning` says why the
    list may be old, or is not known. `notice` says what applies to every post, for example that posts are pretended.
    """

    model_config = ConfigDict(frozen=True)

    object: Literal["list"] = "list"
    data: list[AccountObject]
    checked_at: int | None
    warning: str | None
    notice: str | None


def present_accounts(listed: AccountList, *, notice: str) -> AccountListObject:
    """Write the accounts of a caller."""
    known = listed.connected
    return AccountListObject(
        data=[] if known is None else [_present_account(account, known) for account in listed.accounts],
        checked_at=None if known is None else int(known.read_at.timestamp()),
        warning=listed.warning,
        notice=notice or None,
    )


def _present_account(account: Account, connected: ConnectedAccounts) -> AccountObject:
    below = [
        BelowObject(id=page.page_id, name=page.name)
        for page in connected.pages
        if page.account_id == account.account_id
    ]
    has_playlists = account.platform == "youtube"
    return AccountObject(
        id=account.account_id,
        platform=account.platform,
        name=account.full_name or account.name,
        username=account.username or None,
        pages=[] if has_playlists else below,
        playlists=below if has_playlists else [],
        boards=[
            BelowObject(id=board.board_id, name=board.name)
            for board in connected.boards
            if board.account_id == account.account_id
        ],
    )
