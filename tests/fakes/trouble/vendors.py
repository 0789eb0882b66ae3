"""The edges of the stack, which keep the contracts of the real ones, and fail as those do while there is an outage."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from mediaposter.ai.catalog import CatalogEntry
from mediaposter.ai.video_model_interface import (
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
)
from mediaposter.domain.errors import (
    ErrorCode,
    IncompleteMedia,
    NotStarted,
    PostUnknown,
    PublisherError,
    SubmissionUnknown,
    VideoModelError,
)
from mediaposter.media.video_stream import VideoStream
from mediaposter.publishing.publisher_interface import ListedPost, PostReport, Schedule
from mediaposter.publishing.publisher_interface import PostStatus as Status
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.batch_files import FileVersion
from mediaposter.stores.media import StoredVideo
from mediaposter.stores.posts import Post
from mediaposter.stores.table import Change, Delete, Increase, IndexEntry, Key, Page, PageQuery
from mediaposter.usecases.steps import StepResult
from tests.builders import NOW, a_stored_video
from tests.fakes.batch_edges import FakeBatchFileStore
from tests.fakes.clock import Clock
from tests.fakes.effects import Effects, Moment
from tests.fakes.media import FakeMediaStore
from tests.fakes.publisher import FakePost, FakePublisher
from tests.fakes.table import InMemoryTable
from tests.fakes.trouble.history import Outage, RenderEnd

FTYP = b"\x00\x00\x00\x18ftypisom"
# How long a vendor keeps what it rendered.
COPY_KEPT_FOR = timedelta(hours=24)


class Weather:
    """Which outages are in force.

    Attributes:
        met: the edge that an outage hit, and what it did.
    """

    def __init__(self, outages: Sequence[Outage], clock: Clock) -> None:
        self._outages = list(outages)
        self._clock = clock
        self._calls = [0] * len(outages)
        self.met: list[tuple[str, str]] = []

    def find(self, *whats: str) -> str | None:
        """Tell what an edge does to the call that is made now, if it does not work."""
        now = (self._clock() - NOW).total_seconds()
        for number, outage in enumerate(self._outages):
            if outage.what in whats and outage.at <= now < outage.at + outage.seconds:
                self._calls[number] += 1
                if self._calls[number] % outage.every == 0:
                    self.met.append((outage.what, outage.how))
                    return outage.how
        return None

    def was_fine(self, *whats: str, since: datetime) -> bool:
        """Tell whether an edge has worked since then."""
        first, last = (since - NOW).total_seconds(), (self._clock() - NOW).total_seconds()
        return not any(
            outage.what in whats and outage.at <= last and first < outage.at + outage.seconds
            for outage in self._outages
        )


def fault(service: str) -> ClientError:
    """Build what botocore raises when it has given up."""
    return ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "Try again."}}, service)


class TroubledEffects(Effects):
    """Effects at each side of which the worker that takes them may die or sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.reach: Callable[[str, Moment], object] = lambda _name, _moment: None

    @contextmanager
    def take(self, name: str) -> Iterator[None]:
        """Take one effect."""
        self.reach(name, Moment.BEFORE)
        yield
        self.reach(name, Moment.AFTER)


class TroubledTable(InMemoryTable):
    """The table, whose calls may fail: before they did anything, or after.

    Attributes:
        on_write: is told of every item that was written, with what it was before.
        read_at: when each item was last read.
    """

    def __init__(self, effects: Effects, weather: Weather, clock: Clock) -> None:
        super().__init__(effects)
        self._weather = weather
        self._clock = clock
        self.read_at: dict[Key, datetime] = {}
        self.on_write: Callable[[Key, dict[str, Any], dict[str, Any]], object] = lambda _key, _before, _after: None

    def get(self, key: Key) -> dict[str, Any]:
        self._read()
        self.read_at[key] = self._clock()
        return super().get(key)

    def query_prefix(self, pk: str, sk_prefix: str) -> list[dict[str, Any]]:
        self._read()
        items = super().query_prefix(pk, sk_prefix)
        self.read_at.update(dict.fromkeys((Key(item["pk"], item["sk"]) for item in items), self._clock()))
        return items

    def query_range(self, pk: str, sk_from: str, sk_to: str) -> list[dict[str, Any]]:
        self._read()
        return super().query_range(pk, sk_from, sk_to)

    def query_index(
        self,
        index: str,
        *,
        hash_name: str,
        value: str,
        range_name: str,
        before: str,
        after: IndexEntry | None = None,
    ) -> list[IndexEntry]:
        self._read()
        return super().query_index(
            index, hash_name=hash_name, value=value, range_name=range_name, before=before, after=after
        )

    def swap(self, key: Key, name: str, *, expected: str, wanted: str) -> bool:
        how = self._write()
        is_swapped = super().swap(key, name, expected=expected, wanted=wanted)
        if how == "deaf":
            raise fault("UpdateItem")
        return is_swapped

    def query_page(self, index: str, query: PageQuery) -> Page:
        self._read()
        return super().query_page(index, query)

    def get_many(self, keys: Sequence[Key]) -> list[dict[str, Any]]:
        self._read()
        return super().get_many(keys)

    def take_number(self, key: Key, *, at_least: int, expires_at: int | None = None) -> int:
        self._write()
        return super().take_number(key, at_least=at_least, expires_at=expires_at)

    def commit(self, changes: Sequence[Change]) -> None:
        how = self._write()
        super().commit(changes)
        if how == "deaf":
            raise fault("TransactWriteItems")

    def _make(self, change: Change) -> None:
        key = change.key if isinstance(change, Delete | Increase) else change.record.key
        before = self.items.get(key, {}).copy()
        super()._make(change)
        self.on_write(key, before, self.items.get(key, {}))

    def _read(self) -> None:
        if self._weather.find("table") == "down":
            raise fault("GetItem")

    def _write(self) -> str | None:
        how = self._weather.find("table", "table writes")
        if how == "down":
            raise fault("TransactWriteItems")
        return how


@dataclass
class Job:
    """A render at a provider, which tells what it was asked for."""

    number: int
    provider: str
    request: VideoGenerationRequest
    accepted_at: datetime
    ends_at: datetime
    end: RenderEnd
    estimate_micros: int
    is_answered: bool = True
    cancelled_at: datetime | None = None
    tries: list[str] = field(default_factory=list)

    @property
    def video_id(self) -> str:
        """Give the id of the video whose key came with it."""
        return str(self.request.idempotency_key).rpartition("-")[0]

    @property
    def job_id(self) -> str:
        """Give its id."""
        return f"{self.provider}-{self.number}"

    def has_ended(self, now: datetime) -> bool:
        """Tell whether it is over."""
        return self.cancelled_at is not None or now >= self.ends_at

    def is_charged(self) -> bool:
        """Tell whether it costs what it was said to."""
        return self.end in ("ok", "failed and charged")


def describe(request: VideoGenerationRequest, model: str) -> str:
    """Say what a request asks for, but for whose it is."""
    asked = {
        "model": model,
        "prompt": request.prompt,
        "size": request.size,
        "seconds": request.duration_seconds,
        "picture": request.input_image,
        "options": request.provider_options,
    }
    return json.dumps(asked, sort_keys=True)


class TroubledProvider(VideoModelInterface):
    """A provider that charges for every job it takes.

    Attributes:
        jobs: those it took.
        calls: whose submissions came, whatever became of them.
        sent_again: whose submission was repeated though the list showed the first one.
    """

    takes_webhook_url = True

    def __init__(
        self,
        entry: CatalogEntry,
        effects: Effects,
        weather: Weather,
        clock: Clock,
        *,
        tell_job: Callable[[Job, VideoGenerationJob], VideoGenerationJob],
        find_render: Callable[[VideoGenerationRequest, int], tuple[int, RenderEnd]],
    ) -> None:
        super().__init__(entry=entry)
        self.provider = entry.provider  # type: ignore[misc]  # each of these fakes is a provider of its own
        self._effects = effects
        self._weather = weather
        self._clock = clock
        self._tell_job = tell_job
        self._find_render = find_render
        self.jobs: list[Job] = []
        self.calls: list[str] = []
        self.sent_again: list[str] = []
        self.on_job: Callable[[Job], object] = lambda _: None

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Take, refuse or lose a request."""
        self.calls.append(str(request.idempotency_key))
        how = self._weather.find("create")
        with self._effects.take(f"create at {self.provider}"):
            if how == "refused":
                raise VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)
            if how == "busy":
                raise VideoModelError(ErrorCode.RATE_LIMITED, "Later.", transient=True, retry_after_seconds=20)
            if how == "denied":
                raise VideoModelError(ErrorCode.INSUFFICIENT_CREDIT, "Top up.")
            if how == "lost":
                raise SubmissionUnknown("The connection was lost.")
            job = self._find_repeated(request) or self._take(request)
            if how == "deaf":
                job.is_answered = False
                raise SubmissionUnknown("The connection was lost.")
            job.is_answered = True
        return self._tell(job, VideoStatus.QUEUED)

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Tell how a job stands."""
        if self._weather.find("status"):
            raise VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)
        job = self._find(job_id)
        return self._tell(job, self._judge(job))

    def cancel_video(self, job_id: str) -> None:
        """Stop a job; one that has ended stays as it is."""
        if not self.capabilities.cancel:
            self._unsupported("cancel_video")
        if self._weather.find("cancel"):
            raise VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)
        with self._effects.take(f"cancel at {self.provider}"):
            job = self._find(job_id)
            if not job.has_ended(self._clock()):
                job.cancelled_at = self._clock()

    def list_jobs(self, limit: int = 20) -> list[VideoGenerationJob]:
        """List what it took, newest first."""
        if not self.capabilities.list_jobs:
            self._unsupported("list_jobs")
        if self._weather.find("list"):
            raise VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)
        return [self._tell(job, self._judge(job)) for job in reversed(self.jobs)][:limit]

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Serve what was rendered, as long as it is kept."""
        del validator
        how = self._weather.find("download")
        if how == "broken":
            raise IncompleteMedia("The video ends in the middle of a box.")
        if how:
            raise VideoModelError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)
        job = self._find(job_id)
        if self._judge(job) is not VideoStatus.COMPLETED or self._clock() > job.ends_at + COPY_KEPT_FOR:
            raise VideoModelError(ErrorCode.EXPIRED, f"There is no content of {job_id}.")
        content = FTYP + describe(job.request, self.entry.name).encode()
        yield VideoStream(chunks=iter([content[start_byte:]]), start_byte=start_byte, size_bytes=len(content))

    def _find_repeated(self, request: VideoGenerationRequest) -> Job | None:
        if not self.capabilities.idempotent_submit:
            return None
        return next((job for job in self.jobs if job.request.idempotency_key == request.idempotency_key), None)

    def _take(self, request: VideoGenerationRequest) -> Job:
        now = self._clock()
        video_id = str(request.idempotency_key).rpartition("-")[0]
        before = [job for job in self.jobs if job.video_id == video_id]
        if self.capabilities.list_jobs and any(not job.is_answered and job.end != "refused" for job in before):
            self.sent_again.append(video_id)
        seconds, end = self._find_render(request, len(before))
        estimate = self.entry.estimate_cost_micros(seconds=request.duration_seconds, size=request.size)
        job = Job(
            number=len(self.jobs) + 1,
            provider=self.provider,
            request=request,
            accepted_at=now,
            ends_at=now + timedelta(seconds=seconds),
            end=end,
            estimate_micros=estimate,
            is_answered=False,
        )
        self.jobs.append(job)
        self.on_job(job)
        return job

    def _find(self, job_id: str) -> Job:
        for job in self.jobs:
            if job.job_id == job_id:
                return job
        raise VideoModelError(ErrorCode.EXPIRED, f"There is no job {job_id}.")

    def _judge(self, job: Job) -> VideoStatus:
        if job.cancelled_at is not None:
            return VideoStatus.FAILED
        if not job.has_ended(self._clock()):
            return VideoStatus.IN_PROGRESS
        return VideoStatus.COMPLETED if job.end == "ok" else VideoStatus.FAILED

    def _tell(self, job: Job, status: VideoStatus) -> VideoGenerationJob:
        told = VideoGenerationJob(
            job_id=job.job_id,
            status=status,
            created_at=job.accepted_at.replace(microsecond=0),
            cost_micros=job.estimate_micros if status.is_terminal and job.is_charged() else None,
        )
        if status is VideoStatus.FAILED:
            code = ErrorCode.CONTENT_POLICY if job.end == "refused" else ErrorCode.PROVIDER_ERROR
            code = ErrorCode.CANCELLED if job.cancelled_at is not None else code
            told = told.model_copy(update={"error_code": code, "error_message": f"{job.job_id} failed."})
        return self._tell_job(job, told)


class TroubledMedia(FakeMediaStore):
    """The bucket's videos, which are what was rendered."""

    def __init__(self, effects: Effects, weather: Weather) -> None:
        super().__init__(effects)
        self._weather = weather

    def store_video(
        self,
        video_id: str,
        open_stream: Callable[[int, str | None], AbstractContextManager[VideoStream]],
        *,
        deadline: float,
    ) -> StoredVideo:
        """Keep a video once."""
        self._need()
        stored = super().store_video(video_id, open_stream, deadline=deadline)
        asked = json.loads(self.objects[stored.key].removeprefix(FTYP))
        width, height = map(int, asked["size"].split("x"))
        probe = stored.probe.model_copy(
            update={"width": width, "height": height, "duration_ms": 1_000 * asked["seconds"]}
        )
        return stored.model_copy(update={"probe": probe})

    @contextmanager
    def open_stored(self, key: str) -> Iterator[VideoStream]:
        """Open what is kept."""
        self._need()
        with super().open_stored(key) as stream:
            yield stream

    def delete_video(self, video_id: str) -> int:
        """Remove what is kept of a video."""
        self._need()
        with self._effects.take("delete the video's objects"):
            return super().delete_video(video_id)

    def read_upload(self, owner: str, upload_id: str) -> bytes:
        """Read a picture."""
        self._need()
        return super().read_upload(owner, upload_id)

    def show(self, video_id: str) -> str | None:
        """Give what is kept of a video: what it was rendered from."""
        content = self.objects.get(a_stored_video(video_id).key)
        return None if content is None else content.removeprefix(FTYP).decode()

    def _need(self) -> None:
        if self._weather.find("bucket"):
            raise fault("GetObject")


class TroubledFiles(FakeBatchFileStore):
    """The bucket's files of batches."""

    def __init__(self, effects: Effects, weather: Weather) -> None:
        super().__init__(effects)
        self._weather = weather

    def read(self, key: str) -> bytes:
        """Read the newest version."""
        if self._weather.find("bucket"):
            raise fault("GetObject")
        return super().read(key)

    def put(self, key: str, content: bytes, *, content_type: str = "application/jsonl") -> FileVersion:
        """Put a file."""
        if self._weather.find("bucket"):
            raise fault("PutObject")
        return super().put(key, content, content_type=content_type)


class TroubledPublisher(FakePublisher):
    """A publisher whose calls may fail, and at which its owner posts, too."""

    def __init__(self, effects: Effects, weather: Weather) -> None:
        super().__init__(effects)
        self._weather = weather
        # The names of the files of all posts that it was asked for.
        self.calls: list[str] = []

    def upload_stream(self, chunks: Iterator[bytes], *, size_bytes: int, filename: str) -> str:
        """Take the bytes."""
        if self._weather.find("upload"):
            raise _later()
        return super().upload_stream(chunks, size_bytes=size_bytes, filename=filename)

    def publish(
        self,
        target: PublishTarget,
        *,
        text: str,
        media_url: str,
        scheduled_time: datetime | None = None,
        next_free_slot: bool = False,
    ) -> PostReport:
        """Take, refuse or lose a post."""
        self.calls.append(media_url.rpartition("/")[2])
        how = self._weather.find("publish")
        if how in ("refused", "lost"):
            with self._effects.take(f"publish on {target.post_id}"):
                raise _later() if how == "refused" else PostUnknown("The connection was lost. It may be public.")
        report = super().publish(
            target, text=text, media_url=media_url, scheduled_time=scheduled_time, next_free_slot=next_free_slot
        )
        if how == "deaf":
            raise PostUnknown("The connection was lost. It may be public.")
        return report

    def get_post(self, submission_id: str) -> PostReport:
        """Tell how a post stands."""
        how = self._weather.find("post status")
        if how == "silent":
            return PostReport(submission_id=submission_id, status=Status.IN_PROGRESS)
        if how:
            raise _later()
        return super().get_post(submission_id)

    def list_posts(self, *, since: datetime, until: datetime, platform: str) -> list[ListedPost]:
        """List its posts."""
        if self._weather.find("post lists"):
            raise _later()
        return super().list_posts(since=since, until=until, platform=platform)

    def list_schedules(self) -> list[Schedule]:
        """List what is to come."""
        if self._weather.find("post lists"):
            raise _later()
        return super().list_schedules()

    def cancel_schedule(self, schedule_id: str) -> bool:
        """Take away what is to come."""
        if self._weather.find("post cancel"):
            raise _later()
        return super().cancel_schedule(schedule_id)

    def post_own(self, post: Post, *, account_id: str) -> str | None:
        """Let the owner send the same media to another account, tomorrow."""
        if post.media_url is None:
            return None
        self._taken += 1
        submission_id = f"submission-{self._taken}"
        self.posts[submission_id] = FakePost(
            target=post.target.model_copy(update={"account_id": account_id}),
            text="By hand",
            media_url=post.media_url,
            taken_at=self.clock(),
            scheduled_time=self.clock() + timedelta(days=1),
        )
        return submission_id

    def was_called(self, video_id: str, platform: str, account_id: str) -> bool:
        """Tell whether it was ever asked for a post of a video on an account."""
        return f"{video_id}-{platform}-{account_id}.mp4" in self.calls

    def list_copies(self, video_id: str, target: PublishTarget) -> list[FakePost]:
        """List what it has of a video on an account."""
        stem = f"{video_id}-{target.platform}-{target.account_id}.mp4"
        return [
            post
            for post in self.posts.values()
            if post.target.post_id == target.post_id and post.media_url.rpartition("/")[2] == stem
        ]


def _later() -> PublisherError:
    return PublisherError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)


@dataclass
class Execution:
    """An execution of a state machine, and all that it ever was."""

    name: str
    given: dict[str, Any]
    started_at: datetime
    status: str = "RUNNING"
    ended_at: datetime | None = None
    walk: Generator[float, None, Any] | None = None
    turn: int = 0
    waits_with: str | None = None
    tokens: set[str] = field(default_factory=set)

    def tell(self, at: datetime) -> str | None:
        """Tell its status as it was at a time; None is that there was none."""
        if at < self.started_at:
            return None
        return "RUNNING" if self.ended_at is None or at < self.ended_at else self.status


class Executions:
    """The executions of a state machine. What it tells of one may be old: DescribeExecution is eventually consistent.

    Attributes:
        all: by their names.
        on_start: takes up one that was started.
        on_end: is told of one that ended from outside.
        signals: what was sent with a task token that nothing has taken yet.
        on_signal: wakes the execution that waits with a token.
    """

    def __init__(
        self, effects: Effects, weather: Weather, clock: Clock, *, lag: timedelta, stale: Iterator[bool]
    ) -> None:
        self._effects = effects
        self._weather = weather
        self._clock = clock
        self._lag = lag
        self._stale = stale
        self.all: dict[str, Execution] = {}
        self.on_start: Callable[[Execution], object] = lambda _: None
        self.on_end: Callable[[Execution], object] = lambda _: None
        self.on_signal: Callable[[Execution], object] = lambda _: None
        self.signals: dict[str, dict[str, Any]] = {}

    def begin(self, name: str, given: dict[str, Any]) -> None:
        """Start an execution of a name once.

        Raises:
            NotStarted: the service did not say that it did.
        """
        how = self._weather.find("start")
        with self._effects.take("start the execution"):
            if how == "down":
                raise NotStarted(f"{name} was not started.")
            if name not in self.all:
                self.all[name] = Execution(name, given, self._clock())
                self.on_start(self.all[name])
            if how == "deaf":
                raise NotStarted(f"{name} was not started, as it seems.")

    def find_status(self, name: str) -> str | None:
        """Tell the status of an execution, or None."""
        if self._weather.find("describe"):
            raise fault("DescribeExecution")
        with self._effects.take("look at the execution"):
            at = self._clock() - (self._lag if next(self._stale) else timedelta(0))
            return self.all[name].tell(at) if name in self.all else None

    def end(self, name: str, status: str) -> None:
        """End an execution from outside, if it runs."""
        if self._weather.find("stop"):
            raise fault("StopExecution")
        with self._effects.take("stop the execution"):
            execution = self.all.get(name)
            if execution is not None and execution.status == "RUNNING":
                self.finish(execution, status)
                self.on_end(execution)

    def finish(self, execution: Execution, status: str) -> None:
        """Write down how an execution ended."""
        execution.status, execution.ended_at = status, self._clock()
        execution.turn += 1

    def signal(self, task_token: str, result: StepResult) -> None:
        """Carry on an execution that waits with a token; one that does not any more is left as it is."""
        if self._weather.find("signal"):
            raise fault("SendTaskSuccess")
        with self._effects.take("signal the machine"):
            execution = self.all.get(task_token.rpartition("/")[0])
            if execution is not None and execution.status == "RUNNING" and task_token in execution.tokens:
                self.signals[task_token] = result.model_dump(mode="json")
                self.on_signal(execution)
