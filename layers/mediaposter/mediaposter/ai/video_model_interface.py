"""The interface of every video model, and its types."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, NamedTuple, NoReturn

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from mediaposter.ai.catalog import Capabilities, CatalogEntry, ImageRole
from mediaposter.ai.waiting import wait_for_all
from mediaposter.domain.errors import ErrorCode, InvalidRequest, UnsupportedOperation, VideoModelError
from mediaposter.domain.text import refuse_unwritable_within
from mediaposter.media.ingest import VideoIngest
from mediaposter.media.video_stream import VideoStream

MAX_LIST_LIMIT = 100
# The tolerance between a vendor's clock and ours; its times may be whole seconds.
CLOCKS_APART = timedelta(seconds=5)

__all__ = [
    "Capabilities",
    "SourceVideo",
    "SubmittedJobs",
    "VideoGenerationJob",
    "VideoGenerationRequest",
    "VideoModelInterface",
    "VideoStatus",
    "VideoStream",
]


class VideoStatus(StrEnum):
    """Where a generation stands; OpenAI's four words."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_terminal(self) -> bool:
        """Tell whether the generation is over."""
        return self in (VideoStatus.COMPLETED, VideoStatus.FAILED)


class VideoGenerationRequest(BaseModel):
    """What to generate.

    Attributes:
        input_image: a path, an https URL or a data URI of the picture that the video begins with.
        last_frame_image: the same for the picture that it ends with.
        provider_options: the vendor's own fields, as listed in the model's catalog row; they never replace the fields
            above.
        idempotency_key: identifies this submission, for vendors that detect retries.
        webhook_url: where the vendor reports the end of this job, if it takes an address per job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    prompt: str = Field(min_length=1)
    model: str | None = None
    width: int = Field(default=1280, gt=0)
    height: int = Field(default=720, gt=0)
    duration_seconds: int = Field(default=8, gt=0)
    input_image: str | None = None
    last_frame_image: str | None = None
    provider_options: dict[str, JsonValue] = Field(default_factory=dict)
    idempotency_key: str | None = None
    webhook_url: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _require_whole_characters(cls, fields: object) -> object:
        refuse_unwritable_within(fields)
        return fields

    @property
    def size(self) -> str:
        """Return the size as `WIDTHxHEIGHT` in pixels."""
        return f"{self.width}x{self.height}"


class SourceVideo(NamedTuple):
    """The source of a derived video: its size in pixels, and its length."""

    width: int
    height: int
    seconds: int

    @property
    def size(self) -> str:
        """Return the size as `WIDTHxHEIGHT` in pixels."""
        return f"{self.width}x{self.height}"


class VideoGenerationJob(BaseModel):
    """A provider's report on one generation.

    `job_id` is opaque and carries everything a later call needs. `progress` is a percentage. `prompt`, `model`, `size`,
    `seconds` and `created_at` come from vendors that list jobs, as far as a list has them. They help to find a lost
    job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str
    status: VideoStatus
    progress: int | None = Field(default=None, ge=0, le=100)
    video_url: str | None = None
    error_code: ErrorCode | None = None
    error_message: str | None = None
    retry_after_seconds: float | None = None
    cost_micros: int | None = None
    prompt: str | None = None
    model: str | None = None
    size: str | None = None
    seconds: int | None = None
    created_at: AwareDatetime | None = None

    def has_shape_of(self, request: VideoGenerationRequest) -> bool:
        """Tell whether the known model, size and length match a request."""
        told = (
            (self.model, request.model),
            (self.size, request.size),
            (self.seconds, request.duration_seconds),
        )
        return all(mine is None or theirs is None or mine == theirs for mine, theirs in told)  # guard: matched by shape

    @property
    def cost_usd(self) -> Decimal | None:
        """Return the cost in dollars, if the provider reported it."""
        return None if self.cost_micros is None else Decimal(self.cost_micros) / 1_000_000


class SubmittedJobs(NamedTuple):
    """The jobs that a lost submission may have started.

    `matching` jobs have its prompt, and everything else that is known matches. `similar` jobs have its prompt, but
    another model, size or length: they belong to another video, unless the provider changed the request. `indistinct`
    jobs have too few details to tell whose they are. `is_whole` means that the list goes back to the submission.
    """

    matching: list[VideoGenerationJob]
    similar: list[VideoGenerationJob]
    indistinct: list[VideoGenerationJob]
    is_whole: bool = True

    @property
    def is_certain(self) -> bool:
        """Tell whether exactly one job matches, and no other could."""
        return len(self.matching) == 1 and not self.indistinct  # guard: one certain job

    @property
    def may_have_it(self) -> bool:
        """Tell whether the provider may have the submission."""
        return bool(self.matching or self.similar or self.indistinct) or not self.is_whole

    def explain(self) -> str:
        """Summarize the list in a sentence."""
        count = len(self.matching) + len(self.similar) + len(self.indistinct)
        if count:
            jobs = "one job" if count == 1 else f"{count} jobs"
            return f"The provider lists {jobs} that may be it, and nothing tells which video each was sent for."
        if not self.is_whole:
            return "The provider's list of jobs does not go back so far."
        return "It is not in the provider's list of jobs."


class VideoModelInterface(ABC):
    """A model that turns a prompt into a video.

    An adapter implements the three abstract methods. The others build on them, or are optional, as `capabilities` says.
    """

    provider: ClassVar[str]
    # The provider whose key and address it uses, if not its own: fal serves Pika's models.
    account: ClassVar[str | None] = None
    # The address of the vendor's own server, if there is one.
    default_base_url: ClassVar[str | None] = None
    needs_api_key: ClassVar[bool] = True
    # Whether each submission names its webhook's address; otherwise you configure one for all at the vendor.
    takes_webhook_url: ClassVar[bool] = False
    # Whether the vendor signs webhooks with a secret shared with you; otherwise it uses keys with a public part.
    signs_with_secret: ClassVar[bool] = True

    def __init__(self, *, entry: CatalogEntry, api_key: str = "", base_url: str = "") -> None:
        """Take the model's row in the catalog, and the vendor's key and address."""
        self.entry = entry
        self.api_key = api_key
        self.base_url = base_url

    @property
    def model_variant(self) -> str:
        """Return the model's name in the catalog."""
        return self.entry.name

    @property
    def capabilities(self) -> Capabilities:
        """Return the model's capabilities."""
        return self.entry.capabilities

    @abstractmethod
    def create_video(self, request: VideoGenerationRequest) -> VideoGenerationJob:
        """Start a generation, at most once.

        Raises:
            SubmissionUnknown: the provider may have accepted it.
            VideoModelError: it certainly did not.
        """

    @abstractmethod
    def get_status(self, job_id: str) -> VideoGenerationJob:
        """Get the status of a generation. A failed generation is a result, not an exception.

        Raises:
            VideoModelError: the provider did not answer the question; `transient` tells whether to ask again.
        """

    @abstractmethod
    def open_video(
        self, job_id: str, *, start_byte: int = 0, validator: str | None = None
    ) -> AbstractContextManager[VideoStream]:
        """Open the finished video, from `start_byte` on when the provider can.

        Raises:
            VideoModelError: the provider did not return it.
        """

    def check_images(self, request: VideoGenerationRequest) -> None:
        """Refuse a picture in a role that this model does not support.

        Raises:
            VideoModelError: with code `invalid_request`; nothing was submitted.
        """
        for image, role in (
            (request.input_image, ImageRole.FIRST_FRAME),
            (request.last_frame_image, ImageRole.LAST_FRAME),
        ):
            if image is not None and role not in self.capabilities.image_roles:
                raise VideoModelError(
                    ErrorCode.INVALID_REQUEST,
                    f"{self.model_variant} takes no picture as {role.replace('_', ' ')}; nothing was submitted.",
                )

    def check_options(self, request: VideoGenerationRequest) -> dict[str, JsonValue]:
        """Return the vendor's own fields of a request, in the vendor's types.

        Raises:
            VideoModelError: with code `invalid_request`: the model's row does not list one; nothing was submitted.
        """
        try:
            return self.entry.check_options(request.provider_options)
        except InvalidRequest as refusal:
            raise VideoModelError(
                ErrorCode.INVALID_REQUEST, f"{refusal.message} Nothing was submitted; leave it out or change it."
            ) from refusal

    def download_video(
        self,
        job_id: str,
        path: str | os.PathLike[str],
        *,
        timeout_seconds: float = 3600,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Path:
        """Write the finished video to `path`, which appears whole and playable, or not at all.

        A download that breaks off is resumed.

        Raises:
            MediaError: the file is not one whole MP4.
            VideoModelError: the provider refused, broke off repeatedly, or the time ran out.
        """
        target = Path(path)
        video = VideoIngest(
            lambda start_byte, validator: self.open_video(job_id, start_byte=start_byte, validator=validator),
            deadline=clock() + timeout_seconds,
            sleep=sleep,
            clock=clock,
        )
        with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as directory:
            part = Path(directory) / target.name
            with part.open("wb") as file:
                for chunk in video:
                    file.write(chunk)
            return part.replace(target)

    def create_and_wait(
        self,
        request: VideoGenerationRequest,
        *,
        timeout_seconds: float = 3600,
        on_progress: Callable[[VideoGenerationJob], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> VideoGenerationJob:
        """Start a generation and wait for its end.

        Raises:
            VideoModelError: with code `timeout` when `timeout_seconds` pass first. The job goes on at the provider;
                the error names it, as Ctrl-C does.
        """
        [job] = wait_for_all(
            self,
            [self.create_video(request)],
            timeout_seconds=timeout_seconds,
            on_progress=on_progress,
            sleep=sleep,
            clock=clock,
        )
        return job

    def remix_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Start a new video from a finished one and a changed prompt.

        Args:
            job_id: of the finished one.
            prompt: what the new one shows.
            source: the finished one's size and length, which the new one should have. Without them, a vendor may use
                its own defaults.
        """
        self._unsupported("remix_video")

    def extend_video(
        self, job_id: str, prompt: str, duration_seconds: int, *, source: SourceVideo | None = None
    ) -> VideoGenerationJob:
        """Start a video that goes on for `duration_seconds` where a finished one ends; `source` as for a remix."""
        self._unsupported("extend_video")

    def edit_video(self, job_id: str, prompt: str, *, source: SourceVideo | None = None) -> VideoGenerationJob:
        """Start a video that changes a finished one as the prompt says; `source` as for a remix."""
        self._unsupported("edit_video")

    def cancel_video(self, job_id: str) -> None:
        """Stop a generation that has not ended."""
        self._unsupported("cancel_video")

    def delete_video(self, job_id: str) -> None:
        """Remove a video from the provider's storage."""
        self._unsupported("delete_video")

    def list_jobs(self, limit: int = 20) -> list[VideoGenerationJob]:
        """List the latest jobs at the provider, newest first."""
        self._unsupported("list_jobs")

    def find_submitted(self, request: VideoGenerationRequest, *, submitted_after: datetime) -> SubmittedJobs:
        """Find the jobs at the provider that a lost submission may have started.

        It compares everything that the provider's list has of a job: its prompt, model, size and length.

        Raises:
            UnsupportedOperation: the provider does not list its jobs.
            VideoModelError: it did not answer.
        """
        request = request.model_copy(update={"model": request.model or self.entry.provider_model})
        since = submitted_after - CLOCKS_APART
        listed = self.list_jobs(limit=MAX_LIST_LIMIT)
        later = [job for job in listed if job.created_at is None or job.created_at >= since]
        alike = [job for job in later if job.prompt in (None, request.prompt)]
        named = [job for job in alike if job.prompt is not None and job.created_at is not None]
        return SubmittedJobs(
            matching=[job for job in named if job.has_shape_of(request)],
            similar=[job for job in named if not job.has_shape_of(request)],
            indistinct=[job for job in alike if job not in named],
            # A full page that does not go back far enough may hide earlier jobs.
            is_whole=len(listed) < MAX_LIST_LIMIT or len(later) < len(listed),
        )

    def parse_webhook(
        self, headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str] = (), now: datetime
    ) -> str:
        """Verify a webhook from the vendor, and find its job. It is only a hint to get the status.

        Args:
            headers: of the call.
            body: as received, byte for byte.
            secrets: any of them may have signed it, if the vendor signs with a secret.
            now: the time against which the signature's age is checked.

        Returns:
            What `webhook_key` returns for the job.

        Raises:
            WebhookRejected: it is unsigned, stale, or not the vendor's.
        """
        self._unsupported("parse_webhook")

    def webhook_key(self, job_id: str) -> str:
        """Return the part of a `job_id` that identifies the job in the vendor's webhooks."""
        return job_id

    def _unsupported(self, operation: str) -> NoReturn:
        raise UnsupportedOperation(f"{self.provider}/{self.model_variant}", operation)
