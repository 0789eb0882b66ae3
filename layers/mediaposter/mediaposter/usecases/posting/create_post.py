"""The first step of a post: submit it at most once, or reconcile an earlier try."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Literal, Protocol

from mediaposter.domain.errors import (
    ConfigurationError,
    ErrorCode,
    MediaPosterError,
    PostUnknown,
    PublisherError,
    VersionConflict,
)
from mediaposter.media.video_stream import VideoStream
from mediaposter.publishing.publisher_interface import PostReport, PostStatus, PublisherInterface
from mediaposter.stores.media import StoredVideo
from mediaposter.stores.posts import Post, PostState, PostStore
from mediaposter.stores.video_record import Video
from mediaposter.stores.video_stages import STAGES_OF_POSTING
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.posting.check_post import IN_PROGRESS_MAX, STATE_OF, SendEvent, emit_end, give_next_check
from mediaposter.usecases.posting.reconcile import (
    SWEEP_GRACE,
    Clock,
    CountMetric,
    Publishers,
    ReconcilePost,
    give_next_reconcile_time,
    put_in_doubt,
)
from mediaposter.usecases.requests.shape import measure
from mediaposter.usecases.steps import Outcome, PostStepInput, StepResult, wait

Call = Literal["upload", "post"]
# Reserves a rate slot of the publisher for a call, and gives its time.
ReserveRateSlot = Callable[[Call, datetime], datetime]

# How often a call is made again that was certainly not accepted.
REFUSALS_MAX = 8
# A rate slot missed by more than this is lost: the limits count calls when they are made. A smaller delay is normal:
# the state machine continues when its wait is over and a Lambda is free.
_PLACE_LASTS = timedelta(minutes=2)
# A double safe post is scheduled this far ahead, so that surplus copies are found and cancelled before any is public.
VERIFY_AHEAD = timedelta(minutes=5)
# A time nearer than this counts as now.
_SCHEDULE_AHEAD_LEAST = timedelta(seconds=60)
_ANOTHER_IS_AT_IT_SECONDS = 10.0
# When to reconcile again after the publisher did not answer.
_LOOK_AGAIN_SECONDS = 60.0


class StoredMedia(Protocol):
    """Reads stored videos."""

    def open_stored(self, key: str) -> AbstractContextManager[VideoStream]: ...


class CreatePost:
    """Submit a stored video to the publisher as one post, at most once."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        media: StoredMedia,
        publishers: Publishers,
        reserve_rate_slot: ReserveRateSlot,
        send_event: SendEvent,
        count_metric: CountMetric,
        clock: Clock,
        lease_seconds: int,
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._media = media
        self._publishers = publishers
        self._take_place = reserve_rate_slot
        self._send_event = send_event
        self._count_metric = count_metric
        self._clock = clock
        # Longer than the call can take: after it, the execution that announced the call has ended.
        self._lease = timedelta(seconds=lease_seconds)
        self._look = ReconcilePost(posts=posts, publishers=publishers, count_metric=count_metric, clock=clock)

    def __call__(self, step: PostStepInput) -> StepResult:
        """Submit the post, or reconcile an earlier submission.

        The record is `calling` before the call is made. A step that finds it so reconciles, and never posts again.
        """
        post = self._posts.get_unchecked(step.video_id, step.post_id)
        try:
            if post.state is PostState.CALLING:
                now = self._clock()
                if post.lease_expires_at is not None and now < post.lease_expires_at:  # guard: call lease
                    return wait((post.lease_expires_at - now).total_seconds())
                post = settle_abandoned_call(self._posts, post, now=now)  # guard: call not repeated
            if post.state is PostState.IN_DOUBT:
                post = self._look(post)
            if post.state is PostState.PENDING:  # guard: never sent
                return self._submit(post)
        except VersionConflict:
            # Another worker is working on it: read the result.
            return wait(_ANOTHER_IS_AT_IT_SECONDS)
        return self._next_step(post)

    def _submit(self, post: Post) -> StepResult:
        """Make the calls of an unsent post, each at its rate slot."""
        video = self._videos.get_unchecked(post.video_id)
        if video.stored is None:
            raise MediaPosterError(f"{post.video_id} has no stored video: there is nothing to post.")
        if video.stage not in STAGES_OF_POSTING:  # guard: posting stage
            raise MediaPosterError(f"{post.video_id} is at {video.stage}: it must not be posted yet.")
        try:
            post.target.check_video(measure(video.stored))  # guard: video measured
        except ValueError as error:
            return self._fail(
                post, ErrorCode.INVALID_REQUEST, f"The video does not fit {post.target.platform}: {error}"
            )
        try:
            # It was planned under the rules of that day.
            post.target.check_caption(post.text)
        except ValueError as error:
            return self._fail(post, ErrorCode.INVALID_REQUEST, f"The post does not fit {post.target.platform}: {error}")
        try:
            publisher = self._publishers()
            if post.media_url is None:
                wait_seconds = self._wait_for_place(post, "upload")
                if wait_seconds > 0:
                    return wait(wait_seconds)
                media_url = self._upload(publisher, post, video.stored)
                post = self._posts.note(post, media_url=media_url, place_for=None, place_at=None)
        except (PublisherError, ConfigurationError) as error:
            return self._take_refusal(post, error)
        wait_seconds = self._wait_for_place(post, "post")
        if wait_seconds > 0:
            return wait(wait_seconds)
        return self._call(post, video, publisher)

    def _call(self, post: Post, video: Video, publisher: PublisherInterface) -> StepResult:
        """Make the one call that may publish at once."""
        now = self._clock()
        scheduled_time = _choose_time(post, video, now)
        post = self._posts.advance(  # guard: intent first
            post,
            PostState.CALLING,
            now=now,
            called_at=now,
            lease_expires_at=now + self._lease,
            due_at=now + self._lease + SWEEP_GRACE,
            scheduled_time=scheduled_time,
        )
        if post.media_url is None:
            raise MediaPosterError(f"{post.key.sk} of {post.video_id} was to be sent without its video.")
        try:
            report = publisher.publish(
                post.target,
                text=post.text,
                media_url=post.media_url,
                scheduled_time=scheduled_time,
                next_free_slot=post.target.next_free_slot,
            )
        except PostUnknown as error:  # guard: lost reply
            return self._next_step(put_in_doubt(self._posts, post, error.message, now=self._clock()))
        except PublisherError as error:
            return self._take_refusal(post, error)
        return self._keep_report(post, report)

    def _upload(self, publisher: PublisherInterface, post: Post, stored: StoredVideo) -> str:
        """Upload the MP4 to the publisher. The copy is not public, so repeating the upload is safe."""
        with self._media.open_stored(stored.key) as stream:
            # The network reads the type from the file name, and the name identifies the post.
            return publisher.upload_stream(
                stream.chunks,
                size_bytes=stored.size_bytes,
                filename=f"{post.video_id}-{post.target.platform}-{post.target.account_id}.mp4",
            )

    def _wait_for_place(self, post: Post, call: Call) -> float:
        """Give the seconds until the rate slot of a post's call."""
        now = self._clock()
        if post.place_for == call and post.place_at is not None and now < post.place_at + _PLACE_LASTS:
            return (post.place_at - now).total_seconds()
        place_at = self._take_place(call, now)
        if place_at > now:
            self._posts.note(post, place_for=call, place_at=place_at, due_at=place_at + SWEEP_GRACE)
        return (place_at - now).total_seconds()

    def _take_refusal(self, post: Post, error: PublisherError | ConfigurationError) -> StepResult:
        """Retry later if that may help; the publisher certainly posted nothing."""
        refusals = post.refusals + 1
        if not isinstance(error, PublisherError):
            return self._fail(post, ErrorCode.AUTHENTICATION, str(error))
        if not error.transient or refusals >= REFUSALS_MAX:
            return self._fail(post, error.code, str(error))
        again = wait(error.retry_after_seconds or 15.0 * refusals)
        now = self._clock()
        # Its execution retries it; if that has ended, or the video was deleted, the sweep does.
        due_at = now + timedelta(seconds=again.wait_seconds) + SWEEP_GRACE
        if post.state is PostState.CALLING:
            self._posts.advance(post, PostState.PENDING, now=now, refusals=refusals, due_at=due_at)
        else:
            self._posts.note(post, refusals=refusals, place_for=None, place_at=None, due_at=due_at)
        return again

    def _fail(self, post: Post, code: ErrorCode, message: str) -> StepResult:
        failed = self._posts.advance(
            post, PostState.FAILED, now=self._clock(), error_code=code, error_message=message, scheduled_time=None
        )
        self._count_metric("PostsFailed")
        if code is ErrorCode.AUTHENTICATION:
            # Every post fails until you fix the key.
            self._count_metric("PublisherKeyRefused")
        return self._next_step(failed)

    def _keep_report(self, post: Post, report: PostReport) -> StepResult:
        now = self._clock()
        scheduled_time = report.scheduled_time if report.status is PostStatus.SCHEDULED else None
        try:
            reported = self._posts.advance(
                post,
                STATE_OF[report.status],
                now=now,
                submission_id=report.submission_id,
                submitted_at=now,
                scheduled_time=scheduled_time,
                due_at=(scheduled_time or now + IN_PROGRESS_MAX) + SWEEP_GRACE,
            )
        except VersionConflict as error:
            # It may be public, but the record no longer waits for it: the log must at least name it.
            raise MediaPosterError(
                f"The publisher took {post.key.sk} of {post.video_id} as {report.submission_id}, "
                "but the post was settled meanwhile."
            ) from error
        return self._next_step(reported)

    def _next_step(self, post: Post) -> StepResult:
        """Give the state machine's next step for a post that needs no call."""
        now = self._clock()
        if post.state is PostState.IN_DOUBT:
            left = give_next_reconcile_time(post) - now
            return wait(left.total_seconds() if left > timedelta(0) else _LOOK_AGAIN_SECONDS)
        wait_seconds = give_next_check(post, now)
        if wait_seconds is not None:
            return StepResult(outcome=Outcome.SUBMITTED, wait_seconds=wait(wait_seconds).wait_seconds)
        emit_end(self._videos, self._posts, post, send_event=self._send_event)
        return StepResult(outcome=Outcome.SETTLED)


def settle_abandoned_call(posts: PostStore, post: Post, *, now: datetime) -> Post:
    """Put a post in doubt whose worker crashed during the call: it may be public, and no outcome was recorded."""
    return put_in_doubt(
        posts, post, "The process that sent it crashed before an answer came; it may be public.", now=now
    )


def settle_orphaned(
    posts: PostStore, post: Post, *, reason: str, code: ErrorCode, now: datetime, count_metric: CountMetric
) -> Post:
    """Settle a post that was never sent, at the end of its execution; the sweep continues with a sent one.

    The execution does not return when a lease has run out, so a pending call is not waited for either.
    """
    if post.state is PostState.CALLING:
        return settle_abandoned_call(posts, post, now=now)  # guard: closed in doubt
    if post.state is PostState.PENDING:
        failed = posts.advance(post, PostState.FAILED, now=now, error_code=code, error_message=reason)
        count_metric("PostsFailed")
        return failed
    return post


def _choose_time(post: Post, video: Video, now: datetime) -> datetime | None:
    """Choose when the publisher publishes a post; None is at once, or its next free slot."""
    if post.target.next_free_slot:
        return None
    delay = timedelta(minutes=post.delay_minutes)
    asked = post.target.scheduled_time or ((video.publishing_since or now) if delay else None)
    if asked is not None and asked + delay > now + _SCHEDULE_AHEAD_LEAST:
        chosen = asked + delay
    elif post.delivery == "verified":
        chosen = now
    else:
        return None
    return max(chosen, now + VERIFY_AHEAD) if post.delivery == "verified" else chosen  # guard: not public at once
