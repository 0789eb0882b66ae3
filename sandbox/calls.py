"""The calls a stand-in received: what is written down of each, by whom, and how it is shown."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Generic, TypeVar

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import Closed


class ReceivedCall(Closed):
    """What is known of any call.

    `status` is null while the call runs, and when its connection was dropped. `prompt` is told for every well-formed
    create, accepted or not.
    """

    method: str
    path: str
    request_id: str
    status: int | None = None
    prompt: str | None = None


class Call(ReceivedCall):
    """A call about a video; `video_id` is the job of the path or, for a create, the one that was accepted."""

    video_id: str | None = None
    input_reference: bool = False


CallT = TypeVar("CallT", bound=ReceivedCall)
# Of the method, the path, and the id of the request; None where a call is not to be written down.
ReadCall = Callable[[str, str, str], CallT | None]


class ReceivedCalls(Closed, Generic[CallT]):
    """What `GET /_sandbox/calls` answers: the calls in the order they came, and counts of jobs."""

    calls: tuple[CallT, ...]
    creates_accepted: int
    in_flight: int
    most_in_flight: int


class CallLog(ReceivedCalls[Call]):
    """What `GET /_sandbox/calls` answers where the jobs are videos."""


class CallBook(Generic[CallT]):
    """The calls received since the last reset."""

    def __init__(self) -> None:
        self._calls: dict[str, CallT] = {}

    def add(self, call: CallT) -> None:
        """Write a call down."""
        self._calls[call.request_id] = call

    def note(self, request_id: str, **facts: str | int | None) -> None:
        """Add what has become known of a call; a reset may have taken its entry away."""
        if request_id in self._calls:
            self._calls[request_id] = self._calls[request_id].model_copy(update=facts)

    def clear(self) -> None:
        """Forget every call."""
        self._calls.clear()

    def list_calls(self) -> tuple[CallT, ...]:
        """Give the calls in the order they came."""
        return tuple(self._calls.values())


class CallRecorder(Generic[CallT]):
    """Middleware: gives each call an id, in `request.state.request_id`, and writes it down with its status."""

    def __init__(
        self, app: ASGIApp, book: CallBook[CallT], read_call: ReadCall[CallT], id_header: str | None = None
    ) -> None:
        self._app = app
        self._book = book
        self._read_call = read_call
        self._id_header = id_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id
        call = self._read_call(scope["method"], scope["path"], request_id)
        if call is not None:
            self._book.add(call)

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self._id_header is not None:
                    MutableHeaders(scope=message).setdefault(self._id_header, request_id)
                self._book.note(request_id, status=message["status"])
            await send(message)

        await self._app(scope, receive, send_and_note)
