"""Write the event of a record, and find the record behind an event that came over the bus.

A principal that may put events on the bus can put any event there. So a webhook's content is written from the table;
the event from the bus only names the record. Each sender writes its event with the same functions, after the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.domain.channels import Channel
from mediaposter.domain.errors import NotFound
from mediaposter.events import AnyEvent, ApprovalNotice, BatchEvent, BudgetEvent, PostEvent, PostEventType, VideoEvent
from mediaposter.stores.approvals import Approval, ApprovalStore
from mediaposter.stores.batches import Batch, BatchStage, BatchStore
from mediaposter.stores.budget import STACK_OWNER
from mediaposter.stores.budget_warnings import BudgetWarning, BudgetWarningStore
from mediaposter.stores.posts import STATES_FOR_A_PERSON, Post, PostState, PostStore
from mediaposter.stores.video_record import Video
from mediaposter.stores.videos import VideoStore

# Longer than any part of our records' keys.
_NAME_MAX_CHARACTERS = 128
_EVENT_OF: Mapping[PostState, PostEventType] = {
    PostState.PUBLISHED: "post.published",
    PostState.FAILED: "post.failed",
    **dict.fromkeys(STATES_FOR_A_PERSON, "post.in_doubt"),
}


def describe_end(video: Video) -> VideoEvent:
    """Write the event of a video's end."""
    return VideoEvent(
        type="video.failed" if video.failure else "video.completed",
        video_id=video.id,
        owner=video.owner,
        occurred_at=video.completed_at or video.updated_at,
        webhook_url=video.webhook_url,
        error_code=video.failure.code if video.failure else None,
    )


def describe_question(video: Video, approval: Approval, *, studio_url: str | None) -> VideoEvent:
    """Write the event that a video waits for approval, with its time limit and the page to decide on.

    The page decides nothing by being opened, and needs a key. So programs that open each link of a message do no harm.
    """
    return VideoEvent(
        type="video.awaiting_approval",
        video_id=video.id,
        owner=video.owner,
        occurred_at=approval.asked_at,
        webhook_url=video.webhook_url,
        expires_at=approval.expires_at,
        # A browser keeps what is behind the # to itself: no log has it.
        approval_url=f"{studio_url}#/approvals/{video.id}" if studio_url else None,
        round=approval.round if approval.round > 1 else None,
    )


def describe_notice(video: Video, approval: Approval, channel: Channel) -> ApprovalNotice:
    """Write what lets one channel of the stack tell of a question."""
    return ApprovalNotice(
        video_id=video.id,
        owner=video.owner,
        occurred_at=approval.asked_at,
        channel=channel,
        round=approval.round if approval.round > 1 else None,
    )


def describe_post(video: Video, post: Post) -> PostEvent | None:
    """Write the event of a post that ended or needs a person; None for a post that continues by itself."""
    event_type = _EVENT_OF.get(post.state)
    if event_type is None:
        return None
    return PostEvent(
        type=event_type,
        video_id=post.video_id,
        owner=video.owner,
        occurred_at=post.updated_at,
        webhook_url=video.webhook_url,
        platform=post.target.platform,
        account_id=post.target.account_id,
        url=post.public_url,
        error_code=post.error_code,
    )


def describe_batch(batch: Batch) -> BatchEvent:
    """Write the event of a batch's end."""
    ended_well = "batch.completed" if batch.cancel is None else "batch.cancelled"
    return BatchEvent(
        type="batch.failed" if batch.failure else ended_well,
        batch_id=batch.id,
        owner=batch.caller.owner,
        occurred_at=batch.ended_at or batch.updated_at,
        webhook_url=batch.caller.webhook_url,
        rows=batch.rows,
        completed=batch.completed,
        failed=batch.failed,
        refused=batch.refused,
        error_code=batch.failure.code if batch.failure else None,
    )


def describe_warning(warning: BudgetWarning) -> BudgetEvent:
    """Write the event that most of a limit is used."""
    return BudgetEvent(
        owner=warning.owner,
        occurred_at=warning.warned_at,
        webhook_url=warning.webhook_url,
        scope="stack" if warning.owner == STACK_OWNER else "key",
        period=warning.period.value,
        period_name=warning.period_name,
        limit_usd=warning.limit_usd,
        used_usd=warning.used_usd,
        renews_at=warning.renews_at,
    )


class FindRecorded:
    """Finds the recorded version of an event."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        approvals: ApprovalStore,
        batches: BatchStore,
        budget_warnings: BudgetWarningStore,
        studio_url: Callable[[], str | None],
    ) -> None:
        self._videos = videos
        self._posts = posts
        self._approvals = approvals
        self._batches = batches
        self._budget_warnings = budget_warnings
        self._studio_url = studio_url

    def __call__(self, event: AnyEvent) -> AnyEvent | None:
        """Write an event again from the record that it names; None if the record differs or is gone.

        The event of an approval stays valid after the answer. For a post that ended, was repeated and ended again, only
        the event of the last end is valid.
        """
        if not all(map(_is_name, _list_names(event))):
            return None
        try:
            recorded = self._describe(event)
        except NotFound:
            return None
        # The id says what happened to which record; for a post also when.
        if recorded is None or (recorded.id, recorded.owner) != (event.id, event.owner):  # guard: same event
            return None
        return recorded

    def _describe(self, event: AnyEvent) -> AnyEvent | None:
        if isinstance(event, BatchEvent):
            batch = self._batches.get_unchecked(event.batch_id)
            return describe_batch(batch) if batch.stage is BatchStage.DONE else None  # guard: batch ended
        if isinstance(event, BudgetEvent):
            return describe_warning(self._budget_warnings.get(event.owner, event.period_name, event.limit_usd))
        video = self._videos.get_unchecked(event.video_id)
        if isinstance(event, PostEvent):
            return describe_post(video, self._posts.get(video, f"{event.platform}#{event.account_id}"))
        if event.type == "video.awaiting_approval":
            return describe_question(video, self._approvals.get(video.id), studio_url=self._studio_url())
        # guard: video ended
        return describe_end(video) if video.status in (VideoStatus.COMPLETED, VideoStatus.FAILED) else None


def _list_names(event: AnyEvent) -> list[str]:
    if isinstance(event, PostEvent):
        return [event.video_id, event.platform, event.account_id]
    if isinstance(event, BudgetEvent):
        return [event.owner, event.period_name, event.limit_usd]
    return [event.subject]


def _is_name(text: str) -> bool:
    """Tell whether a text can be part of a key: another would make the table fail, and be retried for a day."""
    return 0 < len(text) <= _NAME_MAX_CHARACTERS and text.isascii()
