"""A Blotato that answers what a test tells it to."""

from __future__ import annotations

import json
from typing import Any

import httpx

from mediaposter.publishing.blotato_client import BlotatoClient

KEY = "blotato-key-of-the-test=="

Reply = httpx.Response | Exception


class Blotato:
    """Answers one call after the other, and remembers each with the body that came."""

    def __init__(self, *replies: Reply) -> None:
        self.requests: list[httpx.Request] = []
        self._replies = list(replies)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a call."""
        request.read()
        self.requests.append(request)
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def body(self) -> Any:
        """Give the JSON of the last call."""
        return json.loads(self.requests[-1].content)

    @property
    def calls(self) -> list[str]:
        """Give the method and the path of each call."""
        return [f"{request.method} {request.url.path.removeprefix('/v2')}" for request in self.requests]


def connect(*replies: Reply) -> tuple[Blotato, BlotatoClient]:
    """Give a Blotato with these answers, and a client of it."""
    blotato = Blotato(*replies)
    return blotato, BlotatoClient(KEY, base_url="https://blotato.example/v2/", transport=httpx.MockTransport(blotato))
