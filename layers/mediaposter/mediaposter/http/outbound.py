"""Open a URL from outside: a caller's image, a provider's finished video, a webhook receiver.

Such a URL may lead into our own network: directly, by a redirect or by a changed DNS answer. So only https is allowed,
every address of every hop is checked, and the connection goes to the address that was checked. A request never carries
a key or a cookie, and every call has a deadline.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import cast

import httpx

from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError
from mediaposter.http.bounded import DEADLINE, BoundedTransport, Deadline, resolve_host, resolve_in_time
from mediaposter.http.reply import parse_retry_after
from mediaposter.media.video_stream import VideoStream

# httpx logs each URL at INFO with its query, which may hold a signature or a secret; Lambda's JSON logs include INFO.
logging.getLogger("httpx").setLevel(logging.WARNING)

MAX_REDIRECTS = 3
CHUNK_BYTES = 128 * 1024
# How long to wait for the bytes of a chunk.
HOLD_SECONDS = 5.0
# Limits one wait: to connect, for the head of a response, for the next piece of a body.
READ_TIMEOUT_SECONDS = 20.0
# Parts of what a server sends end up in error messages.
_MAX_REASON_LENGTH = 200

# IANA allocates global unicast from this block alone. Addresses outside it can lead to a private IPv4 host: NAT64's
# 64:ff9b::/96 (which Python calls global), IPv4-mapped, IPv4-compatible, site-local and multicast addresses.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Inside that block, but embeds an IPv4 address that the sender chooses; Python calls it global.
_6TO4 = IPv6Network("2002::/16")
# AWS serves instance metadata, with the instance's keys, here and at the link-local 169.254.169.254.
_METADATA_V6 = IPv6Address("fd00:ec2::254")


@dataclass(frozen=True, slots=True)
class PublicInternet:
    """How to reach the internet: a resolver, a transport and a clock.

    Attributes:
        resolve: host and port to addresses.
        transport: sends the requests; None means real sockets, new ones for each hop.
        clock: monotonic seconds, for the deadline.
        measure_patience: returns the seconds that the calling step can still wait; no call takes longer.
        own_origins: the operator's own servers, such as `http://10.0.0.7:9000`. Videos may come from them over plain
            http and from private addresses. See `parse_origin`.
    """

    resolve: Callable[[str, int], Sequence[str]] = resolve_host
    transport: httpx.BaseTransport | None = None
    clock: Callable[[], float] = time.monotonic
    measure_patience: Callable[[], float] = lambda: math.inf
    own_origins: frozenset[str] = frozenset()

    def start_deadline(self, seconds: float) -> Deadline:
        """Return the deadline of a call that may take this many seconds, or less if less time is left."""
        return Deadline.after(min(seconds, self.measure_patience()), self.clock)


PUBLIC_INTERNET = PublicInternet()


class AddressRefused(VideoModelError):
    """A URL is malformed, or leads to an address that is not allowed; no request was sent to it.

    Attributes:
        origin: of a URL that would be allowed if the operator listed it as their own.
    """

    def __init__(self, message: str, *, origin: str | None = None) -> None:
        super().__init__(ErrorCode.PROVIDER_ERROR, message)
        self.origin = origin


@contextmanager
def open_url(
    url: str,
    *,
    max_bytes: int,
    timeout_seconds: float,
    start_byte: int = 0,
    validator: str | None = None,
    internet: PublicInternet = PUBLIC_INTERNET,
) -> Iterator[VideoStream]:
    """Open a URL from outside, from `start_byte` on if its server supports that.

    Args:
        url: https, without a user name or password in it.
        max_bytes: the limit for the whole file.
        timeout_seconds: for everything from the first lookup to the last byte.
        start_byte: where an interrupted download continues.
        validator: a strong ETag; if it no longer matches, the stream starts at 0.
        internet: how to reach the URL.

    Raises:
        AddressRefused: on opening: the URL, or a redirect of it, is not allowed.
        VideoModelError: on opening or while the chunks are read. `expired` when its server no longer gives it out;
            `timeout` past the deadline.
    """
    deadline = internet.start_deadline(timeout_seconds)
    with ExitStack() as stack:
        host, response = _follow(url, download_headers(start_byte, validator), deadline, internet, stack)
        _check_status(host, response)
        yield build_stream(
            response.status_code,
            response.headers,
            _read_pieces(host, response, deadline),
            source=host,
            max_bytes=max_bytes,
            deadline=deadline.at,
            clock=internet.clock,
        )


def fetch_bytes(
    url: str, *, max_bytes: int, timeout_seconds: float, internet: PublicInternet = PUBLIC_INTERNET
) -> bytes:
    """Fetch a whole small file from a URL in a caller's request: never from one of the operator's own servers.

    Raises:
        VideoModelError: with code `invalid_request`, since the request named it; `transient` when a retry may help.
    """
    outside = replace(internet, own_origins=frozenset())
    try:
        with open_url(url, max_bytes=max_bytes, timeout_seconds=timeout_seconds, internet=outside) as stream:
            content = b"".join(stream.chunks)
    except VideoModelError as error:
        raise VideoModelError(
            ErrorCode.INVALID_REQUEST,
            f"The file that the request names could not be fetched, and nothing was sent on: {error.message}",
            transient=error.transient,
            retry_after_seconds=error.retry_after_seconds,
        ) from error
    if stream.size_bytes is not None and len(content) != stream.size_bytes:
        raise VideoModelError(
            ErrorCode.INVALID_REQUEST,
            f"The file that the request names ended after {len(content)} of {stream.size_bytes} bytes, and nothing was "
            "sent on.",
            transient=True,
        )
    return content


def post_json(
    url: str,
    content: bytes,
    *,
    headers: Mapping[str, str],
    timeout_seconds: float,
    is_anywhere_allowed: bool = False,
    internet: PublicInternet = PUBLIC_INTERNET,
) -> int:
    """Post a JSON document once, and return the status. It reads no response body and follows no redirect.

    Args:
        url: https, without a user name or password in it.
        content: the document.
        headers: in addition to those of every such request.
        timeout_seconds: for everything up to the headers of the response.
        is_anywhere_allowed: also allow plain http and private addresses, as a local stack needs them; but never those
            of a metadata service, which serves keys.
        internet: how to reach the URL.

    Raises:
        VideoModelError: no response came: the URL is not allowed, or its host was not reached in time.
    """
    with ExitStack() as stack:
        response = _send(
            _parse_url(url),
            {"Content-Type": "application/json", "User-Agent": "mediaposter", **headers},
            internet.start_deadline(timeout_seconds),
            internet,
            stack,
            content=content,
            is_own=is_anywhere_allowed,
        )
        return response.status_code


def parse_origin(text: str) -> str:
    """Parse the origin of one of the operator's own servers, `http://host:port`, for `PublicInternet`.

    Raises:
        ConfigurationError: it is not an origin.
    """
    try:
        url = _parse_url(text)
    except VideoModelError as error:
        raise ConfigurationError(f"{text[:100]!r} is not the address of a server. {error.message}") from error
    if url.scheme not in ("http", "https") or not url.host or url.raw_path != b"/" or re.search("[?#]", text):
        raise ConfigurationError(f"{text[:100]!r} must read like http://host:9000, with nothing behind the port.")
    return _find_origin(url)


def download_headers(start_byte: int, validator: str | None) -> dict[str, str]:
    """Request a file uncompressed, from `start_byte` on if it still matches `validator`."""
    headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "mediaposter"}
    if start_byte > 0:
        headers["Range"] = f"bytes={start_byte}-"
        if validator is not None:
            headers["If-Range"] = validator
    return headers


def build_stream(
    status_code: int,
    headers: Mapping[str, str],
    received: Iterable[bytes],
    *,
    source: str,
    max_bytes: int,
    deadline: float,
    clock: Callable[[], float],
) -> VideoStream:
    """Make a stream of a 200 or 206 reply to a GET, as RFC 9110 reads its headers.

    Args:
        status_code: of the reply.
        headers: of the reply; their lookup must ignore case.
        received: its body in the pieces in which it arrives: a buffer would hide a sender of one byte a second.
        source: the sender, for the error message.
        max_bytes: the limit for the whole file.
        deadline: for the last byte, on `clock`.
        clock: monotonic seconds.

    Raises:
        VideoModelError: here, if the body's offset in the file is unknown, it is compressed or announces too much;
            while the chunks are read, if it is too long or too late.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        # Lengths and offsets would count compressed bytes, and a small body could decompress to any size.
        raise VideoModelError(ErrorCode.PROVIDER_ERROR, f"{source} compressed a file that was asked for as it is.")
    length = headers.get("content-length", "")
    size_bytes = int(length) if re.fullmatch("[0-9]{1,18}", length) else None
    start_byte = 0
    if status_code == httpx.codes.PARTIAL_CONTENT:
        content_range = re.fullmatch(
            r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", headers.get("content-range", "").strip()
        )
        if content_range is None:
            raise VideoModelError(ErrorCode.PROVIDER_ERROR, f"{source} sent a part of the file without saying which.")
        start_byte = int(content_range[1])
        if content_range[2] != "*":
            size_bytes = int(content_range[2])
        elif size_bytes is not None:
            size_bytes += start_byte
    if size_bytes is not None and size_bytes > max_bytes:
        raise _too_long(source, max_bytes)
    etag = headers.get("etag", "")
    return VideoStream(
        chunks=_pace(received, source, max_bytes - start_byte, deadline, clock),
        start_byte=start_byte,
        size_bytes=size_bytes,
        content_type=headers.get("content-type", "").partition(";")[0].strip().lower() or None,
        # RFC 9110 section 13.1.5: If-Range takes a strong validator only.
        validator=etag if etag.startswith('"') else None,
    )


def _follow(
    url: str, headers: Mapping[str, str], deadline: Deadline, internet: PublicInternet, stack: ExitStack
) -> tuple[str, httpx.Response]:
    """Follow up to `MAX_REDIRECTS` redirects by hand, each hop checked like the first."""
    location = _parse_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        is_own = _find_origin(location) in internet.own_origins
        response = _send(location, headers, deadline, internet, stack, is_own=is_own)
        if not response.has_redirect_location:
            return location.host, response
        location = _parse_url(response.headers["location"], base=location)
    raise VideoModelError(
        ErrorCode.PROVIDER_ERROR, f"{location.host} is the end of more than {MAX_REDIRECTS} redirects."
    )


def _parse_url(url: str, *, base: httpx.URL | None = None) -> httpx.URL:
    try:
        parsed = httpx.URL(url) if base is None else base.join(url)
        host = parsed.host  # decoded only here
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(f"That is not a URL: {_shorten(error)}.") from error
    if parsed.userinfo:
        raise AddressRefused("A URL with a user name or password in it is not fetched.")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise AddressRefused(f"That is not a URL: there is no port {parsed.port}.")
    # For a host without labels, or with an empty or too long one, the resolver would only say that it does not exist.
    if host and ":" not in host and not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
        raise AddressRefused("That is not a URL: its host has a part that is empty, or longer than 63 characters.")
    return parsed.copy_with(fragment=None)


def _find_origin(url: httpx.URL) -> str:
    # httpx omits a scheme's default port.
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _send(
    url: httpx.URL,
    headers: Mapping[str, str],
    deadline: Deadline,
    internet: PublicInternet,
    stack: ExitStack,
    *,
    content: bytes | None = None,
    is_own: bool = False,
) -> httpx.Response:
    """Send a GET, or a POST if there is content, to the first address that can be reached.

    When this returns, the headers have arrived. One of the operator's own servers may have any address, and needs no
    https.
    """
    if url.scheme not in (("https", "http") if is_own else ("https",)) or not url.host:
        raise AddressRefused(
            f"Only https URLs are fetched; this one is {url.scheme[:20] or 'without a scheme'}.",
            origin=_find_origin(url) if url.scheme == "http" and url.host else None,
        )
    failure: httpx.RequestError | None = None
    addresses = _resolve(url, internet, deadline, is_own=is_own)
    for tried, address in enumerate(addresses):
        seconds_left = deadline.seconds_left
        if seconds_left <= 0:
            raise _too_late(url.host)
        wait_seconds = min(seconds_left, READ_TIMEOUT_SECONDS)
        # An address that does not answer leaves time for the next one.
        connect_seconds = min(wait_seconds, seconds_left / (len(addresses) - tried))
        request = httpx.Request(
            "GET" if content is None else "POST",
            url.copy_with(host=address),
            content=content,
            headers={"Host": url.netloc.decode("ascii"), **headers},
            extensions={
                "sni_hostname": url.raw_host.decode("ascii"),
                "timeout": httpx.Timeout(wait_seconds, connect=connect_seconds).as_dict(),
                DEADLINE: deadline,
            },
        )
        try:
            # Not through a client, which would parse the address of a redirect, and raise if it is malformed.
            response = (internet.transport or BoundedTransport()).handle_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error
        except httpx.RequestError as error:
            raise _broken(url.host, error, deadline) from error
        else:
            stack.callback(response.close)
            return response
    if failure is not None and deadline.seconds_left <= 0:
        raise _too_late(url.host) from failure
    reason = "it has no address" if failure is None else _shorten(failure)
    raise VideoModelError(
        ErrorCode.PROVIDER_ERROR, f"{url.host} cannot be reached: {reason}.", transient=True
    ) from failure


def _resolve(url: httpx.URL, internet: PublicInternet, deadline: Deadline, *, is_own: bool) -> Sequence[str]:
    """Resolve a host once; if any of its addresses is private, refuse the host."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        addresses = resolve_in_time(internet.resolve, url.host, port, deadline)
    except TimeoutError as error:
        raise _too_late(url.host) from error
    except (OSError, UnicodeError, OverflowError) as error:
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"The name {url.host} does not resolve: {_shorten(error)}.", transient=True
        ) from error
    if not all(map(_holds_no_keys if is_own else _is_public, addresses)):
        raise AddressRefused(
            f"{url.host} lies in a private network; only public addresses are fetched.",
            origin=None if is_own else _find_origin(url),
        )
    return addresses


def _is_public(address: str) -> bool:
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        # Python counts multicast as global.
        return ip.is_global and not ip.is_multicast
    return ip.is_global and ip in _GLOBAL_UNICAST and ip not in _6TO4


def _holds_no_keys(address: str) -> bool:
    """Tell whether no cloud serves metadata, with the requesting machine's keys, at an address."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        # An IPv4 address may be written as IPv6, and a link-local address may end in a scope.
        ip = ip.ipv4_mapped or IPv6Address(int(ip))
    return not (ip.is_link_local or ip.is_multicast or ip == _METADATA_V6)


def _check_status(host: str, response: httpx.Response) -> None:
    status_code = response.status_code
    if status_code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        return
    if status_code in (401, 403, 404, 410):
        raise VideoModelError(
            ErrorCode.EXPIRED,
            f"{host} answered {status_code}: the URL has expired or was never valid; ask for a new one.",
        )
    raise VideoModelError(
        ErrorCode.RATE_LIMITED if status_code == httpx.codes.TOO_MANY_REQUESTS else ErrorCode.PROVIDER_ERROR,
        f"{host} answered {status_code} instead of the file.",
        transient=status_code in (408, 425, 429) or status_code >= 500,
        retry_after_seconds=parse_retry_after(response.headers.get("retry-after"), now=datetime.now(UTC)),
    )


def _read_pieces(host: str, response: httpx.Response, deadline: Deadline) -> Iterator[bytes]:
    """Read a body as it arrives; a compressed one was refused before."""
    try:
        yield from cast(httpx.SyncByteStream, response.stream)
    except httpx.RequestError as error:
        raise _broken(host, error, deadline) from error


def _pace(
    received: Iterable[bytes], source: str, max_bytes: int, deadline: float, clock: Callable[[], float]
) -> Iterator[bytes]:
    """Regroup a body into chunks of `CHUNK_BYTES`, up to a maximum length and a deadline.

    If bytes arrive too slowly to fill a chunk, yield a smaller one: the reader must be able to detect a slow server.
    """
    held = bytearray()
    held_since = clock()
    received_bytes = 0
    for piece in received:
        if clock() > deadline:
            raise _too_late(source, received_bytes)
        received_bytes += len(piece)
        if received_bytes > max_bytes:
            raise _too_long(source, max_bytes)
        held += piece
        while len(held) >= CHUNK_BYTES or (held and clock() - held_since > HOLD_SECONDS):
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
            held_since = clock()
    if held:
        yield bytes(held)


def _broken(host: str, error: httpx.RequestError, deadline: Deadline) -> VideoModelError:
    if isinstance(error, httpx.TimeoutException) and deadline.seconds_left <= 0:
        return _too_late(host)
    return VideoModelError(
        ErrorCode.PROVIDER_ERROR, f"The connection to {host} broke: {_shorten(error)}.", transient=True
    )


def _shorten(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:_MAX_REASON_LENGTH].rstrip(".")


def _too_late(source: str, received_bytes: int | None = None) -> VideoModelError:
    so_far = "" if received_bytes is None else f"; {received_bytes} bytes had come by then"
    return VideoModelError(ErrorCode.TIMEOUT, f"{source} took too long{so_far}.", transient=True)


def _too_long(source: str, max_bytes: int) -> VideoModelError:
    return VideoModelError(ErrorCode.PROVIDER_ERROR, f"{source} sends more than the {max_bytes} bytes that are taken.")
