"""The networks behind Blotato: what a post must say to each, what each refuses, and which accounts are connected.

Written from the vendor's documents (help.blotato.com: api/llm, platform-publishing/platforms).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from sandbox.blotato_texts import (
    count_graphemes,
    count_hashtags,
    count_links,
    count_mentions,
    count_utf16,
    weigh_for_x,
)


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


class Closed(BaseModel):
    """A record that takes no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Sent(Closed):
    """A body as Blotato answers it: camelCase on the wire."""

    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=to_camel))


class Received(BaseModel):
    """A body as clients send it: camelCase, no coercion ("true" is no boolean), unknown fields dropped silently."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, alias_generator=to_camel)


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


# The seeds: one connected account per network. Demo and tests take their ids from here.
ACCOUNTS: Final[Mapping[str, Account]] = MappingProxyType(
    {
        platform.value: Account(
            id=account_id, platform=platform, fullname="MediaPoster Sandbox", username="mediaposter_sandbox"
        )
        for platform, account_id in (
            (Platform.TWITTER, "801"),
            (Platform.LINKEDIN, "802"),
            (Platform.FACEBOOK, "803"),
            (Platform.TIKTOK, "804"),
            (Platform.YOUTUBE, "805"),
            (Platform.PINTEREST, "806"),
            (Platform.INSTAGRAM, "807"),
            (Platform.THREADS, "808"),
            (Platform.BLUESKY, "809"),
        )
    }
)
FACEBOOK_PAGE: Final = Subaccount(id="102030405060708", account_id="803", name="MediaPoster Page")
LINKEDIN_PAGE: Final = Subaccount(id="70809010", account_id="802", name="MediaPoster Company")
YOUTUBE_PLAYLIST: Final = Subaccount(id="PLmediaposter00001", account_id="805", name="MediaPoster Playlist")
SUBACCOUNTS: Final = (FACEBOOK_PAGE, LINKEDIN_PAGE, YOUTUBE_PLAYLIST)
PINTEREST_BOARD: Final = Board(id="900800700600500400", name="MediaPoster Board")


class PlainTarget(Received):
    """X and Bluesky take no options."""

    target_type: Literal["twitter", "bluesky"]


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


Target = Annotated[
    PlainTarget
    | InstagramTarget
    | FacebookTarget
    | LinkedinTarget
    | TiktokTarget
    | YoutubeTarget
    | PinterestTarget
    | ThreadsTarget,
    Field(discriminator="target_type"),
]


class Measure(NamedTuple):
    """At most so many of what a network counts."""

    most: int
    unit: str
    count: Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Network:
    """What a network allows and how the address of a post there looks.

    Attributes:
        post_url: with the places `number` and `code` for the id that the network gives.
        measures: what its texts may have at most, `text` being the caption; the others are fields of its target.
    """

    post_url: str
    measures: Mapping[str, tuple[Measure, ...]]
    needs_media: bool = False


def _characters(most: int) -> tuple[Measure, ...]:
    return (Measure(most, "characters", len),)


def _bytes(most: int) -> tuple[Measure, ...]:
    return (Measure(most, "bytes", lambda text: len(text.encode())),)


def _utf16(most: int) -> tuple[Measure, ...]:
    return (Measure(most, "UTF-16 units", count_utf16),)


# What names a post or a sound stands on one line.
_LINES: Final = ("title", "audio_name")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NO_CHARACTERS: Final = re.compile("[\ufeff\ufffe\uffff]")
_INSTAGRAM_HASHTAG_LIMIT: Final = 5
_INSTAGRAM_MENTION_LIMIT: Final = 20
_THREADS_LINK_LIMIT: Final = 3
NETWORKS: Final[Mapping[Platform, Network]] = MappingProxyType(
    {
        Platform.TWITTER: Network(
            "https://x.com/mediaposter_sandbox/status/{number}", {"text": (Measure(280, "characters", weigh_for_x),)}
        ),
        Platform.INSTAGRAM: Network(
            "https://www.instagram.com/reel/{code}/",
            {
                "text": _characters(2200),
                "first_comment": _characters(2200),
                "audio_name": _characters(100),
                "alt_text": _characters(1000),
            },
            needs_media=True,
        ),
        Platform.FACEBOOK: Network(
            "https://www.facebook.com/reel/{number}", {"text": _characters(63_206), "first_comment": _characters(5000)}
        ),
        Platform.LINKEDIN: Network(
            "https://www.linkedin.com/feed/update/urn:li:share:{number}/", {"text": _characters(3000)}
        ),
        Platform.TIKTOK: Network(
            "https://www.tiktok.com/@mediaposter_sandbox/video/{number}",
            {"text": _utf16(2200), "title": _utf16(90)},
            needs_media=True,
        ),
        Platform.YOUTUBE: Network(
            "https://www.youtube.com/watch?v={code}",
            {"text": _bytes(5000), "title": _characters(100)},
            needs_media=True,
        ),
        Platform.PINTEREST: Network(
            "https://www.pinterest.com/pin/{number}/",
            {"text": _characters(500), "title": _characters(100), "alt_text": _characters(500)},
            needs_media=True,
        ),
        Platform.THREADS: Network("https://www.threads.com/@mediaposter_sandbox/post/{code}", {"text": _bytes(500)}),
        Platform.BLUESKY: Network(
            "https://bsky.app/profile/mediaposter-sandbox.bsky.social/post/{code}",
            {"text": (Measure(300, "graphemes", count_graphemes), *_bytes(3000))},
        ),
    }
)


def find_refusal(platform: Platform, text: str, media_urls: tuple[str, ...], target: Target | None) -> str | None:
    """Tell why a network will not publish a post, or None.

    The API accepts such a post with 201 and reports the failure minutes later (supported-posts-and-media pages).
    """
    network = NETWORKS[platform]
    if target is None or target.target_type != platform:
        return f"The post has no {platform} target."
    if network.needs_media and not media_urls:
        return f"Posts on {platform} need an image or a video."
    return _find_text_refusal(network, text, target) or _find_target_refusal(text, target)


def _find_text_refusal(network: Network, text: str, target: Target) -> str | None:
    for field, measures in network.measures.items():
        name = field.replace("_", " ")
        said = text if field == "text" else getattr(target, field)
        if said is None:
            continue
        for most, unit, count in measures:
            if (counted := count(said)) > most:
                return f"The {name} has {counted} {unit}; {target.target_type} allows {most}."
        if field != "text" and not said.strip():
            return f"The {name} is empty."
        if field in _LINES and _CONTROLS.search(said):
            return f"The {name} has control characters."
    return None


def _find_target_refusal(text: str, target: Target) -> str | None:
    match target:
        case InstagramTarget(first_comment=comment):
            texts = (text, comment or "")
            if sum(map(count_hashtags, texts)) > _INSTAGRAM_HASHTAG_LIMIT:
                return f"Instagram posts may carry at most {_INSTAGRAM_HASHTAG_LIMIT} hashtags."
            if sum(map(count_mentions, texts)) > _INSTAGRAM_MENTION_LIMIT:
                return f"Instagram posts may carry at most {_INSTAGRAM_MENTION_LIMIT} mentions."
        case ThreadsTarget() if count_links(text) > _THREADS_LINK_LIMIT:
            return "THREADS_API__LINK_LIMIT_EXCEEDED"
        case PlainTarget(target_type="twitter") if _NO_CHARACTERS.search(text):
            return "The text of the post is not valid."
        case FacebookTarget(page_id=page_id) if page_id != FACEBOOK_PAGE.id:
            return f"The Facebook page {page_id} does not belong to this account."
        case LinkedinTarget(page_id=str(page_id)) if page_id != LINKEDIN_PAGE.id:
            return f"The LinkedIn page {page_id} does not belong to this account."
        case PinterestTarget(board_id=board_id) if board_id != PINTEREST_BOARD.id:
            return f"The Pinterest board {board_id} does not belong to this account."
        case TiktokTarget(is_branded_content=True, privacy_level="SELF_ONLY"):
            return "Branded content cannot be private on TikTok."
        case YoutubeTarget(title=title) if re.search("[<>]", title + text):
            return "YouTube titles and descriptions may not contain < or >."
    return None
