"""A receiver of our webhooks: `python -m sandbox.hooks --port 0`.

It takes whatever is posted to it, at any path. Faults are put in with `POST /_sandbox/faults` and taken out with
DELETE; a rule's `match` is looked for in the path and the body. `GET /_sandbox/calls` tells what was delivered, each
try with its body as it came and the headers that sign it; `POST /_sandbox/reset` forgets everything.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.calls import ReceivedCall, ReceivedCalls
from sandbox.control import JobServer, build_app
from sandbox.faults import Delay, Drop, FaultRule, Respond, Script
from sandbox.serving import answer_instead, serve

_SIGNED_BY = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Delivery(ReceivedCall):
    """One try to deliver one webhook; `body` is the text that the signature covers."""

    webhook_id: str = ""
    webhook_timestamp: str = ""
    webhook_signature: str = ""
    body: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """Give the headers that a receiver verifies."""
        return dict(zip(_SIGNED_BY, (self.webhook_id, self.webhook_timestamp, self.webhook_signature), strict=True))


class Deliveries(ReceivedCalls[Delivery]):
    """What `GET /_sandbox/calls` answers."""


class OnDelivery(FaultRule):
    """A fault of a try. `delay` answers late, and so has taken what the sender thinks was lost."""

    on: Literal["delivery"] = "delivery"
    action: Annotated[Respond | Delay | Drop, Field(discriminator="type")]


class HookScript(Script[OnDelivery]):
    """The script of the receiver."""


class HookServer(JobServer[Delivery, OnDelivery]):
    """What was received; no job comes of it."""

    def __init__(self) -> None:
        super().__init__(render_seconds=0, clock=time.time)

    def count_in_flight(self) -> int:
        """Count nothing."""
        return 0


class Receiver:
    """The one route."""

    def __init__(self, server: HookServer) -> None:
        self._server = server

    async def receive(self, request: Request) -> Response:
        """Answer `POST` to any path."""
        body = (await request.body()).decode()
        signed = {name.replace("-", "_"): request.headers.get(name, "") for name in _SIGNED_BY}
        self._server.calls.note(request.state.request_id, body=body, **signed)
        fault = self._server.faults.pick(OnDelivery, f"{request.url.path} {body}")
        action = fault.action if fault else None
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        self._server.count_accepted()
        return Response(status_code=200)


def create_app() -> Starlette:
    """Build the receiver."""
    server = HookServer()
    return build_app(
        server,
        [Route("/{path:path}", Receiver(server).receive, methods=["POST"])],
        script=HookScript,
        read_call=_read_call,
        exception_handlers={},
    )


def _read_call(method: str, path: str, request_id: str) -> Delivery | None:
    if path.startswith("/_sandbox"):
        return None
    return Delivery(method=method, path=path, request_id=request_id)


def main() -> None:
    """Serve the receiver on the loopback interface until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.hooks", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    serve(create_app(), port=parser.parse_args().port, base_path="")


if __name__ == "__main__":
    main()
