"""The interface between the pipeline and a publisher, and its types."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from mediaposter.publishing.targets import PublishTarget


class PostStatus(StrEnum):
    """The status of an accepted post at the publisher."""

    IN_PROGRESS = "in-progress"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    FAILED = "failed"


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PostReport(_Fact):
    """The publisher's report on one accepted post."""

    submission_id: str
    status: PostStatus
    public_url: str | None = None
    error_message: str | None = None
    scheduled_time: datetime | None = None


class ListedPost(_Fact):
    """A post as the publisher lists it.

    Attributes:
        listed_id: its id in this list, which changes with its state and never equals its submission id.
        post_time: when it went out, failed, or will go out.
        media_urls: as sent; a URL that was made for one post identifies the post.
        account_id: the account, if the list has it.
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
    """A scheduled post; `account_id` is None if the account is unknown."""

    schedule_id: str
    scheduled_time: datetime
    account_id: str | None
    platform: str
    text: str
    media_urls: tuple[str, ...]


class User(_Fact):
    """The user of an API key."""

    user_id: str
    subscription_status: str | None = None


class Account(_Fact):
    """A connected account of a network; `name` is its user name there, or else its full name."""

    account_id: str
    platform: str
    name: str
    full_name: str = ""
    username: str = ""

    @property
    def has_pages(self) -> bool:
        """Tell whether `list_pages` supports its network."""
        return self.platform in {"facebook", "linkedin", "youtube"}

    @property
    def has_boards(self) -> bool:
        """Tell whether `list_boards` supports its network."""
        return self.platform == "pinterest"


class Page(_Fact):
    """A sub-account: a page on Facebook and LinkedIn, a playlist on YouTube."""

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
        """Upload the bytes of an MP4, and return the URL for a post. This publishes nothing, so a retry is safe.

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
        """Submit one post. Without a time or the next free slot, it may become public at once.

        Raises:
            ValueError: both are set, or the time has no offset from UTC; nothing was sent.
            PostUnknown: it was sent, and its outcome is unknown.
            PublisherError: it certainly was not accepted.
        """

    def get_post(self, submission_id: str) -> PostReport:
        """Get the status of an accepted post. An id that the publisher does not know reads as in progress forever.

        Raises:
            PublisherError: the publisher did not answer the question.
        """

    def list_posts(self, *, since: datetime, until: datetime, platform: str) -> list[ListedPost]:
        """List the published, failed and scheduled posts of a network between two times, but none in progress.

        Raises:
            PublisherError: the list is incomplete, so a post missing from it may still exist.
        """

    def list_schedules(self) -> list[Schedule]:
        """List every scheduled post.

        Raises:
            PublisherError: the list could not be read whole.
        """

    def move_schedule(self, schedule_id: str, scheduled_time: datetime) -> bool:
        """Move a scheduled post to another time and change nothing else; a retry is safe.

        Returns:
            False when there is no such schedule: it was published, or cancelled.

        Raises:
            ValueError: the time has no offset from UTC; nothing was sent.
            PublisherError: it was refused, or it is unknown whether it was moved.
        """

    def cancel_schedule(self, schedule_id: str) -> bool:
        """Cancel a scheduled post.

        Returns:
            False when there is no such schedule: it was published, or cancelled before.

        Raises:
            PublisherError: it was refused, or it is unknown whether it was cancelled.
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
