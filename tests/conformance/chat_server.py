"""A server that speaks chat completions, on loopback: the model that writes captions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.serving import serve_in_thread

CAPTIONS_KEY = "sk-words"


class ChatServer:
    """Writes a text for each network, or does what `answer` says.

    Attributes:
        asked: the bodies that came.
        variables: what leads a host to it.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[], Response] | None = None
        self.variables: dict[str, str] = {}

    async def complete(self, request: Request) -> Response:
        """Answer one call."""
        if request.headers.get("authorization") != f"Bearer {CAPTIONS_KEY}":
            return JSONResponse({"error": {"message": "No such key."}}, 401)
        body = await request.json()
        self.asked.append(body)
        if self.answer is not None:
            return self.answer()
        networks = body["response_format"]["json_schema"]["schema"]["properties"]
        words = {name: {"text": f"For {name}, number {len(self.asked)}"} for name in networks}
        return say(json.dumps(words))


def say(content: str) -> Response:
    """Answer with what the model wrote."""
    return JSONResponse(
        {
            "choices": [{"message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": 1_000, "completion_tokens": 500},
        }
    )


@contextmanager
def serve_chat() -> Iterator[ChatServer]:
    """Run the server while the block runs."""
    chat = ChatServer()
    with serve_in_thread(Starlette(routes=[Route("/v1/chat/completions", chat.complete, methods=["POST"])])) as url:
        chat.variables = {
            "CAPTIONS_API_KEY": CAPTIONS_KEY,
            "CAPTIONS_MODEL": "words-1",
            "CAPTIONS_BASE_URL": url,
            "CAPTIONS_INPUT_PRICE_MICROS": "250000",
            "CAPTIONS_OUTPUT_PRICE_MICROS": "2000000",
        }
        yield chat
