"""The interface of a host: stores, executions, providers, the publisher, and the bus.

`aws.py` and the tests' `World` each supply one; `stack.py` builds all use cases on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime
    from typing import IO

    from mediaposter.ai.catalog import Catalog
    from mediaposter.ai.video_model_interface import VideoModelInterface
    from mediaposter.events import AnyAnswer, QueuedKind, SeriesExhausted
    from mediaposter.publishing.chat_interface import ChatModel
    from mediaposter.publishing.publisher_interface import PublisherInterface
    from mediaposter.stores.batch_files import FileVersion
    from mediaposter.stores.table import Table
    from mediaposter.usecases.batches.create import BatchWorkflow, InputStore
    from mediaposter.usecases.batches.rows import RowFiles
    from mediaposter.usecases.generation.inspect import Inspecting
    from mediaposter.usecases.generation.provider_webhooks import Signaller
    from mediaposter.usecases.generation.store_and_close import VideoKeeper
    from mediaposter.usecases.posting.create_post import StoredMedia
    from mediaposter.usecases.requests.intake import FileStore
    from mediaposter.usecases.requests.pictures import PictureStore
    from mediaposter.usecases.requests.upload import UploadStore
    from mediaposter.usecases.scheduled.approval_notices import Pictures, PostDocument
    from mediaposter.usecases.scheduled.deliver_webhook import PostJson
    from mediaposter.usecases.scheduled.series import SheetReader
    from mediaposter.usecases.steps import RenderToCancel
    from mediaposter.usecases.videos.delete import Stopper
    from mediaposter.usecases.videos.resume import Workflow

    class MediaBucket(VideoKeeper, StoredMedia, UploadStore, PictureStore, Pictures, Inspecting, Protocol):
        """Where videos and pictures are kept."""

    class BatchBucket(InputStore, RowFiles, Protocol):
        """Where the files of batches are kept."""

        def put(self, key: str, content: bytes, *, content_type: str = ...) -> FileVersion:
            """Put a file, in place of an earlier one."""

        def write(self, *keys: str, content_type: str = ...) -> AbstractContextManager[IO[bytes]]:
            """Write a file under some keys, when the block ends well."""

    class VideoWorkflow(Workflow, Stopper, Protocol):
        """What carries videos through their state machine."""


class Edges(Protocol):
    """The edges of a stack. Each is built when it is first asked for; ConfigurationError names what is missing."""

    @property
    def table(self) -> Table:
        """The table of all records."""

    @property
    def media(self) -> MediaBucket:
        """The videos and the pictures."""

    @property
    def inspected_media(self) -> VideoKeeper:
        """The videos, each decoded in a process without keys."""

    @property
    def batch_files(self) -> BatchBucket:
        """The files of batches."""

    @property
    def inbox(self) -> FileStore:
        """The inbox for request files, and the outbox for their results."""

    @property
    def sheets(self) -> SheetReader:
        """The sheets of series."""

    @property
    def workflow(self) -> VideoWorkflow:
        """The executions of videos."""

    @property
    def batch_workflow(self) -> BatchWorkflow:
        """The executions of batches."""

    @property
    def signaller(self) -> Signaller:
        """Resumes executions that wait for a task token."""

    def send_event(self, event: QueuedKind | AnyAnswer | SeriesExhausted) -> None:
        """Send an event to the bus."""

    def cancel_render(self, render: RenderToCancel) -> None:
        """Have a render stopped, without waiting for the provider."""

    def put_off(self, receipt_handle: str, seconds: int) -> None:
        """Let the webhook queue deliver a message again after `seconds`."""

    @property
    def post_json(self) -> PostJson:
        """What posts to a webhook's receiver."""

    @property
    def post_document(self) -> PostDocument:
        """What posts to a chat."""

    def send_email(self, subject: str, text: str) -> None:
        """Send an e-mail to the people of the stack. Raises VideoModelError if it was not taken."""

    def read_secret(self, name: str) -> str:
        """Read a secret of the stack."""

    def public_url(self) -> str:
        """Tell where the API is."""

    def read_catalog(self) -> Catalog:
        """Read the catalog of the stack."""

    def build_model(self, provider: str, model: str, *, seconds: float) -> VideoModelInterface:
        """Build a model whose calls end within `seconds` from now, whatever the provider does."""

    def build_publisher(self, *, timeout_seconds: float | None = None) -> PublisherInterface:
        """Build the publisher, with its default timeout or with `timeout_seconds`."""

    def build_chat_model(self) -> ChatModel:
        """Build the model that writes captions."""

    @property
    def posts_notice(self) -> str:
        """What every request with posts is warned of; "" is nothing."""

    def parse_webhook(self, provider: str, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """Verify a provider's webhook, and give the job it is about."""

    def count_metric(self, name: str) -> None:
        """Add one to a metric."""

    def measure(self, name: str, value: float, *, provider: str | None = None) -> None:
        """Add a value to a metric, of the stack or of one of its providers."""

    def report(self, sentence: str) -> None:
        """Log what an operator should read."""

    def rest_between_rows(self) -> None:
        """Wait before the next row of a batch, so that single requests get the items that both write."""

    def now(self) -> datetime:
        """Tell the time, in UTC."""

    def monotonic(self) -> float:
        """Give the seconds of a monotonic clock."""

    def new_id(self, kind: str) -> str:
        """Make an id of a `video` or a `batch`."""
