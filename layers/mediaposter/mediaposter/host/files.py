"""The links below /files: downloads with ranges, and uploads. Files pass through in chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from http import HTTPStatus

import anyio
from anyio import from_thread, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from mediaposter.domain.errors import NotFound, StorageFull
from mediaposter.host.access_log import access_of
from mediaposter.host.links import FILES_PATH, FileAnswer, Grant, LinkRefused, Links, answer_download, receive_upload
from mediaposter.observability import logger
from mediaposter.stores.bucket import Bucket

_METHODS = ("GET", "HEAD", "PUT")
# Files are read and written on threads of their own, so that slow clients do not hold up the API. A download holds a
# thread only while a chunk is read, an upload as long as it lasts.
_READING_MAX = 8
_UPLOADS_MAX = 8
_UPLOAD_IDLE_SECONDS = 60.0


class Files:
    """The ASGI endpoint of signed links. Errors are a sentence in plain text."""

    def __init__(self, bucket: Bucket, links: Links, *, idle_seconds: float = _UPLOAD_IDLE_SECONDS) -> None:
        self._bucket = bucket
        self._links = links
        self._idle_seconds = idle_seconds
        self._reading = anyio.CapacityLimiter(_READING_MAX)
        self._uploads = anyio.CapacityLimiter(_UPLOADS_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        access_of(scope).route = FILES_PATH
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in _METHODS:
            allowed = ", ".join(_METHODS)
            return _say(HTTPStatus.METHOD_NOT_ALLOWED, f"A link takes {allowed}.", {"Allow": allowed})
        try:
            grant = self._links.verify(request.method, request.scope["query_string"].decode("latin-1"))
            if request.method == "PUT":
                return await self._upload(request, grant)
            return await self._download(request, grant)
        except LinkRefused as error:
            return _say(HTTPStatus.FORBIDDEN, str(error))
        except NotFound:
            return _say(HTTPStatus.NOT_FOUND, "There is no such file any more.")
        except StorageFull:
            logger.exception("upload")
            return _say(HTTPStatus.INSUFFICIENT_STORAGE, "The disk of this host is full. Nothing was stored.")

    async def _download(self, request: Request, grant: Grant) -> Response:
        stored = await to_thread.run_sync(self._bucket.head, grant.key, limiter=self._reading)
        answer = answer_download(stored, grant, request.method, request.headers)
        if answer.size_bytes == 0:
            return _present(answer)
        opened = ExitStack()

        def open_file() -> Iterator[bytes]:
            return opened.enter_context(
                self._bucket.open(
                    grant.key,
                    version_id=stored.version_id,
                    first_byte=answer.first_byte,
                    size_bytes=answer.size_bytes,
                )
            ).chunks

        chunks = await to_thread.run_sync(open_file, limiter=self._reading)
        response = StreamingResponse(self._read(opened, chunks), answer.status)
        response.raw_headers = _encode(answer)
        return response

    async def _read(self, opened: ExitStack, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        with opened:
            while chunk := await to_thread.run_sync(next, chunks, b"", limiter=self._reading):
                yield chunk

    async def _upload(self, request: Request, grant: Grant) -> Response:
        chunks = self._pull(request.receive)
        answer = await to_thread.run_sync(
            receive_upload, self._bucket, grant, request.headers, chunks, limiter=self._uploads
        )
        return _present(answer)

    def _pull(self, receive: Receive) -> Iterator[bytes]:
        """Give the body as it comes, on the thread that stores it. It ends early when the client is gone or idle."""
        more = True
        while more:
            message = from_thread.run(self._receive_soon, receive)
            yield message.get("body", b"")
            more = message.get("more_body", False)

    async def _receive_soon(self, receive: Receive) -> Message:
        with anyio.move_on_after(self._idle_seconds):
            return await receive()
        return {"type": "http.disconnect"}


def _present(answer: FileAnswer) -> Response:
    """Write an answer whose bytes, if there are any, are a sentence."""
    if answer.message is not None:
        return _say(answer.status, answer.message, dict(answer.headers))
    response = Response(status_code=answer.status)
    response.raw_headers = _encode(answer)
    if answer.status == HTTPStatus.OK and "Content-Length" not in dict(answer.headers):
        response.headers["Content-Length"] = "0"
    return response


def _encode(answer: FileAnswer) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]


def _say(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(
        f"{sentence}\n",
        status,
        {**(headers or {}), "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
