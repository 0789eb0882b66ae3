"""Publish targets: one closed model per social network, safe by default.

Field names and required fields follow Blotato's page for each network
(help.blotato.com, platform-publishing/platforms). Blotato silently drops unknown fields, so a typo would become a
public mistake; here it is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, WrapValidator, model_validator

from mediaposter.publishing.networks import (
    BLUESKY,
    FACEBOOK,
    INSTAGRAM_REEL,
    INSTAGRAM_STORY,
    LINKEDIN,
    PINTEREST,
    THREADS,
    TIKTOK,
    X_PREMIUM,
    YOUTUBE,
    Network,
    X,
)
from mediaposter.publishing.target_base import (
    ACCOUNT_ID,
    SCHEDULED_AHEAD_MAX,
    TARGETS_MAX,
    TEXT_MAX_CHARACTERS,
    AccountId,
    Delivery,
    InstagramName,
    Line,
    Milliseconds,
    PageId,
    PlaylistId,
    PublicUrl,
    PublishTarget,
    ScheduledTime,
    Text,
    UnlabelledTarget,
    VideoShape,
    check_scheduled_time,
    read_record,
)

__all__ = [
    "ACCOUNT_ID",
    "SCHEDULED_AHEAD_MAX",
    "TARGETS_MAX",
    "TEXT_MAX_CHARACTERS",
    "AccountId",
    "AnyTarget",
    "BlueskyTarget",
    "Delivery",
    "FacebookTarget",
    "InstagramTarget",
    "Line",
    "LinkedinTarget",
    "PageId",
    "PinterestTarget",
    "PublicUrl",
    "PublishTarget",
    "ScheduledTime",
    "StoredTarget",
    "Text",
    "ThreadsTarget",
    "TiktokTarget",
    "TwitterTarget",
    "UnlabelledTarget",
    "VideoShape",
    "YoutubeTarget",
    "check_scheduled_time",
]


class TwitterTarget(UnlabelledTarget):
    """X; an account with Premium, which `premium` says it is, takes longer texts."""

    network = X

    platform: Literal["twitter"]
    premium: bool = False

    def _find_network(self) -> Network:
        return X_PREMIUM if self.premium else X


class InstagramTarget(UnlabelledTarget):
    """An Instagram reel or story; a story has no caption."""

    network = INSTAGRAM_REEL

    platform: Literal["instagram"]
    media_type: Literal["reel", "story"] = "reel"
    share_to_feed: bool | None = None
    collaborators: list[InstagramName] | None = Field(default=None, min_length=1, max_length=3)
    alt_text: Text | None = None
    cover_image_url: PublicUrl | None = None
    audio_name: Text | None = None
    # Blotato's page does not name its type; for a wrong type Blotato refuses the post rather than dropping the field.
    trial: bool | None = None
    first_comment: Text | None = None

    @model_validator(mode="after")
    def _refuse_parts_of_a_reel(self) -> Self:
        if self.media_type == "reel":
            return self
        parts = (
            "text",
            "disclosure",
            "share_to_feed",
            "collaborators",
            "cover_image_url",
            "audio_name",
            "trial",
            "first_comment",
        )
        for name in parts:
            if getattr(self, name) not in (None, ""):
                raise ValueError(f"{name}: a story on instagram has none; leave it out")
        return self

    def with_default_disclosure(self, disclosure: str) -> Self:
        """Give the target with the stack's disclosure; a story has no caption that it could stand in."""
        return self if self.media_type == "story" else super().with_default_disclosure(disclosure)

    def compose_caption(self, *, prompt: str, title: str | None, default_text: str | None) -> str:
        """Write the caption as it will be sent; a story has none.

        Raises:
            ValueError: it would not fit, or names a title that there is not; naming the field and the limit.
        """
        if self.media_type == "story":
            return ""
        return super().compose_caption(prompt=prompt, title=title, default_text=default_text)

    def _find_network(self) -> Network:
        return INSTAGRAM_STORY if self.media_type == "story" else INSTAGRAM_REEL


class FacebookTarget(UnlabelledTarget):
    """A reel or story of a Facebook page."""

    network = FACEBOOK

    platform: Literal["facebook"]
    page_id: PageId
    media_type: Literal["reel", "story"] = "reel"
    link: PublicUrl | None = None
    first_comment: Text | None = None

    @model_validator(mode="after")
    def _refuse_comment_on_story(self) -> Self:
        if self.media_type == "story" and self.first_comment is not None:
            raise ValueError("first_comment: a story on facebook has none; leave it out")
        return self


class LinkedinTarget(UnlabelledTarget):
    """LinkedIn, as the person or as one of their pages."""

    network = LINKEDIN

    platform: Literal["linkedin"]
    page_id: PageId | None = None


class TiktokTarget(PublishTarget):
    """TikTok; all seven fields are required by its API, and the AI label is on."""

    network = TIKTOK

    platform: Literal["tiktok"]
    privacy_level: Literal["SELF_ONLY", "PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR"]
    disabled_comments: bool = False
    disabled_duet: bool = False
    disabled_stitch: bool = False
    is_branded_content: bool = False
    is_your_brand: bool = False
    is_ai_generated: bool = True
    is_draft: bool | None = None
    title: Text | None = None
    video_cover_timestamp: Milliseconds | None = None

    @model_validator(mode="after")
    def _refuse_private_advertising(self) -> Self:
        if self.is_branded_content and self.privacy_level == "SELF_ONLY":
            raise ValueError("privacy_level: branded content cannot be SELF_ONLY")
        return self

    @model_validator(mode="after")
    def _refuse_cover_of_draft(self) -> Self:
        if self.is_draft and self.video_cover_timestamp is not None:
            raise ValueError("video_cover_timestamp: a draft takes no cover; leave one of them out")
        return self

    def check_video(self, shape: VideoShape) -> None:
        """Refuse a video that the network would refuse, or that ends before its cover.

        Raises:
            ValueError: names the field and the limit.
        """
        super().check_video(shape)
        if self.video_cover_timestamp is not None and self.video_cover_timestamp >= shape.seconds * 1000:
            raise ValueError(
                f"video_cover_timestamp: less than the video's {shape.seconds * 1000:.10g} ms, "
                f"got {self.video_cover_timestamp}"
            )


class YoutubeTarget(PublishTarget):
    """YouTube; the description is the caption, and the AI label is on."""

    network = YOUTUBE

    platform: Literal["youtube"]
    title: Text
    privacy_status: Literal["private", "public", "unlisted"] = "private"
    should_notify_subscribers: bool = False
    is_made_for_kids: bool = False
    contains_synthetic_media: bool = True
    thumbnail_url: PublicUrl | None = None
    playlist_ids: list[PlaylistId] | None = Field(default=None, min_length=1, max_length=20)


class PinterestTarget(UnlabelledTarget):
    """A pin on one of the account's boards."""

    network = PINTEREST

    platform: Literal["pinterest"]
    board_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    title: Text | None = None
    alt_text: Text | None = None
    link: PublicUrl | None = None


class ThreadsTarget(UnlabelledTarget):
    """Threads."""

    network = THREADS

    platform: Literal["threads"]
    reply_control: Literal["everyone", "accounts_you_follow", "mentioned_only"] | None = None


class BlueskyTarget(UnlabelledTarget):
    """Bluesky."""

    network = BLUESKY

    platform: Literal["bluesky"]


AnyTarget = Annotated[
    TwitterTarget
    | InstagramTarget
    | FacebookTarget
    | LinkedinTarget
    | TiktokTarget
    | YoutubeTarget
    | PinterestTarget
    | ThreadsTarget
    | BlueskyTarget,
    Field(discriminator="platform"),
]


# A target in a record. The text rules are checked when it is planned, and again when it is sent.
StoredTarget = Annotated[AnyTarget, WrapValidator(read_record)]
