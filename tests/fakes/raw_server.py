"""A server of bytes on loopback: what it sends, and how slowly, is the test's, not that of a library for HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# What a connection does, once its request's first bytes have come.
Play = Callable[[socket.socket], object]

DRIP_SECONDS = 0.02


class RawServer:
    """Plays the same to every connection, and counts them."""

    def __init__(self, listening: socket.socket, play: Play, *, waits_for_request: bool) -> None:
        self.port: int = listening.getsockname()[1]
        self.connections = 0
        self._listening = listening
        self._play = play
        self._waits_for_request = waits_for_request

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def accept(self) -> None:
        """Serve until the socket is closed."""
        with suppress(OSError):
            while True:
                connected, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        # The client hangs up in the middle: that is what is tested.
        with connected, suppress(OSError):
            if self._waits_for_request:
                connected.recv(65_536)
            self._play(connected)


@contextmanager
def serve_raw(play: Play, *, waits_for_request: bool = True) -> Iterator[RawServer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = RawServer(listening, play, waits_for_request=waits_for_request)
        threading.Thread(target=server.accept, daemon=True).start()
        try:
            yield server
        finally:
            # close() alone leaves a thread that accepts where it is.
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)


def send(content: bytes) -> Play:
    """Send all at once, and hang up."""
    return lambda connected: connected.sendall(content)


def drip(begin: bytes, again: bytes) -> Play:
    """Begin, and then send something again and again, a little at a time, for half a minute."""

    def play(connected: socket.socket) -> None:
        connected.sendall(begin)
        for _ in range(int(30 / DRIP_SECONDS)):
            time.sleep(DRIP_SECONDS)
            connected.sendall(again)

    return play


def answer(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    """Write an answer; an underscore in the name of a header stands for a hyphen."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", ""]).encode() + body
