"""The API of a stack behind an httpx transport: it answers from lists, and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from mediaposter.cli import main
from mediaposter.cli.client import Address, Client
from mediaposter.cli.session import Session
from tests.builders import NOW
from tests.unit.cli.stack import StackInMemory

BASE_URL = "http://stack.test/v1"
KEY = "mp_" + "k" * 43
VIDEO = "video_01"
Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def reply(body: Any, *, status: int = 200, **headers: str) -> httpx.Response:
    """Answer with JSON; an underscore in the name of a header stands for a dash."""
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def refuse(status: int, message: str, *, code: str = "invalid_value", param: str | None = None) -> httpx.Response:
    """Answer with OpenAI's envelope."""
    error = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
    return reply({"error": error}, status=status, x_request_id="req_7")


def a_video(**fields: Any) -> dict[str, Any]:
    """Give a Video object that is done, or as `fields` say."""
    return {
        "id": VIDEO,
        "object": "video",
        "status": "completed",
        "stage": "done",
        "progress": 100,
        "model": "sora-2",
        "resolved_model": "sandbox-1",
        "provider": "sandbox",
        "seconds": "4",
        "size": "720x1280",
        "prompt": "A paper boat",
        "created_at": 1_800_000_000,
        "completed_at": 1_800_000_065,
        "warnings": [],
        "posts": [],
        "error": None,
        "a_field_of_tomorrow": {"new": True},
        **fields,
    }


def a_post(platform: str, status: str, **fields: Any) -> dict[str, Any]:
    """Give a post on the account 807."""
    return {"object": "video.post", "platform": platform, "account_id": "807", "status": status, **fields}


class FakeApi:
    """Answers per route; the last answer of a list is given again and again."""

    def __init__(self, folder: Path) -> None:
        self.seen: list[httpx.Request] = []
        self.slept: list[float] = []
        self.environ = {"MEDIAPOSTER_BASE_URL": BASE_URL, "MEDIAPOSTER_API_KEY": KEY}
        self.folder = folder
        self.stack = StackInMemory()
        self._answers: dict[tuple[str, str], list[Answer]] = {}

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Give the answers of a route, below the base URL or at another origin."""
        self._answers[method, path] = list(answers)

    def bodies(self, method: str, path: str) -> list[Any]:
        """List the JSON bodies that a route was sent."""
        return [json.loads(request.content) for request in self.calls(method, path)]

    def calls(self, method: str, path: str) -> list[httpx.Request]:
        """List the requests of a route."""
        return [request for request in self.seen if (request.method, _find_path(request)) == (method, path)]

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or break the connection."""
        self.seen.append(request)
        answers = self._answers.get((request.method, _find_path(request)))
        if not answers:
            return refuse(404, "There is no such route.", code="not_found")
        answer = answers[0] if len(answers) == 1 else answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def open_client(self, address: Address) -> Client:
        """Make a client whose network this is, and that does not wait."""
        return Client(address, transport=httpx.MockTransport(self.handle), sleep=self.slept.append)

    def run(self, *argv: str) -> int:
        """Run a command."""
        session = Session(
            open_stack=self.stack.open,
            find_host=lambda: None,
            choose_folder=lambda: self.folder,
            clock=lambda: NOW,
            environ=lambda: self.environ,
            open_client=self.open_client,
        )
        return main(argv, session=session)


def _find_path(request: httpx.Request) -> str:
    url = str(request.url.copy_with(query=None))
    return url.removeprefix(BASE_URL)
