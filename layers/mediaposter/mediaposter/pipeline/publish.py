"""The two steps of a post: submit it at most once, and follow it to its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from mediaposter.errors import (
    ConfigurationError,
    Conflict,
    ErrorCode,
    MediaPosterError,
    NotFound,
    PostUnknown,
    PublisherError,
)
from mediaposter.events import PostEvent
from mediaposter.library.posts import Post, PostLedger, PostState
from mediaposter.library.videos import VideoLibrary
from mediaposter.pipeline.steps import Outcome, PostStepInput, StepResult, wait
from mediaposter.publishing.publisher_interface import PostReport, PostStatus, PublisherInterface
from mediaposter.streaming.video_stream import VideoStream

Clock = Callable[[], datetime]
CountMetric = Callable[[str], None]
SendEvent = Callable[[PostEvent], None]
# Give the publisher; raises ConfigurationError when its key is missing.
Publishers = Callable[[], PublisherInterface]

CREATE_ATTEMPTS_MAX = 10
# Blotato answers in-progress for ever when it does not know a post: about 14 minutes, then a person looks.
CHECKS_MAX = 30
_QUICK_CHECKS = 3
_QUICK_CHECK_SECONDS = 10
_SLOW_CHECK_SECONDS = 30

_STATE_OF = {
    PostStatus.IN_PROGRESS: PostState.SUBMITTED,
    PostStatus.SCHEDULED: PostState.SCHEDULED,
    PostStatus.PUBLISHED: PostState.PUBLISHED,
    PostStatus.FAILED: PostState.FAILED,
}


class StoredMedia(Protocol):
    """Where kept videos are read."""

    def open_stored(self, key: str) -> AbstractContextManager[VideoStream]:
        """Open a kept video."""


class CreatePost:
    """Hand a kept video to the publisher as one post, at most once."""

    def __init__(
        self,
        *,
        library: VideoLibrary,
        ledger: PostLedger,
        media: StoredMedia,
        publishers: Publishers,
        send_event: SendEvent,
        count_metric: CountMetric,
        clock: Clock,
        lease_seconds: int,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._media = media
        self._publishers = publishers
        self._send_event = send_event
        self._count_metric = count_metric
        self._clock = clock
        # Longer than the call can take: when it has passed, whoever announced the call is dead.
        self._lease = timedelta(seconds=lease_seconds)

    def __call__(self, step: PostStepInput) -> StepResult:
        """Submit the post, or find out what became of an earlier submission.

        The ledger says `calling` before the call is made. Whoever finds it so looks, and never posts again.
        """
        post = self._ledger.get(step.video_id, step.post_id)
        now = self._clock()
        if post.state is PostState.CALLING:
            if post.lease_expires_at is not None and now < post.lease_expires_at:
                return wait((post.lease_expires_at - now).total_seconds())
            settle_abandoned_call(self._ledger, post, now=now, count_metric=self._count_metric)
            return StepResult(outcome=Outcome.SETTLED)
        if post.state is PostState.SUBMITTED:
            return StepResult(outcome=Outcome.SUBMITTED, wait_seconds=_QUICK_CHECK_SECONDS)
        if post.state is not PostState.PENDING:
            return self._settle(post)

        try:
            publisher = self._publishers()
            media_url = post.media_url or self._upload(publisher, post)
        except (PublisherError, ConfigurationError) as error:
            return self._take_refusal(post, error, step.attempt)
        try:
            post = self._ledger.advance(
                post,
                PostState.CALLING,
                now=self._clock(),
                lease_expires_at=self._clock() + self._lease,
                media_url=media_url,
            )
        except Conflict:
            return wait(_QUICK_CHECK_SECONDS)

        try:
            report = publisher.publish(post.target, text=post.text, media_url=media_url)
        except PostUnknown as error:
            self._ledger.advance(post, PostState.IN_DOUBT, now=self._clock(), error_message=error.message)
            self._count_metric("PostsInDoubt")
            return StepResult(outcome=Outcome.SETTLED)
        except PublisherError as error:
            return self._take_refusal(post, error, step.attempt)
        return self._keep_report(post, report)

    def _upload(self, publisher: PublisherInterface, post: Post) -> str:
        """Give the publisher its own copy of the MP4. Nobody sees it, so a repeat does no harm."""
        stored = self._library.get(post.video_id).stored
        if stored is None:
            raise MediaPosterError(f"{post.video_id} has no kept video: there is nothing to post.")
        with self._media.open_stored(stored.key) as stream:
            # The network judges a file by its name, and the name tells whose post it is.
            return publisher.upload_stream(
                stream.chunks,
                size_bytes=stored.size_bytes,
                filename=f"{post.video_id}-{post.target.platform}-{post.target.account_id}.mp4",
            )

    def _take_refusal(self, post: Post, error: PublisherError | ConfigurationError, attempt: int) -> StepResult:
        """Come back later if that may help; the publisher certainly posted nothing."""
        now = self._clock()
        if isinstance(error, PublisherError) and error.transient and attempt < CREATE_ATTEMPTS_MAX:
            if post.state is PostState.CALLING:
                self._ledger.advance(post, PostState.PENDING, now=now, lease_expires_at=None)
            return wait(error.retry_after_seconds or 15.0 * attempt)
        code = error.code if isinstance(error, PublisherError) else ErrorCode.AUTHENTICATION
        failed = self._ledger.advance(post, PostState.FAILED, now=now, error_code=code, error_message=str(error))
        self._count_metric("PostsFailed")
        return self._settle(failed)

    def _keep_report(self, post: Post, report: PostReport) -> StepResult:
        now = self._clock()
        try:
            reported = self._ledger.advance(
                post,
                _STATE_OF[report.status],
                now=now,
                submission_id=report.submission_id,
                submitted_at=now,
                scheduled_time=report.scheduled_time,
                lease_expires_at=None,
            )
        except Conflict as error:
            # It may be public, and the ledger no longer waits for it: the log must at least name it.
            raise MediaPosterError(
                f"The publisher took {post.key.sk} of {post.video_id} as {report.submission_id}, "
                "but the post was settled meanwhile."
            ) from error
        if report.status is PostStatus.IN_PROGRESS:
            return StepResult(outcome=Outcome.SUBMITTED, wait_seconds=_QUICK_CHECK_SECONDS)
        return self._settle(reported)

    def _settle(self, post: Post) -> StepResult:
        tell_end(self._library, self._ledger, post, send_event=self._send_event)
        return StepResult(outcome=Outcome.SETTLED)


class CheckPost:
    """Ask what became of a submitted post."""

    def __init__(
        self,
        *,
        library: VideoLibrary,
        ledger: PostLedger,
        publishers: Publishers,
        send_event: SendEvent,
        count_metric: CountMetric,
        clock: Clock,
    ) -> None:
        self._library = library
        self._ledger = ledger
        self._publishers = publishers
        self._send_event = send_event
        self._count_metric = count_metric
        self._clock = clock

    def __call__(self, step: PostStepInput) -> StepResult:
        """Ask once, and say when to ask again. In progress for too long becomes `unknown`, never `failed`."""
        post = self._ledger.get(step.video_id, step.post_id)
        if post.state is not PostState.SUBMITTED:
            return self._settle(post)
        if post.submission_id is None:
            raise MediaPosterError(f"{post.key.sk} of {post.video_id} was submitted without an id.")
        try:
            report = self._publishers().get_post(post.submission_id)
        except (PublisherError, ConfigurationError) as error:
            hint = error.retry_after_seconds if isinstance(error, PublisherError) else None
            return self._ask_again(post, step.attempt, hint, str(error))

        if report.status is PostStatus.IN_PROGRESS:
            return self._ask_again(post, step.attempt, None, "The publisher never said what became of it.")
        reported = self._ledger.advance(
            post,
            _STATE_OF[report.status],
            now=self._clock(),
            public_url=report.public_url,
            scheduled_time=report.scheduled_time or post.scheduled_time,
            error_code=ErrorCode.PROVIDER_ERROR if report.status is PostStatus.FAILED else None,
            error_message=report.error_message,
        )
        if report.status is PostStatus.FAILED:
            self._count_metric("PostsFailed")
        return self._settle(reported)

    def _ask_again(self, post: Post, attempt: int, hint_seconds: float | None, reason: str) -> StepResult:
        if attempt >= CHECKS_MAX:
            self._ledger.advance(post, PostState.UNKNOWN, now=self._clock(), error_message=reason)
            self._count_metric("PostsInDoubt")
            return StepResult(outcome=Outcome.SETTLED)
        usual_seconds = _QUICK_CHECK_SECONDS if attempt <= _QUICK_CHECKS else _SLOW_CHECK_SECONDS
        return wait(hint_seconds or usual_seconds)

    def _settle(self, post: Post) -> StepResult:
        tell_end(self._library, self._ledger, post, send_event=self._send_event)
        return StepResult(outcome=Outcome.SETTLED)


def tell_end(library: VideoLibrary, ledger: PostLedger, post: Post, *, send_event: SendEvent) -> None:
    """Tell the bus how a post ended, unless it was told; of a post in doubt there is nothing to tell.

    What is told stands in the ledger already: somebody may make a post again by hand that is said to have failed. And
    the ledger says that it was told only afterwards: whoever finds it untold tells it again, under the same id.
    """
    if post.is_told or post.state not in (PostState.PUBLISHED, PostState.FAILED):
        return
    try:
        video = library.get(post.video_id)
    except NotFound:
        return  # deleted meanwhile, and with it who wanted to be told
    send_event(
        PostEvent(
            type="post.published" if post.state is PostState.PUBLISHED else "post.failed",
            video_id=post.video_id,
            owner=video.owner,
            occurred_at=post.updated_at,
            webhook_url=video.webhook_url,
            platform=post.target.platform,
            account_id=post.target.account_id,
            url=post.public_url,
            error_code=post.error_code,
        )
    )
    ledger.note_told(post)


def settle_abandoned_call(ledger: PostLedger, post: Post, *, now: datetime, count_metric: CountMetric) -> Post:
    """Put a post in doubt whose caller died during the call: it may be public, and nobody was told."""
    in_doubt = ledger.advance(
        post,
        PostState.IN_DOUBT,
        now=now,
        error_message="The process that sent it was lost before an answer came; it may be public. Look at the network.",
    )
    count_metric("PostsInDoubt")
    return in_doubt


def settle_left_over(
    ledger: PostLedger, post: Post, *, reason: str, code: ErrorCode, now: datetime, count_metric: CountMetric
) -> Post:
    """Settle a post at the end of its execution, so that none is left waiting for nobody.

    Nobody comes back when a lease has run out, so a call is not waited for either.
    """
    if post.state is PostState.CALLING:
        return settle_abandoned_call(ledger, post, now=now, count_metric=count_metric)
    if post.state is PostState.SUBMITTED:
        unknown = ledger.advance(
            post,
            PostState.UNKNOWN,
            now=now,
            error_message="The pipeline broke off before the publisher said what became of it. Look at the network.",
        )
        count_metric("PostsInDoubt")
        return unknown
    if post.state is PostState.PENDING:
        failed = ledger.advance(post, PostState.FAILED, now=now, error_code=code, error_message=reason)
        count_metric("PostsFailed")
        return failed
    return post
