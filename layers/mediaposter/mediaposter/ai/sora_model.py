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
from typing import Unpack

from pydantic import JsonValue

from mediaposter.ai.http_adapter import AdapterSettings, HttpVideoModel
from mediaposter.ai.sora_wire import CODES_BY_WORD, read_event, read_failed_job, read_job, read_jobs, translate_job
from mediaposter.ai.video_job import quote_job_id
from mediaposter.ai.video_model_interface import (
    MAX_LIST_LIMIT,
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoStream,
)
from mediaposter.ai.webhook_signature import verify_standard_webhook
from mediaposter.domain.errors import ConfigurationError, ErrorCode, InvalidRequest, VideoModelError
from mediaposter.http.addresses import AddressRefused
from mediaposter.http.vendor import FormField


class SoraVideoModel(HttpVideoModel):
    """A model of any server that offers OpenAI's `/v1/videos`; its address includes `/v1`."""

    provider = "sora"
    example_url = "https://host/v1"
    codes_by_word = CODES_BY_WORD

    def __init__(self, **settings: Unpack[AdapterSettings]) -> None:
        """Take a server's address, including `/v1`, and key: any text for a server that needs none.

        Raises:
            ConfigurationError: `base_url` or `api_key` cannot be used.
        """
        super().__init__(**settings)
        _refuse_openai(self._vendor.base_url.host)

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, without retries."""
        self.check_images(request)
        fields = {
            "prompt": request.prompt,
            "model": request.model or self.entry.provider_model,
            "seconds": str(request.duration_seconds),
            "size": request.size,
        }
        options = _write_options(self.check_options(request), {*fields, "input_reference"})
        form: dict[str, FormField] = {**fields, **options}
        if request.input_image is not None:
            image = self._read_image(request.input_image)
            form["input_reference"] = (image.filename, image.content, image.content_type)
        # A form even without a file: vLLM-Omni accepts nothing else.
        return self._submit("/videos", form=form, gone=ErrorCode.MODEL_NOT_FOUND)

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Get the status of a generation; a failed one is a result, not an exception."""
        reply = self._vendor.ask("GET", _job_path(job_id))
        # For a failed job, vLLM-Omni returns the job with the HTTP status of its error.
        job = read_job(reply.body) if reply.is_success else read_failed_job(reply.body)
        if job is None:
            raise self._errors.refuse_question(reply)
        return translate_job(job, reply, self._errors, job_id=job_id)

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Open the finished video, from `start_byte` on when the server can.

        This fetches the job first: its `url` wins over `/content`, which SGLang closes once it has uploaded a video. If
        that `url` is not allowed (a server's internal address, or its own store), `/content` is tried. `variant` is
        never sent: SGLang reads it as an index and answers 404.

        Raises:
            VideoModelError: on opening or while the chunks are read.
        """
        job = self.get_status(job_id).require_finished()
        content_url = f"{self._vendor.base_url}{_job_path(job_id)}/content"
        open_at = partial(
            self._vendor.open_file,
            start_byte=start_byte,
            validator=validator,
            send_key=True,
            refuse=self._errors.refuse_question,
        )
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

    def remix_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Start a new video from a finished one and a changed prompt; it has its source's size and length."""
        self._require("remix_video", offered=self.capabilities.remix)
        return self._submit(f"{_job_path(job_id)}/remix", json={"prompt": prompt})

    def extend_video(
        self, job_id: str, prompt: str, duration_seconds: int, *, source: SourceVideo | None = None
    ) -> VideoGenerationJob:
        """Start a video that goes on for `duration_seconds` where a finished one ends; it has its source's size."""
        self._require("extend_video", offered=self.capabilities.extend)
        form = {"prompt": prompt, "seconds": str(duration_seconds), "video[id]": job_id}
        return self._submit("/videos/extensions", form=form)

    def edit_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Start a video that changes a finished one as the prompt says; it has its source's size and length."""
        self._require("edit_video", offered=self.capabilities.edit)
        return self._submit("/videos/edits", form={"prompt": prompt, "video[id]": job_id})

    def cancel_video(self, job_id: str) -> None:
        """Stop a generation that has not ended, by deleting it."""
        self._require("cancel_video", offered=self.capabilities.cancel)
        self._delete(job_id)

    def delete_video(self, job_id: str) -> None:
        """Remove a video from the server's storage."""
        self._require("delete_video", offered=self.capabilities.delete)
        self._delete(job_id)

    def list_jobs(self, limit: int = 20) -> list[VideoGenerationJob]:
        """List up to 100 of the latest jobs at the server, newest first."""
        self._require("list_jobs", offered=self.capabilities.list_jobs)
        if not 1 <= limit <= MAX_LIST_LIMIT:
            raise InvalidRequest(f"A list holds 1 to {MAX_LIST_LIMIT} jobs, not {limit}.", param="limit")
        reply = self._vendor.ask("GET", "/videos", params={"limit": str(limit), "order": "desc"})
        page = self._read_answer(reply, read_jobs)
        return [translate_job(job, reply, self._errors, job_id=job.id) for job in page.data]

    def parse_webhook(
        self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str] = (), now: datetime
    ) -> str:
        """Verify a webhook by its signature, and find its job.

        Source: https://platform.openai.com/docs/guides/webhooks.

        Raises:
            WebhookRejected: it is not signed with one of `secrets`, is stale, or is about no finished video.
            ConfigurationError: there is no secret, or one is malformed.
        """
        self._require("parse_webhook", offered=self.capabilities.webhook)
        verify_standard_webhook(headers, body, secrets=secrets, now=now)
        return read_event(body)

    def _submit(
        self,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        form: Mapping[str, FormField] | None = None,
        gone: ErrorCode = ErrorCode.EXPIRED,
    ) -> VideoGenerationJob:
        """Send one paid POST, and read the job that it started; `gone` is the code for a 404."""
        reply = self._vendor.submit(path, json=json, form=form)
        job = self._read_started(reply, read_job, gone=gone)
        return translate_job(job, reply, self._errors, job_id=job.id)

    def _delete(self, job_id: str) -> None:
        body = self._order("DELETE", _job_path(job_id)).body
        if isinstance(body, dict) and body.get("deleted") is False:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"{self._vendor.base_url.host} answered that it did not delete {job_id}.",
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
