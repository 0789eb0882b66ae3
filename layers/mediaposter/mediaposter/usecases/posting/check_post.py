"""The second step of a post: check an accepted post until its network has published or refused it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from mediaposter.domain.errors import (
    ConfigurationError,
    ErrorCode,
    MediaPosterError,
    NotFound,
    PublisherError,
    VersionConflict,
)
from mediaposter.events import PostEvent
from mediaposter.publishing.publisher_interface import PostReport, PostStatus
from mediaposter.stores.posts import STATES_TO_TELL, Post, PostState, PostStore
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.reconcile import (
    GIVE_UP_AFTER,
    SWEEP_GRACE,
    Clock,
    Copies,
    CountMetric,
    Publishers,
    drop_surplus,
    find_copies,
    find_schedules,
)
from mediaposter.usecases.scheduled.recorded_events import describe_post
from mediaposter.usecases.steps import Outcome, PostStepInput, StepResult, wait

SendEvent = Callable[[PostEvent], None]

# How often the state machine checks one post; its own bound is a little higher, and the sweep continues afterwards.
CHECKS_MAX = 24
# Blotato answers in-progress forever for a post that it does not know: after this time a person must check.
IN_PROGRESS_MAX = timedelta(minutes=15)
# How long a post has been in progress, and how often it is checked then.
_PACES = ((timedelta(seconds=30), 10), (timedelta(minutes=2), 20), (timedelta(minutes=5), 45), (IN_PROGRESS_MAX, 60))
_ANOTHER_IS_AT_IT_SECONDS = 10.0
# How often an unverified double safe post is checked, until shortly before its time.
_VERIFY_SECONDS = 30
_VERIFY_UNTIL = timedelta(seconds=45)
# The execution ends and leaves a post that is due later to the sweep.
_WAIT_FOR_SCHEDULE_MAX = timedelta(minutes=15)

STATE_OF: Mapping[PostStatus, PostState] = {
    PostStatus.IN_PROGRESS: PostState.SUBMITTED,
    PostStatus.SCHEDULED: PostState.SCHEDULED,
    PostStatus.PUBLISHED: PostState.PUBLISHED,
    PostStatus.FAILED: PostState.FAILED,
}


class CheckPost:
    """Check the status of a submitted post."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        publishers: Publishers,
        send_event: SendEvent,
        count_metric: CountMetric,
        clock: Clock,
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._publishers = publishers
        self._send_event = send_event
        self._count_metric = count_metric
        self._clock = clock

    def __call__(self, step: PostStepInput) -> StepResult:
        """Check once, and choose when to check again. In progress for too long becomes `unknown`, never `failed`."""
        post = self._posts.get_unchecked(step.video_id, step.post_id)
        hint_seconds = None
        try:
            try:
                post = self._ask(post)
            except (PublisherError, ConfigurationError) as error:
                hint_seconds = error.retry_after_seconds if isinstance(error, PublisherError) else None
                post = self._take_no_answer(post, error)
        except VersionConflict:
            return wait(_ANOTHER_IS_AT_IT_SECONDS)
        return self._next_step(post, step, hint_seconds)

    def _ask(self, post: Post) -> Post:
        """Read the post's current status from the publisher."""
        now = self._clock()
        if post.state is PostState.SCHEDULED and _waits_for_its_time(post, now):
            return post if post.is_verified or post.delivery != "verified" else self._verify(post)  # guard: double safe
        if post.state not in (PostState.SUBMITTED, PostState.SCHEDULED):
            return post
        publisher = self._publishers()
        if post.submission_id is None:
            return self._take_copies(post, find_copies(publisher, post, now=now), now)
        return self._take_report(post, publisher.get_post(post.submission_id), now)

    def _verify(self, post: Post) -> Post:
        """Cancel surplus copies that the publisher made of one call, before any copy is public."""
        publisher = self._publishers()
        schedules = find_schedules(publisher, post)
        if len(schedules) > 1:
            # It is unknown which copy the id names, so the remaining copy is found by its media.
            post = self._posts.note(post, submission_id=None)  # guard: id forgotten
        kept = drop_surplus(publisher, Copies([], schedules, [], [], []), self._count_metric)
        due_at = None if post.scheduled_time is None else post.scheduled_time + SWEEP_GRACE
        if kept is None:
            return self._posts.note(post, due_at=due_at)  # not listed yet
        return self._posts.note(post, due_at=due_at, schedule_id=kept.schedule_id, is_verified=True)

    def _take_report(self, post: Post, report: PostReport, now: datetime) -> Post:
        if report.status is PostStatus.IN_PROGRESS:
            return self._take_silence(post, "The publisher never reported its outcome.")
        if report.status is PostStatus.SCHEDULED:
            return self._take_new_time(post, report.scheduled_time or post.scheduled_time, now)
        return self._end(post, report.status, now, public_url=report.public_url, error_message=report.error_message)

    def _take_new_time(self, post: Post, scheduled_time: datetime | None, now: datetime) -> Post:
        """Wait for the time that the publisher names, if it differs from the one that has come."""
        if post.state is PostState.SCHEDULED and scheduled_time == post.scheduled_time:
            return self._take_silence(post, "It is past its time, and the publisher still calls it scheduled.")
        due_at = (scheduled_time or now) + SWEEP_GRACE
        return self._posts.advance(post, PostState.SCHEDULED, now=now, scheduled_time=scheduled_time, due_at=due_at)

    def _take_copies(self, post: Post, copies: Copies, now: datetime) -> Post:
        """Read the outcome of a post without a submission id from the publisher's lists."""
        if copies.published:
            return self._end(post, PostStatus.PUBLISHED, now, public_url=copies.published[0].public_url)
        if copies.scheduled:
            return self._take_new_time(post, copies.scheduled[0].scheduled_time, now)
        if copies.waiting:
            return self._take_new_time(post, copies.waiting[0].post_time, now)
        if copies.failed:
            return self._end(post, PostStatus.FAILED, now, error_message=copies.failed[0].error_message)
        return self._take_silence(post, "The publisher lists it neither as published nor as failed.")

    def _end(
        self,
        post: Post,
        status: PostStatus,
        now: datetime,
        *,
        public_url: str | None = None,
        error_message: str | None = None,
    ) -> Post:
        has_failed = status is PostStatus.FAILED
        if has_failed:
            self._count_metric("PostsFailed")
            error_message = error_message or "The network refused the post and gave no reason."
        return self._posts.advance(
            post,
            STATE_OF[status],
            now=now,
            public_url=public_url,
            error_code=ErrorCode.PROVIDER_ERROR if has_failed else None,
            error_message=error_message,
        )

    def _take_silence(self, post: Post, reason: str) -> Post:
        """Keep checking, until it has been in progress for too long."""
        now = self._clock()
        if now < _give_began(post) + IN_PROGRESS_MAX:
            return post
        return self._leave_to_a_person(post, reason, now)

    def _take_no_answer(self, post: Post, error: MediaPosterError) -> Post:
        """Check again later: a failed call says nothing about the post."""
        now = self._clock()
        if now >= _give_began(post) + GIVE_UP_AFTER:
            return self._leave_to_a_person(post, f"The publisher could not be reached for a day: {error}", now)
        again_at = now + SWEEP_GRACE
        # A post to verify before its time cannot wait until then; for other posts the execution keeps checking.
        if post.due_at is not None and not _waits_for_its_time(post, now):
            again_at = max(again_at, post.due_at)
        return self._posts.note(post, due_at=again_at)

    def _leave_to_a_person(self, post: Post, reason: str, now: datetime) -> Post:
        self._count_metric("PostsInDoubt")
        return self._posts.advance(  # guard: left to a person
            post,
            PostState.UNKNOWN,
            now=now,
            error_message=(f"{reason} Check the network, then tell us with POST …/resolve."),
        )

    def _next_step(self, post: Post, step: PostStepInput, hint_seconds: float | None = None) -> StepResult:
        wait_seconds = give_next_check(post, self._clock())
        if wait_seconds is not None and step.attempt < CHECKS_MAX:
            return wait(hint_seconds or wait_seconds)
        # The sweep continues with a post that has not ended.
        emit_end(self._videos, self._posts, post, send_event=self._send_event)
        return StepResult(outcome=Outcome.SETTLED)


def give_next_check(post: Post, now: datetime) -> float | None:
    """Give the seconds until the next check of a post; None if waiting cannot change it any more."""
    if post.state is PostState.SCHEDULED and post.scheduled_time is not None and now < post.scheduled_time:
        left = post.scheduled_time - now
        if post.delivery == "verified" and not post.is_verified and left > _VERIFY_UNTIL:
            return _VERIFY_SECONDS
        return left.total_seconds() + _PACES[0][1] if left <= _WAIT_FOR_SCHEDULE_MAX else None
    if post.state not in (PostState.SUBMITTED, PostState.SCHEDULED):
        return None
    in_progress = now - _give_began(post)
    return float(next((seconds for until, seconds in _PACES if in_progress < until), _PACES[-1][1]))


def _give_began(post: Post) -> datetime:
    """Give the time since when a post should be in progress."""
    return max(post.submitted_at or post.updated_at, post.scheduled_time or post.created_at)


def _waits_for_its_time(post: Post, now: datetime) -> bool:
    return post.scheduled_time is not None and now < post.scheduled_time


def emit_end(videos: VideoStore, posts: PostStore, post: Post, *, send_event: SendEvent) -> None:
    """Send the event that a post ended, or that a person must check it, unless it was sent.

    The record already has that state, because a person may repeat a post by hand when the event says it failed. The
    event is marked as sent only after it was sent. A worker that finds it unmarked sends it again under the same id.
    """
    if post.is_told or post.state not in STATES_TO_TELL:  # guard: post event once
        return
    try:
        video = videos.get_unchecked(post.video_id)
    except NotFound:
        pass  # deleted meanwhile, with its webhook URL
    else:
        event = describe_post(video, post)
        if event is not None:
            send_event(event)
    # In a conflict another worker sent it, or the post continues and the event of its next end is sent.
    with suppress(VersionConflict):
        posts.note(post, is_told=True, due_at=None)
