"""Stand between the host and a vendor, and kill the host at a chosen moment of a chosen call."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Callable
from typing import Literal, NamedTuple

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.serving import DropConnection

# Before the vendor gets the call; after it took the call, before the host hears; in the middle of the answer's bytes.
When = Literal["before", "after", "during"]
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


class Death(NamedTuple):
    """Where the host is to die: at a call whose method and path match."""

    method: str
    path: str
    when: When


class Killer:
    """Forwards everything to `origin`. The host's own address of the vendor is this proxy's."""

    def __init__(self, origin: str, kill: Callable[[], None]) -> None:
        self._client = httpx.AsyncClient(base_url=origin, timeout=60)
        self._kill = kill
        self._lock = threading.Lock()
        self._armed: Death | None = None
        self.struck = threading.Event()
        self.app = Starlette(routes=[Route("/{path:path}", self._forward, methods=_METHODS)])

    def arm(self, death: Death) -> None:
        """Kill at the next call that matches."""
        self.struck.clear()
        with self._lock:
            self._armed = death

    def disarm(self) -> None:
        """Kill no more."""
        with self._lock:
            self._armed = None

    def _take(self, request: Request, when: When) -> bool:
        with self._lock:
            armed = self._armed
            if armed is None or armed.when != when or armed.method != request.method:
                return False
            if not re.search(armed.path, request.url.path):
                return False
            self._armed = None
        self._kill()
        self.struck.set()
        return True

    async def _forward(self, request: Request) -> Response:
        body = await request.body()
        if self._take(request, "before"):
            return DropConnection()
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        # The vendor sees the host's own words, `Host` among them: the URLs that it makes lead here again.
        headers = [(name, value) for name, value in request.headers.items() if name not in _HOP_BY_HOP]
        asked = self._client.build_request(request.method, path, headers=headers, content=body)
        answer = await self._client.send(asked, stream=True)
        if self._take(request, "after"):
            await answer.aread()
            return DropConnection()
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
        if "content-length" in answer.headers and request.method != "HEAD":
            kept["content-length"] = answer.headers["content-length"]
        return StreamingResponse(
            self._pass_on(request, answer), answer.status_code, kept, background=BackgroundTask(answer.aclose)
        )

    async def _pass_on(self, request: Request, answer: httpx.Response) -> AsyncIterator[bytes]:
        passed = 0
        async for chunk in answer.aiter_raw():
            half = len(chunk) // 2
            if half and passed == 0:
                yield chunk[:half]
                self._take(request, "during")
                yield chunk[half:]
            else:
                yield chunk
            passed += len(chunk)
