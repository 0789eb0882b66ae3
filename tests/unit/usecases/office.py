"""What the tests of accounts begin with: a publisher with accounts and what is below them, and those who ask it."""

from __future__ import annotations

from collections.abc import Iterable

from mediaposter.domain.errors import ConfigurationError
from mediaposter.publishing.publisher_interface import Account, Board, Page, PublisherInterface
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.accounts import AccountStore, ConnectedAccounts
from mediaposter.usecases.posting.accounts import ReadAccounts, ValidateAccounts
from mediaposter.usecases.posting.list_accounts import ListAccounts
from mediaposter.wire.accounts import AccountListObject, present_accounts
from tests.builders import a_caller
from tests.fakes.clock import Clock
from tests.fakes.publisher import FakePublisher
from tests.fakes.table import InMemoryTable

NO_KEY = ConfigurationError("The secret /mediaposter/a-stack/blotato-api-key is missing.")
PLATFORMS = {"801": "twitter", "802": "linkedin", "803": "facebook", "805": "youtube", "806": "pinterest"}


class SlowPublisher(FakePublisher):
    """Takes its time for every answer."""

    def __init__(self, clock: Clock, answer_seconds: float) -> None:
        super().__init__()
        self._time = clock
        self._answer_seconds = answer_seconds
        self.questions = 0
        self.accounts = [Account(account_id=name, platform=of, name="kites") for name, of in PLATFORMS.items()]
        self.pages = [
            Page(page_id="102", account_id="803", name="Kite Page"),
            Page(page_id="708", account_id="802", name="Kite Company"),
            Page(page_id="PL1", account_id="805", name="Kite Films"),
        ]
        self.boards = [Board(board_id="900", account_id="806", name="Kites")]

    def list_accounts(self) -> list[Account]:
        """List what is connected, slowly."""
        self._take_time()
        return super().list_accounts()

    def list_pages(self, account_id: str) -> list[Page]:
        """List pages, slowly."""
        self._take_time()
        return super().list_pages(account_id)

    def list_boards(self, account_id: str) -> list[Board]:
        """List boards, slowly."""
        self._take_time()
        return super().list_boards(account_id)

    def _take_time(self) -> None:
        self.questions += 1
        self._time.advance(self._answer_seconds)


class Office:
    """A stack's accounts: the publisher that knows them, and those who ask it."""

    def __init__(self, *, answer_seconds: float = 0) -> None:
        self.clock = Clock()
        self.book = AccountStore(InMemoryTable())
        self.publisher = SlowPublisher(self.clock, answer_seconds)
        self.missing_key: ConfigurationError | None = None
        self.waiting: list[PublishTarget] = []
        self.metrics: list[str] = []
        self.reports: list[str] = []
        self.validate_accounts = self.start_process()
        self.read = ReadAccounts(
            accounts=self.book,
            publishers=self._give_publisher,
            list_waiting_targets=self._list_waiting,
            count_metric=self.metrics.append,
            report=self.reports.append,
            clock=self.clock,
        )
        self.list_accounts = ListAccounts(
            accounts=self.book, publishers=self._give_publisher, clock=self.clock, monotonic=self.clock.monotonic
        )

    def start_process(self) -> ValidateAccounts:
        """Give a preflight that remembers nothing."""
        return ValidateAccounts(
            accounts=self.book, publishers=self._give_publisher, clock=self.clock, monotonic=self.clock.monotonic
        )

    def known(self) -> ConnectedAccounts:
        """Give what is kept."""
        known = self.book.get()
        assert known is not None
        return known

    def disconnect(self, account_id: str) -> None:
        """Take an account away at the publisher."""
        self.publisher.accounts = [account for account in self.publisher.accounts if account.account_id != account_id]

    def ask(self, *accounts: str) -> AccountListObject:
        """List the accounts for a key, which may be limited to some."""
        caller = a_caller(accounts=frozenset(accounts) or None)
        return present_accounts(self.list_accounts(caller=caller), notice="")

    def _list_waiting(self) -> Iterable[PublishTarget]:
        return self.waiting

    def _give_publisher(self) -> PublisherInterface:
        if self.missing_key is not None:
            raise self.missing_key
        return self.publisher
