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
    from mediaposter.publishing.publisher_interface import PublisherInterface
    from mediaposter.publishing.targets import PublishTarget
    from mediaposter.stores.accounts import AccountStore
    from mediaposter.stores.approvals import ApprovalStore
    from mediaposter.stores.batches import BatchStore
    from mediaposter.stores.budget import BudgetStore, StackLimits
    from mediaposter.stores.budget_warnings import BudgetWarningStore
    from mediaposter.stores.capacity import CapacityStore
    from mediaposter.stores.due import DueStore
    from mediaposter.stores.idempotency import IdempotencyStore
    from mediaposter.stores.job_callbacks import JobCallbackStore
    from mediaposter.stores.keys import KeyStore
    from mediaposter.stores.posts import PostStore
    from mediaposter.stores.rate import RateStore
    from mediaposter.stores.render_times import RenderTimeStore
    from mediaposter.stores.series import SeriesStore
    from mediaposter.stores.video_record import Video
    from mediaposter.stores.videos import VideoStore
    from mediaposter.usecases.agents.call_tool import CallTool
    from mediaposter.usecases.batches.check import CheckBatch
    from mediaposter.usecases.batches.create import CancelBatch, OpenBatch, ReadBatches
    from mediaposter.usecases.batches.finish import CancelPart, EndBatch, MonitorBatch, WriteResults
    from mediaposter.usecases.batches.read_rows import ReadRows
    from mediaposter.usecases.batches.submit import FinishSubmitting, SubmitChunk
    from mediaposter.usecases.generation.cancel_render import CancelRender
    from mediaposter.usecases.generation.check_generation import CheckGeneration
    from mediaposter.usecases.generation.inspect import InspectVideo
    from mediaposter.usecases.generation.provider_webhooks import (
        ProviderCallbacks,
        ReceiveProviderWebhook,
        WebhookOutcome,
    )
    from mediaposter.usecases.generation.start_generation import StartGeneration
    from mediaposter.usecases.generation.store_again import StoreAgain
    from mediaposter.usecases.generation.store_and_close import CloseVideo, StoreVideo
    from mediaposter.usecases.posting.accounts import ReadAccounts, ValidateAccounts
    from mediaposter.usecases.posting.approval import AwaitApproval, DecideApproval, ExpireApproval
    from mediaposter.usecases.posting.caption_money import CaptionPrices
    from mediaposter.usecases.posting.check_post import CheckPost
    from mediaposter.usecases.posting.create_post import Call, CreatePost
    from mediaposter.usecases.posting.list_accounts import ListAccounts
    from mediaposter.usecases.posting.post_with_approval import PostWithApproval
    from mediaposter.usecases.posting.read_posts import ReadPosts
    from mediaposter.usecases.posting.repost import RepeatPosts
    from mediaposter.usecases.posting.reschedule import ReschedulePost
    from mediaposter.usecases.posting.write_captions import WriteCaptions
    from mediaposter.usecases.requests.intake import TakeRequest
    from mediaposter.usecases.requests.request_captions import RequestCaptions
    from mediaposter.usecases.requests.submit import SubmitVideo
    from mediaposter.usecases.requests.upload import OpenUpload
    from mediaposter.usecases.scheduled.announce import AnnounceVideo
    from mediaposter.usecases.scheduled.approval_notices import SendNotice
    from mediaposter.usecases.scheduled.deliver_webhook import DeliverEvent
    from mediaposter.usecases.scheduled.dispatch import DispatchVideos
    from mediaposter.usecases.scheduled.measure_queues import MeasureQueues
    from mediaposter.usecases.scheduled.series import RunSchedule
    from mediaposter.usecases.scheduled.sweep import SweepDue
    from mediaposter.usecases.scheduled.warn_budget import WarnOfBudgets
    from mediaposter.usecases.videos.cancel import CancelVideo
    from mediaposter.usecases.videos.delete import DeleteVideo
    from mediaposter.usecases.videos.details import FindDetails
    from mediaposter.usecases.videos.outlook import TellOutlook
    from mediaposter.usecases.videos.read import ReadVideos
    from mediaposter.usecases.videos.read_events import ReadEvents
    from mediaposter.usecases.videos.resume import ResumeVideo

# How long the calls of one model may take together: the functions that make them may run a minute.
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
    def keys(self) -> KeyStore:
        """The API keys."""
        from mediaposter.stores.keys import KeyStore

        return KeyStore(self.edges.table, clock=self.edges.now)

    @cached_property
    def videos(self) -> VideoStore:
        """The records of videos."""
        from mediaposter.stores.videos import VideoStore

        return VideoStore(self.edges.table)

    @cached_property
    def posts(self) -> PostStore:
        """The records of posts."""
        from mediaposter.stores.posts import PostStore

        return PostStore(self.edges.table)

    @cached_property
    def approvals(self) -> ApprovalStore:
        """The approvals of videos."""
        from mediaposter.stores.approvals import ApprovalStore

        return ApprovalStore(self.edges.table)

    @cached_property
    def batches(self) -> BatchStore:
        """The records of batches."""
        from mediaposter.stores.batches import BatchStore

        return BatchStore(self.edges.table)

    @cached_property
    def requests(self) -> IdempotencyStore:
        """The idempotency records."""
        from mediaposter.stores.idempotency import IdempotencyStore

        return IdempotencyStore(self.edges.table)

    @cached_property
    def job_waits(self) -> JobCallbackStore:
        """The jobs that wait for a provider's webhook."""
        from mediaposter.stores.job_callbacks import JobCallbackStore

        return JobCallbackStore(self.edges.table)

    @cached_property
    def accounts(self) -> AccountStore:
        """The accounts connected at the publisher."""
        from mediaposter.stores.accounts import AccountStore

        return AccountStore(self.edges.table)

    @cached_property
    def budget(self) -> BudgetStore:
        """Money spent and reserved."""
        from mediaposter.stores.budget import BudgetStore

        return BudgetStore(self.edges.table)

    @cached_property
    def budget_warnings(self) -> BudgetWarningStore:
        """The warnings of limits that were nearly used up."""
        from mediaposter.stores.budget_warnings import BudgetWarningStore

        return BudgetWarningStore(self.edges.table)

    @cached_property
    def stack_limits(self) -> StackLimits:
        """What all owners together may spend."""
        from mediaposter.stores.budget import StackLimits

        return StackLimits(self.settings.daily_budget_micros, self.settings.monthly_budget_micros)

    @cached_property
    def rates(self) -> RateStore:
        """The counters of rate limits."""
        from mediaposter.stores.rate import RateStore

        return RateStore(self.edges.table)

    @cached_property
    def render_times(self) -> RenderTimeStore:
        """How long renders take."""
        from mediaposter.stores.render_times import RenderTimeStore

        return RenderTimeStore(self.edges.table)

    @cached_property
    def series(self) -> SeriesStore:
        """The series."""
        from mediaposter.stores.series import SeriesStore

        return SeriesStore(self.edges.table)

    @cached_property
    def due(self) -> DueStore:
        """The due records, for the sweep."""
        from mediaposter.stores.due import DueStore

        return DueStore(self.edges.table)

    @cached_property
    def slots(self) -> CapacityStore:
        """The slots of each provider."""
        from mediaposter.stores.capacity import CapacityStore

        return CapacityStore(self.edges.table, self.limit_renders)

    # What answers callers.

    @cached_property
    def submit_video(self) -> SubmitVideo:
        """POST /videos."""
        from mediaposter.usecases.requests.submit import SubmitVideo

        return SubmitVideo(
            videos=self.videos,
            posts=self.posts,
            requests=self.requests,
            budget=self.budget,
            pictures=lambda: self.edges.media,
            captions=lambda: self.request_captions,
            catalogs=self.edges.read_catalog,
            default_fallbacks=self.settings.fallback_models,
            stack_limits=self.stack_limits,
            is_approval_default=self.settings.is_approval_default,
            validate_accounts=self.check_targets,
            slots=self.slots,
            workflow=self.edges.workflow,
            count_metric=self.edges.count_metric,
            clock=self.edges.now,
            new_id=partial(self.edges.new_id, "video"),
            takes_local_webhooks=self.settings.webhook_transport == "any",
            default_disclosure=self.settings.default_disclosure,
        )

    @cached_property
    def read_videos(self) -> ReadVideos:
        """The GET routes."""
        from mediaposter.stores.stage_lists import StageLists
        from mediaposter.usecases.videos.read import ReadVideos

        return ReadVideos(
            videos=self.videos,
            stages=StageLists(self.edges.table),
            posts=self.posts,
            budget=self.budget,
            media=self.edges.media,
            stack_limits=self.stack_limits,
            clock=self.edges.now,
        )

    @cached_property
    def tell_outlook(self) -> TellOutlook:
        """The queue positions and likely ends of videos."""
        from mediaposter.usecases.videos.outlook import TellOutlook

        return TellOutlook(
            slots=self.slots,
            limits=self.limit_renders,
            render_times=self.render_times,
            clock=self.edges.now,
        )

    @cached_property
    def find_details(self) -> FindDetails:
        """What GET /videos shows beside the records."""
        from mediaposter.usecases.videos.details import FindDetails

        return FindDetails(
            posts=self.posts,
            approvals=self.approvals,
            link=self.read_videos.link,
            tell_outlook=self.tell_outlook,
        )

    @cached_property
    def read_events(self) -> ReadEvents:
        """GET /videos/{id}/events."""
        from mediaposter.usecases.videos.read_events import ReadEvents

        return ReadEvents(videos=self.videos, posts=self.posts, clock=self.edges.now)

    @cached_property
    def read_posts(self) -> ReadPosts:
        """The GET routes of posts."""
        from mediaposter.usecases.posting.read_posts import ReadPosts

        return ReadPosts(
            videos=self.videos,
            posts=self.posts,
            approvals=self.approvals,
        )

    @cached_property
    def delete_video(self) -> DeleteVideo:
        """DELETE /videos/{id}."""
        from mediaposter.usecases.videos.delete import DeleteVideo

        return DeleteVideo(
            videos=self.videos,
            posts=self.posts,
            approvals=self.approvals,
            media=self.edges.media,
            workflow=self.edges.workflow,
            cancel_render=self.edges.cancel_render,
            clock=self.edges.now,
        )

    @cached_property
    def list_accounts(self) -> ListAccounts:
        """GET /accounts."""
        from mediaposter.usecases.posting.list_accounts import ListAccounts

        return ListAccounts(
            accounts=self.accounts,
            publishers=self._build_publisher_for_callers,
            clock=self.edges.now,
            monotonic=self.edges.monotonic,
        )

    @cached_property
    def decide_approval(self) -> DecideApproval:
        """POST /videos/{id}/approval."""
        from mediaposter.usecases.posting.approval import DecideApproval

        return DecideApproval(
            videos=self.videos,
            posts=self.posts,
            approvals=self.approvals,
            signaller=self.edges.signaller,
            validate_accounts=self.check_targets,
            clock=self.edges.now,
            default_disclosure=self.settings.default_disclosure,
        )

    @cached_property
    def repeat_posts(self) -> RepeatPosts:
        """POST /videos/{id}/posts and …/resolve."""
        from mediaposter.usecases.posting.repost import RepeatPosts

        return RepeatPosts(
            videos=self.videos,
            posts=self.posts,
            workflow=self.edges.workflow,
            publishers=self._build_publisher_for_callers,
            is_approval_default=self.settings.is_approval_default,
            validate_accounts=self.check_targets,
            send_event=self.edges.send_event,
            clock=self.edges.now,
            default_disclosure=self.settings.default_disclosure,
        )

    @cached_property
    def write_captions(self) -> WriteCaptions:
        """POST /captions."""
        from mediaposter.usecases.posting.write_captions import WriteCaptions

        return WriteCaptions(
            videos=self.videos,
            budget=self.budget,
            build_model=self.edges.build_chat_model,
            prices=self.caption_prices,
            clock=self.edges.now,
            monotonic=self.edges.monotonic,
        )

    @cached_property
    def request_captions(self) -> RequestCaptions:
        """The captions of requests that have them written."""
        from mediaposter.stores.caption_orders import CaptionOrderStore
        from mediaposter.usecases.requests.request_captions import RequestCaptions

        return RequestCaptions(
            orders=CaptionOrderStore(self.edges.table),
            build_model=self.edges.build_chat_model,
            prices=self.caption_prices,
            monotonic=self.edges.monotonic,
        )

    @cached_property
    def caption_prices(self) -> CaptionPrices:
        """What captions cost."""
        from mediaposter.usecases.posting.ask_for_captions import Price
        from mediaposter.usecases.posting.caption_money import CaptionPrices

        settings = self.settings
        price = Price(settings.captions_input_price_micros, settings.captions_output_price_micros)
        return CaptionPrices(settings.captions_model, price, self.stack_limits)

    @cached_property
    def post_with_approval(self) -> PostWithApproval:
        """The tool post_video of agents."""
        from mediaposter.usecases.posting.post_with_approval import PostWithApproval

        return PostWithApproval(
            videos=self.videos,
            posts=self.posts,
            approvals=self.approvals,
            workflow=self.edges.workflow,
            validate_accounts=self.check_targets,
            clock=self.edges.now,
            default_disclosure=self.settings.default_disclosure,
        )

    @cached_property
    def reschedule_post(self) -> ReschedulePost:
        """PATCH and DELETE …/posts/{platform}/{account}."""
        from mediaposter.usecases.posting.reschedule import ReschedulePost

        return ReschedulePost(
            videos=self.videos,
            posts=self.posts,
            publishers=self._build_publisher_for_callers,
            clock=self.edges.now,
        )

    @cached_property
    def store_again(self) -> StoreAgain:
        """POST /videos/{id}/store."""
        from mediaposter.usecases.generation.store_again import StoreAgain

        return StoreAgain(
            videos=self.videos,
            posts=self.posts,
            workflow=self.edges.workflow,
            clock=self.edges.now,
        )

    @cached_property
    def open_batch(self) -> OpenBatch:
        """POST /batches, and files of rows in the inbox."""
        from mediaposter.usecases.batches.create import OpenBatch

        return OpenBatch(
            batches=self.batches,
            files=self.edges.batch_files,
            requests=self.requests,
            workflow=self.edges.batch_workflow,
            clock=self.edges.now,
            new_id=partial(self.edges.new_id, "batch"),
        )

    @cached_property
    def check_batch(self) -> CheckBatch:
        """POST /batches?dry_run=true."""
        from mediaposter.usecases.batches.check import CheckBatch

        return CheckBatch(
            files=self.edges.batch_files,
            submit=self.submit_video,
            budget=self.budget,
            stack_limits=self.stack_limits,
            clock=self.edges.now,
            monotonic=self.edges.monotonic,
        )

    @cached_property
    def read_batches(self) -> ReadBatches:
        """The GET routes of batches."""
        from mediaposter.usecases.batches.create import ReadBatches

        return ReadBatches(
            batches=self.batches,
            videos=self.videos,
            media=self.edges.media,
        )

    @cached_property
    def cancel_batch(self) -> CancelBatch:
        """POST /batches/{id}/cancel."""
        from mediaposter.usecases.batches.create import CancelBatch

        return CancelBatch(
            batches=self.batches,
            workflow=self.edges.batch_workflow,
            clock=self.edges.now,
        )

    @cached_property
    def take_request(self) -> TakeRequest:
        """Requests by file, event or series."""
        from mediaposter.usecases.requests.intake import TakeRequest

        return TakeRequest(
            submit=self.submit_video,
            open_batch=self.open_batch,
            run_schedule=self.run_schedule,
            files=self.edges.inbox,
            send_event=self.edges.send_event,
            inbox_owner=self.settings.inbox_owner,
            events_owner=self.settings.events_owner,
            clock=self.edges.now,
        )

    @cached_property
    def run_schedule(self) -> RunSchedule:
        """The runs of series."""
        from mediaposter.usecases.scheduled.series import RunSchedule

        return RunSchedule(
            series_store=self.series,
            sheets=self.edges.sheets,
            submit=self.submit_video,
            send_event=self.edges.send_event,
            count_metric=self.edges.count_metric,
            report=self.edges.report,
            clock=self.edges.now,
        )

    @cached_property
    def receive_provider_webhook(self) -> ReceiveProviderWebhook:
        """POST /webhooks/{provider}."""
        from mediaposter.usecases.generation.provider_webhooks import ReceiveProviderWebhook

        return ReceiveProviderWebhook(
            providers=self.settings.provider_webhooks,
            parse_webhook=self.edges.parse_webhook,
            videos=self.videos,
            waits=self.job_waits,
            signaller=self.edges.signaller,
            report=self._report_webhook,
            clock=self.edges.now,
        )

    @cached_property
    def call_tool(self) -> CallTool:
        """POST /mcp."""
        from mediaposter.usecases.agents.call_tool import CallTool

        return CallTool(
            submit=self.submit_video,
            read_videos=self.read_videos,
            read_posts=self.read_posts,
            find_details=self.find_details,
            list_accounts=self.list_accounts,
            repeat_posts=self.repeat_posts,
            post_with_approval=self.post_with_approval,
            cancel_video=self.cancel_video,
            budget=self.budget,
            stack_limits=self.stack_limits,
            posts_notice=lambda: self.edges.posts_notice,
            studio_url=lambda: f"{self.edges.public_url()}/studio" if self.settings.has_studio else None,
            clock=self.edges.now,
        )

    # The steps of a video.

    @cached_property
    def start_generation(self) -> StartGeneration:
        """Start Generation."""
        from mediaposter.usecases.generation.start_generation import StartGeneration
        from mediaposter.usecases.requests.upload import ReadPicture

        return StartGeneration(
            videos=self.videos,
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
        from mediaposter.usecases.generation.check_generation import CheckGeneration

        return CheckGeneration(
            videos=self.videos,
            models=self.build_model,
            render_times=self.render_times,
            listening=self.listening,
            clock=self.edges.now,
            kept_for=self.keep_for,
        )

    @cached_property
    def listening(self) -> ProviderCallbacks:
        """The webhooks that jobs wait for."""
        from mediaposter.usecases.generation.provider_webhooks import ProviderCallbacks

        return ProviderCallbacks(
            waits=self.job_waits,
            providers=self.settings.provider_webhooks,
            public_url=self.edges.public_url,
        )

    @cached_property
    def cancel_render(self) -> CancelRender:
        """Stops a render at its provider."""
        from mediaposter.usecases.generation.cancel_render import CancelRender

        return CancelRender(
            models=partial(self.edges.build_model, seconds=_CANCEL_SECONDS),
            report_fault=self.edges.report,
        )

    @cached_property
    def store_video(self) -> StoreVideo:
        """Store Video."""
        from mediaposter.usecases.generation.store_and_close import STORE_BUDGET_SECONDS, StoreVideo

        return StoreVideo(
            videos=self.videos,
            posts=self.posts,
            media=self.edges.inspected_media,
            models=partial(self.build_model, seconds=STORE_BUDGET_SECONDS),
            clock=self.edges.now,
            monotonic=self.edges.monotonic,
        )

    @cached_property
    def inspect_video(self) -> InspectVideo:
        """Decodes a stored video."""
        from mediaposter.usecases.generation.inspect import InspectVideo

        return InspectVideo(
            media=self.edges.media,
        )

    @cached_property
    def await_approval(self) -> AwaitApproval:
        """Await Approval."""
        from mediaposter.usecases.posting.approval import AwaitApproval

        return AwaitApproval(
            videos=self.videos,
            posts=self.posts,
            approvals=self.approvals,
            signaller=self.edges.signaller,
            send_event=self.edges.send_event,
            channels=self.settings.approval_channels,
            studio_url=self._find_studio_url,
            clock=self.edges.now,
        )

    @cached_property
    def create_post(self) -> CreatePost:
        """Create Post."""
        from mediaposter.usecases.posting.create_post import CreatePost

        return CreatePost(
            videos=self.videos,
            posts=self.posts,
            media=self.edges.media,
            publishers=self.edges.build_publisher,
            reserve_rate_slot=self._take_place,
            send_event=self.edges.send_event,
            count_metric=self.edges.count_metric,
            clock=self.edges.now,
            lease_seconds=self.settings.call_lease_seconds,
        )

    @cached_property
    def check_post(self) -> CheckPost:
        """Check Post."""
        from mediaposter.usecases.posting.check_post import CheckPost

        return CheckPost(
            videos=self.videos,
            posts=self.posts,
            publishers=self.edges.build_publisher,
            send_event=self.edges.send_event,
            count_metric=self.edges.count_metric,
            clock=self.edges.now,
        )

    @cached_property
    def close_video(self) -> CloseVideo:
        """Close Video, also for failed executions."""
        from mediaposter.usecases.generation.store_and_close import CloseVideo

        return CloseVideo(
            videos=self.videos,
            posts=self.posts,
            send_event=self.edges.send_event,
            count_metric=self.edges.count_metric,
            measure=self.edges.measure,
            clock=self.edges.now,
        )

    # The steps of a batch.

    @cached_property
    def read_rows(self) -> ReadRows:
        """Read Rows."""
        from mediaposter.usecases.batches.read_rows import ReadRows

        return ReadRows(
            batches=self.batches,
            files=self.edges.batch_files,
            pictures=lambda: self.edges.media,
            end=self.end_batch,
            clock=self.edges.now,
        )

    @cached_property
    def submit_chunk(self) -> SubmitChunk:
        """Submit Chunk."""
        from mediaposter.usecases.batches.submit import SubmitChunk

        return SubmitChunk(
            batches=self.batches,
            files=self.edges.batch_files,
            submit=self.submit_video,
            requests=self.requests,
            find_key=self.keys.find_by_hash,
            rest=self.edges.rest_between_rows,
            clock=self.edges.now,
        )

    @cached_property
    def finish_submitting(self) -> FinishSubmitting:
        """Finish Submitting."""
        from mediaposter.usecases.batches.submit import FinishSubmitting

        return FinishSubmitting(
            batches=self.batches,
            files=self.edges.batch_files,
            requests=self.requests,
            end=self.end_batch,
            clock=self.edges.now,
        )

    @cached_property
    def write_results(self) -> WriteResults:
        """Write Results."""
        from mediaposter.usecases.batches.finish import WriteResults

        return WriteResults(
            batches=self.batches,
            videos=self.videos,
            posts=self.posts,
            files=self.edges.batch_files,
            end=self.end_batch,
            public_url=self.edges.public_url,
        )

    @cached_property
    def cancel_part(self) -> CancelPart:
        """Cancel Part."""
        from mediaposter.usecases.batches.finish import CancelPart

        return CancelPart(
            batches=self.batches,
            files=self.edges.batch_files,
            cancel_video=self.cancel_video,
        )

    @cached_property
    def cancel_video(self) -> CancelVideo:
        """Cancels a video of a batch."""
        from mediaposter.usecases.videos.cancel import CancelVideo

        return CancelVideo(
            videos=self.videos,
            posts=self.posts,
            workflow=self.edges.workflow,
            close=self.close_video,
            cancel_render=self.edges.cancel_render,
            clock=self.edges.now,
        )

    @cached_property
    def end_batch(self) -> EndBatch:
        """Ends a batch."""
        from mediaposter.usecases.batches.finish import EndBatch

        return EndBatch(
            batches=self.batches,
            send_event=self.edges.send_event,
            clock=self.edges.now,
        )

    # What runs by itself.

    @cached_property
    def announce_video(self) -> AnnounceVideo:
        """Sends the events of new videos."""
        from mediaposter.usecases.scheduled.announce import AnnounceVideo

        return AnnounceVideo(
            videos=self.videos,
            send_event=self.edges.send_event,
            warn_of_budgets=self.warn_of_budgets,
        )

    @cached_property
    def warn_of_budgets(self) -> WarnOfBudgets:
        """The warnings of limits that are nearly used up."""
        from mediaposter.usecases.scheduled.warn_budget import WarnOfBudgets

        return WarnOfBudgets(
            budget=self.budget,
            warnings=self.budget_warnings,
            send_event=self.edges.send_event,
            report=self.edges.report,
            clock=self.edges.now,
        )

    @cached_property
    def dispatch_videos(self) -> DispatchVideos:
        """Starts the videos that wait for a slot."""
        from mediaposter.usecases.scheduled.dispatch import DispatchVideos

        return DispatchVideos(
            videos=self.videos,
            slots=self.slots,
            workflow=self.edges.workflow,
            clock=self.edges.now,
        )

    @cached_property
    def resume_video(self) -> ResumeVideo:
        """Starts another execution for a video that has none."""
        from mediaposter.usecases.videos.resume import ResumeVideo

        return ResumeVideo(
            videos=self.videos,
            posts=self.posts,
            workflow=self.edges.workflow,
            close=self.close_video,
            clock=self.edges.now,
        )

    @cached_property
    def monitor_batch(self) -> MonitorBatch:
        """Monitors batches, for the sweep."""
        from mediaposter.usecases.batches.finish import MonitorBatch

        return MonitorBatch(
            batches=self.batches,
            workflow=self.edges.batch_workflow,
            end=self.end_batch,
            clock=self.edges.now,
        )

    @cached_property
    def read_accounts(self) -> ReadAccounts:
        """The nightly check of the accounts."""
        from mediaposter.usecases.posting.accounts import ReadAccounts, list_waiting_targets

        return ReadAccounts(
            accounts=self.accounts,
            publishers=self.edges.build_publisher,
            list_waiting_targets=lambda: list_waiting_targets(self.due, self.posts, now=self.edges.now()),
            count_metric=self.edges.count_metric,
            report=self.edges.report,
            clock=self.edges.now,
        )

    @cached_property
    def expire_approval(self) -> ExpireApproval:
        """Rejects approvals whose time is over, for the sweep."""
        from mediaposter.usecases.posting.approval import ExpireApproval

        return ExpireApproval(
            videos=self.videos,
            posts=self.posts,
            approvals=self.approvals,
            signaller=self.edges.signaller,
            clock=self.edges.now,
        )

    @cached_property
    def sweep(self) -> SweepDue:
        """The sweep."""
        from mediaposter.usecases.scheduled.sweep import ClearUp, SweepDue

        return SweepDue(
            due=self.due,
            videos=self.videos,
            posts=self.posts,
            resume_video=self.resume_video,
            expire_approval=self.expire_approval,
            monitor_batch=self.monitor_batch,
            clear_up=ClearUp(
                videos=self.videos,
                remove_media=self.edges.media.delete_video,
                forget_approval=self.approvals.forget,
                cancel_render=self.edges.cancel_render,
                clock=self.edges.now,
            ),
            dispatch_waiting=self.dispatch_waiting,
            create_post=self.create_post,
            check_post=self.check_post,
            clock=self.edges.now,
            monotonic=self.edges.monotonic,
        )

    @cached_property
    def measure_queues(self) -> MeasureQueues:
        """Measures the queues of the providers, after each sweep."""
        from mediaposter.usecases.scheduled.measure_queues import MeasureQueues

        return MeasureQueues(
            slots=self.slots,
            videos=self.videos,
            providers=lambda: self.edges.read_catalog().list_providers(),
            measure=self.edges.measure,
            clock=self.edges.now,
        )

    @cached_property
    def deliver_event(self) -> DeliverEvent:
        """Delivers webhooks."""
        from mediaposter.usecases.scheduled.deliver_webhook import DeliverEvent
        from mediaposter.usecases.scheduled.recorded_events import FindRecorded

        return DeliverEvent(
            find_recorded=FindRecorded(
                videos=self.videos,
                posts=self.posts,
                approvals=self.approvals,
                batches=self.batches,
                budget_warnings=self.budget_warnings,
                studio_url=self._find_studio_url,
            ),
            post_json=self.edges.post_json,
            notices=self.send_notice,
            put_off=self.edges.put_off,
            signing_key=partial(self.edges.read_secret, "webhook-signing-key"),
            count_metric=self.edges.count_metric,
            clock=self.edges.now,
        )

    @cached_property
    def send_notice(self) -> SendNotice:
        """Tells people in chats and by e-mail."""
        from mediaposter.usecases.scheduled.approval_notices import SendNotice, TelegramChat

        return SendNotice(
            videos=self.videos,
            posts=self.posts,
            approvals=self.approvals,
            pictures=lambda: self.edges.media,
            post_document=lambda: self.edges.post_document,
            send_email=self.edges.send_email,
            read_secret=self.edges.read_secret,
            telegram=TelegramChat(self.settings.telegram_base_url, self.settings.approval_telegram_chat),
            studio_url=self._find_studio_url,
            clock=self.edges.now,
        )

    @cached_property
    def open_upload(self) -> OpenUpload:
        """POST /uploads."""
        from mediaposter.stores.rate import UploadCountStore, UploadLimits
        from mediaposter.usecases.requests.upload import OpenUpload

        limits = UploadLimits(self.settings.uploads_per_day, self.settings.upload_bytes_per_day)
        return OpenUpload(
            media=self.edges.media, uploads=UploadCountStore(self.edges.table, limits), clock=self.edges.now
        )

    @cached_property
    def validate_accounts(self) -> ValidateAccounts:
        """The check of accounts before a post is planned."""
        from mediaposter.usecases.posting.accounts import ValidateAccounts

        return ValidateAccounts(
            accounts=self.accounts,
            publishers=partial(self.edges.build_publisher, timeout_seconds=_PREFLIGHT_TIMEOUT_SECONDS),
            clock=self.edges.now,
            monotonic=self.edges.monotonic,
        )

    def check_targets(self, targets: Sequence[PublishTarget]) -> list[str]:
        """Check accounts; without targets nothing is built, and only an unknown account loads the client."""
        warnings = self.validate_accounts.check(targets)
        return [*warnings, *([self.edges.posts_notice] if targets and self.edges.posts_notice else [])]

    def _find_studio_url(self) -> str | None:
        """Tell where the studio is, if there is one."""
        return f"{self.edges.public_url()}/studio" if self.settings.studio == "on" else None

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

    def _report_webhook(self, provider: str, heard: WebhookOutcome) -> None:
        logger.info("webhook", extra={"provider": provider, "outcome": heard})
        self.edges.count_metric(f"Webhooks{heard.capitalize()}")
