"""What goes over the wire of Blotato's API v2, and how a wrong body or query is refused.

Written from the vendor's documents (help.blotato.com: api/llm, rest-api-reference, platform-publishing/platforms).
Where they are silent the stricter reading is taken, so that a client passing here does not lean on kindness.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeVar

from pydantic import (
    AliasGenerator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SerializeAsAny,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError
from starlette.requests import Request


class ApiError(Exception):
    """A refusal, as Blotato words it: `{"message": …}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Platform(StrEnum):
    """The nine networks that the newest pages call exhaustive."""

    TWITTER = "twitter"
    INSTAGRAM = "instagram"
    FACEBOOK = "facebook"
    LINKEDIN = "linkedin"
    TIKTOK = "tiktok"
    YOUTUBE = "youtube"
    PINTEREST = "pinterest"
    THREADS = "threads"
    BLUESKY = "bluesky"


class Route(StrEnum):
    """What can be called, as the documents write it; storage is outside the API and takes no key."""

    SHOW_USER = "GET /users/me"
    LIST_ACCOUNTS = "GET /users/me/accounts"
    LIST_SUBACCOUNTS = "GET /users/me/accounts/{accountId}/subaccounts"
    LIST_BOARDS = "GET /social/pinterest/boards"
    LIST_LINKEDIN_PAGES = "GET /integrations/oauth2/linkedin/pages"
    CREATE_UPLOAD = "POST /media/uploads"
    STORE_UPLOAD = "PUT /storage/uploads/{token}"
    CREATE_MEDIA = "POST /media"
    CREATE_POST = "POST /posts"
    SHOW_POST = "GET /posts/{postSubmissionId}"
    LIST_POSTS = "GET /posts"
    LIST_SCHEDULES = "GET /schedules"
    SHOW_SCHEDULE = "GET /schedules/{id}"
    PATCH_SCHEDULE = "PATCH /schedules/{id}"
    CANCEL_SCHEDULE = "DELETE /schedules/{id}"


class PostStatus(StrEnum):
    """Where a post stands, in Blotato's words."""

    IN_PROGRESS = "in-progress"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    FAILED = "failed"


def _require_date_time(value: JsonValue) -> JsonValue:
    """Refuse Unix seconds, which pydantic would take for a time and JSON Schema's date-time does not."""
    if isinstance(value, str) and re.match(r"\d{4}-\d{2}-\d{2}[Tt]", value):
        return value
    raise PydanticCustomError("datetime_parsing", "not a date-time")


Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_require_date_time)]
MediaUrls = Annotated[tuple[str, ...], Field(max_length=20)]


class Closed(BaseModel):
    """A record that takes no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sent(Closed):
    """A body as Blotato answers it: camelCase on the wire."""

    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=to_camel))


class Received(BaseModel):
    """A body as clients send it: camelCase, no coercion ("true" is no boolean), unknown fields dropped silently."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, alias_generator=to_camel)


class Query(Received):
    """A query as clients send it, where numbers come as text."""

    model_config = ConfigDict(strict=False)


class TwitterTarget(Received):
    """X takes no options."""

    target_type: Literal["twitter"]


class InstagramTarget(Received):
    """Instagram; a video becomes a reel unless `mediaType` says story."""

    target_type: Literal["instagram"]
    media_type: Literal["reel", "story"] | None = None
    alt_text: str | None = Field(default=None, max_length=1000)
    collaborators: tuple[str, ...] | None = Field(default=None, max_length=3)
    cover_image_url: str | None = None
    share_to_feed: bool | None = None
    audio_name: str | None = None
    # The documents name the field and not its type.
    trial: JsonValue = None
    first_comment: str | None = None


class FacebookTarget(Received):
    """Facebook publishes to pages only; older pages call a plain video `video`."""

    target_type: Literal["facebook"]
    page_id: str
    media_type: Literal["reel", "story", "video"] | None = None
    link: str | None = None
    first_comment: str | None = None


class LinkedinTarget(Received):
    """LinkedIn; without `pageId` the post is personal."""

    target_type: Literal["linkedin"]
    page_id: str | None = None


class TiktokTarget(Received):
    """TikTok; every disclosure is required ("ALL REQUIRED", help.blotato.com/api/llm)."""

    target_type: Literal["tiktok"]
    privacy_level: Literal["SELF_ONLY", "PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR"]
    disabled_comments: bool
    disabled_duet: bool
    disabled_stitch: bool
    is_branded_content: bool
    is_your_brand: bool
    is_ai_generated: bool
    title: str | None = Field(default=None, max_length=90)
    auto_add_music: bool | None = None
    is_draft: bool | None = None
    image_cover_index: int | None = None
    video_cover_timestamp: int | None = None


class YoutubeTarget(Received):
    """YouTube."""

    target_type: Literal["youtube"]
    title: str = Field(max_length=100)
    privacy_status: Literal["private", "public", "unlisted"]
    should_notify_subscribers: bool
    is_made_for_kids: bool | None = None
    contains_synthetic_media: bool | None = None
    thumbnail_url: str | None = None
    playlist_ids: tuple[str, ...] | None = None


class PinterestTarget(Received):
    """Pinterest."""

    target_type: Literal["pinterest"]
    board_id: str
    title: str | None = Field(default=None, max_length=100)
    alt_text: str | None = Field(default=None, max_length=500)
    link: str | None = Field(default=None, max_length=2048)


class ThreadsTarget(Received):
    """Threads."""

    target_type: Literal["threads"]
    reply_control: Literal["everyone", "accounts_you_follow", "mentioned_only"] | None = None


class BlueskyTarget(Received):
    """Bluesky takes no options."""

    target_type: Literal["bluesky"]


Target = Annotated[
    TwitterTarget
    | InstagramTarget
    | FacebookTarget
    | LinkedinTarget
    | TiktokTarget
    | YoutubeTarget
    | PinterestTarget
    | ThreadsTarget
    | BlueskyTarget,
    Field(discriminator="target_type"),
]


class AdditionalPost(Received):
    """A further post of a thread."""

    text: str
    media_urls: MediaUrls


class Content(Received):
    """What is posted; `mediaUrls` is required, empty for a text post."""

    text: str
    media_urls: MediaUrls
    platform: Platform
    additional_posts: tuple[AdditionalPost, ...] | None = Field(default=None, max_length=10)


class Post(Received):
    """One post to one account."""

    account_id: str
    content: Content
    target: Target


class CreatePost(Received):
    """The body of POST /posts; the two ways to schedule are siblings of `post`."""

    post: Post
    scheduled_time: Time | None = None
    use_next_free_slot: bool | None = None


class DraftContent(Received):
    """The content of a patched draft: what is left out is gone, not kept."""

    text: str = ""
    media_urls: MediaUrls = ()


class DraftPatch(Received):
    """The draft of a patch, which replaces the old one whole."""

    content: DraftContent = DraftContent()
    target: Target | None = None


class SchedulePatch(Received):
    """What a patch may change."""

    scheduled_time: Time | None = None
    draft: DraftPatch | None = None


class PatchSchedule(Received):
    """The body of PATCH /schedules/{id}."""

    patch: SchedulePatch


class CreateUpload(Received):
    """The body of POST /media/uploads."""

    filename: str = Field(min_length=1)


class CreateMedia(Received):
    """The body of POST /media: a public URL or a base64 data URI."""

    url: str = Field(min_length=1)


class AccountsQuery(Query):
    """The query of GET /users/me/accounts."""

    platform: Platform | None = None


class SubaccountsQuery(Query):
    """The query of the two routes that list what lies below an account."""

    account_id: str


class PostsQuery(Query):
    """The query of GET /posts; without a window the list reaches seven days back and seven ahead."""

    since: Time | None = None
    until: Time | None = None
    limit: int = Field(default=50, ge=1, le=250)
    cursor: str | None = None
    status: Literal["published", "failed", "scheduled"] | None = None
    platform: Platform | None = None


class SchedulesQuery(Query):
    """The query of GET /schedules."""

    limit: int = Field(default=20, ge=1, le=50)
    cursor: str | None = None


class User(Sent):
    """The answer to GET /users/me, which echoes the key: a client must not log it."""

    id: str
    subscription_status: str
    api_key: str


class Account(Sent):
    """A connected social account; its id is a numeric string."""

    id: str
    platform: Platform
    fullname: str
    username: str


class Subaccount(Sent):
    """A Facebook page, a LinkedIn company page or a YouTube playlist below an account."""

    id: str
    account_id: str
    name: str


class Board(Sent):
    """A Pinterest board."""

    id: str
    name: str


class UploadPlace(Sent):
    """The answer to POST /media/uploads: where to put the bytes, and where they will be read."""

    presigned_url: str
    public_url: str


class MirroredMedia(Sent):
    """The answer to POST /media."""

    id: str
    url: str


class AcceptedPost(Sent):
    """The answer to POST /posts: queued, or scheduled when there is a time."""

    post_submission_id: str
    scheduled_time: AwareDatetime | None


class PostAnswer(Sent):
    """How a post stands; the body of GET /posts/{postSubmissionId}."""

    post_submission_id: str
    status: PostStatus
    public_url: str | None = None
    error_message: str | None = None
    scheduled_time: AwareDatetime | None = None


class ListedState(Sent):
    """The state of a listed post."""

    type: PostStatus
    post_url: str | None
    error_message: str | None


class ListedPost(Sent):
    """An item of GET /posts; its id belongs to the state and is not the submission's."""

    id: str
    post_time: AwareDatetime
    platform: Platform
    text: str
    media_urls: tuple[str, ...]
    state: ListedState


class ScheduledContent(Sent):
    """The content of a scheduled draft."""

    text: str
    media_urls: tuple[str, ...]
    platform: Platform


class ScheduledDraft(Sent):
    """What a schedule will post."""

    account_id: str
    content: ScheduledContent
    target: Target | None


class Schedule(Sent):
    """An item of GET /schedules."""

    id: str
    scheduled_at: AwareDatetime
    account: Account
    draft: ScheduledDraft


class ScheduleAnswer(Sent):
    """The answer to GET /schedules/{id}, which wraps the schedule."""

    schedule: Schedule


class Page(Sent):
    """One page of a list; the next one starts at `cursor`. The count of schedules is a string."""

    items: tuple[SerializeAsAny[Sent], ...]
    cursor: str | None = None
    count: str | None = None


class PostClaim(Closed):
    """What a body says of its post, well-formed or not."""

    account_id: str | None = None
    platform: str | None = None
    text: str | None = None
    media_urls: tuple[str, ...] = ()


ModelT = TypeVar("ModelT", bound=BaseModel)

