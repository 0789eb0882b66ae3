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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

import httpx

from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError
from mediaposter.domain.receipt import Receipt
from mediaposter.http.addresses import AddressRefused, find_origin, holds_no_keys, is_public, parse_url
from mediaposter.http.bounded import DEADLINE, BoundedTransport, Deadline, resolve_host, resolve_in_time
from mediaposter.http.file_stream import build_stream, download_headers, too_late
from mediaposter.http.reply import describe_error, parse_retry_after
from mediaposter.media.video_stream import VideoStream

# httpx logs each URL at INFO with its query, which may hold a signature or a secret; Lambda's JSON logs include INFO.
logging.getLogger("httpx").setLevel(logging.WARNING)

MAX_REDIRECTS = 3
# Limits one wait: to connect, for the head of a response, for the next piece of a body.
READ_TIMEOUT_SECONDS = 20.0


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
            f"The file that the request names could not be fetched, so nothing was submitted: {error.message}",
            transient=error.transient,
            retry_after_seconds=error.retry_after_seconds,
        ) from error
    if stream.size_bytes is not None and len(content) != stream.size_bytes:
        raise VideoModelError(
            ErrorCode.INVALID_REQUEST,
            f"The file that the request names ended after {len(content)} of {stream.size_bytes} bytes, so nothing was "
            "submitted.",
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
    return post_document(
        url,
        content,
        headers={"Content-Type": "application/json", **headers},
        timeout_seconds=timeout_seconds,
        is_anywhere_allowed=is_anywhere_allowed,
        internet=internet,
    ).status_code


def post_document(
    url: str,
    content: bytes,
    *,
    headers: Mapping[str, str],
    timeout_seconds: float,
    is_anywhere_allowed: bool = False,
    internet: PublicInternet = PUBLIC_INTERNET,
) -> Receipt:
    """Post a document of any type once, and return the head of the answer. Otherwise as `post_json`."""
    with ExitStack() as stack:
        response = _send(
            parse_url(url),
            {"User-Agent": "mediaposter", **headers},
            internet.start_deadline(timeout_seconds),
            internet,
            stack,
            content=content,
            is_own=is_anywhere_allowed,
        )
        retry_after = parse_retry_after(response.headers.get("retry-after"), now=datetime.now(UTC))
        return Receipt(response.status_code, retry_after)


def parse_origin(text: str) -> str:
    """Parse the origin of one of the operator's own servers, `http://host:port`, for `PublicInternet`.

    Raises:
        ConfigurationError: it is not an origin.
    """
    try:
        url = parse_url(text)
    except VideoModelError as error:
        raise ConfigurationError(f"{text[:100]!r} is not the address of a server. {error.message}") from error
    if url.scheme not in ("http", "https") or not url.host or url.raw_path != b"/" or re.search("[?#]", text):
        raise ConfigurationError(f"{text[:100]!r} must read like http://host:9000, with nothing after the port.")
    return find_origin(url)


def _follow(
    url: str, headers: Mapping[str, str], deadline: Deadline, internet: PublicInternet, stack: ExitStack
) -> tuple[str, httpx.Response]:
    """Follow up to `MAX_REDIRECTS` redirects by hand, each hop checked like the first."""
    location = parse_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        is_own = find_origin(location) in internet.own_origins
        response = _send(location, headers, deadline, internet, stack, is_own=is_own)
        if not response.has_redirect_location:
            return location.host, response
        location = parse_url(response.headers["location"], base=location)
    raise VideoModelError(ErrorCode.PROVIDER_ERROR, f"{location.host} is behind more than {MAX_REDIRECTS} redirects.")


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
            origin=find_origin(url) if url.scheme == "http" and url.host else None,
        )
    failure: httpx.RequestError | None = None
    addresses = _resolve(url, internet, deadline, is_own=is_own)
    for tried, address in enumerate(addresses):
        seconds_left = deadline.seconds_left
        if seconds_left <= 0:
            raise too_late(url.host)
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
        raise too_late(url.host) from failure
    reason = "it has no address" if failure is None else describe_error(failure)
    raise VideoModelError(
        ErrorCode.PROVIDER_ERROR, f"{url.host} cannot be reached: {reason}.", transient=True
    ) from failure


def _resolve(url: httpx.URL, internet: PublicInternet, deadline: Deadline, *, is_own: bool) -> Sequence[str]:
    """Resolve a host once; if any of its addresses is private, refuse the host."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        addresses = resolve_in_time(internet.resolve, url.host, port, deadline)
    except TimeoutError as error:
        raise too_late(url.host) from error
    except (OSError, UnicodeError, OverflowError) as error:
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"The name {url.host} does not resolve: {describe_error(error)}.", transient=True
        ) from error
    if not all(map(holds_no_keys if is_own else is_public, addresses)):
        raise AddressRefused(
            f"{url.host} is in a private network; only public addresses are fetched.",
            origin=None if is_own else find_origin(url),
        )
    return addresses


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


def _broken(host: str, error: httpx.RequestError, deadline: Deadline) -> VideoModelError:
    if isinstance(error, httpx.TimeoutException) and deadline.seconds_left <= 0:
        return too_late(host)
    return VideoModelError(
        ErrorCode.PROVIDER_ERROR, f"The connection to {host} broke: {describe_error(error)}.", transient=True
    )
