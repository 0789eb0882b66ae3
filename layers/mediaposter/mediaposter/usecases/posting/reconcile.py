"""Reconcile a post that was sent without an answer. Nothing here sends it again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from mediaposter.domain.errors import ConfigurationError, ErrorCode, MediaPosterError, PublisherError
from mediaposter.publishing.publisher_interface import ListedPost, PostStatus, PublisherInterface, Schedule
from mediaposter.stores.posts import Post, PostState, PostStore

Clock = Callable[[], datetime]
CountMetric = Callable[[str], None]
# Builds the publisher; raises ConfigurationError if its key is missing.
Publishers = Callable[[], PublisherInterface]

# How long after a post came into doubt the publisher's lists are read: a list may lag by a minute or more.
RECONCILE_AFTER_SECONDS = (30, 120, 600)
# If the publisher cannot be reached for this long, a person must resolve the post.
GIVE_UP_AFTER = timedelta(hours=24)
# The execution that set this retries; if it crashed, the sweep does.
SWEEP_GRACE = timedelta(minutes=5)
# Our clock and the publisher's differ.
_CLOCKS_DIFFER = timedelta(minutes=5)


class Copies(NamedTuple):
    """The copies of a post at the publisher: each has the media URL uploaded for this post, on the same account.

    `waiting` are the unpublished ones in the list of posts, which gives no id to cancel them by. `lookalikes` are posts
    with the same text and other media, which prove nothing.
    """

    published: list[ListedPost]
    scheduled: list[Schedule]
    waiting: list[ListedPost]
    failed: list[ListedPost]
    lookalikes: list[ListedPost]


class ReconcilePost:
    """Search the publisher for a post in doubt; adopt it if found, otherwise leave it to a person."""

    def __init__(self, *, posts: PostStore, publishers: Publishers, count_metric: CountMetric, clock: Clock) -> None:
        self._posts = posts
        self._publishers = publishers
        self._count_metric = count_metric
        self._clock = clock

    def __call__(self, post: Post) -> Post:
        """Reconcile once, if it is time; the post may still be in doubt afterwards.

        Raises:
            VersionConflict: another worker reconciled at the same time.
        """
        now = self._clock()
        if now < give_next_reconcile_time(post):  # guard: list may lag
            return post
        try:
            publisher = self._publishers()
            copies = find_copies(publisher, post, now=now)
            kept = drop_surplus(publisher, copies, self._count_metric)
        except (PublisherError, ConfigurationError) as error:
            return self._take_failed_look(post, error, now)
        if copies.published or kept is not None or copies.waiting or copies.failed:
            return self._adopt(post, copies, kept, now)
        looks = post.looks + 1
        if looks < len(RECONCILE_AFTER_SECONDS):  # guard: asked again
            next_look = give_next_reconcile_time(post.copy_with(looks=looks))
            return self._posts.note(post, looks=looks, due_at=next_look + SWEEP_GRACE)
        return self._park(post, _explain_parked(copies), now)

    def _adopt(self, post: Post, copies: Copies, kept: Schedule | None, now: datetime) -> Post:
        if copies.published:
            return self._posts.advance(
                post,
                PostState.PUBLISHED,
                now=now,
                public_url=copies.published[0].public_url,
                error_message=_warn_of_copies(copies.published),
            )
        if kept is not None:
            return self._posts.advance(
                post,
                PostState.SCHEDULED,
                now=now,
                schedule_id=kept.schedule_id,
                scheduled_time=kept.scheduled_time,
                is_verified=True,
                due_at=kept.scheduled_time + SWEEP_GRACE,
                error_message=None,
            )
        if copies.waiting:
            scheduled_time = copies.waiting[0].post_time
            return self._posts.advance(
                post,
                PostState.SCHEDULED,
                now=now,
                scheduled_time=scheduled_time,
                due_at=scheduled_time + SWEEP_GRACE,
                error_message=None,
            )
        self._count_metric("PostsFailed")
        return self._posts.advance(
            post,
            PostState.FAILED,
            now=now,
            error_code=ErrorCode.PROVIDER_ERROR,
            error_message=copies.failed[0].error_message or "The network refused the post and gave no reason.",
        )

    def _take_failed_look(self, post: Post, error: MediaPosterError, now: datetime) -> Post:
        """Reconcile again later: a failed call says nothing about the post."""
        if now < _give_doubt_began(post) + GIVE_UP_AFTER:  # guard: unanswered list
            return self._posts.note(post, due_at=now + SWEEP_GRACE)
        return self._park(post, f"The publisher could not be reached for a day: {error}", now)

    def _park(self, post: Post, reason: str, now: datetime) -> Post:
        self._count_metric("PostsInDoubt")
        return self._posts.advance(
            post,
            PostState.PARKED,
            now=now,
            error_message=f"{reason} It was not sent again. Check the network, then tell us with POST …/resolve.",
        )


def put_in_doubt(posts: PostStore, post: Post, reason: str, *, now: datetime) -> Post:
    """Record that a post was sent with an unknown outcome."""
    return posts.advance(
        post,
        PostState.IN_DOUBT,
        now=now,
        in_doubt_since=now,
        looks=0,
        due_at=now + timedelta(seconds=RECONCILE_AFTER_SECONDS[0]) + SWEEP_GRACE,
        error_message=reason,
    )


def give_next_reconcile_time(post: Post) -> datetime:
    """Tell when to reconcile a post in doubt next."""
    return _give_doubt_began(post) + timedelta(
        seconds=RECONCILE_AFTER_SECONDS[min(post.looks, len(RECONCILE_AFTER_SECONDS) - 1)]
    )


def find_copies(publisher: PublisherInterface, post: Post, *, now: datetime) -> Copies:
    """Read every copy of a post from the publisher's lists.

    Raises:
        PublisherError: a list is incomplete, so a missing copy proves nothing.
    """
    began = post.called_at or post.created_at
    ends = max(now, post.scheduled_time or now)
    listed = publisher.list_posts(
        since=began - _CLOCKS_DIFFER, until=ends + _CLOCKS_DIFFER, platform=post.target.platform
    )
    # A list may show a post twice.
    own = {item.listed_id: item for item in listed if _is_of(post, item)}  # guard: own copy
    return Copies(
        published=[item for item in own.values() if item.status is PostStatus.PUBLISHED],
        scheduled=find_schedules(publisher, post),
        waiting=[item for item in own.values() if item.status is PostStatus.SCHEDULED],
        failed=[item for item in own.values() if item.status is PostStatus.FAILED],
        lookalikes=[item for item in listed if item.text == post.text and item.listed_id not in own],
    )


def find_schedules(publisher: PublisherInterface, post: Post) -> list[Schedule]:
    """Read every scheduled copy of a post from the publisher, the soonest first."""
    listed = publisher.list_schedules()
    # Its owner may have used the same MP4 for another account: leave a schedule alone unless it shows this account.
    # guard: own schedule
    own = {item.schedule_id: item for item in listed if item.account_id is not None and _is_of(post, item)}
    return sorted(own.values(), key=lambda item: (item.scheduled_time, item.schedule_id))


def _is_of(post: Post, item: ListedPost | Schedule) -> bool:
    """Tell whether a listed item has the media of a post, and no other account or network."""
    target = post.target
    is_same_account = item.account_id in (None, target.account_id)  # guard: own account
    # guard: own network
    return post.media_url in item.media_urls and is_same_account and item.platform in ("", target.platform)


def drop_surplus(publisher: PublisherInterface, copies: Copies, count_metric: CountMetric) -> Schedule | None:
    """Cancel every scheduled copy but the first, and that too if one is public; give the remaining one."""
    kept = None if copies.published or not copies.scheduled else copies.scheduled[0]  # guard: none beside public
    for schedule in copies.scheduled:
        if schedule is not kept and publisher.cancel_schedule(schedule.schedule_id):  # guard: surplus cancelled
            count_metric("SurplusPostsCancelled")
    return kept


def _give_doubt_began(post: Post) -> datetime:
    return post.in_doubt_since or post.updated_at


def _warn_of_copies(published: list[ListedPost]) -> str | None:
    if len(published) == 1:
        return None
    urls = ", ".join(item.public_url or item.listed_id for item in published)
    return f"The publisher made {len(published)} posts of one call: {urls}."


def _explain_parked(copies: Copies) -> str:
    reason = "It was sent, the publisher did not answer, and its lists do not show it."
    if copies.lookalikes:
        item = copies.lookalikes[0]
        where = item.public_url or f"{item.post_time:%Y-%m-%dT%H:%M:%SZ}"
        reason += f" They show a post with the same text and other media ({where}), which proves nothing."
    return reason
