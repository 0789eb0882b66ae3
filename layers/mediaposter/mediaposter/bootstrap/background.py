"""Build what nobody waits for: the sweep, the dispatch, the nightly look, events and their delivery."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import TYPE_CHECKING

from mediaposter.bootstrap import stack, steps, storage, vendors
from mediaposter.observability import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mediaposter.pipeline.accounts import ReadAccounts
    from mediaposter.pipeline.announce import AnnounceVideo
    from mediaposter.pipeline.approval import ExpireApproval
    from mediaposter.pipeline.dispatch import DispatchVideos
    from mediaposter.pipeline.end_batch import LookAfterBatch
    from mediaposter.pipeline.notify import DeliverEvent
    from mediaposter.pipeline.resume import ResumeVideo
    from mediaposter.pipeline.sweep import SweepDue


@cache
def announce_video() -> AnnounceVideo:
    """Build what tells the bus of new videos."""
    from mediaposter.pipeline.announce import AnnounceVideo

    return AnnounceVideo(library=storage.video_library(), send_event=stack.event_bus().send)


@cache
def dispatch_videos() -> DispatchVideos:
    """Build what starts the videos that wait for a slot."""
    from mediaposter.pipeline.dispatch import DispatchVideos

    return DispatchVideos(
        library=storage.video_library(), slots=vendors.slots(), workflow=stack.workflow(), clock=stack.now
    )


def dispatch_to(providers: Sequence[str]) -> int:
    """Start those who wait for some providers, and count them."""
    return dispatch_videos().dispatch_each(providers)


def dispatch_waiting() -> int:
    """Start those who wait for any provider, and count them."""
    return dispatch_to(vendors.catalog().list_providers())


@cache
def sweep() -> SweepDue:
    """Build the use case behind the sweep."""
    from mediaposter.library.due import DueList
    from mediaposter.pipeline.sweep import ClearUp, SweepDue

    return SweepDue(
        due=DueList(storage.library_table()),
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        resume_video=resume_video(),
        expire_approval=expire_approval(),
        look_after_batch=look_after_batch(),
        clear_up=ClearUp(
            library=storage.video_library(),
            remove_media=storage.media_library().delete_video,
            forget_approval=storage.approval_book().forget,
        ),
        dispatch_waiting=dispatch_waiting,
        create_post=steps.create_post(),
        check_post=steps.check_post(),
        clock=stack.now,
        monotonic=time.monotonic,
    )


@cache
def expire_approval() -> ExpireApproval:
    """Build what the sweep does about questions that nobody answered in time."""
    from mediaposter.pipeline.approval import ExpireApproval

    return ExpireApproval(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        approvals=storage.approval_book(),
        signaller=stack.task_tokens(),
        clock=stack.now,
    )


@cache
def resume_video() -> ResumeVideo:
    """Build what carries on videos that no execution carries."""
    from mediaposter.pipeline.resume import ResumeVideo

    return ResumeVideo(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        workflow=stack.workflow(),
        close=steps.close_video(),
        clock=stack.now,
    )


@cache
def look_after_batch() -> LookAfterBatch:
    """Build what the sweep does about batches."""
    from mediaposter.pipeline.end_batch import LookAfterBatch

    return LookAfterBatch(
        batches=storage.batch_library(), workflow=stack.batch_executions(), end=steps.end_batch(), clock=stack.now
    )


@cache
def read_accounts() -> ReadAccounts:
    """Build the nightly check of the accounts."""
    from mediaposter.library.due import DueList
    from mediaposter.pipeline.accounts import ReadAccounts, list_waiting_targets

    due = DueList(storage.library_table())
    return ReadAccounts(
        book=storage.account_book(),
        publishers=vendors.publisher,
        list_waiting_targets=lambda: list_waiting_targets(due, storage.post_ledger(), now=stack.now()),
        count_metric=stack.count,
        report=logger.warning,
        clock=stack.now,
    )


@cache
def deliver_event() -> DeliverEvent:
    """Build what delivers webhooks."""
    from mediaposter.pipeline.notify import DELIVERY_TIMEOUT_SECONDS, DeliverEvent
    from mediaposter.pipeline.recorded_events import FindRecorded
    from mediaposter.safe_http import post_json

    queue = stack.session().client("sqs")
    queue_url = stack.settings().require("webhook_queue_url")
    return DeliverEvent(
        find_recorded=FindRecorded(
            library=storage.video_library(),
            ledger=storage.post_ledger(),
            approvals=storage.approval_book(),
            batches=storage.batch_library(),
        ),
        post_json=partial(
            post_json,
            timeout_seconds=DELIVERY_TIMEOUT_SECONDS,
            is_anywhere_allowed=stack.settings().webhook_transport == "any",
        ),
        put_off=lambda receipt_handle, seconds: queue.change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        ),
        signing_key=lambda: stack.read_secret("webhook-signing-key"),
        count_metric=stack.count,
        clock=stack.now,
    )
