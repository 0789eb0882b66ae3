"""The accounts connected at the publisher: read every night, and checked before money is spent on a post."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from mediaposter.domain.errors import ConfigurationError, ErrorCode, InvalidRequest, NotFound, PublisherError
from mediaposter.publishing.publisher_interface import Board, Page, PublisherInterface
from mediaposter.publishing.targets import (
    FacebookTarget,
    LinkedinTarget,
    PinterestTarget,
    PublishTarget,
    YoutubeTarget,
)
from mediaposter.stores.accounts import AccountStore, ConnectedAccounts
from mediaposter.stores.due import DueStore
from mediaposter.stores.posts import Post, PostState, PostStore
from mediaposter.wire.body_errors import name_target

Clock = Callable[[], datetime]
# Builds the publisher; raises ConfigurationError if its key is missing.
Publishers = Callable[[], PublisherInterface]

_FRESH = timedelta(hours=1)
# You may connect an account and try again: the answer must not be an hour old then, nor be read for each request.
_ASK_AGAIN_AFTER = timedelta(minutes=1)
# A caller waits for the response.
_PATIENCE_SECONDS = 8.0

# The states of posts that the publisher has not begun to make.
_WAITING_STATES = (PostState.PENDING, PostState.SCHEDULED)
_FAR_AWAY = timedelta(days=3_660)
# How many due records are searched for such posts.
_ENTRIES_MAX = 2_000


class ReadAccounts:
    """Store the connected accounts, and report waiting posts whose account is gone: those posts will fail."""

    def __init__(
        self,
        *,
        accounts: AccountStore,
        publishers: Publishers,
        list_waiting_targets: Callable[[], Iterable[PublishTarget]],
        count_metric: Callable[[str], None],
        report: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._publishers = publishers
        self._list_waiting_targets = list_waiting_targets
        self._count_metric = count_metric
        self._report = report
        self._clock = clock

    def __call__(self) -> int:
        """Read and store everything that is connected, and count the missing targets of waiting posts.

        Raises:
            ConfigurationError: posts wait, and the publisher's key is missing.
            PublisherError: the publisher did not answer; the earlier answer stays.
        """
        waiting = list(self._list_waiting_targets())
        try:
            publisher = self._publishers()
        except ConfigurationError as error:
            if waiting:
                raise
            self._report(f"The accounts were not checked, and no post waits: {error}")
            return 0
        connected = ask_connected(publisher, known=None, below=None, clock=self._clock)
        self._accounts.put(connected)
        gone = {missing.sentence for target in waiting if (missing := find_missing(connected, target)) is not None}
        for sentence in sorted(gone):
            self._report(f"A waiting post will fail: {sentence}")
            self._count_metric("AccountsMissing")
        return len(gone)


class ValidateAccounts:
    """Refuse posts to accounts that are not connected, before money is spent.

    If Blotato cannot be reached, the request still goes through, with a warning.
    """

    def __init__(
        self, *, accounts: AccountStore, publishers: Publishers, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self._accounts = accounts
        self._publishers = publishers
        self._clock = clock
        self._monotonic = monotonic
        self._recalled: ConnectedAccounts | None = None
        self._recalled_at: datetime | None = None
        self._unreachable: _Unreachable | None = None

    def check(self, targets: Sequence[PublishTarget]) -> list[str]:
        """Check the accounts of targets, and the pages, playlists and boards that the targets name.

        Returns:
            Warnings, if that could not be checked.

        Raises:
            InvalidRequest: one of them is not connected, or belongs to another network.
        """
        now = self._clock()
        known = self._recall(targets, now)
        if known is None or _is_in_question(known, targets, now=now):
            if self._unreachable is not None and now < self._unreachable.since + _ASK_AGAIN_AFTER:
                return [self._unreachable.warning]
            try:
                known = self._ask(known, targets)
            except (ConfigurationError, PublisherError) as error:
                self._unreachable = _Unreachable(now, f"accounts could not be checked: {error}")
                return [self._unreachable.warning]
        for index, target in enumerate(targets):
            missing = find_missing(known, target)
            if missing is not None:
                raise InvalidRequest(
                    f"{name_target(index, target.platform, target.account_id)}: {missing.field}: {missing.sentence}",
                    param=f"publish[{index}].{missing.field}",
                    code="account_not_found",
                )
        return []

    def _recall(self, targets: Sequence[PublishTarget], now: datetime) -> ConnectedAccounts | None:
        """Give the known accounts; read the table again within a minute only if the last answer left a question."""
        is_recent = self._recalled_at is not None and now - self._recalled_at <= _ASK_AGAIN_AFTER
        if not is_recent or self._recalled is None or _is_in_question(self._recalled, targets, now=now):
            self._recalled, self._recalled_at = self._accounts.get(), now
        return self._recalled

    def _ask(self, known: ConnectedAccounts | None, targets: Sequence[PublishTarget]) -> ConnectedAccounts:
        """Read the accounts from the publisher, and the pages and boards that targets name; store the answer."""
        began = self._monotonic()

        def check_patience() -> None:
            if self._monotonic() - began > _PATIENCE_SECONDS:
                raise PublisherError(ErrorCode.TIMEOUT, "Blotato answers too slowly.", transient=True)

        below = {target.account_id for target in targets if _list_named(target)}
        connected = ask_connected(
            self._publishers(), known=known, below=below, clock=self._clock, check_patience=check_patience
        )
        self._accounts.put(connected)
        return connected


class Missing(NamedTuple):
    """Something that a target names and that is not connected."""

    field: str
    sentence: str


class _Unreachable(NamedTuple):
    """When the publisher could not be reached, and the warning about it."""

    since: datetime
    warning: str


def _ignore() -> None:
    """Set no time limit."""


def ask_connected(
    publisher: PublisherInterface,
    *,
    known: ConnectedAccounts | None,
    below: Collection[str] | None,
    clock: Clock,
    check_patience: Callable[[], None] = _ignore,
) -> ConnectedAccounts:
    """Read from the publisher what is connected.

    Args:
        publisher: the publisher to call.
        known: the earlier answer: it stays for accounts whose pages and boards are not read.
        below: the accounts whose pages, playlists and boards to read; None is all that can have some.
        clock: gives the time.
        check_patience: called before each call but the first; raises PublisherError if no time is left.

    Raises:
        PublisherError: the publisher did not answer a call.
    """
    read_at = clock()
    accounts = publisher.list_accounts()
    asked = [account for account in accounts if below is None or account.account_id in below]
    pages: list[Page] = []
    boards: list[Board] = []
    below_read_at: dict[str, datetime] = {}
    for account in asked:
        if not (account.has_pages or account.has_boards):
            continue
        check_patience()
        below_read_at[account.account_id] = clock()
        if account.has_pages:
            pages += publisher.list_pages(account.account_id)
        else:
            boards += publisher.list_boards(account.account_id)
    if known is not None:
        kept = {account.account_id for account in accounts} & known.below_read_at.keys() - below_read_at.keys()
        pages += [page for page in known.pages if page.account_id in kept]
        boards += [board for board in known.boards if board.account_id in kept]
        below_read_at |= {account_id: known.below_read_at[account_id] for account_id in kept}
    return ConnectedAccounts(
        accounts=tuple(accounts),
        read_at=read_at,
        pages=tuple(pages),
        boards=tuple(boards),
        below_read_at=below_read_at,
    )


def find_missing(connected: ConnectedAccounts, target: PublishTarget) -> Missing | None:
    """Find the first thing that a target names and that is not connected, as far as that was read."""
    account = connected.find(target.account_id)
    if account is None:
        return Missing("account_id", f"{target.platform} account {target.account_id} is not connected at Blotato.")
    if account.platform != target.platform:
        return Missing("account_id", f"account {target.account_id} is of {account.platform}, not of {target.platform}.")
    there = connected.list_below(account.account_id)
    for named in _list_named(target):
        if named.id not in there:
            return Missing(
                named.field, f"there is no {named.kind} {named.id} of {target.platform} account {target.account_id}."
            )
    return None


def list_waiting_targets(due: DueStore, posts: PostStore, *, now: datetime) -> list[PublishTarget]:
    """List the targets of the next posts that are not sent yet; searches some thousand records."""
    waiting: list[Post] = []
    for key, _ in islice(due.list(now=now + _FAR_AWAY), _ENTRIES_MAX):
        if not key.sk.startswith("POST#"):
            continue
        try:
            post = posts.get_unchecked(key.pk.removeprefix("VIDEO#"), key.sk.removeprefix("POST#"))
        except NotFound:
            continue  # deleted meanwhile
        if post.state in _WAITING_STATES:
            waiting.append(post)
    return [post.target for post in waiting]


class _Named(NamedTuple):
    """A page, playlist or board that a target names."""

    field: str
    kind: str
    id: str


def _list_named(target: PublishTarget) -> list[_Named]:
    match target:
        case FacebookTarget(page_id=page_id):
            return [_Named("page_id", "page", page_id)]
        case LinkedinTarget(page_id=str(page_id)):
            return [_Named("page_id", "page", page_id)]
        case PinterestTarget(board_id=board_id):
            return [_Named("board_id", "board", board_id)]
        case YoutubeTarget(playlist_ids=list(playlist_ids)):
            return [_Named("playlist_ids", "playlist", playlist_id) for playlist_id in playlist_ids]
    return []


def _is_in_question(known: ConnectedAccounts, targets: Sequence[PublishTarget], *, now: datetime) -> bool:
    """Tell whether the known accounts are too old to accept or refuse these targets."""
    if now - known.read_at > _FRESH:
        return True
    for target in targets:
        missing = find_missing(known, target)
        if missing is not None and missing.field == "account_id":
            if now - known.read_at > _ASK_AGAIN_AFTER:
                return True
        elif _list_named(target):
            below_read_at = known.below_read_at.get(target.account_id)
            if below_read_at is None or now - below_read_at > (_FRESH if missing is None else _ASK_AGAIN_AFTER):
                return True
    return False
