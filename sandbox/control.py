"""What every stand-in for a video model's server has: jobs that are rendered, and the routes that steer it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ExceptionHandler

from sandbox.calls import CallBook, CallRecorder, CallT, ReadCall, ReceivedCalls
from sandbox.faults import FaultBook, RuleT, Script
from sandbox.render import RenderPool
from sandbox.serving import answer_model


class JobServer(ABC, Generic[CallT, RuleT]):
    """The state of a stand-in: its clock and renders, faults and calls, and counts of jobs."""

    def __init__(self, *, render_seconds: float, clock: Callable[[], float]) -> None:
        self.render_seconds = render_seconds
        self.clock = clock
        self.renders = RenderPool(clock=clock)
        self.calls: CallBook[CallT] = CallBook()
        self.faults: FaultBook[RuleT] = FaultBook()
        self.reset()

    def reset(self) -> None:
        """Forget jobs, faults and calls."""
        self.calls.clear()
        self.faults.clear()
        self.creates_accepted = 0
        self.most_in_flight = 0

    @abstractmethod
    def count_in_flight(self) -> int:
        """Count the jobs that have not ended."""

    def count_accepted(self) -> None:
        """Count a job that has just been taken on."""
        self.creates_accepted += 1
        self.most_in_flight = max(self.most_in_flight, self.count_in_flight())

    def describe_calls(self) -> ReceivedCalls[CallT]:
        """Give what `GET /_sandbox/calls` answers."""
        return ReceivedCalls(
            calls=self.calls.list_calls(),
            creates_accepted=self.creates_accepted,
            in_flight=self.count_in_flight(),
            most_in_flight=self.most_in_flight,
        )


def build_app(
    server: JobServer[CallT, RuleT],
    routes: Sequence[BaseRoute],
    *,
    script: type[Script[RuleT]],
    read_call: ReadCall[CallT],
    exception_handlers: Mapping[Any, ExceptionHandler],
    id_header: str | None = None,
) -> Starlette:
    """Build a stand-in of its vendor's routes and of those that steer it.

    Args:
        server: its state.
        routes: the vendor's.
        script: the faults it can play.
        read_call: tells what is written down of a call.
        exception_handlers: how the vendor words a refusal; one for Starlette's HTTPException among them.
        id_header: the header in which every reply tells the id of its request.
    """
    control = _ControlRoutes(server, script)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with server.renders:
            yield

    return Starlette(
        routes=[
            Route("/_sandbox/faults", control.add_faults, methods=["POST"]),
            Route("/_sandbox/faults", control.clear_faults, methods=["DELETE"]),
            Route("/_sandbox/calls", control.show_calls, methods=["GET"]),
            Route("/_sandbox/reset", control.reset, methods=["POST"]),
            *routes,
        ],
        middleware=[Middleware(CallRecorder[CallT], book=server.calls, read_call=read_call, id_header=id_header)],
        exception_handlers=exception_handlers,
        lifespan=lifespan,
    )


class _ControlRoutes(Generic[CallT, RuleT]):
    """The routes under `/_sandbox`, which steer the stand-in and ask what it saw."""

    def __init__(self, server: JobServer[CallT, RuleT], script: type[Script[RuleT]]) -> None:
        self._server = server
        self._script = script

    async def add_faults(self, request: Request) -> Response:
        """Answer `POST /_sandbox/faults`."""
        try:
            script = self._script.model_validate_json(await request.body())
        except ValidationError as error:
            raise HTTPException(400, str(error)) from error
        self._server.faults.add(script.rules)
        return answer_model(script)

    async def clear_faults(self, _: Request) -> Response:
        """Answer `DELETE /_sandbox/faults`."""
        self._server.faults.clear()
        return Response(status_code=204)

    async def show_calls(self, _: Request) -> Response:
        """Answer `GET /_sandbox/calls`."""
        return answer_model(self._server.describe_calls())

    async def reset(self, _: Request) -> Response:
        """Answer `POST /_sandbox/reset`."""
        self._server.reset()
        return Response(status_code=204)
