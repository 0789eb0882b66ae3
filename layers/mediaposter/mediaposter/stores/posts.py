"""The records of posts: what to post, what was sent, and the outcome.

A post is public, and the publisher has no idempotency key. So `calling` is written before the call that may publish.
A worker that finds `calling` later reconciles, and never sends again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, TypedDict, Unpack

from pydantic import AwareDatetime

from mediaposter.domain.errors import ErrorCode, NotFound, VersionConflict
from mediaposter.domain.problem import Problem
from mediaposter.publishing.targets import Delivery, StoredTarget
from mediaposter.stores.due import give_due_attributes
from mediaposter.stores.table import Key, PageQuery, Record, Table
from mediaposter.stores.trail import POST_ENTRIES_MAX, Actor, Trail, TrailEntry, TrailType, extend_trail

if TYPE_CHECKING:
    from mediaposter.stores.video_record import Video

SCHEDULES_INDEX = "SchedulesByOwner"


class PostState(StrEnum):
    """The state of a post, as far as we know."""

    PENDING = "pending"
    CALLING = "calling"
    SUBMITTED = "submitted"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    PARKED = "parked"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


# Terminal states. Only a person can leave them, by retrying or resolving.
SETTLED_STATES = (PostState.PUBLISHED, PostState.FAILED, PostState.PARKED, PostState.UNKNOWN, PostState.CANCELLED)
# States that a person must resolve: the post may be public.
STATES_FOR_A_PERSON = (PostState.PARKED, PostState.UNKNOWN)
# States of a post that an execution has to carry on; at the others it waits for the sweep or for a person, or is over.
STATES_TO_CARRY = (PostState.PENDING, PostState.CALLING, PostState.SUBMITTED)
# States for which an event is sent.
STATES_TO_TELL = (PostState.PUBLISHED, PostState.FAILED, *STATES_FOR_A_PERSON)
# The worker that writes the end also sends the event; if it crashed before that, the sweep sends it.
EVENT_GRACE = timedelta(minutes=5)

# For each state, the states that lead to it. Calling leads to pending or failed only if the publisher certainly
# accepted nothing. A settled state leads to pending or published only when a person says so.
EARLIER_STATES: Mapping[PostState, tuple[PostState, ...]] = {
    PostState.PENDING: (PostState.CALLING, *SETTLED_STATES[1:]),  # guard: back to pending
    PostState.CALLING: (PostState.PENDING,),  # guard: called once
    PostState.SUBMITTED: (PostState.CALLING,),
    PostState.SCHEDULED: (PostState.CALLING, PostState.SUBMITTED, PostState.SCHEDULED, PostState.IN_DOUBT),
    PostState.PUBLISHED: (
        PostState.CALLING,
        PostState.SUBMITTED,
        PostState.SCHEDULED,
        PostState.IN_DOUBT,
        *STATES_FOR_A_PERSON,
    ),
    PostState.FAILED: (
        PostState.PENDING,
        PostState.CALLING,
        PostState.SUBMITTED,
        PostState.SCHEDULED,
        PostState.IN_DOUBT,
    ),
    PostState.IN_DOUBT: (PostState.CALLING,),  # guard: doubt of a call
    PostState.PARKED: (PostState.IN_DOUBT,),
    PostState.UNKNOWN: (PostState.SUBMITTED, PostState.SCHEDULED),
    PostState.CANCELLED: (PostState.PENDING, PostState.SCHEDULED),
}


_TRAIL_OF: Mapping[PostState, TrailType] = {
    PostState.SUBMITTED: TrailType.POST_SUBMITTED,
    PostState.SCHEDULED: TrailType.POST_SCHEDULED,
    PostState.PUBLISHED: TrailType.POST_PUBLISHED,
    PostState.FAILED: TrailType.POST_FAILED,
    PostState.IN_DOUBT: TrailType.POST_IN_DOUBT,
    PostState.PARKED: TrailType.POST_PARKED,
    PostState.UNKNOWN: TrailType.POST_UNKNOWN,
    PostState.CANCELLED: TrailType.POST_CANCELLED,
}


class PostChanges(TypedDict, total=False):
    """The fields of `Post` that a step may change, with the same types."""

    lease_expires_at: AwareDatetime | None
    called_at: AwareDatetime | None
    place_for: Literal["upload", "post"] | None
    place_at: AwareDatetime | None
    refusals: int
    looks: int
    in_doubt_since: AwareDatetime | None
    due_at: AwareDatetime | None
    media_url: str | None
    submission_id: str | None
    submitted_at: AwareDatetime | None
    scheduled_time: AwareDatetime | None
    schedule_id: str | None
    is_verified: bool
    public_url: str | None
    error_code: ErrorCode | None
    error_message: str | None
    is_told: bool


class PostFields(PostChanges, total=False):
    """All fields that change: also the state by a transition, and the text before anything was sent."""

    version: int
    updated_at: AwareDatetime
    state: PostState
    text: str
    trail: Trail


class Post(Record):
    """The post of one video on one account of one network.

    `owner` is its video's; a post without one is in no list. `text` is the caption as it will be sent. The post goes
    out `delay_minutes` after the first post of its video. `media_url` is the publisher's copy of the MP4, uploaded for
    this try only, so it also identifies this post. `lease_expires_at` bounds the call that a `calling` record
    announces, which began at `called_at`. `place_at` is when the publisher's rate limits allow the call named in
    `place_for`. `refusals` counts the calls that were certainly not accepted, `looks` the tries to reconcile a post in
    doubt. `due_at` is when the sweep visits it, unless a worker did before. `is_told` says that the event of its state
    was sent. `trail` says what happened to it, also in earlier tries.
    """

    video_id: str
    owner: str | None = None
    target: StoredTarget
    text: str
    delay_minutes: int = 0
    delivery: Delivery = "direct"
    state: PostState = PostState.PENDING
    created_at: AwareDatetime
    updated_at: AwareDatetime
    lease_expires_at: AwareDatetime | None = None
    called_at: AwareDatetime | None = None
    place_for: Literal["upload", "post"] | None = None
    place_at: AwareDatetime | None = None
    refusals: int = 0
    looks: int = 0
    in_doubt_since: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    media_url: str | None = None
    submission_id: str | None = None
    submitted_at: AwareDatetime | None = None
    scheduled_time: AwareDatetime | None = None
    schedule_id: str | None = None
    is_verified: bool = False
    public_url: str | None = None
    error_code: ErrorCode | None = None
    error_message: str | None = None
    is_told: bool = False
    trail: Trail = ()

    def copy_with(self, **fields: Unpack[PostFields]) -> Self:
        return self.model_copy(update=fields)

    @property
    def key(self) -> Key:
        return post_key(self.video_id, self.target.post_id)

    @property
    def problem(self) -> Problem | None:
        """Say why it failed, was cancelled or is in doubt. Without a code of ours it is unconfirmed."""
        if self.error_message is None:
            return None
        return Problem(code=self.error_code or "unconfirmed", message=self.error_message)

    @property
    def place(self) -> str:
        """Give its sort key among its owner's scheduled posts: its time first, and unique.

        It needs no escaping in a URL.
        """
        # The publisher may not have named a time.
        goes_out_at = (self.scheduled_time or self.updated_at).astimezone(UTC)
        return f"{goes_out_at:%Y-%m-%dT%H:%M:%S.%fZ}~{self.video_id}~{self.target.platform}~{self.target.account_id}"

    def index_attributes(self) -> Mapping[str, str]:
        """List a post for the sweep until it is over, and for its owner while it is scheduled."""
        attributes = give_due_attributes(self.due_at)
        if self.state is PostState.SCHEDULED and self.owner:
            return {**attributes, "schedule_owner": self.owner, "schedule_place": self.place}
        return attributes


class SchedulePage(NamedTuple):
    """A page of scheduled posts; `first` and `last` are the sort keys at which it begins and ends."""

    posts: list[Post]
    first: str | None
    last: str | None
    has_more: bool


def post_key(video_id: str, post_id: str) -> Key:
    """Give the primary key of a post."""
    return Key(f"VIDEO#{video_id}", f"POST#{post_id}")


class PostStore:
    """Reads and writes the records of posts."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, video: Video, post_id: str) -> Post:
        """Read a post of a video; `VideoStore.get` has checked the caller.

        Raises:
            NotFound: there is none.
        """
        return self.get_unchecked(video.id, post_id)

    def get_unchecked(self, video_id: str, post_id: str) -> Post:
        """Read a post without checking its owner: for the state machine's steps and the sweep.

        Raises:
            NotFound: there is none.
        """
        try:
            return Post.model_validate(self._table.get(post_key(video_id, post_id)))
        except NotFound as error:
            raise NotFound(f"There is no post {post_id} of {video_id}.", what="post") from error

    def list_unchecked(self, video_id: str) -> list[Post]:
        """Read all posts of a video without checking its owner, sorted by network and account."""
        items = self._table.query_prefix(f"VIDEO#{video_id}", "POST#")
        return [Post.model_validate(item) for item in items]

    def list_of_trail(self, video_id: str) -> list[Post]:
        """Read all posts of a video that may be deleted; `VideoStore.read_trail` has checked the caller."""
        return self.list_unchecked(video_id)

    def list(self, video: Video) -> list[Post]:
        """Read all posts of a video, sorted by network and account; `VideoStore.get` has checked the caller."""
        return self.list_unchecked(video.id)

    def list_schedules(self, owner: str, *, limit: int, after: str | None) -> SchedulePage:
        """List a page of an owner's scheduled posts, the soonest first, beyond the sort key `after`."""
        page = self._table.query_page(
            SCHEDULES_INDEX,
            PageQuery(
                hash_name="schedule_owner",
                value=owner,
                range_name="schedule_place",
                limit=limit,
                after=after,
                newest_first=False,
            ),
        )
        found = [Post.model_validate(item) for item in self._table.get_many(page.keys)]
        return SchedulePage(
            # The index lags behind the record: posts published or cancelled meanwhile are left out.
            posts=[post for post in found if post.state is PostState.SCHEDULED],
            first=found[0].place if found else None,
            last=found[-1].place if found else None,
            has_more=page.has_more,
        )

    def advance(
        self, post: Post, state: PostState, *, now: datetime, by: Actor | None = None, **changes: Unpack[PostChanges]
    ) -> Post:
        """Move a post to its next state; reset its due time and the fields of its call, unless `changes` sets them.

        `by` is who asked for it, for its trail.

        Raises:
            VersionConflict: the record changed since it was read, or cannot make this transition.
            InvalidChange: a changed field is not in `PostChanges`.
        """
        earlier = EARLIER_STATES[state]
        if post.state not in earlier:  # guard: known transition
            raise VersionConflict(
                f"The post {post.key.sk} of {post.video_id} is {post.state} and cannot become {state}."
            )
        over: PostChanges = {
            "lease_expires_at": None,
            "due_at": now + EVENT_GRACE if state in STATES_TO_TELL else None,
            "place_for": None,
            "place_at": None,
            "is_told": False,
        }
        written: PostChanges = {**over, **changes}
        return self._replace(
            post, written, {"state": state, "updated_at": now, "trail": _note(post, state, written, by, now)}
        )

    def note(self, post: Post, **changes: Unpack[PostChanges]) -> Post:
        """Change fields of a post within its state; the time of its last transition stays.

        Raises:
            VersionConflict: the record changed since it was read.
            InvalidChange: a changed field is not in `PostChanges`.
        """
        return self._replace(post, changes, {})

    def _replace(self, post: Post, changes: PostChanges, own: PostFields) -> Post:
        post.refuse_changes_but(PostChanges.__optional_keys__, changes)
        written: PostFields = {**changes, **own, "version": post.version + 1}
        changed = post.copy_with(**written)
        self._table.replace(changed, expected_version=post.version, allowed={"state": (post.state,)})  # guard: as read
        return changed


def _note(post: Post, state: PostState, changes: PostChanges, by: Actor | None, now: datetime) -> Trail:
    """Add a transition to the trail of a post; what is only planned or announced is none."""
    what = _TRAIL_OF.get(state)
    scheduled_time = changes.get("scheduled_time", post.scheduled_time)
    if what is TrailType.POST_SCHEDULED and post.state is PostState.SCHEDULED:
        if scheduled_time == post.scheduled_time:
            return post.trail
        what = TrailType.POST_MOVED
    if what is None:
        return post.trail
    entry = TrailEntry(
        at=now,
        type=what,
        by=by,
        code=changes.get("error_code"),
        scheduled_time=scheduled_time if state is PostState.SCHEDULED else None,
        url=changes.get("public_url"),
    )
    return extend_trail(post.trail, [entry], most=POST_ENTRIES_MAX)
