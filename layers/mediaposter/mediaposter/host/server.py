"""The HTTP server of the host: the API and the studio below /v1, signed links below /files."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Callable, Collection
from functools import partial

import anyio
import uvicorn
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.access_log import Access, AccessLog, access_of, log_access
from mediaposter.host.files import Files
from mediaposter.host.gateway import BODY_MAX_BYTES, STAGE, Answer, Gateway, Request, present_error
from mediaposter.host.links import FILES_PATH, Links
from mediaposter.host.studio import STUDIO_ROUTE, Studio
from mediaposter.stores.bucket import Bucket
from mediaposter.wire.gateway_errors import FAILED, NO_ROUTE, REQUEST_TOO_LARGE, THROTTLED, TIMED_OUT
from mediaposter.wire.http import REQUEST_ID_HEADER

# How many requests may wait for a thread: on AWS that many may come at once (template.yaml, ThrottlingBurstLimit).
_WAITING_MAX = 200
# Requests without a key have threads of their own, so that a flood of strangers takes nothing from callers.
_KEYLESS_THREADS = 2
_KEYLESS_WAITING_MAX = 50
# The longest that API Gateway waits for a function.
_ANSWER_SECONDS = 29.0
# Longer than clients keep a connection, or one would send a request while it is closed: httpx keeps it for 5 s.
_KEEP_ALIVE_SECONDS = 75
_STOP_SECONDS = 10
_START_SECONDS = 15.0
# What a page of another origin may read of an answer.
_EXPOSED = (
    REQUEST_ID_HEADER,
    "openai-poll-after-ms",
    "retry-after",
    "etag",
    "content-disposition",
    "content-range",
)


def create_app(
    *,
    gateway: Gateway,
    bucket: Bucket,
    links: Links,
    origins: Collection[str] = (),
    threads: int = 16,
    waiting_max: int = _WAITING_MAX,
    answer_seconds: float = _ANSWER_SECONDS,
    log: Callable[[Access], None] = log_access,
) -> ASGIApp:
    """Build the ASGI app.

    Args:
        gateway: answers the API.
        bucket: where the files of links are.
        links: verifies links.
        origins: the origins of own pages, such as `http://127.0.0.1:8080`, which browsers let read the answers.
        threads: how many requests of the API are answered at once.
        waiting_max: how many more wait; any others are answered with 429.
        answer_seconds: after that a request is answered with 504; what it began goes on.
        log: takes what the access log tells of each request.
    """
    api = _Api(gateway, threads=threads, waiting_max=waiting_max, answer_seconds=answer_seconds)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"],
        allow_headers=["*"],
        expose_headers=list(_EXPOSED),
    )
    app = Starlette(
        routes=[
            Route("/", _describe),
            Route(f"/{STAGE}{STUDIO_ROUTE}", Studio(), methods=["GET"]),
            Route(f"/{STAGE}/{{path:path}}", api),
            Route(FILES_PATH, Files(bucket, links)),
        ],
        middleware=[cors] if origins else [],
        exception_handlers={HTTPException: _answer_elsewhere, Exception: _answer_fault},
    )
    app.router.redirect_slashes = False
    return AccessLog(app, log=log)


def list_own_origins(url: str) -> list[str]:
    """List the origins of the pages of a host at this address.

    A page opened at `localhost` is of another origin than the links to files, which have the number of the loopback.
    """
    named = url.replace("//127.0.0.1:", "//localhost:").replace("//[::1]:", "//localhost:")
    return [url] if named == url else [url, named]


class _Api:
    """The ASGI endpoint of the API: reads bodies, and has them answered on a bounded number of threads."""

    def __init__(self, gateway: Gateway, *, threads: int, waiting_max: int, answer_seconds: float) -> None:
        self._gateway = gateway
        self._answer_seconds = answer_seconds
        self._callers = _Queue(threads, waiting_max)
        self._strangers = _Queue(_KEYLESS_THREADS, _KEYLESS_WAITING_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = HttpRequest(scope, receive)
        try:
            answer = await self._answer(request)
        except ClientDisconnect:
            return
        access = access_of(scope)
        access.route, access.owner, access.error = answer.route, answer.owner, answer.error
        await _respond(answer)(scope, receive, send)

    async def _answer(self, http: HttpRequest) -> Answer:
        request = Request(
            id=access_of(http.scope).request_id,
            method=http.method,
            path="/" + http.path_params["path"],
            query=http.scope["query_string"].decode("latin-1"),
            headers=http.headers.items(),
            client=http.client.host if http.client else "",
        )
        route = self._gateway.admit(request)
        if isinstance(route, Answer):
            return route
        body = await _read_body(http)
        if body is None:
            return present_error(REQUEST_TOO_LARGE, route)
        queue = self._callers if route.needs_key else self._strangers
        if queue.is_full:
            return present_error(THROTTLED, route)
        with anyio.move_on_after(self._answer_seconds):
            return await queue.run(partial(self._gateway.answer, request._replace(body=body), route))
        return present_error(TIMED_OUT, route)


class _Queue:
    """A bounded number of threads, and of requests that wait for one."""

    def __init__(self, threads: int, waiting_max: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._left = threads + waiting_max

    @property
    def is_full(self) -> bool:
        """Tell whether another request would be one too many."""
        return self._left == 0

    async def run(self, answer: Callable[[], Answer]) -> Answer:
        """Have a request answered. A thread cannot be ended: if this is cancelled, the thread goes on by itself."""
        self._left -= 1
        try:
            return await to_thread.run_sync(answer, limiter=self._limiter, abandon_on_cancel=True)
        finally:
            self._left += 1


async def _read_body(http: HttpRequest) -> bytes | None:
    """Read a body, or give None if it is too large; what is left of it is read by the server, and dropped."""
    body = bytearray()
    async for chunk in http.stream():
        body += chunk
        if len(body) > BODY_MAX_BYTES:
            return None
    return bytes(body)


def _respond(answer: Answer) -> Response:
    response = Response(answer.body, answer.status)
    length = ("content-length", str(len(answer.body)))
    response.raw_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (*answer.headers, length)
    ]
    return response


def _describe(http: HttpRequest) -> Response:
    """Say what this is: people open the address in a browser."""
    access_of(http.scope).route = "/"
    api = f"{str(http.base_url).rstrip('/')}/{STAGE}"
    return JSONResponse(
        {
            "name": "MediaPoster",
            "what": "The Videos API that OpenAI switched off, over any video model. It posts the result, once.",
            "api": api,
            "studio": f"{api}{STUDIO_ROUTE}",
            "openapi": f"{api}/openapi.json",
            "key": "Send the header Authorization: Bearer mp_…; mediaposter keys create NAME makes a key.",
        }
    )


async def _answer_elsewhere(http: HttpRequest, error: Exception) -> Response:
    """Answer what is neither the API nor a link."""
    del http, error
    return _respond(present_error(NO_ROUTE))


async def _answer_fault(http: HttpRequest, error: Exception) -> Response:
    """Answer a fault of the server itself; AccessLog logs it."""
    del http, error
    return _respond(present_error(FAILED))


class Server:
    """Serves an app on a thread of its own. It takes its port when it is built; until `start` clients wait.

    Signals are left to the host: it calls `stop`.

    Attributes:
        url: where it is, without a slash at the end.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 8080) -> None:
        """Take a port of an address; port 0 is any free one.

        Raises:
            ConfigurationError: the port is taken, or may not be taken.
        """
        self._socket = _listen(host, port)
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        shown = f"[{address}]" if ":" in address else address
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        self._server: _Uvicorn | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: ASGIApp) -> None:
        """Answer requests from now on."""
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                http=H11Protocol,
                loop="asyncio",
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="http", daemon=True)
        self._thread.start()
        if not self._server.ready.wait(_START_SECONDS):
            raise RuntimeError(f"The server did not start within {_START_SECONDS:.0f} seconds.")

    def stop(self) -> None:
        """Cut transfers of files, wait up to 10 seconds for other answers, and free the port."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._socket.close()


class _Uvicorn(uvicorn.Server):
    """A server that says when it answers, and cuts transfers of files when it stops."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            # A player that is paused in a browser would keep its download open, and the host from stopping.
            if isinstance(connection, H11Protocol) and connection.scope and connection.scope["path"] == FILES_PATH:
                connection.transport.abort()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio does not switch Nagle's algorithm off, and each answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let two programs have one port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # A port is free at once after its program has ended.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigurationError(_explain(error, host, port)) from error
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    other = "Choose another with --port; --port 0 takes any free one."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken, perhaps by another MediaPoster. {other}"
    if error.errno == errno.EACCES:
        return f"This user may not take port {port} of {host}. {other}"
    return f"Port {port} of {host} cannot be taken: {os.strerror(error.errno or 0)}. {other}"
