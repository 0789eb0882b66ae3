"""What happened to a video, as the API answers it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from mediaposter.stores.trail import Door, TrailEntry, TrailType
from mediaposter.wire.objects import ListObject, list_page
from mediaposter.wire.video_object import ActorObject, present_actor


class VideoEventObject(BaseModel):
    """One thing that happened to a video. `created_at` is in seconds since 1970; null without `by` means by itself.

    `platform` and `account_id` are those of the post that it happened to. `model` is the model that was tried. `code`
    is why something failed. `comment` and `edits` are of a decision: `edits` is what was changed with it. `posts` are
    those that were asked for, as `instagram:907`. `door` is how the request came.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    object: Literal["video.event"] = "video.event"
    type: TrailType
    created_at: int
    video_id: str
    by: ActorObject | None
    door: Door | None = None
    platform: str | None = None
    account_id: str | None = None
    model: str | None = None
    code: str | None = None
    comment: str | None = None
    edits: Literal["targets", "text", "captions"] | None = None
    posts: list[str] | None = None
    scheduled_time: datetime | None = None
    url: str | None = None


def present_entry(video_id: str, entry: TrailEntry, post: tuple[str, str] | None = None) -> VideoEventObject:
    """Write an entry of a video's trail, or of that of one of its posts: its network and its account."""
    source = "0" if post is None else "~".join(post)
    platform, account_id = post or (None, None)
    return VideoEventObject(
        # Its time first, so that ids sort as the events happened; then what is unique, without an escape in a URL.
        id=f"{entry.at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}~{source}~{entry.number:06d}",
        type=entry.type,
        created_at=int(entry.at.timestamp()),
        video_id=video_id,
        by=present_actor(entry.by),
        door=entry.door,
        platform=platform,
        account_id=account_id,
        model=entry.model,
        code=entry.code,
        comment=entry.comment,
        edits=entry.edits,
        posts=list(entry.posts) or None,
        scheduled_time=entry.scheduled_time,
        url=entry.url,
    )


def present_events(events: Sequence[VideoEventObject], *, has_more: bool) -> ListObject[VideoEventObject]:
    """Write a page of events, as many as fit into a response."""
    return list_page(list(events), [event.id for event in events], has_more=has_more)
