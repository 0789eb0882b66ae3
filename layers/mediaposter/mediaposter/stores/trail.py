"""Who did what to a video: kept within the records of the video and its posts, so in the write of each change.

The trail of a deleted video is kept for a while in a record of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, ConfigDict

from mediaposter.stores.checked_model import CheckedModel
from mediaposter.stores.table import Key, Record

# The first entry of a record is kept, and as many of the last.
VIDEO_ENTRIES_MAX = 50
POST_ENTRIES_MAX = 30
# How long the trail of a deleted video can be read.
KEPT_AFTER_DELETION = timedelta(days=90)

# How a request came.
Door = Literal["api", "mcp", "batch", "file", "event", "series"]


class TrailType(StrEnum):
    """What happened."""

    CREATED = "video.created"
    TRIED = "model.tried"
    REFUSED = "model.failed"
    STORED = "video.stored"
    FAILED = "video.failed"
    CANCELLED = "video.cancelled"
    RETRIED = "video.retried"
    DELETED = "video.deleted"
    ASKED = "approval.asked"
    APPROVED = "approval.approved"
    REJECTED = "approval.rejected"
    EXPIRED = "approval.expired"
    REPOSTED = "posts.requested"
    POST_SUBMITTED = "post.submitted"
    POST_SCHEDULED = "post.scheduled"
    POST_MOVED = "post.moved"
    POST_PUBLISHED = "post.published"
    POST_FAILED = "post.failed"
    POST_IN_DOUBT = "post.in_doubt"
    POST_PARKED = "post.parked"
    POST_UNKNOWN = "post.unknown"
    POST_CANCELLED = "post.cancelled"


class Actor(CheckedModel):
    """The key that a person or a program used: its id, and what its maker knows it by."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    name: str = ""


class TrailEntry(CheckedModel):
    """One thing that happened, with the fields that its type has.

    `number` counts the entries of a record, from 1. Without `by` the stack did it by itself.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int = 0
    at: AwareDatetime
    type: TrailType
    by: Actor | None = None
    door: Door | None = None
    model: str | None = None
    code: str | None = None
    comment: str | None = None
    edits: Literal["targets", "text", "captions"] | None = None
    posts: tuple[str, ...] = ()
    scheduled_time: AwareDatetime | None = None
    url: str | None = None


Trail = tuple[TrailEntry, ...]


def extend_trail(trail: Trail, entries: Sequence[TrailEntry], *, most: int) -> Trail:
    """Number new entries and add them; beyond `most` those after the first are dropped."""
    last = trail[-1].number if trail else 0
    numbered = tuple(entry.model_copy(update={"number": last + count}) for count, entry in enumerate(entries, start=1))
    extended = (*trail, *numbered)
    return extended if len(extended) <= most else (extended[0], *extended[len(extended) - most + 1 :])


class DeletedTrail(Record):
    """The trail of a deleted video."""

    video_id: str
    owner: str
    trail: Trail
    ttl: int

    @property
    def key(self) -> Key:
        return self.key_of(self.video_id)

    @staticmethod
    def key_of(video_id: str) -> Key:
        return Key(f"VIDEO#{video_id}", "TRAIL")

    def index_attributes(self) -> Mapping[str, str]:
        """List it nowhere."""
        return {}


def keep_trail(video_id: str, owner: str, trail: Trail, *, by: Actor | None, now: datetime) -> DeletedTrail:
    """Build the record that is left of a video that is deleted now."""
    ended = extend_trail(trail, [TrailEntry(at=now, type=TrailType.DELETED, by=by)], most=VIDEO_ENTRIES_MAX)
    return DeletedTrail(video_id=video_id, owner=owner, trail=ended, ttl=int((now + KEPT_AFTER_DELETION).timestamp()))
