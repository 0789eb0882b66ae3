"""Build what answers those outside: the routes, the inbox, the events, the turns of series, providers' webhooks."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import TYPE_CHECKING

from mediaposter.bootstrap import stack, storage, vendors
from mediaposter.observability import logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mediaposter.pipeline.accounts import Preflight
    from mediaposter.pipeline.approval import DecideApproval
    from mediaposter.pipeline.delete import DeleteVideo
    from mediaposter.pipeline.intake import TakeRequest
    from mediaposter.pipeline.open_batch import CancelBatch, OpenBatch, ReadBatches
    from mediaposter.pipeline.read import ReadLibrary
    from mediaposter.pipeline.read_posts import ReadPosts
    from mediaposter.pipeline.repost import RepeatPosts
    from mediaposter.pipeline.reschedule import ReschedulePost
    from mediaposter.pipeline.series import TakeTurn
    from mediaposter.pipeline.store_again import StoreAgain
    from mediaposter.pipeline.submit import SubmitVideo
    from mediaposter.pipeline.upload import OpenUpload
    from mediaposter.pipeline.webhooks import Heard, HearWebhook
    from mediaposter.publishing.targets import PublishTarget


# A caller waits for the answer. To move a post takes three questions or more.
_PREFLIGHT_TIMEOUT_SECONDS = 3.0
_CALLER_TIMEOUT_SECONDS = 8.0


@cache
def preflight() -> Preflight:
    """Build the check of accounts before a post is planned."""
    from mediaposter.pipeline.accounts import Preflight

    return Preflight(
        book=storage.account_book(),
        publishers=partial(vendors.publisher, timeout_seconds=_PREFLIGHT_TIMEOUT_SECONDS),
        clock=stack.now,
        monotonic=time.monotonic,
    )


def check_targets(targets: Sequence[PublishTarget]) -> list[str]:
    """Check accounts: who posts nothing builds nothing, and only an unknown account loads the publisher's client."""
    return preflight().check(targets)


@cache
def submit_video() -> SubmitVideo:
    """Build the use case behind POST /videos."""
    from mediaposter.library.idempotency import KnownRequests
    from mediaposter.pipeline.submit import SubmitVideo

    return SubmitVideo(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        requests=KnownRequests(storage.library_table()),
        budget=storage.budget_book(),
        pictures=storage.media_library,
        catalogs=vendors.catalog,
        default_fallbacks=stack.settings().fallback_models,
        stack_daily_budget_micros=stack.settings().daily_budget_micros,
        preflight=check_targets,
        slots=vendors.slots(),
        workflow=stack.workflow(),
        count_metric=stack.count,
        clock=stack.now,
        new_id=stack.new_video_id,
    )


@cache
def open_upload() -> OpenUpload:
    """Build the use case behind POST /uploads."""
    from mediaposter.library.rate import UploadBook, UploadLimits
    from mediaposter.pipeline.upload import OpenUpload

    limits = UploadLimits(stack.settings().uploads_per_day, stack.settings().upload_bytes_per_day)
    return OpenUpload(
        media=storage.media_library(), uploads=UploadBook(storage.library_table(), limits), clock=stack.now
    )


@cache
def take_request() -> TakeRequest:
    """Build the use case behind the inbox and the events that ask for videos."""
    from mediaposter.library.inbox import Inbox
    from mediaposter.pipeline.intake import TakeRequest

    return TakeRequest(
        submit=submit_video(),
        open_batch=open_batch(),
        take_turn=take_turn(),
        files=Inbox(stack.session().client("s3"), stack.settings().require("video_bucket")),
        send_event=stack.event_bus().send,
        inbox_owner=stack.settings().inbox_owner,
        events_owner=stack.settings().events_owner,
        clock=stack.now,
    )


@cache
def take_turn() -> TakeTurn:
    """Build the use case behind the turns of series."""
    from mediaposter.library.series import SeriesBook
    from mediaposter.library.sheets import SheetStore
    from mediaposter.pipeline.series import TakeTurn

    return TakeTurn(
        book=SeriesBook(storage.library_table()),
        sheets=SheetStore(stack.session().client("s3"), stack.settings().require("video_bucket")),
        submit=submit_video(),
        send_event=stack.event_bus().send,
        count_metric=stack.count,
        report=logger.warning,
        clock=stack.now,
    )


@cache
def open_batch() -> OpenBatch:
    """Build the use case behind POST /batches and the files of the inbox."""
    from mediaposter.library.idempotency import KnownRequests
    from mediaposter.pipeline.open_batch import OpenBatch

    return OpenBatch(
        batches=storage.batch_library(),
        files=storage.batch_files(),
        requests=KnownRequests(storage.library_table()),
        workflow=stack.batch_executions(),
        clock=stack.now,
        new_id=stack.new_batch_id,
    )


@cache
def read_batches() -> ReadBatches:
    """Build the questions about batches."""
    from mediaposter.pipeline.open_batch import ReadBatches

    return ReadBatches(batches=storage.batch_library(), library=storage.video_library(), media=storage.media_library())


@cache
def cancel_batch() -> CancelBatch:
    """Build the use case behind POST /batches/{id}/cancel."""
    from mediaposter.pipeline.open_batch import CancelBatch

    return CancelBatch(batches=storage.batch_library(), workflow=stack.batch_executions(), clock=stack.now)


@cache
def read_library() -> ReadLibrary:
    """Build the use cases behind the GET routes."""
    from mediaposter.pipeline.read import ReadLibrary

    return ReadLibrary(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        budget=storage.budget_book(),
        media=storage.media_library(),
        stack_daily_budget_micros=stack.settings().daily_budget_micros,
        clock=stack.now,
    )


@cache
def read_posts() -> ReadPosts:
    """Build the questions about posts."""
    from mediaposter.pipeline.read_posts import ReadPosts

    return ReadPosts(library=storage.video_library(), ledger=storage.post_ledger(), approvals=storage.approval_book())


@cache
def delete_video() -> DeleteVideo:
    """Build the use case behind DELETE /videos/{id}."""
    from mediaposter.pipeline.delete import DeleteVideo

    return DeleteVideo(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        approvals=storage.approval_book(),
        media=storage.media_library(),
        workflow=stack.workflow(),
        cancel_render=stack.render_canceller(),
        clock=stack.now,
    )


@cache
def decide_approval() -> DecideApproval:
    """Build the use case behind POST /videos/{id}/approval."""
    from mediaposter.pipeline.approval import DecideApproval

    return DecideApproval(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        approvals=storage.approval_book(),
        signaller=stack.task_tokens(),
        preflight=check_targets,
        clock=stack.now,
    )


@cache
def repeat_posts() -> RepeatPosts:
    """Build the use cases behind POST /videos/{id}/posts and …/resolve."""
    from mediaposter.pipeline.repost import RepeatPosts

    return RepeatPosts(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        workflow=stack.workflow(),
        publishers=partial(vendors.publisher, timeout_seconds=_CALLER_TIMEOUT_SECONDS),
        preflight=check_targets,
        send_event=stack.event_bus().send,
        clock=stack.now,
    )


@cache
def store_again() -> StoreAgain:
    """Build the use case behind POST /videos/{id}/store."""
    from mediaposter.pipeline.store_again import StoreAgain

    return StoreAgain(
        library=storage.video_library(), ledger=storage.post_ledger(), workflow=stack.workflow(), clock=stack.now
    )


@cache
def reschedule_post() -> ReschedulePost:
    """Build the use cases behind PATCH and DELETE …/posts/{platform}/{account}."""
    from mediaposter.pipeline.reschedule import ReschedulePost

    return ReschedulePost(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        publishers=partial(vendors.publisher, timeout_seconds=_CALLER_TIMEOUT_SECONDS),
        clock=stack.now,
    )


@cache
def hear_webhook() -> HearWebhook:
    """Build the use case behind POST /webhooks/{provider}."""
    from mediaposter.pipeline.webhooks import HearWebhook

    return HearWebhook(
        providers=stack.settings().provider_webhooks,
        parse_webhook=vendors.parse_webhook,
        library=storage.video_library(),
        waits=storage.job_waits(),
        signaller=stack.task_tokens(),
        report=_report_webhook,
        clock=stack.now,
    )


def _report_webhook(provider: str, heard: Heard) -> None:
    logger.info("webhook", extra={"provider": provider, "outcome": heard})
    stack.count(f"Webhooks{heard.capitalize()}")
