"""A stand-in for Runway's API: `python -m sandbox.runway --port 0`.

Faults are put in with `POST /_sandbox/faults` (see `sandbox.runway_state`) and taken out with DELETE;
`GET /_sandbox/calls` tells what was received under `/v1` and `/outputs`; `POST /_sandbox/reset` forgets everything.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import (
    AcceptThenDrop,
    AcceptThenRespond,
    Delay,
    Drop,
    NeverFinish,
    NotMp4,
    OnRetrieve,
    Respond,
    ShowStatus,
    Stall,
    Truncate,
    TruncateSilently,
)
from sandbox.runway_state import (
    CancelTask,
    ExpiredUrl,
    FailTask,
    OnContent,
    OnCreate,
    RunwayFaultScript,
    RunwayServer,
    ThrottleTask,
)
from sandbox.runway_wire import API_VERSION, ApiError, Created, Credits, Kind, read_order
from sandbox.serving import CutResponse, DropConnection, build_response, serve
from sandbox.videos_state import Call, CallLog

_DEFAULT_API_KEY = "key_runway-sandbox"


class RunwayApi:
    """The routes under `/v1`."""

    def __init__(self, server: RunwayServer) -> None:
        self._server = server

    async def text_to_video(self, request: Request) -> Response:
        """Answer `POST /v1/text_to_video`."""
        return await self._create(request, "text_to_video")

    async def image_to_video(self, request: Request) -> Response:
        """Answer `POST /v1/image_to_video`."""
        return await self._create(request, "image_to_video")

    async def video_to_video(self, request: Request) -> Response:
        """Answer `POST /v1/video_to_video`."""
        return await self._create(request, "video_to_video")

    async def _create(self, request: Request, kind: Kind) -> Response:
        order = read_order(kind, await request.body())
        self._server.note(request.state.request_id, prompt=order.prompt, input_reference=order.has_image)
        fault = self._server.faults.pick(OnCreate, order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return _answer_instead(action)
        fate = action if isinstance(action, FailTask | NeverFinish | CancelTask | ThrottleTask) else None
        task = self._server.accept(order, fate)
        self._server.note(request.state.request_id, video_id=task.id)
        if isinstance(action, AcceptThenDrop):
            return DropConnection()
        if isinstance(action, AcceptThenRespond):
            return build_response(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        return _json(Created(id=task.id, estimated_cost=Credits(credits=order.credits)))

    async def retrieve(self, request: Request) -> Response:
        """Answer `GET /v1/tasks/{id}`."""
        task = self._server.find(request.path_params["task_id"])
        fault = self._server.faults.pick(OnRetrieve, task.order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return _answer_instead(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        view = self._server.describe(task, str(request.base_url).rstrip("/"))
        if isinstance(action, ShowStatus):
            return JSONResponse({**view.model_dump(mode="json"), "status": action.status})
        return _json(view)

    async def delete(self, request: Request) -> Response:
        """Answer `DELETE /v1/tasks/{id}`."""
        self._server.remove(self._server.find(request.path_params["task_id"]))
        return Response(status_code=204)

    async def show_organization(self, _: Request) -> Response:
        """Answer `GET /v1/organization`."""
        return _json(self._server.describe_organization())


class Outputs:
    """The route under `/outputs`, which is no part of the API: at Runway another host answers, of a CDN."""

    def __init__(self, server: RunwayServer) -> None:
        self._server = server

    async def fetch(self, request: Request) -> Response:
        """Answer `GET /outputs/{task}/{n}.mp4`; the token in the address is all it takes."""
        if "authorization" in request.headers:
            # Whoever sends the key to an address that came in an answer gives it away.
            raise ApiError(400, "Only one auth mechanism is allowed: the address holds the token, send no key.")
        task = self._server.find(request.path_params["task_id"])
        token = request.query_params.get("_jwt", "")
        self._server.check_token(task, token)
        fault = self._server.faults.pick(OnContent, task.order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return _answer_instead(action)
        if isinstance(action, ExpiredUrl):
            self._server.revoke_token(token)
            self._server.check_token(task, token)
        path = task.render.result(timeout=0).path
        content = FileResponse(path, media_type="video/mp4")
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        return _spoil(content, path, action)


class SandboxRoutes:
    """The routes under `/_sandbox`, which steer the stand-in and ask what it saw."""

    def __init__(self, server: RunwayServer) -> None:
        self._server = server

    async def add_faults(self, request: Request) -> Response:
        """Answer `POST /_sandbox/faults`."""
        try:
            script = RunwayFaultScript.model_validate_json(await request.body())
        except ValidationError as error:
            raise ApiError(400, str(error)) from error
        self._server.faults.add(script.rules)
        return _json(script)

    async def clear_faults(self, _: Request) -> Response:
        """Answer `DELETE /_sandbox/faults`."""
        self._server.faults.clear()
        return Response(status_code=204)

    async def show_calls(self, _: Request) -> Response:
        """Answer `GET /_sandbox/calls`."""
        return _json(
            CallLog(
                calls=tuple(self._server.calls.values()),
                creates_accepted=self._server.creates_accepted,
                in_flight=self._server.count_in_flight(),
                most_in_flight=self._server.most_in_flight,
            )
        )

    async def reset(self, _: Request) -> Response:
        """Answer `POST /_sandbox/reset`."""
        self._server.reset()
        return Response(status_code=204)


class CallRecorder:
    """Middleware: writes down the calls under `/v1` and `/outputs`; a call's `video_id` is its task."""

    def __init__(self, app: ASGIApp, server: RunwayServer) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        match scope["path"].split("/"):
            case ["", "v1", "tasks", task_id] | ["", "outputs", task_id, _]:
                self._record(scope, request_id, task_id)
            case ["", "v1" | "outputs", *_]:
                self._record(scope, request_id, None)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._server.note(request_id, status=message["status"])
            await send(message)

        await self._app(scope, receive, send_and_note)

    def _record(self, scope: Scope, request_id: str, task_id: str | None) -> None:
        self._server.calls[request_id] = Call(
            method=scope["method"], path=scope["path"], request_id=request_id, video_id=task_id
        )


class RequireHeaders:
    """Middleware: refuses a call without the API key, or without the version of the API it is written for."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one call, or refuse it."""
        headers = Headers(scope=scope)
        if headers.get("authorization") != f"Bearer {self._api_key}":
            raise ApiError(401, "The provided API key is not valid.")
        if headers.get("x-runway-version") != API_VERSION:
            raise ApiError(400, f"The header X-Runway-Version must name a version of the API: {API_VERSION}.")
        await self._app(scope, receive, send)


def create_app(
    *,
    render_seconds: float = 3.0,
    api_key: str = _DEFAULT_API_KEY,
    max_concurrent: int = 5,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Build the stand-in.

    Args:
        render_seconds: how long a task takes once it has a place; longer when the clip itself takes longer to draw.
        api_key: the one key that is let in.
        max_concurrent: how many tasks of one model have a place at once; those beyond wait as THROTTLED.
        clock: Unix seconds; tasks move on with it.
    """
    server = RunwayServer(render_seconds=render_seconds, max_concurrent=max_concurrent, clock=clock)
    api = RunwayApi(server)
    sandbox = SandboxRoutes(server)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with server.renders:
            yield

    return Starlette(
        routes=[
            Mount(
                "/v1",
                routes=[
                    Route("/text_to_video", api.text_to_video, methods=["POST"]),
                    Route("/image_to_video", api.image_to_video, methods=["POST"]),
                    Route("/video_to_video", api.video_to_video, methods=["POST"]),
                    Route("/tasks/{task_id}", api.retrieve, methods=["GET"]),
                    Route("/tasks/{task_id}", api.delete, methods=["DELETE"]),
                    Route("/organization", api.show_organization, methods=["GET"]),
                ],
                middleware=[Middleware(RequireHeaders, api_key=api_key)],
            ),
            Route("/outputs/{task_id}/0.mp4", Outputs(server).fetch, methods=["GET"]),
            Route("/_sandbox/faults", sandbox.add_faults, methods=["POST"]),
            Route("/_sandbox/faults", sandbox.clear_faults, methods=["DELETE"]),
            Route("/_sandbox/calls", sandbox.show_calls, methods=["GET"]),
            Route("/_sandbox/reset", sandbox.reset, methods=["POST"]),
        ],
        middleware=[Middleware(CallRecorder, server=server)],
        exception_handlers={ApiError: _answer_error, HTTPException: _answer_error},
        lifespan=lifespan,
    )


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json")


def _spoil(content: Response, path: Path, action: BaseModel | None) -> Response:
    """Do to a download what its fault says, if there is one."""
    match action:
        case NotMp4():
            return HTMLResponse("<!doctype html><title>Sign in</title><p>Sign in to go on.")
        case Truncate(after_bytes=after_bytes):
            return CutResponse(content, after_bytes=after_bytes)
        case Stall(after_bytes=after_bytes, seconds=seconds):
            return CutResponse(content, after_bytes=after_bytes, stall_seconds=seconds)
        case TruncateSilently(after_bytes=after_bytes):
            return StreamingResponse(iter([path.read_bytes()[:after_bytes]]), media_type=content.media_type)
    return content


def _answer_instead(action: Drop | Respond) -> Response:
    return DropConnection() if isinstance(action, Drop) else build_response(action)


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return JSONResponse({"error": error.message}, status_code=error.status)
    if isinstance(error, HTTPException):
        message = f"{error.detail}: {request.method} {request.url.path}"
        return JSONResponse({"error": message}, status_code=error.status_code)
    raise error


def main() -> None:
    """Serve the stand-in until SIGTERM."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--render-seconds", type=float, default=3.0, help="how long a task takes")
    parser.add_argument("--api-key", default=_DEFAULT_API_KEY, help="the one key that is let in")
    parser.add_argument("--max-concurrent", type=int, default=5, help="tasks of one model at once")
    arguments = parser.parse_args()
    app = create_app(
        render_seconds=arguments.render_seconds, api_key=arguments.api_key, max_concurrent=arguments.max_concurrent
    )
    serve(app, port=arguments.port, base_path="")


if __name__ == "__main__":
    main()
