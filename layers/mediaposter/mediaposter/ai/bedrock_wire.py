"""Parse boto3's responses about Amazon Bedrock's asynchronous invocations and their videos in S3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, NamedTuple

from pydantic import AliasPath, BeforeValidator, Field

from mediaposter.ai.provider_errors import ProviderErrors
from mediaposter.ai.video_job import VideoGenerationJob, VideoStatus
from mediaposter.domain.errors import ErrorCode
from mediaposter.http.reply import MAX_SENTENCE_LENGTH, OptionalText, Reply, ReplyError, WireModel, read_model

# Bedrock's statuses of an invocation; any other status means that it still runs.
_STATUSES: Mapping[str, VideoStatus] = MappingProxyType(
    {
        "InProgress": VideoStatus.IN_PROGRESS,
        "Completed": VideoStatus.COMPLETED,
        "Failed": VideoStatus.FAILED,
    }
)

# Names of AWS errors whose HTTP status, 400, is misleading.
_CODES_BY_NAME: Mapping[str, ErrorCode] = MappingProxyType(
    {
        # "You can resubmit your request later" (bedrock-runtime's service model): a limit on concurrent invocations.
        "servicequotaexceededexception": ErrorCode.RATE_LIMITED,
        "expiredtoken": ErrorCode.AUTHENTICATION,
        "expiredtokenexception": ErrorCode.AUTHENTICATION,
        "incompletesignatureexception": ErrorCode.AUTHENTICATION,
        "invalidtoken": ErrorCode.AUTHENTICATION,
        "validationexception": ErrorCode.INVALID_REQUEST,
    }
)


class _Verdict(NamedTuple):
    """The meaning of one of Bedrock's messages, and advice if the message has none."""

    words: str
    code: ErrorCode
    advice: str = ""


# Bedrock names every error of a request ValidationException, and has no name for an error of an invocation: only the
# message tells them apart. These messages come from reports of its users (and Luma, docs.lumalabs.ai/docs/errors).
_VERDICTS = (
    _Verdict("moderation", ErrorCode.CONTENT_POLICY),
    _Verdict("content filter", ErrorCode.CONTENT_POLICY),
    _Verdict(
        "model identifier is invalid",
        ErrorCode.MODEL_NOT_FOUND,
        "Bedrock has each model in some regions alone; the region it was asked in is the one that boto3 finds.",
    ),
    _Verdict(
        "invalid output config/credentials",
        ErrorCode.AUTHENTICATION,
        "Bedrock writes with your rights to the place that base_url names: see that this bucket exists, in the region "
        "of the model, and that you may s3:PutObject there.",
    ),
)


def _judge(sentence: str | None) -> _Verdict | None:
    found = (sentence or "").lower()
    return next((verdict for verdict in _VERDICTS if verdict.words in found), None)


class S3Folder(NamedTuple):
    """A folder in S3, `s3://bucket` or `s3://bucket/prefix`."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, uri: str) -> S3Folder:
        """Parse an address of bedrock-runtime's shape S3Uri.

        Raises:
            ValueError: it is not such an address.
        """
        if len(uri) > 1024 or not re.fullmatch(r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](/.*)?", uri):
            raise ValueError("is not an address in S3")
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return cls(bucket, prefix.rstrip("/"))

    @property
    def uri(self) -> str:
        """Return the address, without a trailing slash."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def locate(self, name: str) -> str:
        """Return the key of an object in the folder."""
        return f"{self.prefix}/{name}".lstrip("/")


@dataclass(frozen=True, slots=True)
class AwsReply(Reply):
    """A response as parsed by boto3: with the error, but without its content."""

    said: ReplyError
    id: str | None

    @property
    def is_ambiguous(self) -> bool:
        """Tell whether an invocation may exist all the same; a conflict (400) is with one of the same token."""
        return self.status_code in (408, 409) or self.status_code >= 500 or self.said.code == "ConflictException"

    @property
    def error(self) -> ReplyError:
        """Return the error that boto3 found."""
        return self.said

    @property
    def request_id(self) -> str | None:
        """Return AWS's id of the call."""
        return self.id


class BedrockErrors(ProviderErrors):
    """Map AWS's responses to our errors. There is no key to hide, since boto3 signs."""

    def __init__(self, *, host: str) -> None:
        """Take the name of the service, for the error messages."""
        super().__init__(host=host, api_key="", codes_by_word=_CODES_BY_NAME)

    def find_code(self, error: ReplyError) -> ErrorCode | None:
        """Map the error's name to a code, and a ValidationException by its message."""
        code = super().find_code(error)
        verdict = _judge(error.message) if code is ErrorCode.INVALID_REQUEST else None
        return code if verdict is None else verdict.code

    def clean(self, sentence: str | None) -> str | None:
        """Keep AWS's message, and add advice.

        Only its first line: to "The request signature we calculated does not match" AWS adds the whole request, with
        the session's token in it.
        """
        if sentence is None:
            return None
        sentence = sentence.partition("\n")[0][:MAX_SENTENCE_LENGTH]
        verdict = _judge(sentence)
        return f"{sentence.rstrip('.')}. {verdict.advice}" if verdict is not None and verdict.advice else sentence


def _read_folder(value: object) -> object:
    return S3Folder.parse(value) if isinstance(value, str) else value


class WireInvocation(WireModel):
    """The parts of an invocation that we use; it has its own folder below the configured one."""

    status: str
    failure: OptionalText = Field(default=None, alias="failureMessage")
    folder: Annotated[S3Folder, BeforeValidator(_read_folder)] = Field(
        validation_alias=AliasPath("outputDataConfig", "s3OutputDataConfig", "s3Uri")
    )


class WireStart(WireModel):
    """The response to a started invocation."""

    arn: str = Field(min_length=1, alias="invocationArn")


class _WireError(WireModel):
    code: OptionalText = Field(default=None, alias="Code")
    message: OptionalText = Field(default=None, alias="Message")


class _WireMetadata(WireModel):
    status_code: int = Field(alias="HTTPStatusCode")
    headers: dict[str, str] = Field(alias="HTTPHeaders")
    request_id: OptionalText = Field(default=None, alias="RequestId")


class _WireAnswer(WireModel):
    metadata: _WireMetadata = Field(alias="ResponseMetadata")
    error: _WireError = Field(default=_WireError(), alias="Error")


def read_reply(response: object) -> AwsReply:
    """Read boto3's metadata of a response, successful or not."""
    answer = _WireAnswer.model_validate(response)
    return AwsReply(
        status_code=answer.metadata.status_code,
        headers=answer.metadata.headers,
        content=b"",
        said=ReplyError(code=answer.error.code, message=answer.error.message),
        id=answer.metadata.request_id,
    )


def read_start(response: object) -> WireStart | None:
    """Parse the started invocation."""
    return read_model(WireStart, response)


def read_invocation(response: object) -> WireInvocation | None:
    """Parse the invocation of a response."""
    return read_model(WireInvocation, response)


def translate_invocation(invocation: WireInvocation, errors: ProviderErrors, *, job_id: str) -> VideoGenerationJob:
    """Translate Bedrock's invocation into a job."""
    status = _STATUSES.get(invocation.status, VideoStatus.IN_PROGRESS)
    if status is not VideoStatus.FAILED:
        return VideoGenerationJob(job_id=job_id, status=status)
    verdict = _judge(invocation.failure)
    return VideoGenerationJob(
        job_id=job_id,
        status=status,
        error_code=ErrorCode.PROVIDER_ERROR if verdict is None else verdict.code,
        error_message=errors.clean(invocation.failure) or "The provider gave no reason for the failure.",
    )
