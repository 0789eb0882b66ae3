"""Call any server that offers OpenAI's `/v1/videos`.

OpenAI shut the API and its sora-2 models down on 2026-09-24; vLLM-Omni, SGLang, LiteLLM and Bifrost still offer it. The
requests follow openai-python 3.54.0; `sora_wire` parses the responses as tolerantly as those servers differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial

import httpx
from pydantic import JsonValue

from mediaposter.ai.catalog import CatalogEntry
from mediaposter.ai.provider_connection import ProviderConnection, quote_job_id, require_finished
from mediaposter.ai.provider_reply import Reply
from mediaposter.ai.sora_wire import CODES_BY_WORD, read_event, read_failed_job, read_job, read_jobs, translate_job
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStream,
)
from mediaposter.ai.webhook_signature import verify_standard_webhook
from mediaposter.domain.errors import ConfigurationError, ErrorCode, InvalidRequest, VideoModelError
from mediaposter.http.outbound import PUBLIC_INTERNET, AddressRefused, PublicInternet

MAX_LIST_LIMIT = 100


class SoraVideoModel(VideoModelInterface):
    """A model of any server that offers OpenAI's `/v1/videos`."""

    provider = "sora"

    def __init__(
        self,
        *,
        entry: CatalogEntry,
        api_key: str,
        base_url: str,
        http_client: httpx.Client | None = None,
        timeout_seconds: float = 30.0,
        internet: PublicInternet = PUBLIC_INTERNET,
    ) -> None:
        """Take a server's address, including `/v1`, and key: any text for a server that needs none.

        A server may return video URLs in its own store. `own_origins` of `internet` lists the stores that may be
        private or plain http.

        Raises:
            ConfigurationError: `base_url` or `api_key` cannot be used.
        """
        super().__init__(entry=entry, api_key=api_key, base_url=base_url)
        self._server = ProviderConnection(
            base_url=base_url,
            example_url="https://host/v1",
            api_key=api_key,
            key_header=lambda key: {"Authorization": f"Bearer {key}"},
            codes_by_word=CODES_BY_WORD,
            http_client=http_client,
            timeout_seconds=timeout_seconds,
            internet=internet,
        )
        _refuse_openai(self._server.base_url.host)

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, without retries.

        Raises:
            SubmissionUnknown: the server may have accepted it.
            VideoModelError: it certainly did not.
        """
        self.check_images(request)
        fields = {
            "prompt": request.prompt,
            "model": request.model or self.entry.provider_model,
            "seconds": str(request.duration_seconds),
            "size": request.size,
        }
        options = _write_options(self.check_options(request), {*fields, "input_reference"})
        file = None
        if request.input_image is not None:
            file = ("input_reference", self._server.read_image(request.input_image))
        # A form even without a file: vLLM-Omni accepts nothing else.
        reply = self._server.submit("/videos", form={**fields, **options}, file=file)
        return self._read_submission(reply, gone=ErrorCode.MODEL_NOT_FOUND)

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Get the status of a generation. A failed generation is a result, not an exception.

        Raises:
            VideoModelError: the server did not answer the question; `transient` tells whether to ask again.
        """
        reply = self._server.ask("GET", _job_path(job_id))
        # For a failed job, vLLM-Omni returns the job with the HTTP status of its error.
        job = read_job(reply.body) if reply.is_success else read_failed_job(reply.body)
        if job is None:
            raise self._server.errors.refuse_question(reply)
        return translate_job(job, reply, self._server.errors, job_id=job_id)

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Open the finished video, from `start_byte` on when the server can.

        This fetches the job first: its `url` wins over `/content`, which SGLang closes once it has uploaded a video. If
        that `url` is not allowed (a server's internal address, or its own store), `/content` is tried. `variant` is
        never sent: SGLang reads it as an index and answers 404.

        Raises:
            VideoModelError: on opening or while the chunks are read.
        """
        job = require_finished(self.get_status(job_id))
        content_url = f"{self._server.base_url}{_job_path(job_id)}/content"
        open_at = partial(self._server.open_video, start_byte=start_byte, validator=validator, send_key=True)
        with ExitStack() as stack:
            try:
                stream = stack.enter_context(open_at(job.video_url or content_url))
            except AddressRefused as refusal:
                if job.video_url is None:
                    raise
                try:
                    stream = stack.enter_context(open_at(content_url))
                except VideoModelError as error:
                    if error.transient:
                        raise
                    # An error that a person can fix.
                    raise refusal from error
            yield stream

    def remix_video(
        self,
        job_id: str,
        prompt: str,
        *,
        source: SourceVideo | None = None,  # noqa: ARG002 (the interface's; a remix has its source's size and length)
    ) -> VideoGenerationJob:
        """Start a new video from a finished one and a changed prompt, at most once."""
        if not self.capabilities.remix:
            self._unsupported("remix_video")
        reply = self._server.submit(f"{_job_path(job_id)}/remix", json={"prompt": prompt})
        return self._read_submission(reply, gone=ErrorCode.EXPIRED)

    def extend_video(
        self,
        job_id: str,
        prompt: str,
        duration_seconds: int,
        *,
        source: SourceVideo | None = None,  # noqa: ARG002 (the interface's; an extension has its source's size)
    ) -> VideoGenerationJob:
        """Start a video that goes on for `duration_seconds` where a finished one ends, at most once."""
        if not self.capabilities.extend:
            self._unsupported("extend_video")
        form = {"prompt": prompt, "seconds": str(duration_seconds), "video[id]": job_id}
        reply = self._server.submit("/videos/extensions", form=form)
        return self._read_submission(reply, gone=ErrorCode.EXPIRED)

    def edit_video(
        self,
        job_id: str,
        prompt: str,
        *,
        source: SourceVideo | None = None,  # noqa: ARG002 (the interface's; an edit has its source's size and length)
    ) -> VideoGenerationJob:
        """Start a video that changes a finished one as the prompt says, at most once."""
        if not self.capabilities.edit:
            self._unsupported("edit_video")
        reply = self._server.submit("/videos/edits", form={"prompt": prompt, "video[id]": job_id})
        return self._read_submission(reply, gone=ErrorCode.EXPIRED)

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
        reply = self._server.ask("GET", "/videos", params={"limit": str(limit), "order": "desc"})
        jobs = read_jobs(reply.body) if reply.is_success else None
        if jobs is None:
            raise self._server.errors.refuse_question(reply)
        return [translate_job(job, reply, self._server.errors, job_id=job.id) for job in jobs]

    def parse_webhook(
        self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str] = (), now: datetime
    ) -> str:
        """Verify a webhook by its signature, and find its job.

        Source: https://platform.openai.com/docs/guides/webhooks.

        Raises:
            WebhookRejected: it is not signed with one of `secrets`, is stale, or is about no finished video.
            ConfigurationError: there is no secret, or one is malformed.
        """
        if not self.capabilities.webhook:
            self._unsupported("parse_webhook")
        verify_standard_webhook(headers, body, secrets=secrets, now=now)
        return read_event(body)

    def _read_submission(self, reply: Reply, *, gone: ErrorCode) -> VideoGenerationJob:
        """Read the job that a paid POST started; `gone` is the code for a 404."""
        job = read_job(reply.body) if reply.is_success else None
        if job is None:
            raise self._server.errors.refuse_submission(reply, gone=gone)
        return translate_job(job, reply, self._server.errors, job_id=job.id)

    def _delete(self, job_id: str) -> None:
        reply = self._server.ask("DELETE", _job_path(job_id))
        if not reply.is_success:
            raise self._server.errors.refuse_question(reply)
        if isinstance(reply.body, dict) and reply.body.get("deleted") is False:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"{self._server.base_url.host} answered that it did not delete {job_id}.",
                transient=True,
            )


def _write_options(options: Mapping[str, JsonValue], taken: set[str]) -> dict[str, str]:
    """Write a server's own options as form fields, except those that the request sets itself."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in options.items()
        # `input_reference[image_url]` is a part of `input_reference`, as OpenAI writes an object into a form.
        if name.partition("[")[0] not in taken
    }


def _job_path(job_id: str) -> str:
    return f"/videos/{quote_job_id(job_id)}"


def _refuse_openai(host: str) -> None:
    host = host.rstrip(".")
    if host == "api.openai.com" or host.endswith(".api.openai.com"):
        raise ConfigurationError(
            "OpenAI shut its Videos API and every sora-2 model down on 2026-09-24. Set base_url to a server that "
            "speaks the same API (vLLM-Omni, SGLang, LiteLLM or Bifrost), or choose another provider."
        )
