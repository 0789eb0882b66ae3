"""Build each collaborator once, lazily, and hand them to the use cases.

The only module that reads the environment, makes AWS clients and knows every adapter.
"""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING

from mediaposter.config import Settings
from mediaposter.errors import ConfigurationError
from mediaposter.observability import count_metric, logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import boto3
    from aws_lambda_powertools.utilities.parameters import SSMProvider
    from mypy_boto3_ssm import SSMClient

    from mediaposter.ai.catalog import Catalog
    from mediaposter.ai.video_model_interface import VideoModelInterface
    from mediaposter.events import EventBus
    from mediaposter.library.accounts import AccountBook
    from mediaposter.library.approvals import ApprovalBook
    from mediaposter.library.batch_files import BatchFiles
    from mediaposter.library.batches import BatchLibrary
    from mediaposter.library.budget import BudgetBook
    from mediaposter.library.job_waits import JobWaits
    from mediaposter.library.keys import KeyRing
    from mediaposter.library.media import MediaLibrary
    from mediaposter.library.posts import PostLedger
    from mediaposter.library.render_times import RenderTimesLibrary
    from mediaposter.library.slots import Slots
    from mediaposter.library.table import LibraryTable
    from mediaposter.library.videos import Video, VideoLibrary
    from mediaposter.pipeline.accounts import Preflight, ReadAccounts
    from mediaposter.pipeline.announce import AnnounceVideo
    from mediaposter.pipeline.approval import AskApproval, DecideApproval
    from mediaposter.pipeline.delete import DeleteVideo
    from mediaposter.pipeline.dispatch import DispatchVideos
    from mediaposter.pipeline.end_batch import CancelPart, EndBatch, LookAfterBatch, WriteResults
    from mediaposter.pipeline.finalize import CloseVideo, StoreVideo
    from mediaposter.pipeline.generate import CheckGeneration, StartGeneration
    from mediaposter.pipeline.intake import TakeRequest
    from mediaposter.pipeline.notify import DeliverEvent
    from mediaposter.pipeline.open_batch import CancelBatch, OpenBatch, ReadBatches
    from mediaposter.pipeline.publish import Call, CreatePost
    from mediaposter.pipeline.read import ReadLibrary
    from mediaposter.pipeline.read_posts import ReadPosts
    from mediaposter.pipeline.repost import RepeatPosts
    from mediaposter.pipeline.reschedule import ReschedulePost
    from mediaposter.pipeline.series import TakeTurn
    from mediaposter.pipeline.submit import SubmitVideo
    from mediaposter.pipeline.sweep import SweepDue, SweepVideos
    from mediaposter.pipeline.take_batch import CloseTaking, ReadRows, TakePart
    from mediaposter.pipeline.track import CheckPost
    from mediaposter.pipeline.upload import OpenUpload
    from mediaposter.pipeline.webhooks import Heard, HearWebhook, Listening
    from mediaposter.publishing.publisher_interface import PublisherInterface
    from mediaposter.publishing.targets import PublishTarget
    from mediaposter.workflow import BatchExecutions, StepFunctionsWorkflow, TaskTokens

# Imports stand inside the functions: each Lambda loads what its own use case needs, and submit loads
# no vendor's SDK. bench/cold_import.py holds that.

# A call to AWS that hangs must not use up the function's time.
_AWS_CONNECT_TIMEOUT_SECONDS = 3
_AWS_READ_TIMEOUT_SECONDS = 20
_SECRET_MAX_AGE_SECONDS = 300
_CATALOG_MAX_AGE_SECONDS = 60
# A caller waits for the answer. To move a post takes three questions or more.
_PREFLIGHT_TIMEOUT_SECONDS = 3.0
_CALLER_TIMEOUT_SECONDS = 8.0


@cache
def settings() -> Settings:
    """Read the settings of this function."""
    return Settings.from_environment(os.environ)


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def new_video_id() -> str:
    """Make an id that sorts by its time: milliseconds since 1970, then 80 random bits."""
    return f"video_{_new_sortable()}"


def new_batch_id() -> str:
    """Make an id of a batch, which sorts by its time as well."""
    return f"batch_{_new_sortable()}"


def _new_sortable() -> str:
    return f"{int(time.time() * 1000):012x}{uuid.uuid4().hex[:20]}"


@cache
def _session() -> boto3.Session:
    import boto3
    import botocore.config
    import botocore.session

    core = botocore.session.get_session()
    core.set_default_client_config(
        botocore.config.Config(
            connect_timeout=_AWS_CONNECT_TIMEOUT_SECONDS,
            read_timeout=_AWS_READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
    )
    return boto3.Session(botocore_session=core)


@cache
def _secrets() -> SSMProvider:
    from aws_lambda_powertools.utilities.parameters import SSMProvider

    client: SSMClient = _session().client("ssm")
    return SSMProvider(boto3_client=client)


def read_secret(name: str) -> str:
    """Read a secret of this stack from Parameter Store, verbatim.

    Raises:
        ConfigurationError: it was never put there.
    """
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    path = f"{settings().require('secrets_path')}/{name}"
    try:
        return str(_secrets().get(path, decrypt=True, max_age=_SECRET_MAX_AGE_SECONDS))
    except GetParameterError as error:
        # Powertools raises its own error from within the handling of the service's.
        if type(error.__context__).__name__ == "ParameterNotFound":
            raise ConfigurationError(
                f"The secret {path} is missing. Put it: "
                f"aws ssm put-parameter --type SecureString --name {path} --value …"
            ) from error
        raise


@cache
def library_table() -> LibraryTable:
    """Build the table."""
    from mediaposter.library.table import LibraryTable

    return LibraryTable(_session().client("dynamodb"), settings().require("library_table"))


@cache
def key_ring() -> KeyRing:
    """Build the keys."""
    from mediaposter.library.keys import KeyRing

    return KeyRing(library_table())


@cache
def video_library() -> VideoLibrary:
    """Build the videos."""
    from mediaposter.library.videos import VideoLibrary

    return VideoLibrary(library_table())


@cache
def post_ledger() -> PostLedger:
    """Build the ledger of posts."""
    from mediaposter.library.posts import PostLedger

    return PostLedger(library_table())


@cache
def render_times() -> RenderTimesLibrary:
    """Build what is known of how long renders take."""
    from mediaposter.library.render_times import RenderTimesLibrary

    return RenderTimesLibrary(library_table())


@cache
def slots() -> Slots:
    """Build the slots of the providers."""
    from mediaposter.library.slots import Slots

    return Slots(library_table(), limit_renders)


def limit_renders(provider: str) -> int:
    """Tell how many videos a provider renders for this stack at once: what it was told, or what the catalog says."""
    told = settings().provider_concurrency.get(provider)
    return catalog().count_renders_at_once(provider) if told is None else told


@cache
def media_library() -> MediaLibrary:
    """Build the store of the MP4s."""
    from botocore.config import Config

    from mediaposter.library.media import MediaLibrary

    # By default boto3 presigns with version 2, which newer regions and KMS refuse, and for S3's global address, which
    # sends its callers on to the bucket's region: the signature, which names the host, does not hold there. Only a
    # bucket's own name is of its region (Amazon S3 user guide, "Virtual hosting"), and a local cloud has no such names.
    is_elsewhere = any(map(os.environ.get, ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")))
    config = Config(signature_version="s3v4", s3={"addressing_style": "path" if is_elsewhere else "virtual"})
    return MediaLibrary(_session().client("s3", config=config), settings().require("video_bucket"))


@cache
def workflow() -> StepFunctionsWorkflow:
    """Build the state machine's starter."""
    from mediaposter.workflow import StepFunctionsWorkflow

    return StepFunctionsWorkflow(_session().client("stepfunctions"), settings().require("state_machine_arn"))


def catalog() -> Catalog:
    """Read the catalog of this stack: the built-in one, extended by its file and its parameter.

    Raises:
        ConfigurationError: the file or the parameter is wrong; the sentence says where.
    """
    # The minute is the key of the cache: a new file holds a minute later, and a warm function reads it once a minute.
    return _read_catalog(int(time.time() // _CATALOG_MAX_AGE_SECONDS))


@lru_cache(maxsize=1)
def _read_catalog(_period: int) -> Catalog:
    from mediaposter.ai.catalog import built_in_catalog, built_in_catalog_text, parse_catalog

    found = built_in_catalog()
    if key := settings().catalog_key:
        found = parse_catalog(media_library().read_text(key), extending=built_in_catalog_text())
    return found.with_aliases(settings().model_aliases)


def model_for(video: Video) -> VideoModelInterface:
    """Build the model that renders a video.

    Raises:
        ConfigurationError: its key or address is missing.
    """
    from mediaposter.ai.video_model_factory import create_video_model, find_model_class

    model_class = find_model_class(video.provider)
    account = model_class.account or video.provider
    return create_video_model(
        video.provider,
        video.resolved_model,
        api_key=read_secret(f"providers/{account}-api-key") if model_class.needs_api_key else "",
        base_url=_find_base_url(model_class, account),
        catalog=catalog(),
    )


def _find_base_url(model_class: type[VideoModelInterface], account: str) -> str:
    # Bedrock writes its videos into a bucket: this stack's own.
    addresses = {"bedrock": f"s3://{settings().require('video_bucket')}/renders", **settings().provider_base_urls}
    base_url = addresses.get(account, model_class.default_base_url)
    if base_url is None:
        raise ConfigurationError(
            f"This stack does not know where the provider {account} is: put {account}=https://… into its parameter "
            "ProviderBaseUrls."
        )
    return base_url


def publisher(*, timeout_seconds: float | None = None) -> PublisherInterface:
    """Build the publisher, which waits for an answer as long as it does by itself, or so long.

    Raises:
        ConfigurationError: its key is missing.
    """
    from mediaposter.publishing.blotato_client import BlotatoClient

    return BlotatoClient(
        api_key=read_secret("blotato-api-key"),
        base_url=settings().blotato_base_url,
        timeout_seconds=timeout_seconds,
    )


@cache
def account_book() -> AccountBook:
    """Build what is known of the accounts."""
    from mediaposter.library.accounts import AccountBook

    return AccountBook(library_table())


@cache
def preflight() -> Preflight:
    """Build the check of accounts before a post is planned."""
    from mediaposter.pipeline.accounts import Preflight

    return Preflight(
        book=account_book(),
        publishers=partial(publisher, timeout_seconds=_PREFLIGHT_TIMEOUT_SECONDS),
        clock=now,
        monotonic=time.monotonic,
    )


def check_targets(targets: Sequence[PublishTarget]) -> list[str]:
    """Check accounts: who posts nothing builds nothing, and only an unknown account loads the publisher's client."""
    return preflight().check(targets)


@cache
def read_accounts() -> ReadAccounts:
    """Build the nightly check of the accounts."""
    from mediaposter.library.due import DueList
    from mediaposter.pipeline.accounts import ReadAccounts, list_waiting_targets

    due = DueList(library_table())
    return ReadAccounts(
        book=account_book(),
        publishers=publisher,
        list_waiting_targets=lambda: list_waiting_targets(due, post_ledger(), now=now()),
        count_metric=_count,
        report=logger.warning,
        clock=now,
    )


@cache
def event_bus() -> EventBus:
    """Build the bus of the stack."""
    from mediaposter.events import EventBus

    return EventBus(_session().client("events"), settings().require("event_bus"))


@cache
def budget_book() -> BudgetBook:
    """Build the figures of what is spent."""
    from mediaposter.library.budget import BudgetBook

    return BudgetBook(library_table())


@cache
def submit_video() -> SubmitVideo:
    """Build the use case behind POST /videos."""
    from mediaposter.library.idempotency import KnownRequests
    from mediaposter.pipeline.submit import SubmitVideo

    return SubmitVideo(
        library=video_library(),
        ledger=post_ledger(),
        requests=KnownRequests(library_table()),
        budget=budget_book(),
        pictures=media_library,
        catalogs=catalog,
        default_fallbacks=settings().fallback_models,
        stack_daily_budget_micros=settings().daily_budget_micros,
        preflight=check_targets,
        slots=slots(),
        workflow=workflow(),
        count_metric=_count,
        clock=now,
        new_id=new_video_id,
    )


@cache
def take_turn() -> TakeTurn:
    """Build the use case behind the turns of series."""
    from mediaposter.library.series import SeriesBook
    from mediaposter.library.sheets import SheetStore
    from mediaposter.pipeline.series import TakeTurn

    return TakeTurn(
        book=SeriesBook(library_table()),
        sheets=SheetStore(_session().client("s3"), settings().require("video_bucket")),
        submit=submit_video(),
        send_event=event_bus().send,
        count_metric=_count,
        report=logger.warning,
        clock=now,
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
        files=Inbox(_session().client("s3"), settings().require("video_bucket")),
        send_event=event_bus().send,
        inbox_owner=settings().inbox_owner,
        events_owner=settings().events_owner,
        clock=now,
    )


@cache
def batch_library() -> BatchLibrary:
    """Build the batches."""
    from mediaposter.library.batches import BatchLibrary

    return BatchLibrary(library_table())


@cache
def batch_files() -> BatchFiles:
    """Build the files of the batches."""
    from mediaposter.library.batch_files import BatchFiles

    return BatchFiles(_session().client("s3"), settings().require("video_bucket"))


@cache
def batch_executions() -> BatchExecutions:
    """Build the starter of the batches' state machine."""
    from mediaposter.workflow import BatchExecutions

    return BatchExecutions(_session().client("stepfunctions"), settings().require("batch_machine_arn"))


@cache
def open_batch() -> OpenBatch:
    """Build the use case behind POST /batches and the files of the inbox."""
    from mediaposter.library.idempotency import KnownRequests
    from mediaposter.pipeline.open_batch import OpenBatch

    return OpenBatch(
        batches=batch_library(),
        files=batch_files(),
        requests=KnownRequests(library_table()),
        workflow=batch_executions(),
        clock=now,
        new_id=new_batch_id,
    )


@cache
def read_batches() -> ReadBatches:
    """Build the questions about batches."""
    from mediaposter.pipeline.open_batch import ReadBatches

    return ReadBatches(batches=batch_library(), library=video_library(), media=media_library())


@cache
def cancel_batch() -> CancelBatch:
    """Build the use case behind POST /batches/{id}/cancel."""
    from mediaposter.pipeline.open_batch import CancelBatch

    return CancelBatch(batches=batch_library(), workflow=batch_executions(), clock=now)


@cache
def end_batch() -> EndBatch:
    """Build what ends a batch."""
    from mediaposter.pipeline.end_batch import EndBatch

    return EndBatch(batches=batch_library(), send_event=event_bus().send, clock=now)


@cache
def look_after_batch() -> LookAfterBatch:
    """Build what the sweep does about batches."""
    from mediaposter.pipeline.end_batch import LookAfterBatch

    return LookAfterBatch(batches=batch_library(), workflow=batch_executions(), end=end_batch(), clock=now)


@cache
def read_rows() -> ReadRows:
    """Build the step Read Rows."""
    from mediaposter.pipeline.take_batch import ReadRows

    return ReadRows(batches=batch_library(), files=batch_files(), pictures=media_library, end=end_batch(), clock=now)


@cache
def take_part() -> TakePart:
    """Build the step Take Part."""
    from mediaposter.library.idempotency import KnownRequests
    from mediaposter.pipeline.take_batch import TakePart

    return TakePart(
        batches=batch_library(),
        files=batch_files(),
        submit=submit_video(),
        requests=KnownRequests(library_table()),
        clock=now,
    )


@cache
def close_taking() -> CloseTaking:
    """Build the step Close Taking."""
    from mediaposter.library.idempotency import KnownRequests
    from mediaposter.pipeline.take_batch import CloseTaking

    return CloseTaking(
        batches=batch_library(),
        files=batch_files(),
        requests=KnownRequests(library_table()),
        end=end_batch(),
        clock=now,
    )


@cache
def write_results() -> WriteResults:
    """Build the step Write Results."""
    from mediaposter.pipeline.end_batch import WriteResults

    return WriteResults(
        batches=batch_library(),
        library=video_library(),
        ledger=post_ledger(),
        files=batch_files(),
        end=end_batch(),
        public_url=public_url,
    )


@cache
def cancel_part() -> CancelPart:
    """Build the step Cancel Part."""
    from mediaposter.pipeline.cancel import CancelVideo
    from mediaposter.pipeline.end_batch import CancelPart

    cancel_video = CancelVideo(
        library=video_library(),
        ledger=post_ledger(),
        models=model_for,
        workflow=workflow(),
        close=close_video(),
        report_fault=logger.warning,
        clock=now,
    )
    return CancelPart(batches=batch_library(), files=batch_files(), cancel_video=cancel_video)


@cache
def open_upload() -> OpenUpload:
    """Build the use case behind POST /uploads."""
    from mediaposter.pipeline.upload import OpenUpload

    return OpenUpload(media=media_library())


@cache
def read_library() -> ReadLibrary:
    """Build the use cases behind the GET routes."""
    from mediaposter.pipeline.read import ReadLibrary

    return ReadLibrary(
        library=video_library(),
        ledger=post_ledger(),
        budget=budget_book(),
        media=media_library(),
        stack_daily_budget_micros=settings().daily_budget_micros,
        clock=now,
    )


@cache
def read_posts() -> ReadPosts:
    """Build the questions about posts."""
    from mediaposter.pipeline.read_posts import ReadPosts

    return ReadPosts(library=video_library(), ledger=post_ledger(), approvals=approval_book())


@cache
def delete_video() -> DeleteVideo:
    """Build the use case behind DELETE /videos/{id}."""
    from mediaposter.pipeline.delete import DeleteVideo

    return DeleteVideo(
        library=video_library(),
        ledger=post_ledger(),
        approvals=approval_book(),
        media=media_library(),
        models=model_for,
        workflow=workflow(),
        report_fault=logger.warning,
        clock=now,
    )


@cache
def sweep_videos() -> SweepVideos:
    """Build the use case behind the sweep."""
    from mediaposter.pipeline.sweep import SweepVideos

    return SweepVideos(library=video_library(), workflow=workflow(), close=close_video(), clock=now)


@cache
def sweep_due() -> SweepDue:
    """Build the use case that comes back to what is due."""
    from mediaposter.library.due import DueList
    from mediaposter.pipeline.dispatch import ReclaimSlot
    from mediaposter.pipeline.sweep import SweepDue

    return SweepDue(
        due=DueList(library_table()),
        ledger=post_ledger(),
        create_post=create_post(),
        check_post=check_post(),
        start_posts=repeat_posts().start_left_over,
        expire_approval=decide_approval().expire,
        look_after_batch=look_after_batch(),
        reclaim_slot=ReclaimSlot(library=video_library(), workflow=workflow(), close=close_video(), clock=now),
        clock=now,
    )


def sweep() -> dict[str, int]:
    """Run every sweep, and count what each found."""
    from mediaposter.pipeline.sweep import sweep_each

    return sweep_each({"videos": sweep_videos(), "due": sweep_due(), "slots": dispatch_waiting})


@cache
def dispatch_videos() -> DispatchVideos:
    """Build what starts the videos that wait for a slot."""
    from mediaposter.pipeline.dispatch import DispatchVideos

    return DispatchVideos(library=video_library(), slots=slots(), workflow=workflow(), clock=now)


def dispatch_to(providers: Sequence[str]) -> int:
    """Start those who wait for some providers, and count them."""
    return dispatch_videos().dispatch_each(providers)


def dispatch_waiting() -> int:
    """Start those who wait for any provider, and count them."""
    return dispatch_to(catalog().list_providers())


@cache
def announce_video() -> AnnounceVideo:
    """Build what tells the bus of new videos."""
    from mediaposter.pipeline.announce import AnnounceVideo

    return AnnounceVideo(library=video_library(), send_event=event_bus().send)


@cache
def start_generation() -> StartGeneration:
    """Build the step Start Generation."""
    from mediaposter.pipeline.generate import StartGeneration
    from mediaposter.pipeline.upload import ReadPicture

    return StartGeneration(
        library=video_library(),
        models=model_for,
        pictures=ReadPicture(media=media_library),
        render_times=render_times(),
        slots=slots(),
        listening=listening(),
        clock=now,
        lease_seconds=settings().call_lease_seconds,
        timeout_seconds=settings().generation_timeout_seconds,
    )


@cache
def check_generation() -> CheckGeneration:
    """Build the step Check Generation."""
    from mediaposter.pipeline.generate import CheckGeneration

    return CheckGeneration(
        library=video_library(), models=model_for, render_times=render_times(), listening=listening(), clock=now
    )


@cache
def job_waits() -> JobWaits:
    """Build the waits for jobs."""
    from mediaposter.library.job_waits import JobWaits

    return JobWaits(library_table())


@cache
def listening() -> Listening:
    """Build what knows which jobs are listened to."""
    from mediaposter.pipeline.webhooks import Listening

    return Listening(waits=job_waits(), providers=settings().provider_webhooks, public_url=public_url)


def public_url() -> str:
    """Read where this stack's API is; no function can be told, for the API is made of the functions."""
    path = f"{settings().require('secrets_path')}/public-url"
    return str(_secrets().get(path, max_age=_SECRET_MAX_AGE_SECONDS))


@cache
def hear_webhook() -> HearWebhook:
    """Build the use case behind POST /webhooks/{provider}."""
    from mediaposter.pipeline.webhooks import HearWebhook

    return HearWebhook(
        providers=settings().provider_webhooks,
        parse_webhook=_parse_webhook,
        library=video_library(),
        waits=job_waits(),
        signaller=task_tokens(),
        report=_report_webhook,
        clock=now,
    )


def _parse_webhook(provider: str, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
    model = _hearing_model(provider)
    # Any of several may have signed, so that a new one can replace an old one.
    secrets = read_secret(f"webhooks/{provider}-secret").replace(",", " ").split() if model.signs_with_secret else ()
    return model.parse_webhook(headers, body, secrets=secrets, now=at)


@cache
def _hearing_model(provider: str) -> VideoModelInterface:
    """Build a model that reads its provider's webhooks; it keeps what it fetched to verify them."""
    from mediaposter.ai.video_model_factory import find_model_class

    model_class = find_model_class(provider)
    entries = [entry for entry in catalog().models.values() if entry.provider == provider]
    entry = next((entry for entry in entries if entry.capabilities.webhook), None)
    if entry is None:
        raise ConfigurationError(f"ProviderWebhooks names {provider}, and no model of it in the catalog has webhooks.")
    base_url = _find_base_url(model_class, model_class.account or provider)
    # It calls nobody with a key.
    return model_class(entry=entry, api_key="none", base_url=base_url)


def _report_webhook(provider: str, heard: Heard) -> None:
    logger.info("webhook", extra={"provider": provider, "outcome": heard})
    _count(f"Webhooks{heard.capitalize()}")


@cache
def store_video() -> StoreVideo:
    """Build the step Store Video."""
    from mediaposter.pipeline.finalize import StoreVideo

    return StoreVideo(
        library=video_library(),
        ledger=post_ledger(),
        media=media_library(),
        models=model_for,
        clock=now,
        monotonic=time.monotonic,
    )


@cache
def create_post() -> CreatePost:
    """Build the step Create Post."""
    from mediaposter.pipeline.publish import CreatePost

    return CreatePost(
        library=video_library(),
        ledger=post_ledger(),
        media=media_library(),
        publishers=publisher,
        take_place=_take_place,
        send_event=event_bus().send,
        count_metric=_count,
        clock=now,
        lease_seconds=settings().call_lease_seconds,
    )


@cache
def check_post() -> CheckPost:
    """Build the step Check Post."""
    from mediaposter.pipeline.track import CheckPost

    return CheckPost(
        library=video_library(),
        ledger=post_ledger(),
        publishers=publisher,
        send_event=event_bus().send,
        count_metric=_count,
        clock=now,
    )


def _take_place(call: Call, at: datetime) -> datetime:
    from mediaposter.library.rate import RateBook

    limits = {"upload": settings().uploads_per_minute, "post": settings().posts_per_minute}
    return RateBook(library_table()).take(f"publisher-{call}", per_minute=limits[call], now=at)


@cache
def task_tokens() -> TaskTokens:
    """Build what carries waiting executions on."""
    from mediaposter.workflow import TaskTokens

    return TaskTokens(_session().client("stepfunctions"))


@cache
def approval_book() -> ApprovalBook:
    """Build the approvals."""
    from mediaposter.library.approvals import ApprovalBook

    return ApprovalBook(library_table())


@cache
def ask_approval() -> AskApproval:
    """Build the step Await Approval."""
    from mediaposter.pipeline.approval import AskApproval

    return AskApproval(
        library=video_library(),
        ledger=post_ledger(),
        approvals=approval_book(),
        signaller=task_tokens(),
        send_event=event_bus().send,
        clock=now,
    )


@cache
def decide_approval() -> DecideApproval:
    """Build the use case behind POST /videos/{id}/approval."""
    from mediaposter.pipeline.approval import DecideApproval

    return DecideApproval(
        library=video_library(),
        ledger=post_ledger(),
        approvals=approval_book(),
        signaller=task_tokens(),
        preflight=check_targets,
        clock=now,
    )


@cache
def repeat_posts() -> RepeatPosts:
    """Build the use cases behind POST /videos/{id}/posts and …/resolve."""
    from mediaposter.pipeline.repost import RepeatPosts

    return RepeatPosts(
        library=video_library(),
        ledger=post_ledger(),
        workflow=workflow(),
        publishers=partial(publisher, timeout_seconds=_CALLER_TIMEOUT_SECONDS),
        preflight=check_targets,
        send_event=event_bus().send,
        clock=now,
    )


@cache
def reschedule_post() -> ReschedulePost:
    """Build the use cases behind PATCH and DELETE …/posts/{platform}/{account}."""
    from mediaposter.pipeline.reschedule import ReschedulePost

    return ReschedulePost(
        library=video_library(),
        ledger=post_ledger(),
        publishers=partial(publisher, timeout_seconds=_CALLER_TIMEOUT_SECONDS),
        clock=now,
    )


@cache
def close_video() -> CloseVideo:
    """Build the last step, which also closes what broke off."""
    from mediaposter.pipeline.finalize import CloseVideo

    return CloseVideo(
        library=video_library(), ledger=post_ledger(), send_event=event_bus().send, count_metric=_count, clock=now
    )


@cache
def deliver_event() -> DeliverEvent:
    """Build what delivers webhooks."""
    from mediaposter.pipeline.notify import DELIVERY_TIMEOUT_SECONDS, DeliverEvent
    from mediaposter.safe_http import post_json

    queue = _session().client("sqs")
    queue_url = settings().require("webhook_queue_url")
    return DeliverEvent(
        post_json=partial(
            post_json,
            timeout_seconds=DELIVERY_TIMEOUT_SECONDS,
            is_anywhere_allowed=settings().webhook_transport == "any",
        ),
        put_off=lambda receipt_handle, seconds: queue.change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        ),
        signing_key=lambda: read_secret("webhook-signing-key"),
        count_metric=_count,
        clock=now,
    )


def _count(name: str) -> None:
    count_metric(name, stack=settings().require("stack_name"))
