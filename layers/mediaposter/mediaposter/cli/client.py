"""Calls of the commands to a stack's API over HTTP: safe to repeat, patient where a person waits, errors as sentences.

A call that may cost or publish is sent again only under the same `Idempotency-Key`, or if it surely never arrived.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

from mediaposter.domain.errors import MediaPosterError
from mediaposter.http.reply import clean_sentence, describe_error, parse_retry_after

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
# A large video over a slow line: no limit of the whole, 60 seconds of silence.
_FILE_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_TRIES = 4
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 15.0
# A person who waits longer would rather be told.
_OBEYED_SECONDS_MAX = 120.0
# Nothing was recorded, or the same key leads to the same record.
_PASSING = frozenset({408, 409, 429, 500, 502, 503, 504})
# Nothing was started, whatever the route: refused, or recorded so that the same request starts it.
_NOT_RECORDED = frozenset({429, 503})
_POLL_HEADER = "openai-poll-after-ms"

Document = dict[str, JsonValue]
_DOCUMENT = TypeAdapter(Document)


class Address(NamedTuple):
    """Where a stack is, its key, and the words that say how it was found."""

    base_url: str
    api_key: str
    found_by: str


class Refusal(MediaPosterError):
    """The API refused a request. The message is the API's own; `advice` says what to do, if it needs saying."""

    def __init__(
        self, message: str, *, status: int, code: str | None, param: str | None, advice: str, request_id: str
    ) -> None:
        super().__init__(f"{message} {advice}".rstrip())
        self.status = status
        self.code = code
        self.param = param
        self.request_id = request_id


class Unreachable(MediaPosterError):
    """No answer came. `was_sent` unless the request certainly did not arrive."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class Answer(NamedTuple):
    """A JSON object of the API, and after how many seconds it wants to be asked again, if it says so."""

    body: Document
    poll_after_seconds: float | None = None


class _ErrorDetail(BaseModel):
    model_config = ConfigDict(extra="ignore")

    message: str
    param: str | None = None
    code: str | None = None


class _ErrorEnvelope(BaseModel):
    model_config = ConfigDict(extra="ignore")

    error: _ErrorDetail


class Client:
    """One stack's API."""

    def __init__(
        self,
        address: Address,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = address
        self.sleep = sleep
        self._http = httpx.Client(
            base_url=address.base_url,
            headers={"Authorization": f"Bearer {address.api_key}", "User-Agent": "mediaposter-cli"},
            timeout=_TIMEOUT,
            transport=transport,
            # A proxy of the environment is not for this machine's own host.
            trust_env=not _is_loopback(address.base_url),
        )

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """Read an object.

        Raises:
            Refusal: the API refused it.
            Unreachable: it did not answer.
        """
        return self._call("GET", path, params=params, is_repeatable=True)

    def get_once(self, path: str) -> Answer:
        """Read an object without another try, for callers that wait by themselves. Raises as `get`."""
        return self._read(self._exchange(self._http.build_request("GET", path)))

    def post(
        self,
        path: str,
        body: Document,
        *,
        params: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        is_repeatable: bool = False,
    ) -> Answer:
        """Send a request. Without `idempotency_key` it is repeated only if it surely changed nothing. Raises as `get`.

        Args:
            path: below the base URL.
            body: JSON.
            params: of the query.
            idempotency_key: under which the route does the same request once.
            is_repeatable: the route does nothing that a repetition would do again.
        """
        return self._call(
            "POST",
            path,
            body=body,
            params=params,
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
            is_repeatable=is_repeatable or idempotency_key is not None,
        )

    def patch(self, path: str, body: Document) -> Answer:
        """Change fields of something; a repetition changes nothing more. Raises as `get`."""
        return self._call("PATCH", path, body=body, is_repeatable=True)

    def delete(self, path: str) -> Answer:
        """Remove something. A repetition answers 404 if the first try came through. Raises as `get`."""
        return self._call("DELETE", path)

    def upload(self, url: str, headers: Mapping[str, str], content: bytes) -> None:
        """Put a file to the URL of POST /uploads, which gets no key.

        Raises:
            Refusal: the store refused it.
            Unreachable: it did not answer.
        """
        # Without the key: the URL is signed, and may be another host's.
        request = httpx.Request("PUT", url, headers=dict(headers), content=content)
        request.extensions["timeout"] = _FILE_TIMEOUT.as_dict()
        with self._explained(request):
            answer = self._send_without_key(request)
            answer.read()
        if not answer.is_success:
            raise Refusal(
                f"The file was not taken ({answer.status_code}).",
                status=answer.status_code,
                code=None,
                param=None,
                advice="Nothing was started; run the command again.",
                request_id="",
            )

    @contextmanager
    def download(self, path: str, params: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """Open a file; the redirect to where it lies is followed without the key. Raises as `get`."""
        request = self._http.build_request("GET", path, params=params, timeout=_FILE_TIMEOUT)
        for _ in range(5):
            with self._explained(request):
                is_own = request.url.copy_with(path="/", query=None) == self._http.base_url.copy_with(path="/")
                response = self._http.send(request, stream=True) if is_own else self._send_without_key(request)
            if response.next_request is None:
                break
            response.close()
            # httpx drops the key where the origin changes; a signed link of the same origin wants none either.
            request = response.next_request
            request.headers.pop("authorization", None)
        try:
            if not response.is_success:
                response.read()
                raise _read_refusal(response)
            yield response
        finally:
            response.close()

    def _send_without_key(self, request: httpx.Request) -> httpx.Response:
        request.headers.pop("authorization", None)
        return self._http.send(request, stream=True)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Document | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool = False,
    ) -> Answer:
        wait = _FIRST_WAIT_SECONDS
        for tries_left in reversed(range(_TRIES)):
            request = self._http.build_request(method, path, json=body, params=params, headers=headers)
            try:
                response = self._exchange(request)
            except Unreachable as error:
                if not tries_left or (error.was_sent and not is_repeatable):
                    raise
                asked_for = None
            else:
                passes = _PASSING if is_repeatable else _NOT_RECORDED
                asked_for = parse_retry_after(response.headers.get("retry-after"), now=datetime.now(UTC))
                if (
                    not tries_left
                    or response.status_code not in passes
                    or response.headers.get("x-should-retry") == "false"
                    or (asked_for or 0) > _OBEYED_SECONDS_MAX
                ):
                    return self._read(response)
            # Many scripts that failed together do not come back together.
            self.sleep(wait * random.uniform(0.75, 1.25) if asked_for is None else asked_for)  # noqa: S311
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
        raise AssertionError("the last try returns or raises")

    def _exchange(self, request: httpx.Request) -> httpx.Response:
        with self._explained(request):
            return self._http.send(request)

    @contextmanager
    def _explained(self, request: httpx.Request) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(
                f"{_origin(request.url)} does not answer ({describe_error(error)}). {self._advise()}", was_sent=False
            ) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise Unreachable(
                f"The connection to {_origin(request.url)} broke ({describe_error(error)}). Run the command again.",
                was_sent=True,
            ) from error

    def _advise(self) -> str:
        if _is_loopback(self.address.base_url):
            return "Is it running? mediaposter up starts it."
        return "Check the address and the network."

    def _read(self, response: httpx.Response) -> Answer:
        if not response.is_success:
            raise _read_refusal(response)
        try:
            body = _DOCUMENT.validate_json(response.content)
        except ValidationError as error:
            raise Refusal(
                f"{_origin(response.url)} answered something else than the API of MediaPoster.",
                status=response.status_code,
                code=None,
                param=None,
                advice="Check the address: it ends in /v1.",
                request_id=response.headers.get("x-request-id", ""),
            ) from error
        hint = response.headers.get(_POLL_HEADER, "")
        return Answer(body, int(hint) / 1000 if hint.isdecimal() else None)


def wait_seconds(failures: int) -> float:
    """Tell how long to wait after so many failures in a row: longer each time, 15 seconds at most."""
    return min(_FIRST_WAIT_SECONDS * 2.0 ** min(failures, 10), _LONGEST_WAIT_SECONDS)


def is_passing(error: MediaPosterError) -> bool:
    """Tell whether a reader should simply ask again: no answer came, or one that does not last."""
    return isinstance(error, Unreachable) or (isinstance(error, Refusal) and error.status in _PASSING)


def _read_refusal(response: httpx.Response) -> Refusal:
    request_id = response.headers.get("x-request-id", "")
    try:
        detail = _ErrorEnvelope.model_validate_json(response.content).error
    except ValidationError:
        # A proxy's page, or another server.
        text = clean_sentence(response.text.strip()) if "html" not in response.headers.get("content-type", "") else ""
        detail = _ErrorDetail(message=f"The server answered {response.status_code}{f': {text}' if text else '.'}")
    return Refusal(
        detail.message,
        status=response.status_code,
        code=detail.code,
        param=detail.param,
        advice=_find_advice(response.status_code, detail),
        request_id=request_id,
    )


def _find_advice(status: int, detail: _ErrorDetail) -> str:
    if status == 401:
        return "Check the key: --key, MEDIAPOSTER_API_KEY, or mediaposter keys create NAME for another."
    if detail.code == "unknown_parameter":
        return "This stack is older than that option: leave it out."
    if detail.code == "idempotency_key_reused":
        return "What it made is in mediaposter list, or mediaposter batch list."
    if detail.code == "insufficient_scope":
        return "Make a key that may: mediaposter keys create NAME --scope …"
    if (detail.param or "").startswith("publish["):
        return "Fields of a network follow its account: --publish tiktok:904,privacy_level=SELF_ONLY"
    return ""


def _is_loopback(base_url: str) -> bool:
    return httpx.URL(base_url).host in {"127.0.0.1", "localhost", "::1"}


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"
