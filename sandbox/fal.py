"""A stand-in for fal's queue of video models: `python -m sandbox.fal --port 0`.

Faults are put in with `POST /_sandbox/faults` (see `sandbox.fal_state`) and taken out with DELETE;
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
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.calls import Call
from sandbox.control import build_app
from sandbox.fal_state import (
    Duplicate,
    ExhaustedBalance,
    ExpiredUrl,
    FailModel,
    FailRequest,
    FalFaultScript,
    FalServer,
    IgnoreCancel,
    Job,
    OnContent,
    OnCreate,
    OnResult,
    OnWebhook,
    Unsigned,
)
from sandbox.fal_webhook import WebhookSender
from sandbox.fal_wire import (
    APPS,
    ApiError,
    Cancellation,
    Failure,
    Order,
    Output,
    WebhookBody,
    find_app,
    read_order,
)
from sandbox.faults import Delay, Drop, NeverFinish, OnRetrieve, Respond, ShowStatus
from sandbox.serving import answer_accepted, answer_instead, answer_model, build_parser, serve, spoil

_DEFAULT_API_KEY = "sandbox-key-id:sandbox-key-secret"
# How often a webhook that waits for its job looks whether it has ended.
_LOOK_SECONDS = 0.05
_CANCEL_ANSWERS = {"OK": 200, "CANCELLATION_REQUESTED": 202, "ALREADY_COMPLETED": 400, "NOT_FOUND": 404}


class QueueApi:
    """The routes of the queue."""

    def __init__(self, server: FalServer, webhooks: WebhookSender) -> None:
        self._server = server
        self._webhooks = webhooks
        # asyncio itself keeps no hold of its tasks.
        self._watches: set[asyncio.Task[None]] = set()

    async def submit(self, request: Request) -> Response:
        """Answer `POST /{model_id}`: with IN_QUEUE, whatever the input is."""
        model_id = request.path_params["model_id"]
        order = read_order(model_id, await request.body())
        prompt = ""
        if isinstance(order, Order):
            prompt = order.prompt
            self._server.calls.note(request.state.request_id, prompt=prompt, input_reference=order.has_image)
        fault = self._server.faults.pick(OnCreate, prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, ExhaustedBalance):
            sentence = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
            raise ApiError(403, sentence)
        self._check_queue_length(request)
        fate = action if isinstance(action, FailModel | FailRequest | IgnoreCancel | NeverFinish) else None
        job = self._server.accept(find_app(model_id), order, fate)
        self._server.calls.note(request.state.request_id, video_id=job.id)
        base_url = _find_base_url(request)
        if webhook_url := request.query_params.get("fal_webhook"):
            watch = asyncio.create_task(self._watch(job, webhook_url, base_url))
            self._watches.add(watch)
            watch.add_done_callback(self._watches.discard)
        accepted = _answer(self._server.describe(job, base_url), headers={"x-fal-request-id": job.id})
        return await answer_accepted(action) or accepted

    def _check_queue_length(self, request: Request) -> None:
        limit = request.query_params.get("fal_max_queue_length")
        if limit is not None and limit.isdecimal() and len(self._server.list_waiting()) > int(limit):
            raise ApiError(429, "The queue is longer than fal_max_queue_length.")

    async def _watch(self, job: Job, webhook_url: str, base_url: str) -> None:
        """Send the webhook of a job once it has ended; a reset takes the job away."""
        while job.id in self._server.jobs and self._server.tell_status(job) != "COMPLETED":
            await asyncio.sleep(_LOOK_SECONDS)
        if job.id not in self._server.jobs:
            return
        fault = self._server.faults.pick(OnWebhook, job.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop):
            return
        body = _build_webhook_body(job, self._server.describe_result(job, base_url))
        content = body.model_dump_json(exclude_none=True).encode()
        for _ in range(2 if isinstance(action, Duplicate) else 1):
            await self._webhooks.send(webhook_url, job.id, content, is_signed=not isinstance(action, Unsigned))

    async def show_status(self, request: Request) -> Response:
        """Answer `GET /{owner}/{alias}/requests/{id}/status`."""
        job = self._find(request)
        if job is None:
            return _answer(Cancellation(status="NOT_FOUND"), 404)
        fault = self._server.faults.pick(OnRetrieve, job.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        view = self._server.describe(job, _find_base_url(request))
        if isinstance(action, ShowStatus):
            return JSONResponse({**view.model_dump(mode="json", exclude_none=True), "status": action.status})
        return _answer(view, 200 if view.status == "COMPLETED" else 202)

    async def show_result(self, request: Request) -> Response:
        """Answer `GET /{owner}/{alias}/requests/{id}`: with what the model answered, its status and all."""
        job = self._find(request)
        if job is None:
            raise ApiError(404, "Request not found")
        fault = self._server.faults.pick(OnResult, job.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        if self._server.tell_status(job) != "COMPLETED":
            raise ApiError(400, "Request is still in progress")
        result = self._server.describe_result(job, _find_base_url(request))
        headers = {"x-fal-request-id": job.id}
        if not isinstance(result, Failure):
            return _answer(result, headers=headers)
        if result.error_type is not None:
            headers["x-fal-error-type"] = result.error_type
        return _answer(result.body, result.status, headers)

    async def cancel(self, request: Request) -> Response:
        """Answer `PUT /{owner}/{alias}/requests/{id}/cancel`."""
        job = self._find(request)
        cancellation = Cancellation(status="NOT_FOUND") if job is None else self._server.cancel(job)
        return _answer(cancellation, _CANCEL_ANSWERS[cancellation.status])

    def _find(self, request: Request) -> Job | None:
        return self._server.find(find_app(request.url.path[1:]), request.path_params["request_id"])


class Files:
    """The route under `/files`, which is no part of the queue: at fal another host answers, of a CDN."""

    def __init__(self, server: FalServer) -> None:
        self._server = server

    async def fetch(self, request: Request) -> Response:
        """Answer `GET /files/b/{prefix}/{name}`; the address is all it takes."""
        if "authorization" in request.headers:
            # Whoever sends the key to an address that came in an answer gives it away.
            raise ApiError(400, "The files are public: send no key.")
        path = request.url.path
        job, clip = self._server.find_file(path)
        self._server.calls.note(request.state.request_id, video_id=job.id)
        fault = self._server.faults.pick(OnContent, job.prompt)
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, ExpiredUrl):
            self._server.expire_file(path)
            self._server.find_file(path)
        rendered = clip.render.result(timeout=0).path
        content = FileResponse(rendered, media_type="video/mp4")
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        return spoil(content, rendered, action)


class CheckKey:
    """Middleware: refuses a call to an application that is not there, or without the API key.

    In this order, and before it looks at the method or the rest of the path; the sentences were seen on the live API.
    """

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one call, or refuse it."""
        app = find_app(scope["path"].removeprefix("/"))
        if app not in APPS:
            raise ApiError(404, f'Application "{app.rpartition("/")[2]}" not found')
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme != "Key":
            raise ApiError(
                401, f'Cannot access application "{app}". Authentication is required to access this application.'
            )
        if key != self._api_key:
            raise ApiError(401, "No user found for Key ID and Secret")
        await self._app(scope, receive, send)


def create_app(
    *,
    render_seconds: float = 3.0,
    api_key: str = _DEFAULT_API_KEY,
    max_concurrent: int = 10,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Build the stand-in.

    Args:
        render_seconds: how long a request takes once a runner has it; longer when the clip takes longer to draw.
        api_key: the one key that is let in.
        max_concurrent: how many requests of the account are worked on at once; at fal, 2 to 40 by what was paid.
        clock: Unix seconds; requests move on with it.
    """
    server = FalServer(render_seconds=render_seconds, max_concurrent=max_concurrent, clock=clock)
    webhooks = WebhookSender(clock)
    queue = QueueApi(server, webhooks)

    async def show_keys(_: Request) -> Response:
        return answer_model(webhooks.describe_keys())

    request_path = "/{owner}/{alias}/requests/{request_id}"
    return build_app(
        server,
        [
            Route("/.well-known/jwks.json", show_keys, methods=["GET"]),
            Route("/files/b/{prefix}/{name}", Files(server).fetch, methods=["GET"]),
            Mount(
                "",
                routes=[
                    Route(request_path + "/status", queue.show_status, methods=["GET"]),
                    Route(request_path + "/cancel", queue.cancel, methods=["PUT"]),
                    Route(request_path, queue.show_result, methods=["GET"]),
                    Route("/{model_id:path}", queue.submit, methods=["POST"]),
                ],
                middleware=[Middleware(CheckKey, api_key=api_key)],
            ),
        ],
        script=FalFaultScript,
        read_call=_read_call,
        exception_handlers={ApiError: _answer_error, HTTPException: _answer_error},
    )


def _read_call(method: str, path: str, request_id: str) -> Call | None:
    """Write down what comes to the queue and to `/files`; a call's `video_id` is its request."""
    match path.split("/"):
        case ["", "_sandbox" | ".well-known", *_]:
            return None
        case ["", _, _, "requests", job_id, *_]:
            return Call(method=method, path=path, request_id=request_id, video_id=job_id)
    return Call(method=method, path=path, request_id=request_id)


def _build_webhook_body(job: Job, result: Output | Failure) -> WebhookBody:
    if isinstance(result, Failure):
        error = f"Invalid status code: {result.status}"
        return WebhookBody(
            request_id=job.id, gateway_request_id=job.id, status="ERROR", error=error, payload=result.body
        )
    return WebhookBody(request_id=job.id, gateway_request_id=job.id, status="OK", payload=result)


def _find_base_url(request: Request) -> str:
    """Give the scheme, host and port by which the client reached this server."""
    return f"{request.url.scheme}://{request.url.netloc}"


def _answer(body: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = body.model_dump_json(exclude_none=True)
    return Response(content, status, headers, media_type="application/json")


async def _answer_error(_: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return JSONResponse({"detail": error.message}, status_code=error.status)
    if isinstance(error, HTTPException):
        return JSONResponse({"detail": error.detail}, status_code=error.status_code)
    raise error


def main() -> None:
    """Serve the stand-in until SIGTERM."""
    parser = build_parser(main.__doc__, api_key=_DEFAULT_API_KEY)
    parser.add_argument("--max-concurrent", type=int, default=10, help="requests worked on at once")
    arguments = parser.parse_args()
    app = create_app(
        render_seconds=arguments.render_seconds, api_key=arguments.api_key, max_concurrent=arguments.max_concurrent
    )
    serve(app, port=arguments.port, base_path="")


if __name__ == "__main__":
    main()
