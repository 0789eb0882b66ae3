"""Serve a stand-in on the loopback interface, with connections that a fault can cut."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

_START_TIMEOUT_SECONDS = 15


def run(create_app: Callable[..., Starlette], *, base_path: str, **defaults: float | str) -> None:
    """Serve a stand-in until SIGTERM, or the end of its input; print `{"base_url": …}` on one line once it listens.

    Args:
        create_app: builds it.
        base_path: of the address that is printed.
        defaults: the arguments of `create_app` that the command line takes, each of the type of its default.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"({default})")
    parser.add_argument(
        "--until-eof", action="store_true", help="end with the process that holds the other end of stdin"
    )
    arguments = vars(parser.parse_args())
    if arguments.pop("until_eof"):
        threading.Thread(target=_end_with_input, name="end-with-input", daemon=True).start()

    def announce(base_url: str) -> None:
        sys.stdout.write(json.dumps({"base_url": base_url}) + "\n")
        sys.stdout.flush()

    port = arguments.pop("port")
    _Server(create_app(**arguments), port, base_path, announce).run()


@contextmanager
def serve_in_thread(app: Starlette, *, port: int = 0, base_path: str = "/v1") -> Iterator[str]:
    """Serve while the block runs, for tests; give the base URL."""
    ready: Future[str] = Future()
    server = _Server(app, port, base_path, ready.set_result)
    thread = threading.Thread(target=server.run, name="sandbox-server", daemon=True)
    thread.start()
    try:
        yield ready.result(timeout=_START_TIMEOUT_SECONDS)
    finally:
        server.should_exit = True
        thread.join()


class DropConnection(Response):
    """Close the connection without an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (nothing is sent)
        """Close it."""
        await _close_connection(scope, receive)


class CutResponse(Response):
    """Send another response up to so many bytes of its body, then nothing for a while, then close the connection."""

    def __init__(self, whole: Response, *, after_bytes: int, stall_seconds: float = 0) -> None:
        super().__init__()
        self._whole = whole
        self._after_bytes = after_bytes
        self._stall_seconds = stall_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the part, wait, close."""
        left_bytes = self._after_bytes

        async def send_part(message: Message) -> None:
            nonlocal left_bytes
            if message["type"] == "http.response.body":
                part = message["body"][:left_bytes]
                left_bytes -= len(part)
                # The body never ends, so that the server does not add a proper ending.
                message = {"type": "http.response.body", "body": part, "more_body": True}
            await send(message)

        await self._whole(scope, receive, send_part)
        # A client that gives up ends the wait.
        with anyio.move_on_after(self._stall_seconds):
            await _disconnected(receive)
        await _close_connection(scope, receive)


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


class _ClosableConnection(H11Protocol):
    """uvicorn's HTTP/1.1, with a way for a response to close the connection: ASGI itself has none."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "close_connection": self._close}, _loop)

    def _close(self) -> None:
        self.transport.close()


class _Server(uvicorn.Server):
    def __init__(self, app: Starlette, port: int, base_path: str, announce: Callable[[str], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host="127.0.0.1",
                port=port,
                http=_ClosableConnection,
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._base_path = base_path
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        self._announce(f"http://127.0.0.1:{port}{self._base_path}")


async def _close_connection(scope: Scope, receive: Receive) -> None:
    close_connection = scope["state"].get("close_connection")
    if close_connection is None:
        raise RuntimeError("This fault closes the connection: serve the stand-in with sandbox.serving.")
    close_connection()
    # The server must see the end of the connection before the response ends, or it would answer 500.
    await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
