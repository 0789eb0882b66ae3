"""What goes over the wire of Bedrock Runtime's asynchronous invocations, and what its server refuses.

Written from the service model of botocore 1.44.5 (bedrock-runtime 2023-09-30). What `luma.ray-v2:0` takes is from
docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-luma.html and docs.lumalabs.ai/docs/errors; that its
pictures are JPEG or PNG, and what it does without the fields that may be left out, is this stand-in's guess.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeVar

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

MODEL_ID = "luma.ray-v2:0"

# How Bedrock words a body it cannot make sense of: github.com/boto/boto3/issues/4382.
_NOT_VALID = "The provided request is not valid"

# The errors of the service model, and those of AWS's front door that a wrong signature meets.
ErrorName = Literal[
    "AccessDeniedException",
    "ConflictException",
    "IncompleteSignatureException",
    "InternalServerException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "UnknownOperationException",
    "ValidationException",
]
_STATUSES: dict[ErrorName, int] = {
    "AccessDeniedException": 403,
    "ConflictException": 400,
    "IncompleteSignatureException": 400,
    "InternalServerException": 500,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnknownOperationException": 404,
    "ValidationException": 400,
}


class ApiError(Exception):
    """A refusal: its name goes into a header, its message into the body."""

    def __init__(self, name: ErrorName, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message

    @property
    def status(self) -> int:
        """Give the status of the answer."""
        return _STATUSES[self.name]


class Wire(BaseModel):
    """What goes over the wire: camelCase there. AWS takes no notice of members it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class Shown(Wire):
    """What the server shows; here it is built by the names of Python."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


Token = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[!-~]*$")]
S3Uri = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?$")]
KmsKeyId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        pattern=r"^arn:aws(-[^:]+)?:kms:[a-zA-Z0-9-]*:[0-9]{12}:((key/[a-zA-Z0-9-]{36})|(alias/[a-zA-Z0-9-_/]+))$",
    ),
]
_TAG_PATTERN = r"^[a-zA-Z0-9\s._:/=+@-]*$"


class S3Output(Wire):
    """Where in S3 the clip goes: below this address, in a folder of the invocation's own."""

    s3_uri: S3Uri
    kms_key_id: KmsKeyId | None = None
    bucket_owner: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = None

    @property
    def bucket(self) -> str:
        """Give the bucket."""
        return self.s3_uri.removeprefix("s3://").partition("/")[0]

    def locate(self, name: str) -> str:
        """Give the key of the object of this name."""
        prefix = self.s3_uri.removeprefix("s3://").partition("/")[2]
        return f"{prefix}/{name}"


class OutputData(Wire):
    """Where the clip goes; S3 is all there is to choose."""

    s3_output_data_config: S3Output

    def enter(self, folder: str) -> OutputData:
        """Give the same place, a folder deeper."""
        s3 = self.s3_output_data_config
        deeper = s3.model_copy(update={"s3_uri": f"{s3.s3_uri.rstrip('/')}/{folder}"})
        return self.model_copy(update={"s3_output_data_config": deeper})


class Tag(Wire):
    """A tag."""

    key: Annotated[str, Field(min_length=1, max_length=128, pattern=_TAG_PATTERN)]
    value: Annotated[str, Field(max_length=256, pattern=_TAG_PATTERN)]


class StartAsyncInvoke(Wire):
    """The body of `POST /async-invoke`."""

    client_request_token: Token | None = None
    model_id: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[a-zA-Z_\.\-/0-9:]+$")]
    model_input: JsonValue
    output_data_config: OutputData
    tags: Annotated[tuple[Tag, ...], Field(max_length=200)] = ()


class GetAsyncInvoke(Wire):
    """What the path of `GET /async-invoke/{invocationArn}` names."""

    invocation_arn: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            pattern=r"^arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:async-invoke/[a-z0-9]{12}$",
        ),
    ]


Status = Literal["InProgress", "Completed", "Failed"]


class ListAsyncInvokes(Wire):
    """The query of `GET /async-invoke`; how many a page holds and how it is sorted unasked is this stand-in's guess."""

    submit_time_after: AwareDatetime | None = None
    submit_time_before: AwareDatetime | None = None
    status_equals: Status | None = None
    max_results: Annotated[int, Field(ge=1, le=1000)] = 100
    next_token: Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^\S*$")] | None = None
    sort_by: Literal["SubmissionTime"] = "SubmissionTime"
    sort_order: Literal["Ascending", "Descending"] = "Descending"


class Started(Shown):
    """The answer to StartAsyncInvoke."""

    invocation_arn: str


class InvocationView(Shown):
    """The answer to GetAsyncInvoke, and an entry of ListAsyncInvokes.

    The address in `output_data_config` is not the one that was given but the invocation's own folder below it, as
    AWS's example reads it: text_to_video.py of Nova Reel in github.com/awsdocs/aws-doc-sdk-examples.
    """

    invocation_arn: str
    model_arn: str
    client_request_token: str | None
    status: Status
    failure_message: str | None
    submit_time: datetime
    last_modified_time: datetime
    end_time: datetime | None
    output_data_config: OutputData


class InvocationPage(Shown):
    """The answer to ListAsyncInvokes."""

    async_invoke_summaries: tuple[InvocationView, ...]
    next_token: str | None


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


class ImageSource(_Document):
    """A picture, in the request itself."""

    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png"]
    data: Annotated[StrictStr, Field(min_length=1), AfterValidator(_check_base64)]


class Keyframe(_Document):
    """The picture a clip starts from or ends with."""

    type: Literal["image"]
    source: ImageSource


class Keyframes(_Document):
    """The picture a clip starts from (`frame0`), the one it ends with (`frame1`), or both."""

    frame0: Keyframe | None = None
    frame1: Keyframe | None = None

    @model_validator(mode="after")
    def _require_one(self) -> Keyframes:
        if self.frame0 is None and self.frame1 is None:
            raise ValueError("No keyframes provided")
        return self


class RayInput(_Document):
    """What `luma.ray-v2:0` takes as `modelInput`."""

    prompt: Annotated[StrictStr, Field(min_length=1, max_length=5000)]
    aspect_ratio: Literal["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"] = "16:9"
    resolution: Literal["540p", "720p"] = "720p"
    duration: Literal["5s", "9s"] = "5s"
    loop: StrictBool = False
    keyframes: Keyframes | None = None

    @model_validator(mode="after")
    def _refuse_loop_to_an_end(self) -> RayInput:
        if self.loop and self.keyframes is not None and self.keyframes.frame1 is not None:
            raise ValueError("Loop is not supported for end frame")
        return self


@dataclass(frozen=True, slots=True)
class Order:
    """A start that was found to be in order, and the clip it asks for."""

    start: StartAsyncInvoke
    prompt: str
    width: int
    height: int
    seconds: int
    has_image: bool


def read_order(body: bytes) -> Order:
    """Read the body of a start."""
    try:
        start = StartAsyncInvoke.model_validate_json(body)
    except ValidationError as error:
        raise _refuse_request(error) from error
    if start.model_id != MODEL_ID:
        raise ApiError("ValidationException", "The provided model identifier is invalid.")
    if not isinstance(start.model_input, dict):
        raise ApiError("ValidationException", _NOT_VALID)
    try:
        given = RayInput.model_validate(start.model_input)
    except ValidationError as error:
        raise _refuse_input(error) from error
    width, height = _measure(given)
    return Order(
        start=start,
        prompt=given.prompt,
        width=width,
        height=height,
        seconds=int(given.duration.removesuffix("s")),
        has_image=given.keyframes is not None,
    )


WireT = TypeVar("WireT", bound=Wire)


def read_parameters(shape: type[WireT], parameters: Mapping[str, str]) -> WireT:
    """Read the parameters of a GET."""
    try:
        return shape.model_validate(parameters)
    except ValidationError as error:
        raise _refuse_request(error) from error


_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/ ]+/[0-9]{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request, ?"
    r"SignedHeaders=[a-z0-9;-]+, ?Signature=[0-9a-f]{64}"
)


def read_region(authorization: str | None) -> str:
    """Give the region a call was signed for.

    The signature itself is not verified: nobody here knows the secret. Its form and its scope are.
    """
    if authorization is None:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token")
    scope = _AUTHORIZATION.fullmatch(authorization)
    if scope is None:
        raise ApiError("IncompleteSignatureException", "The request signature does not conform to AWS standards.")
    if scope["service"] != "bedrock":
        raise ApiError("InvalidSignatureException", "Credential should be scoped to correct service: 'bedrock'.")
    return scope["region"]


def _measure(given: RayInput) -> tuple[int, int]:
    """Give width and height: that the resolution names the shorter side is this stand-in's guess."""
    across, down = (int(part) for part in given.aspect_ratio.split(":"))
    shorter_side = int(given.resolution.removesuffix("p"))
    unit = shorter_side / min(across, down)
    return round(across * unit), round(down * unit)


def _refuse_request(error: ValidationError) -> ApiError:
    """Word what is wrong with a request as AWS's services do."""
    details = error.errors(include_url=False)
    complaints = [_word_constraint(detail) for detail in details]
    known = [complaint for complaint in complaints if complaint is not None]
    if len(known) < len(complaints):
        return ApiError("ValidationException", _NOT_VALID)
    heading = "1 validation error" if len(known) == 1 else f"{len(known)} validation errors"
    return ApiError("ValidationException", f"{heading} detected: {'; '.join(known)}")


def _word_constraint(detail: ErrorDetails) -> str | None:
    """Word one complaint; None is for a value of the wrong type."""
    context = detail.get("ctx", {})
    if detail["type"] == "missing" or detail["input"] is None:
        constraint = "must not be null"
    else:
        match detail["type"]:
            case "string_too_long" | "too_long":
                constraint = f"must have length less than or equal to {context['max_length']}"
            case "string_too_short":
                constraint = f"must have length greater than or equal to {context['min_length']}"
            case "string_pattern_mismatch":
                constraint = f"must satisfy regular expression pattern: {context['pattern']}"
            case "literal_error":
                constraint = f"must satisfy enum value set: [{re.sub(r' or |, ', ', ', context['expected'])}]"
            case "less_than_equal":
                constraint = f"must have value less than or equal to {context['le']}"
            case "greater_than_equal":
                constraint = f"must have value greater than or equal to {context['ge']}"
            case _:
                return None
    place = ".".join(f"{part + 1}.member" if isinstance(part, int) else part for part in detail["loc"])
    value = f" '{detail['input']}'" if isinstance(detail["input"], str) else ""
    return f"Value{value} at '{place}' failed to satisfy constraint: Member {constraint}"


def _refuse_input(error: ValidationError) -> ApiError:
    """Word what is wrong with the model's input as Bedrock does for others of its models.

    Such as github.com/boto/boto3/issues/4523; how it does so for Luma's is not known.
    """
    details = error.errors(include_url=False)
    complaint = _word_violation(details[0]) if len(details) == 1 else f"{len(details)} schema violations found"
    return ApiError(
        "ValidationException", f"Malformed input request: {complaint}, please reformat your input and try again."
    )


def _word_violation(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    parts = [str(part) for part in detail["loc"]]
    match detail["type"]:
        case "missing":
            return f"{_point_to(parts[:-1])}: required key [{parts[-1]}] not found"
        case "extra_forbidden":
            return f"{_point_to(parts[:-1])}: extraneous key [{parts[-1]}] is not permitted"
        case "string_too_long":
            return f"{_point_to(parts)}: expected maxLength: {context['max_length']}, actual: {len(detail['input'])}"
        case "string_too_short":
            return f"{_point_to(parts)}: expected minLength: {context['min_length']}, actual: {len(detail['input'])}"
        case "literal_error":
            return f"{_point_to(parts)}: {detail['input']} is not a valid enum value"
    return f"{_point_to(parts)}: {detail['msg'].removeprefix('Value error, ')}"


def _point_to(parts: list[str]) -> str:
    return "/".join(["#", *parts])
