"""Send an adapter's calls to its vendor's server: only that server gets the key, and a paid call is sent once.

It uses no vendor SDK, because each of them retries a paid POST after a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import cast
from urllib.parse import quote

import httpx

from mediaposter.ai.provider_reply import ProviderErrors, Reply
from mediaposter.ai.reference_image import ReferenceImage, read_reference_image
from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoStatus, VideoStream
from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError
from mediaposter.http.bounded import DEADLINE, BoundedTransport, Deadline, keep_to
from mediaposter.http.outbound import (
    MAX_REDIRECTS,
    PUBLIC_INTERNET,
    AddressRefused,
    PublicInternet,
    build_stream,
    download_headers,
    open_url,
)
from mediaposter.http.reply import read_pieces

MAX_VIDEO_BYTES = 4 * 1024**3
# As long as a Lambda may run: a longer download would outlive its reader.
MAX_DOWNLOAD_SECONDS = 900.0
# No vendor's response about a job is as long; a longer one is cut, and so is not JSON.
MAX_REPLY_BYTES = 4 * 1024 * 1024
# A call with a large body, such as a picture, gets more time; a slower upload is aborted.
SLOWEST_BYTES_PER_SECOND = 256 * 1024
_LEAST_SECONDS = 0.001

# Raised before the first byte of a request is written. Any other error (a timeout while reading or writing, a reset, a
# reply that is not HTTP) may come after the server acted. A POST never follows redirects, so none of these can belong
# to a second hop.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
# httpx also parses the address of a redirect that it does not follow, and raises if it is invalid.
_BROKEN = (httpx.RequestError, httpx.InvalidURL, ValueError)


class ProviderConnection:
    """The calls to one vendor's server."""

    def __init__(
        self,
        *,
        base_url: str,
        example_url: str,
        api_key: str,
        key_header: Callable[[str], Mapping[str, str]],
        codes_by_word: Mapping[str, ErrorCode],
        reply_class: type[Reply] = Reply,
        headers: Mapping[str, str] | None = None,
        http_client: httpx.Client | None = None,
        timeout_seconds: float = 30.0,
        internet: PublicInternet = PUBLIC_INTERNET,
    ) -> None:
        """Take a server's address and key.

        Args:
            base_url: the URL before the vendor's paths.
            example_url: an example of `base_url`, for the error message.
            api_key: sent to the origin of `base_url` only.
            key_header: builds the vendor's header for the key.
            codes_by_word: our codes for the vendor's error words, in lower case.
            reply_class: parses the vendor's responses, if its errors have their own format.
            headers: further headers for the vendor.
            http_client: sends the calls to `base_url`, for a proxy or private certificates.
            timeout_seconds: for a whole call, from the DNS lookup to the last byte of the response. A large body and a
                video get more in total, but not for a single wait. Your own `http_client` applies it only between
                socket reads.
            internet: how to reach the URLs of callers and replies; its resolver and clock also serve the calls.

        Raises:
            ConfigurationError: `base_url` or `api_key` cannot be used.
        """
        self.base_url = _check_base_url(base_url, example_url)
        self.timeout_seconds = timeout_seconds
        self.internet = internet
        self.errors = ProviderErrors(host=self.base_url.host, api_key=api_key, codes_by_word=codes_by_word)
        self._key_header = key_header(_check_api_key(api_key))
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "mediaposter",
            **(headers or {}),
        }
        self._reply_class = reply_class
        # Neither the key nor a paid POST goes to an address from a reply: a 3xx is returned as it is.
        self._send: Callable[[httpx.Request], httpx.Response] = (
            BoundedTransport(resolve=internet.resolve).handle_request
            if http_client is None
            else partial(http_client.send, stream=True, follow_redirects=False)
        )

    def submit(
        self,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        form: Mapping[str, str] | None = None,
        file: tuple[str, ReferenceImage] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        read: Callable[[Iterable[bytes]], bytes] | None = None,
    ) -> Reply:
        """Send one paid POST, without retries.

        Args:
            path: below `base_url`.
            json: the body.
            form: the body, as multipart/form-data.
            file: a field of the form and the picture in it.
            params: of the query.
            headers: of this call alone.
            read: reads the response body as it arrives, if it may be long.

        Raises:
            SubmissionUnknown: the server may have accepted it.
            VideoModelError: the server cannot be reached, or the request cannot be encoded, so it did not.
        """
        parts: list[tuple[str, tuple[str | None, str | bytes, str] | tuple[None, str]]] = [
            (name, (None, value)) for name, value in (form or {}).items()
        ]
        if file is not None:
            field, image = file
            parts.append((field, (image.filename, image.content, image.content_type)))
        with _writing():
            request = httpx.Request(
                "POST",
                self._address(path),
                json=json,
                files=parts or None,
                params=params,
                headers={**self._headers, **self._key_header, **(headers or {})},
            )
        return self._exchange(
            request,
            lambda error: self.errors.lose_submission(error, was_sent=not isinstance(error, _NOT_SENT)),
            read,
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        read: Callable[[Iterable[bytes]], bytes] | None = None,
    ) -> Reply:
        """Make a call that is safe to repeat, and return any response.

        Args:
            method: of HTTP.
            path: below `base_url`.
            params: of the query.
            read: reads the body as it arrives, if it may be long.

        Raises:
            VideoModelError: no answer came.
        """
        with _writing():
            request = httpx.Request(
                method, self._address(path), params=params, headers={**self._headers, **self._key_header}
            )
        return self._exchange(request, self.errors.lose_question, read)

    @contextmanager
    def open_video(
        self,
        location: str,
        *,
        start_byte: int,
        validator: str | None,
        send_key: bool,
        refuse: Callable[[Reply], VideoModelError] | None = None,
        outlive: Callable[[str], VideoModelError] | None = None,
    ) -> Iterator[VideoStream]:
        """Open a video at the address in a reply.

        The same client opens an address on the server's own origin, even a private or plain http one. Any other
        address, including a redirect's, is opened as an untrusted URL and never gets the key. Of those, only
        `own_origins` of `internet` may be private or plain http.

        Args:
            location: a URL, or a path on the server's origin.
            start_byte: the first byte to read.
            validator: of the file that was begun.
            send_key: whether the own origin requires the key.
            refuse: maps a response of the own origin that is not a video.
            outlive: maps the message for an expired address elsewhere.

        Raises:
            AddressRefused: on opening: no call may go there.
            VideoModelError: on opening or while the chunks are read.
        """
        deadline = self.internet.start_deadline(MAX_DOWNLOAD_SECONDS)
        headers = {**(self._key_header if send_key else {}), **download_headers(start_byte, validator)}
        with ExitStack() as stack:
            answer = self._follow_own(self.join(location), headers, deadline, stack)
            if isinstance(answer, httpx.URL):
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
                    if outlive is not None and error.code is ErrorCode.EXPIRED:
                        raise outlive(error.message) from error
                    raise
            elif answer.status_code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                stream = build_stream(
                    answer.status_code,
                    answer.headers,
                    # Raw bytes: a compressed body is refused.
                    self._name_errors(cast(httpx.SyncByteStream, answer.stream)),
                    source=self.base_url.host,
                    max_bytes=MAX_VIDEO_BYTES,
                    deadline=deadline.at,
                    clock=deadline.clock,
                )
            else:
                try:
                    content = _read(answer, read_bounded, deadline.within(self.timeout_seconds))
                except _BROKEN as error:
                    raise self.errors.lose_question(error) from error
                raise (refuse or self.errors.refuse_question)(
                    self._reply_class(answer.status_code, answer.headers, content)
                )
            yield stream

    def join(self, location: str) -> httpx.URL:
        """Resolve an address from a reply: a URL, or a path, which is below `base_url` without a leading slash.

        Raises:
            VideoModelError: it is not a URL.
        """
        return self._join(self._address("/"), location)

    def read_image(self, source: str) -> ReferenceImage:
        """Read a request's picture, before anything is submitted.

        Raises:
            VideoModelError: with code `invalid_request`; `transient` when a retry may help.
        """
        return read_reference_image(source, timeout_seconds=self.timeout_seconds, internet=self.internet)

    def is_own(self, url: httpx.URL) -> bool:
        """Tell whether an address is on the server's own origin, the only one that gets the key."""
        return _origin(url) == _origin(self.base_url)

    def _exchange(
        self,
        request: httpx.Request,
        lose: Callable[[BaseException], VideoModelError],
        read: Callable[[Iterable[bytes]], bytes] | None,
    ) -> Reply:
        """Send once, and return any response; `lose` maps a failure to get one."""
        sending_seconds = int(request.headers.get("content-length", "0")) / SLOWEST_BYTES_PER_SECOND
        # A response that may be long has its own reader.
        deadline = self.internet.start_deadline(
            self.timeout_seconds + sending_seconds if read is None else MAX_DOWNLOAD_SECONDS
        )
        try:
            with closing(self._send(self._bound(request, deadline))) as response:
                content = _read(response, read or read_bounded, deadline)
        except _BROKEN as error:
            raise lose(error) from error
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
            request = self._bound(httpx.Request("GET", url, headers=headers), deadline)
            try:
                response = stack.enter_context(closing(self._send(request)))
            except _BROKEN as error:
                raise self.errors.lose_question(error) from error
            if not response.has_redirect_location:
                break
            url = self._join(url, response.headers["location"])
        return response

    def _bound(self, request: httpx.Request, deadline: Deadline) -> httpx.Request:
        """Set the time limits of a request and of each of its waits."""
        wait_seconds = max(min(self.timeout_seconds, deadline.seconds_left), _LEAST_SECONDS)
        request.extensions.update({"timeout": httpx.Timeout(wait_seconds).as_dict(), DEADLINE: deadline})
        return request

    def _name_errors(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from pieces
        except httpx.RequestError as error:
            raise self.errors.lose_question(error) from error

    def _address(self, path: str) -> str:
        return f"{self.base_url}{path}"

    def _join(self, base: httpx.URL | str, location: str) -> httpx.URL:
        try:
            url = httpx.URL(base).join(location)
            # Only here does a host like "xn--" prove invalid.
            host = url.host
        except (httpx.InvalidURL, ValueError) as error:
            raise self._refuse_address(str(error)) from error
        if not host:
            raise self._refuse_address("it names no host")
        return url

    def _refuse_address(self, reason: str) -> AddressRefused:
        return AddressRefused(f"{self.base_url.host} gave an address that is not a URL: {reason[:200].rstrip('.')}.")


def read_bounded(pieces: Iterable[bytes]) -> bytes:
    """Read a body, up to `MAX_REPLY_BYTES` and a piece."""
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > MAX_REPLY_BYTES:
            break
    return bytes(content)


def check_job_id(job_id: str) -> str:
    """Refuse text that cannot be a job id.

    Raises:
        VideoModelError: with code `invalid_request`.
    """
    # A lone surrogate is not valid text.
    if job_id in ("", ".", "..") or re.search("[\ud800-\udfff]", job_id):
        raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{job_id!r} is not the id of a job.")
    return job_id


def quote_job_id(job_id: str) -> str:
    """Quote a job id as one path segment; LiteLLM's ids are base64, with "/", "+" and "=".

    Raises:
        VideoModelError: it cannot be an id.
    """
    return quote(check_job_id(job_id), safe="")


def require_finished(job: VideoGenerationJob) -> VideoGenerationJob:
    """Refuse to open the video of a job that has none (yet).

    Raises:
        VideoModelError: the job's own failure; or a transient one while it runs.
    """
    if job.status is VideoStatus.FAILED:
        raise VideoModelError(job.error_code or ErrorCode.PROVIDER_ERROR, job.error_message or "The job failed.")
    if job.status is not VideoStatus.COMPLETED:
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR,
            f"Job {job.job_id} is still {job.status}; there is no video yet.",
            transient=True,
            retry_after_seconds=job.retry_after_seconds,
        )
    return job


def _read(response: httpx.Response, read: Callable[[Iterable[bytes]], bytes], deadline: Deadline) -> bytes:
    """Read a body by a deadline. Treat an undecodable one as empty; the status is still useful."""
    try:
        return read(keep_to(deadline, read_pieces(response)))
    except httpx.DecodingError:
        return b""


@contextmanager
def _writing() -> Iterator[None]:
    """Refuse what no request can hold: half an emoji, a number that JSON does not have, an endless address."""
    try:
        yield
    except (httpx.InvalidURL, ValueError) as error:
        reason = str(error)[:200].rstrip(".")
        raise VideoModelError(
            ErrorCode.INVALID_REQUEST, f"The request cannot be written, so nothing was sent: {reason}."
        ) from error


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


def _check_base_url(base_url: str, example_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.rstrip("/"))
        host = url.host
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(f"base_url is not a URL: {error}.") from error
    # An empty query or fragment counts too: the paths would become part of it.
    if url.scheme not in ("http", "https") or not host or url.userinfo or re.search("[?#]", base_url):
        raise ConfigurationError(
            f"base_url must read like {example_url}, without a user name, password, query or fragment."
        )
    return url


def _check_api_key(api_key: str) -> str:
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ConfigurationError(
            "api_key is empty, or holds a space, a line break or a character that no header takes; copy it again. "
            "A server that asks for no key takes any word."
        )
    return api_key
