"""A stand-in for Bedrock Runtime's asynchronous invocations: `python -m sandbox.bedrock --s3-endpoint URL`.

It has one model, `luma.ray-v2:0`, and writes its clips to the S3 at that address.

Faults are put in with `POST /_sandbox/faults` (see `sandbox.bedrock_state`) and taken out with DELETE;
`GET /_sandbox/calls` tells what was received under `/async-invoke`; `POST /_sandbox/reset` forgets everything.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.bedrock_state import (
    BedrockFaultScript,
    BedrockServer,
    FailInvocation,
    OnCreate,
    OnRetrieve,
    Refuse,
    WithoutObject,
)
from sandbox.bedrock_wire import (
    ApiError,
    ErrorName,
    GetAsyncInvoke,
    ListAsyncInvokes,
    Started,
    read_order,
    read_parameters,
    read_region,
)
from sandbox.calls import Call
from sandbox.control import build_app
from sandbox.faults import Delay, Drop, NeverFinish, Respond, ShowStatus
from sandbox.serving import answer_accepted, answer_instead, serve

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The key and the secret of a local S3's owner; real ones are never used.
_OWNER = "test"


class AsyncInvokeApi:
    """The routes under `/async-invoke`."""

    def __init__(self, server: BedrockServer) -> None:
        self._server = server

    async def start(self, request: Request) -> Response:
        """Answer StartAsyncInvoke, `POST /async-invoke`."""
        order = read_order(await request.body())
        self._server.calls.note(request.state.request_id, prompt=order.prompt, input_reference=order.has_image)
        fault = self._server.faults.pick(OnCreate, order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Refuse):
            raise action.build_error()
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        await self._server.check_output(order)
        fate = action if isinstance(action, FailInvocation | NeverFinish | WithoutObject) else None
        invocation = self._server.accept(order, request.state.region, fate)
        self._server.calls.note(request.state.request_id, video_id=invocation.arn)
        return await answer_accepted(action) or _answer(Started(invocation_arn=invocation.arn))

    async def get(self, request: Request) -> Response:
        """Answer GetAsyncInvoke, `GET /async-invoke/{invocationArn}`."""
        query = read_parameters(GetAsyncInvoke, request.path_params)
        invocation = self._server.find(query.invocation_arn)
        fault = self._server.faults.pick(OnRetrieve, invocation.order.prompt)
        action = fault.action if fault else None
        if isinstance(action, Refuse):
            raise action.build_error()
        if isinstance(action, Drop | Respond):
            return answer_instead(action)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        view = invocation.describe()
        if isinstance(action, ShowStatus):
            shown = view.model_dump(mode="json", by_alias=True, exclude_none=True)
            return JSONResponse({**shown, "status": action.status})
        return _answer(view)

    async def list(self, request: Request) -> Response:
        """Answer ListAsyncInvokes, `GET /async-invoke`."""
        query = read_parameters(ListAsyncInvokes, request.query_params)
        return _answer(self._server.list_invocations(query, request.state.region))


class RequireSignature:
    """Middleware: refuses a call that is not signed for Bedrock, and tells the others' region."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one call, or refuse it."""
        scope["state"]["region"] = read_region(Headers(scope=scope).get("authorization"))
        await self._app(scope, receive, send)


def create_app(*, s3: S3Client, render_seconds: float = 3.0, clock: Callable[[], float] = time.time) -> Starlette:
    """Build the stand-in.

    Args:
        s3: writes the clips.
        render_seconds: how long an invocation takes; longer when the clip itself takes longer to draw.
        clock: Unix seconds; invocations move on with it.
    """
    server = BedrockServer(s3=s3, render_seconds=render_seconds, clock=clock)
    api = AsyncInvokeApi(server)
    signed = [Middleware(RequireSignature)]
    return build_app(
        server,
        [
            Route("/async-invoke", api.start, methods=["POST"], middleware=signed),
            Route("/async-invoke", api.list, methods=["GET"], middleware=signed),
            # An ARN has a slash of its own, which has been decoded by now.
            Route("/async-invoke/{invocationArn:path}", api.get, methods=["GET"], middleware=signed),
        ],
        script=BedrockFaultScript,
        read_call=_read_call,
        exception_handlers={ApiError: _answer_error, HTTPException: _answer_error},
        id_header="x-amzn-requestid",
    )


def _read_call(method: str, path: str, request_id: str) -> Call | None:
    """Write down what comes under `/async-invoke`; a call's `video_id` is the ARN of its invocation."""
    match path.split("/", maxsplit=2):
        case ["", "async-invoke"]:
            return Call(method=method, path=path, request_id=request_id)
        case ["", "async-invoke", arn]:
            return Call(method=method, path=path, request_id=request_id, video_id=arn)
    return None


def _answer(model: BaseModel) -> Response:
    """Answer with what there is: AWS leaves out a member that has no value."""
    return Response(model.model_dump_json(by_alias=True, exclude_none=True), media_type="application/json")


async def _answer_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return _word_error(error.name, error.message, error.status)
    if isinstance(error, HTTPException):
        message = f"{error.detail}: {request.method} {request.url.path}"
        return _word_error("UnknownOperationException", message, error.status_code)
    raise error


def _word_error(name: ErrorName, message: str, status: int) -> Response:
    # Bedrock sends the name with an address behind it, which is no part of it.
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return JSONResponse({"message": message}, status_code=status, headers=headers)


def _build_s3(endpoint_url: str) -> S3Client:
    """Build a client of a local S3, with the rights of its owner."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=_OWNER,
        aws_secret_access_key=_OWNER,
        config=Config(s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=30),
    )


def main() -> None:
    """Serve the stand-in until SIGTERM."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--render-seconds", type=float, default=3.0, help="how long an invocation takes")
    parser.add_argument("--s3-endpoint", required=True, help="address of the S3 that the clips go to")
    arguments = parser.parse_args()
    app = create_app(s3=_build_s3(arguments.s3_endpoint), render_seconds=arguments.render_seconds)
    serve(app, port=arguments.port, base_path="")


if __name__ == "__main__":
    main()
