"""Build every collaborator of MediaPoster once, lazily, on the edges that a host supplies."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from mediaposter.observability import logger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mediaposter.ai.video_model_interface import VideoModelInterface
    from mediaposter.config import Settings
    from mediaposter.edges import Edges
    from mediaposter.library.accounts import AccountBook
    from mediaposter.library.approvals import ApprovalBook
    from mediaposter.library.batches import BatchLibrary
    from mediaposter.library.budget import BudgetBook
    from mediaposter.library.due import DueList
    from mediaposter.library.idempotency import KnownRequests
    from mediaposter.library.job_waits import JobWaits
    from mediaposter.library.keys import KeyRing
    from mediaposter.library.posts import PostLedger
    from mediaposter.library.rate import RateBook
    from mediaposter.library.render_times import RenderTimesLibrary
    from mediaposter.library.series import SeriesBook
    from mediaposter.library.slots import Slots
    from mediaposter.library.videos import Video, VideoLibrary
    from mediaposter.pipeline.accounts import Preflight, ReadAccounts
    from mediaposter.pipeline.announce import AnnounceVideo
    from mediaposter.pipeline.approval import AskApproval, DecideApproval, ExpireApproval
    from mediaposter.pipeline.cancel import CancelVideo
    from mediaposter.pipeline.cancel_render import CancelRender
    from mediaposter.pipeline.delete import DeleteVideo
    from mediaposter.pipeline.dispatch import DispatchVideos
    from mediaposter.pipeline.end_batch import CancelPart, EndBatch, LookAfterBatch, WriteResults
    from mediaposter.pipeline.finalize import CloseVideo, StoreVideo
    from mediaposter.pipeline.generate import CheckGeneration, StartGeneration
    from mediaposter.pipeline.inspect import InspectVideo
    from mediaposter.pipeline.intake import TakeRequest
    from mediaposter.pipeline.notify import DeliverEvent
    from mediaposter.pipeline.open_batch import CancelBatch, OpenBatch, ReadBatches
    from mediaposter.pipeline.publish import Call, CreatePost
    from mediaposter.pipeline.read import ReadLibrary
    from mediaposter.pipeline.read_posts import ReadPosts
    from mediaposter.pipeline.repost import RepeatPosts
    from mediaposter.pipeline.reschedule import ReschedulePost
    from mediaposter.pipeline.resume import ResumeVideo
    from mediaposter.pipeline.series import TakeTurn
    from mediaposter.pipeline.store_again import StoreAgain
    from mediaposter.pipeline.submit import SubmitVideo
    from mediaposter.pipeline.sweep import SweepDue
    from mediaposter.pipeline.take_batch import CloseTaking, ReadRows, TakePart
    from mediaposter.pipeline.track import CheckPost
    from mediaposter.pipeline.upload import OpenUpload
    from mediaposter.pipeline.webhooks import Heard, HearWebhook, Listening
    from mediaposter.publishing.publisher_interface import PublisherInterface
    from mediaposter.publishing.targets import PublishTarget

# How long the calls of one model may take together: StartFunction and PollFunction may run a minute.
_MODEL_SECONDS = 50.0
# CancelRenderFunction may run a minute, and is tried again.
_CANCEL_SECONDS = 40.0
# A caller waits for the answer. To move a post takes three questions or more.
_PREFLIGHT_TIMEOUT_SECONDS = 3.0
_CALLER_TIMEOUT_SECONDS = 8.0


class Stack:
    """A stack: its settings, its edges, and every use case built on them.

    Imports are within the properties: a function loads what it serves, and nothing else.
    """

    def __init__(self, settings: Settings, edges: Edges) -> None:
        """Prepare; nothing is built yet."""
        self.settings = settings
        self.edges = edges

    # What is kept.

    @cached_property
    def keys(self) -> KeyRing:
        """The API keys."""
        from mediaposter.library.keys import KeyRing

        return KeyRing(self.edges.table, clock=self.edges.now)

    @cached_property
    def videos(self) -> VideoLibrary:
        """The records of videos."""
        from mediaposter.library.videos import VideoLibrary

        return VideoLibrary(self.edges.table)

    @cached_property
    def posts(self) -> PostLedger:
        """The records of posts."""
        from mediaposter.library.posts import PostLedger

        return PostLedger(self.edges.table)

    @cached_property
    def approvals(self) -> ApprovalBook:
        """The questions to people."""
        from mediaposter.library.approvals import ApprovalBook

        return ApprovalBook(self.edges.table)

    @cached_property
    def batches(self) -> BatchLibrary:
        """The records of batches."""
        from mediaposter.library.batches import BatchLibrary

        return BatchLibrary(self.edges.table)

    @cached_property
    def requests(self) -> KnownRequests:
        """The requests that were taken, by their names."""
        from mediaposter.library.idempotency import KnownRequests

        return KnownRequests(self.edges.table)

    @cached_property
    def job_waits(self) -> JobWaits:
        """What waits for a provider to call."""
        from mediaposter.library.job_waits import JobWaits

        return JobWaits(self.edges.table)

    @cached_property
    def accounts(self) -> AccountBook:
        """What is known of the accounts."""
        from mediaposter.library.accounts import AccountBook

        return AccountBook(self.edges.table)

    @cached_property
    def budget(self) -> BudgetBook:
        """What was spent, and what is promised."""
        from mediaposter.library.budget import BudgetBook

        return BudgetBook(self.edges.table)

    @cached_property
    def rates(self) -> RateBook:
        """What was done in each minute."""
        from mediaposter.library.rate import RateBook

        return RateBook(self.edges.table)

    @cached_property
    def render_times(self) -> RenderTimesLibrary:
        """How long renders take."""
        from mediaposter.library.render_times import RenderTimesLibrary

        return RenderTimesLibrary(self.edges.table)

    @cached_property
    def series(self) -> SeriesBook:
        """The series."""
        from mediaposter.library.series import SeriesBook

        return SeriesBook(self.edges.table)

    @cached_property
    def due(self) -> DueList:
        """What the sweep comes back to."""
        from mediaposter.library.due import DueList

        return DueList(self.edges.table)

    @cached_property
    def slots(self) -> Slots:
        """How much at once each provider takes."""
        from mediaposter.library.slots import Slots

        return Slots(self.edges.table, self.limit_renders)

    # What answers callers.

    @cached_property
    def submit_video(self) -> SubmitVideo:
        """POST /videos."""
        from mediaposter.pipeline.submit import SubmitVideo

        return SubmitVideo(
            library=self.videos,
            ledger=self.posts,
            requests=self.requests,
            budget=self.budget,
            pictures=lambda: self.edges.media,
            catalogs=self.edges.read_catalog,
            default_fallbacks=self.settings.fallback_models,
            stack_daily_budget_micros=self.settings.daily_budget_micros,
            preflight=self.check_targets,
            slots=self.slots,
            workflow=self.edges.workflow,
            count_metric=self.edges.count_metric,
            clock=self.edges.now,
            new_id=partial(self.edges.new_id, "video"),
        )

    @cached_property
    def read_library(self) -> ReadLibrary:
        """The GET routes."""
        from mediaposter.pipeline.read import ReadLibrary

        return ReadLibrary(
            library=self.videos,
            ledger=self.posts,
            budget=self.budget,
            media=self.edges.media,
            stack_daily_budget_micros=self.settings.daily_budget_micros,
            clock=self.edges.now,
        )

    @cached_property
    def read_posts(self) -> ReadPosts:
        """Questions about posts."""
        from mediaposter.pipeline.read_posts import ReadPosts

        return ReadPosts(
            library=self.videos,
            ledger=self.posts,
            approvals=self.approvals,
        )

    @cached_property
    def delete_video(self) -> DeleteVideo:
        """DELETE /videos/{id}."""
        from mediaposter.pipeline.delete import DeleteVideo

        return DeleteVideo(
            library=self.videos,
            ledger=self.posts,
            approvals=self.approvals,
            media=self.edges.media,
            workflow=self.edges.workflow,
            cancel_render=self.edges.cancel_render,
            clock=self.edges.now,
        )

    @cached_property
    def decide_approval(self) -> DecideApproval:
        """POST /videos/{id}/approval."""
        from mediaposter.pipeline.approval import DecideApproval

        return DecideApproval(
            library=self.videos,
            ledger=self.posts,
            approvals=self.approvals,
            signaller=self.edges.signaller,
            preflight=self.check_targets,
            clock=self.edges.now,
        )

    @cached_property
    def repeat_posts(self) -> RepeatPosts:
        """POST /videos/{id}/posts and …/resolve."""
        from mediaposter.pipeline.repost import RepeatPosts

        return RepeatPosts(
            library=self.videos,
            ledger=self.posts,
            workflow=self.edges.workflow,
            publishers=self._build_publisher_for_callers,
            preflight=self.check_targets,
            send_event=self.edges.send_event,
            clock=self.edges.now,
        )

    @cached_property
    def reschedule_post(self) -> ReschedulePost:
        """PATCH and DELETE …/posts/{platform}/{account}."""
        from mediaposter.pipeline.reschedule import ReschedulePost

        return ReschedulePost(
            library=self.videos,
            ledger=self.posts,
            publishers=self._build_publisher_for_callers,
            clock=self.edges.now,
        )

    @cached_property
    def store_again(self) -> StoreAgain:
        """POST /videos/{id}/store."""
        from mediaposter.pipeline.store_again import StoreAgain

        return StoreAgain(
            library=self.videos,
            ledger=self.posts,
            workflow=self.edges.workflow,
            clock=self.edges.now,
        )

    @cached_property
    def open_batch(self) -> OpenBatch:
        """POST /batches, and files of rows in the inbox."""
        from mediaposter.pipeline.open_batch import OpenBatch

        return OpenBatch(
            batches=self.batches,
            files=self.edges.batch_files,
            requests=self.requests,
            workflow=self.edges.batch_workflow,
            clock=self.edges.now,
            new_id=partial(self.edges.new_id, "batch"),
        )

    @cached_property
    def read_batches(self) -> ReadBatches:
        """Questions about batches."""
        from mediaposter.pipeline.open_batch import ReadBatches

        return ReadBatches(
            batches=self.batches,
            library=self.videos,
            media=self.edges.media,
        )

    @cached_property
    def cancel_batch(self) -> CancelBatch:
        """POST /batches/{id}/cancel."""
        from mediaposter.pipeline.open_batch import CancelBatch

        return CancelBatch(
            batches=self.batches,
            workflow=self.edges.batch_workflow,
            clock=self.edges.now,
        )

    @cached_property
    def take_request(self) -> TakeRequest:
        """The inbox, and the events that ask for videos."""
        from mediaposter.pipeline.intake import TakeRequest

        return TakeRequest(
            submit=self.submit_video,
            open_batch=self.open_batch,
            take_turn=self.take_turn,
            files=self.edges.inbox,
            send_event=self.edges.send_event,
            inbox_owner=self.settings.inbox_owner,
            events_owner=self.settings.events_owner,
            clock=self.edges.now,
        )

    @cached_property
    def take_turn(self) -> TakeTurn:
        """The turns of series."""
        from mediaposter.pipeline.series import TakeTurn

        return TakeTurn(
            book=self.series,
            sheets=self.edges.sheets,
            submit=self.submit_video,
            send_event=self.edges.send_event,
            count_metric=self.edges.count_metric,
            report=self.edges.report,
            clock=self.edges.now,
        )

    @cached_property
    def hear_webhook(self) -> HearWebhook:
        """POST /webhooks/{provider}."""
        from mediaposter.pipeline.webhooks import HearWebhook

        return HearWebhook(
            providers=self.settings.provider_webhooks,
            parse_webhook=self.edges.parse_webhook,
            library=self.videos,
            waits=self.job_waits,
            signaller=self.edges.signaller,
            report=self._report_webhook,
            clock=self.edges.now,
        )

    # The steps of a video.

    @cached_property
    def start_generation(self) -> StartGeneration:
        """Start Generation."""
        from mediaposter.pipeline.generate import StartGeneration
        from mediaposter.pipeline.upload import ReadPicture

        return StartGeneration(
            library=self.videos,
            models=self.build_model,
            pictures=ReadPicture(media=lambda: self.edges.media),
            render_times=self.render_times,
            slots=self.slots,
            listening=self.listening,
            clock=self.edges.now,
            lease_seconds=self.settings.call_lease_seconds,
            timeout_seconds=self.settings.generation_timeout_seconds,
        )

    @cached_property
    def check_generation(self) -> CheckGeneration:
        """Check Generation."""
        from mediaposter.pipeline.generate import CheckGeneration

        return CheckGeneration(
            library=self.videos,
            models=self.build_model,
            render_times=self.render_times,
            listening=self.listening,
            clock=self.edges.now,
            kept_for=self.keep_for,
        )

    @cached_property
    def listening(self) -> Listening:
        """Which jobs are listened to."""
        from mediaposter.pipeline.webhooks import Listening

        return Listening(
            waits=self.job_waits,
            providers=self.settings.provider_webhooks,
            public_url=self.edges.public_url,
        )

    @cached_property
    def cancel_render(self) -> CancelRender:
        """What stops a render at its provider."""
        from mediaposter.pipeline.cancel_render import CancelRender

        return CancelRender(
            models=partial(self.edges.build_model, seconds=_CANCEL_SECONDS),
            report_fault=self.edges.report,
        )

    @cached_property
    def store_video(self) -> StoreVideo:
        """Store Video."""
        from mediaposter.pipeline.finalize import STORE_BUDGET_SECONDS, StoreVideo

        return StoreVideo(
            library=self.videos,
            ledger=self.posts,
            media=self.edges.inspected_media,
            models=partial(self.build_model, seconds=STORE_BUDGET_SECONDS),
            clock=self.edges.now,
            monotonic=self.edges.monotonic,
        )

    @cached_property
    def inspect_video(self) -> InspectVideo:
        """What decodes a stored video."""
        from mediaposter.pipeline.inspect import InspectVideo

        return InspectVideo(
            media=self.edges.media,
        )

    @cached_property
    def ask_approval(self) -> AskApproval:
        """Await Approval."""
        from mediaposter.pipeline.approval import AskApproval

        return AskApproval(
            library=self.videos,
            ledger=self.posts,
            approvals=self.approvals,
            signaller=self.edges.signaller,
            send_event=self.edges.send_event,
            clock=self.edges.now,
        )

    @cached_property
    def create_post(self) -> CreatePost:
        """Create Post."""
        from mediaposter.pipeline.publish import CreatePost

        return CreatePost(
            library=self.videos,
            ledger=self.posts,
            media=self.edges.media,
            publishers=self.edges.build_publisher,
            take_place=self._take_place,
            send_event=self.edges.send_event,
            count_metric=self.edges.count_metric,
            clock=self.edges.now,
            lease_seconds=self.settings.call_lease_seconds,
        )

    @cached_property
    def check_post(self) -> CheckPost:
        """Check Post."""
        from mediaposter.pipeline.track import CheckPost

        return CheckPost(
            library=self.videos,
            ledger=self.posts,
            publishers=self.edges.build_publisher,
            send_event=self.edges.send_event,
            count_metric=self.edges.count_metric,
            clock=self.edges.now,
        )

    @cached_property
    def close_video(self) -> CloseVideo:
        """Close Video, also for what broke off."""
        from mediaposter.pipeline.finalize import CloseVideo

        return CloseVideo(
            library=self.videos,
            ledger=self.posts,
            send_event=self.edges.send_event,
            count_metric=self.edges.count_metric,
            clock=self.edges.now,
        )

    # The steps of a batch.

    @cached_property
    def read_rows(self) -> ReadRows:
        """Read Rows."""
        from mediaposter.pipeline.take_batch import ReadRows

        return ReadRows(
            batches=self.batches,
            files=self.edges.batch_files,
            pictures=lambda: self.edges.media,
            end=self.end_batch,
            clock=self.edges.now,
        )

    @cached_property
    def take_part(self) -> TakePart:
        """Take Part."""
        from mediaposter.pipeline.take_batch import TakePart

        return TakePart(
            batches=self.batches,
            files=self.edges.batch_files,
            submit=self.submit_video,
            requests=self.requests,
            find_key=self.keys.find_by_hash,
            clock=self.edges.now,
        )

    @cached_property
    def close_taking(self) -> CloseTaking:
        """Close Taking."""
        from mediaposter.pipeline.take_batch import CloseTaking

        return CloseTaking(
            batches=self.batches,
            files=self.edges.batch_files,
            requests=self.requests,
            end=self.end_batch,
            clock=self.edges.now,
        )

    @cached_property
    def write_results(self) -> WriteResults:
        """Write Results."""
        from mediaposter.pipeline.end_batch import WriteResults

        return WriteResults(
            batches=self.batches,
            library=self.videos,
            ledger=self.posts,
            files=self.edges.batch_files,
            end=self.end_batch,
            public_url=self.edges.public_url,
        )

    @cached_property
    def cancel_part(self) -> CancelPart:
        """Cancel Part."""
        from mediaposter.pipeline.end_batch import CancelPart

        return CancelPart(
            batches=self.batches,
            files=self.edges.batch_files,
            cancel_video=self.cancel_video,
        )

    @cached_property
    def cancel_video(self) -> CancelVideo:
        """What cancels a video of a batch."""
        from mediaposter.pipeline.cancel import CancelVideo

        return CancelVideo(
            library=self.videos,
            ledger=self.posts,
            workflow=self.edges.workflow,
            close=self.close_video,
            cancel_render=self.edges.cancel_render,
            clock=self.edges.now,
        )

    @cached_property
    def end_batch(self) -> EndBatch:
        """What ends a batch."""
        from mediaposter.pipeline.end_batch import EndBatch

        return EndBatch(
            batches=self.batches,
            send_event=self.edges.send_event,
            clock=self.edges.now,
        )

    # What runs by itself.

    @cached_property
    def announce_video(self) -> AnnounceVideo:
        """What tells the bus of new videos."""
        from mediaposter.pipeline.announce import AnnounceVideo

        return AnnounceVideo(
            library=self.videos,
            send_event=self.edges.send_event,
        )

    @cached_property
    def dispatch_videos(self) -> DispatchVideos:
        """What starts the videos that wait for a slot."""
        from mediaposter.pipeline.dispatch import DispatchVideos

        return DispatchVideos(
            library=self.videos,
            slots=self.slots,
            workflow=self.edges.workflow,
            clock=self.edges.now,
        )

    @cached_property
    def resume_video(self) -> ResumeVideo:
        """What starts another execution for a video that none carries."""
        from mediaposter.pipeline.resume import ResumeVideo

        return ResumeVideo(
            library=self.videos,
            ledger=self.posts,
            workflow=self.edges.workflow,
            close=self.close_video,
            clock=self.edges.now,
        )

    @cached_property
    def look_after_batch(self) -> LookAfterBatch:
        """What the sweep does about batches."""
        from mediaposter.pipeline.end_batch import LookAfterBatch

        return LookAfterBatch(
            batches=self.batches,
            workflow=self.edges.batch_workflow,
            end=self.end_batch,
            clock=self.edges.now,
        )

    @cached_property
    def read_accounts(self) -> ReadAccounts:
        """The nightly check of the accounts."""
        from mediaposter.pipeline.accounts import ReadAccounts, list_waiting_targets

        return ReadAccounts(
            book=self.accounts,
            publishers=self.edges.build_publisher,
            list_waiting_targets=lambda: list_waiting_targets(self.due, self.posts, now=self.edges.now()),
            count_metric=self.edges.count_metric,
            report=self.edges.report,
            clock=self.edges.now,
        )

    @cached_property
    def expire_approval(self) -> ExpireApproval:
        """What the sweep does about questions that nobody answered in time."""
        from mediaposter.pipeline.approval import ExpireApproval

        return ExpireApproval(
            library=self.videos,
            ledger=self.posts,
            approvals=self.approvals,
            signaller=self.edges.signaller,
            clock=self.edges.now,
        )

    @cached_property
    def sweep(self) -> SweepDue:
        """The sweep."""
        from mediaposter.pipeline.sweep import ClearUp, SweepDue

        return SweepDue(
            due=self.due,
            library=self.videos,
            ledger=self.posts,
            resume_video=self.resume_video,
            expire_approval=self.expire_approval,
            look_after_batch=self.look_after_batch,
            clear_up=ClearUp(
                library=self.videos,
                remove_media=self.edges.media.delete_video,
                forget_approval=self.approvals.forget,
            ),
            dispatch_waiting=self.dispatch_waiting,
            create_post=self.create_post,
            check_post=self.check_post,
            clock=self.edges.now,
            monotonic=self.edges.monotonic,
        )

    @cached_property
    def deliver_event(self) -> DeliverEvent:
        """What delivers webhooks."""
        from mediaposter.pipeline.notify import DeliverEvent
        from mediaposter.pipeline.recorded_events import FindRecorded

        return DeliverEvent(
            find_recorded=FindRecorded(
                library=self.videos, ledger=self.posts, approvals=self.approvals, batches=self.batches
            ),
            post_json=self.edges.post_json,
            put_off=self.edges.put_off,
            signing_key=partial(self.edges.read_secret, "webhook-signing-key"),
            count_metric=self.edges.count_metric,
            clock=self.edges.now,
        )

    @cached_property
    def open_upload(self) -> OpenUpload:
        """POST /uploads."""
        from mediaposter.library.rate import UploadBook, UploadLimits
        from mediaposter.pipeline.upload import OpenUpload

        limits = UploadLimits(self.settings.uploads_per_day, self.settings.upload_bytes_per_day)
        return OpenUpload(media=self.edges.media, uploads=UploadBook(self.edges.table, limits), clock=self.edges.now)

    @cached_property
    def preflight(self) -> Preflight:
        """The check of accounts before a post is planned."""
        from mediaposter.pipeline.accounts import Preflight

        return Preflight(
            book=self.accounts,
            publishers=partial(self.edges.build_publisher, timeout_seconds=_PREFLIGHT_TIMEOUT_SECONDS),
            clock=self.edges.now,
            monotonic=self.edges.monotonic,
        )

    def check_targets(self, targets: Sequence[PublishTarget]) -> list[str]:
        """Check accounts; without targets nothing is built, and only an unknown account loads the client."""
        return self.preflight.check(targets)

    def limit_renders(self, provider: str) -> int:
        """Tell how many videos a provider renders for this stack at once: by its settings, or by the catalog."""
        told = self.settings.provider_concurrency.get(provider)
        return self.edges.read_catalog().count_renders_at_once(provider) if told is None else told

    def keep_for(self, video: Video) -> timedelta:
        """Tell how long the provider of a video keeps what it rendered."""
        return timedelta(hours=self.edges.read_catalog().count_kept_hours(video.provider))

    def build_model(self, video: Video, *, seconds: float = _MODEL_SECONDS) -> VideoModelInterface:
        """Build the model that renders a video; `seconds` from now its calls have ended."""
        return self.edges.build_model(video.provider, video.resolved_model, seconds=seconds)

    def dispatch_waiting(self) -> int:
        """Start the videos that wait for any provider, and count them."""
        return self.dispatch_videos.dispatch_each(self.edges.read_catalog().list_providers())

    def _build_publisher_for_callers(self) -> PublisherInterface:
        return self.edges.build_publisher(timeout_seconds=_CALLER_TIMEOUT_SECONDS)

    def _take_place(self, call: Call, at: datetime) -> datetime:
        limits = {"upload": self.settings.uploads_per_minute, "post": self.settings.posts_per_minute}
        return self.rates.take(f"publisher-{call}", per_minute=limits[call], now=at)

    def _report_webhook(self, provider: str, heard: Heard) -> None:
        logger.info("webhook", extra={"provider": provider, "outcome": heard})
        self.edges.count_metric(f"Webhooks{heard.capitalize()}")
