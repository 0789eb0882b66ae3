"""A pretended Blotato: it takes posts, keeps them in a file, and sends them nowhere.

It answers as Blotato does (help.blotato.com, rest-api-reference): accepted is not published, an unknown submission is
in progress for ever, and what is in progress is in no list.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict

from mediaposter.domain.errors import ErrorCode, PostUnknown, PublisherError
from mediaposter.host.database import Database
from mediaposter.host.pretend.faults import PostFault, find_fault
from mediaposter.publishing.publisher_interface import (
    Account,
    Board,
    ListedPost,
    Page,
    PostReport,
    PostStatus,
    Schedule,
)
from mediaposter.publishing.targets import PublishTarget

# For the warnings of posts, and for the screen.
PRETENDED_POSTS = "Posts are pretended: BLOTATO_API_KEY is not set. Nothing is public."

PUBLISH_SECONDS = 2.0
# No network is at a name in `invalid` (RFC 6761, 6.4).
_ORIGIN = "https://pretended.example.invalid"
# One slot a day and account stands for those that you set up at Blotato.
_SLOT_HOUR_UTC = 15

ACCOUNTS = tuple(
    Account(account_id=account_id, platform=platform, name=f"pretended_{name}")
    for account_id, platform, name in (
        ("901", "twitter", "x"),
        ("902", "linkedin", "linkedin"),
        ("903", "facebook", "facebook"),
        ("904", "tiktok", "tiktok"),
        ("905", "youtube", "youtube"),
        ("906", "pinterest", "pinterest"),
        ("907", "instagram", "instagram"),
        ("908", "threads", "threads"),
        ("909", "bluesky", "bluesky"),
        ("910", "instagram", "instagram_shop"),
        ("911", "youtube", "youtube_shorts"),
    )
)
PAGES = (
    Page(page_id="9020001", account_id="902", name="Pretended company"),
    Page(page_id="9030001", account_id="903", name="Pretended page"),
    Page(page_id="PLpretended0001", account_id="905", name="Pretended playlist"),
)
BOARDS = (Board(board_id="9060001", account_id="906", name="Pretended board"),)

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS uploads (url TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS posts (number INTEGER PRIMARY KEY, submission_id TEXT UNIQUE, post TEXT NOT NULL)",
)


class _Post(BaseModel):
    """A post as it was taken. `refusal` is what its network will say to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submission_id: str
    account_id: str
    platform: str
    text: str
    media_url: str
    fault: PostFault | None
    refusal: str | None
    created_at: AwareDatetime
    scheduled_time: AwareDatetime | None

    @property
    def due_at(self) -> datetime:
        return max(self.created_at, self.scheduled_time or self.created_at)


class _Row(NamedTuple):
    """A post, and the number that its other ids are made of."""

    number: int
    post: _Post

    @property
    def schedule_id(self) -> str:
        return f"sch_{self.number}"

    @property
    def public_url(self) -> str:
        return f"{_ORIGIN}/{self.post.platform}/{self.number}"


class PretendedPublisher:
    """Takes posts and publishes none. What it took is on disk before it answers. Called from any thread."""

    def __init__(
        self, folder: Path, *, clock: Callable[[], datetime], publish_seconds: float = PUBLISH_SECONDS
    ) -> None:
        """Open the posts in a folder of its own.

        Args:
            folder: of the publisher alone.
            clock: the time, with its zone; scheduled posts go out by it.
            publish_seconds: how long a post takes to go out once it is due.

        Raises:
            ConfigurationError: the file in the folder cannot be read.
        """
        self._database = Database(folder / "posts.sqlite")
        self._clock = clock
        self._publish_time = timedelta(seconds=publish_seconds)
        with self._database.write() as connection:
            for statement in _SCHEMA:
                connection.execute(statement)

    def close(self) -> None:
        """Close the file. No thread may be using it."""
        self._database.close()

    def upload_stream(self, chunks: Iterator[bytes], *, size_bytes: int, filename: str) -> str:
        """Read the bytes of an MP4, keep none of them, and return the URL for a post.

        Raises:
            PublisherError: they are not as many as was said.
        """
        came_bytes = sum(map(len, chunks))
        if came_bytes != size_bytes:
            raise PublisherError(
                ErrorCode.PROVIDER_ERROR, f"The upload has {came_bytes} bytes, not {size_bytes}.", transient=True
            )
        url = f"{_ORIGIN}/media/{uuid.uuid4()}/{quote(filename)}"
        with self._database.write() as connection:
            connection.execute("INSERT INTO uploads VALUES (?)", (url,))
        return url

    def publish(
        self,
        target: PublishTarget,
        *,
        text: str,
        media_url: str,
        scheduled_time: datetime | None = None,
        next_free_slot: bool = False,
    ) -> PostReport:
        """Take one post: for now, for a time, or for the account's next free slot.

        Raises:
            ValueError: both are set, or the time has no offset from UTC.
            PostUnknown: the text asked for an answer that is lost.
            PublisherError: it was refused.
        """
        if scheduled_time is not None and next_free_slot:
            raise ValueError("a post has a scheduled_time or takes the next_free_slot, not both")
        goes_out_at = None if scheduled_time is None else _convert_to_utc(scheduled_time)
        fault = _find_post_fault(text)
        _check_account(target)
        if fault is PostFault.REFUSE:
            raise PublisherError(ErrorCode.INVALID_REQUEST, "The text asked the pretended publisher to refuse it.")
        now = self._clock()
        with self._database.write() as connection:
            if next_free_slot:
                goes_out_at = _find_free_slot(_read_rows(connection), target.account_id, now)
            is_readable = connection.execute("SELECT 1 FROM uploads WHERE url = ?", (media_url,)).fetchone()
            post = _Post(
                submission_id=str(uuid.uuid4()),
                account_id=target.account_id,
                platform=target.platform,
                text=text,
                media_url=media_url,
                fault=fault,
                refusal=_find_refusal(target, fault) if is_readable else "Failed to read media metadata",
                created_at=now,
                scheduled_time=goes_out_at,
            )
            connection.execute(
                "INSERT INTO posts (submission_id, post) VALUES (?, ?)", (post.submission_id, post.model_dump_json())
            )
        if fault is PostFault.ACCEPT_THEN_DROP:
            raise PostUnknown("The text asked the pretended publisher to lose its answer. It may be public.")
        return PostReport(
            submission_id=post.submission_id,
            status=PostStatus.SCHEDULED if goes_out_at else PostStatus.IN_PROGRESS,
            scheduled_time=goes_out_at,
        )

    def get_post(self, submission_id: str) -> PostReport:
        """Tell where a post stands; an unknown one is in progress for ever."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT number, post FROM posts WHERE submission_id = ?", (submission_id,)
            ).fetchone()
        if found is None:
            return PostReport(submission_id=submission_id, status=PostStatus.IN_PROGRESS)
        row = _read_row(found)
        status = self._find_status(row.post)
        return PostReport(
            submission_id=submission_id,
            status=status,
            public_url=row.public_url if status is PostStatus.PUBLISHED else None,
            error_message=row.post.refusal if status is PostStatus.FAILED else None,
            scheduled_time=row.post.scheduled_time,
        )

    def list_posts(self, *, since: datetime, until: datetime, platform: str) -> list[ListedPost]:
        """List the published, failed and scheduled posts of a network between two times, but none in progress."""
        listed = []
        for row in self._list_rows():
            post, status = row.post, self._find_status(row.post)
            post_time = post.due_at if status is PostStatus.SCHEDULED else post.due_at + self._publish_time
            if status is PostStatus.IN_PROGRESS or post.platform != platform or not since <= post_time <= until:
                continue
            listed.append(
                ListedPost(
                    # It belongs to the state, and is not the submission's.
                    listed_id=row.schedule_id if status is PostStatus.SCHEDULED else f"{status}_{row.number}",
                    post_time=post_time,
                    platform=post.platform,
                    text=post.text,
                    media_urls=(post.media_url,),
                    status=status,
                    public_url=row.public_url if status is PostStatus.PUBLISHED else None,
                    error_message=post.refusal if status is PostStatus.FAILED else None,
                )
            )
        return sorted(listed, key=lambda item: item.post_time, reverse=True)

    def list_schedules(self) -> list[Schedule]:
        """List every post that is still to come, the soonest first."""
        now = self._clock()
        waiting = [row for row in self._list_rows() if now < row.post.due_at]
        return [
            Schedule(
                schedule_id=row.schedule_id,
                scheduled_time=row.post.due_at,
                account_id=row.post.account_id,
                platform=row.post.platform,
                text=row.post.text,
                media_urls=(row.post.media_url,),
            )
            for row in sorted(waiting, key=lambda row: row.post.due_at)
        ]

    def move_schedule(self, schedule_id: str, scheduled_time: datetime) -> bool:
        """Move a post that is still to come; tell whether there is one.

        Raises:
            ValueError: the time has no offset from UTC.
        """
        moved_to = _convert_to_utc(scheduled_time)
        with self._database.write() as connection:
            row = self._find_waiting(connection, schedule_id)
            if row is not None:
                moved = row.post.model_copy(update={"scheduled_time": moved_to})
                connection.execute("UPDATE posts SET post = ? WHERE number = ?", (moved.model_dump_json(), row.number))
        return row is not None

    def cancel_schedule(self, schedule_id: str) -> bool:
        """Take away a post that is still to come; tell whether there is one."""
        with self._database.write() as connection:
            row = self._find_waiting(connection, schedule_id)
            if row is not None:
                connection.execute("DELETE FROM posts WHERE number = ?", (row.number,))
        return row is not None

    def list_accounts(self) -> list[Account]:
        """List the accounts, always the same."""
        return list(ACCOUNTS)

    def list_pages(self, account_id: str) -> list[Page]:
        """List the pages or playlists of an account."""
        return [page for page in PAGES if page.account_id == account_id]

    def list_boards(self, account_id: str) -> list[Board]:
        """List the boards of an account."""
        return [board for board in BOARDS if board.account_id == account_id]

    def _find_status(self, post: _Post) -> PostStatus:
        now = self._clock()
        if now < post.due_at:
            return PostStatus.SCHEDULED
        if now < post.due_at + self._publish_time or post.fault is PostFault.STAY_IN_PROGRESS:
            return PostStatus.IN_PROGRESS
        return PostStatus.FAILED if post.refusal else PostStatus.PUBLISHED

    def _list_rows(self) -> list[_Row]:
        with self._database.read() as connection:
            return _read_rows(connection)

    def _find_waiting(self, connection: sqlite3.Connection, schedule_id: str) -> _Row | None:
        """Find the post of a schedule, if it is still to come."""
        now = self._clock()
        rows = (row for row in _read_rows(connection) if row.schedule_id == schedule_id and now < row.post.due_at)
        return next(rows, None)


def _read_rows(connection: sqlite3.Connection) -> list[_Row]:
    return [_read_row(row) for row in connection.execute("SELECT number, post FROM posts ORDER BY number").fetchall()]


def _read_row(row: tuple[int, str]) -> _Row:
    return _Row(row[0], _Post.model_validate_json(row[1]))


def _find_free_slot(rows: list[_Row], account_id: str, now: datetime) -> datetime:
    taken = {row.post.scheduled_time for row in rows if row.post.account_id == account_id}
    slot = now.astimezone(UTC).replace(hour=_SLOT_HOUR_UTC, minute=0, second=0, microsecond=0)
    while slot <= now or slot in taken:
        slot += timedelta(days=1)
    return slot


def _find_post_fault(text: str) -> PostFault | None:
    try:
        return find_fault(PostFault, text)
    except ValueError as error:
        raise PublisherError(ErrorCode.INVALID_REQUEST, f"{error} Nothing was posted.") from error


def _check_account(target: PublishTarget) -> None:
    account = next((account for account in ACCOUNTS if account.account_id == target.account_id), None)
    if account is None:
        raise PublisherError(ErrorCode.INVALID_REQUEST, f"Account {target.account_id} not found")
    if account.platform != target.platform:
        raise PublisherError(
            ErrorCode.INVALID_REQUEST,
            f"Account {account.account_id} is connected to {account.platform}, not to {target.platform}",
        )


def _find_refusal(target: PublishTarget, fault: PostFault | None) -> str | None:
    """Tell why the network will refuse a post that is accepted."""
    if fault is PostFault.FAIL_PUBLISH:
        return "The network refused the post."
    pages = {page.page_id for page in PAGES if page.account_id == target.account_id}
    boards = {board.board_id for board in BOARDS if board.account_id == target.account_id}
    page_id, board_id = getattr(target, "page_id", None), getattr(target, "board_id", None)
    if page_id is not None and page_id not in pages:
        return f"The page {page_id} does not belong to this account."
    if board_id is not None and board_id not in boards:
        return f"The board {board_id} does not belong to this account."
    return None


def _convert_to_utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError("a time needs its offset from UTC, as 2026-12-01T15:00:00Z has")
    return moment.astimezone(UTC)
