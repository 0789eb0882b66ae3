"""The studio's page on the host: the same file and the same headers as StudioFunction gives."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mediaposter.host.access_log import access_of
from mediaposter.host.routes import find_functions

STUDIO_ROUTE = "/studio"


class Studio:
    """The ASGI endpoint of the page; it needs no key."""

    def __init__(self) -> None:
        self._page: Any = import_module(f"{find_functions()}.studio.studio").read_page()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        access_of(scope).route = STUDIO_ROUTE
        answer = self._page.answer(Request(scope).headers)
        await Response(answer.body, answer.status, dict(answer.headers))(scope, receive, send)
