"""Build the steps of the state machines: first a batch's, then a video's."""

from __future__ import annotations

import time
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from mediaposter.bootstrap import doors, stack, storage, vendors
from mediaposter.observability import logger

if TYPE_CHECKING:
    from mediaposter.pipeline.approval import AskApproval
    from mediaposter.pipeline.cancel_render import CancelRender
    from mediaposter.pipeline.end_batch import CancelPart, EndBatch, WriteResults
    from mediaposter.pipeline.finalize import CloseVideo, StoreVideo
    from mediaposter.pipeline.generate import CheckGeneration, StartGeneration
    from mediaposter.pipeline.inspect import InspectVideo
    from mediaposter.pipeline.publish import Call, CreatePost
    from mediaposter.pipeline.take_batch import CloseTaking, ReadRows, TakePart
    from mediaposter.pipeline.track import CheckPost
    from mediaposter.pipeline.webhooks import Listening


@cache
def read_rows() -> ReadRows:
    """Build the step Read Rows."""
    from mediaposter.pipeline.take_batch import ReadRows

    return ReadRows(
        batches=storage.batch_library(),
        files=storage.batch_files(),
        pictures=storage.media_library,
        end=end_batch(),
        clock=stack.now,
    )


@cache
def take_part() -> TakePart:
    """Build the step Take Part."""
    from mediaposter.library.idempotency import KnownRequests
    from mediaposter.pipeline.take_batch import TakePart

    return TakePart(
        batches=storage.batch_library(),
        files=storage.batch_files(),
        submit=doors.submit_video(),
        requests=KnownRequests(storage.library_table()),
        find_key=storage.key_ring().find_by_hash,
        clock=stack.now,
    )


@cache
def close_taking() -> CloseTaking:
    """Build the step Close Taking."""
    from mediaposter.library.idempotency import KnownRequests
    from mediaposter.pipeline.take_batch import CloseTaking

    return CloseTaking(
        batches=storage.batch_library(),
        files=storage.batch_files(),
        requests=KnownRequests(storage.library_table()),
        end=end_batch(),
        clock=stack.now,
    )


@cache
def write_results() -> WriteResults:
    """Build the step Write Results."""
    from mediaposter.pipeline.end_batch import WriteResults

    return WriteResults(
        batches=storage.batch_library(),
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        files=storage.batch_files(),
        end=end_batch(),
        public_url=stack.public_url,
    )


@cache
def cancel_part() -> CancelPart:
    """Build the step Cancel Part."""
    from mediaposter.pipeline.cancel import CancelVideo
    from mediaposter.pipeline.end_batch import CancelPart

    cancel_video = CancelVideo(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        workflow=stack.workflow(),
        close=close_video(),
        cancel_render=stack.render_canceller(),
        clock=stack.now,
    )
    return CancelPart(batches=storage.batch_library(), files=storage.batch_files(), cancel_video=cancel_video)


@cache
def end_batch() -> EndBatch:
    """Build what ends a batch."""
    from mediaposter.pipeline.end_batch import EndBatch

    return EndBatch(batches=storage.batch_library(), send_event=stack.event_bus().send, clock=stack.now)


@cache
def start_generation() -> StartGeneration:
    """Build the step Start Generation."""
    from mediaposter.pipeline.generate import StartGeneration
    from mediaposter.pipeline.upload import ReadPicture

    return StartGeneration(
        library=storage.video_library(),
        models=vendors.model_for,
        pictures=ReadPicture(media=storage.media_library),
        render_times=storage.render_times(),
        slots=vendors.slots(),
        listening=listening(),
        clock=stack.now,
        lease_seconds=stack.settings().call_lease_seconds,
        timeout_seconds=stack.settings().generation_timeout_seconds,
    )


@cache
def check_generation() -> CheckGeneration:
    """Build the step Check Generation."""
    from mediaposter.pipeline.generate import CheckGeneration

    return CheckGeneration(
        library=storage.video_library(),
        models=vendors.model_for,
        render_times=storage.render_times(),
        listening=listening(),
        clock=stack.now,
        kept_for=vendors.kept_for,
    )


@cache
def cancel_render() -> CancelRender:
    """Build what stops a render at its provider."""
    from mediaposter.pipeline.cancel_render import CancelRender

    return CancelRender(
        models=partial(vendors.build_model, seconds=vendors.CANCEL_SECONDS), report_fault=logger.warning
    )


@cache
def listening() -> Listening:
    """Build what knows which jobs are listened to."""
    from mediaposter.pipeline.webhooks import Listening

    return Listening(
        waits=storage.job_waits(), providers=stack.settings().provider_webhooks, public_url=stack.public_url
    )


@cache
def store_video() -> StoreVideo:
    """Build the step Store Video."""
    from mediaposter.pipeline.finalize import STORE_BUDGET_SECONDS, StoreVideo

    return StoreVideo(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        media=storage.inspected_media_library(),
        models=partial(vendors.model_for, seconds=STORE_BUDGET_SECONDS),
        clock=stack.now,
        monotonic=time.monotonic,
    )


@cache
def inspect_video() -> InspectVideo:
    """Build what decodes a stored video."""
    from mediaposter.pipeline.inspect import InspectVideo

    return InspectVideo(media=storage.media_library())


@cache
def ask_approval() -> AskApproval:
    """Build the step Await Approval."""
    from mediaposter.pipeline.approval import AskApproval

    return AskApproval(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        approvals=storage.approval_book(),
        signaller=stack.task_tokens(),
        send_event=stack.event_bus().send,
        clock=stack.now,
    )


@cache
def create_post() -> CreatePost:
    """Build the step Create Post."""
    from mediaposter.pipeline.publish import CreatePost

    return CreatePost(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        media=storage.media_library(),
        publishers=vendors.publisher,
        take_place=_take_place,
        send_event=stack.event_bus().send,
        count_metric=stack.count,
        clock=stack.now,
        lease_seconds=stack.settings().call_lease_seconds,
    )


def _take_place(call: Call, at: datetime) -> datetime:
    from mediaposter.library.rate import RateBook

    limits = {"upload": stack.settings().uploads_per_minute, "post": stack.settings().posts_per_minute}
    return RateBook(storage.library_table()).take(f"publisher-{call}", per_minute=limits[call], now=at)


@cache
def check_post() -> CheckPost:
    """Build the step Check Post."""
    from mediaposter.pipeline.track import CheckPost

    return CheckPost(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        publishers=vendors.publisher,
        send_event=stack.event_bus().send,
        count_metric=stack.count,
        clock=stack.now,
    )


@cache
def close_video() -> CloseVideo:
    """Build the last step, which also closes what broke off."""
    from mediaposter.pipeline.finalize import CloseVideo

    return CloseVideo(
        library=storage.video_library(),
        ledger=storage.post_ledger(),
        send_event=stack.event_bus().send,
        count_metric=stack.count,
        clock=stack.now,
    )
