"""Call one vendor's server: only its origin gets the key, and a call that costs or publishes is sent once.

It uses no vendor SDK, because each of them retries a paid POST after a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import Protocol, TypeAlias, cast

import httpx

from mediaposter.domain.errors import ConfigurationError, ErrorCode, MediaPosterError, VideoModelError
from mediaposter.http.addresses import AddressRefused, join_url
from mediaposter.http.bounded import DEADLINE, BoundedTransport, Deadline, keep_to
from mediaposter.http.file_stream import MAX_DOWNLOAD_SECONDS, MAX_VIDEO_BYTES, build_stream, download_headers
from mediaposter.http.outbound import MAX_REDIRECTS, PUBLIC_INTERNET, PublicInternet, open_url
from mediaposter.http.reply import Reply, describe_error, read_pieces
from mediaposter.media.video_stream import VideoStream

# No vendor's response about a job is as long; a longer one is cut, and so is not JSON.
MAX_REPLY_BYTES = 4 * 1024 * 1024
# A call with a large body, such as a picture, gets more time; a slower upload is aborted.
SLOWEST_BYTES_PER_SECOND = 256 * 1024
_LEAST_SECONDS = 0.001

# Raised before the first byte of a request is written. Any other error (a timeout while reading or writing, a reset, a
# reply that is not HTTP) may come after the server acted. A POST never follows redirects, so none of these can belong
# to a second hop.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)

# Reads a body as it arrives.
Read: TypeAlias = Callable[[Iterable[bytes]], bytes]
# A field of a form: text, or a file as its name, content and type.
FormField: TypeAlias = str | tuple[str, bytes, str]


class VendorErrors(Protocol):
    """How an adapter reports a call that got no response."""

    def refuse_request(self, reason: str) -> MediaPosterError:
        """Report a request that cannot be written, so that nothing was sent."""

    def lose_submission(self, error: httpx.RequestError, *, was_sent: bool) -> MediaPosterError:
        """Report a submission without a response; `was_sent` unless it certainly broke before the first byte."""

    def lose_question(self, error: httpx.RequestError) -> MediaPosterError:
        """Report a call without a response that is safe to repeat."""


class ClientTransport(httpx.BaseTransport):
    """A caller's own httpx client, for a proxy or private certificates; it follows no redirect here."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            httpx.RequestError: as the client does.
        """
        try:
            return self._client.send(request, stream=True, follow_redirects=False)
        except (httpx.InvalidURL, ValueError) as error:
            # The client also parses the address of a redirect that it does not follow.
            raise httpx.RemoteProtocolError(str(error)) from error


class Vendor:
    """The calls to one vendor's server."""

    def __init__(
        self,
        *,
        base_url: httpx.URL,
        api_key: str,
        errors: VendorErrors,
        key_header: str = "Authorization",
        key_prefix: str = "Bearer ",
        headers: Mapping[str, str] | None = None,
        reply_class: type[Reply] = Reply,
        transport: httpx.BaseTransport | None = None,
        timeout_seconds: float = 30.0,
        connect_seconds: float | None = None,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        internet: PublicInternet = PUBLIC_INTERNET,
    ) -> None:
        """Take a server's address and key.

        Args:
            base_url: the URL before the vendor's paths; see `parse_base_url`.
            api_key: sent to the origin of `base_url` only.
            errors: reports the calls that got no response.
            key_header: the vendor's header for the key.
            key_prefix: what precedes the key in that header.
            headers: further headers for the vendor.
            reply_class: parses the vendor's responses, if its errors have their own format.
            transport: sends the calls to `base_url`; sockets by default, new ones for each call.
            timeout_seconds: for a whole call, from the DNS lookup to the last byte of the response. A large body and a
                video get more in total, but not for a single wait. A `ClientTransport` applies it only between socket
                reads.
            connect_seconds: for the DNS lookup, the connection and TLS; by default only `timeout_seconds` limits them.
            max_reply_bytes: a longer response is cut.
            internet: how to reach the URLs of callers and replies; its resolver and clock also serve the calls.

        Raises:
            ConfigurationError: no header takes `api_key`.
        """
        self.base_url = base_url
        self.timeout_seconds = timeout_seconds
        self.internet = internet
        self._errors = errors
        self._key_header = {key_header: f"{key_prefix}{_check_api_key(api_key)}"}
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "mediaposter",
            **(headers or {}),
        }
        self._reply_class = reply_class
        # A kept connection might die while a Lambda is frozen: the next submission would look sent and lost.
        self._transport = BoundedTransport(resolve=internet.resolve) if transport is None else transport
        self._connect_seconds = timeout_seconds if connect_seconds is None else connect_seconds
        self._read: Read = partial(read_bounded, max_bytes=max_reply_bytes)

    def submit(
        self,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, FormField] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        read: Read | None = None,
    ) -> Reply:
        """Send one POST that costs or publishes, without retries, and return any response.

        Args:
            path: below `base_url`.
            json: the body.
            form: the body, as multipart/form-data.
            params: of the query.
            headers: of this call alone.
            read: reads the response body as it arrives, if it may be long.

        Raises:
            MediaPosterError: from `errors`: no response came, or the request cannot be written.
        """
        request = self._write("POST", path, json=json, form=form, params=params, headers=headers)
        try:
            return self.exchange(request, read=read)
        except httpx.RequestError as error:
            raise self._errors.lose_submission(error, was_sent=not isinstance(error, _NOT_SENT)) from error

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str] | None = None,
        deadline: Deadline | None = None,
        read: Read | None = None,
    ) -> Reply:
        """Make a call that is safe to repeat, and return any response; a `deadline` replaces `timeout_seconds`.

        Raises:
            MediaPosterError: from `errors`: no response came, or the request cannot be written.
        """
        request = self._write(method, path, json=json, params=params)
        try:
            return self.exchange(request, deadline=deadline, read=read)
        except httpx.RequestError as error:
            raise self._errors.lose_question(error) from error

    def exchange(
        self,
        request: httpx.Request,
        *,
        deadline: Deadline | None = None,
        wait_seconds: float | None = None,
        read: Read | None = None,
    ) -> Reply:
        """Send a request once, as it is: to any host, without the key.

        By default `timeout_seconds` limits the whole call and each wait; with `read`, the time of a download the call.

        Raises:
            httpx.RequestError: no complete response came in time.
        """
        if deadline is None:
            sending_seconds = int(request.headers.get("content-length", "0")) / SLOWEST_BYTES_PER_SECOND
            call_seconds = self.timeout_seconds + sending_seconds if read is None else MAX_DOWNLOAD_SECONDS
            deadline = self.internet.start_deadline(call_seconds)
        with closing(self._send(request, deadline, wait_seconds)) as response:
            return self._read_reply(response, read or self._read, deadline)

    @contextmanager
    def open_file(
        self,
        location: str,
        *,
        start_byte: int,
        validator: str | None,
        send_key: bool,
        refuse: Callable[[Reply], MediaPosterError],
        expire: Callable[[str], MediaPosterError] | None = None,
    ) -> Iterator[VideoStream]:
        """Open a video at the address in a reply.

        The same transport opens an address on the server's own origin, even a private or plain http one. Any other
        address, including a redirect's, is opened as an untrusted URL and never gets the key. Of those, only
        `own_origins` of `internet` may be private or plain http.

        Args:
            location: a URL, or a path on the server's origin.
            start_byte: the first byte to read.
            validator: of the file that was begun.
            send_key: whether the own origin requires the key.
            refuse: maps a response of the own origin that is not a video.
            expire: maps the message for an expired address elsewhere.

        Raises:
            AddressRefused: on opening: no call may go there.
            MediaPosterError: on opening or while the chunks are read.
        """
        deadline = self.internet.start_deadline(MAX_DOWNLOAD_SECONDS)
        headers = {**(self._key_header if send_key else {}), **download_headers(start_byte, validator)}
        with ExitStack() as stack:
            answer = self._follow_own(self.join(location), headers, deadline, stack)
            if isinstance(answer, httpx.Response):
                yield self._read_own(answer, deadline, refuse)
                return
            foreign = open_url(
                str(answer),
                max_bytes=MAX_VIDEO_BYTES,
                timeout_seconds=deadline.seconds_left,
                start_byte=start_byte,
                validator=validator,
                internet=self.internet,
            )
            try:
                stream = stack.enter_context(foreign)
            except AddressRefused as error:
                raise _advise(error) from error
            except VideoModelError as error:
                if expire is not None and error.code is ErrorCode.EXPIRED:
                    raise expire(error.message) from error
                raise
            yield stream

    def join(self, location: str) -> httpx.URL:
        """Resolve an address from a reply: a URL, or a path, which is below `base_url` without a leading slash.

        Raises:
            AddressRefused: it is not a URL.
        """
        return join_url(f"{self.base_url}/", location, source=self.base_url.host)

    def is_own(self, url: httpx.URL) -> bool:
        """Tell whether an address is on the server's own origin, the only one that gets the key."""
        return _origin(url) == _origin(self.base_url)

    def _write(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, FormField] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        """Write a request with the key; refuse half an emoji, a number that JSON does not have, an endless address."""
        parts = {name: (None, value) if isinstance(value, str) else value for name, value in (form or {}).items()}
        try:
            return httpx.Request(
                method,
                f"{self.base_url}{path}",
                json=json,
                files=parts or None,
                params=params,
                headers={**self._headers, **self._key_header, **(headers or {})},
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise self._errors.refuse_request(describe_error(error)) from error

    def _send(self, request: httpx.Request, deadline: Deadline, wait_seconds: float | None = None) -> httpx.Response:
        """Send a request, each of whose waits is bounded; an address in a reply gets neither the key nor a POST."""
        wait_seconds = max(min(wait_seconds or self.timeout_seconds, deadline.seconds_left), _LEAST_SECONDS)
        timeout = httpx.Timeout(wait_seconds, connect=min(wait_seconds, self._connect_seconds))
        request.extensions.update({"timeout": timeout.as_dict(), DEADLINE: deadline})
        return self._transport.handle_request(request)

    def _read_reply(self, response: httpx.Response, read: Read, deadline: Deadline) -> Reply:
        """Read a response by a deadline. Treat an undecodable body as empty; the status is still useful."""
        try:
            content = read(keep_to(deadline, read_pieces(response)))
        except httpx.DecodingError:
            content = b""
        return self._reply_class(response.status_code, response.headers, content)

    def _follow_own(
        self, url: httpx.URL, headers: Mapping[str, str], deadline: Deadline, stack: ExitStack
    ) -> httpx.Response | httpx.URL:
        """Request bytes from the server's own origin.

        Returns:
            Its response, or the address elsewhere that it redirects to.
        """
        for _ in range(MAX_REDIRECTS + 1):
            if not self.is_own(url):
                return url
            try:
                response = self._send(httpx.Request("GET", url, headers=headers), deadline)
            except httpx.RequestError as error:
                raise self._errors.lose_question(error) from error
            stack.callback(response.close)
            if not response.has_redirect_location:
                break
            url = join_url(url, response.headers["location"], source=self.base_url.host)
        return response

    def _read_own(
        self, response: httpx.Response, deadline: Deadline, refuse: Callable[[Reply], MediaPosterError]
    ) -> VideoStream:
        if response.status_code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            return build_stream(
                response.status_code,
                response.headers,
                # Raw bytes: a compressed body is refused.
                self._name_errors(cast(httpx.SyncByteStream, response.stream)),
                source=self.base_url.host,
                max_bytes=MAX_VIDEO_BYTES,
                deadline=deadline.at,
                clock=deadline.clock,
            )
        try:
            reply = self._read_reply(response, self._read, deadline.within(self.timeout_seconds))
        except httpx.RequestError as error:
            raise self._errors.lose_question(error) from error
        raise refuse(reply)

    def _name_errors(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from pieces
        except httpx.RequestError as error:
            raise self._errors.lose_question(error) from error


def read_bounded(pieces: Iterable[bytes], *, max_bytes: int) -> bytes:
    """Read a body, up to `max_bytes` and a piece."""
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > max_bytes:
            break
    return bytes(content)


def _check_api_key(api_key: str) -> str:
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ConfigurationError(
            "api_key is empty, or holds a space, a line break or a character that no header takes; copy it again. "
            "If the server needs no key, give any word."
        )
    return api_key


def _advise(error: AddressRefused) -> AddressRefused:
    """Add advice for a video on one of the operator's own servers."""
    if error.origin is None:
        return error
    return AddressRefused(
        f"{error.message} If that is a server of your own, name it in ProviderBaseUrls: <provider>-files="
        f"{error.origin}.",
        origin=error.origin,
    )


def _origin(url: httpx.URL) -> tuple[str, bytes, bytes]:
    # Includes user name and password, which `base_url` never has: httpx would send them as an Authorization header.
    # httpx omits a scheme's default port.
    return url.scheme, url.userinfo, url.netloc
