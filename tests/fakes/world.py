"""The whole of MediaPoster over fakes: the use cases, and the stack that calls them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from mediaposter.ai.catalog import Catalog
from mediaposter.ai.video_model_interface import VideoModelInterface
from mediaposter.config import Settings
from mediaposter.domain.errors import ConfigurationError, NotStarted, WebhookRejected
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.events import ApprovalNotice, BatchEvent, PostEvent, VideoEvent
from mediaposter.host.walker import WaitWrite
from mediaposter.publishing.chat_interface import ChatModel
from mediaposter.publishing.publisher_interface import PublisherInterface
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.posts import Post
from mediaposter.stores.table import Key
from mediaposter.stores.video_record import Video
from mediaposter.usecases.batches.create import BatchWorkflow
from mediaposter.usecases.generation.provider_webhooks import WebhookOutcome
from mediaposter.usecases.requests.request_captions import RequestCaptions
from mediaposter.usecases.steps import (
    LAUNCH,
    AwaitApprovalInput,
    CheckInput,
    CloseInput,
    PostStepInput,
    StepInput,
)
from mediaposter.wire.caller import Caller
from mediaposter.wire.requests import CreateVideoRequest
from tests.builders import CATALOG, VIDEO_ID, a_caller
from tests.fakes.clock import Clock
from tests.fakes.edges import FakeEdges, WorldStack
from tests.fakes.effects import Effects, SimulatedCrash
from tests.fakes.media import FakeMediaStore
from tests.fakes.publisher import FakePublisher
from tests.fakes.state_machine import Function, StateMachine, StatesError, Status
from tests.fakes.table import InMemoryTable
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.workflow import FakeWorkflow

if TYPE_CHECKING:
    from mediaposter.edges import BatchBucket

DEFINITION = Path(__file__).parents[2] / "statemachine" / "video.asl.json"
BATCH_DEFINITION = DEFINITION.with_name("batch.asl.json")
LEASE_SECONDS = 120
GENERATION_TIMEOUT_SECONDS = 3_600
# As the catalog says of a provider of which it says nothing.
KEPT_FOR = timedelta(hours=24)
# The schedule of the sweep, and how often the rule behind a broken execution tries: template.yaml.
_SWEEP_EVERY_SECONDS = 60
_SWEEPS_MAX = 200
POSTS_PER_MINUTE = 30
UPLOADS_PER_MINUTE = 10
_CLOSE_AGAIN_AFTER_SECONDS = 60
_CALLS_MAX = 5
# Days pass without a decision: the sweep is not run every minute of them.
_LONG_SWEEP_SECONDS = 1_800

InputType = TypeVar("InputType", bound=BaseModel)


class World:
    """One stack over fakes. What is not given is a collaborator that works.

    Attributes:
        other_models: the providers of the models that are not the first one's.
        missing_key: what asking for the model or the publisher raises, if anything.
        meanwhile: what happens, once, between a step's look at the record and its next write.
        statuses: how each execution ended.
        machines: what carried each of them.
        while_asked: what people do while an execution waits for a decision.
        targets_checked: the targets that were looked up at the publisher.
        webhooks_at: when the provider's webhooks about its latest job come.
        heard: what became of each webhook.
        listening_fails: whether the machine cannot write down what it waits with.
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
        catalog: Catalog = CATALOG,
        default_fallbacks: Sequence[str] = (),
        stack_daily_budget_micros: int | None = None,
        stack_monthly_budget_micros: int | None = None,
        default_approval: str = "none",
        default_disclosure: str = "",
        studio: str = "on",
        approval_channels: str = "",
        validate_accounts: Callable[[Sequence[PublishTarget]], list[str]] = lambda _: [],
        slots: Mapping[str, int] = MappingProxyType({}),
        listens_to: Sequence[str] = (),
        table: Callable[[Effects], InMemoryTable] = InMemoryTable,
        ids: Iterable[str] = (),
        batch_ids: Iterable[str] = (),
        batch_files: BatchBucket | None = None,
        batch_workflow: BatchWorkflow | None = None,
        say: Callable[[BatchEvent], object] = lambda _: None,
        posts_per_minute: int = POSTS_PER_MINUTE,
        uploads_per_minute: int = UPLOADS_PER_MINUTE,
        clock: Clock | None = None,
        chat: Callable[[Effects], ChatModel] | None = None,
        caption_prices: tuple[int, int] = (0, 0),
    ) -> None:
        self.effects = effects or Effects()
        self.clock = clock or Clock()
        self.table = table(self.effects)
        self.model = model(self.effects)
        self.other_models = {name: build(self.effects) for name, build in other_models.items()}
        self.publisher = publisher(self.effects)
        self.publisher.clock = self.clock
        self.media = media(self.effects)
        self.chat = None if chat is None else chat(self.effects)
        self.workflow = workflow(self.effects)
        self.missing_key: ConfigurationError | None = None
        self.meanwhile: Callable[[], object] | None = None
        self.events: list[VideoEvent] = []
        self.post_events: list[PostEvent] = []
        self.notices: list[ApprovalNotice] = []
        self.definition = DEFINITION
        self.metrics: list[str] = []
        self.measures: list[tuple[str, float, str | None]] = []
        self.faults: list[str] = []
        self.rests = 0
        self.statuses: list[Status] = []
        self.machines: list[StateMachine] = []
        self._ran: set[str] = set()
        self.while_asked: Callable[[], object] = _nothing
        self.targets_checked: list[PublishTarget] = []
        self.validate_accounts = validate_accounts
        self.say = say
        self.webhooks_at: list[datetime] = []
        self.heard: list[WebhookOutcome] = []
        self.listening_fails = False
        self._listening_tokens: set[str] = set()

        settings = Settings.model_validate(
            {
                "FALLBACK_MODELS": tuple(default_fallbacks),
                "PROVIDER_WEBHOOKS": tuple(listens_to),
                "BLOTATO_POSTS_PER_MINUTE": posts_per_minute,
                "BLOTATO_UPLOADS_PER_MINUTE": uploads_per_minute,
                "CALL_LEASE_SECONDS": LEASE_SECONDS,
                "GENERATION_TIMEOUT_SECONDS": GENERATION_TIMEOUT_SECONDS,
                "DAILY_BUDGET_USD": stack_daily_budget_micros,
                "MONTHLY_BUDGET_USD": stack_monthly_budget_micros,
                "DEFAULT_APPROVAL": default_approval,
                "DEFAULT_DISCLOSURE": default_disclosure,
                "STUDIO": studio,
                "APPROVAL_CHANNELS": approval_channels,
                "APPROVAL_TELEGRAM_CHAT": "-100200/7",
                "CAPTIONS_MODEL": "" if chat is None else "words-1",
                "CAPTIONS_INPUT_PRICE_MICROS": caption_prices[0],
                "CAPTIONS_OUTPUT_PRICE_MICROS": caption_prices[1],
            }
        )
        edges = FakeEdges(self, catalog, batch_files, batch_workflow, {"video": iter(ids), "batch": iter(batch_ids)})
        self.stack = WorldStack(self, settings, edges, slots)
        self.video_store = self.stack.videos
        self.post_store = self.stack.posts
        self.requests = self.stack.requests
        self.budget = self.stack.budget
        self.slots = self.stack.slots
        self.approvals = self.stack.approvals
        self.hear = self.stack.receive_provider_webhook
        self.submit = self.stack.submit_video
        self.request_captions: RequestCaptions = self.stack.request_captions
        self.start = self.stack.start_generation
        self.check = self.stack.check_generation
        self.store = self.stack.store_video
        self.create_post = self.stack.create_post
        self.check_post = self.stack.check_post
        self.close = self.stack.close_video
        self.ask = self.stack.await_approval
        self.decide = self.stack.decide_approval
        self.expire = self.stack.expire_approval
        self.repost = self.stack.repeat_posts
        self.reschedule = self.stack.reschedule_post
        self.dispatch = self.stack.dispatch_videos
        self.resume = self.stack.resume_video
        self.sweep = self.stack.sweep
        self.read = self.stack.read_videos
        self.delete = self.stack.delete_video

    @property
    def video(self) -> Video:
        """Read the one video."""
        return self.video_store.get_unchecked(VIDEO_ID)

    @property
    def posts(self) -> list[Post]:
        """Read its posts."""
        return self.post_store.list_unchecked(VIDEO_ID)

    def keep(self, video: Video, *posts: Post) -> None:
        """Put records as they are, as if an earlier run had."""
        self.table.create([video, *posts])

    def deliver(
        self, request: CreateVideoRequest, *, caller: Caller | None = None, crash_error: str = "Runtime.ExitError"
    ) -> None:
        """Take a request and do all that the stack would do about it, until nothing moves any more."""
        with suppress(SimulatedCrash, NotStarted):  # the caller has an error; the stack goes on
            self.submit(request, caller=caller or a_caller())
        self.carry_on(crash_error=crash_error)

    def carry_on(self, *, crash_error: str = "Runtime.ExitError") -> None:
        """Do all that the stack would do about what is recorded, until nothing moves any more."""
        self.run_executions(crash_error=crash_error)
        if Status.FAILED in self.statuses:
            closing = CloseInput(video_id=VIDEO_ID, fault="execution FAILED")
            self._call_until_done(lambda: self.close(closing), every_seconds=_CLOSE_AGAIN_AFTER_SECONDS)
        self.sweep_until_nothing_is_due(crash_error=crash_error)

    def sweep_until_nothing_is_due(self, *, crash_error: str = "Runtime.ExitError") -> None:
        """Let the sweep come back to all that waits, however late it is due."""
        for _ in range(_SWEEPS_MAX):
            due = sorted(str(item["due_at"]) for item in self.table.items.values() if "due" in item)
            if not due:
                return
            left = datetime.fromisoformat(due[0]) - self.clock()
            self.clock.advance(max(left.total_seconds(), 0) + _SWEEP_EVERY_SECONDS)
            # What a sweep cannot do is an alarm of its own, and is tried by the next.
            with suppress(SimulatedCrash, ExceptionGroup):
                self.sweep()
            self.run_executions(crash_error=crash_error)
        raise AssertionError(f"something stays due: {due}")

    def run_executions(self, *, crash_error: str = "Runtime.ExitError") -> None:
        """Carry the executions that were started to their ends."""
        while started := self._take_started():
            for name, execution_input in started.items():
                status = self._build_machine(crash_error).run(execution_input)
                self.statuses.append(status)
                self.workflow.over.setdefault(name, ExecutionStatus(status))

    def walk_executions(self, *, crash_error: str = "Runtime.ExitError") -> dict[str, Generator[float, None, Status]]:
        """Give the executions that were started and not taken yet, by their names; who walks them lets time pass."""
        return {
            name: self._walk(name, execution_input, crash_error)
            for name, execution_input in self._take_started().items()
        }

    def _walk(self, name: str, execution_input: dict[str, Any], crash_error: str) -> Generator[float, None, Status]:
        status = yield from self._build_machine(crash_error).walk(execution_input)
        self.workflow.over.setdefault(name, ExecutionStatus(status))
        return status

    def _take_started(self) -> dict[str, dict[str, Any]]:
        """Give the inputs of the executions that were started and not taken yet, by their names."""
        started: dict[str, dict[str, Any]] = {}
        for name in self.workflow.executions:
            if name in self._ran:
                continue
            video_id, _, launch = name.partition(LAUNCH)
            posts = [post.model_dump() for post in self.workflow.postings.get(name, [])]
            started[name] = {"video_id": video_id, "launch": int(launch or 0), **({"posts": posts} if posts else {})}
        self._ran.update(started)
        return started

    def _build_machine(self, crash_error: str) -> StateMachine:
        machine = StateMachine(
            self.definition,
            self._functions(),
            self.clock,
            await_token=self._await_token,
            write_wait=self.write_wait,
            crash_error=crash_error,
        )
        self.machines.append(machine)
        return machine

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
            "${StartGenerationFunctionArn}": _as_function(StepInput, self.start),
            "${CheckGenerationFunctionArn}": _as_function(CheckInput, self.check),
            "${StoreVideoFunctionArn}": _as_function(StepInput, self.store),
            "${CreatePostFunctionArn}": _as_function(PostStepInput, self.create_post),
            "${CheckPostFunctionArn}": _as_function(PostStepInput, self.check_post),
            "${AwaitApprovalFunctionArn}": _as_function(AwaitApprovalInput, self.ask),
            "${CloseVideoFunctionArn}": _as_function(CloseInput, self.close),
        }

    def _await_token(self, task_token: str, seconds: float) -> Generator[float, None, dict[str, Any] | None]:
        """Let people decide and the sweep run until something is sent with a token, or the time is over."""
        if task_token in self._listening_tokens:
            return (yield from self._listen(task_token, seconds))
        until = self.clock() + timedelta(seconds=seconds)
        while task_token not in self.workflow.signals and self.clock() < until:
            with suppress(SimulatedCrash):
                self.while_asked()
            if task_token not in self.workflow.signals:
                yield _LONG_SWEEP_SECONDS
                # What a sweep cannot do is an alarm of its own, and is tried by the next.
                with suppress(SimulatedCrash, ExceptionGroup):
                    self.sweep()
        sent = self.workflow.signals.get(task_token)
        return None if sent is None else sent.model_dump(mode="json")

    def write_wait(self, write: WaitWrite) -> bool:
        """Write as DynamoDB would; tests/unit/stores/test_job_callbacks.py holds moto to the same."""
        if self.listening_fails:
            raise StatesError("DynamoDb.ProvisionedThroughputExceededException")
        key = Key(write.pk, write.sk)
        item = self.table.items.get(key, dict(key._asdict()))
        if "hinted_at" in item:
            return False
        self._listening_tokens.add(write.task_token)
        # Another execution may have had one of this name.
        self.workflow.signals.pop(write.task_token, None)
        version = item.get("version", Decimal(0)) + 1
        self.table.items[key] = {**item, "task_token": write.task_token, "ttl": Decimal(write.ttl), "version": version}
        return True

    def _listen(self, task_token: str, seconds: float) -> Generator[float, None, dict[str, Any] | None]:
        """Let the provider call, or the time pass."""
        until = self.clock() + timedelta(seconds=seconds)
        while self.webhooks_at and self.webhooks_at[0] < until and task_token not in self.workflow.signals:
            yield max((self.webhooks_at.pop(0) - self.clock()).total_seconds(), 0.0)
            self.call(f"job-{len(self.model.accepted)}", f"says so for the {len(self.heard) + 1}. time")
        sent = self.workflow.signals.get(task_token)
        if sent is None:
            yield (until - self.clock()).total_seconds()
            return None
        return sent.model_dump(mode="json")

    def call(self, job: str = "job-1", body: str = "is done", *, provider: str = "sora") -> None:
        """Call as a provider would, about a job of its; what it is answered is in `heard`."""
        with suppress(WebhookRejected):
            self.hear(provider, {}, f"{job} {body}".encode())

    def check_targets(self, targets: Sequence[PublishTarget]) -> list[str]:
        """Look targets up, as far as a test says anything of them."""
        self.targets_checked += list(targets)
        return self.validate_accounts(targets)

    def give_model(self, model: str) -> VideoModelInterface:
        """Give a model."""
        self._let_things_happen()
        return self.other_models.get(model, self.model)

    def give_publisher(self) -> PublisherInterface:
        """Give the publisher."""
        self._let_things_happen()
        return self.publisher

    def _let_things_happen(self) -> None:
        if self.missing_key is not None:
            raise self.missing_key
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            happen()

    def send_event(self, event: VideoEvent | PostEvent) -> None:
        """Tell the bus."""
        with self.effects.take(f"send {event.type}"):
            if isinstance(event, PostEvent):
                self.post_events.append(event)
            else:
                self.events.append(event)


def _nothing_of(_: str) -> None:
    """Let nothing happen about it."""


def _nothing() -> None:
    """Let nothing happen."""


def _as_function(input_type: type[InputType], use_case: Callable[[InputType], BaseModel | None]) -> Function:
    """Wrap a use case as the handlers in functions/ do."""

    def handle(payload: dict[str, Any]) -> Any:
        result = use_case(input_type.model_validate(payload))
        return None if result is None else result.model_dump(mode="json")

    return handle
