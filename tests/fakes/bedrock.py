"""AWS as boto3 sees it: its requests come to a `Host`, as those of the other adapters do; no socket is opened."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import httpx
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.loaders import create_loader
from urllib3.exceptions import ProtocolError

from tests.fakes.provider import Host

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from botocore.awsrequest import AWSPreparedRequest

REGION = "us-west-2"

# Keeps what it has read of AWS's service models, which takes most of the time of making a client.
_LOADER = create_loader()


def make_session(server: Host) -> boto3.Session:
    """Make a session with credentials, whose clients ask `server`."""
    core = botocore.session.Session()
    core.register_component("data_loader", _LOADER)
    session = boto3.Session("testing", "testing", region_name=REGION, botocore_session=core)
    return lead_to(server, session)


def lead_to(server: Host, session: boto3.Session) -> boto3.Session:
    """Let the clients of a session ask `server`: whatever stands before the HTTP library is boto3's own."""

    def answer(request: AWSPreparedRequest, **_event: object) -> AWSResponse:
        body = request.body or b""
        assert isinstance(body, bytes | bytearray)
        try:
            response = server.take(
                httpx.Request(request.method, request.url, headers=_read_headers(request), content=bytes(body))
            )
        except httpx.ConnectTimeout as error:
            raise ConnectTimeoutError(endpoint_url=request.url, error=error) from error
        except httpx.ReadTimeout as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        headers = HTTPHeaders()
        for name, value in response.headers.items():
            headers[name] = value
        return AWSResponse(request.url, response.status_code, headers, _Raw(response))

    # What the first handler of this event gives is taken instead of sending anything.
    handler: Callable[..., Any] = answer
    session.events.register("before-send", handler)
    return session


def _read_headers(request: AWSPreparedRequest) -> list[tuple[str, str]]:
    return [
        (name, value.decode("ascii") if isinstance(value, bytes) else str(value))
        for name, value in request.headers.items()
    ]


class _Raw(io.RawIOBase):
    """A body as urllib3 would hand it to boto3."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self._response = response
        self._pieces = response.iter_raw() if not response.is_stream_consumed else iter([_read_text(response)])
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        try:
            while not self._held:
                self._held = next(self._pieces)
        except StopIteration:
            return 0
        except httpx.RequestError as error:
            raise ProtocolError(str(error)) from error
        taken, self._held = self._held[: len(view)], self._held[len(view) :]
        view[: len(taken)] = taken
        return len(taken)

    def stream(self) -> list[bytes]:
        return [self.readall() or b""]

    def close(self) -> None:
        self._response.close()
        super().close()


def _read_text(response: httpx.Response) -> bytes:
    """Give a body; the recorded replies are JSON, and one in XML is a string there."""
    is_xml = response.headers.get("content-type", "").startswith("application/xml")
    return str(json.loads(response.content)).encode() if is_xml else response.content
