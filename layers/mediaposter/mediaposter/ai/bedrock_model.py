"""Call Amazon Bedrock's asynchronous invocations with boto3; Bedrock writes the videos into your own bucket.

What `luma.ray-v2:0` takes: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-luma.html.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    SSOError,
    TokenRetrievalError,
)

from mediaposter.ai.bedrock_wire import (
    AwsReply,
    BedrockErrors,
    S3Folder,
    WireInvocation,
    read_invocation,
    read_reply,
    read_start,
    translate_invocation,
)
from mediaposter.ai.catalog import CatalogEntry
from mediaposter.ai.reference_image import read_reference_image
from mediaposter.ai.video_job import check_job_id
from mediaposter.ai.video_model_interface import (
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
    VideoStream,
)
from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError
from mediaposter.http.file_stream import CHUNK_BYTES, MAX_DOWNLOAD_SECONDS, MAX_VIDEO_BYTES, build_stream
from mediaposter.http.outbound import PUBLIC_INTERNET, PublicInternet
from mediaposter.http.reply import ReplyError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

PROMPT_MAX_CHARACTERS = 5000
# The name of the video in an invocation's folder.
VIDEO_NAME = "output.mp4"

_IMAGE_TYPES = ("image/jpeg", "image/png")

# Raised before the first byte of a request is written. Any other exception may come after Bedrock accepted the request.
# Not all of these are boto3's own: it parses the response within the call, and fails in other ways if that is no JSON
# object.
_NOT_SENT = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
# Raised when boto3 signs a request.
_NO_CREDENTIALS = (CredentialRetrievalError, NoCredentialsError, SSOError, TokenRetrievalError)

AnswerT = TypeVar("AnswerT")


class BedrockClient(Protocol):
    """The methods used of boto3's bedrock-runtime client."""

    def start_async_invoke(self, **parameters: object) -> Mapping[str, object]:
        """Start an invocation."""

    def get_async_invoke(self, **parameters: object) -> Mapping[str, object]:
        """Get the status of an invocation."""


class BedrockVideoModel(VideoModelInterface):
    """A model that Bedrock invokes asynchronously.

    Region, credentials and addresses (AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ENDPOINT_URL_S3) are what boto3 finds.
    """

    provider = "bedrock"
    needs_api_key = False

    def __init__(
        self,
        *,
        entry: CatalogEntry,
        api_key: str = "",
        base_url: str,
        session: boto3.Session | None = None,
        timeout_seconds: float = 30.0,
        internet: PublicInternet = PUBLIC_INTERNET,
    ) -> None:
        """Take the S3 address where Bedrock writes its videos.

        Args:
            entry: the model's row in the catalog.
            api_key: not used, since boto3 signs the requests.
            base_url: `s3://bucket` or `s3://bucket/prefix`, where the caller may write.
            session: creates the clients, with its own credentials or region; None is boto3's default.
            timeout_seconds: for each wait for AWS, to connect and to receive.
            internet: how to reach the pictures that callers name.

        Raises:
            ConfigurationError: `base_url` is not an S3 address.
        """
        super().__init__(entry=entry, api_key=api_key, base_url=base_url)
        self._folder = _check_base_url(base_url)
        self._session = session
        self._timeout_seconds = timeout_seconds
        self._internet = internet
        self._bedrock_errors = BedrockErrors(host="Amazon Bedrock")
        self._s3_errors = BedrockErrors(host="Amazon S3")

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, without retries.

        With `idempotency_key` a retry of the same request is safe: Bedrock returns the job that it started before. If
        the retry differs in a byte, Bedrock reports a conflict with the first request.
        """
        self.check_images(request)
        order = {
            "clientRequestToken": request.idempotency_key or str(uuid.uuid4()),
            "modelId": request.model or self.entry.provider_model,
            "modelInput": self._describe(request),
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": self._folder.uri}},
        }
        bedrock = self._bedrock
        try:
            response = bedrock.start_async_invoke(**order)
        except ClientError as error:
            raise self._refuse_submission(read_reply(error.response)) from error
        except _NO_CREDENTIALS as error:
            raise _refuse_settings(error) from error
        except Exception as error:
            was_sent = not isinstance(error, _NOT_SENT)
            raise self._bedrock_errors.lose_submission(error, was_sent=was_sent) from error
        start = read_start(response)
        if start is None:
            raise self._refuse_submission(read_reply(response))
        return VideoGenerationJob(job_id=start.arn, status=VideoStatus.QUEUED)

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Get the status of a generation; a failed one is a result, not an exception."""
        return translate_invocation(self._find_invocation(job_id), self._bedrock_errors, job_id=job_id)

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Open the finished video in the bucket, from `start_byte` on.

        Raises:
            VideoModelError: on opening or while the chunks are read. With code `expired` if it was removed: the video
                exists before its invocation is completed.
        """
        invocation = self._find_invocation(job_id)
        translate_invocation(invocation, self._bedrock_errors, job_id=job_id).require_finished()
        folder = self._check_folder(invocation)
        wanted: GetObjectRequestTypeDef = {"Bucket": folder.bucket, "Key": folder.locate(VIDEO_NAME)}
        if start_byte > 0:
            wanted["Range"] = f"bytes={start_byte}-"
            if validator is not None:
                wanted["IfMatch"] = validator
        deadline = self._internet.start_deadline(MAX_DOWNLOAD_SECONDS)
        s3 = self._s3
        response = _ask(
            lambda: s3.get_object(**wanted),
            lambda reply: self._s3_errors.refuse_question(_name_object(reply, f"{folder.uri}/{VIDEO_NAME}")),
            self._s3_errors.lose_question,
        )
        answer = read_reply(response)
        with closing(response["Body"]) as body:
            yield build_stream(
                answer.status_code,
                answer.headers,
                self._read_pieces(body),
                source="Amazon S3",
                max_bytes=MAX_VIDEO_BYTES,
                deadline=deadline.at,
                clock=deadline.clock,
            )

    def _describe(self, request: VideoGenerationRequest) -> Mapping[str, object]:
        """Translate the request into Luma's fields, before anything is sent."""
        if len(request.prompt) > PROMPT_MAX_CHARACTERS:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                f"{self.model_variant} takes prompts of up to {PROMPT_MAX_CHARACTERS} characters and this one has "
                f"{len(request.prompt)}; nothing was submitted. Shorten it.",
            )
        shape = self.find_shape(request.size)
        described: dict[str, object] = {
            **self.check_options(request),
            "prompt": request.prompt,
            "aspect_ratio": shape.aspect_ratio,
            "resolution": shape.resolution,
            "duration": f"{request.duration_seconds}s",
        }
        pictures = {"frame0": request.input_image, "frame1": request.last_frame_image}
        frames = {name: self._read_frame(source) for name, source in pictures.items() if source is not None}
        return {**described, "keyframes": frames} if frames else described

    def _read_frame(self, source: str) -> Mapping[str, object]:
        image = read_reference_image(source, timeout_seconds=self._timeout_seconds, internet=self._internet)
        if image.content_type not in _IMAGE_TYPES:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                f"{self.model_variant} takes pictures as PNG or JPEG and this one is {image.content_type}; nothing was "
                "submitted. Convert it.",
            )
        return {"type": "image", "source": {"type": "base64", "media_type": image.content_type, "data": image.base64}}

    def _find_invocation(self, job_id: str) -> WireInvocation:
        arn = check_job_id(job_id)
        bedrock = self._bedrock
        response = _ask(
            lambda: bedrock.get_async_invoke(invocationArn=arn),
            lambda reply: self._bedrock_errors.refuse_question(_tell_unknown(reply)),
            self._bedrock_errors.lose_question,
        )
        invocation = read_invocation(response)
        if invocation is None:
            raise self._bedrock_errors.refuse_question(read_reply(response))
        return invocation

    def _check_folder(self, invocation: WireInvocation) -> S3Folder:
        """Refuse to read any bucket other than the configured one, since the read uses the caller's rights."""
        folder = invocation.folder
        if folder.bucket != self._folder.bucket:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"The video is in the bucket {folder.bucket}, and base_url names {self._folder.bucket}; it was not "
                "read. If it was made under another base_url, use that one.",
            )
        return folder

    def _read_pieces(self, body: StreamingBody) -> Iterator[bytes]:
        try:
            yield from body.iter_chunks(CHUNK_BYTES)
        except Exception as error:  # boto3 passes on some errors of its HTTP library
            raise self._s3_errors.lose_question(error) from error

    def _refuse_submission(self, reply: AwsReply) -> VideoModelError:
        return self._bedrock_errors.refuse_submission(reply, gone=ErrorCode.MODEL_NOT_FOUND)

    @cached_property
    def _bedrock(self) -> BedrockClient:
        client: BedrockClient = self._connect("bedrock-runtime")
        return client

    @cached_property
    def _s3(self) -> S3Client:
        client: S3Client = self._connect("s3")
        return client

    def _connect(self, service: str) -> Any:  # boto3 makes each client's class at run time
        connect: Callable[..., Any] = boto3.client if self._session is None else self._session.client
        config = Config(
            connect_timeout=self._timeout_seconds,
            read_timeout=self._timeout_seconds,
            # The caller retries. If boto3 did, the answer to a second try would hide the result of the first.
            retries={"total_max_attempts": 1},
        )
        try:
            return connect(service, config=config)
        except (BotoCoreError, ValueError) as error:
            raise _refuse_settings(error) from error


def _ask(
    call: Callable[[], AnswerT],
    refuse: Callable[[AwsReply], VideoModelError],
    lose: Callable[[BaseException], VideoModelError],
) -> AnswerT:
    """Make a call that is safe to repeat; `refuse` maps a refusal, `lose` any other failure."""
    try:
        return call()
    except ClientError as error:
        raise refuse(read_reply(error.response)) from error
    except _NO_CREDENTIALS as error:
        raise _refuse_settings(error) from error
    except Exception as error:
        raise lose(error) from error


def _tell_unknown(reply: AwsReply) -> AwsReply:
    """Read a refused ARN as not found: GetAsyncInvoke has no error for that, and the ARN is its only input."""
    return replace(reply, status_code=404) if reply.said.code == "ValidationException" else reply


def _name_object(reply: AwsReply, uri: str) -> AwsReply:
    """Name the refused object: S3's own message does not, and is the same for every reason to deny access."""
    message = f"S3 answered {reply.said.code} for {uri}: {reply.said.message}"
    return replace(reply, said=ReplyError(code=reply.said.code, message=message))


def _refuse_settings(error: Exception) -> VideoModelError:
    return VideoModelError(
        ErrorCode.AUTHENTICATION,
        f"boto3 cannot call AWS, so nothing was sent: {str(error).rstrip('.')}. It needs credentials and a region: a "
        "role, a profile, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION.",
    )


def _check_base_url(base_url: str) -> S3Folder:
    try:
        return S3Folder.parse(base_url)
    except ValueError as error:
        raise ConfigurationError(
            "base_url must read like s3://bucket/prefix: the place in S3, your own, where Bedrock writes its videos."
        ) from error
