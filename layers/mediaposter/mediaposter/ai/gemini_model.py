"""Speak Google's Interactions API, which makes Gemini Omni's videos since Veo left the Developer API.

Four calls over plain HTTP: the vendor's SDK takes 0.7 s to import and sends a paid POST again by itself.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from tempfile import TemporaryFile
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import quote

import httpx

from mediaposter.ai.gemini_wire import (
    CODES_BY_WORD,
    BodySkimmer,
    GeminiReply,
    WireVideo,
    read_file,
    read_interaction,
    translate_interaction,
)
from mediaposter.ai.provider_reply import ProviderErrors
from mediaposter.ai.reference_image import read_reference_image
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

MAX_VIDEO_BYTES = 4 * 1024**3
# As long as a Lambda may run: a longer download would outlive its reader.
MAX_DOWNLOAD_SECONDS = 900.0
FILE_RETRY_SECONDS = 2.0

# What an interaction's response_format can say.
_ASPECT_RATIOS: Mapping[Fraction, str] = MappingProxyType({Fraction(16, 9): "16:9", Fraction(9, 16): "9:16"})
_RESOLUTIONS: Mapping[int, str] = MappingProxyType({360: "360p", 720: "720p", 1080: "1080p", 2160: "4k"})

# Raised before the first byte of a request is written. Everything else (a timeout while reading or writing, a reset,
# a reply that is not HTTP) comes when the server may already have acted.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)

# JSON on its way out.
Json: TypeAlias = "str | bool | list[Json] | Mapping[str, Json]"

# Inline, the other delivery, is for clips below 4 MB.
_VIDEO_FORMAT: Mapping[str, Json] = MappingProxyType({"type": "video", "delivery": "uri"})


DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com"


class GeminiVideoModel(VideoModelInterface):
    """Gemini Omni behind the Interactions API of Google's Gemini API."""

    provider = "gemini"
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
        """Take Google's key.

        Args:
            model_variant: the model's name at Google.
            capabilities: its row in the catalog.
            api_key: sent to the origin of `base_url` alone.
            base_url: without `/v1beta`.
            http_client: carries the calls to `base_url`, for a proxy or private certificates.
            timeout_seconds: for each wait for Google: to connect, to send, to receive.
            internet: the way to URLs that callers and replies name.

        Raises:
            ConfigurationError: `base_url` or `api_key` cannot be used.
        """
        super().__init__(model_variant=model_variant, capabilities=capabilities, api_key=api_key, base_url=base_url)
        self._base_url = _check_base_url(base_url)
        self._key_header = {"x-goog-api-key": _check_api_key(api_key), "User-Agent": "mediaposter"}
        self._timeout_seconds = timeout_seconds
        self._internet = internet
        self._errors = ProviderErrors(host=self._base_url.host, api_key=api_key, codes_by_word=CODES_BY_WORD)
        self._http = _build_http_client() if http_client is None else http_client

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, whatever comes of it.

        Raises:
            SubmissionUnknown: Google may have accepted it.
            VideoModelError: it certainly did not.
        """
        fields: dict[str, Json] = {
            "model": request.model or self.model_variant,
            "input": request.prompt,
            "response_format": {**_VIDEO_FORMAT, **_describe_format(request)},
        }
        if request.input_image is not None:
            if not self.capabilities.image_input:
                raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{self.model_variant} takes no reference image.")
            image = read_reference_image(
                request.input_image, timeout_seconds=self._timeout_seconds, internet=self._internet
            )
            picture: Json = {
                "type": "image",
                "mime_type": image.content_type,
                "data": base64.b64encode(image.content).decode("ascii"),
            }
            fields["input"] = [{"type": "user_input", "content": [{"type": "text", "text": request.prompt}, picture]}]
            fields["generation_config"] = _describe_task("image_to_video")
        return self._submit(fields, gone=ErrorCode.MODEL_NOT_FOUND)

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Ask how a generation stands. A failed generation is an answer, not an exception.

        A finished interaction may hold its whole clip; that is read past, not kept.

        Raises:
            VideoModelError: Google did not answer the question; `transient` tells whether to ask again.
        """
        job, _ = self._ask(job_id, BodySkimmer())
        return job

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Open the finished video, from `start_byte` on.

        The interaction is asked for first. Its clip is either inside it (Google has answered so even for
        `delivery: uri`) and waits in a temporary file, or a file of the Files API, or at an address elsewhere, which
        never sees the key.

        Raises:
            VideoModelError: on opening or while the chunks are read; `transient`, with a hint, while Google still
                prepares the file.
        """
        deadline = self._internet.clock() + MAX_DOWNLOAD_SECONDS
        with ExitStack() as stack:
            skimmer = BodySkimmer(stack.enter_context(TemporaryFile()))
            job, video = self._ask(job_id, skimmer)
            if job.status is VideoStatus.FAILED:
                raise VideoModelError(job.error_code or ErrorCode.PROVIDER_ERROR, job.error_message or "It failed.")
            if job.status is not VideoStatus.COMPLETED or video is None:
                raise VideoModelError(
                    ErrorCode.PROVIDER_ERROR,
                    f"Job {job_id} is still {job.status}; there is no video yet.",
                    transient=True,
                    retry_after_seconds=job.retry_after_seconds,
                )
            if video.data is not None:
                yield _stream_inline(skimmer, video.data, video.mime_type, start_byte)
                return
            url = self._find_download(_join(self._base_url, video.uri or ""))
            answer = self._follow_own(url, download_headers(start_byte, validator), stack)
            if isinstance(answer, httpx.URL):
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
            if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                content = BodySkimmer().read(self._read_pieces(answer))
                raise self._refuse_file(GeminiReply(answer.status_code, answer.headers, content))
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
        return self._derive(job_id, {"input": prompt, "response_format": {**_VIDEO_FORMAT}})

    def extend_video(self, job_id: str, prompt: str, duration_seconds: int) -> VideoGenerationJob:
        """Start a video that goes on where a finished one ends, at most once."""
        if not self.capabilities.extend:
            self._unsupported("extend_video")
        response_format: Json = {**_VIDEO_FORMAT, "duration": f"{duration_seconds}s"}
        return self._derive(
            job_id,
            {"input": prompt, "response_format": response_format, "generation_config": _describe_task("extend")},
        )

    def edit_video(self, job_id: str, prompt: str) -> VideoGenerationJob:
        """Start a video that changes a finished one as the prompt says, at most once."""
        if not self.capabilities.edit:
            self._unsupported("edit_video")
        return self._derive(
            job_id, {"input": prompt, "response_format": {**_VIDEO_FORMAT}, "generation_config": _describe_task("edit")}
        )

    def cancel_video(self, job_id: str) -> None:
        """Stop a generation that has not ended."""
        if not self.capabilities.cancel:
            self._unsupported("cancel_video")
        self._order("POST", f"{_job_path(job_id)}/cancel")

    def delete_video(self, job_id: str) -> None:
        """Remove the interaction from Google's storage, which would keep it for 55 days."""
        if not self.capabilities.delete:
            self._unsupported("delete_video")
        self._order("DELETE", _job_path(job_id))

    def _derive(self, job_id: str, fields: Mapping[str, Json]) -> VideoGenerationJob:
        return self._submit(
            {"model": self.model_variant, "previous_interaction_id": _check_job_id(job_id), **fields},
            gone=ErrorCode.EXPIRED,
        )

    def _submit(self, fields: Mapping[str, Json], *, gone: ErrorCode) -> VideoGenerationJob:
        """Send one paid POST, and read the interaction that it started; `gone` is what a 404 means here."""
        reply = self._exchange(
            "POST",
            "/interactions",
            lambda error: self._errors.lose_submission(error, was_sent=not isinstance(error, _NOT_SENT)),
            # `background` needs `store`.
            fields={**fields, "background": True, "store": True},
        )
        interaction = read_interaction(reply.body) if reply.is_success else None
        if interaction is None:
            raise self._errors.refuse_submission(reply, gone=gone)
        return translate_interaction(interaction, reply, self._errors, job_id=interaction.id)

    def _ask(self, job_id: str, skimmer: BodySkimmer) -> tuple[VideoGenerationJob, WireVideo | None]:
        reply = self._exchange("GET", _job_path(job_id), self._errors.lose_question, skimmer=skimmer)
        interaction = read_interaction(reply.body) if reply.is_success else None
        if interaction is None:
            raise self._errors.refuse_question(reply)
        return translate_interaction(interaction, reply, self._errors, job_id=job_id), interaction.video

    def _order(self, method: str, path: str) -> None:
        reply = self._exchange(method, path, self._errors.lose_question)
        if not reply.is_success:
            raise self._errors.refuse_question(reply)

    def _exchange(
        self,
        method: str,
        path: str,
        lose: Callable[[BaseException], VideoModelError],
        *,
        fields: Mapping[str, Json] | None = None,
        skimmer: BodySkimmer | None = None,
    ) -> GeminiReply:
        """Send once, and take whatever answer comes; `lose` maps what came instead of one."""
        deadline = self._internet.clock() + MAX_DOWNLOAD_SECONDS
        try:
            with self._http.stream(
                method,
                f"{self._base_url}/v1beta{path}",
                headers=self._key_header,
                json=fields,
                # Neither the key nor a paid POST goes to an address that a reply names.
                follow_redirects=False,
                timeout=self._timeout_seconds,
            ) as response:
                content = (skimmer or BodySkimmer()).read(_receive(response, deadline, self._internet.clock))
        except httpx.RequestError as error:
            raise lose(error) from error
        return GeminiReply(response.status_code, response.headers, content)

    def _find_download(self, url: httpx.URL) -> httpx.URL:
        """Find where the bytes of a clip's address are, once Google has prepared them."""
        if _origin(url) != _origin(self._base_url):
            return url
        file_id = re.search(r"/files/([^/:]+)(?::download)?$", url.path)
        if file_id is None:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR, f"{self._base_url.host} gave an address that names none of its files."
            )
        path = f"/files/{quote(file_id[1], safe='')}"
        reply = self._exchange("GET", path, self._errors.lose_question)
        if not reply.is_success:
            raise self._refuse_file(reply)
        file = read_file(reply.body)
        if file.state == "FAILED":
            said = self._errors.clean(file.error.message if file.error else None)
            raise VideoModelError(ErrorCode.PROVIDER_ERROR, said or "Google could not prepare the video's file.")
        if file.state != "ACTIVE":
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                "Google is still preparing the video's file.",
                transient=True,
                retry_after_seconds=FILE_RETRY_SECONDS,
            )
        return httpx.URL(f"{self._base_url}/v1beta{path}:download?alt=media")

    def _refuse_file(self, reply: GeminiReply) -> VideoModelError:
        """Map a refused file. The Files API says 403 of a file that it no longer has: the key has just been taken."""
        if reply.status_code == httpx.codes.FORBIDDEN:
            said = self._errors.clean(reply.error.message) or ""
            return VideoModelError(
                ErrorCode.EXPIRED,
                f"Google no longer has the video's file, which it keeps for 48 hours. {said}".rstrip(),
            )
        return self._errors.refuse_question(reply)

    def _follow_own(self, url: httpx.URL, headers: Mapping[str, str], stack: ExitStack) -> httpx.Response | httpx.URL:
        """Ask Google's own origin for bytes, with the key.

        Returns:
            Its answer, or the address elsewhere that it leads to.
        """
        for _ in range(MAX_REDIRECTS + 1):
            if _origin(url) != _origin(self._base_url):
                return url
            try:
                response = stack.enter_context(
                    self._http.stream(
                        "GET",
                        url,
                        headers={**self._key_header, **headers},
                        follow_redirects=False,
                        timeout=self._timeout_seconds,
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


def _describe_format(request: VideoGenerationRequest) -> dict[str, Json]:
    """Say a size in Google's words, before anything is sent."""
    aspect_ratio = _ASPECT_RATIOS.get(Fraction(request.width, request.height))
    resolution = _RESOLUTIONS.get(min(request.width, request.height))
    if aspect_ratio is None or resolution is None:
        raise VideoModelError(
            ErrorCode.INVALID_REQUEST,
            f"Gemini makes 16:9 and 9:16 videos whose shorter side is 360, 720, 1080 or 2160 pixels, not "
            f"{request.size}. Nothing was submitted.",
        )
    return {"aspect_ratio": aspect_ratio, "resolution": resolution, "duration": f"{request.duration_seconds}s"}


def _describe_task(task: str) -> dict[str, Json]:
    return {"video_config": {"task": task}}


def _stream_inline(skimmer: BodySkimmer, data: str, mime_type: str | None, start_byte: int) -> VideoStream:
    video = skimmer.find_video(data)
    start_byte = start_byte if start_byte < video.size_bytes else 0
    return VideoStream(
        chunks=video.decode(start_byte),
        start_byte=start_byte,
        size_bytes=video.size_bytes,
        content_type=mime_type,
    )


def _receive(response: httpx.Response, deadline: float, clock: Callable[[], float]) -> Iterator[bytes]:
    """Take a body as it comes; each piece may come in time and the whole too late."""
    for piece in response.iter_bytes():
        if clock() > deadline:
            raise httpx.ReadTimeout(f"the answer took more than {MAX_DOWNLOAD_SECONDS:.0f} s")
        yield piece


def _build_http_client() -> httpx.Client:
    # No connection is kept: one that died while a Lambda was frozen would make the next paid POST look as if it had
    # been sent and lost.
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    # httpx leaves a scheme's own port out.
    return url.scheme, url.host, url.port


def _join(base: httpx.URL, location: str) -> httpx.URL:
    try:
        return base.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise VideoModelError(
            ErrorCode.PROVIDER_ERROR, f"{base.host} gave an address that is not a URL: {error}."
        ) from error


def _job_path(job_id: str) -> str:
    return f"/interactions/{quote(_check_job_id(job_id), safe='')}"


def _check_job_id(job_id: str) -> str:
    if job_id in ("", ".", ".."):
        raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{job_id!r} is not the id of a job.")
    return job_id


def _check_base_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.rstrip("/"))
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(f"base_url is not a URL: {error}.") from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError("base_url must read https://host, without a password, query or fragment.")
    return url


def _check_api_key(api_key: str) -> str:
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ConfigurationError(
            "api_key is empty, or holds a space, a line break or a character that no header takes; copy it again."
        )
    return api_key
