"""A stand-in for Google's Gemini Omni video models over the Interactions API: `python -m sandbox.gemini --port 0`.

Faults are put in with `POST /_sandbox/faults` (see `sandbox.gemini_state`) and taken out with DELETE;
`GET /_sandbox/calls` tells what was received; `POST /_sandbox/reset` forgets everything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.control import build_app
from sandbox.faults import Delay, Drop, Respond, ShowStatus
from sandbox.gemini_state import Call, GeminiFaultScript, GeminiServer, Job, OnContent, OnCreate, OnRetrieve
from sandbox.gemini_wire import ApiError, Clip, CreateInteraction, Interaction, read_create
from sandbox.serving import answer_accepted, answer_instead, build_parser, serve, spoil

_DEFAULT_API_KEY = "gemini-sandbox-key"
# How often a call that waits for its video looks whether it is there.
_LOOK_SECONDS = 0.05


class InteractionsApi:
    """The routes under `/interactions`."""

    def __init__(self, server: GeminiServer) -> None:
        self._server = server

    async def create(self, request: Request) -> Response:
        """Answer `POST /interactions`: at once with `background`, otherwise when the video is there."""
        order = read_create(await request.body())
        previous = self._find_previous(order)
        self._server.calls.note(request.state.request_id, prompt=order.prompt, images=len(order.images))
        fault = self._server.faults.pick(OnCreate, order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        job = self._server.accept(order, previous, fault)
        self._server.calls.note(request.state.request_id, interaction_id=job.id)
        if instead := await answer_accepted(action):
            return instead
        if order.background:
            # As it was accepted, whatever the clock did meanwhile.
            return _json(self._server.show(job, "queued", _find_base_url(request)))
        while self._server.is_running(job) and not await request.is_disconnected():
            await asyncio.sleep(_LOOK_SECONDS)
        return _json(self._show(request, job))

    def _find_previous(self, order: CreateInteraction) -> Clip | None:
        """Find what the interaction before this one made."""
        if order.previous_interaction_id is None:
            return None
        previous = self._server.find(order.previous_interaction_id)
        status = self._server.find_status(previous)
        if status != "completed":
            raise ApiError(400, "FAILED_PRECONDITION", f"The previous interaction is {status}, not completed.")
        order.check_extension(previous.clip)
        return previous.clip

    async def retrieve(self, request: Request) -> Response:
        """Answer `GET /interactions/{id}`."""
        job = self._find(request)
        fault = self._server.faults.pick(OnRetrieve, job.order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        shown = self._show(request, job)
        if isinstance(action, ShowStatus):
            shown = shown.model_copy(update={"status": action.status})
        return _json(shown)

    async def cancel(self, request: Request) -> Response:
        """Answer `POST /interactions/{id}/cancel`."""
        return _json(self._show(request, self._server.cancel(self._find(request))))

    async def delete(self, request: Request) -> Response:
        """Answer `DELETE /interactions/{id}`; a file that was made stays for its 48 hours."""
        del self._server.jobs[self._find(request).id]
        return JSONResponse({})

    def _find(self, request: Request) -> Job:
        return self._server.find(request.path_params["interaction_id"])

    def _show(self, request: Request, job: Job) -> Interaction:
        return self._server.show(job, self._server.find_status(job), _find_base_url(request))


class FilesApi:
    """The routes under `/files`."""

    def __init__(self, server: GeminiServer) -> None:
        self._server = server

    async def retrieve(self, request: Request) -> Response:
        """Answer `GET /files/{id}`."""
        return _json(self._server.show_file(request.path_params["file_id"], _find_base_url(request)))

    async def download(self, request: Request) -> Response:
        """Answer `GET /files/{id}:download?alt=media`."""
        job = self._server.find_downloadable(request.path_params["file_id"])
        if request.query_params.get("alt") != "media":
            raise ApiError(400, "INVALID_ARGUMENT", "A download needs the query alt=media.")
        fault = self._server.faults.pick(OnContent, job.order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        path = job.render.result(timeout=0).path
        content = FileResponse(path, media_type="video/mp4")
        return spoil(content, path, action)


class RequireKey:
    """Middleware: refuses a call without the API key, as each of the two APIs words it.

    Source: ai.google.dev/gemini-api/docs/api-errors (401) and /docs/troubleshooting (403).
    """

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one call, or refuse it."""
        if Headers(scope=scope).get("x-goog-api-key") != self._api_key:
            if scope["path"].split("/")[2] == "files":
                raise ApiError(403, "PERMISSION_DENIED", "You do not have permission to access the File.")
            raise ApiError(401, "UNAUTHENTICATED", "The API key is missing or invalid. Send it as 'x-goog-api-key'.")
        await self._app(scope, receive, send)


def create_app(
    *, render_seconds: float = 3.0, api_key: str = _DEFAULT_API_KEY, clock: Callable[[], float] = time.time
) -> Starlette:
    """Build the stand-in.

    Args:
        render_seconds: how long an interaction takes; longer when the clip itself takes longer to draw. A file is
            ready 0.3 times this later.
        api_key: the one key that is let in.
        clock: Unix seconds; interactions and files move on with it.
    """
    server = GeminiServer(render_seconds=render_seconds, clock=clock)
    key = [Middleware(RequireKey, api_key=api_key)]
    return build_app(
        server,
        [Mount(f"/{version}", routes=_build_routes(server), middleware=key) for version in ("v1beta", "v1")],
        script=GeminiFaultScript,
        read_call=_read_call,
        exception_handlers={ApiError: _answer_error, HTTPException: _answer_error},
    )


def _read_call(method: str, path: str, request_id: str) -> Call | None:
    match path.split("/"):
        case ["", "_sandbox", *_]:
            return None
        case ["", _, "interactions", interaction_id, *_]:
            return Call(method=method, path=path, request_id=request_id, interaction_id=interaction_id)
    return Call(method=method, path=path, request_id=request_id)


def _build_routes(server: GeminiServer) -> list[BaseRoute]:
    interactions, files = InteractionsApi(server), FilesApi(server)
    return [
        Route("/interactions", interactions.create, methods=["POST"]),
        Route("/interactions/{interaction_id}", interactions.retrieve, methods=["GET"]),
        Route("/interactions/{interaction_id}", interactions.delete, methods=["DELETE"]),
        Route("/interactions/{interaction_id}/cancel", interactions.cancel, methods=["POST"]),
        Route("/files/{file_id}:download", files.download, methods=["GET"]),
        Route("/files/{file_id}", files.retrieve, methods=["GET"]),
    ]


def _find_base_url(request: Request) -> str:
    """Give the scheme, host and port by which the client reached this server."""
    return f"{request.url.scheme}://{request.url.netloc}"


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(by_alias=True, exclude_none=True), media_type="application/json")


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return _envelope(error.code, error.status, error.message)
    if isinstance(error, HTTPException):
        status = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND"}.get(error.status_code, "UNIMPLEMENTED")
        return _envelope(error.status_code, status, f"{error.detail}: {request.method} {request.url.path}")
    raise error


def _envelope(code: int, status: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "status": status}}, status_code=code)


def main() -> None:
    """Serve the stand-in until SIGTERM."""
    arguments = build_parser(main.__doc__, api_key=_DEFAULT_API_KEY).parse_args()
    app = create_app(render_seconds=arguments.render_seconds, api_key=arguments.api_key)
    serve(app, port=arguments.port, base_path="")


if __name__ == "__main__":
    main()
