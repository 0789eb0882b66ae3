"""Stands between the functions and the table and bucket of the local cloud, and answers 500 while there is trouble."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.serving import serve_in_thread
from tests.integration.stack import DeployedStack

_METHODS = ["GET", "PUT", "POST", "HEAD", "DELETE"]
# Those of one connection alone.
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_TIMEOUT_SECONDS = 60


class TroubledAws:
    """A way to AWS that can be out of order.

    Attributes:
        refused: how many calls were answered 500.
    """

    def __init__(self, endpoint_url: str) -> None:
        self.refused = 0
        self._client = httpx.Client(base_url=endpoint_url, timeout=_TIMEOUT_SECONDS)
        self._is_in_trouble = Event()
        self.app = Starlette(routes=[Route("/{path:path}", self._pass_on, methods=_METHODS)])

    def begin(self) -> None:
        """Answer 500 from now on."""
        self._is_in_trouble.set()

    def end(self) -> None:
        """Pass calls on again."""
        self._is_in_trouble.clear()

    async def _pass_on(self, request: Request) -> Response:
        body = await request.body()
        if self._is_in_trouble.is_set():
            self.refused += 1
            return Response(b'{"__type": "InternalServerError"}', status_code=500)
        # The query as it came: it may be signed.
        path = request.scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
        headers = [
            (name, value) for name, value in request.headers.items() if name not in {"connection", "transfer-encoding"}
        ]
        answer = await run_in_threadpool(self._send, request.method, path, headers, body)
        passed = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
        return Response(answer.content, status_code=answer.status_code, headers=passed)

    def _send(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> httpx.Response:
        return self._client.request(method, path, headers=headers, content=body)


@contextmanager
def through_trouble(stack: DeployedStack, *functions: str) -> Iterator[TroubledAws]:
    """Let some functions reach the table and the bucket by a way that can be out of order, while the block runs."""
    aws = TroubledAws(stack.world.stack.endpoint_url)
    client = stack.aws("lambda")
    names = [found["FunctionName"] for found in client.list_functions()["Functions"]]
    chosen = [name for name in names if any(f"-{function}-" in name for function in functions)]
    before = {name: client.get_function_configuration(FunctionName=name)["Environment"]["Variables"] for name in chosen}
    with serve_in_thread(aws.app, base_path="") as base_url:
        detour = {"AWS_ENDPOINT_URL_S3": base_url, "AWS_ENDPOINT_URL_DYNAMODB": base_url}
        for name, variables in before.items():
            client.update_function_configuration(FunctionName=name, Environment={"Variables": {**variables, **detour}})
        try:
            yield aws
        finally:
            for name, variables in before.items():
                client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
