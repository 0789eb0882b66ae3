"""What video models are asked for, and what they report: requests, jobs, and the ids of jobs."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Self
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.domain.text import refuse_unwritable_within

# No vendor's job id is as long; a longer one does not fit our keys, and counts as missing.
MAX_JOB_ID_LENGTH = 1024


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

    def require_finished(self) -> Self:
        """Refuse to open the video of a job that has none (yet).

        Raises:
            VideoModelError: the job's own failure; or a transient one while it runs.
        """
        if self.status is VideoStatus.FAILED:
            raise VideoModelError(self.error_code or ErrorCode.PROVIDER_ERROR, self.error_message or "The job failed.")
        if self.status is not VideoStatus.COMPLETED:
            raise VideoModelError(
                ErrorCode.PROVIDER_ERROR,
                f"Job {self.job_id} is still {self.status}; there is no video yet.",
                transient=True,
                retry_after_seconds=self.retry_after_seconds,
            )
        return self

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


def check_job_id(job_id: str) -> str:
    """Refuse text that cannot be a job id.

    Raises:
        VideoModelError: with code `invalid_request`.
    """
    # A lone surrogate is not valid text.
    if job_id in ("", ".", "..") or re.search("[\ud800-\udfff]", job_id):
        raise VideoModelError(ErrorCode.INVALID_REQUEST, f"{job_id!r} is not the id of a job.")
    return job_id


def quote_job_id(job_id: str) -> str:
    """Quote a job id as one path segment; LiteLLM's ids are base64, with "/", "+" and "=".

    Raises:
        VideoModelError: it cannot be an id.
    """
    return quote(check_job_id(job_id), safe="")
