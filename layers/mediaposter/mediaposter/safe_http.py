"""Reach a URL that someone else chose: a caller's image, a provider's finished video, a receiver of webhooks.

Such a URL may name a host inside our own network, or turn there by a redirect or by a changed DNS answer. So it is
https only, every address of every hop is checked, and the connection goes to the very address that was checked. No
key and no cookie ever travels with it.
"""

from __future__ import annotations

import logging
import math
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv6Network, ip_address

import httpx

from mediaposter.errors import ErrorCode, VideoModelError
from mediaposter.streaming.video_stream import VideoStream

# httpx logs each URL at INFO with its query, which may sign or hold a secret; Lambda's JSON logs begin at INFO.
logging.getLogger("httpx").setLevel(logging.WARNING)

MAX_REDIRECTS = 3
CHUNK_BYTES = 128 * 1024
# Bounds one read: the deadline is looked at between the reads of a body, and is overrun by no more than this.
READ_TIMEOUT_SECONDS = 20.0

# IANA allocates global unicast from this block alone; whatever lies outside it (NAT64's 64:ff9b::/96, which Python
# calls global, IPv4-mapped, IPv4-compatible, site-local and multicast addresses) can lead to an inner IPv4 host.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Inside that block, but carries an IPv4 address of the writer's choice; Python calls it global.
_6TO4 = IPv6Network("2002::/16")


def resolve_host(host: str, port: int) -> list[str]:
    """List the addresses of a host in the order in which the system prefers them.

    Raises:
        OSError: the name does not resolve.
    """
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))


@dataclass(frozen=True, slots=True)
class PublicInternet:
    """The way out: a resolver, a transport and a clock.

    Attributes:
        resolve: host and port to addresses.
        transport: carries the requests; None stands for real sockets, new ones for each hop.
        clock: monotonic seconds, for the deadline.
    """

    resolve: Callable[[str, int], Sequence[str]] = resolve_host
    transport: httpx.BaseTransport | None = None
    clock: Callable[[], float] = time.monotonic


PUBLIC_INTERNET = PublicInternet()


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
    """Open a URL that someone else chose, from `start_byte` on when its server can.

    Args:
        url: https, without a user name or password in it.
        max_bytes: the whole file may not be longer.
        timeout_seconds: for everything from the first look-up to the last byte.
        start_byte: where an interrupted download goes on.
        validator: a strong ETag; if it no longer matches, the stream starts at 0.
        internet: how to get there.

    Raises:
        VideoModelError: on opening or while the chunks are read. `provider_error`, and not transient, when the URL is
            refused; `expired` when its server no longer gives it out; `timeout` past the deadline.
    """
    deadline = internet.clock() + timeout_seconds
    with ExitStack() as stack:
        host, response = _follow(url, download_headers(start_byte, validator), deadline, internet, stack)
        _check_status(host, response)
        yield build_stream(
            response.status_code,
            response.headers,
            _read_pieces(host, response),
            source=host,
            max_bytes=max_bytes,
            deadline=deadline,
            clock=internet.clock,
        )


def fetch_bytes(
    url: str, *, max_bytes: int, timeout_seconds: float, internet: PublicInternet = PUBLIC_INTERNET
) -> bytes:
    """Fetch a small file whole from a URL that a caller's request names.

    Raises:
        VideoModelError: with code `invalid_request`, since the request named it; `transient` when another try may help.
    """
    try:
        with open_url(url, max_bytes=max_bytes, timeout_seconds=timeout_seconds, internet=internet) as stream:
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
    """Post a JSON document, once, and give the status of the answer; its body is not read, a redirect not followed.

    Args:
        url: https, without a user name or password in it.
        content: the document.
        headers: beside those that every such request has.
        timeout_seconds: for everything up to the headers of the answer.
        is_anywhere_allowed: plain http and private addresses too, as a cloud on one machine needs them.
        internet: how to get there.

    Raises:
        VideoModelError: nothing was answered: the URL is refused, or its host was not reached in time.
    """
    with ExitStack() as stack:
        response = _send(
            _parse_url(url, schemes=("https", "http") if is_anywhere_allowed else ("https",)),
            {"Content-Type": "application/json", "User-Agent": "mediaposter", **headers},
            internet.clock() + timeout_seconds,
            internet,
            stack,
            content=content,
            is_anywhere_allowed=is_anywhere_allowed,
        )
        return response.status_code


def download_headers(start_byte: int, validator: str | None) -> dict[str, str]:
    """Ask for a file as it is, from `start_byte` on if it is still the one that `validator` names."""
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
        headers: of the reply; the look-up must ignore case.
        received: its body in the pieces in which it arrives: a sender of one byte a second must not hide in a buffer.
        source: who sends it, for the sentence of an error.
        max_bytes: the whole file may not be longer.
        deadline: for the last byte, on `clock`.
        clock: monotonic seconds.

    Raises:
        VideoModelError: here, when the body cannot be placed in the file, is compressed or announces too much; while
            the chunks are read, when it turns out too long or too late.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        # Lengths and offsets would count compressed bytes, and a small body could unfold without bound.
        raise VideoModelError(ErrorCode.PROVIDER_ERROR, f"{source} compressed a file that was asked for as it is.")
    length = headers.get("content-length", "")
    size_bytes = int(length) if length.isdecimal() else None
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


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date, as seconds from `now`.

    Returns:
        None when there is no such header or it cannot be read: it is a hint, and a caller has a pace of its own.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _follow(
    url: str, headers: Mapping[str, str], deadline: float, internet: PublicInternet, stack: ExitStack
) -> tuple[str, httpx.Response]:
    """Follow up to `MAX_REDIRECTS` redirects by hand, each hop checked like the first."""
    location = _parse_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        response = _send(location, headers, deadline, internet, stack)
        if not response.has_redirect_location:
            return location.host, response
        location = _parse_url(response.headers["location"], base=location)
    raise VideoModelError(
        ErrorCode.PROVIDER_ERROR, f"{location.host} is the end of more than {MAX_REDIRECTS} redirects."
    )


def _parse_url(url: str, *, base: httpx.URL | None = None, schemes: Sequence[str] = ("https",)) -> httpx.URL:
    try:
        parsed = httpx.URL(url) if base is None else base.join(url)
        host = parsed.host  # decoded only now
    except (httpx.InvalidURL, ValueError) as error:
        raise VideoModelError(ErrorCode.PROVIDER_ERROR, f"That is not a URL: {error}.") from error
    if parsed.scheme not in schemes or not host:
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR,
            f"Only https URLs are fetched; this one is {parsed.scheme or 'without a scheme'}.",
        )
    if parsed.userinfo:
        raise VideoModelError(ErrorCode.PROVIDER_ERROR, "A URL with a user name or password in it is not fetched.")
    return parsed.copy_with(fragment=None)


def _send(
    url: httpx.URL,
    headers: Mapping[str, str],
    deadline: float,
    internet: PublicInternet,
    stack: ExitStack,
    *,
    content: bytes | None = None,
    is_anywhere_allowed: bool = False,
) -> httpx.Response:
    """Ask the first address that can be reached, with a GET or, where there is content, a POST.

    The headers have come when this returns.
    """
    failure: httpx.RequestError | None = None
    for address in _resolve(url, internet, is_anywhere_allowed=is_anywhere_allowed):
        remaining_seconds = deadline - internet.clock()
        if remaining_seconds <= 0:
            raise _too_late(url.host, 0)
        # A client for each hop: a pooled connection is found by its address, and behind one address two hosts can
        # live, of which only the first has shown its certificate.
        client = stack.enter_context(
            httpx.Client(
                transport=internet.transport,
                trust_env=False,
                follow_redirects=False,
                timeout=min(remaining_seconds, READ_TIMEOUT_SECONDS),
            )
        )
        try:
            return stack.enter_context(
                client.stream(
                    "GET" if content is None else "POST",
                    url.copy_with(host=address),
                    content=content,
                    headers={"Host": url.netloc.decode("ascii"), **headers},
                    extensions={"sni_hostname": url.raw_host.decode("ascii")},
                )
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error
        except httpx.RequestError as error:
            raise _broken(url.host, error) from error
    raise VideoModelError(
        ErrorCode.PROVIDER_ERROR, f"{url.host} cannot be reached: {failure or 'it has no address'}.", transient=True
    ) from failure


def _resolve(url: httpx.URL, internet: PublicInternet, *, is_anywhere_allowed: bool) -> Sequence[str]:
    """Resolve a host once; one inner address among its addresses refuses it altogether."""
    try:
        addresses = internet.resolve(url.host, url.port or (443 if url.scheme == "https" else 80))
    except (OSError, UnicodeError) as error:
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"The name {url.host} does not resolve: {error}.", transient=True
        ) from error
    if not is_anywhere_allowed and not all(_is_public(address) for address in addresses):
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"{url.host} lies in a private network; only public addresses are fetched."
        )
    return addresses


def _is_public(address: str) -> bool:
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        # Python counts multicast as global.
        return ip.is_global and not ip.is_multicast
    return ip.is_global and ip in _GLOBAL_UNICAST and ip not in _6TO4


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


def _read_pieces(host: str, response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_bytes()
    except httpx.RequestError as error:
        raise _broken(host, error) from error


def _pace(
    received: Iterable[bytes], source: str, max_bytes: int, deadline: float, clock: Callable[[], float]
) -> Iterator[bytes]:
    """Regroup a body into chunks of `CHUNK_BYTES`, within a length and a deadline."""
    held = bytearray()
    received_bytes = 0
    for piece in received:
        if clock() > deadline:
            raise _too_late(source, received_bytes)
        received_bytes += len(piece)
        if received_bytes > max_bytes:
            raise _too_long(source, max_bytes)
        held += piece
        while len(held) >= CHUNK_BYTES:
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
    if held:
        yield bytes(held)


def _broken(host: str, error: httpx.RequestError) -> VideoModelError:
    return VideoModelError(
        ErrorCode.PROVIDER_ERROR,
        f"The connection to {host} broke: {str(error) or type(error).__name__}.",
        transient=True,
    )


def _too_late(source: str, received_bytes: int) -> VideoModelError:
    return VideoModelError(
        ErrorCode.TIMEOUT, f"{source} took too long; {received_bytes} bytes had come by then.", transient=True
    )


def _too_long(source: str, max_bytes: int) -> VideoModelError:
    return VideoModelError(ErrorCode.PROVIDER_ERROR, f"{source} sends more than the {max_bytes} bytes that are taken.")
