"""Speak OpenAI's `/v1/videos` to any server that offers it, through the `openai` SDK.

OpenAI shut the API and its sora-2 models down on 2026-09-24; vLLM-Omni, SGLang, LiteLLM and Bifrost speak it on. The
SDK keeps its `videos` resource, marked as deprecated and typed for sora-2 alone. So the calls go through the SDK's own
`post`, `get` and `delete`, which stay, and the replies are read here, as tolerantly as those servers differ.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from urllib.parse import quote, unquote_to_bytes

import httpx2
from openai import APIConnectionError, APIStatusError, Omit, OpenAI, RequestOptions
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from mediaposter.ai.video_model_interface import (
    Capabilities,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
    VideoStream,
)
from mediaposter.errors import ConfigurationError, ErrorCode, InvalidRequest, SubmissionUnknown, VideoModelError
from mediaposter.safe_http import (
    MAX_REDIRECTS,
    PUBLIC_INTERNET,
    PublicInternet,
    build_stream,
    download_headers,
    fetch_bytes,
    open_url,
    parse_retry_after,
)

MAX_IMAGE_BYTES = 20 * 1024 * 1024
MAX_VIDEO_BYTES = 4 * 1024**3
# As long as a Lambda may run: a longer download would outlive its reader.
MAX_DOWNLOAD_SECONDS = 900.0
MAX_LIST_LIMIT = 100
MAX_ERROR_BYTES = 64 * 1024
MAX_SENTENCE_LENGTH = 1000

_LOOK_FIRST = "Look for it in the provider's list of jobs before you submit it again."

# File name, content and type of one part of a form.
_Image = tuple[str, bytes, str]

# The servers' words for where a job stands; one that is not here means that it still runs.
_STATUSES: Mapping[str, VideoStatus] = MappingProxyType(
    {
        "queued": VideoStatus.QUEUED,
        "pending": VideoStatus.QUEUED,
        "in_progress": VideoStatus.IN_PROGRESS,
        "processing": VideoStatus.IN_PROGRESS,
        "running": VideoStatus.IN_PROGRESS,
        "completed": VideoStatus.COMPLETED,
        "succeeded": VideoStatus.COMPLETED,
        "failed": VideoStatus.FAILED,
        "cancelled": VideoStatus.FAILED,
        "canceled": VideoStatus.FAILED,
        "deleted": VideoStatus.FAILED,
        "expired": VideoStatus.FAILED,
    }
)

# Ends that are a reason by themselves, whatever the job's `error` says.
_ENDS: Mapping[str, tuple[ErrorCode, str]] = MappingProxyType(
    {
        "cancelled": (ErrorCode.CANCELLED, "The provider says that the job was cancelled."),
        "canceled": (ErrorCode.CANCELLED, "The provider says that the job was cancelled."),
        "deleted": (ErrorCode.CANCELLED, "The provider says that the job was deleted."),
        "expired": (ErrorCode.EXPIRED, "The provider says that the job has expired."),
    }
)

# What a machine-readable `code` or `type` means, in a refusal and in a failed job alike. Sentences are never matched.
_CODES_BY_WORD: Mapping[str, ErrorCode] = MappingProxyType(
    {
        "moderation_blocked": ErrorCode.CONTENT_POLICY,
        "content_policy": ErrorCode.CONTENT_POLICY,
        "content_policy_violation": ErrorCode.CONTENT_POLICY,
        "content_filter": ErrorCode.CONTENT_POLICY,
        "sentinel_block": ErrorCode.CONTENT_POLICY,
        "insufficient_quota": ErrorCode.INSUFFICIENT_CREDIT,
        "billing_hard_limit_reached": ErrorCode.INSUFFICIENT_CREDIT,
        "rate_limit_exceeded": ErrorCode.RATE_LIMITED,
        "model_not_found": ErrorCode.MODEL_NOT_FOUND,
        "invalid_api_key": ErrorCode.AUTHENTICATION,
        # vLLM-Omni writes the HTTP status of a failed job as its code.
        "400": ErrorCode.INVALID_REQUEST,
        "422": ErrorCode.INVALID_REQUEST,
    }
)

# What a 4xx means when its body does not say; any other is a `provider_error`. What a 404 or 410 means depends on the
# call: a create asked for a model that is not there, everything else for a job.
_CODES_BY_STATUS: Mapping[int, ErrorCode] = MappingProxyType(
    {
        400: ErrorCode.INVALID_REQUEST,
        401: ErrorCode.AUTHENTICATION,
        402: ErrorCode.INSUFFICIENT_CREDIT,
        403: ErrorCode.AUTHENTICATION,
        413: ErrorCode.INVALID_REQUEST,
        422: ErrorCode.INVALID_REQUEST,
        429: ErrorCode.RATE_LIMITED,
    }
)

# Raised before the first byte of a request is written. Everything else (a timeout while reading or writing, a reset,
# a reply that is not HTTP) comes when the server may already have acted. Redirects are never followed with a POST,
# so none of these can belong to a second hop.
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)

# Neither the key nor a paid POST goes to an address that a reply names: a 3xx comes back as an answer.
_NO_REDIRECTS: RequestOptions = {"follow_redirects": False}

# What the servers take as a reference; told by the content, so that a path never sends anything but a picture.
_IMAGE_TYPES: Mapping[str, re.Pattern[bytes]] = MappingProxyType(
    {
        "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
        "image/jpeg": re.compile(rb"\xff\xd8\xff"),
        "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    }
)


class SoraVideoModel(VideoModelInterface):
    """A model behind any server that speaks OpenAI's `/v1/videos`."""

    provider = "sora"

    def __init__(
        self,
        *,
        model_variant: str,
        capabilities: Capabilities,
        api_key: str,
        base_url: str,
        http_client: httpx2.Client | None = None,
        timeout_seconds: float = 30.0,
        internet: PublicInternet = PUBLIC_INTERNET,
    ) -> None:
        """Take a server's address and key.

        Args:
            model_variant: the model's name at that server.
            capabilities: its row in the catalog.
            api_key: sent to the origin of `base_url` alone; any word for a server that asks for none.
            base_url: up to and with `/v1`.
            http_client: carries the calls to `base_url`, for a proxy or private certificates.
            timeout_seconds: for each wait for that server: to connect, to send, to receive.
            internet: the way to URLs that callers and replies name.

        Raises:
            ConfigurationError: `base_url` or `api_key` cannot be used.
        """
        super().__init__(model_variant=model_variant, capabilities=capabilities)
        self._base_url = _check_base_url(base_url)
        self._api_key = _check_api_key(api_key)
        self._timeout_seconds = timeout_seconds
        self._internet = internet
        self._http = _build_http_client() if http_client is None else http_client
        self._client = _EnvironmentFreeOpenAI(
            api_key=api_key,
            base_url=str(self._base_url),
            http_client=self._http,
            timeout=timeout_seconds,
            # A POST that is sent again is paid for again: there is no idempotency key here.
            max_retries=0,
        )

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, whatever comes of it.

        Raises:
            SubmissionUnknown: the server may have accepted it.
            VideoModelError: it certainly did not.
        """
        fields = {
            "prompt": request.prompt,
            "model": request.model or self.model_variant,
            "seconds": str(request.duration_seconds),
            "size": request.size,
        }
        image = None
        if request.input_image is not None:
            if not self.capabilities.image_input:
                raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{self.model_variant} takes no reference image.")
            image = _check_image(self._read_image(request.input_image))
        # A form even without a file: vLLM-Omni takes nothing else.
        return self._submit(
            "/videos", fields, content_type="multipart/form-data", image=image, gone=ErrorCode.MODEL_NOT_FOUND
        )

    def remix_video(self, job_id: str, prompt: str) -> VideoGenerationJob:
        """Start a new video from a finished one and a changed prompt, at most once."""
        if not self.capabilities.remix:
            self._unsupported("remix_video")
        return self._submit(
            f"{_job_path(job_id)}/remix", {"prompt": prompt}, content_type="application/json", gone=ErrorCode.EXPIRED
        )

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Ask how a generation stands. A failed generation is an answer, not an exception.

        Raises:
            VideoModelError: the server did not answer the question; `transient` tells whether to ask again.
        """
        reply = self._get(_job_path(job_id))
        # vLLM-Omni answers for a failed job with that job and its error's HTTP status.
        job = _read_job(reply.body) if reply.is_success else _read_failed_job(reply.body)
        if job is None:
            raise self._refuse_question(reply)
        return self._describe(job, reply.headers, job_id=job_id)

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Open the finished video, from `start_byte` on when the server can.

        The job is asked for first: its `url` wins over `/content`, which SGLang closes once it has uploaded a video.
        The key goes to the server's own origin alone; any other address, also one that a redirect names, is opened
        as a stranger's. `variant` is never sent: SGLang reads it as an index and answers 404.

        Raises:
            VideoModelError: on opening or while the chunks are read.
        """
        job = self.get_status(job_id)
        if job.status is VideoStatus.FAILED:
            raise VideoModelError(job.error_code or ErrorCode.PROVIDER_ERROR, job.error_message or "The job failed.")
        if job.status is not VideoStatus.COMPLETED:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"Job {job_id} is still {job.status}; there is no video yet.",
                transient=True,
                retry_after_seconds=job.retry_after_seconds,
            )
        url = _join(self._base_url, job.video_url or f"{self._base_url}{_job_path(job_id)}/content")
        deadline = self._internet.clock() + MAX_DOWNLOAD_SECONDS
        with ExitStack() as stack:
            for _ in range(MAX_REDIRECTS + 1):
                if url.origin != self._base_url.origin:
                    yield stack.enter_context(
                        open_url(
                            str(url),
                            max_bytes=MAX_VIDEO_BYTES,
                            timeout_seconds=deadline - self._internet.clock(),
                            start_byte=start_byte,
                            validator=validator,
                            internet=self._internet,
                        )
                    )
                    return
                response = self._open_own(url, start_byte, validator, stack)
                if not response.has_redirect_location:
                    break
                url = _join(url, response.headers["location"])
            if response.status_code not in (httpx2.codes.OK, httpx2.codes.PARTIAL_CONTENT):
                raise self._refuse_question(self._read_error_reply(response))
            yield build_stream(
                response.status_code,
                response.headers,
                self._read_pieces(response),
                source=self._host,
                max_bytes=MAX_VIDEO_BYTES,
                deadline=deadline,
                clock=self._internet.clock,
            )

    def cancel_video(self, job_id: str) -> None:
        """Stop a generation that has not ended, by deleting it."""
        if not self.capabilities.cancel:
            self._unsupported("cancel_video")
        self._delete(job_id)

    def delete_video(self, job_id: str) -> None:
        """Remove a video from the server's storage."""
        if not self.capabilities.delete:
            self._unsupported("delete_video")
        self._delete(job_id)

    def list_jobs(self, limit: int = 20) -> list[VideoGenerationJob]:
        """List up to 100 of the latest jobs at the server, newest first."""
        if not self.capabilities.list_jobs:
            self._unsupported("list_jobs")
        if not 1 <= limit <= MAX_LIST_LIMIT:
            raise InvalidRequest(f"A list holds 1 to {MAX_LIST_LIMIT} jobs, not {limit}.", param="limit")
        reply = self._get("/videos", limit=str(limit), order="desc")
        page = _read_page(reply.body) if reply.is_success else None
        if page is None:
            raise self._refuse_question(reply)
        return [self._describe(job, reply.headers, job_id=job.id) for job in page.data]

    @property
    def _host(self) -> str:
        return self._base_url.host

    def _read_image(self, source: str) -> bytes:
        """Read a reference image from a path, a URL or a data URI."""
        if source.startswith("data:"):
            return _decode_data_uri(source)
        if "://" not in source:
            return _read_file(source)
        return fetch_bytes(
            source, max_bytes=MAX_IMAGE_BYTES, timeout_seconds=self._timeout_seconds, internet=self._internet
        )

    def _submit(
        self,
        path: str,
        fields: Mapping[str, str],
        *,
        content_type: str,
        gone: ErrorCode,
        image: _Image | None = None,
    ) -> VideoGenerationJob:
        """Send one paid POST, and read the job that it started; `gone` is what a 404 means here."""
        try:
            response = self._client.post(
                path,
                cast_to=httpx2.Response,
                body=fields,
                files=None if image is None else [("input_reference", image)],
                options={"headers": {"Content-Type": content_type}, **_NO_REDIRECTS},
            )
        except APIStatusError as error:
            raise self._refuse_submission(_Reply.of(error.response), gone) from error
        except APIConnectionError as error:
            raise self._lose_submission(error.__cause__ or error) from error
        reply = _Reply.of(response)
        job = _read_job(reply.body)
        if job is None:
            raise self._doubt_submission(reply)
        return self._describe(job, reply.headers, job_id=job.id)

    def _get(self, path: str, **params: str) -> _Reply:
        return self._exchange(
            lambda: self._client.get(path, cast_to=httpx2.Response, options={"params": params, **_NO_REDIRECTS})
        )

    def _delete(self, job_id: str) -> None:
        reply = self._exchange(
            lambda: self._client.delete(_job_path(job_id), cast_to=httpx2.Response, options=_NO_REDIRECTS)
        )
        if not reply.is_success:
            raise self._refuse_question(reply)
        if isinstance(reply.body, dict) and reply.body.get("deleted") is False:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR, f"{self._host} answered that it did not delete {job_id}.", transient=True
            )

    def _exchange(self, send: Callable[[], httpx2.Response]) -> _Reply:
        """Send what may be sent again, and take whatever answer comes."""
        try:
            return _Reply.of(send())
        except APIStatusError as error:
            return _Reply.of(error.response)
        except APIConnectionError as error:
            raise self._lose_question(error.__cause__ or error) from error

    def _open_own(self, url: httpx2.URL, start_byte: int, validator: str | None, stack: ExitStack) -> httpx2.Response:
        """Ask the server's own origin for bytes; the SDK's own way would follow a redirect to anywhere."""
        headers = {"Authorization": f"Bearer {self._api_key}", **download_headers(start_byte, validator)}
        try:
            request = self._http.build_request("GET", url, headers=headers, timeout=self._timeout_seconds)
            response = self._http.send(request, stream=True, follow_redirects=False)
        except httpx2.RequestError as error:
            raise self._lose_question(error) from error
        stack.callback(response.close)
        return response

    def _read_pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
        except httpx2.RequestError as error:
            raise self._lose_question(error) from error

    def _read_error_reply(self, response: httpx2.Response) -> _Reply:
        content = b""
        for piece in self._read_pieces(response):
            content += piece
            if len(content) > MAX_ERROR_BYTES:
                break
        return _Reply(response.status_code, response.headers, content)

    def _describe(self, job: _WireJob, headers: Mapping[str, str], *, job_id: str) -> VideoGenerationJob:
        """Say in our words what a server says of a job."""
        word = job.status.lower()
        status = _STATUSES.get(word, VideoStatus.IN_PROGRESS)
        error_code: ErrorCode | None = None
        error_message: str | None = None
        if status is VideoStatus.FAILED:
            error = job.error or _WireError()
            error_code, ours = _ENDS.get(word) or (
                error.find_code() or ErrorCode.PROVIDER_ERROR,
                "The provider gave no reason for the failure.",
            )
            error_message = self._clean(error.message) or ours
        return VideoGenerationJob(
            job_id=job_id,
            status=status,
            progress=job.progress,
            video_url=job.url or job.video_url,
            error_code=error_code,
            error_message=error_message,
            retry_after_seconds=_read_pace(headers),
        )

    def _refuse_submission(self, reply: _Reply, gone: ErrorCode) -> VideoModelError:
        """Tell a submission that was certainly not accepted from one that may have been."""
        if reply.is_ambiguous:
            return self._doubt_submission(reply)
        code = reply.error.find_code() or (
            gone if reply.is_gone else _CODES_BY_STATUS.get(reply.status_code, ErrorCode.PROVIDER_ERROR)
        )
        return VideoModelError(
            code,
            self._explain(reply),
            transient=code is ErrorCode.RATE_LIMITED,
            retry_after_seconds=reply.retry_after_seconds,
            request_id=reply.request_id,
        )

    def _doubt_submission(self, reply: _Reply) -> SubmissionUnknown:
        said = self._clean(reply.error.message) or "it gave neither a job nor a reason."
        return SubmissionUnknown(
            f"{self._host} answered {reply.status_code} to a submission that it may have accepted all the same: {said} "
            f"{_LOOK_FIRST}",
            request_id=reply.request_id,
        )

    def _lose_submission(self, error: BaseException) -> VideoModelError:
        if isinstance(error, _NOT_SENT):
            return VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"{self._host} cannot be reached, so nothing was submitted: {_name(error)}.",
                transient=True,
            )
        return SubmissionUnknown(
            f"The connection to {self._host} broke after a submission that it may have accepted all the same: "
            f"{_name(error)}. {_LOOK_FIRST}"
        )

    def _refuse_question(self, reply: _Reply) -> VideoModelError:
        """Map an answer that leaves a question about a job open; asking does no harm, so a fault may pass."""
        code = ErrorCode.PROVIDER_ERROR
        message = self._explain(reply)
        if reply.is_gone:
            code = ErrorCode.EXPIRED
            message = f"The provider no longer knows this job or its video. {message}"
        elif reply.is_refusal:
            code = reply.error.find_code() or _CODES_BY_STATUS.get(reply.status_code, code)
        return VideoModelError(
            code,
            message,
            transient=not reply.is_refusal or reply.status_code == 429,
            retry_after_seconds=reply.retry_after_seconds,
            request_id=reply.request_id,
        )

    def _lose_question(self, error: BaseException) -> VideoModelError:
        return VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"{self._host} gave no answer: {_name(error)}.", transient=True
        )

    def _explain(self, reply: _Reply) -> str:
        """Give the vendor's own sentence, or say what came instead of one."""
        sentence = self._clean(reply.error.message)
        if sentence is not None:
            return sentence
        if reply.is_success:
            return f"{self._host} answered {reply.status_code} with a body that is not a job."
        if 300 <= reply.status_code < 400:
            return (
                f"{self._host} answered {reply.status_code}: it redirects. Set base_url to the address it redirects to."
            )
        return f"{self._host} answered {reply.status_code} without an explanation."

    def _clean(self, sentence: str | None) -> str | None:
        """Shorten a vendor's sentence, and take the key and the signatures of URLs out of it: it is logged."""
        if sentence is None:
            return None
        sentence = sentence.replace(self._api_key, "[key]")
        return re.sub(r"(https?://[^\s?]+)\?\S+", r"\1", sentence)[:MAX_SENTENCE_LENGTH]


class _EnvironmentFreeOpenAI(OpenAI):
    """The SDK's client without the headers that it takes from OPENAI_* variables and the machine's description."""

    @property
    def default_headers(self) -> dict[str, str | Omit]:
        return {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "mediaposter"}


def _build_http_client() -> httpx2.Client:
    # No connection is kept: one that died while a Lambda was frozen would make the next paid POST look as if it had
    # been sent and lost.
    return httpx2.Client(trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))


def _as_text(value: object) -> str | None:
    """Take a word or a number as text, and anything else as absent."""
    if isinstance(value, int | str) and not isinstance(value, bool):
        return str(value).strip() or None
    return None


def _as_percentage(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return round(min(max(value, 0), 100))


_Text = Annotated[str | None, BeforeValidator(_as_text)]


class _WireError(BaseModel):
    """What a server says went wrong: an object, a sentence, or FastAPI's list of invalid fields."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: _Text = None
    type: _Text = None
    message: _Text = None

    @model_validator(mode="before")
    @classmethod
    def _accept_any_form(cls, value: object) -> object:
        if isinstance(value, str):
            return {"message": value}
        if isinstance(value, list):
            return {"message": "; ".join(filter(None, map(_describe_invalid_field, value)))}
        return value if isinstance(value, dict) else {}

    def find_code(self) -> ErrorCode | None:
        """Look the machine-readable words up; the sentence is for people."""
        for word in (self.code, self.type):
            if word is not None and word.lower() in _CODES_BY_WORD:
                return _CODES_BY_WORD[word.lower()]
        return None


class _WireJob(BaseModel):
    """The parts of a video object that all servers agree on, however they write them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[str, BeforeValidator(_as_text)] = Field(min_length=1)
    # An id without a status is a job all the same: whoever drops it loses a paid render.
    status: Annotated[str, BeforeValidator(lambda value: _as_text(value) or "")] = ""
    progress: Annotated[int | None, BeforeValidator(_as_percentage)] = None
    error: _WireError | None = None
    url: _Text = None
    video_url: _Text = None


class _WirePage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    data: list[_WireJob]


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer of the server, whatever its status."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @classmethod
    def of(cls, response: httpx2.Response) -> _Reply:
        return cls(response.status_code, response.headers, response.content)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def is_ambiguous(self) -> bool:
        """Tell whether the server may have acted although it reports a fault."""
        return self.status_code in (408, 409) or self.status_code >= 500

    @property
    def is_refusal(self) -> bool:
        """Tell whether the server understood and said no."""
        return 400 <= self.status_code < 500 and not self.is_ambiguous

    @property
    def is_gone(self) -> bool:
        return self.status_code in (404, 410)

    @property
    def body(self) -> object:
        """Give the parsed JSON, or None for anything else."""
        try:
            parsed: object = from_json(self.content)
        except ValueError:
            return None
        return parsed

    @property
    def error(self) -> _WireError:
        """Find the error in `{"error": …}`, `{"detail": …}`, one inside the other, or a bare sentence."""
        found = self.body
        if found is None and self.headers.get("content-type", "").startswith("text/plain"):
            found = self.content.decode(errors="replace")
        for _ in range(2):
            if isinstance(found, dict):
                found = found.get("error") or found.get("detail") or found
        return _WireError.model_validate(found)

    @property
    def retry_after_seconds(self) -> float | None:
        return parse_retry_after(self.headers.get("retry-after"), now=datetime.now(UTC))

    @property
    def request_id(self) -> str | None:
        return self.headers.get("x-request-id")


def _read_job(body: object) -> _WireJob | None:
    try:
        job = _WireJob.model_validate(body)
    except ValidationError:
        return None
    # An error with an id (of the request, perhaps) is no job.
    return job if job.status or job.error is None else None


def _read_failed_job(body: object) -> _WireJob | None:
    """Find a failed job in the body of an error, where it may be wrapped as the error itself."""
    inner = (body.get("error"), body.get("detail")) if isinstance(body, dict) else ()
    for candidate in (body, *inner):
        job = _read_job(candidate)
        if job is not None and _STATUSES.get(job.status.lower()) is VideoStatus.FAILED:
            return job
    return None


def _read_page(body: object) -> _WirePage | None:
    try:
        return _WirePage.model_validate(body)
    except ValidationError:
        return None


def _describe_invalid_field(value: object) -> str | None:
    """Make a sentence of one entry of FastAPI's list of invalid fields."""
    if not isinstance(value, dict):
        return _as_text(value)
    place = value.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else "request"
    return f"{where}: {_as_text(value.get('msg')) or 'not valid'}"


def _read_pace(headers: Mapping[str, str]) -> float | None:
    """Read how long the server asks to wait before the next question."""
    milliseconds = parse_retry_after(headers.get("openai-poll-after-ms"), now=datetime.now(UTC))
    if milliseconds is not None:
        return milliseconds / 1000
    return parse_retry_after(headers.get("retry-after"), now=datetime.now(UTC))


def _join(base: httpx2.URL, location: str) -> httpx2.URL:
    try:
        return base.join(location)
    except httpx2.InvalidURL as error:
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"{base.host} gave an address that is not a URL: {error}."
        ) from error


def _job_path(job_id: str) -> str:
    if job_id in ("", ".", ".."):
        raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{job_id!r} is not the id of a job.")
    # LiteLLM's ids are long and base64: "/", "+" and "=" must arrive as they are.
    return f"/videos/{quote(job_id, safe='')}"


def _read_file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unusable_image(f"it cannot be read: {error}") from error


def _decode_data_uri(uri: str) -> bytes:
    """Decode `data:[type][;base64],data` (RFC 2397)."""
    header, _, data = uri.partition(",")
    content = unquote_to_bytes(data)
    if not header.endswith(";base64"):
        return content
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise _unusable_image(f"its data URI is not base64: {error}") from error


def _check_image(content: bytes) -> _Image:
    if len(content) > MAX_IMAGE_BYTES:
        raise _unusable_image(f"it is longer than {MAX_IMAGE_BYTES} bytes")
    for content_type, signature in _IMAGE_TYPES.items():
        if signature.match(content):
            return f"reference.{content_type.removeprefix('image/')}", content, content_type
    raise _unusable_image("it is not a PNG, JPEG or WebP file")


def _unusable_image(reason: str) -> VideoModelError:
    return VideoModelError(
        ErrorCode.INVALID_REQUEST, f"The reference image cannot be used, and nothing was submitted: {reason}."
    )


def _check_base_url(base_url: str) -> httpx2.URL:
    try:
        url = httpx2.URL(base_url.rstrip("/"))
    except httpx2.InvalidURL as error:
        raise ConfigurationError(f"base_url is not a URL: {error}.") from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError("base_url must read https://host/v1, without a password, query or fragment.")
    host = url.host.rstrip(".")
    if host == "api.openai.com" or host.endswith(".api.openai.com"):
        raise ConfigurationError(
            "OpenAI shut its Videos API and every sora-2 model down on 2026-09-24. Set base_url to a server that "
            "speaks the same API (vLLM-Omni, SGLang, LiteLLM or Bifrost), or choose another provider."
        )
    return url


def _check_api_key(api_key: str) -> str:
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ConfigurationError(
            "api_key is empty, or holds a space, a line break or a character that no header takes; copy it again. "
            "A server that asks for no key takes any word."
        )
    return api_key


def _name(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__
