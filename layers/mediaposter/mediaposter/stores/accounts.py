"""The accounts connected at the publisher, as of the last time it was asked."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from mediaposter.domain.errors import NotFound
from mediaposter.publishing.publisher_interface import Account, Board, Page
from mediaposter.stores.table import Key, Put, Record, Table

_KEY = Key("ACCOUNTS#blotato", "ACCOUNTS")


class ConnectedAccounts(Record):
    """The accounts of the networks, with their pages, playlists and boards.

    Attributes:
        accounts: all accounts connected at `read_at`.
        pages: the pages and playlists of the accounts that were read for them.
        boards: the boards of the accounts that were read for them.
        below_read_at: when the pages, playlists and boards of each account were read, by account id.
    """

    accounts: tuple[Account, ...]
    read_at: AwareDatetime
    pages: tuple[Page, ...] = ()
    boards: tuple[Board, ...] = ()
    below_read_at: dict[str, AwareDatetime] = Field(default_factory=dict)

    @property
    def key(self) -> Key:
        return _KEY

    def find(self, account_id: str) -> Account | None:
        return next((account for account in self.accounts if account.account_id == account_id), None)

    def list_below(self, account_id: str) -> list[str]:
        """List the ids of the pages, playlists and boards of an account."""
        pages = [page.page_id for page in self.pages if page.account_id == account_id]
        return [*pages, *(board.board_id for board in self.boards if board.account_id == account_id)]


class AccountStore:
    """Keeps the latest answer of the publisher."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self) -> ConnectedAccounts | None:
        """Read the connected accounts; None before the publisher was first asked."""
        try:
            return ConnectedAccounts.model_validate(self._table.get(_KEY))
        except NotFound:
            return None

    def put(self, connected: ConnectedAccounts) -> None:
        """Keep an answer of the publisher; of two concurrent writes, either may win."""
        self._table.commit([Put(connected)])
