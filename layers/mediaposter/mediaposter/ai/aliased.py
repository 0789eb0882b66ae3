"""OpenAI's names in Python: `sora-2` is made by a living model, as the API makes it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NoReturn

from mediaposter.ai.catalog import ALIAS_SIZES, check_alias_seconds, parse_size
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoModelInterface,
    VideoStream,
)
from mediaposter.ai.waiting import wait_for_all
from mediaposter.domain.errors import ErrorCode, InvalidRequest, UnsupportedOperation, VideoModelError


class AliasedVideoModel(VideoModelInterface):
    """A model that you ask for by one of OpenAI's names, and that another vendor or a server of your own makes.

    A length or size that the maker does not offer becomes the nearest one, with a warning; `entry` is the maker's row.
    """

    provider = "sora"

    def __init__(
        self,
        name: str,
        *,
        find_model: Callable[[str], VideoModelInterface],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take OpenAI's name, and what finds the model that makes a name; all of them ask the same account."""
        self._name = name
        self._find_model = find_model
        self._sleep = sleep
        self._model = find_model(name)
        super().__init__(entry=self._model.entry, api_key=self._model.api_key, base_url=self._model.base_url)

    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once, of the nearest length and size.

        Raises:
            SubmissionUnknown: the provider may have accepted it.
            VideoModelError: it certainly did not.
        """
        name = request.model or self._name
        try:
            model = self._find_model(name)
            check_alias_seconds(name, request.duration_seconds)
            fitted = model.entry.fit(seconds=request.duration_seconds, size=request.size)
        except InvalidRequest as error:
            raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{error} Nothing was submitted.") from error
        if request.size not in {*ALIAS_SIZES, *model.entry.sizes}:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST,
                f"{name} takes the sizes {', '.join(ALIAS_SIZES)}, not {request.size}. Nothing was submitted.",
            )
        for sentence in fitted.warnings:
            warnings.warn(sentence, stacklevel=2)
        width, height = parse_size(fitted.size)
        return model.create_video(
            request.model_copy(
                update={"model": None, "width": width, "height": height, "duration_seconds": fitted.seconds}
            )
        )

    def get_status(self, job_id: str) -> VideoGenerationJob:
        return self._model.get_status(job_id)

    def open_video(
        self, job_id: str, *, start_byte: int = 0, validator: str | None = None
    ) -> AbstractContextManager[VideoStream]:
        return self._model.open_video(job_id, start_byte=start_byte, validator=validator)

    def remix_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Start a new video from another and a changed prompt; this waits for the other to be finished.

        Raises:
            UnsupportedOperation: the model makes no remixes.
            VideoModelError: the other failed, or is not there after an hour.
        """
        self._require("remix_video", offered=self.capabilities.remix)
        [other] = wait_for_all(self._model, [self.get_status(job_id)], sleep=self._sleep)
        other.require_finished()
        return self._model.remix_video(job_id, prompt, source=source)

    def extend_video(
        self, job_id: str, prompt: str, duration_seconds: int, *, source: SourceVideo | None = None
    ) -> VideoGenerationJob:
        return self._model.extend_video(job_id, prompt, duration_seconds, source=source)

    def edit_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        return self._model.edit_video(job_id, prompt, source=source)

    def cancel_video(self, job_id: str) -> None:
        self._model.cancel_video(job_id)

    def delete_video(self, job_id: str) -> None:
        self._model.delete_video(job_id)

    def list_jobs(self, limit: int = 20) -> list[VideoGenerationJob]:
        return self._model.list_jobs(limit)

    def parse_webhook(
        self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str] = (), now: datetime
    ) -> str:
        return self._model.parse_webhook(headers, body, secrets=secrets, now=now)

    def webhook_key(self, job_id: str) -> str:
        return self._model.webhook_key(job_id)

    def _unsupported(self, operation: str) -> NoReturn:
        raise UnsupportedOperation(f"{self.entry.provider}/{self.model_variant}", operation)
