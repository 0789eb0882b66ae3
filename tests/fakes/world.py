"""The whole of MediaPoster over fakes: the use cases, and the stack that calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel

from mediaposter.ai.video_model_interface import VideoModelInterface
from mediaposter.api.requests import CreateVideoRequest
from mediaposter.errors import ConfigurationError, NotStarted
from mediaposter.events import PostEvent, VideoEvent
from mediaposter.library.budget import BudgetBook
from mediaposter.library.idempotency import KnownRequests
from mediaposter.library.posts import Post, PostLedger
from mediaposter.library.render_times import RenderTimesLibrary
from mediaposter.library.videos import Video, VideoLibrary
from mediaposter.pipeline.delete import DeleteVideo
from mediaposter.pipeline.finalize import CloseVideo, StoreVideo
from mediaposter.pipeline.generate import CheckGeneration, StartGeneration
from mediaposter.pipeline.publish import CheckPost, CreatePost
from mediaposter.pipeline.read import ReadLibrary
from mediaposter.pipeline.steps import CheckInput, CloseInput, PostStepInput, StepInput, StepResult
from mediaposter.pipeline.submit import SubmitVideo
from mediaposter.pipeline.sweep import SweepVideos
from mediaposter.pipeline.upload import ReadPicture
from mediaposter.publishing.publisher_interface import PublisherInterface
from tests.builders import CATALOG, VIDEO_ID, a_caller
from tests.fakes.clock import Clock
from tests.fakes.effects import Effects, SimulatedCrash
from tests.fakes.media import FakeMediaStore
from tests.fakes.publisher import FakePublisher
from tests.fakes.state_machine import Function, StateMachine, Status
from tests.fakes.table import InMemoryTable
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.workflow import FakeWorkflow

DEFINITION = Path(__file__).parents[2] / "statemachine" / "video.asl.json"
LEASE_SECONDS = 120
GENERATION_TIMEOUT_SECONDS = 3_600
# The schedule of the sweep, and how often the rule behind a broken execution tries: template.yaml.
_SWEEP_EVERY_SECONDS = 300
_CLOSE_AGAIN_AFTER_SECONDS = 60
_CALLS_MAX = 5

InputType = TypeVar("InputType", bound=BaseModel)


class World:
    """One stack over fakes. What is not given is a collaborator that works.

    Attributes:
        other_models: the providers of the models that are not the first one's.
        missing_key: what asking for the model or the publisher raises, if anything.
        meanwhile: what happens, once, between a step's look at the record and its next write.
        statuses: how each execution ended.
    """

    def __init__(
        self,
        *,
        effects: Effects | None = None,
        model: Callable[[Effects], FakeVideoModel] = FakeVideoModel,
        publisher: Callable[[Effects], FakePublisher] = FakePublisher,
        media: Callable[[Effects], FakeMediaStore] = FakeMediaStore,
        workflow: Callable[[Effects], FakeWorkflow] = FakeWorkflow,
        other_models: Mapping[str, Callable[[Effects], FakeVideoModel]] = MappingProxyType({}),
        default_fallbacks: Sequence[str] = (),
        stack_daily_budget_micros: int | None = None,
        ids: Sequence[str] = (),
    ) -> None:
        new_ids = list(ids)
        self.effects = effects or Effects()
        self.clock = Clock()
        self.table = InMemoryTable(self.effects)
        self.library = VideoLibrary(self.table)
        self.ledger = PostLedger(self.table)
        self.model = model(self.effects)
        self.other_models = {name: build(self.effects) for name, build in other_models.items()}
        self.publisher = publisher(self.effects)
        self.media = media(self.effects)
        self.workflow = workflow(self.effects)
        self.missing_key: ConfigurationError | None = None
        self.meanwhile: Callable[[], object] | None = None
        self.events: list[VideoEvent] = []
        self.post_events: list[PostEvent] = []
        self.metrics: list[str] = []
        self.statuses: list[Status] = []

        self.requests = KnownRequests(self.table)
        self.budget = BudgetBook(self.table)
        self.submit = SubmitVideo(
            library=self.library,
            ledger=self.ledger,
            requests=self.requests,
            budget=self.budget,
            pictures=lambda: self.media,
            stack_daily_budget_micros=stack_daily_budget_micros,
            catalogs=lambda: CATALOG,
            default_fallbacks=default_fallbacks,
            workflow=self.workflow,
            count_metric=self.metrics.append,
            clock=self.clock,
            new_id=lambda: new_ids.pop(0) if new_ids else VIDEO_ID,
        )
        self.start = StartGeneration(
            library=self.library,
            models=self._give_model,
            pictures=ReadPicture(media=lambda: self.media),
            render_times=RenderTimesLibrary(self.table),
            clock=self.clock,
            lease_seconds=LEASE_SECONDS,
            timeout_seconds=GENERATION_TIMEOUT_SECONDS,
        )
        self.check = CheckGeneration(
            library=self.library,
            models=self._give_model,
            render_times=RenderTimesLibrary(self.table),
            clock=self.clock,
        )
        self.store = StoreVideo(
            library=self.library,
            ledger=self.ledger,
            media=self.media,
            models=self._give_model,
            clock=self.clock,
            monotonic=self.clock.monotonic,
        )
        self.create_post = CreatePost(
            library=self.library,
            ledger=self.ledger,
            media=self.media,
            publishers=self._give_publisher,
            send_event=self._send_event,
            count_metric=self.metrics.append,
            clock=self.clock,
            lease_seconds=LEASE_SECONDS,
        )
        self.check_post = CheckPost(
            library=self.library,
            ledger=self.ledger,
            publishers=self._give_publisher,
            send_event=self._send_event,
            count_metric=self.metrics.append,
            clock=self.clock,
        )
        self.close = CloseVideo(
            library=self.library,
            ledger=self.ledger,
            send_event=self._send_event,
            count_metric=self.metrics.append,
            clock=self.clock,
        )
        self.sweep = SweepVideos(library=self.library, workflow=self.workflow, close=self.close, clock=self.clock)
        self.read = ReadLibrary(
            library=self.library, ledger=self.ledger, budget=self.budget, media=self.media, clock=self.clock
        )
        self.faults: list[str] = []
        self.delete = DeleteVideo(
            library=self.library,
            ledger=self.ledger,
            media=self.media,
            models=self._give_model,
            workflow=self.workflow,
            count_metric=self.metrics.append,
            report_fault=self.faults.append,
            clock=self.clock,
        )

    @property
    def video(self) -> Video:
        """Read the one video."""
        return self.library.get(VIDEO_ID)

    @property
    def posts(self) -> list[Post]:
        """Read its posts."""
        return self.ledger.list(VIDEO_ID)

    def keep(self, video: Video, *posts: Post) -> None:
        """Put records as they are, as if an earlier run had."""
        self.table.create([video, *posts])

    def deliver(self, request: CreateVideoRequest, *, crash_error: str = "Runtime.ExitError") -> None:
        """Take a request and do all that the stack would do about it, until nothing moves any more."""
        with suppress(SimulatedCrash, NotStarted):  # the caller has an error; the stack goes on
            self.submit(request, caller=a_caller())
        self.run_executions(crash_error=crash_error)
        if Status.FAILED in self.statuses:
            closing = CloseInput(video_id=VIDEO_ID, fault="execution FAILED")
            self._call_until_done(lambda: self.close(closing), every_seconds=_CLOSE_AGAIN_AFTER_SECONDS)
        self.clock.advance(_SWEEP_EVERY_SECONDS)
        self._call_until_done(self.sweep, every_seconds=_SWEEP_EVERY_SECONDS)

    def run_executions(self, *, crash_error: str = "Runtime.ExitError") -> None:
        """Carry the executions that were started to their ends."""
        for video_id in self.workflow.executions:
            machine = StateMachine(DEFINITION, self._functions(), self.clock, crash_error=crash_error)
            self.statuses.append(machine.run({"video_id": video_id}))

    def _call_until_done(self, call: Callable[[], object], *, every_seconds: float) -> None:
        for _ in range(_CALLS_MAX):
            self.clock.advance(every_seconds)
            try:
                call()
            except SimulatedCrash:
                continue
            return
        raise AssertionError("it crashed each time it was called")

    def _functions(self) -> dict[str, Function]:
        return {
            "${StartFunctionArn}": _as_function(StepInput, self.start),
            "${PollFunctionArn}": _as_function(CheckInput, self.check),
            "${StoreFunctionArn}": _as_function(StepInput, self.store),
            "${PublishFunctionArn}": _as_function(PostStepInput, self.create_post),
            "${TrackFunctionArn}": _as_function(PostStepInput, self.check_post),
            "${CloseFunctionArn}": _as_function(CloseInput, self.close),
        }

    def _give_model(self, video: Video) -> VideoModelInterface:
        self._let_things_happen()
        return self.other_models.get(video.resolved_model, self.model)

    def _give_publisher(self) -> PublisherInterface:
        self._let_things_happen()
        return self.publisher

    def _let_things_happen(self) -> None:
        if self.missing_key is not None:
            raise self.missing_key
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            happen()

    def _send_event(self, event: VideoEvent | PostEvent) -> None:
        with self.effects.take(f"send {event.type}"):
            if isinstance(event, PostEvent):
                self.post_events.append(event)
            else:
                self.events.append(event)


def _as_function(input_type: type[InputType], use_case: Callable[[InputType], StepResult]) -> Function:
    """Wrap a use case as the handlers in functions/ do."""

    def handle(payload: dict[str, Any]) -> dict[str, Any]:
        return use_case(input_type.model_validate(payload)).model_dump(mode="json")

    return handle
