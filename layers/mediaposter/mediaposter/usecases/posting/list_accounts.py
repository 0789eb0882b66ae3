"""List the connected accounts for a caller: what the publisher says, or else what it said last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from mediaposter.domain.errors import ConfigurationError, ErrorCode, PublisherError
from mediaposter.stores.accounts import AccountStore, ConnectedAccounts
from mediaposter.usecases.posting.accounts import Publishers, ask_connected
from mediaposter.wire.accounts import AccountList
from mediaposter.wire.caller import Caller

Clock = Callable[[], datetime]

# You connect an account at Blotato, come back and load the page again: it should be there soon.
_FRESH = timedelta(minutes=5)
# Pages, playlists and boards cost a call for each account that can have some.
_BELOW_FRESH = timedelta(hours=1)
# While Blotato does not answer, callers get the last answer at once.
_ASK_AGAIN_AFTER = timedelta(minutes=1)
# A caller waits for the response; API Gateway ends it after 29 seconds, and the last call takes 8 at most.
_PATIENCE_SECONDS = 15.0


class ListAccounts:
    """List connected accounts. An answer of the last five minutes is used again."""

    def __init__(
        self, *, accounts: AccountStore, publishers: Publishers, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self._accounts = accounts
        self._publishers = publishers
        self._clock = clock
        self._monotonic = monotonic
        self._failed_at: datetime | None = None
        self._failure = ""

    def __call__(self, *, caller: Caller) -> AccountList:
        """List the accounts that the caller's key may post to; if the publisher fails, those that were known last."""
        known, warning = self._accounts.get(), None
        if known is None or not _is_fresh(known, now=self._clock()):
            try:
                known = self._ask(known)
            except (ConfigurationError, PublisherError) as error:
                warning = _explain(known, str(error))
        accounts = [] if known is None else known.accounts
        allowed = [account for account in accounts if caller.may_post_to(account.platform, account.account_id)]
        return AccountList(known, allowed, warning)

    def _ask(self, known: ConnectedAccounts | None) -> ConnectedAccounts:
        """Read everything from the publisher and store it.

        Raises:
            ConfigurationError: its key is missing.
            PublisherError: it did not answer, now or within the last minute.
        """
        now, began = self._clock(), self._monotonic()
        if self._failed_at is not None and now < self._failed_at + _ASK_AGAIN_AFTER:
            raise PublisherError(ErrorCode.PROVIDER_ERROR, self._failure, transient=True)

        def check_patience() -> None:
            if self._monotonic() - began > _PATIENCE_SECONDS:
                raise PublisherError(ErrorCode.TIMEOUT, "Blotato answers too slowly.", transient=True)

        try:
            connected = ask_connected(
                self._publishers(), known=known, below=None, clock=self._clock, check_patience=check_patience
            )
        except (ConfigurationError, PublisherError) as error:
            self._failed_at, self._failure = now, str(error)
            raise
        self._failed_at = None
        self._accounts.put(connected)
        return connected


def _is_fresh(known: ConnectedAccounts, *, now: datetime) -> bool:
    """Tell whether the accounts, and what is below each of them, were read lately."""
    below = [account.account_id for account in known.accounts if account.has_pages or account.has_boards]
    return now - known.read_at <= _FRESH and all(
        account_id in known.below_read_at and now - known.below_read_at[account_id] <= _BELOW_FRESH
        for account_id in below
    )


def _explain(known: ConnectedAccounts | None, reason: str) -> str:
    if known is None:
        return f"The accounts at Blotato are not known: {reason}"
    return f"This list is of {known.read_at:%Y-%m-%dT%H:%M:%SZ}, because Blotato could not be asked now: {reason}"
