"""What the pipeline needs of whoever posts for us, and the types that cross it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from mediaposter.publishing.targets import PublishTarget


class PostStatus(StrEnum):
    """Where an accepted post stands at the publisher."""

    IN_PROGRESS = "in-progress"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    FAILED = "failed"


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PostReport(_Fact):
    """What the publisher says of one accepted post."""

    submission_id: str
    status: PostStatus
    public_url: str | None = None
    error_message: str | None = None
    scheduled_time: datetime | None = None


class ListedPost(_Fact):
    """A post as the publisher lists it.

    Attributes:
        listed_id: its id in this list, which changes with its state and is never its submission's.
        post_time: when it went out, failed, or will go out.
        media_urls: as they were sent; a URL minted for one post tells which it is.
        account_id: the account, where the list tells it.
    """

    listed_id: str
    post_time: datetime
    platform: str
    text: str
    media_urls: tuple[str, ...]
    status: PostStatus
    account_id: str | None = None
    public_url: str | None = None
    error_message: str | None = None


class Schedule(_Fact):
    """A post that is still to come; `account_id` is None when nothing tells whose it is."""

    schedule_id: str
    scheduled_time: datetime
    account_id: str | None
    platform: str
    text: str
    media_urls: tuple[str, ...]


class User(_Fact):
    """Whom the key belongs to."""

    user_id: str
    subscription_status: str | None = None


class Account(_Fact):
    """A connected account of a network."""

    account_id: str
    platform: str
    name: str

    @property
    def has_pages(self) -> bool:
        """Tell whether `list_pages` is for its network."""
        return self.platform in {"facebook", "linkedin", "youtube"}

    @property
    def has_boards(self) -> bool:
        """Tell whether `list_boards` is for its network."""
        return self.platform == "pinterest"


class Page(_Fact):
    """What lies below an account: a page on Facebook and LinkedIn, a playlist on YouTube."""

    page_id: str
    account_id: str
    name: str


class Board(_Fact):
    """A board of a Pinterest account."""

    board_id: str
    account_id: str
    name: str


class PublisherInterface(Protocol):
    """Posts a video; each call is made at most once."""

    def upload_stream(self, chunks: Iterator[bytes], *, size_bytes: int, filename: str) -> str:
        """Hand over the bytes of an MP4 and give the URL a post may name. Not public, so it may be repeated.

        Raises:
            PublisherError: the publisher refused it or did not answer.
        """

    def publish(
        self,
        target: PublishTarget,
        *,
        text: str,
        media_url: str,
        scheduled_time: datetime | None = None,
        next_free_slot: bool = False,
    ) -> PostReport:
        """Submit one post, which may become public at once, unless it is given a time or the next free slot.

        Raises:
            ValueError: it is given both, or a time without its offset from UTC; nothing was sent.
            PostUnknown: it was sent, and nobody can tell what became of it.
            PublisherError: it certainly was not accepted.
        """

    def get_post(self, submission_id: str) -> PostReport:
        """Ask how an accepted post stands. An id the publisher does not know reads as in progress for ever.

        Raises:
            PublisherError: the publisher did not answer the question.
        """

    def list_posts(self, *, since: datetime, until: datetime, platform: str) -> list[ListedPost]:
        """List what went out, failed or is scheduled on a network between two times; what is in progress is not there.

        Raises:
            PublisherError: the list could not be read whole, so that what is missing from it is not known to be.
        """

    def list_schedules(self) -> list[Schedule]:
        """List every post that is still to come.

        Raises:
            PublisherError: the list could not be read whole.
        """

    def move_schedule(self, schedule_id: str, scheduled_time: datetime) -> bool:
        """Give a scheduled post another time and change nothing else; may be repeated.

        Returns:
            False when there is no such schedule: it was published, or cancelled.

        Raises:
            ValueError: the time has no offset from UTC; nothing was sent.
            PublisherError: it was refused, or nobody knows whether it was moved.
        """

    def cancel_schedule(self, schedule_id: str) -> bool:
        """Take a scheduled post away.

        Returns:
            False when there is no such schedule: it was published, or cancelled before.

        Raises:
            PublisherError: it was refused, or nobody knows whether it was cancelled.
        """

    def list_accounts(self) -> list[Account]:
        """List the connected accounts.

        Raises:
            PublisherError: the publisher did not answer the question.
        """

    def list_pages(self, account_id: str) -> list[Page]:
        """List the pages of a Facebook or LinkedIn account, or the playlists of a YouTube account.

        Raises:
            PublisherError: the publisher did not answer the question.
        """

    def list_boards(self, account_id: str) -> list[Board]:
        """List the boards of a Pinterest account.

        Raises:
            PublisherError: the publisher did not answer the question.
        """
