"""The ledger of posts: what was meant, what was sent, and what became of it.

A post is public, and the publisher has no idempotency key. So `calling` is written before the call
that may publish; whoever finds it there later looks, and never sends again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime

from mediaposter.errors import Conflict, ErrorCode
from mediaposter.library.table import Key, LibraryTable, Record
from mediaposter.publishing.targets import AnyTarget


class PostState(StrEnum):
    """Where a post stands, as far as we know."""

    PENDING = "pending"
    CALLING = "calling"
    SUBMITTED = "submitted"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    PARKED = "parked"
    UNKNOWN = "unknown"


# From which states each state is reached. Back from calling to pending, and on to failed, only when
# the publisher certainly accepted nothing.
EARLIER_STATES: Mapping[PostState, tuple[PostState, ...]] = {
    PostState.PENDING: (PostState.CALLING,),
    PostState.CALLING: (PostState.PENDING,),
    PostState.SUBMITTED: (PostState.CALLING, PostState.IN_DOUBT),
    PostState.SCHEDULED: (PostState.CALLING, PostState.SUBMITTED, PostState.IN_DOUBT),
    PostState.PUBLISHED: (PostState.CALLING, PostState.SUBMITTED, PostState.SCHEDULED, PostState.IN_DOUBT),
    PostState.FAILED: (PostState.PENDING, PostState.CALLING, PostState.SUBMITTED, PostState.SCHEDULED),
    PostState.IN_DOUBT: (PostState.CALLING,),
    PostState.PARKED: (PostState.IN_DOUBT,),
    PostState.UNKNOWN: (PostState.SUBMITTED,),
}


class Post(Record):
    """One video on one account of one network.

    `text` is the caption as it will be sent. `media_url` is the publisher's copy of the MP4, minted for
    this post alone, so that it also tells this post from any other. `lease_expires_at` bounds the call
    that a `calling` record announces. `is_told` says that the bus was told how the post ended.
    """

    video_id: str
    target: AnyTarget
    text: str
    state: PostState = PostState.PENDING
    created_at: AwareDatetime
    updated_at: AwareDatetime
    lease_expires_at: AwareDatetime | None = None
    media_url: str | None = None
    submission_id: str | None = None
    submitted_at: AwareDatetime | None = None
    scheduled_time: AwareDatetime | None = None
    public_url: str | None = None
    error_code: ErrorCode | None = None
    error_message: str | None = None
    is_told: bool = False

    @property
    def key(self) -> Key:
        """Give the primary key."""
        return post_key(self.video_id, self.target.post_id)


def post_key(video_id: str, post_id: str) -> Key:
    """Give the primary key of a post."""
    return Key(f"VIDEO#{video_id}", f"POST#{post_id}")


class PostLedger:
    """The posts of all videos."""

    def __init__(self, table: LibraryTable) -> None:
        self._table = table

    def get(self, video_id: str, post_id: str) -> Post:
        """Read a post.

        Raises:
            NotFound: there is none.
        """
        return Post.model_validate(self._table.get(post_key(video_id, post_id)))

    def list(self, video_id: str) -> list[Post]:
        """Read all posts of a video, by network and account."""
        items = self._table.query_prefix(f"VIDEO#{video_id}", "POST#")
        return [Post.model_validate(item) for item in items]

    def advance(self, post: Post, state: PostState, *, now: datetime, **changes: Any) -> Post:
        """Move a post to its next state.

        Raises:
            Conflict: the record changed since it was read, or cannot make this transition.
        """
        earlier = EARLIER_STATES[state]
        if post.state not in earlier:
            raise Conflict(f"The post {post.key.sk} of {post.video_id} is {post.state} and cannot become {state}.")
        changed = post.model_copy(update={**changes, "state": state, "version": post.version + 1, "updated_at": now})
        self._table.replace(changed, expected_version=post.version, allowed={"state": earlier})
        return changed

    def note_told(self, post: Post) -> Post:
        """Write down that the bus was told how a post ended; that changes nothing about when it did.

        Raises:
            Conflict: the record changed since it was read.
        """
        told = post.model_copy(update={"is_told": True, "version": post.version + 1})
        self._table.replace(told, expected_version=post.version, allowed={"state": (post.state,)})
        return told
