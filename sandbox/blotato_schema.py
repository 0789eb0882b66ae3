"""The words of Blotato's API v2: its accounts, its networks, what a post must carry, and how a wrong one is answered.

Written from the vendor's documents (help.blotato.com: api/llm, rest-api-reference, platform-publishing/platforms).
Where they are silent the stricter reading is taken, so that a client passing here does not lean on kindness.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import (
    AliasGenerator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

Title100 = Annotated[str, StringConstraints(max_length=100)]
MediaUrls = Annotated[tuple[str, ...], Field(max_length=20)]


def _require_date_time(value: JsonValue) -> JsonValue:
    """Refuse Unix seconds, which pydantic would take for a time and JSON Schema's date-time does not."""
    if isinstance(value, str) and re.match(r"\d{4}-\d{2}-\d{2}[Tt]", value):
        return value
    raise PydanticCustomError("datetime_parsing", "not a date-time")


Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_require_date_time)]


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


# Per route and user (api-and-mcp-concepts/rate-limits); routes not named there have no stated limit. The pages give
# 10 and 30 for POST /media: the lower one is safe to plan with.
LIMITS_PER_MINUTE: Final[Mapping[str, int]] = MappingProxyType(
    {
        Route.CREATE_POST: 30,
        Route.SHOW_POST: 60,
        Route.LIST_POSTS: 60,
        Route.CREATE_UPLOAD: 120,
        Route.CREATE_MEDIA: 10,
        Route.LIST_BOARDS: 45,
    }
)


class PostStatus(StrEnum):
    """Where a post stands, in Blotato's words."""

    IN_PROGRESS = "in-progress"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    FAILED = "failed"


class Received(BaseModel):
    """A body as clients send it: camelCase, no coercion ("true" is no boolean), unknown fields dropped silently."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, alias_generator=to_camel)


class Sent(BaseModel):
    """A body as Blotato answers it: camelCase on the wire, absent rather than null."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=AliasGenerator(serialization_alias=to_camel))

    def to_json(self) -> dict[str, JsonValue]:
        """Give the JSON object that goes over the wire."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


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


def _seed_account(account_id: str, platform: Platform) -> Account:
    return Account(id=account_id, platform=platform, fullname="MediaPoster Sandbox", username="mediaposter_sandbox")


# The seeds: one connected account per network. Demo and tests take their ids from here.
ACCOUNTS: Final[Mapping[str, Account]] = MappingProxyType(
    {
        "twitter": _seed_account("801", Platform.TWITTER),
        "linkedin": _seed_account("802", Platform.LINKEDIN),
        "facebook": _seed_account("803", Platform.FACEBOOK),
        "tiktok": _seed_account("804", Platform.TIKTOK),
        "youtube": _seed_account("805", Platform.YOUTUBE),
        "pinterest": _seed_account("806", Platform.PINTEREST),
        "instagram": _seed_account("807", Platform.INSTAGRAM),
        "threads": _seed_account("808", Platform.THREADS),
        "bluesky": _seed_account("809", Platform.BLUESKY),
    }
)
FACEBOOK_PAGE: Final = Subaccount(id="102030405060708", account_id="803", name="MediaPoster Page")
LINKEDIN_PAGE: Final = Subaccount(id="70809010", account_id="802", name="MediaPoster Company")
YOUTUBE_PLAYLIST: Final = Subaccount(id="PLmediaposter00001", account_id="805", name="MediaPoster Playlist")
SUBACCOUNTS: Final = (FACEBOOK_PAGE, LINKEDIN_PAGE, YOUTUBE_PLAYLIST)
PINTEREST_BOARD: Final = Board(id="900800700600500400", name="MediaPoster Board")

INSTAGRAM_HASHTAG_LIMIT: Final = 5


class TwitterTarget(Received):
    """X takes no options."""

    target_type: Literal["twitter"]


class InstagramTarget(Received):
    """Instagram; a video becomes a reel unless `mediaType` says story."""

    target_type: Literal["instagram"]
    media_type: Literal["reel", "story"] | None = None
    alt_text: Annotated[str, StringConstraints(max_length=1000)] | None = None
    collaborators: Annotated[tuple[str, ...], Field(max_length=3)] | None = None
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
    title: Annotated[str, StringConstraints(max_length=90)] | None = None
    auto_add_music: bool | None = None
    is_draft: bool | None = None
    image_cover_index: int | None = None
    video_cover_timestamp: int | None = None


class YoutubeTarget(Received):
    """YouTube."""

    target_type: Literal["youtube"]
    title: Title100
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
    title: Title100 | None = None
    alt_text: Annotated[str, StringConstraints(max_length=500)] | None = None
    link: Annotated[str, StringConstraints(max_length=2048)] | None = None


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
    additional_posts: Annotated[tuple[AdditionalPost, ...], Field(max_length=10)] | None = None


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

    filename: Annotated[str, StringConstraints(min_length=1)]


class CreateMedia(Received):
    """The body of POST /media: a public URL or a base64 data URI."""

    url: Annotated[str, StringConstraints(min_length=1)]


class AccountsQuery(Received):
    """The query of GET /users/me/accounts."""

    model_config = ConfigDict(strict=False)

    platform: Platform | None = None


class SubaccountsQuery(Received):
    """The query of the two routes that list what lies below an account."""

    model_config = ConfigDict(strict=False)

    account_id: str


class PostsQuery(Received):
    """The query of GET /posts; without a window the list reaches seven days back and seven ahead."""

    model_config = ConfigDict(strict=False)

    since: Time | None = None
    until: Time | None = None
    limit: Annotated[int, Field(ge=1, le=250)] = 50
    cursor: str | None = None
    status: Literal["published", "failed", "scheduled"] | None = None
    platform: Platform | None = None


class SchedulesQuery(Received):
    """The query of GET /schedules."""

    model_config = ConfigDict(strict=False)

    limit: Annotated[int, Field(ge=1, le=50)] = 20
    cursor: str | None = None


class AcceptedPost(Sent):
    """The answer to POST /posts: queued, or scheduled when there is a time."""

    post_submission_id: str
    scheduled_time: AwareDatetime | None = None


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
    post_url: str | None = None
    error_message: str | None = None


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


class SandboxRow(BaseModel):
    """A row of what the stand-in tells tests and the demo; not Blotato's."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CallRow(SandboxRow):
    """A call as it was answered; `status` is null where the connection was closed without an answer."""

    route: Route
    status: int | None
    account_id: str | None = None
    platform: str | None = None
    text: str | None = None
    media_urls: tuple[str, ...] = ()
    dropped_fields: tuple[str, ...] = ()
    post_submission_id: str | None = None


class PostRow(SandboxRow):
    """A post that exists, be it scheduled, under way, public or failed; `target` is as it will be sent on."""

    post_submission_id: str
    account_id: str
    platform: Platform
    text: str
    media_urls: tuple[str, ...]
    target: JsonValue
    state: PostStatus
    public_url: str | None
    error_message: str | None
    scheduled_time: AwareDatetime | None


class UploadRow(SandboxRow):
    """A file that arrived in storage; its bytes are not kept."""

    public_url_path: str
    filename: str
    size_bytes: int
    sha256: str
    content_type: str
    is_mp4: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What will be posted, as it stands after the last patch."""

    text: str
    media_urls: tuple[str, ...]
    target: Target | None


@dataclass(frozen=True, slots=True)
class Network:
    """What a network allows and how the address of a post there looks.

    Attributes:
        text_limit: in characters, or in UTF-8 bytes when `counts_bytes`.
        post_url: with the places `number` and `code` for the id that the network gives.
    """

    text_limit: int
    post_url: str
    counts_bytes: bool = False
    needs_media: bool = False


NETWORKS: Final[Mapping[Platform, Network]] = MappingProxyType(
    {
        Platform.TWITTER: Network(280, "https://x.com/mediaposter_sandbox/status/{number}"),
        Platform.INSTAGRAM: Network(2200, "https://www.instagram.com/reel/{code}/", needs_media=True),
        Platform.FACEBOOK: Network(63_206, "https://www.facebook.com/reel/{number}"),
        Platform.LINKEDIN: Network(3000, "https://www.linkedin.com/feed/update/urn:li:share:{number}/"),
        Platform.TIKTOK: Network(2200, "https://www.tiktok.com/@mediaposter_sandbox/video/{number}", needs_media=True),
        Platform.YOUTUBE: Network(5000, "https://www.youtube.com/watch?v={code}", counts_bytes=True, needs_media=True),
        Platform.PINTEREST: Network(500, "https://www.pinterest.com/pin/{number}/", needs_media=True),
        Platform.THREADS: Network(500, "https://www.threads.com/@mediaposter_sandbox/post/{code}"),
        Platform.BLUESKY: Network(300, "https://bsky.app/profile/mediaposter-sandbox.bsky.social/post/{code}"),
    }
)


def find_refusal(platform: Platform, draft: Draft) -> str | None:
    """Tell why a network will not publish a draft, or None.

    The API accepts such a draft with 201 and reports the failure minutes later (supported-posts-and-media pages).
    """
    network = NETWORKS[platform]
    if draft.target is None or draft.target.target_type != platform:
        return f"The post has no {platform} target."
    if network.needs_media and not draft.media_urls:
        return f"Posts on {platform} need an image or a video."
    length = len(draft.text.encode()) if network.counts_bytes else len(draft.text)
    if length > network.text_limit:
        unit = "bytes" if network.counts_bytes else "characters"
        return f"The text has {length} {unit}; {platform} allows {network.text_limit}."
    return _find_target_refusal(draft.text, draft.target)


def _find_target_refusal(text: str, target: Target) -> str | None:
    refusal: str | None = None
    match target:
        case InstagramTarget() if len(re.findall(r"#\w+", text)) > INSTAGRAM_HASHTAG_LIMIT:
            refusal = f"Instagram posts may carry at most {INSTAGRAM_HASHTAG_LIMIT} hashtags."
        case FacebookTarget(page_id=page_id) if page_id != FACEBOOK_PAGE.id:
            refusal = f"The Facebook page {page_id} does not belong to this account."
        case LinkedinTarget(page_id=str(page_id)) if page_id != LINKEDIN_PAGE.id:
            refusal = f"The LinkedIn page {page_id} does not belong to this account."
        case PinterestTarget(board_id=board_id) if board_id != PINTEREST_BOARD.id:
            refusal = f"The Pinterest board {board_id} does not belong to this account."
        case TiktokTarget(is_branded_content=True, privacy_level="SELF_ONLY"):
            refusal = "Branded content cannot be private on TikTok."
        case YoutubeTarget(title=title) if re.search("[<>]", title + text):
            refusal = "YouTube titles and descriptions may not contain < or >."
    return refusal


def find_dropped_fields(body: JsonValue, model: BaseModel, path: str = "") -> tuple[str, ...]:
    """List the fields of a body that its model did not take, as dotted paths: Blotato drops them without a word."""
    if not isinstance(body, dict):
        return ()
    fields = {field.alias or name: name for name, field in type(model).model_fields.items()}
    dropped: list[str] = []
    for key, value in body.items():
        if key not in fields:
            dropped.append(f"{path}{key}")
            continue
        taken = getattr(model, fields[key])
        if isinstance(taken, BaseModel):
            dropped += find_dropped_fields(value, taken, f"{path}{key}.")
        elif isinstance(taken, tuple) and isinstance(value, list):
            for index, (part, item) in enumerate(zip(value, taken, strict=True)):
                if isinstance(item, BaseModel):
                    dropped += find_dropped_fields(part, item, f"{path}{key}.{index}.")
    return tuple(dropped)


# pydantic's error types in AJV's words; the places are pydantic's context.
_AJV_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "string_type": "must be string",
        "bool_type": "must be boolean",
        "int_type": "must be integer",
        "int_parsing": "must be integer",
        "tuple_type": "must be array",
        "model_type": "must be object",
        "dict_type": "must be object",
        "literal_error": "must be equal to one of the allowed values",
        "enum": "must be equal to one of the allowed values",
        "union_tag_invalid": "must be equal to one of the allowed values",
        "string_too_short": "must NOT have fewer than {min_length} characters",
        "string_too_long": "must NOT have more than {max_length} characters",
        "too_long": "must NOT have more than {max_length} items",
        "greater_than_equal": "must be >= {ge}",
        "less_than_equal": "must be <= {le}",
        "timezone_aware": 'must match format "date-time"',
        "datetime_parsing": 'must match format "date-time"',
        "datetime_from_date_parsing": 'must match format "date-time"',
    }
)


def describe_invalid(error: ValidationError, part: Literal["body", "querystring"]) -> str:
    """Say the first thing wrong as the live service does: `body.post.target must have required property 'pageId'`."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "Body is not valid JSON"
    path = [part, *_path_on_the_wire(first)]
    if first["type"] == "missing":
        return f"{'.'.join(path[:-1])} must have required property '{path[-1]}'"
    if first["type"] == "union_tag_not_found":
        return f"{'.'.join(path)} must have required property 'targetType'"
    if first["type"] == "union_tag_invalid":
        path.append("targetType")
    sentence = _AJV_SENTENCES.get(first["type"])
    return f"{'.'.join(path)} {sentence.format(**first.get('ctx', {})) if sentence else first['msg']}"


def _path_on_the_wire(error: ErrorDetails) -> list[str]:
    path = [str(step) for step in error["loc"]]
    # Below a tagged union pydantic puts the tag into the path: post.target.tiktok.title.
    if "target" in path[:-1]:
        del path[path.index("target") + 1]
    return path
