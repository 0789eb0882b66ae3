"""The edges of a stack in memory, and the stack on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from mediaposter.ai.catalog import Catalog
from mediaposter.ai.video_model_interface import VideoModelInterface
from mediaposter.config import Settings
from mediaposter.domain.errors import ConfigurationError, VideoModelError
from mediaposter.events import AnyAnswer, ApprovalNotice, BatchEvent, PostEvent, QueuedKind, SeriesExhausted, VideoEvent
from mediaposter.publishing.publisher_interface import PublisherInterface
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stack import Stack
from mediaposter.usecases.batches.create import BatchWorkflow
from mediaposter.usecases.generation.provider_webhooks import WebhookOutcome
from mediaposter.usecases.requests.intake import FileStore
from mediaposter.usecases.scheduled.approval_notices import PostDocument
from mediaposter.usecases.scheduled.deliver_webhook import PostJson
from mediaposter.usecases.scheduled.series import SheetReader
from mediaposter.usecases.steps import RenderToCancel
from tests.builders import VIDEO_ID
from tests.fakes.batch_edges import FakeBatchFileStore, FakeBatchWorkflow
from tests.fakes.media import FakeMediaStore
from tests.fakes.table import InMemoryTable
from tests.fakes.workflow import FakeWorkflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mediaposter.edges import BatchBucket
    from mediaposter.publishing.chat_interface import ChatModel
    from tests.fakes.world import World

PUBLIC_URL = "https://api.example/v1"
# How many videos each provider renders at once, where a test says nothing else.
SLOTS = 10


class FakeEdges:
    """What a world supplies to its stack."""

    def __init__(
        self,
        world: World,
        catalog: Catalog,
        batch_files: BatchBucket | None,
        batch_workflow: BatchWorkflow | None,
        ids: Mapping[str, Iterator[str]],
    ) -> None:
        self._world = world
        self._catalog = catalog
        self._ids = ids
        self.table: InMemoryTable = world.table
        self.media: FakeMediaStore = world.media
        self.inspected_media: FakeMediaStore = world.media
        self.workflow: FakeWorkflow = world.workflow
        self.signaller: FakeWorkflow = world.workflow
        self.batch_files: BatchBucket = batch_files or FakeBatchFileStore(world.effects)
        self.batch_workflow: BatchWorkflow = batch_workflow or FakeBatchWorkflow(world.effects)

    @property
    def inbox(self) -> FileStore:
        """No folder: tests of the inbox bring their own."""
        raise NotImplementedError

    @property
    def sheets(self) -> SheetReader:
        """No sheets: tests of series bring their own."""
        raise NotImplementedError

    @property
    def post_json(self) -> PostJson:
        """No way out: tests of webhooks bring their own."""
        raise NotImplementedError

    @property
    def post_document(self) -> PostDocument:
        """No way out: tests of notices bring their own."""
        raise NotImplementedError

    def send_email(self, subject: str, text: str) -> None:
        """No way out: tests of notices bring their own."""
        raise NotImplementedError

    def put_off(self, receipt_handle: str, seconds: int) -> None:
        """No queue: tests of webhooks bring their own."""
        raise NotImplementedError

    def send_event(self, event: QueuedKind | AnyAnswer | SeriesExhausted) -> None:
        """Tell the bus, which a world may bring."""
        if isinstance(event, BatchEvent):
            self._world.say(event)
        elif isinstance(event, ApprovalNotice):
            self._world.notices.append(event)
        else:
            assert isinstance(event, VideoEvent | PostEvent)
            self._world.send_event(event)

    def cancel_render(self, render: RenderToCancel) -> None:
        """Cancel a render as Lambda does what it is handed: the caller learns nothing of how it ends."""
        with suppress(VideoModelError):
            self._world.stack.cancel_render(render)

    def read_secret(self, name: str) -> str:
        """Give a secret that names itself."""
        return name

    def public_url(self) -> str:
        """Tell where the API is."""
        return PUBLIC_URL

    def read_catalog(self) -> Catalog:
        """Give the catalog."""
        return self._catalog

    def build_model(self, provider: str, model: str, *, seconds: float) -> VideoModelInterface:
        """Give a model of the world."""
        del provider, seconds
        return self._world.give_model(model)

    def build_chat_model(self) -> ChatModel:
        """Give the model of the world, if it has one."""
        if self._world.chat is None:
            raise ConfigurationError("There is no key.")
        return self._world.chat

    @property
    def posts_notice(self) -> str:
        """Warn of nothing."""
        return ""

    def build_publisher(self, *, timeout_seconds: float | None = None) -> PublisherInterface:
        """Give the publisher of the world."""
        del timeout_seconds
        return self._world.give_publisher()

    def parse_webhook(self, provider: str, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """Take the first word for the job."""
        del provider, headers, at
        return body.decode().partition(" ")[0]

    def count_metric(self, name: str) -> None:
        """Note a metric."""
        self._world.metrics.append(name)

    def measure(self, name: str, value: float, *, provider: str | None = None) -> None:
        """Note a value of a metric."""
        self._world.measures.append((name, value, provider))

    def report(self, sentence: str) -> None:
        """Note a fault."""
        self._world.faults.append(sentence)

    def rest_between_rows(self) -> None:
        """Note it, and go on at once."""
        self._world.rests += 1

    def now(self) -> datetime:
        """Tell the world's time."""
        return self._world.clock()

    def monotonic(self) -> float:
        """Tell the world's seconds."""
        return self._world.clock.monotonic()

    def new_id(self, kind: str) -> str:
        """Give the next id of a kind; without any, that of the one video."""
        return next(self._ids[kind], VIDEO_ID)


class WorldStack(Stack):
    """A stack as it is, whose tests say what accounts there are and how much each provider renders at once."""

    def __init__(self, world: World, settings: Settings, edges: FakeEdges, slots: Mapping[str, int]) -> None:
        super().__init__(settings, edges)
        self._world = world
        self._slots = slots

    def check_targets(self, targets: Sequence[PublishTarget]) -> list[str]:
        """Ask the world."""
        return self._world.check_targets(targets)

    def limit_renders(self, provider: str) -> int:
        """Give what the test says, or ten."""
        return self._slots.get(provider, SLOTS)

    def _report_webhook(self, provider: str, heard: WebhookOutcome) -> None:
        del provider
        self._world.heard.append(heard)
