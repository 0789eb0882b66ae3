"""Where a video goes: one closed model per social network, safe by default.

Field names and required fields follow Blotato's page for each network
(help.blotato.com, platform-publishing/platforms). Blotato drops unknown fields without a word,
so a typo there is a silent, public mistake; here it is refused.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.alias_generators import to_camel

TARGETS_MAX = 20

AccountId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
PageId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]


class PublishTarget(BaseModel):
    """What every network has: the connected account, and the caption.

    `text` is the caption; without one the prompt is used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    text_max_characters: ClassVar[int]
    hashtags_max: ClassVar[int | None] = None

    platform: str
    account_id: AccountId
    text: str | None = None

    @property
    def post_id(self) -> str:
        """Name the post within its video: a network and an account take a video once."""
        return f"{self.platform}#{self.account_id}"

    @field_validator("text", mode="after")
    @classmethod
    def _fit_caption(cls, text: str | None) -> str | None:
        return None if text is None else cls.check_caption(text)

    @classmethod
    def check_caption(cls, text: str) -> str:
        """Refuse a caption the network would refuse; nothing is cut silently."""
        if len(text) > cls.text_max_characters:
            raise ValueError(f"at most {cls.text_max_characters} characters, got {len(text)}")
        hashtags = text.count("#")
        if cls.hashtags_max is not None and hashtags > cls.hashtags_max:
            raise ValueError(f"at most {cls.hashtags_max} hashtags, got {hashtags}")
        return text

    def to_wire(self) -> dict[str, object]:
        """Give the `target` object of Blotato's POST /posts."""
        fields = self.model_dump(exclude={"platform", "account_id", "text"}, exclude_none=True)
        return {"targetType": self.platform, **{to_camel(name): value for name, value in fields.items()}}


class TwitterTarget(PublishTarget):
    """X."""

    text_max_characters = 280

    platform: Literal["twitter"]


class InstagramTarget(PublishTarget):
    """An Instagram reel or story."""

    text_max_characters = 2200
    hashtags_max = 5

    platform: Literal["instagram"]
    media_type: Literal["reel", "story"] = "reel"
    share_to_feed: bool | None = None
    collaborators: list[str] | None = Field(default=None, max_length=3)


class FacebookTarget(PublishTarget):
    """A reel or story of a Facebook page."""

    text_max_characters = 5000

    platform: Literal["facebook"]
    page_id: PageId
    media_type: Literal["reel", "story"] = "reel"


class LinkedinTarget(PublishTarget):
    """LinkedIn, as the person or as one of their pages."""

    text_max_characters = 3000

    platform: Literal["linkedin"]
    page_id: PageId | None = None


class TiktokTarget(PublishTarget):
    """TikTok; all seven fields are required by its API, and the AI label is on."""

    text_max_characters = 2200

    platform: Literal["tiktok"]
    privacy_level: Literal["SELF_ONLY", "PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR"]
    disabled_comments: bool = False
    disabled_duet: bool = False
    disabled_stitch: bool = False
    is_branded_content: bool = False
    is_your_brand: bool = False
    is_ai_generated: bool = True
    is_draft: bool | None = None

    @model_validator(mode="after")
    def _refuse_private_advertising(self) -> Self:
        if self.is_branded_content and self.privacy_level == "SELF_ONLY":
            raise ValueError("branded content cannot be SELF_ONLY")
        return self


class YoutubeTarget(PublishTarget):
    """YouTube; the description is the caption, and the AI label is on."""

    text_max_characters = 5000

    platform: Literal["youtube"]
    title: str = Field(min_length=1, max_length=100, pattern=r"^[^<>]*$")
    privacy_status: Literal["private", "public", "unlisted"] = "private"
    should_notify_subscribers: bool = False
    is_made_for_kids: bool = False
    contains_synthetic_media: bool = True
    playlist_ids: list[str] | None = None

    @classmethod
    def check_caption(cls, text: str) -> str:
        """Refuse a description YouTube would refuse: its limit is in bytes."""
        if len(text.encode()) > cls.text_max_characters:
            raise ValueError(f"at most {cls.text_max_characters} bytes, got {len(text.encode())}")
        if "<" in text or ">" in text:
            raise ValueError("no < or > in a description")
        return text


class PinterestTarget(PublishTarget):
    """A pin on one of the account's boards."""

    text_max_characters = 500

    platform: Literal["pinterest"]
    board_id: str = Field(min_length=1, max_length=64)
    title: str | None = Field(default=None, max_length=100)
    link: str | None = Field(default=None, max_length=2048)


class ThreadsTarget(PublishTarget):
    """Threads."""

    text_max_characters = 500

    platform: Literal["threads"]
    reply_control: Literal["everyone", "accounts_you_follow", "mentioned_only"] | None = None


class BlueskyTarget(PublishTarget):
    """Bluesky."""

    text_max_characters = 300

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
