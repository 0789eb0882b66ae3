"""Where a video goes: one closed model per social network, safe by default.

Field names and required fields follow Blotato's page for each network
(help.blotato.com, platform-publishing/platforms). Blotato drops unknown fields without a word,
so a typo there is a silent, public mistake; here it is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal, NamedTuple, Self, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from mediaposter.text import refuse_unwritable_within

TARGETS_MAX = 20
# What any network takes; a text with placeholders is measured when they are filled in.
TEXT_MAX_CHARACTERS = 5_000
# Blotato plans nine months ahead (start-with-an-ai-agent, limits); the shortest nine have 273 days.
SCHEDULED_AHEAD_MAX = timedelta(days=273)
# Blotato takes 400 MB on its starter plan and this on the others (same page); which plan it is, nobody tells us.
UPLOAD_MAX_BYTES = 1_000_000_000

# How the publisher is handed a post.
Delivery: TypeAlias = Literal["direct", "verified"]

_NOT_SENT = frozenset({"platform", "account_id", "text", "disclosure", "scheduled_time", "next_free_slot"})
_PLACEHOLDER = re.compile(r"\{(prompt|title)\}")
_HASHTAG = re.compile(r"#\w")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")
_UPRIGHT = 9 / 16
# Models make upright videos of 704x1280 and 1024x1792, too, which the networks take for 9:16.
_FRAMES_SECONDS = 0.1
_UPRIGHT_TOLERANCE = 0.03


def _refuse_null(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not have null characters")
    return text


def _refuse_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _require_date_time(value: object) -> object:
    # Pydantic takes a number for seconds since 1970.
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_TIME.match(value)):
        return value
    raise ValueError("must be a date and time with its offset, as 2026-12-24T18:00:00Z")


def _convert_to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is no time that a calendar has") from error


def _refuse_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 (Pydantic takes a ValueError for a refusal)
    return value


ACCOUNT_ID = r"^[A-Za-z0-9_-]{1,64}$"
AccountId = Annotated[str, StringConstraints(pattern=ACCOUNT_ID)]
PageId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,32}$")]
PlaylistId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
# Meta's own rule for names; Blotato wants them without the @.
InstagramName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._]{1,30}$")]
Text = Annotated[str, AfterValidator(_refuse_null)]
Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f]+$"), AfterValidator(_refuse_blank)]
# No user and no password: what is in a post is public.
PublicUrl = Annotated[
    str, StringConstraints(max_length=2048, pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?([/?#][!-~]*)?$")
]
ScheduledTime = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_require_date_time), AfterValidator(_convert_to_utc)
]
# Not strict, as the table gives numbers as decimals and a form as text.
Milliseconds = Annotated[int, Field(strict=False, ge=0, le=3_600_000), BeforeValidator(_refuse_boolean)]


class VideoShape(BaseModel):
    """What a video will be, or is; its bytes are known once it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    seconds: float
    size_bytes: int | None = None


class VideoLimits(NamedTuple):
    """What a network takes of a video, both ends included; `is_upright` is 9:16 and nothing else."""

    seconds_max: int
    seconds_min: int = 0
    bytes_max: int = UPLOAD_MAX_BYTES
    width_max: int | None = None
    height_max: int | None = None
    is_upright: bool = False


def check_scheduled_time(scheduled_time: datetime, *, now: datetime) -> None:
    """Refuse a time at which nothing can go out any more, or that Blotato does not plan yet.

    Raises:
        ValueError: naming the field and the limit.
    """
    if scheduled_time <= now:
        raise ValueError(f"scheduled_time: must be in the future, got {_write_time(scheduled_time)}")
    latest = now + SCHEDULED_AHEAD_MAX
    if scheduled_time > latest:
        raise ValueError(
            f"scheduled_time: at most nine months ahead, until {_write_time(latest)}, got {_write_time(scheduled_time)}"
        )


def _write_time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class PublishTarget(BaseModel):
    """What every network has: the connected account, the caption, and when it goes out.

    `text` is the caption; without one it is the request's, and without that the prompt. In a text `{prompt}` and
    `{title}` stand for those of the request. `next_free_slot` is the next of the times that are set up at Blotato.
    """

    # A text may quote the prompt, and an error ends in a log.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    text_max_characters: ClassVar[int]
    hashtags_max: ClassVar[int | None] = None
    video_limits: ClassVar[VideoLimits]

    platform: str
    account_id: AccountId
    text: Text | None = None
    scheduled_time: ScheduledTime | None = None
    next_free_slot: bool = False

    @model_validator(mode="before")
    @classmethod
    def _require_whole_characters(cls, fields: object) -> object:
        refuse_unwritable_within(fields)
        return fields

    @property
    def post_id(self) -> str:
        """Name the post within its video: a network and an account take a video once."""
        return f"{self.platform}#{self.account_id}"

    @field_validator("text", mode="after")
    @classmethod
    def _fit_text(cls, text: str | None) -> str | None:
        if text is None:
            return None
        if not _PLACEHOLDER.search(text):
            return cls.check_caption(text)
        if len(text) > TEXT_MAX_CHARACTERS:
            raise ValueError(f"text: at most {TEXT_MAX_CHARACTERS} characters, got {len(text)}")
        return text

    @model_validator(mode="after")
    def _refuse_two_times(self) -> Self:
        if self.next_free_slot and self.scheduled_time is not None:
            raise ValueError("next_free_slot: not beside a scheduled_time; send one of them")
        return self

    @classmethod
    def check_caption(cls, text: str) -> str:
        """Refuse a caption the network would refuse; nothing is cut silently.

        Characters are counted as Blotato counts them, one by one: X's own rules for links and emoji are not applied.
        A hashtag is a # that begins a word.

        Raises:
            ValueError: naming the field and the limit.
        """
        if len(text) > cls.text_max_characters:
            raise ValueError(f"text: at most {cls.text_max_characters} characters, got {len(text)}")
        hashtags = len(_HASHTAG.findall(text))
        if cls.hashtags_max is not None and hashtags > cls.hashtags_max:
            raise ValueError(f"hashtags: at most {cls.hashtags_max}, got {hashtags}")
        return text

    def compose_caption(self, *, prompt: str, title: str | None, default_text: str | None) -> str:
        """Write the caption as it will be sent.

        Placeholders are filled in texts alone: a prompt is the caption as it stands.

        Raises:
            ValueError: it would not fit, or names a title that there is not; naming the field and the limit.
        """
        template = default_text if self.text is None else self.text
        caption = prompt if template is None else _fill_in(template, prompt=prompt, title=title)
        return self.check_caption(self._disclose(caption))

    def check_video(self, shape: VideoShape) -> None:
        """Refuse a video the network would refuse.

        Raises:
            ValueError: naming the field and the limit.
        """
        limits = self._find_limits()
        seconds = f"{shape.seconds:.10g}"
        if shape.seconds > limits.seconds_max:
            raise ValueError(f"seconds: at most {limits.seconds_max} on {self.platform}, got {seconds}")
        # A clip of four seconds is often a frame or two short of them: its network may judge that.
        if shape.seconds < limits.seconds_min - _FRAMES_SECONDS:
            raise ValueError(f"seconds: at least {limits.seconds_min} on {self.platform}, got {seconds}")
        size = f"{shape.width}x{shape.height}"
        if limits.is_upright and abs(shape.width / shape.height / _UPRIGHT - 1) > _UPRIGHT_TOLERANCE:
            raise ValueError(f"size: must be upright, 9:16 as 720x1280 is, on {self.platform}, got {size}")
        width_max, height_max = limits.width_max or shape.width, limits.height_max or shape.height
        if shape.width > width_max or shape.height > height_max:
            raise ValueError(f"size: at most {width_max}x{height_max} on {self.platform}, got {size}")
        if shape.size_bytes is not None and shape.size_bytes > limits.bytes_max:
            raise ValueError(f"bytes: at most {limits.bytes_max} on {self.platform}, got {shape.size_bytes}")

    def to_wire(self) -> dict[str, object]:
        """Give the `target` object of Blotato's POST /posts."""
        fields = self.model_dump(exclude=set(_NOT_SENT), exclude_none=True)
        return {"targetType": self.platform, **{to_camel(name): value for name, value in fields.items()}}

    def _disclose(self, caption: str) -> str:
        return caption

    def _find_limits(self) -> VideoLimits:
        return self.video_limits


class UnlabelledTarget(PublishTarget):
    """A network that has no label for AI: `disclosure` says it at the end of the caption, on a line of its own."""

    disclosure: Line | None = None

    def _disclose(self, caption: str) -> str:
        return "\n".join(part for part in (caption, self.disclosure) if part)


class TwitterTarget(UnlabelledTarget):
    """X."""

    text_max_characters = 280
    # X, media best practices.
    video_limits = VideoLimits(seconds_max=140, bytes_max=512_000_000)

    platform: Literal["twitter"]


class InstagramTarget(UnlabelledTarget):
    """An Instagram reel or story; a story has no caption."""

    text_max_characters = 2200
    hashtags_max = 5
    # Meta, Instagram content publishing: reels, and below stories.
    video_limits = VideoLimits(seconds_min=3, seconds_max=15 * 60, bytes_max=300_000_000, is_upright=True)
    story_limits: ClassVar[VideoLimits] = VideoLimits(
        seconds_min=3, seconds_max=60, bytes_max=100_000_000, is_upright=True
    )

    platform: Literal["instagram"]
    media_type: Literal["reel", "story"] = "reel"
    share_to_feed: bool | None = None
    collaborators: list[InstagramName] | None = Field(default=None, min_length=1, max_length=3)
    alt_text: Annotated[Text, Field(min_length=1, max_length=1000)] | None = None
    cover_image_url: PublicUrl | None = None
    audio_name: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    # Blotato's page does not say its type; of another type than its own it refuses the post rather than dropping it.
    trial: bool | None = None
    first_comment: Annotated[Text, Field(min_length=1, max_length=2200)] | None = None

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

    def compose_caption(self, *, prompt: str, title: str | None, default_text: str | None) -> str:
        """Write the caption as it will be sent; that of a story is empty.

        Raises:
            ValueError: it would not fit, or names a title that there is not; naming the field and the limit.
        """
        if self.media_type == "story":
            return ""
        return super().compose_caption(prompt=prompt, title=title, default_text=default_text)

    def _find_limits(self) -> VideoLimits:
        return self.story_limits if self.media_type == "story" else self.video_limits


class FacebookTarget(UnlabelledTarget):
    """A reel or story of a Facebook page."""

    text_max_characters = 5000
    # Blotato makes every video one of the two. Its pages say 90 s and 1 GB, or 4 h and 512 MB: the stricter of each.
    video_limits = VideoLimits(seconds_min=3, seconds_max=90, bytes_max=512_000_000, is_upright=True)

    platform: Literal["facebook"]
    page_id: PageId
    media_type: Literal["reel", "story"] = "reel"
    link: PublicUrl | None = None
    first_comment: Annotated[Text, Field(min_length=1, max_length=5000)] | None = None

    @model_validator(mode="after")
    def _refuse_comment_on_story(self) -> Self:
        if self.media_type == "story" and self.first_comment is not None:
            raise ValueError("first_comment: a story on facebook has none; leave it out")
        return self


class LinkedinTarget(UnlabelledTarget):
    """LinkedIn, as the person or as one of their pages."""

    text_max_characters = 3000
    # LinkedIn, Videos API; an upright 4K video is higher than that.
    video_limits = VideoLimits(
        seconds_min=3, seconds_max=30 * 60, bytes_max=500_000_000, width_max=4096, height_max=2304
    )

    platform: Literal["linkedin"]
    page_id: PageId | None = None


class TiktokTarget(PublishTarget):
    """TikTok; all seven fields are required by its API, and the AI label is on."""

    text_max_characters = 2200
    # TikTok, content posting: ten minutes, and an account may be allowed less. Of its 4 GB Blotato takes one.
    video_limits = VideoLimits(seconds_max=10 * 60)

    platform: Literal["tiktok"]
    privacy_level: Literal["SELF_ONLY", "PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR"]
    disabled_comments: bool = False
    disabled_duet: bool = False
    disabled_stitch: bool = False
    is_branded_content: bool = False
    is_your_brand: bool = False
    is_ai_generated: bool = True
    is_draft: bool | None = None
    title: Annotated[Text, Field(min_length=1, max_length=90)] | None = None
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
        """Refuse a video the network would refuse, or that has ended before its cover.

        Raises:
            ValueError: naming the field and the limit.
        """
        super().check_video(shape)
        if self.video_cover_timestamp is not None and self.video_cover_timestamp >= shape.seconds * 1000:
            raise ValueError(
                f"video_cover_timestamp: less than the video's {shape.seconds * 1000:.10g} ms, "
                f"got {self.video_cover_timestamp}"
            )


class YoutubeTarget(PublishTarget):
    """YouTube; the description is the caption, and the AI label is on."""

    text_max_characters = 5000
    # YouTube, upload videos longer than 15 minutes: what an account that is not verified may.
    video_limits = VideoLimits(seconds_max=15 * 60)

    platform: Literal["youtube"]
    title: str = Field(min_length=1, max_length=100, pattern=r"^[^<>\x00]*$")
    privacy_status: Literal["private", "public", "unlisted"] = "private"
    should_notify_subscribers: bool = False
    is_made_for_kids: bool = False
    contains_synthetic_media: bool = True
    thumbnail_url: PublicUrl | None = None
    playlist_ids: list[PlaylistId] | None = Field(default=None, min_length=1, max_length=20)

    @classmethod
    def check_caption(cls, text: str) -> str:
        """Refuse a description YouTube would refuse: its limit is in bytes.

        Raises:
            ValueError: naming the field and the limit.
        """
        if len(text.encode()) > cls.text_max_characters:
            raise ValueError(f"text: at most {cls.text_max_characters} bytes, got {len(text.encode())}")
        if "<" in text or ">" in text:
            raise ValueError("text: no < or > in a description")
        return text


class PinterestTarget(UnlabelledTarget):
    """A pin on one of the account's boards."""

    text_max_characters = 500
    # Blotato's page; Pinterest would take 2 GB.
    video_limits = VideoLimits(seconds_min=4, seconds_max=5 * 60)

    platform: Literal["pinterest"]
    board_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    title: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    alt_text: Annotated[Text, Field(min_length=1, max_length=500)] | None = None
    link: PublicUrl | None = None


class ThreadsTarget(UnlabelledTarget):
    """Threads."""

    text_max_characters = 500
    # Meta, Threads API; its 1 GB is Blotato's, too.
    video_limits = VideoLimits(seconds_max=5 * 60)

    platform: Literal["threads"]
    reply_control: Literal["everyone", "accounts_you_follow", "mentioned_only"] | None = None


class BlueskyTarget(UnlabelledTarget):
    """Bluesky."""

    text_max_characters = 300
    # Bluesky 1.99 made 60 s three minutes; documents say 50 or 100 MB: the stricter.
    video_limits = VideoLimits(seconds_max=3 * 60, bytes_max=50_000_000)

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


def _fill_in(template: str, *, prompt: str, title: str | None) -> str:
    """Put the prompt and the title where a text names them, once: what they say themselves is not read again."""
    words = {"prompt": prompt, "title": title}
    if title is None and "{title}" in template:
        raise ValueError("text: names {title}, and the request has no title")
    return _PLACEHOLDER.sub(lambda found: words[found[1]] or "", template)
