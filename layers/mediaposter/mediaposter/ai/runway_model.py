"""Speak Runway's API (https://docs.dev.runwayml.com) over plain HTTP.

The SDK is left out: it sends a POST again after a fault, and there is no idempotency key that would keep the second one
from being paid for as well.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from urllib.parse import quote

import httpx

from mediaposter.ai.provider_reply import ProviderErrors, Reply
from mediaposter.ai.reference_image import read_reference_image
from mediaposter.ai.runway_wire import MIN_POLL_SECONDS, read_task, translate_task
from mediaposter.ai.video_model_interface import (
    Capabilities,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
    VideoStream,
)
from mediaposter.errors import ConfigurationError, ErrorCode, VideoModelError
from mediaposter.safe_http import (
    MAX_REDIRECTS,
    PUBLIC_INTERNET,
    PublicInternet,
    build_stream,
    download_headers,
    open_url,
)

DEFAULT_BASE_URL = "https://api.dev.runwayml.com"
API_VERSION = "2024-11-06"
PROMPT_MAX_UTF16_UNITS = 1000
# The whole URI, a third longer than the image, must stay below (https://docs.dev.runwayml.com/assets/inputs).
MAX_DATA_URI_CHARACTERS = 5 * 1024 * 1024
MAX_VIDEO_BYTES = 4 * 1024**3
# As long as a Lambda may run: a longer download would outlive its reader.
MAX_DOWNLOAD_SECONDS = 900.0

# Raised before the first byte of a request is written. Everything else (a timeout while reading or writing, a reset,
# a reply that is not HTTP) comes when Runway may already have acted.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

# Runway's errors carry a sentence and no word for a machine.
_NO_WORDS: Mapping[str, ErrorCode] = MappingProxyType({})


class RunwayVideoModel(VideoModelInterface):
    """A model of Runway's, or of another maker's that Runway serves."""

    provider = "runway"
    default_base_url = DEFAULT_BASE_URL

    def __init__(
        self,
        *,
        model_variant: str,
        capabilities: Capabilities,
        api_key: str,
        base_url: str = DEFAULT_BASE_URL,
        http_client: httpx.Client | None = None,
        timeout_seconds: float = 30.0,
        internet: PublicInternet = PUBLIC_INTERNET,
    ) -> None:
        """Take Runway's address and a key.

        Args:
            model_variant: the model's name at Runway.
            capabilities: its row in the catalog.
            api_key: sent to the API's own paths below `base_url` alone, never with the URL of a video.
            base_url: up to and without `/v1`.
            http_client: carries the calls to the origin of `base_url`, for a proxy or private certificates.
            timeout_seconds: for each wait for that origin: to connect, to send, to receive.
            internet: the way to URLs that callers and replies name.

        Raises:
            ConfigurationError: `base_url` or `api_key` cannot be used.
        """
        super().__init__(model_variant=model_variant, capabilities=capabilities, api_key=api_key, base_url=base_url)
        self._root = _check_base_url(base_url)
        self._headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {_check_api_key(api_key)}",
            "User-Agent": "mediaposter",
            "X-Runway-Version": API_VERSION,
        }
        self._timeout_seconds = timeout_seconds
        self._internet = internet
        self._errors = ProviderErrors(host=self._root.host, api_key=api_key, codes_by_word=_NO_WORDS)
        self._http = _build_http_client() if http_client is None else http_client

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, whatever comes of it.

        Raises:
            SubmissionUnknown: Runway may have accepted it.
            VideoModelError: it certainly did not.
        """
        task: dict[str, str | int] = {
            "model": request.model or self.model_variant,
            "promptText": _check_prompt(request.prompt),
            "ratio": f"{request.width}:{request.height}",
            "duration": request.duration_seconds,
        }
        if request.input_image is None:
            return self._submit("/v1/text_to_video", task)
        return self._submit("/v1/image_to_video", {**task, "promptImage": self._read_image(request.input_image)})

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Ask how a generation stands. A failed generation is an answer, not an exception.

        Raises:
            VideoModelError: Runway did not answer the question; `transient` tells whether to ask again.
        """
        reply = self._exchange("GET", _task_path(job_id), self._errors.lose_question)
        task = read_task(reply.body) if reply.is_success else None
        if task is None:
            raise self._errors.refuse_question(reply)
        return translate_task(task, reply, self._errors, job_id=job_id)

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Open the finished video, from `start_byte` on when its server can.

        A URL of a video lives 24 to 48 hours, so the task is asked for a fresh one each time. It is opened without the
        key: on the origin of `base_url` (a stand-in, a private proxy) by the same client, elsewhere as a stranger's.

        Raises:
            VideoModelError: on opening or while the chunks are read; `transient` when the URL is no longer valid.
        """
        url = _join(self._root, self._find_video_url(job_id))
        deadline = self._internet.clock() + MAX_DOWNLOAD_SECONDS
        with ExitStack() as stack:
            answer = self._follow_own(url, download_headers(start_byte, validator), stack)
            if isinstance(answer, httpx.URL):
                foreign = open_url(
                    str(answer),
                    max_bytes=MAX_VIDEO_BYTES,
                    timeout_seconds=deadline - self._internet.clock(),
                    start_byte=start_byte,
                    validator=validator,
                    internet=self._internet,
                )
                try:
                    stream = stack.enter_context(foreign)
                except VideoModelError as error:
                    if error.code is ErrorCode.EXPIRED:
                        raise _outlive(error.message) from error
                    raise
            elif answer.status_code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                stream = build_stream(
                    answer.status_code,
                    answer.headers,
                    self._read_pieces(answer),
                    source=self._root.host,
                    max_bytes=MAX_VIDEO_BYTES,
                    deadline=deadline,
                    clock=self._internet.clock,
                )
            elif answer.status_code in (401, 403, 404, 410):
                raise _outlive(f"{self._root.host} answered {answer.status_code} to the URL of the video.")
            else:
                raise self._errors.refuse_question(Reply(answer.status_code, answer.headers, b""))
            yield stream

    def edit_video(self, job_id: str, prompt: str) -> VideoGenerationJob:
        """Start a video that changes a finished one as the prompt says, at most once."""
        if not self.capabilities.edit:
            self._unsupported("edit_video")
        task = {"model": self.model_variant, "promptText": _check_prompt(prompt)}
        return self._submit("/v1/video_to_video", {**task, "videoUri": self._find_video_url(job_id)})

    def cancel_video(self, job_id: str) -> None:
        """Stop a generation that has not ended; one that has is deleted. Credits come back if it had not started."""
        if not self.capabilities.cancel:
            self._unsupported("cancel_video")
        self._delete(job_id)

    def delete_video(self, job_id: str) -> None:
        """Remove a video from Runway's storage; a generation that has not ended is stopped."""
        if not self.capabilities.delete:
            self._unsupported("delete_video")
        self._delete(job_id)

    def _read_image(self, source: str) -> str:
        """Read a reference image as a data URI."""
        if not self.capabilities.image_input:
            raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{self.model_variant} takes no reference image.")
        image = read_reference_image(source, timeout_seconds=self._timeout_seconds, internet=self._internet)
        uri = f"data:{image.content_type};base64,{base64.b64encode(image.content).decode('ascii')}"
        if len(uri) >= MAX_DATA_URI_CHARACTERS:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                f"The reference image has {len(image.content)} bytes, which is more than Runway takes; nothing was "
                f"submitted. Make it smaller than {MAX_DATA_URI_CHARACTERS * 3 // 4 // 1000} kB.",
            )
        return uri

    def _find_video_url(self, job_id: str) -> str:
        """Ask for a fresh URL of a finished video."""
        job = self.get_status(job_id)
        if job.status is VideoStatus.FAILED:
            raise VideoModelError(job.error_code or ErrorCode.PROVIDER_ERROR, job.error_message or "The task failed.")
        if job.status is not VideoStatus.COMPLETED or job.video_url is None:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"Task {job_id} is still {job.status}; there is no video yet.",
                transient=True,
                retry_after_seconds=job.retry_after_seconds,
            )
        return job.video_url

    def _submit(self, path: str, body: Mapping[str, str | int]) -> VideoGenerationJob:
        """Send one paid POST, and read the id of the task that it started."""
        reply = self._exchange(
            "POST",
            path,
            lambda error: self._errors.lose_submission(error, was_sent=not isinstance(error, _NOT_SENT)),
            body,
        )
        task = read_task(reply.body) if reply.is_success else None
        if task is None:
            raise self._errors.refuse_submission(reply, gone=ErrorCode.MODEL_NOT_FOUND)
        return VideoGenerationJob(
            job_id=task.id, status=VideoStatus.QUEUED, retry_after_seconds=reply.retry_after_seconds
        )

    def _delete(self, job_id: str) -> None:
        reply = self._exchange("DELETE", _task_path(job_id), self._errors.lose_question)
        if not reply.is_success:
            raise self._errors.refuse_question(reply)

    def _exchange(
        self,
        method: str,
        path: str,
        lose: Callable[[httpx.RequestError], VideoModelError],
        body: Mapping[str, str | int] | None = None,
    ) -> Reply:
        """Send once, and take whatever answer comes; `lose` maps what came instead of one."""
        try:
            response = self._http.request(
                method,
                f"{self._root}{path}",
                json=body,
                headers=self._headers,
                # Neither the key nor a paid POST goes to an address that a reply names.
                follow_redirects=False,
                timeout=self._timeout_seconds,
            )
        except httpx.RequestError as error:
            raise lose(error) from error
        return Reply(response.status_code, response.headers, response.content)

    def _follow_own(self, url: httpx.URL, headers: Mapping[str, str], stack: ExitStack) -> httpx.Response | httpx.URL:
        """Ask the origin of `base_url` for a video, without the key.

        Returns:
            Its answer, or the address elsewhere that it leads to.
        """
        for _ in range(MAX_REDIRECTS + 1):
            if _origin(url) != _origin(self._root):
                return url
            try:
                response = stack.enter_context(
                    self._http.stream(
                        "GET", url, headers=headers, follow_redirects=False, timeout=self._timeout_seconds
                    )
                )
            except httpx.RequestError as error:
                raise self._errors.lose_question(error) from error
            if not response.has_redirect_location:
                break
            url = _join(url, response.headers["location"])
        return response

    def _read_pieces(self, response: httpx.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
        except httpx.RequestError as error:
            raise self._errors.lose_question(error) from error


def _build_http_client() -> httpx.Client:
    # No connection is kept: one that died while a Lambda was frozen would make the next paid POST look as if it had
    # been sent and lost.
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def _outlive(sentence: str) -> VideoModelError:
    """Say that a URL is no longer valid: the task gives a fresh one, so this passes."""
    return VideoModelError(
        ErrorCode.EXPIRED,
        f"{sentence} Open the video again: the task then gives a fresh URL.",
        transient=True,
        retry_after_seconds=MIN_POLL_SECONDS,
    )


def _origin(url: httpx.URL) -> tuple[str, bytes, bytes]:
    # With its user name and password, which `base_url` never has: they would travel as an Authorization header.
    return url.scheme, url.userinfo, url.netloc


def _join(base: httpx.URL, location: str) -> httpx.URL:
    try:
        return base.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"{base.host} gave an address that is not a URL: {error}."
        ) from error


def _task_path(job_id: str) -> str:
    if job_id in ("", ".", ".."):
        raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{job_id!r} is not the id of a task.")
    return f"/v1/tasks/{quote(job_id, safe='')}"


def _check_prompt(prompt: str) -> str:
    """Refuse a prompt that Runway would: it counts UTF-16 units, of which most emoji take two."""
    units = len(prompt.encode("utf-16-le")) // 2
    if units > PROMPT_MAX_UTF16_UNITS:
        raise VideoModelError(
            ErrorCode.INVALID_REQUEST,
            f"Runway takes prompts of up to {PROMPT_MAX_UTF16_UNITS} UTF-16 units and this one has {units}; nothing "
            "was submitted. Shorten it.",
        )
    return prompt


def _check_base_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"base_url is not a URL: {error}.") from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError(
            f"base_url must read {DEFAULT_BASE_URL}, or name a server that speaks the same API, without a password, "
            "query or fragment."
        )
    return url


def _check_api_key(api_key: str) -> str:
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ConfigurationError(
            "api_key is empty, or holds a space, a line break or a character that no header takes; copy it again from "
            "Runway's developer portal."
        )
    return api_key
