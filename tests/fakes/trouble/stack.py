"""The one place that knows the shape of the stack: what it is built of, who calls what, and how its records read.

When the product changes its shape, this is what follows it. The rest of the package knows no use case and no field.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import cycle
from typing import Any, cast

from mediaposter.ai.catalog import parse_catalog
from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoGenerationRequest
from mediaposter.domain.errors import ErrorCode
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.events import BatchEvent, EventNotSent, PostEvent, VideoEvent
from mediaposter.stores.batches import Batch, BatchStage, BatchStep
from mediaposter.stores.posts import SETTLED_STATES, STATES_FOR_A_PERSON, Post, PostState
from mediaposter.stores.table import Key
from mediaposter.stores.video_record import Video, video_key
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.steps import LAUNCH, CloseInput, PostReference, StepResult
from mediaposter.wire.batches import CancelBatchRequest, CreateBatchRequest, PartLine
from mediaposter.wire.caller import Caller
from mediaposter.wire.post_requests import ApprovalRequest, MoveRequest, PublishAgainRequest, ResolveRequest
from mediaposter.wire.request_context import RequestContext
from mediaposter.wire.requests import CreateVideoRequest
from tests.builders import NOW, OWNER, a_caller
from tests.fakes.batches import BatchWorld
from tests.fakes.clock import Clock
from tests.fakes.effects import Effects
from tests.fakes.state_machine import Function
from tests.fakes.table import InMemoryTable
from tests.fakes.trouble.history import Answer, History, RenderEnd, Who, Wish
from tests.fakes.trouble.tables import BuildTable, TroubledTable, keep_in_memory
from tests.fakes.trouble.vendors import (
    Execution,
    Executions,
    Job,
    TroubledEffects,
    TroubledFiles,
    TroubledMedia,
    TroubledProvider,
    TroubledPublisher,
    Weather,
)
from tests.fakes.world import World

# One model a provider: one that tells nothing, one that lists its jobs, one that lists them without their prompts,
# and one that knows a repetition. Each second costs ten cents.
CATALOG = parse_catalog(
    "\n".join(
        f"""
        [models.{provider}-1]
        provider = "{provider}"
        durations_seconds = [4, 8]
        sizes = ["720x1280", "1280x720"]
        price_usd_per_second = {{ "720" = "0.10" }}
        expected_render_seconds = 60
        capabilities = {{ {capabilities} }}
        options = {{ seed = {{ type = "integer" }} }}
        """
        for provider, capabilities in {
            "plain": 'image_roles = ["first_frame"]',
            "lists": 'list_jobs = true, cancel = true, image_roles = ["first_frame"]',
            "mute": 'list_jobs = true, image_roles = ["first_frame"]',
            "knows": 'idempotent_submit = true, cancel = true, webhook = true, image_roles = ["first_frame"]',
        }.items()
    )
)
MODELS = tuple(CATALOG.models)
PROVIDERS = tuple(entry.provider for entry in CATALOG.models.values())
# The steps of the machine, by what names their functions there.
STEPS: Mapping[str, Who] = {
    "${StartGenerationFunctionArn}": "start",
    "${CheckGenerationFunctionArn}": "check",
    "${StoreVideoFunctionArn}": "store",
    "${AwaitApprovalFunctionArn}": "ask",
    "${CreatePostFunctionArn}": "create_post",
    "${CheckPostFunctionArn}": "check_post",
    "${CloseVideoFunctionArn}": "close",
}
UPLOAD_ID = "upload_" + "0" * 32
BATCH_FUNCTION = "${RunBatchStepFunctionArn}"


class _Workflow:
    """The executions of videos, as the use cases start, stop and ask for them."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    def start(self, video_id: str, launch: int = 0, posts: Sequence[PostReference] = ()) -> None:
        references = {"posts": [post.model_dump() for post in posts]} if posts else {}
        self._executions.begin(_name(video_id, launch), {"video_id": video_id, "launch": launch, **references})

    def find_status(self, video_id: str, launch: int = 0) -> ExecutionStatus | None:
        return _read_status(self._executions, _name(video_id, launch))

    def stop(self, video_id: str, launch: int = 0) -> None:
        self._executions.end(_name(video_id, launch), "ABORTED")

    def signal(self, task_token: str, result: StepResult) -> None:
        self._executions.signal(task_token, result)


class _BatchWorkflow:
    """The executions of batches."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    def start(self, batch_id: str, step: BatchStep, run: int) -> None:
        given = {"batch_id": batch_id, "step": str(BatchStep(step))}
        self._executions.begin(f"{batch_id}-{BatchStep(step)}-{run}", given)

    def find_status(self, batch_id: str, step: BatchStep, run: int) -> ExecutionStatus | None:
        return _read_status(self._executions, f"{batch_id}-{BatchStep(step)}-{run}")


def _read_status(executions: Executions, name: str) -> ExecutionStatus | None:
    status = executions.find_status(name)
    return None if status is None else ExecutionStatus(status)


def _name(video_id: str, launch: int) -> str:
    return f"{video_id}{LAUNCH}{launch}" if launch else video_id


class _World(World):
    """A world whose bus may fail."""

    weather: Weather
    on_event: Callable[[VideoEvent | PostEvent | BatchEvent], object]

    def send_event(self, event: VideoEvent | PostEvent) -> None:
        """Tell the bus."""
        self.tell(event)

    def tell(self, event: VideoEvent | PostEvent | BatchEvent) -> None:
        """Tell the bus, which may not take an event, or take it and not say so."""
        how = self.weather.find("bus")
        with self.effects.take(f"send {event.type}"):
            if how == "down":
                raise EventNotSent(f"{event.type}: InternalFailure")
            self.on_event(event)
            if how == "deaf":
                raise EventNotSent(f"{event.type}: the connection was lost")


class _BatchWorld(BatchWorld):
    def _say(self, event: BatchEvent) -> None:
        assert isinstance(self.world, _World)
        self.world.tell(event)


class Stack:
    """The product over fakes that are in trouble.

    Attributes:
        executions: of videos and
        batch_executions: of batches.
        events: what the bus took, and when.
    """

    def __init__(
        self, history: History, clock: Clock, effects: TroubledEffects, *, build_table: BuildTable = keep_in_memory
    ) -> None:
        setting = history.setting
        self.setting = setting
        self._clock = clock
        self.weather = Weather(history.outages, clock)
        stale = cycle(setting.stale or (False,))
        lag = timedelta(seconds=setting.lag_seconds)
        self.executions = Executions(effects, self.weather, clock, lag=lag, stale=stale)
        self.batch_executions = Executions(effects, self.weather, clock, lag=lag, stale=stale)
        self.table = TroubledTable(build_table(effects, clock), self.weather, clock)
        self.events: list[tuple[datetime, VideoEvent | PostEvent | BatchEvent]] = []
        self.on_event: Callable[[VideoEvent | PostEvent | BatchEvent], object] = lambda _: None
        self._wishes: dict[str, Wish] = {}
        self.providers = {
            entry.name: TroubledProvider(
                entry, effects, self.weather, clock, tell_job=_tell_job, find_render=self._find_render
            )
            for entry in CATALOG.models.values()
        }
        self._batches = _BatchWorld(
            effects=effects,
            world_type=self._build_world(clock),
            catalog=CATALOG,
            model=lambda _: self.providers[MODELS[0]],
            other_models={name: _give(provider) for name, provider in self.providers.items()},
            publisher=lambda effects: TroubledPublisher(effects, self.weather),
            media=lambda effects: TroubledMedia(effects, self.weather),
            files=lambda effects: TroubledFiles(effects, self.weather),
            workflow=lambda _: _Workflow(self.executions),
            batch_workflow=lambda _: _BatchWorkflow(self.batch_executions),
            # A world asks it for what every table has, and for its items.
            table=lambda _: cast(InMemoryTable, self.table),
            slots=dict.fromkeys(PROVIDERS, setting.slots),
            listens_to=["knows"],
            stack_daily_budget_micros=setting.limit_micros if setting.limits_stack else None,
        )
        world = self._batches.world
        assert isinstance(world, _World)
        self._world = world
        world.weather = self.weather
        world.on_event = self._take_event
        assert isinstance(world.publisher, TroubledPublisher)
        assert isinstance(world.media, TroubledMedia)
        self.publisher = world.publisher
        self.publisher.list_lag_seconds = setting.list_lag_seconds
        self.media = world.media

    # What the stack does of itself

    def list_functions(self) -> dict[str, Function]:
        """Give the steps of the machine of videos."""
        return self._world._functions()

    def list_batch_functions(self) -> dict[str, Function]:
        """Give the steps of the machine of batches, which one function takes."""
        batches = self._batches
        steps: dict[str, Callable[[dict[str, Any]], Any]] = {
            "read_rows": lambda given: batches.read_rows(given["batch_id"]),
            "submit_chunk": lambda given: batches.submit_chunk(PartLine.model_validate(given)),
            "finish_submitting": lambda given: batches.finish_submitting(given["batch_id"]),
            "write_results": lambda given: batches.write_results(given["batch_id"]),
            "cancel_part": lambda given: batches.cancel_part(PartLine.model_validate(given)),
        }
        return {BATCH_FUNCTION: _as_function(lambda given: steps[given["step"]](given))}

    def read_parts(self, batch_id: str) -> list[dict[str, Any]]:
        """Read the parts of a batch, as its machine does."""
        return [part.model_dump() for part in self._batches.list_parts(batch_id)]

    def close_execution(self, name: str, status: str) -> None:
        """Do what the rule behind a broken execution does."""
        closing = CloseInput.model_validate({"execution": name, "fault": f"execution {status}"})
        self._world.close(closing)

    def sweep(self) -> None:
        """Do what is done each minute."""
        self._world.sweep()

    def dispatch(self, provider: str) -> None:
        """Do what the table's stream asks for."""
        self._world.dispatch.dispatch_each([provider])

    def hear(self, provider: str, job_id: str, body: str) -> None:
        """Take a webhook."""
        self._world.hear(provider, {}, f"{job_id} {body}".encode())

    def find_need(self) -> datetime | None:
        """Tell when the sweep next has something to do, as far as the table lists it."""
        needs = []
        for item in self.table.items.values():
            if "due" in item:
                needs.append(datetime.fromisoformat(str(item["due_at"])))
            if "waiting_for" in item:
                needs.append(NOW)
        return min(needs, default=None)

    def waits_for_slot(self, key: Key, item: Mapping[str, Any]) -> str | None:
        """Give the provider that videos wait for, by an item of the stream."""
        if key.sk != "SLOTS" or not item.get("waiting"):
            return None
        return key.pk.removeprefix("SLOTS#")

    # What people ask for

    def submit(self, wish: Wish, key: str) -> str:
        """Ask for a video, and get its id."""
        request = CreateVideoRequest.model_validate(self._describe(wish))
        return self._world.submit(
            request, caller=self._caller, request_context=RequestContext(idempotency_key=key)
        ).video.id

    def open_batch(self, rows: Sequence[Wish], key: str) -> str:
        """Ask for a batch."""
        request = CreateBatchRequest(rows=[self._describe(wish) for wish in rows])
        return self._batches.open(request, caller=self._caller, request_context=RequestContext(idempotency_key=key)).id

    def cancel_batch(self, batch_id: str, *, running: bool) -> None:
        """Ask for the end of a batch."""
        self._batches.cancel(batch_id, CancelBatchRequest(running=running), caller=self._caller)

    def delete(self, video_id: str) -> None:
        """Delete a video."""
        self._world.delete(video_id, caller=self._caller)

    def decide(self, video_id: str, answer: Answer) -> None:
        """Answer whether a video may be posted."""
        edits = {"text": "Look up"} if answer == "edit" else None
        decision = "reject" if answer == "reject" else "approve"
        request = ApprovalRequest.model_validate({"decision": decision, "edits": edits})
        self._world.decide(video_id, request, caller=self._caller)

    def post_again(self, video_id: str, account: str | None) -> None:
        """Post a kept video once more: to an account, or where it failed."""
        targets = [] if account is None else [{"platform": "twitter", "account_id": account}]
        self._world.repost(video_id, PublishAgainRequest.model_validate({"publish": targets}), caller=self._caller)

    def cancel_post(self, video_id: str, post_id: str) -> None:
        """Take away a scheduled post."""
        self._world.reschedule.cancel(video_id, post_id, caller=self._caller)

    def move_post(self, video_id: str, post_id: str) -> None:
        """Let a scheduled post go out ten minutes from now."""
        request = MoveRequest(scheduled_time=self._clock() + timedelta(minutes=10))
        self._world.reschedule.move(video_id, post_id, request, caller=self._caller)

    def resolve(self, video_id: str, post_id: str, *, is_public: bool) -> None:
        """Say what became of a post in doubt."""
        word: dict[str, Any] = {"outcome": "send_again"}
        if is_public:
            word = {"outcome": "posted", "url": "https://network.example/seen"}
        self._world.repost.resolve(video_id, post_id, ResolveRequest.model_validate(word), caller=self._caller)

    # How the records read

    @property
    def videos(self) -> list[Video]:
        """Read all records of videos."""
        return [Video.model_validate(item) for key, item in sorted(self.table.items.items()) if key.sk == "VIDEO"]

    @property
    def posts(self) -> list[Post]:
        """Read all posts."""
        return [
            Post.model_validate(item)
            for key, item in sorted(self.table.items.items())
            if key.pk.startswith("VIDEO#") and key.sk.startswith("POST#")
        ]

    @property
    def batches(self) -> list[Batch]:
        """Read all batches."""
        return [Batch.model_validate(item) for key, item in sorted(self.table.items.items()) if key.sk == "BATCH"]

    def has_ended(self, video: Video) -> bool:
        """Tell whether nothing more becomes of a video."""
        return video.failure is not None or video.stage is Stage.DONE

    def is_completed(self, video: Video) -> bool:
        """Tell whether it is told to be completed."""
        return video.failure is None and video.stored is not None

    def is_settled(self, video: Video) -> bool:
        """Tell whether its promise of money was taken back."""
        return video.reservation is None or video.reservation.settled_micros is not None

    def count_reserved(self, video: Video) -> int:
        """Count what it was promised, with what was added."""
        return video.reservation.micros if video.reservation else 0

    def was_cancelled(self, video: Video) -> bool:
        """Tell whether a person ended it."""
        return video.failure is not None and video.failure.code is ErrorCode.CANCELLED

    def has_post_ended(self, post: Post) -> bool:
        """Tell whether nothing more becomes of a post by itself."""
        return post.state in SETTLED_STATES

    def is_for_a_person(self, post: Post) -> bool:
        """Tell whether a person is asked what became of a post."""
        return post.state in STATES_FOR_A_PERSON

    def has_broken_off(self, post: Post) -> bool:
        """Tell whether it is told to be failed for a fault of ours."""
        return post.state is PostState.FAILED and post.error_code is ErrorCode.INTERNAL_ERROR

    def find_wish(self, video: Video) -> str:
        """Tell which request became a video."""
        return video.metadata["wish"]

    def can_repeat(self, video: Video) -> bool:
        """Tell whether its provider knows a submission that is repeated."""
        return self.providers[video.resolved_model].capabilities.idempotent_submit

    def was_never_started(self, video: Video) -> bool:
        """Tell whether a video failed that no execution ever carried."""
        return video.failure is not None and not any(
            self.carries(execution, video.id) for execution in self.executions.all.values()
        )

    def has_batch_ended(self, batch: Batch) -> bool:
        """Tell whether a batch is over, and told."""
        return batch.stage is BatchStage.DONE

    def read_money(self) -> list[tuple[str, int, int]]:
        """Give what is committed and what is spent of each day, and of each month, of each owner."""
        return [
            (f"{key.pk} {key.sk}", int(item.get("committed_micros", 0)), int(item.get("spent_micros", 0)))
            for key, item in self.table.items.items()
            if key.pk.startswith("BUDGET#")
        ]

    def read_slots(self) -> list[tuple[str, int, int]]:
        """Give how many slots of each provider are taken, and how many wait for one."""
        return [
            (key.pk, int(item.get("in_flight", 0)), int(item.get("waiting", 0)))
            for key, item in self.table.items.items()
            if key.sk == "SLOTS"
        ]

    def list_due(self) -> list[Key]:
        """List the due records."""
        return [key for key, item in self.table.items.items() if "due" in item]

    def list_overdue(self, since: datetime) -> list[Key]:
        """List the records that were due before a time."""
        due = [(key, str(item["due_at"])) for key, item in self.table.items.items() if "due" in item]
        return [key for key, due_at in due if datetime.fromisoformat(due_at) < since]

    def is_failure(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Tell whether a write fails a video for a fault of ours."""
        failure = after.get("failure")
        return "failure" not in before and failure is not None and failure["code"] == ErrorCode.INTERNAL_ERROR

    def carries(self, execution: Execution, video_id: str) -> bool:
        """Tell whether it is an execution that makes a video, and not one that posts it again."""
        return execution.given["video_id"] == video_id and "posts" not in execution.given

    def name_final_event(self, record: Video | Post) -> str | None:
        """Say which event tells how a video or a post ended; None is that there is none."""
        if isinstance(record, Video):
            return "video.failed" if record.failure else "video.completed"
        if record.state is PostState.CANCELLED:
            return None
        return "post.in_doubt" if self.is_for_a_person(record) else f"post.{record.state}"

    # How it is built

    @property
    def _caller(self) -> Caller:
        return a_caller(daily_budget_micros=None if self.setting.limits_stack else self.setting.limit_micros)

    def _describe(self, wish: Wish) -> dict[str, Any]:
        """Write a request. Its metadata tell which it is; they go to no provider."""
        self._wishes[str(wish.number)] = wish
        request: dict[str, Any] = {
            "prompt": "A red kite over the sea",
            "model": wish.model,
            "size": wish.size,
            "seconds": wish.seconds,
            "metadata": {"wish": str(wish.number)},
            "provider_options": {"seed": wish.number} if wish.is_marked else {},
            "fallback_models": [wish.fallback] if wish.fallback else [],
            "resubmit": wish.resubmit,
        }
        if wish.has_picture:
            self.media.objects[f"uploads/{OWNER}/{UPLOAD_ID}"] = _draw_picture()
            request["input_reference"] = {"upload_id": UPLOAD_ID}
        if wish.accounts:
            minutes = wish.post_in_minutes
            moment = (
                {} if minutes is None else {"scheduled_time": (self._clock() + timedelta(minutes=minutes)).isoformat()}
            )
            request["publish"] = [{"platform": "twitter", "account_id": account, **moment} for account in wish.accounts]
            request["delivery"] = "verified" if wish.is_verified else "direct"
            if wish.answer is not None:
                request |= {"approval": "required", "approval_hours": 2}
        return request

    def _find_render(self, request: VideoGenerationRequest, number: int) -> tuple[int, RenderEnd]:
        video_id = str(request.idempotency_key).rpartition("-")[0]
        # As the test sees the table, whatever is wrong with it.
        wish = self._wishes[self.table.items[video_key(video_id)]["metadata"]["wish"]]
        end = wish.ends[number] if number < len(wish.ends) else "ok"
        return wish.render_seconds, end

    def _take_event(self, event: VideoEvent | PostEvent | BatchEvent) -> None:
        self.events.append((self._clock(), event))
        self.on_event(event)

    def _build_world(self, clock: Clock) -> Callable[..., _World]:
        per_minute = self.setting.calls_per_minute
        return partial(_World, clock=clock, posts_per_minute=per_minute, uploads_per_minute=per_minute)


def _draw_picture() -> bytes:
    """Draw a black PNG of 64 by 64 pixels."""
    side = (64).to_bytes(4, "big")
    chunks = (
        (b"IHDR", side + side + bytes([8, 0, 0, 0, 0])),
        (b"IDAT", zlib.compress(bytes(65 * 64))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
        for kind, content in chunks
    )


def _tell_job(job: Job, told: VideoGenerationJob) -> VideoGenerationJob:
    """Add what a list tells of a job, where the interface has a place for it."""
    if job.provider == "mute":
        return told
    facts = {
        "prompt": job.request.prompt,
        "size": job.request.size,
        "seconds": job.request.duration_seconds,
        "model": f"{job.provider}-1",
    }
    return told.model_copy(update={name: fact for name, fact in facts.items() if name in type(told).model_fields})


def _give(provider: TroubledProvider) -> Callable[[Effects], Any]:
    return lambda _: provider


def _as_function(call: Callable[[dict[str, Any]], Any]) -> Function:
    def handle(given: dict[str, Any]) -> Any:
        result = call(given)
        return None if result is None else result.model_dump(mode="json")

    return handle
