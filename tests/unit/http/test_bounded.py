"""Requests end by the clock on the wall, whatever the other end of a real connection does."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import httpx
import pytest

from mediaposter.http.bounded import DEADLINE, MAX_HEAD_BYTES, BoundedTransport, Deadline, resolve_in_time
from tests.fakes.raw_server import Play, answer, drip, send, serve_raw

ON_LOOPBACK = pytest.mark.enable_socket(reason="how long a read takes shows only at a real socket, here on loopback")
SECONDS = 0.15
# The machine is shared: what would go on for half a minute ended by far before that.
PATIENCE_SECONDS = 5.0

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def request(url: str, *, seconds: float = SECONDS, wait_seconds: float = 30.0, content: bytes = b"") -> httpx.Request:
    return httpx.Request(
        "POST",
        url,
        content=content,
        extensions={"timeout": httpx.Timeout(wait_seconds).as_dict(), DEADLINE: Deadline.after(seconds)},
    )


def exchange(sent: httpx.Request) -> bytes:
    with closing(BoundedTransport().handle_request(sent)) as response:
        return b"".join(response.stream)  # type: ignore[arg-type]  # it is synchronous


@contextmanager
def ends_in_time() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PATIENCE_SECONDS


@ON_LOOPBACK
def test_an_answer_comes_as_it_was_sent() -> None:
    # Longer than a head may be.
    body = b"x" * (MAX_HEAD_BYTES * 3)
    with serve_raw(send(answer(body, X_Name="one"))) as server:
        response = BoundedTransport().handle_request(request(server.origin, seconds=30.0))
        with closing(response):
            assert (response.status_code, response.headers["x-name"]) == (200, "one")
            assert b"".join(response.stream) == body  # type: ignore[arg-type]  # it is synchronous


@ON_LOOPBACK
@pytest.mark.parametrize(
    "play",
    [
        drip(b"", b"H"),
        drip(b"HTTP/1.1 200 OK\r\nX-Name: ", b"x"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(CHUNKED + b"5;name=", b"x"),
        drip(CHUNKED + b"5\r\nmovie\r\n0\r\nX-Trailer: ", b"x"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    ],
    ids=["status line", "header", "1xx", "extension", "trailer", "body"],
)
def test_what_a_server_drips_does_not_put_the_deadline_off(play: Play) -> None:
    with serve_raw(play) as server, ends_in_time(), pytest.raises(httpx.ReadTimeout):
        exchange(request(server.origin))


@ON_LOOPBACK
@pytest.mark.parametrize("play", [drip(b"HTTP/1.1 200 OK\r\nX-Name: ", b"x"), drip(CHUNKED + b"5;name=", b"x")])
def test_one_wait_ends_although_bytes_come_all_the_time(play: Play) -> None:
    with serve_raw(play) as server, ends_in_time(), pytest.raises(httpx.ReadTimeout):
        exchange(request(server.origin, seconds=30.0, wait_seconds=SECONDS))


@ON_LOOPBACK
def test_each_piece_of_a_body_has_a_wait_of_its_own() -> None:
    def play(connected: socket.socket) -> None:
        connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(0.1)
            connected.sendall(b"x")

    with serve_raw(play) as server:
        assert exchange(request(server.origin, seconds=30.0, wait_seconds=0.6)) == b"x" * 8


@ON_LOOPBACK
def test_a_handshake_that_drips_ends_before_anything_was_sent() -> None:
    # A record of TLS that announces 16 KiB of a handshake.
    play = drip(b"\x16\x03\x03\x40\x00", b"\0")
    with serve_raw(play) as server, ends_in_time(), pytest.raises(httpx.ConnectTimeout):
        # To read the certificates of this machine takes some time too.
        exchange(request(server.origin.replace("http:", "https:"), seconds=4 * SECONDS))


@ON_LOOPBACK
def test_a_server_that_reads_nothing_ends_the_sending() -> None:
    with (
        serve_raw(lambda _: time.sleep(30), waits_for_request=False) as server,
        ends_in_time(),
        pytest.raises(httpx.WriteTimeout),
    ):
        exchange(request(server.origin, content=b"x" * 30_000_000))


@ON_LOOPBACK
@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 50_000 + b"\r\n\r\n"]
)
def test_heads_without_end_are_refused_by_their_length_and_not_by_the_clock(head: bytes) -> None:
    def play(connected: socket.socket) -> None:
        while True:
            connected.sendall(head * 10)

    with serve_raw(play) as server, pytest.raises(httpx.RemoteProtocolError, match=str(MAX_HEAD_BYTES)):
        exchange(request(server.origin, seconds=30.0))


def test_a_look_up_that_hangs_ends_before_anything_was_sent() -> None:
    is_over = threading.Event()

    def hang(_host: str, _port: int) -> Sequence[str]:
        is_over.wait(30)
        return []

    try:
        with ends_in_time(), pytest.raises(httpx.ConnectTimeout):
            BoundedTransport(resolve=hang).handle_request(request("http://slow.example/"))
    finally:
        is_over.set()


def test_a_fault_of_the_resolver_is_its_callers() -> None:
    def fail(_host: str, _port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    with pytest.raises(OSError, match="Name or service not known"):
        resolve_in_time(fail, "nowhere.example", 443, Deadline.after(5.0))


@ON_LOOPBACK
def test_the_next_address_is_tried_where_one_refuses() -> None:
    with serve_raw(send(answer(b"movie"))) as server:
        transport = BoundedTransport(resolve=lambda _host, _port: ["::1", "127.0.0.1"])
        with closing(transport.handle_request(request(f"http://two.example:{server.port}/", seconds=5.0))) as response:
            assert response.status_code == 200


@ON_LOOPBACK
@pytest.mark.skipif(sys.platform != "linux", reason="only there is all of 127.0.0.0/8 this machine")
def test_an_address_that_answers_nothing_leaves_time_for_the_next() -> None:
    with serve_raw(send(answer(b"movie"))) as server, ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.2", server.port), backlog=0))
        # No process accepts: when its queue is full a connection hangs, as behind a firewall that drops what comes.
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        transport = BoundedTransport(resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])
        sent = request(f"http://two.example:{server.port}/", seconds=0.6)
        with closing(transport.handle_request(sent)) as response:
            assert response.status_code == 200


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "clip.mp4"])
def test_what_is_neither_http_nor_https_was_never_asked(url: str) -> None:
    with pytest.raises(httpx.UnsupportedProtocol):
        BoundedTransport().handle_request(httpx.Request("GET", url))


@ON_LOOPBACK
@pytest.mark.parametrize("url", ["http://a..b/", f"http://{'x' * 64}.example/", "http://127.0.0.1:99999/", None])
def test_an_address_that_is_none_or_does_not_answer_was_never_asked(url: str | None) -> None:
    with serve_raw(send(b"")) as server:
        left = server.origin
    with pytest.raises(httpx.ConnectError):
        BoundedTransport().handle_request(request(url or left))


@ON_LOOPBACK
@pytest.mark.parametrize("sent", [b"220 mail ready\r\n", answer(b"movie")[:-2]])
def test_a_connection_that_breaks_is_an_error_of_the_protocol(sent: bytes) -> None:
    with serve_raw(send(sent)) as server, pytest.raises(httpx.RemoteProtocolError):
        exchange(request(server.origin, seconds=5.0))


@ON_LOOPBACK
def test_a_closed_answer_hangs_up() -> None:
    hung_up = threading.Event()

    def play(connected: socket.socket) -> None:
        connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nm")
        if connected.recv(1) == b"":
            hung_up.set()

    with serve_raw(play) as server:
        BoundedTransport().handle_request(request(server.origin, seconds=5.0)).close()
        assert hung_up.wait(PATIENCE_SECONDS)
