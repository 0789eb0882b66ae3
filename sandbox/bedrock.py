"""A stand-in for Bedrock Runtime's asynchronous invocations: `python -m sandbox.bedrock --s3-endpoint URL`.

Written on 2026-11-23 from the service model of botocore 1.44.5 (bedrock-runtime 2023-09-30) and, for `luma.ray-v2:0`,
its one model, from docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-luma.html and
docs.lumalabs.ai/docs/errors. It writes its clips to the S3 at that address. It is kinder than AWS in three things: it
takes any region and any secret, and it writes with rights of its own where Bedrock writes with the caller's. Guesses of
its own: that pictures are JPEG or PNG, the defaults of what may be left out, and that a token is known until a reset.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictStr,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.engine import Body, Clip, Job, Refusal, StandIn
from sandbox.faults import ON_CREATE, ON_RETRIEVE, Action, NeverFinish, Plays, ShowStatus
from sandbox.serving import run

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LOGGER = logging.getLogger(__name__)

MODEL_ID = "luma.ray-v2:0"

# The key and the secret of a local S3's owner; real ones are never used.
_OWNER = "test"
_ACCOUNT = "000000000000"
# How often an invocation that waits for its time looks at the clock.
_LOOK_SECONDS = 0.05
# How Bedrock words a body it cannot make sense of: github.com/boto/boto3/issues/4382.
_NOT_VALID = "The provided request is not valid"
# Bedrock's words, as its users report them, for a place it sees at the start that it cannot write to. What it says of
# one that has gone bad meanwhile is not known; this stand-in says the same.
_BAD_OUTPUT = "Invalid Output Config/Credentials"
# The errors of the service model that are raised here, and those of AWS for a wrong signature.
_STATUSES = {
    "ConflictException": 400,
    "IncompleteSignatureException": 400,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ValidationException": 400,
}
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/ ]+/[0-9]{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request, ?"
    r"SignedHeaders=[a-z0-9;-]+, ?Signature=[0-9a-f]{64}"
)


class FailInvocation(Action):
    """Accept the invocation, and let it fail where it would have been completed.

    The message is Luma's for a prompt that its moderation stops (docs.lumalabs.ai/docs/errors).
    """

    type: Literal["fail"] = "fail"
    message: str = Field(default="Advanced prompt moderation failed", max_length=2048)


class WithoutObject(Action):
    """Complete the invocation, and write nothing."""

    type: Literal["without_object"] = "without_object"


class _Wire(BaseModel):
    """What goes over the wire: camelCase there. AWS takes no notice of members it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class _S3Output(_Wire):
    s3_uri: Annotated[str, Field(max_length=1024, pattern=r"^s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?$")]
    kms_key_id: (
        Annotated[str, Field(pattern=r"^arn:aws(-[^:]+)?:kms:[a-zA-Z0-9-]*:[0-9]{12}:(key|alias)/.+$")] | None
    ) = None
    bucket_owner: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = None

    @property
    def bucket(self) -> str:
        return self.s3_uri.removeprefix("s3://").partition("/")[0]

    def enter(self, folder: str) -> _S3Output:
        """Give the same place, a folder deeper."""
        return self.model_copy(update={"s3_uri": f"{self.s3_uri.rstrip('/')}/{folder}"})


class _OutputData(_Wire):
    s3_output_data_config: _S3Output


class _StartAsyncInvoke(_Wire):
    client_request_token: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!-~]*$")] | None = None
    model_id: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[a-zA-Z_\.\-/0-9:]+$")]
    model_input: dict[str, JsonValue]
    output_data_config: _OutputData
    tags: list[JsonValue] = []


class _GetAsyncInvoke(_Wire):
    invocation_arn: Annotated[
        str, Field(pattern=r"^arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:async-invoke/[a-z0-9]{12}$")
    ]


class _ListAsyncInvokes(_Wire):
    """The query of a list; how many a page holds and how it is sorted unasked is this stand-in's guess."""

    submit_time_after: AwareDatetime | None = None
    submit_time_before: AwareDatetime | None = None
    status_equals: Literal["InProgress", "Completed", "Failed"] | None = None
    max_results: Annotated[int, Field(ge=1, le=1000)] = 100
    next_token: Annotated[str, Field(pattern=r"^page-[0-9]+$")] | None = None
    sort_by: Literal["SubmissionTime"] = "SubmissionTime"
    sort_order: Literal["Ascending", "Descending"] = "Descending"


class _Document(BaseModel):
    """A part of the model's own input: no unknown fields, no nulls."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_nulls(cls, fields: object) -> object:
        if isinstance(fields, dict) and None in fields.values():
            raise ValueError("found: Null")
        return fields


def _check_base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("is not base64") from error
    return text


class _ImageSource(_Document):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png"]
    data: Annotated[StrictStr, Field(min_length=1), AfterValidator(_check_base64)]


class _Keyframe(_Document):
    type: Literal["image"]
    source: _ImageSource


class _Keyframes(_Document):
    """The picture a clip starts from (`frame0`), the one it ends with (`frame1`), or both."""

    frame0: _Keyframe | None = None
    frame1: _Keyframe | None = None

    @model_validator(mode="after")
    def _require_one(self) -> _Keyframes:
        if self.frame0 is None and self.frame1 is None:
            raise ValueError("No keyframes provided")
        return self


class _RayInput(_Document):
    """What the model takes as `modelInput`."""

    prompt: Annotated[StrictStr, Field(min_length=1, max_length=5000)]
    aspect_ratio: Literal["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"] = "16:9"
    resolution: Literal["540p", "720p"] = "720p"
    duration: Literal["5s", "9s"] = "5s"
    loop: StrictBool = False
    keyframes: _Keyframes | None = None

    @model_validator(mode="after")
    def _refuse_loop_to_an_end(self) -> _RayInput:
        if self.loop and self.keyframes is not None and self.keyframes.frame1 is not None:
            raise ValueError("Loop is not supported for end frame")
        return self

    @property
    def clip(self) -> Clip:
        """Give the clip: that the resolution names the shorter side is this stand-in's guess."""
        across, down = (int(part) for part in self.aspect_ratio.split(":"))
        unit = int(self.resolution.removesuffix("p")) / min(across, down)
        return Clip(round(across * unit), round(down * unit), int(self.duration.removesuffix("s")))


@dataclass(kw_only=True, eq=False)
class Invocation(Job):
    """An invocation, and the task that brings its clip to the bucket; `id` is its ARN."""

    region: str
    start: _StartAsyncInvoke
    output: _S3Output
    delivery: asyncio.Task[None] | None = None
    ended_at: float | None = None
    failure_message: str | None = None

    @property
    def status(self) -> str:
        """Tell how it stands: it ends with its delivery."""
        if self.ended_at is None:
            return "InProgress"
        return "Completed" if self.failure_message is None else "Failed"

    def describe(self) -> Body:
        """Show it; AWS leaves out a member that has no value.

        The address in `outputDataConfig` is not the one that was given but the invocation's own folder below it, as
        AWS's example reads it: text_to_video.py of Nova Reel in github.com/awsdocs/aws-doc-sdk-examples.
        """
        view: Body = {
            "invocationArn": self.id,
            "modelArn": f"arn:aws:bedrock:{self.region}::foundation-model/{MODEL_ID}",
            "clientRequestToken": self.start.client_request_token,
            "status": self.status,
            "failureMessage": self.failure_message,
            "submitTime": _format_time(self.created_at),
            "lastModifiedTime": _format_time(self.ended_at or self.created_at),
            "endTime": None if self.ended_at is None else _format_time(self.ended_at),
            "outputDataConfig": {"s3OutputDataConfig": self.output.model_dump(by_alias=True, exclude_none=True)},
        }
        return {member: value for member, value in view.items() if value is not None}


class Bedrock(StandIn[Invocation]):
    """The routes under `/async-invoke`."""

    plays: ClassVar[Plays] = {"create": (*ON_CREATE, FailInvocation, WithoutObject), "retrieve": ON_RETRIEVE}
    id_header = "x-amzn-requestid"

    def __init__(self, *, s3: S3Client, render_seconds: float, clock: Callable[[], float]) -> None:
        self._s3 = s3
        self.jobs = {}
        super().__init__(render_seconds=render_seconds, clock=clock)

    def reset(self) -> None:
        """Forget invocations, faults and calls; what is still to be delivered is not delivered."""
        for invocation in self.jobs.values():
            if invocation.delivery is not None:
                invocation.delivery.cancel()
        super().reset()

    def list_routes(self) -> Sequence[BaseRoute]:
        """List them."""
        return [
            Route("/async-invoke", self._start, methods=["POST"]),
            Route("/async-invoke", self._list, methods=["GET"]),
            # An ARN has a slash of its own, which has been decoded by now.
            Route("/async-invoke/{invocationArn:path}", self._get, methods=["GET"]),
        ]

    def authorize(self, request: Request) -> None:
        """Tell the region a call was signed for. Not the signature, only its form and its scope are verified."""
        authorization = request.headers.get("authorization")
        if authorization is None:
            raise _refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
        scope = _AUTHORIZATION.fullmatch(authorization)
        if scope is None:
            raise _refuse("IncompleteSignatureException", "The request signature does not conform to AWS standards.")
        if scope["service"] != "bedrock":
            raise _refuse("InvalidSignatureException", "Credential should be scoped to correct service: 'bedrock'.")
        request.state.region = scope["region"]

    def refuse(self, status: int, message: str) -> Refusal:
        """Word what is no operation."""
        return _refuse("UnknownOperationException", message, status)

    async def _start(self, request: Request) -> Response:
        start, given = _read_start(await request.body())
        facts: Body = {"prompt": given.prompt, "input_reference": given.keyframes is not None}
        action = self.begin(request, "create", given.prompt, **facts)
        output = start.output_data_config.s3_output_data_config
        try:
            await asyncio.to_thread(self._s3.head_bucket, Bucket=output.bucket)
        except (ClientError, BotoCoreError) as error:
            raise _refuse("ValidationException", _BAD_OUTPUT) from error
        invocation = self._find_by_token(start, request.state.region)
        if invocation is None:
            folder = secrets.token_hex(6)
            invocation = Invocation(
                id=f"arn:aws:bedrock:{request.state.region}:{_ACCOUNT}:async-invoke/{folder}",
                prompt=given.prompt,
                render=self.draw(given.prompt, given.clip),
                fault=action,
                region=request.state.region,
                start=start,
                output=output.enter(folder),
            )
            self.accept(request, invocation)
            invocation.delivery = asyncio.create_task(self._deliver(invocation))
        self.note(request, video_id=invocation.id)
        await self.finish(action)
        return JSONResponse({"invocationArn": invocation.id})

    async def _get(self, request: Request) -> Response:
        arn = _read_parameters(_GetAsyncInvoke, request.path_params).invocation_arn
        invocation = self.find(request, arn)
        if invocation is None:
            # Not found is no error that GetAsyncInvoke has in the service model.
            raise _refuse("ValidationException", "The provided invocation ARN does not exist.")
        action = await self.begin_reading(request, "retrieve", invocation)
        view = invocation.describe()
        return JSONResponse({**view, "status": action.status} if isinstance(action, ShowStatus) else view)

    async def _list(self, request: Request) -> Response:
        query = _read_parameters(_ListAsyncInvokes, request.query_params)
        after, before = query.submit_time_after, query.submit_time_before
        found = [
            invocation
            for invocation in self.jobs.values()
            if invocation.region == request.state.region
            and query.status_equals in (None, invocation.status)
            and (after is None or invocation.created_at > after.timestamp())
            and (before is None or invocation.created_at < before.timestamp())
        ]
        found.sort(key=lambda invocation: invocation.created_at, reverse=query.sort_order == "Descending")
        start = int((query.next_token or "page-0").removeprefix("page-"))
        end = start + query.max_results
        page: Body = {"asyncInvokeSummaries": [invocation.describe() for invocation in found[start:end]]}
        return JSONResponse({**page, "nextToken": f"page-{end}"} if end < len(found) else page)

    def count_in_flight(self) -> int:
        """Count the invocations that have not ended."""
        return sum(invocation.ended_at is None for invocation in self.jobs.values())

    def _find_by_token(self, start: _StartAsyncInvoke, region: str) -> Invocation | None:
        """Find what was taken on with the same token and the same parameters."""
        token = start.client_request_token
        for earlier in self.jobs.values():
            if token is not None and earlier.region == region and earlier.start.client_request_token == token:
                if earlier.start != start:
                    message = "The clientRequestToken was used before, with other parameters."
                    raise _refuse("ConflictException", message)
                return earlier
        return None

    async def _deliver(self, invocation: Invocation) -> None:
        """Bring the clip to the bucket when its time has come; one that never finishes is in progress for ever."""
        while self.find_phase(invocation) != "ended":
            if isinstance(invocation.fault, NeverFinish):
                return
            await asyncio.sleep(_LOOK_SECONDS)
        failure_message = None
        if isinstance(invocation.fault, FailInvocation):
            failure_message = invocation.fault.message
        elif not isinstance(invocation.fault, WithoutObject):
            failure_message = await asyncio.to_thread(self._store, invocation)
        invocation.failure_message, invocation.ended_at = failure_message, self.clock()

    def _store(self, invocation: Invocation) -> str | None:
        """Write the clip; tell why that failed."""
        prefix = invocation.output.s3_uri.removeprefix("s3://").partition("/")[2]
        try:
            with invocation.clip.path.open("rb") as clip:
                self._s3.put_object(
                    Bucket=invocation.output.bucket, Key=f"{prefix}/output.mp4", Body=clip, ContentType="video/mp4"
                )
        except (ClientError, BotoCoreError) as error:
            _LOGGER.warning("The clip of %s was not stored: %s", invocation.id, error)
            return _BAD_OUTPUT
        return None


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _refuse(name: str, message: str, status: int | None = None) -> Refusal:
    """Refuse with a name in a header, as Bedrock sends it: with an address behind it, which is no part of it."""
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return Refusal(status or _STATUSES[name], {"message": message}, headers)


def _read_start(body: bytes) -> tuple[_StartAsyncInvoke, _RayInput]:
    try:
        start = _StartAsyncInvoke.model_validate_json(body)
    except ValidationError as error:
        raise _refuse_request(error) from error
    if start.model_id != MODEL_ID:
        raise _refuse("ValidationException", "The provided model identifier is invalid.")
    try:
        return start, _RayInput.model_validate(start.model_input)
    except ValidationError as error:
        # As Bedrock words it for others of its models (github.com/boto/boto3/issues/4523).
        first = error.errors(include_url=False)[0]
        place = "/".join(["#", *(str(part) for part in first["loc"])])
        message = f"Malformed input request: {place}: {_word(first)}, please reformat your input and try again."
        raise _refuse("ValidationException", message) from error


WireT = TypeVar("WireT", bound=_Wire)


def _read_parameters(shape: type[WireT], parameters: Mapping[str, str]) -> WireT:
    try:
        return shape.model_validate(parameters)
    except ValidationError as error:
        raise _refuse_request(error) from error


def _refuse_request(error: ValidationError) -> Refusal:
    """Word the first thing that is wrong with a request as AWS's services do."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid" or first["type"].endswith("_type"):
        return _refuse("ValidationException", _NOT_VALID)
    place = ".".join(f"{part + 1}.member" if isinstance(part, int) else part for part in first["loc"])
    message = f"Value at '{place}' failed to satisfy constraint: Member {_word(first)}"
    return _refuse("ValidationException", f"1 validation error detected: {message}")


def _word(detail: ErrorDetails) -> str:
    return "must not be null" if detail["type"] == "missing" else detail["msg"].removeprefix("Value error, ")


def create_app(*, s3_endpoint: str, render_seconds: float = 3.0, clock: Callable[[], float] = time.time) -> Starlette:
    """Build the stand-in; it writes to the S3 at `s3_endpoint` with the rights of its owner."""
    s3: S3Client = boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id=_OWNER,
        aws_secret_access_key=_OWNER,
        config=Config(s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=30),
    )
    return Bedrock(s3=s3, render_seconds=render_seconds, clock=clock).build_app()


if __name__ == "__main__":
    run(create_app, base_path="", s3_endpoint="", render_seconds=3.0)
