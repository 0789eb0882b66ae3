"""Call Runway's API (https://docs.dev.runwayml.com)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mediaposter.ai.http_adapter import HttpVideoModel
from mediaposter.ai.runway_wire import MIN_POLL_SECONDS, read_task, translate_task
from mediaposter.ai.video_job import quote_job_id
from mediaposter.ai.video_model_interface import SourceVideo, VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.domain.errors import ErrorCode, VideoModelError

API_VERSION = "2024-11-06"
PROMPT_MAX_UTF16_UNITS = 1000
# The whole URI, a third longer than the image, must stay below (https://docs.dev.runwayml.com/assets/inputs).
MAX_DATA_URI_CHARACTERS = 5 * 1024 * 1024


class RunwayVideoModel(HttpVideoModel):
    """A model of Runway, or of another vendor that Runway serves; its address is without `/v1`."""

    provider = "runway"
    default_base_url = "https://api.dev.runwayml.com"
    headers = MappingProxyType({"X-Runway-Version": API_VERSION})

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, without retries."""
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
        return self._submit("/v1/image_to_video", {**task, "promptImage": self._write_image(request.input_image)})

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Get the status of a generation; a failed one is a result, not an exception."""
        reply = self._vendor.ask("GET", _task_path(job_id))
        return translate_task(self._read_answer(reply, read_task), reply, self._errors, job_id=job_id)

    def edit_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Start a video that changes a finished one as the prompt says, at most once.

        It has the size and length of its source: aleph2 takes no length, and a shape only for outpainting (runwayml
        5.24.0, types/video_to_video_create_params.py).
        """
        self._require("edit_video", offered=self.capabilities.edit)
        task = {"model": self.entry.provider_model, "promptText": _check_prompt(prompt)}
        return self._submit("/v1/video_to_video", {**task, "videoUri": self._find_video_url(job_id)})

    def cancel_video(self, job_id: str) -> None:
        """Stop a generation that has not ended; one that has is deleted. Credits come back if it had not started."""
        self._require("cancel_video", offered=self.capabilities.cancel)
        self._order("DELETE", _task_path(job_id))

    def delete_video(self, job_id: str) -> None:
        """Remove a video from Runway's storage; a generation that has not ended is stopped."""
        self._require("delete_video", offered=self.capabilities.delete)
        self._order("DELETE", _task_path(job_id))

    def _write_image(self, source: str) -> str:
        """Read a reference image as a data URI."""
        image = self._read_image(source)
        uri = image.data_uri
        if len(uri) >= MAX_DATA_URI_CHARACTERS:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                f"The reference image has {len(image.content)} bytes, which is more than Runway takes; nothing was "
                f"submitted. Make it smaller than {MAX_DATA_URI_CHARACTERS * 3 // 4 // 1000} kB.",
            )
        return uri

    def _submit(self, path: str, body: Mapping[str, object]) -> VideoGenerationJob:
        """Send one paid POST, and read the id of the task that it started."""
        reply = self._vendor.submit(path, json=body)
        return VideoGenerationJob(
            job_id=self._read_started(reply, read_task).id,
            status=VideoStatus.QUEUED,
            retry_after_seconds=reply.retry_after_seconds,
        )

    def _report_expired(self, sentence: str) -> VideoModelError:
        """Report an expired URL, which lasts 24 to 48 hours: it is transient, since the task returns a fresh one."""
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
