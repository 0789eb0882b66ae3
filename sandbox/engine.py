"""What every stand-in has: jobs that are drawn, faults by script, a record of its calls, and the routes that steer it.

A stand-in's own file has what is its vendor's: routes, shapes, key, errors, limits. It is steered by HTTP:
`POST /_sandbox/faults` puts faults in (`sandbox.faults`), DELETE takes them out; `GET /_sandbox/calls` tells what was
received; `POST /_sandbox/reset` forgets everything.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import (
    AcceptThenDrop,
    AcceptThenRespond,
    Action,
    Answer,
    Delay,
    Drop,
    FaultBook,
    NeverFinish,
    NotMp4,
    Plays,
    Respond,
    Stall,
    Truncate,
    TruncateSilently,
    read_rules,
)
from sandbox.render import RenderedVideo, RenderPool
from sandbox.serving import CutResponse, DropConnection

Body = dict[str, JsonValue]
Handler = Callable[[Request], Awaitable[Response]]
# A job waits for a place, then for its turn, is then worked on, and ends.
Phase = Literal["waiting", "queued", "running", "ended"]

_CONTROL = "/_sandbox"


class Instead(Exception):
    """Answer this, and do no more."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Refusal(Instead):
    """A vendor's refusal: status, JSON body, headers."""

    def __init__(self, status: int, body: Body, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(JSONResponse(body, status, headers))


@dataclass(frozen=True, slots=True)
class Clip:
    """What is drawn: pixels and seconds."""

    width: int
    height: int
    seconds: int


@dataclass(kw_only=True, eq=False)
class Job:
    """An accepted job. How it stands follows from the clock, its render, and the fault it was given.

    Attributes:
        render: without one it ends as soon as it is worked on.
        fault: what becomes of it, and not of its call.
        group: what shares the places with it.
        held_until: before that it gets no place.
        started_at: when it got one.
    """

    id: str
    prompt: str
    render: Future[RenderedVideo] | None
    fault: Action | None = None
    group: str = ""
    created_at: float = 0.0
    held_until: float = 0.0
    started_at: float | None = None
    cancelled_at: float | None = None

    @property
    def clip(self) -> RenderedVideo:
        """Give the clip of a job that has one and has ended."""
        if self.render is None:
            raise RuntimeError(f"{self.id} has no clip.")
        return self.render.result(timeout=0)


JobT = TypeVar("JobT", bound=Job)


class StandIn(ABC, Generic[JobT]):
    """A vendor's server.

    Args:
        render_seconds: how long a job takes once it has a place; longer when the clip itself takes longer to draw.
        max_concurrent: how many jobs of a group have a place at once; None is any number.
        clock: Unix seconds; jobs move on with it.
    """

    # The faults it can play, by the kind of call.
    plays: ClassVar[Plays] = {}
    # The header in which every reply tells the id of its request.
    id_header: ClassVar[str | None] = None

    def __init__(
        self, *, render_seconds: float = 0, max_concurrent: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.render_seconds = render_seconds
        self.max_concurrent = max_concurrent
        self.clock = clock
        self.renders = RenderPool(clock=clock)
        self.faults = FaultBook()
        self.reset()

    def reset(self) -> None:
        """Forget jobs, faults and calls."""
        self.faults.clear()
        self.jobs: dict[str, JobT] = {}
        self._calls: dict[str, Body] = {}
        self._accepted = 0
        self._most_in_flight = 0

    @abstractmethod
    def list_routes(self) -> Sequence[BaseRoute]:
        """List the vendor's routes, and those beyond the engine's that steer it."""

    @abstractmethod
    def refuse(self, status: int, message: str) -> Refusal:
        """Word a refusal as the vendor does."""

    def authorize(self, request: Request) -> None:
        """Raise a refusal for a call without its key; no call that steers the stand-in comes here."""

    # What a call meets.

    def begin(self, request: Request, on: str, text: str, **facts: JsonValue) -> Action | None:
        """Begin a call that does something: note its facts, and give the fault that it meets and has still to play."""
        self.note(request, **facts)
        action = self.faults.pick(on, text)
        if isinstance(action, Drop):
            raise Instead(DropConnection())
        if isinstance(action, Respond):
            raise Instead(_build_response(action))
        return action

    async def begin_reading(self, request: Request, on: str, job: Job) -> Action | None:
        """Begin a call that reads a job; a late answer tells how it stands then."""
        action = self.begin(request, on, job.prompt)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        return action

    async def finish(self, action: Action | None) -> None:
        """Play what a fault does once the work is done."""
        match action:
            case AcceptThenDrop():
                raise Instead(DropConnection())
            case AcceptThenRespond():
                raise Instead(_build_response(action))
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)

    def send_clip(self, job: Job, action: Action | None) -> Response:
        """Send the clip of a job, spoiled as a fault says."""
        path = job.clip.path
        content = FileResponse(path, media_type="video/mp4")
        match action:
            case NotMp4():
                return HTMLResponse("<!doctype html><title>Sign in</title><p>Sign in to go on.")
            case Truncate(after_bytes=after_bytes):
                return CutResponse(content, after_bytes=after_bytes)
            case Stall(after_bytes=after_bytes, seconds=seconds):
                return CutResponse(content, after_bytes=after_bytes, stall_seconds=seconds)
            case TruncateSilently(after_bytes=after_bytes):
                return StreamingResponse(iter([path.read_bytes()[:after_bytes]]), media_type="video/mp4")
        return content

    def note(self, request: Request, **facts: JsonValue) -> None:
        """Add to the record of a call; a reset may have taken the record away."""
        if request.state.request_id in self._calls:
            self._calls[request.state.request_id].update(facts)

    # How jobs live.

    def draw(self, prompt: str, clip: Clip, *, faststart: bool = True) -> Future[RenderedVideo]:
        """Begin to draw a clip."""
        return self.renders.submit(
            prompt, width=clip.width, height=clip.height, seconds=clip.seconds, faststart=faststart
        )

    def accept(self, request: Request, job: JobT) -> JobT:
        """Take a job on."""
        job.created_at = self.clock()
        self.jobs[job.id] = job
        self.note(request, video_id=job.id)
        self._accepted += 1
        self._most_in_flight = max(self._most_in_flight, self.count_in_flight())
        return job

    def find(self, request: Request, job_id: str) -> JobT | None:
        """Find the job that a call is about."""
        self.note(request, video_id=job_id)
        return self.jobs.get(job_id)

    def find_phase(self, job: Job) -> Phase:
        """Tell how a job stands now."""
        return self.list_phases(job)[0]

    def list_phases(self, *jobs: Job) -> list[Phase]:
        """Tell how jobs stand at this one moment."""
        now = self.clock()
        self._fill_places(now)
        return [self._find_phase(job, now) for job in jobs]

    def find_progress(self, job: Job) -> float:
        """Tell how much of a job's time is over, from 0 to 1; it is not 1 before the job has ended."""
        age_seconds = 0.0 if job.started_at is None else self.clock() - job.started_at
        return min(0.99, age_seconds / max(age_seconds, self.render_seconds)) if age_seconds > 0 else 0.0

    def find_end(self, job: Job) -> float:
        """Give the Unix time at which an ended job ended."""
        if job.cancelled_at is not None or job.started_at is None:
            return job.cancelled_at or job.created_at
        return max(job.started_at + self.render_seconds, job.clip.finished_at if job.render else 0.0)

    def count_in_flight(self) -> int:
        """Count the jobs that have not ended, those that wait for a place among them."""
        return sum(phase != "ended" for phase in self.list_phases(*self.jobs.values()))

    def _find_phase(self, job: Job, now: float) -> Phase:
        if job.cancelled_at is not None:
            return "ended"
        if job.started_at is None:
            return "waiting"
        age_seconds = now - job.started_at
        if age_seconds <= self.render_seconds / 10:
            return "queued"
        if job.render is None:
            return "ended"
        is_drawn = age_seconds >= self.render_seconds and job.render.done()
        return "ended" if is_drawn and not isinstance(job.fault, NeverFinish) else "running"

    def _fill_places(self, now: float) -> None:
        """Give the places that are free to the jobs that wait, in their order."""
        busy = [job.group for job in self.jobs.values() if self._find_phase(job, now) in ("queued", "running")]
        for job in self.jobs.values():
            is_waiting = job.started_at is None and job.cancelled_at is None and now >= job.held_until
            if is_waiting and (self.max_concurrent is None or busy.count(job.group) < self.max_concurrent):
                job.started_at = now
                busy.append(job.group)

    # How it is served and steered.

    def build_app(self) -> Starlette:
        """Build the server."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            with self.renders:
                yield

        return Starlette(
            routes=[
                Route(f"{_CONTROL}/faults", self._add_faults, methods=["POST"]),
                Route(f"{_CONTROL}/faults", self._clear_faults, methods=["DELETE"]),
                Route(f"{_CONTROL}/calls", self._show_calls, methods=["GET"]),
                Route(f"{_CONTROL}/reset", self._reset, methods=["POST"]),
                *self.list_routes(),
            ],
            middleware=[Middleware(_CallRecorder, stand_in=self)],
            exception_handlers={
                Instead: _answer_instead,
                HTTPException: self._answer_http_error,
                # The client went away in the middle of its body: there is no one left to answer.
                ClientDisconnect: _drop,
            },
            lifespan=lifespan,
        )

    def open_call(self, scope: Scope) -> str:
        """Give a call an id, in `request.state.request_id`, and record it."""
        request_id = f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        if not scope["path"].startswith(_CONTROL):
            known: Body = {"method": scope["method"], "path": scope["path"], "request_id": request_id}
            self._calls[request_id] = {**known, "status": None, "prompt": None, "video_id": None}
        return request_id

    async def _add_faults(self, request: Request) -> Response:
        try:
            self.faults.add(read_rules(await request.body(), self.plays))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 422)
        return Response(status_code=204)

    async def _clear_faults(self, _: Request) -> Response:
        self.faults.clear()
        return Response(status_code=204)

    async def _show_calls(self, _: Request) -> Response:
        """Show the calls in the order they came, a `status` of null while one runs or when its connection was cut."""
        return JSONResponse(
            {
                "calls": list(self._calls.values()),
                "creates_accepted": self._accepted,
                "in_flight": self.count_in_flight(),
                "most_in_flight": self._most_in_flight,
            }
        )

    async def _reset(self, _: Request) -> Response:
        self.reset()
        return Response(status_code=204)

    async def _answer_http_error(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return self.refuse(error.status_code, f"{error.detail}: {request.method} {request.url.path}").response


class _CallRecorder:
    """Middleware: records each call with its status, and lets in only those with the key."""

    def __init__(self, app: ASGIApp, stand_in: StandIn[Any]) -> None:
        self._app = app
        self._stand_in = stand_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._stand_in.open_call(scope)
        request = Request(scope)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self._stand_in.id_header is not None:
                    MutableHeaders(scope=message).setdefault(self._stand_in.id_header, request_id)
                self._stand_in.note(request, status=message["status"])
            await send(message)

        app: ASGIApp = self._app
        try:
            if not scope["path"].startswith(_CONTROL):
                self._stand_in.authorize(request)
        except Instead as refused:
            app = refused.response
        await app(scope, receive, send_and_note)


def find_origin(request: Request) -> str:
    """Give the scheme, host and port by which the client reached the stand-in."""
    return f"{request.url.scheme}://{request.url.netloc}"


def _build_response(answer: Answer) -> Response:
    if answer.body is None or isinstance(answer.body, str):
        return Response(answer.body, status_code=answer.status, headers=answer.headers)
    return JSONResponse(answer.body, status_code=answer.status, headers=answer.headers)


async def _answer_instead(_: Request, error: Exception) -> Response:
    if not isinstance(error, Instead):
        raise error
    return error.response


async def _drop(_: Request, __: Exception) -> Response:
    return DropConnection()
