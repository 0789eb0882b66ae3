"""Call Runway's API (https://docs.dev.runwayml.com)."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import httpx

from mediaposter.ai.catalog import CatalogEntry
from mediaposter.ai.provider_connection import ProviderConnection, quote_job_id, require_finished
from mediaposter.ai.provider_reply import Reply
from mediaposter.ai.runway_wire import MIN_POLL_SECONDS, read_task, translate_task
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStatus,
    VideoStream,
)
from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.http.outbound import PUBLIC_INTERNET, PublicInternet

DEFAULT_BASE_URL = "https://api.dev.runwayml.com"
API_VERSION = "2024-11-06"
PROMPT_MAX_UTF16_UNITS = 1000
# The whole URI, a third longer than the image, must stay below (https://docs.dev.runwayml.com/assets/inputs).
MAX_DATA_URI_CHARACTERS = 5 * 1024 * 1024

# Runway's errors have a message and no machine-readable code.
_NO_WORDS: Mapping[str, ErrorCode] = MappingProxyType({})


class RunwayVideoModel(VideoModelInterface):
    """A model of Runway, or of another vendor that Runway serves."""

    provider = "runway"
    default_base_url = DEFAULT_BASE_URL

    def __init__(
        self,
        *,
        entry: CatalogEntry,
        api_key: str,
        base_url: str = DEFAULT_BASE_URL,
        http_client: httpx.Client | None = None,
        timeout_seconds: float = 30.0,
        internet: PublicInternet = PUBLIC_INTERNET,
    ) -> None:
        """Take a key, and Runway's address without `/v1`.

        Raises:
            ConfigurationError: `base_url` or `api_key` cannot be used.
        """
        super().__init__(entry=entry, api_key=api_key, base_url=base_url)
        self._runway = ProviderConnection(
            base_url=base_url,
            example_url=DEFAULT_BASE_URL,
            api_key=api_key,
            key_header=lambda key: {"Authorization": f"Bearer {key}"},
            codes_by_word=_NO_WORDS,
            headers={"X-Runway-Version": API_VERSION},
            http_client=http_client,
            timeout_seconds=timeout_seconds,
            internet=internet,
        )

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, without retries.

        Raises:
            SubmissionUnknown: Runway may have accepted it.
            VideoModelError: it certainly did not.
        """
        self.check_images(request)
        task: dict[str, object] = {
            **self.check_options(request),
            "model": request.model or self.entry.provider_model,
            "promptText": _check_prompt(request.prompt),
            "ratio": f"{request.width}:{request.height}",
            "duration": request.duration_seconds,
        }
        if request.input_image is None:
            return self._submit("/v1/text_to_video", task)
        return self._submit("/v1/image_to_video", {**task, "promptImage": self._read_image(request.input_image)})

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Get the status of a generation. A failed generation is a result, not an exception.

        Raises:
            VideoModelError: Runway did not answer the question; `transient` tells whether to ask again.
        """
        reply = self._runway.ask("GET", _task_path(job_id))
        task = read_task(reply.body) if reply.is_success else None
        if task is None:
            raise self._runway.errors.refuse_question(reply)
        return translate_task(task, reply, self._runway.errors, job_id=job_id)

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Open the finished video, from `start_byte` on when its server can.

        A video's URL is valid for 24 to 48 hours, so this fetches a fresh one from the task each time. It is opened
        without the key: on the origin of `base_url` (a stand-in, a private proxy) by the same client, elsewhere as an
        untrusted URL.

        Raises:
            VideoModelError: on opening or while the chunks are read; `transient` when the URL is no longer valid.
        """
        with self._runway.open_video(
            self._find_video_url(job_id),
            start_byte=start_byte,
            validator=validator,
            send_key=False,
            refuse=self._refuse_video,
            outlive=_outlive,
        ) as stream:
            yield stream

    def edit_video(
        self,
        job_id: str,
        prompt: str,
        *,
        source: SourceVideo | None = None,  # noqa: ARG002 (the interface's; `video_to_video` has no field for it)
    ) -> VideoGenerationJob:
        """Start a video that changes a finished one as the prompt says, at most once.

        It has the size and length of its source: aleph2 takes no length, and a shape only for outpainting (runwayml
        5.24.0, types/video_to_video_create_params.py).
        """
        if not self.capabilities.edit:
            self._unsupported("edit_video")
        task = {"model": self.entry.provider_model, "promptText": _check_prompt(prompt)}
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
        image = self._runway.read_image(source)
        uri = f"data:{image.content_type};base64,{base64.b64encode(image.content).decode('ascii')}"
        if len(uri) >= MAX_DATA_URI_CHARACTERS:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                f"The reference image has {len(image.content)} bytes, which is more than Runway takes; nothing was "
                f"submitted. Make it smaller than {MAX_DATA_URI_CHARACTERS * 3 // 4 // 1000} kB.",
            )
        return uri

    def _find_video_url(self, job_id: str) -> str:
        """Fetch a fresh URL of a finished video."""
        job = require_finished(self.get_status(job_id))
        if job.video_url is None:
            raise VideoModelError(ErrorCode.PROVIDER_ERROR, f"Task {job_id} has succeeded without a video.")
        return job.video_url

    def _submit(self, path: str, body: Mapping[str, object]) -> VideoGenerationJob:
        """Send one paid POST, and read the id of the task that it started."""
        reply = self._runway.submit(path, json=body)
        task = read_task(reply.body) if reply.is_success else None
        if task is None:
            raise self._runway.errors.refuse_submission(reply, gone=ErrorCode.MODEL_NOT_FOUND)
        return VideoGenerationJob(
            job_id=task.id, status=VideoStatus.QUEUED, retry_after_seconds=reply.retry_after_seconds
        )

    def _delete(self, job_id: str) -> None:
        reply = self._runway.ask("DELETE", _task_path(job_id))
        if not reply.is_success:
            raise self._runway.errors.refuse_question(reply)

    def _refuse_video(self, reply: Reply) -> VideoModelError:
        if reply.status_code in (401, 403, 404, 410):
            return _outlive(f"{self._runway.base_url.host} answered {reply.status_code} to the URL of the video.")
        return self._runway.errors.refuse_question(reply)


def _outlive(sentence: str) -> VideoModelError:
    """Report an expired URL; the error is transient, since the task returns a fresh one."""
    return VideoModelError(
        ErrorCode.EXPIRED,
        f"{sentence} Open the video again: the task then gives a fresh URL.",
        transient=True,
        retry_after_seconds=MIN_POLL_SECONDS,
    )


def _task_path(job_id: str) -> str:
    return f"/v1/tasks/{quote_job_id(job_id)}"


def _check_prompt(prompt: str) -> str:
    """Refuse a prompt that Runway would refuse: it counts UTF-16 units, and most emoji have two."""
    units = len(prompt.encode("utf-16-le")) // 2
    if units > PROMPT_MAX_UTF16_UNITS:
        raise VideoModelError(
            ErrorCode.INVALID_REQUEST,
            f"Runway takes prompts of up to {PROMPT_MAX_UTF16_UNITS} UTF-16 units and this one has {units}; nothing "
            "was submitted. Shorten it.",
        )
    return prompt
