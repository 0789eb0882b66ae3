"""A stand-in for Runway's API: `python -m sandbox.runway --port 0`.

Faults are put in with `POST /_sandbox/faults` (see `sandbox.runway_state`) and taken out with DELETE;
`GET /_sandbox/calls` tells what was received under `/v1` and `/outputs`; `POST /_sandbox/reset` forgets everything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.calls import Call
from sandbox.control import build_app
from sandbox.faults import (
    Delay,
    Drop,
    NeverFinish,
    OnRetrieve,
    Respond,
    ShowStatus,
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
from sandbox.serving import answer_accepted, answer_instead, answer_model, build_parser, serve, spoil

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
        self._server.calls.note(request.state.request_id, prompt=order.prompt, input_reference=order.has_image)
        fault = self._server.faults.pick(OnCreate, order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        fate = action if isinstance(action, FailTask | NeverFinish | CancelTask | ThrottleTask) else None
        task = self._server.accept(order, fate)
        self._server.calls.note(request.state.request_id, video_id=task.id)
        created = Created(id=task.id, estimated_cost=Credits(credits=order.credits))
        return await answer_accepted(action) or answer_model(created)

    async def retrieve(self, request: Request) -> Response:
        """Answer `GET /v1/tasks/{id}`."""
        task = self._server.find(request.path_params["task_id"])
        fault = self._server.faults.pick(OnRetrieve, task.order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        view = self._server.describe(task, str(request.base_url).rstrip("/"))
        if isinstance(action, ShowStatus):
            return JSONResponse({**view.model_dump(mode="json"), "status": action.status})
        return answer_model(view)

    async def delete(self, request: Request) -> Response:
        """Answer `DELETE /v1/tasks/{id}`."""
        self._server.remove(self._server.find(request.path_params["task_id"]))
        return Response(status_code=204)

    async def show_organization(self, _: Request) -> Response:
        """Answer `GET /v1/organization`."""
        return answer_model(self._server.describe_organization())


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
            return answer_instead(action)
        if isinstance(action, ExpiredUrl):
            self._server.revoke_token(token)
            self._server.check_token(task, token)
        path = task.render.result(timeout=0).path
        content = FileResponse(path, media_type="video/mp4")
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        return spoil(content, path, action)


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
    routes = [
        Route("/text_to_video", api.text_to_video, methods=["POST"]),
        Route("/image_to_video", api.image_to_video, methods=["POST"]),
        Route("/video_to_video", api.video_to_video, methods=["POST"]),
        Route("/tasks/{task_id}", api.retrieve, methods=["GET"]),
        Route("/tasks/{task_id}", api.delete, methods=["DELETE"]),
        Route("/organization", api.show_organization, methods=["GET"]),
    ]
    return build_app(
        server,
        [
            Mount("/v1", routes=routes, middleware=[Middleware(RequireHeaders, api_key=api_key)]),
            Route("/outputs/{task_id}/0.mp4", Outputs(server).fetch, methods=["GET"]),
        ],
        script=RunwayFaultScript,
        read_call=_read_call,
        exception_handlers={ApiError: _answer_error, HTTPException: _answer_error},
    )


def _read_call(method: str, path: str, request_id: str) -> Call | None:
    """Write down what comes under `/v1` and `/outputs`; a call's `video_id` is its task."""
    match path.split("/"):
        case ["", "v1", "tasks", task_id] | ["", "outputs", task_id, _]:
            return Call(method=method, path=path, request_id=request_id, video_id=task_id)
        case ["", "v1" | "outputs", *_]:
            return Call(method=method, path=path, request_id=request_id)
    return None


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return JSONResponse({"error": error.message}, status_code=error.status)
    if isinstance(error, HTTPException):
        message = f"{error.detail}: {request.method} {request.url.path}"
        return JSONResponse({"error": message}, status_code=error.status_code)
    raise error


def main() -> None:
    """Serve the stand-in until SIGTERM."""
    parser = build_parser(main.__doc__, api_key=_DEFAULT_API_KEY)
    parser.add_argument("--max-concurrent", type=int, default=5, help="tasks of one model at once")
    arguments = parser.parse_args()
    app = create_app(
        render_seconds=arguments.render_seconds, api_key=arguments.api_key, max_concurrent=arguments.max_concurrent
    )
    serve(app, port=arguments.port, base_path="")


if __name__ == "__main__":
    main()
