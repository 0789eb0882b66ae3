"""Move or cancel a post that is scheduled at the publisher."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Unpack

from mediaposter.domain.errors import ErrorCode, InvalidRequest, NotAllowedInState, VersionConflict
from mediaposter.publishing.publisher_interface import PostStatus, PublisherInterface
from mediaposter.publishing.targets import check_scheduled_time
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import Post, PostChanges, PostState, PostStore
from mediaposter.stores.trail import Actor
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.reconcile import SWEEP_GRACE, Publishers, find_copies, find_schedules
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import MoveRequest

Clock = Callable[[], datetime]


class ReschedulePost:
    """Move or cancel a scheduled post."""

    def __init__(self, *, videos: VideoStore, posts: PostStore, publishers: Publishers, clock: Clock) -> None:
        self._videos = videos
        self._posts = posts
        self._publishers = publishers
        self._clock = clock

    def move(self, video_id: str, post_id: str, request: MoveRequest, *, caller: Caller) -> Post:
        """Give a scheduled post another time; repeating it changes nothing.

        Raises:
            Forbidden: the caller may not publish, or not to the account of the post.
            NotFound: there is no such post.
            InvalidRequest: the time has passed, or is too far away.
            NotAllowedInState: it is not scheduled any more.
            PublisherError: the publisher refused, or did not answer; ask again.
        """
        post = self._find(video_id, post_id, caller)
        now = self._clock()
        try:
            check_scheduled_time(request.scheduled_time, now=now)
        except ValueError as error:
            raise InvalidRequest(f"{error}.", param="scheduled_time", code="invalid_value") from error
        publisher = self._publishers()
        schedule_ids = self._list_schedule_ids(publisher, post)
        # guard: sooner first
        if schedule_ids and post.scheduled_time is not None and request.scheduled_time < post.scheduled_time:
            # A post missing before its time counts as cancelled, so record a sooner time before the publisher gets it.
            post = self._keep(
                post,
                PostState.SCHEDULED,
                now,
                by=caller.actor,
                scheduled_time=request.scheduled_time,
                due_at=request.scheduled_time + SWEEP_GRACE,
            )
        moved = [publisher.move_schedule(schedule_id, request.scheduled_time) for schedule_id in schedule_ids]
        if not any(moved):
            raise _gone(post)
        return self._keep(
            post,
            PostState.SCHEDULED,
            now,
            by=caller.actor,
            scheduled_time=request.scheduled_time,
            due_at=request.scheduled_time + SWEEP_GRACE,
        )

    def cancel(self, video_id: str, post_id: str, *, caller: Caller) -> Post:
        """Cancel a scheduled post before it is public.

        Raises:
            Forbidden, NotFound, NotAllowedInState, PublisherError: as of `move`.
        """
        post = self._find(video_id, post_id, caller)
        now = self._clock()
        publisher = self._publishers()
        cancelled = [publisher.cancel_schedule(schedule_id) for schedule_id in self._list_schedule_ids(publisher, post)]
        # A copy that could not be cancelled is being published.
        if not all(cancelled) or not (cancelled or _was_cancelled(publisher, post, now)):  # guard: going out
            raise _gone(post)
        return self._keep(
            post,
            PostState.CANCELLED,
            now,
            by=caller.actor,
            error_code=ErrorCode.CANCELLED,
            error_message="It was cancelled before its time.",
        )

    def _find(self, video_id: str, post_id: str, caller: Caller) -> Post:
        caller.require(Scope.PUBLISH)
        video = self._videos.get(video_id, caller=caller)
        post = self._posts.get(video, post_id)
        caller.require_accounts([post.target])  # guard: accounts moved
        if post.state is not PostState.SCHEDULED:  # guard: only scheduled
            raise NotAllowedInState(
                f"The post on {post.target.platform} is {post.state}: only a scheduled one can be moved or cancelled. "
                "Nothing was changed."
            )
        return post

    def _list_schedule_ids(self, publisher: PublisherInterface, post: Post) -> list[str]:
        """Find every copy: a surplus copy would go out at its old time."""
        return [schedule.schedule_id for schedule in find_schedules(publisher, post)]

    def _keep(self, post: Post, state: PostState, now: datetime, *, by: Actor, **changes: Unpack[PostChanges]) -> Post:
        try:
            return self._posts.advance(post, state, now=now, by=by, **changes)
        except VersionConflict as error:
            raise NotAllowedInState(f"The post on {post.target.platform} ended meanwhile; get its state.") from error


def _was_cancelled(publisher: PublisherInterface, post: Post, now: datetime) -> bool:
    """Tell whether an earlier cancellation, which was not recorded, removed a post that is no longer scheduled.

    A list may lag, and a person may publish early by hand. So before its time the publisher must not know the post.
    """
    if post.scheduled_time is None or now >= post.scheduled_time - SWEEP_GRACE:
        return False
    if post.submission_id is not None:
        return publisher.get_post(post.submission_id).status is PostStatus.IN_PROGRESS  # guard: not listed yet
    return not find_copies(publisher, post, now=now).published


def _gone(post: Post) -> NotAllowedInState:
    return NotAllowedInState(
        f"The publisher lists no such post on {post.target.platform} any more: it is going out, or went out. Nothing "
        "was changed."
    )
