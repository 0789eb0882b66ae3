"""Speak OpenAI's `/v1/videos` to any server that offers it, through the `openai` SDK.

OpenAI shut the API and its sora-2 models down on 2026-09-24; vLLM-Omni, SGLang, LiteLLM and Bifrost speak it on. The
SDK keeps its `videos` resource, marked as deprecated and typed for sora-2 alone. So the calls go through the SDK's own
`post`, `get` and `delete`, which stay, and the replies are read in `sora_wire`, as tolerantly as those servers differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

import httpx2
from openai import APIConnectionError, APIStatusError, Omit, OpenAI, RequestOptions

from mediaposter.ai.provider_reply import ProviderErrors, Reply
from mediaposter.ai.reference_image import ReferenceImage, read_reference_image
from mediaposter.ai.sora_wire import CODES_BY_WORD, read_failed_job, read_job, read_jobs, translate_job
from mediaposter.ai.video_model_interface import (
    Capabilities,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
    VideoStream,
)
from mediaposter.errors import ConfigurationError, ErrorCode, InvalidRequest, VideoModelError
from mediaposter.safe_http import (
    MAX_REDIRECTS,
    PUBLIC_INTERNET,
    PublicInternet,
    build_stream,
    download_headers,
    open_url,
)

MAX_VIDEO_BYTES = 4 * 1024**3
# As long as a Lambda may run: a longer download would outlive its reader.
MAX_DOWNLOAD_SECONDS = 900.0
MAX_LIST_LIMIT = 100
MAX_ERROR_BYTES = 64 * 1024

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
        super().__init__(model_variant=model_variant, capabilities=capabilities, api_key=api_key, base_url=base_url)
        self._base_url = _check_base_url(base_url)
        self._api_key = _check_api_key(api_key)
        self._timeout_seconds = timeout_seconds
        self._internet = internet
        self._errors = ProviderErrors(host=self._base_url.host, api_key=api_key, codes_by_word=CODES_BY_WORD)
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
            image = read_reference_image(
                request.input_image, timeout_seconds=self._timeout_seconds, internet=self._internet
            )
        # A form even without a file: vLLM-Omni takes nothing else.
        return self._submit(
            "/videos", fields, content_type="multipart/form-data", image=image, gone=ErrorCode.MODEL_NOT_FOUND
        )

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Ask how a generation stands. A failed generation is an answer, not an exception.

        Raises:
            VideoModelError: the server did not answer the question; `transient` tells whether to ask again.
        """
        reply = self._get(_job_path(job_id))
        # vLLM-Omni answers for a failed job with that job and its error's HTTP status.
        job = read_job(reply.body) if reply.is_success else read_failed_job(reply.body)
        if job is None:
            raise self._errors.refuse_question(reply)
        return translate_job(job, reply, self._errors, job_id=job_id)

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
            answer = self._follow_own(url, download_headers(start_byte, validator), stack)
            if isinstance(answer, httpx2.URL):
                yield stack.enter_context(
                    open_url(
                        str(answer),
                        max_bytes=MAX_VIDEO_BYTES,
                        timeout_seconds=deadline - self._internet.clock(),
                        start_byte=start_byte,
                        validator=validator,
                        internet=self._internet,
                    )
                )
                return
            if answer.status_code not in (httpx2.codes.OK, httpx2.codes.PARTIAL_CONTENT):
                raise self._errors.refuse_question(self._read_error_reply(answer))
            yield build_stream(
                answer.status_code,
                answer.headers,
                self._read_pieces(answer),
                source=self._base_url.host,
                max_bytes=MAX_VIDEO_BYTES,
                deadline=deadline,
                clock=self._internet.clock,
            )

    def remix_video(self, job_id: str, prompt: str) -> VideoGenerationJob:
        """Start a new video from a finished one and a changed prompt, at most once."""
        if not self.capabilities.remix:
            self._unsupported("remix_video")
        return self._submit(
            f"{_job_path(job_id)}/remix", {"prompt": prompt}, content_type="application/json", gone=ErrorCode.EXPIRED
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
        jobs = read_jobs(reply.body) if reply.is_success else None
        if jobs is None:
            raise self._errors.refuse_question(reply)
        return [translate_job(job, reply, self._errors, job_id=job.id) for job in jobs]

    def _submit(
        self,
        path: str,
        fields: Mapping[str, str],
        *,
        content_type: str,
        gone: ErrorCode,
        image: ReferenceImage | None = None,
    ) -> VideoGenerationJob:
        """Send one paid POST, and read the job that it started; `gone` is what a 404 means here."""
        files = None
        if image is not None:
            files = [("input_reference", (image.filename, image.content, image.content_type))]
        reply = self._exchange(
            lambda: self._client.post(
                path,
                cast_to=httpx2.Response,
                body=fields,
                files=files,
                options={"headers": {"Content-Type": content_type}, **_NO_REDIRECTS},
            ),
            lambda error: self._errors.lose_submission(error, was_sent=not isinstance(error, _NOT_SENT)),
        )
        job = read_job(reply.body) if reply.is_success else None
        if job is None:
            raise self._errors.refuse_submission(reply, gone=gone)
        return translate_job(job, reply, self._errors, job_id=job.id)

    def _get(self, path: str, **params: str) -> Reply:
        return self._exchange(
            lambda: self._client.get(path, cast_to=httpx2.Response, options={"params": params, **_NO_REDIRECTS}),
            self._errors.lose_question,
        )

    def _delete(self, job_id: str) -> None:
        reply = self._exchange(
            lambda: self._client.delete(_job_path(job_id), cast_to=httpx2.Response, options=_NO_REDIRECTS),
            self._errors.lose_question,
        )
        if not reply.is_success:
            raise self._errors.refuse_question(reply)
        if isinstance(reply.body, dict) and reply.body.get("deleted") is False:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"{self._base_url.host} answered that it did not delete {job_id}.",
                transient=True,
            )

    def _exchange(self, send: Callable[[], httpx2.Response], lose: Callable[[BaseException], VideoModelError]) -> Reply:
        """Send once, and take whatever answer comes; `lose` maps what came instead of one."""
        try:
            response = send()
        except APIStatusError as error:
            response = error.response
        except APIConnectionError as error:
            raise lose(error.__cause__ or error) from error
        return Reply(response.status_code, response.headers, response.content)

    def _follow_own(
        self, url: httpx2.URL, headers: Mapping[str, str], stack: ExitStack
    ) -> httpx2.Response | httpx2.URL:
        """Ask the server's own origin for bytes, with the key; the SDK's own way would follow a redirect to anywhere.

        Returns:
            Its answer, or the address elsewhere that it leads to.
        """
        for _ in range(MAX_REDIRECTS + 1):
            if url.origin != self._base_url.origin:
                return url
            try:
                response = stack.enter_context(
                    self._http.stream(
                        "GET",
                        url,
                        headers={"Authorization": f"Bearer {self._api_key}", **headers},
                        follow_redirects=False,
                        timeout=self._timeout_seconds,
                    )
                )
            except httpx2.RequestError as error:
                raise self._errors.lose_question(error) from error
            if not response.has_redirect_location:
                break
            url = _join(url, response.headers["location"])
        return response

    def _read_pieces(self, response: httpx2.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_bytes()
        except httpx2.RequestError as error:
            raise self._errors.lose_question(error) from error

    def _read_error_reply(self, response: httpx2.Response) -> Reply:
        content = b""
        for piece in self._read_pieces(response):
            content += piece
            if len(content) > MAX_ERROR_BYTES:
                break
        return Reply(response.status_code, response.headers, content)


class _EnvironmentFreeOpenAI(OpenAI):
    """The SDK's client without the headers that it takes from OPENAI_* variables and the machine's description."""

    @property
    def default_headers(self) -> dict[str, str | Omit]:
        return {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "mediaposter"}


def _build_http_client() -> httpx2.Client:
    # No connection is kept: one that died while a Lambda was frozen would make the next paid POST look as if it had
    # been sent and lost.
    return httpx2.Client(trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))


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
