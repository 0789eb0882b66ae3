"""A stand-in for a server of OpenAI's Videos API: `python -m sandbox.videos_api --port 0`.

Faults are put in with `POST /_sandbox/faults` (see `sandbox.faults`) and taken out with DELETE; `GET /_sandbox/calls`
tells what was received; `POST /_sandbox/reset` forgets everything.
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
    FaultScript,
    OnContent,
    OnCreate,
    OnRetrieve,
    Respond,
    SglangVariant,
    ShowStatus,
    VllmFailed,
)
from sandbox.serving import answer_accepted, answer_instead, answer_model, build_parser, serve, spoil
from sandbox.videos_state import VideoServer
from sandbox.videos_wire import (
    ApiError,
    CreateVideo,
    FetchContent,
    ListVideos,
    RemixVideo,
    Video,
    VideoDeleted,
    VideoPage,
    read_create,
    read_json,
    validate,
)

_DEFAULT_API_KEY = "sk-sandbox"
_MEDIA_TYPES = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}


class VideosApi:
    """The routes under `/v1`."""

    def __init__(self, server: VideoServer) -> None:
        self._server = server

    async def create(self, request: Request) -> Response:
        """Answer `POST /videos`."""
        order, has_reference = await read_create(request)
        self._server.calls.note(request.state.request_id, input_reference=has_reference)
        return await self._start(request, order)

    async def remix(self, request: Request) -> Response:
        """Answer `POST /videos/{id}/remix`."""
        source = self._server.find_completed(request.path_params["video_id"])
        prompt = validate(RemixVideo, await read_json(request)).prompt
        return await self._start(request, source.order.model_copy(update={"prompt": prompt}), source.id)

    async def _start(self, request: Request, order: CreateVideo, remixed_from_video_id: str | None = None) -> Response:
        self._server.calls.note(request.state.request_id, prompt=order.prompt, video_id=None)
        fault = self._server.faults.pick(OnCreate, order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        job = self._server.accept(order, fault, remixed_from_video_id)
        # As it was accepted, whatever the clock does meanwhile: a create answers `queued`.
        video = job.describe(job.created_at, self._server.render_seconds)
        self._server.calls.note(request.state.request_id, video_id=job.id)
        return await answer_accepted(action) or self._show(video)

    async def retrieve(self, request: Request) -> Response:
        """Answer `GET /videos/{id}`."""
        job = self._server.find(request.path_params["video_id"])
        fault = self._server.faults.pick(OnRetrieve, job.order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, ShowStatus):
            return JSONResponse({**self._server.describe(job).model_dump(), "status": action.status})
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        video = self._server.describe(job)
        if video.error and job.fault and isinstance(job.fault.action, VllmFailed):
            error = {"code": job.fault.action.code, "message": video.error.message}
            return JSONResponse({**video.model_dump(), "error": error}, status_code=job.fault.action.status)
        return self._show(video)

    async def list_videos(self, request: Request) -> Response:
        """Answer `GET /videos`."""
        query = validate(ListVideos, request.query_params)
        jobs = list(self._server.jobs.values())
        if query.order == "desc":
            jobs.reverse()
        if query.after is not None:
            ids = [job.id for job in jobs]
            if query.after not in ids:
                raise ApiError(400, f"No such video: '{query.after}'.", param="after", code="invalid_value")
            jobs = jobs[ids.index(query.after) + 1 :]
        data = tuple(self._server.describe(job) for job in jobs[: query.limit])
        return answer_model(
            VideoPage(
                data=data,
                first_id=data[0].id if data else None,
                last_id=data[-1].id if data else None,
                has_more=len(jobs) > len(data),
            )
        )

    async def delete(self, request: Request) -> Response:
        """Answer `DELETE /videos/{id}`."""
        job = self._server.find(request.path_params["video_id"])
        status = self._server.describe(job).status
        if status not in ("completed", "failed"):
            raise ApiError(400, f"A video that is {status} cannot be deleted; wait until it has ended.")
        del self._server.jobs[job.id]
        return answer_model(VideoDeleted(id=job.id))

    async def fetch_content(self, request: Request) -> Response:
        """Answer `GET /videos/{id}/content`."""
        job = self._server.find_completed(request.path_params["video_id"])
        fault = self._server.faults.pick(OnContent, job.order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, SglangVariant) and "variant" in request.query_params:
            return JSONResponse({"detail": "Variant not found"}, status_code=404)
        variant = validate(FetchContent, request.query_params).variant
        path = job.render.result(timeout=0).path
        if variant != "video":
            path = await asyncio.wrap_future(self._server.renders.submit_preview(path, variant))
        content = FileResponse(path, media_type=_MEDIA_TYPES[variant])
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        return spoil(content, path, action)

    def _show(self, video: Video) -> Response:
        poll_after_ms = max(100, int(self._server.render_seconds * 100))
        return answer_model(video, headers={"openai-poll-after-ms": str(poll_after_ms)})


class RequireKey:
    """Middleware: refuses a call without the API key."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one call, or refuse it."""
        authorization = Headers(scope=scope).get("authorization")
        if authorization is None:
            raise ApiError(401, "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'.")
        if authorization != f"Bearer {self._api_key}":
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
        await self._app(scope, receive, send)


def create_app(
    *, render_seconds: float = 3.0, api_key: str = _DEFAULT_API_KEY, clock: Callable[[], float] = time.time
) -> Starlette:
    """Build the stand-in.

    Args:
        render_seconds: how long a job takes; longer when the clip itself takes longer to draw.
        api_key: the one key that is let in.
        clock: Unix seconds; jobs move on with it.
    """
    server = VideoServer(render_seconds=render_seconds, clock=clock)
    videos = VideosApi(server)
    routes = [
        Route("/videos", videos.create, methods=["POST"]),
        Route("/videos", videos.list_videos, methods=["GET"]),
        Route("/videos/{video_id}", videos.retrieve, methods=["GET"]),
        Route("/videos/{video_id}", videos.delete, methods=["DELETE"]),
        Route("/videos/{video_id}/content", videos.fetch_content, methods=["GET"]),
        Route("/videos/{video_id}/remix", videos.remix, methods=["POST"]),
    ]
    return build_app(
        server,
        [Mount("/v1", routes=routes, middleware=[Middleware(RequireKey, api_key=api_key)])],
        script=FaultScript,
        read_call=_read_call,
        exception_handlers={ApiError: _answer_error, HTTPException: _answer_error},
        id_header="x-request-id",
    )


def _read_call(method: str, path: str, request_id: str) -> Call | None:
    match path.split("/"):
        case ["", "v1", _, video_id, *_]:
            return Call(method=method, path=path, request_id=request_id, video_id=video_id)
        case ["", "v1", _, *_]:
            return Call(method=method, path=path, request_id=request_id)
    return None


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return _envelope(error.status, error.message, error.param, error.code)
    if isinstance(error, HTTPException):
        return _envelope(error.status_code, f"{error.detail}: {request.method} {request.url.path}")
    raise error


def _envelope(status: int, message: str, param: str | None = None, code: str | None = None) -> Response:
    body = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return JSONResponse({"error": body}, status_code=status)


def main() -> None:
    """Serve the stand-in until SIGTERM."""
    arguments = build_parser(main.__doc__, api_key=_DEFAULT_API_KEY).parse_args()
    serve(create_app(render_seconds=arguments.render_seconds, api_key=arguments.api_key), port=arguments.port)


if __name__ == "__main__":
    main()
