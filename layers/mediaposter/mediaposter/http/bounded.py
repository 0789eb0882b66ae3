"""Send HTTP requests that end by the wall clock, however slowly a server sends.

httpx applies a timeout to each read of a socket. A server that sends one byte of a header, a `100 Continue` or a chunk
extension now and then never exceeds it. Here every read gets what is left of the request's deadline.
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

# The request extension that holds the Deadline.
DEADLINE = "deadline"
# The limit of a request without a deadline: as long as a Lambda may run.
MAX_REQUEST_SECONDS = 900.0
# The limit for all response heads together: any number of 1xx responses may precede the final one.
MAX_HEAD_BYTES = 256 * 1024

# settimeout(0) would mean not to wait at all.
_LEAST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time by which something must end.

    Attributes:
        at: the time, on `clock`.
        clock: monotonic seconds.
    """

    at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """Return the deadline in this many seconds."""
        return cls(clock() + seconds, clock)

    @property
    def seconds_left(self) -> float:
        """Return the seconds until the deadline; 0 or less once it has passed."""
        return self.at - self.clock()

    def within(self, seconds: float | None) -> Deadline:
        """Return the deadline in this many seconds, or this one if it is earlier."""
        return self if seconds is None else Deadline(min(self.at, self.clock() + seconds), self.clock)


def resolve_host(host: str, port: int) -> list[str]:
    """List the addresses of a host in the order in which the system prefers them.

    Raises:
        OSError: the name does not resolve.
        UnicodeError: the name is not a valid host name.
        OverflowError: the port is out of range.
    """
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))


def resolve_in_time(
    resolve: Callable[[str, int], Sequence[str]], host: str, port: int, deadline: Deadline
) -> Sequence[str]:
    """Resolve a host by a deadline: getaddrinfo takes no timeout.

    Raises:
        TimeoutError: the deadline passed. The lookup goes on in its own thread, and its result is dropped.
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
        raise TimeoutError("the DNS lookup took too long") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def keep_to(deadline: Deadline, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on a body as it arrives, and enforce the deadline: each piece may be in time and the whole too late.

    Raises:
        httpx.ReadTimeout: the deadline passed.
    """
    for piece in pieces:
        if deadline.seconds_left < 0:
            raise httpx.ReadTimeout("the response took too long")
        yield piece


class BoundedTransport(httpx.BaseTransport):
    """Sends each request over its own connection, and end it at the deadline in its extension `DEADLINE`.

    The timeouts of a request apply too, by the wall clock: `connect` covers the lookup, the connection and TLS
    together. `read` covers the head of the response, and then each piece of its body; `write` covers each write. It
    uses no proxy and keeps no connection.
    """

    def __init__(self, *, resolve: Callable[[str, int], Sequence[str]] = resolve_host) -> None:
        """Take a resolver, which maps host and port to addresses."""
        self._resolve = resolve

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the response once its head has arrived.

        Raises:
            httpx.TransportError: as httpx's own transport does.
        """
        if request.url.scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"the scheme {request.url.scheme!r} is not supported")
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
    """What one request has left: seconds in total, seconds for the current wait, and bytes for the response head."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._wait: Deadline | None = None
        self._head_bytes_left: int | None = MAX_HEAD_BYTES

    def begin_wait(self) -> None:
        """Start a new wait with the next read."""
        self._wait = None

    def keep_waiting(self, timeout: float | None) -> Deadline:
        """Return the end of the wait that this read belongs to."""
        if self._wait is None:
            self._wait = self.deadline.within(timeout)
        return self._wait

    def count(self, size_bytes: int) -> None:
        """Count the bytes of a response head."""
        if self._head_bytes_left is not None:
            self._head_bytes_left -= size_bytes
            if self._head_bytes_left < 0:
                raise httpcore.RemoteProtocolError(f"the head of the response is longer than {MAX_HEAD_BYTES} bytes")

    def end_head(self) -> None:
        """Stop counting: the body follows."""
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
                # An address that does not answer leaves time for the next one.
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
    """A socket whose every wait has a timeout."""

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
            # OpenSSL's handshake reads many times; Python gives each read the time that earlier reads left.
            self._socket.settimeout(_measure(self._connect_by))
            secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        return _Stream(secured, self._exchange, self._connect_by)

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> object:  # noqa: ARG002 (there is nothing to tell)
        return None


class _Body(httpx.SyncByteStream):
    """The body of a response: each piece has the time of one wait, all together the time of the exchange."""

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
    """Return the seconds that are left, as a socket takes them.

    Raises:
        TimeoutError: none are left.
    """
    seconds_left = deadline.seconds_left
    if seconds_left <= 0:
        raise TimeoutError("it took too long")
    return max(seconds_left, _LEAST_SECONDS)


@contextmanager
def _socket_errors(too_late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Map socket errors to the httpcore errors that httpcore's connections expect."""
    try:
        yield
    except TimeoutError as error:
        raise too_late(str(error)) from error
    except (OSError, OverflowError, UnicodeError) as error:
        # A port above 65535 and an empty or too long label of a host name raise no OSError.
        raise broken(str(error)) from error


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Map httpcore's errors to the httpx errors of the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise kind(str(error)) from error
