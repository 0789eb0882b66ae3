"""A line in the log for each request, the id of each request, and an answer to each fault."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mediaposter.observability import correlate, logger
from mediaposter.wire.http import REQUEST_ID_HEADER

_IN_SCOPE = "mediaposter.access"


@dataclass
class Access:
    """What the log tells of a request, under the names of the access log on AWS.

    It has the template of a path, not the path, and no query: a link's query is a secret until it expires.
    """

    request_id: str
    method: str
    route: str | None = None
    status: int | None = None
    owner: str | None = None
    response_ms: int = 0
    error: str | None = None


def log_access(access: Access) -> None:
    """Write the line."""
    logger.info("request", extra=asdict(access))


def access_of(scope: Scope) -> Access:
    """Give what will be logged of a request, to add to it."""
    access: Access = scope[_IN_SCOPE]
    return access


class AccessLog:
    """The outermost part of the app: names each request, and logs it when it was answered."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        log: Callable[[Access], None] = log_access,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._log = log
        self._new_id = new_id
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        access = Access(self._new_id(), scope["method"])
        is_complete = False

        async def send_named(message: Message) -> None:
            nonlocal is_complete
            if message["type"] == "http.response.start":
                access.status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = access.request_id
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        began = self._monotonic()
        with correlate(access.request_id):
            try:
                await self._app({**scope, _IN_SCOPE: access}, receive, send_named)
            except Exception:
                logger.exception("fault")
                if not is_complete:
                    raise  # half an answer is out: the server closes the connection
            finally:
                access.response_ms = round((self._monotonic() - began) * 1000)
                self._log(access)
