"""A receiver of our webhooks: `python -m sandbox.hooks --port 0`.

It takes whatever is posted to it, at any path. A rule's `match` is looked for in the path and the body;
`GET /_sandbox/calls` tells what was delivered, each try with its body as it came and the headers that sign it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.engine import Job, Refusal, StandIn
from sandbox.faults import Closed, Delay, Drop, Plays, Respond, Rule
from sandbox.serving import run

_SIGNED_BY = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Delivery(BaseModel):
    """One try to deliver one webhook; `body` is the text that the signature covers."""

    method: str
    path: str
    status: int | None
    webhook_id: str = ""
    webhook_timestamp: str = ""
    webhook_signature: str = ""
    body: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """Give the headers that a receiver verifies."""
        return dict(zip(_SIGNED_BY, (self.webhook_id, self.webhook_timestamp, self.webhook_signature), strict=True))


class Deliveries(BaseModel):
    """What `GET /_sandbox/calls` answers."""

    calls: tuple[Delivery, ...]


class OnDelivery(Rule):
    """A fault of a try. `delay` answers late, and so has taken what the sender thinks was lost."""

    on: str = "delivery"


class HookScript(Closed):
    """The script of the receiver."""

    rules: tuple[OnDelivery, ...]


class Receiver(StandIn[Job]):
    """The one route."""

    plays: ClassVar[Plays] = {"delivery": (Respond, Delay, Drop)}

    def list_routes(self) -> Sequence[BaseRoute]:
        """List it."""
        return [Route("/{path:path}", self._receive, methods=["POST"])]

    def refuse(self, status: int, message: str) -> Refusal:
        """Say it plainly."""
        return Refusal(status, {"error": message})

    async def _receive(self, request: Request) -> Response:
        body = (await request.body()).decode()
        signed = {name.replace("-", "_"): request.headers.get(name, "") for name in _SIGNED_BY}
        action = self.begin(request, "delivery", f"{request.url.path} {body}", body=body, **signed)
        await self.finish(action)
        return Response(status_code=200)


def create_app() -> Starlette:
    """Build the receiver."""
    return Receiver().build_app()


if __name__ == "__main__":
    run(create_app, base_path="")
