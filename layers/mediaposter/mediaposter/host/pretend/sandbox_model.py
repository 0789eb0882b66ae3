"""The sandbox model within this process: it draws a clip for any prompt, and asks no video model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from mediaposter.ai.catalog import CatalogEntry
from mediaposter.ai.reference_image import read_reference_image
from mediaposter.ai.video_model_interface import (
    MAX_LIST_LIMIT,
    Capabilities,
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStream,
)
from mediaposter.domain.errors import ErrorCode, InvalidRequest, SubmissionUnknown, VideoModelError
from mediaposter.host.pretend.faults import VideoFault, find_fault
from mediaposter.host.pretend.sandbox_provider import ClipOrder, SandboxProvider

_PICTURE_SECONDS = 20.0
_CHUNK_BYTES = 256 * 1024


class InProcessSandboxModel(VideoModelInterface):
    """The catalog's rows of the provider `sandbox`, without an address and a key.

    Beyond its row it knows a repeated submission by its idempotency key, and reports the end of a job.
    """

    provider = "sandbox"
    needs_api_key = False
    # Only this process writes its webhooks, with a token that nothing else knows.
    signs_with_secret = False

    def __init__(self, *, entry: CatalogEntry, provider: SandboxProvider) -> None:
        """Take the model's row, and what draws its clips."""
        super().__init__(entry=entry)
        self._sandbox = provider

    @property
    def capabilities(self) -> Capabilities:
        """Return what the row offers, and what this process adds."""
        return self.entry.capabilities.model_copy(update={"webhook": True, "cancel": True, "idempotent_submit": True})

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a job, once for each idempotency key.

        Raises:
            SubmissionUnknown: the prompt asked for an answer that is lost.
            VideoModelError: the request was refused.
        """
        self.check_images(request)
        self.check_options(request)
        if request.input_image is not None:
            read_reference_image(request.input_image, timeout_seconds=_PICTURE_SECONDS)
        order = ClipOrder(
            prompt=request.prompt,
            model=request.model or self.entry.provider_model,
            width=request.width,
            height=request.height,
            seconds=request.duration_seconds,
        )
        return self._submit(order, request.idempotency_key)

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Get the status of a job. A failed one is a result, not an exception.

        Raises:
            VideoModelError: there is no such job.
        """
        return self._sandbox.describe(self._sandbox.find(job_id))

    @contextmanager
    def open_video(
        self,
        job_id: str,
        *,
        start_byte: int = 0,
        validator: str | None = None,  # noqa: ARG002 (a clip never changes)
    ) -> Iterator[VideoStream]:
        """Open the clip of a finished job, from `start_byte` on.

        Raises:
            VideoModelError: there is no clip, or not yet.
        """
        job = self._sandbox.find(job_id)
        self._sandbox.describe(job).require_finished()
        if job.fault is VideoFault.NOT_MP4:
            page = b"<!doctype html><title>Sign in</title><p>Sign in to go on."
            yield VideoStream(chunks=iter([page]), size_bytes=len(page), content_type="text/html")
            return
        try:
            file = self._sandbox.find_clip(job).open("rb")
        except FileNotFoundError as error:
            raise VideoModelError(ErrorCode.EXPIRED, f"The clip of {job_id} is gone.") from error
        with file:
            size_bytes = file.seek(0, 2)
            if job.fault is VideoFault.TRUNCATE_SILENTLY:
                size_bytes //= 2
            file.seek(start_byte)
            chunks = (
                file.read(min(_CHUNK_BYTES, size_bytes - at)) for at in range(start_byte, size_bytes, _CHUNK_BYTES)
            )
            yield VideoStream(
                chunks=chunks,
                start_byte=start_byte,
                size_bytes=size_bytes,
                content_type="video/mp4",
                validator=f'"{job_id}"',
            )

    def remix_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Draw another prompt in the size and the length of a finished clip."""
        if not self.capabilities.remix:
            self._unsupported("remix_video")
        return self._derive(job_id, prompt, source)

    def extend_video(
        self, job_id: str, prompt: str, duration_seconds: int, *, source: SourceVideo | None = None
    ) -> VideoGenerationJob:
        """Draw a clip that is `duration_seconds` longer than a finished one."""
        if not self.capabilities.extend:
            self._unsupported("extend_video")
        return self._derive(job_id, prompt, source, more_seconds=duration_seconds)

    def edit_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Draw another prompt in the size and the length of a finished clip."""
        if not self.capabilities.edit:
            self._unsupported("edit_video")
        return self._derive(job_id, prompt, source)

    def cancel_video(self, job_id: str) -> None:
        """Stop a job that has not ended."""
        self._sandbox.cancel(job_id)

    def delete_video(self, job_id: str) -> None:
        """Remove a job that has ended, and its clip."""
        if not self.capabilities.delete:
            self._unsupported("delete_video")
        self._sandbox.delete(job_id)

    def list_jobs(self, limit: int = 20) -> list[VideoGenerationJob]:
        """List the latest jobs, newest first."""
        if not self.capabilities.list_jobs:
            self._unsupported("list_jobs")
        if not 1 <= limit <= MAX_LIST_LIMIT:
            raise InvalidRequest(f"A list holds 1 to {MAX_LIST_LIMIT} jobs, not {limit}.", param="limit")
        return [self._sandbox.describe(job) for job in self._sandbox.list_latest(limit)]

    def parse_webhook(
        self,
        headers: Mapping[str, str],
        body: bytes,
        *,
        secrets: Sequence[str] = (),  # noqa: ARG002 (the token of this process is none of the operator's)
        now: datetime,  # noqa: ARG002 (the token is as old as the process)
    ) -> str:
        """Verify that this process wrote a webhook, and find its job.

        Raises:
            WebhookRejected: it did not.
        """
        return self._sandbox.read_webhook(headers, body)

    def _derive(
        self, job_id: str, prompt: str, source: SourceVideo | None, *, more_seconds: int = 0
    ) -> VideoGenerationJob:
        original = self._sandbox.find(job_id)
        self._sandbox.describe(original).require_finished()
        seconds = original.order.seconds if source is None else source.seconds
        order = original.order.model_copy(update={"prompt": prompt, "seconds": seconds + more_seconds})
        return self._submit(order, None)

    def _submit(self, order: ClipOrder, idempotency_key: str | None) -> VideoGenerationJob:
        try:
            fault = find_fault(VideoFault, order.prompt)
        except ValueError as error:
            raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{error} Nothing was submitted.") from error
        if fault is VideoFault.REFUSE:
            raise VideoModelError(ErrorCode.INVALID_REQUEST, "The prompt asked the sandbox to refuse it.")
        is_new, job_id = self._sandbox.accept(order, fault=fault, idempotency_key=idempotency_key)
        if is_new and fault is VideoFault.ACCEPT_THEN_DROP:
            raise SubmissionUnknown("The prompt asked the sandbox to lose its answer. It may have accepted the job.")
        return self.get_status(job_id)
