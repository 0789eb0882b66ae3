"""Call Google's Interactions API, which serves Gemini Omni since Veo left the Developer API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from tempfile import TemporaryFile
from types import MappingProxyType
from urllib.parse import quote

import httpx

from mediaposter.ai.gemini_body import BodySkimmer
from mediaposter.ai.gemini_wire import (
    CODES_BY_WORD,
    GeminiReply,
    WireVideo,
    read_event,
    read_file,
    read_interaction,
    translate_interaction,
)
from mediaposter.ai.http_adapter import HttpVideoModel
from mediaposter.ai.video_job import check_job_id, quote_job_id
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoStream,
)
from mediaposter.ai.webhook_signature import verify_standard_webhook
from mediaposter.domain.errors import ErrorCode, VideoModelError, WebhookRejected
from mediaposter.http.reply import Reply

FILE_RETRY_SECONDS = 2.0

# The other delivery, inline, is for clips below 4 MB.
_VIDEO_FORMAT: Mapping[str, object] = MappingProxyType({"type": "video", "delivery": "uri"})


class GeminiVideoModel(HttpVideoModel):
    """Gemini Omni behind the Interactions API of Google's Gemini API; its address is without `/v1beta`."""

    provider = "gemini"
    default_base_url = "https://generativelanguage.googleapis.com"
    key_header = "x-goog-api-key"
    key_prefix = ""
    codes_by_word = CODES_BY_WORD
    reply_class = GeminiReply

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once: one HTTP request, without retries."""
        self.check_images(request)
        options = self.check_options(request)
        fields: dict[str, object] = {
            "model": request.model or self.entry.provider_model,
            "input": request.prompt,
            "response_format": self._describe_format(size=request.size, seconds=request.duration_seconds),
        }
        frames = _list_frames(request)
        if frames:
            text = {"type": "text", "text": _bind_frames(request.prompt, frames)}
            pictures = [self._read_picture(source) for source in frames.values()]
            fields["input"] = [{"type": "user_input", "content": [text, *pictures]}]
            fields["generation_config"] = {"video_config": {"task": "image_to_video"}}
        return self._submit(_lay_over(options, fields), gone=ErrorCode.MODEL_NOT_FOUND)

    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Get the status of a generation; the clip that it may hold is skipped, not kept in memory."""
        job, _ = self._ask(job_id, BodySkimmer())
        return job

    @contextmanager
    def open_video(self, job_id: str, *, start_byte: int = 0, validator: str | None = None) -> Iterator[VideoStream]:
        """Open the finished video, from `start_byte` on.

        This fetches the interaction first. Its clip is either inside it (even for `delivery: uri`) and goes to a
        temporary file, or a file of the Files API, or at another address, which never gets the key.

        Raises:
            VideoModelError: on opening or while the chunks are read; `transient`, with a hint, while Google still
                prepares the file.
        """
        with TemporaryFile() as aside:
            skimmer = BodySkimmer(aside)
            job, videos = self._ask(job_id, skimmer)
            job.require_finished()
            video = videos[-1]
            if video.data is not None:
                yield _stream_inline(skimmer, video.data, video.mime_type, start_byte)
                return
            with self._vendor.open_file(
                self._find_download(video.uri or ""),
                start_byte=start_byte,
                validator=validator,
                send_key=True,
                refuse=self._refuse_file,
            ) as stream:
                yield stream

    def remix_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Start a new video from a finished one and a changed prompt, at most once."""
        self._require("remix_video", offered=self.capabilities.remix)
        return self._derive(job_id, prompt, self._describe_source(source))

    def extend_video(
        self, job_id: str, prompt: str, duration_seconds: int, *, source: SourceVideo | None = None
    ) -> VideoGenerationJob:
        """Start a video that goes on for `duration_seconds` where a finished one ends, at most once.

        Google recognizes an extension by its prompt (ai.google.dev/gemini-api/docs/omni, "Prompts for extending a
        video"), and returns the whole video: the source and the added part.
        """
        self._require("extend_video", offered=self.capabilities.extend)
        added = {**self._describe_source(source), "duration": f"{duration_seconds}s"}
        return self._derive(job_id, f"Extend this video: {prompt}", added)

    def edit_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Start a video that changes a finished one as the prompt says, at most once."""
        self._require("edit_video", offered=self.capabilities.edit)
        return self._derive(job_id, prompt, self._describe_source(source))

    def cancel_video(self, job_id: str) -> None:
        """Stop a generation that has not ended."""
        self._require("cancel_video", offered=self.capabilities.cancel)
        self._order("POST", f"{_job_path(job_id)}/cancel")

    def delete_video(self, job_id: str) -> None:
        """Remove the interaction from Google's storage, which would keep it for 55 days."""
        self._require("delete_video", offered=self.capabilities.delete)
        self._order("DELETE", _job_path(job_id))

    def parse_webhook(
        self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str] = (), now: datetime
    ) -> str:
        """Verify a call of one of the project's static webhooks, and find its interaction.

        Nothing else in the body is trusted, least of all that the video is ready: get the status.

        Raises:
            WebhookRejected: it is unsigned or stale, or names no interaction.
            ConfigurationError: `secrets` are empty or malformed.
        """
        self._require("parse_webhook", offered=self.capabilities.webhook)
        verify_standard_webhook(headers, body, secrets=secrets, now=now)
        interaction_id = read_event(body)
        if interaction_id is None:
            raise WebhookRejected(
                "The webhook is Google's, but names no interaction; nothing was done. At Google, subscribe this "
                "address only to the events of interactions."
            )
        return interaction_id

    def _describe_format(self, *, size: str, seconds: int) -> Mapping[str, object]:
        """Translate a size and a length into Google's fields, before anything is sent."""
        shape = self.find_shape(size)
        return {
            **_VIDEO_FORMAT,
            "aspect_ratio": shape.aspect_ratio,
            "resolution": shape.resolution,
            "duration": f"{seconds}s",
        }

    def _describe_source(self, source: SourceVideo | None) -> Mapping[str, object]:
        """Describe the size and length of a video made from another.

        Google does not inherit it from the previous interaction: the default is ten seconds in 720p.
        """
        if source is None:
            return {**_VIDEO_FORMAT}
        return self._describe_format(size=source.size, seconds=source.seconds)

    def _read_picture(self, source: str) -> Mapping[str, str]:
        image = self._read_image(source)
        return {"type": "image", "mime_type": image.content_type, "data": image.base64}

    def _derive(self, job_id: str, prompt: str, response_format: Mapping[str, object]) -> VideoGenerationJob:
        """Start a video from a finished one.

        No task is named: Google refuses one beside an earlier interaction ("previous_interaction_id is not allowed when
        video task is set"), and infers the task from the prompt.
        """
        fields = {
            "model": self.entry.provider_model,
            "previous_interaction_id": check_job_id(job_id),
            "input": prompt,
            "response_format": response_format,
        }
        return self._submit(fields, gone=ErrorCode.EXPIRED)

    def _submit(self, fields: Mapping[str, object], *, gone: ErrorCode) -> VideoGenerationJob:
        """Send one paid POST, and read the interaction that it started; `gone` is the code for a 404."""
        reply = self._vendor.submit(
            "/v1beta/interactions",
            # `background` needs `store`.
            json={**fields, "background": True, "store": True},
            # An interaction begins with its input, including the pictures.
            read=BodySkimmer().read,
        )
        interaction = self._read_started(reply, read_interaction, gone=gone)
        return translate_interaction(interaction, reply, self._errors, job_id=interaction.id)

    def _ask(self, job_id: str, skimmer: BodySkimmer) -> tuple[VideoGenerationJob, Sequence[WireVideo]]:
        """Get the status of an interaction and its clips: at least one if it is completed."""
        reply = self._vendor.ask("GET", _job_path(job_id), read=skimmer.read)
        interaction = self._read_answer(reply, read_interaction)
        return translate_interaction(interaction, reply, self._errors, job_id=job_id), interaction.videos

    def _find_download(self, location: str) -> str:
        """Find the download URL of a clip, once Google has prepared it."""
        url = self._vendor.join(location)
        if not self._vendor.is_own(url):
            return location
        file_id = re.search(r"/files/([^/:]+)(?::download)?$", url.path)
        if file_id is None:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR, f"{self._vendor.base_url.host} gave an address that is not one of its files."
            )
        path = f"/v1beta/files/{quote(file_id[1], safe='')}"
        reply = self._vendor.ask("GET", path)
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
        return f"{self._vendor.base_url}{path}:download?alt=media"

    def _refuse_file(self, reply: Reply) -> VideoModelError:
        """Map a refused file. A 403 means that the Files API no longer has it: Google has just accepted the key."""
        if reply.status_code == httpx.codes.FORBIDDEN:
            said = self._errors.clean(reply.error.message) or ""
            return VideoModelError(
                ErrorCode.EXPIRED,
                f"Google no longer has the video's file, which it keeps for 48 hours. {said}".rstrip(),
            )
        return self._errors.refuse_question(reply)


def _list_frames(request: VideoGenerationRequest) -> Mapping[str, str]:
    """List a request's pictures by the tags that bind them, in the order in which Google takes them.

    https://ai.google.dev/gemini-api/docs/omni, "Using tags in prompts to set image and video roles": <LAST_FRAME> must
    be used with <FIRST_FRAME>.
    """
    if request.input_image is None:
        if request.last_frame_image is not None:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                "Gemini takes a last frame only together with a first one; nothing was submitted. Give both pictures.",
            )
        return {}
    frames = {"<FIRST_FRAME>": request.input_image}
    if request.last_frame_image is not None:
        frames["<LAST_FRAME>"] = request.last_frame_image
    return frames


def _bind_frames(prompt: str, tags: Mapping[str, str]) -> str:
    """Tag each picture with its frame in the prompt; without tags the model decides its role.

    The caller's own tags stay in place: `[# Sources <FIRST_FRAME>@Image1]` must come first.
    """
    return " ".join([*(tag for tag in tags if tag not in prompt), prompt])


def _lay_over(options: Mapping[str, object], fields: Mapping[str, object]) -> Mapping[str, object]:
    """Merge our fields over the caller's, also inside objects: a `thinking_level` stays next to our `video_config`."""
    merged = {**options, **fields}
    for name, value in fields.items():
        beneath = options.get(name)
        if isinstance(value, Mapping) and isinstance(beneath, Mapping):
            merged[name] = _lay_over(beneath, value)
    return merged


def _stream_inline(skimmer: BodySkimmer, data: str, mime_type: str | None, start_byte: int) -> VideoStream:
    video = skimmer.find_video(data)
    start_byte = start_byte if start_byte < video.size_bytes else 0
    return VideoStream(
        chunks=video.decode(start_byte),
        start_byte=start_byte,
        size_bytes=video.size_bytes,
        content_type=mime_type,
    )


def _job_path(job_id: str) -> str:
    return f"/v1beta/interactions/{quote_job_id(job_id)}"
