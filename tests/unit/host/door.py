"""The HTTP door of the host, on a stack over fakes and a bucket in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mediaposter import current
from mediaposter.host.access_log import Access
from mediaposter.host.bucket import FolderBucket
from mediaposter.host.gateway import Answer, Gateway, Request
from mediaposter.host.links import Links
from mediaposter.host.routes import Route, load_routes
from mediaposter.host.server import create_app
from mediaposter.stores.keys import Scope
from mediaposter.stores.media import MediaStore
from tests.builders import NOW
from tests.fakes.world import World

PAGE = "http://127.0.0.1:5173"
REQUEST_ID = "7d1c2c4e-0d3f-4d0f-8d7a-9f1f3a5b7c9d"


class Door:
    """A host that answers requests.

    Attributes:
        url: where its links lead.
        access: what was logged of each request.
        app: the ASGI app.
    """

    def __init__(self, folder: Path, *, gateway: type[Gateway] = Gateway, **options: Any) -> None:
        self.url = "http://testserver"
        self.links = Links(b"s" * 32, lambda: self.url)
        self.bucket = FolderBucket(folder, self.links)
        media = MediaStore(self.bucket)
        self.world = World(listens_to=["sora"], media=lambda _: media)  # type: ignore[arg-type, return-value]
        self.gateway = gateway(load_routes(), self.world.stack.keys.find)
        self.access: list[Access] = []
        self.app = create_app(
            gateway=self.gateway,
            bucket=self.bucket,
            links=self.links,
            log=self.access.append,
            **{"origins": [PAGE], **options},
        )

    def make_key(self, owner: str = "ann", **options: Any) -> dict[str, str]:
        """Make a key, and give the header to send."""
        scopes = options.pop("scopes", tuple(Scope))
        secret, _ = self.world.stack.keys.create(owner, owner=owner, scopes=scopes, now=NOW, **options)
        return {"Authorization": f"Bearer {secret}"}

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, *, query: str = "", body: bytes = b""
    ) -> Answer:
        """Ask the gateway, without a server."""
        request = Request(REQUEST_ID, method, path, query, list((headers or {}).items()), "127.0.0.1", body)
        admitted = self.gateway.admit(request)
        return self.gateway.answer(request, admitted) if isinstance(admitted, Route) else admitted


@contextmanager
def open_door(folder: Path, **options: Any) -> Iterator[Door]:
    """Serve a door's stack while the block runs."""
    door = Door(folder, **options)
    current.install(door.world.stack)
    try:
        yield door
    finally:
        current.install(None)


def read_error(answer: Answer) -> dict[str, Any]:
    """Read the error of an answer, which has OpenAI's envelope."""
    error: dict[str, Any] = json.loads(answer.body)["error"]
    assert list(error) == ["message", "type", "param", "code"]
    return error
