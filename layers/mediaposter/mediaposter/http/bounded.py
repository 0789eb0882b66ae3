"""Carry HTTP requests that end by the wall clock, whatever a server drips.

A timeout of httpx is for one read of a socket. A server that sends one byte of a header, a `100 Continue` or a chunk
extension now and then never lets such a timeout pass. Here every read gets what is left of the request's deadline.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread
from typing import cast

import httpcore
import httpx

# The extension of a request that holds its Deadline.
DEADLINE = "deadline"
# For a request without one: as long as a Lambda may run.
MAX_REQUEST_SECONDS = 900.0
# Of all the heads of an answer together: any number of 1xx may come before the one that counts.
MAX_HEAD_BYTES = 256 * 1024

# settimeout(0) would mean not to wait at all.
_LEAST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment by which something has ended.

    Attributes:
        at: the moment, on `clock`.
        clock: monotonic seconds.
    """

    at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """Give the moment so many seconds from now."""
        return cls(clock() + seconds, clock)

    @property
    def seconds_left(self) -> float:
        """Tell how long it is until then; 0 or less when it has passed."""
        return self.at - self.clock()

    def within(self, seconds: float | None) -> Deadline:
        """Give the moment so many seconds from now, or this one if it comes first."""
        return self if seconds is None else Deadline(min(self.at, self.clock() + seconds), self.clock)


def resolve_host(host: str, port: int) -> list[str]:
    """List the addresses of a host in the order in which the system prefers them.

    Raises:
        OSError: the name does not resolve.
        UnicodeError: no name reads like this.
        OverflowError: there is no such port.
    """
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))


def resolve_in_time(
    resolve: Callable[[str, int], Sequence[str]], host: str, port: int, deadline: Deadline
) -> Sequence[str]:
    """Resolve a host by a deadline: getaddrinfo takes no timeout.

    Raises:
        TimeoutError: the time is over. The look-up goes on in a thread of its own, and comes to nothing.
        OSError, UnicodeError, OverflowError: what `resolve` raises.
    """
    answers: SimpleQueue[Sequence[str] | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host, port))
        except Exception as error:
            answers.put(error)

    Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=_measure(deadline))
    except Empty:
        raise TimeoutError("the look-up of its name took too long") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def keep_to(deadline: Deadline, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Take a body as it comes: each piece may come in time, and the whole too late.

    Raises:
        httpx.ReadTimeout: it is too late.
    """
    for piece in pieces:
        if deadline.seconds_left < 0:
            raise httpx.ReadTimeout("the answer took too long")
        yield piece


class BoundedTransport(httpx.BaseTransport):
    """Sends each request over a connection of its own, and ends it at the deadline in its extension `DEADLINE`.

    The timeouts of a request hold as well, by the wall clock: `connect` for the look-up, the connection and TLS
    together; `read` for the head of the answer, and then for each piece of its body; `write` for each write.
    There is no proxy, and no connection is kept.
    """

    def __init__(self, *, resolve: Callable[[str, int], Sequence[str]] = resolve_host) -> None:
        """Take the resolver: host and port to addresses."""
        self._resolve = resolve

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and give its answer when the head has come.

        Raises:
            httpx.TransportError: as httpx's own transport does.
        """
        if request.url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"no request goes by {request.url.scheme or 'no scheme'}")
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        exchange = _Exchange(request.extensions.get(DEADLINE) or Deadline.after(MAX_REQUEST_SECONDS))
        connection = httpcore.HTTPConnection(
            url.origin,
            ssl_context=_ssl_context() if request.url.scheme == "https" else None,
            network_backend=_Network(exchange, self._resolve),
        )
        sent = httpcore.Request(
            request.method,
            url,
            headers=request.headers.raw,
            content=cast(httpx.SyncByteStream, request.stream),
            extensions=request.extensions,
        )
        try:
            with _httpx_errors():
                response = connection.handle_request(sent)
        except BaseException:
            connection.close()
            raise
        exchange.end_head()
        body = _Body(cast(Iterable[bytes], response.stream), connection, exchange)
        return httpx.Response(response.status, headers=response.headers, stream=body, request=request)


class _Exchange:
    """What the reads of one request have left: seconds in all, seconds of one wait, and bytes of a head."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._wait: Deadline | None = None
        self._head_bytes_left: int | None = MAX_HEAD_BYTES

    def begin_wait(self) -> None:
        """Let the next read begin a wait of its own."""
        self._wait = None

    def keep_waiting(self, timeout: float | None) -> Deadline:
        """Give the end of the wait that a read is a part of."""
        if self._wait is None:
            self._wait = self.deadline.within(timeout)
        return self._wait

    def count(self, size_bytes: int) -> None:
        """Count what came of a head."""
        if self._head_bytes_left is not None:
            self._head_bytes_left -= size_bytes
            if self._head_bytes_left < 0:
                raise httpcore.RemoteProtocolError(f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes")

    def end_head(self) -> None:
        """Count no longer: what comes now is the body."""
        self._head_bytes_left = None


class _Network(httpcore.NetworkBackend):
    """Connects within the time that an exchange has."""

    def __init__(self, exchange: _Exchange, resolve: Callable[[str, int], Sequence[str]]) -> None:
        self._exchange = exchange
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 (no connection here has one)
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 (nor any of these)
    ) -> httpcore.NetworkStream:
        connect_by = self._exchange.deadline.within(timeout)
        failure = OSError("the host has no address")
        with _socket_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            addresses = resolve_in_time(self._resolve, host, port, connect_by)
            for tried, address in enumerate(addresses):
                # An address that answers nothing leaves time for the next one.
                share_seconds = _measure(connect_by) / (len(addresses) - tried)
                try:
                    connected = socket.create_connection((address, port), timeout=share_seconds)
                except OSError as error:
                    failure = error
                    continue
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _Stream(connected, self._exchange, connect_by)
            raise failure


class _Stream(httpcore.NetworkStream):
    """A socket whose every wait ends in time."""

    def __init__(self, connected: socket.socket, exchange: _Exchange, connect_by: Deadline) -> None:
        self._socket = connected
        self._exchange = exchange
        self._connect_by = connect_by

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _socket_errors(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(_measure(self._exchange.keep_waiting(timeout)))
            content = self._socket.recv(max_bytes)
        self._exchange.count(len(content))
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = memoryview(buffer)
        with _socket_errors(httpcore.WriteTimeout, httpcore.WriteError):
            while left:
                self._socket.settimeout(_measure(self._exchange.deadline.within(timeout)))
                left = left[self._socket.send(left) :]

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 (it runs since before the look-up)
    ) -> httpcore.NetworkStream:
        with _socket_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
            # OpenSSL's handshake reads many times; Python gives each read what the ones before have left.
            self._socket.settimeout(_measure(self._connect_by))
            secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        return _Stream(secured, self._exchange, self._connect_by)

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> object:  # noqa: ARG002 (there is nothing to tell)
        return None


class _Body(httpx.SyncByteStream):
    """The body of an answer: each piece has the time of one wait, all together have that of the exchange."""

    def __init__(self, pieces: Iterable[bytes], connection: httpcore.HTTPConnection, exchange: _Exchange) -> None:
        self._pieces = pieces
        self._connection = connection
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(self._pieces)
        while True:
            self._exchange.begin_wait()
            with _httpx_errors():
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        self._connection.close()


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _measure(deadline: Deadline) -> float:
    """Give the seconds that are left, as a socket takes them.

    Raises:
        TimeoutError: there are none.
    """
    seconds_left = deadline.seconds_left
    if seconds_left <= 0:
        raise TimeoutError("it took too long")
    return max(seconds_left, _LEAST_SECONDS)


@contextmanager
def _socket_errors(too_late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Name what goes wrong at a socket as httpcore's own sockets do; its connections know errors by these names."""
    try:
        yield
    except TimeoutError as error:
        raise too_late(str(error)) from error
    except (OSError, OverflowError, UnicodeError) as error:
        # A port beyond 65535, and a label of a host's name that is empty or too long, are no OSError.
        raise broken(str(error)) from error


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Name httpcore's errors as httpx does: by the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise kind(str(error)) from error
