"""Parse the responses of Blotato's API v2, as leniently as is safe (help.blotato.com, rest-api-reference)."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from mediaposter.domain.errors import ErrorCode, PublisherError
from mediaposter.http.reply import MAX_RETRY_AFTER_SECONDS, MAX_SENTENCE_LENGTH, clean_sentence
from mediaposter.publishing.publisher_interface import (
    Account,
    Board,
    ListedPost,
    Page,
    PostReport,
    PostStatus,
    Schedule,
    User,
)

_logger = logging.getLogger(__name__)

_KNOWN_STATUSES = frozenset(PostStatus)
_MAX_ID_LENGTH = 512
_MAX_NAME_LENGTH = 200
_MAX_URL_LENGTH = 2048
# "Try again in 20 seconds". The numbers are bounded, so that the search reads no character often.
_WAIT = re.compile(
    r"(?<![0-9.])([0-9]{1,9}(?:\.[0-9]{1,9})?)\s{0,4}(ms|milliseconds?|s|sec|seconds?|m|min|minutes?)\b", re.IGNORECASE
)


def _read_number(value: object) -> object:
    # Ids are numbers as text.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _read_absent_text(value: object) -> object:
    return "" if value is None else value


def _read_absent_list(value: object) -> object:
    return () if value is None else value


def _read_status(value: object) -> object:
    # An unknown status is not final: ask again, within the caller's deadline.
    return value if value in _KNOWN_STATUSES or not isinstance(value, str) else PostStatus.IN_PROGRESS


def _drop_long_url(value: str | None) -> str | None:
    return value if value is None or len(value) <= _MAX_URL_LENGTH else None


# The stored part of a response is limited, since it goes into a record.
Id = Annotated[str, BeforeValidator(_read_number), Field(min_length=1, max_length=_MAX_ID_LENGTH)]
Name = Annotated[str, BeforeValidator(_read_absent_text), AfterValidator(lambda name: name[:_MAX_NAME_LENGTH])]
Sentence = Annotated[str | None, AfterValidator(lambda text: None if text is None else clean_sentence(text))]
Url = Annotated[str | None, AfterValidator(_drop_long_url)]
Text = Annotated[str, BeforeValidator(_read_absent_text)]
Urls = Annotated[tuple[str, ...], BeforeValidator(_read_absent_list)]
Status = Annotated[PostStatus, BeforeValidator(_read_status)]


class WireReply(BaseModel):
    """The base of every response: camelCase, and open to new fields.

    An answer may hold the API key or a presigned URL, so no error shows it.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Upload(WireReply):
    """The upload URL of a file, and the public URL for posts."""

    presigned_url: str
    public_url: str


class Media(WireReply):
    """The URL of a copy that Blotato made."""

    url: str


class PostAccepted(WireReply):
    """An accepted post; it has a time if it is scheduled."""

    post_submission_id: Id
    scheduled_time: datetime | None = None

    def to_report(self) -> PostReport:
        """Convert it to the type of the pipeline."""
        return PostReport(
            submission_id=self.post_submission_id,
            status=PostStatus.SCHEDULED if self.scheduled_time else PostStatus.IN_PROGRESS,
            scheduled_time=self.scheduled_time,
        )


class PostState(WireReply):
    """The status of a post."""

    status: Status
    public_url: Url = None
    error_message: Sentence = None
    scheduled_time: datetime | None = None

    def to_report(self, submission_id: str) -> PostReport:
        """Convert it to the type of the pipeline."""
        return PostReport(submission_id=submission_id, **dict(self))


class Refusal(WireReply):
    """Why not."""

    message: str = ""


class UserReply(WireReply):
    """The user of the key; the response holds the key too, which is not read."""

    id: Id
    subscription_status: str | None = None

    def to_user(self) -> User:
        """Convert it to the package's type."""
        return User(user_id=self.id, subscription_status=self.subscription_status)


class ConnectedAccount(WireReply):
    """An account of a network."""

    id: Id
    platform: str
    fullname: Name = ""
    username: Name = ""

    def to_account(self) -> Account:
        """Convert it to the type of the pipeline."""
        return Account(
            account_id=self.id,
            platform=self.platform,
            name=self.username or self.fullname,
            full_name=self.fullname,
            username=self.username,
        )


class SubAccount(WireReply):
    """A page, a playlist or a board below an account."""

    id: Id
    name: Name = ""

    def to_page(self, account_id: str) -> Page:
        """Convert a page or a playlist to the type of the pipeline."""
        return Page(page_id=self.id, account_id=account_id, name=self.name)

    def to_board(self, account_id: str) -> Board:
        """Convert a board to the type of the pipeline."""
        return Board(board_id=self.id, account_id=account_id, name=self.name)


class AccountsReply(WireReply):
    """The accounts: all of them or none are read, since a missing one counts as disconnected."""

    items: tuple[ConnectedAccount, ...]


class SubAccountsReply(WireReply):
    """The sub-accounts of an account: all of them or none are read."""

    items: tuple[SubAccount, ...]


class ListPage(WireReply):
    """One page of a long list, with unparsed items; the next page begins at `cursor`."""

    items: tuple[JsonValue, ...]
    cursor: str | None = None


class _ListedState(WireReply):
    type: Status = PostStatus.IN_PROGRESS
    post_url: Url = None
    error_message: Sentence = None


class ListedItem(WireReply):
    """An item of GET /posts."""

    id: Id
    post_time: AwareDatetime
    platform: str
    text: Text = ""
    media_urls: Urls = ()
    account_id: Id | None = None
    state: _ListedState

    def to_listed_post(self) -> ListedPost:
        """Convert it to the type of the pipeline."""
        return ListedPost(
            listed_id=self.id,
            post_time=self.post_time,
            platform=self.platform,
            text=self.text,
            media_urls=self.media_urls,
            status=self.state.type,
            account_id=self.account_id,
            public_url=self.state.post_url,
            error_message=self.state.error_message,
        )


class _DraftContent(WireReply):
    text: Text = ""
    media_urls: Urls = ()
    platform: str = ""


class _DraftTarget(WireReply):
    target_type: str = ""


class _Draft(WireReply):
    account_id: Id | None = None
    content: _DraftContent
    target: _DraftTarget | None = None


class _ScheduledAccount(WireReply):
    id: Id


class ScheduledItem(WireReply):
    """An item of GET /schedules; its `account` is null once that is disconnected, and the draft still names it."""

    id: Id
    scheduled_at: AwareDatetime
    account: _ScheduledAccount | None = None
    draft: _Draft

    def to_schedule(self) -> Schedule:
        """Convert it to the type of the pipeline."""
        content = self.draft.content
        named = self.draft.account_id or (self.account.id if self.account else None)
        return Schedule(
            schedule_id=self.id,
            scheduled_time=self.scheduled_at,
            account_id=named,
            platform=content.platform or (self.draft.target.target_type if self.draft.target else ""),
            text=content.text,
            media_urls=content.media_urls,
        )


class _KeptSchedule(WireReply):
    draft: dict[str, JsonValue] = Field(min_length=1)


class ScheduleReply(WireReply):
    """The answer to GET /schedules/{id}: its draft stays as it was given, for PATCH replaces the draft whole."""

    schedule: _KeptSchedule


ItemT = TypeVar("ItemT", bound=WireReply)


def read_items(page: ListPage, path: str, item_type: type[ItemT]) -> list[ItemT]:
    """Read the items of a page; an unreadable item does not hide the others.

    Raises:
        PublisherError: no item can be read.
    """
    found = []
    for item in page.items:
        try:
            found.append(item_type.model_validate(item))
        except ValidationError as error:
            # Without its content, which is a user's caption.
            _logger.warning("An item of Blotato's %s cannot be read: %s", path, error)
    if page.items and not found:
        raise PublisherError(ErrorCode.PROVIDER_ERROR, f"No item of Blotato's {path} can be read.")
    return found


def write_time(time: datetime) -> str:
    """Write a time as Blotato's pages do, `2026-12-01T15:00:00.000Z`.

    Raises:
        ValueError: it has no offset from UTC, so it is ambiguous.
    """
    if time.utcoffset() is None:
        raise ValueError("a time needs its offset from UTC, as 2026-12-01T15:00:00Z has")
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_when(scheduled_time: datetime | None, *, next_free_slot: bool) -> dict[str, object]:
    """Write the publishing time of a post; Blotato's pages disagree on which of the two would win.

    Raises:
        ValueError: both are set, or the time has no offset from UTC.
    """
    if scheduled_time is not None and next_free_slot:
        raise ValueError("a post has a scheduled_time or takes the next_free_slot, not both")
    if scheduled_time is not None:
        return {"scheduledTime": write_time(scheduled_time)}
    return {"useNextFreeSlot": True} if next_free_slot else {}


def read_wait_seconds(header: str, message: str) -> float:
    """Find the time to wait: Blotato puts it into the message, a proxy into the header."""
    if header.isascii() and header.isdigit():
        return min(float(header), MAX_RETRY_AFTER_SECONDS)
    found = _WAIT.search(message[:MAX_SENTENCE_LENGTH])
    if found is None:
        return 60.0  # the limits are per minute
    unit = found[2].lower()
    factor = 0.001 if unit.startswith(("ms", "milli")) else 60.0 if unit.startswith("m") else 1.0
    return min(float(found[1]) * factor, MAX_RETRY_AFTER_SECONDS)
