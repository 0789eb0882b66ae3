"""The inputs and results of the state machine's steps.

Outcomes are data: every answer of a provider becomes an outcome that the state machine routes. Only bugs and
infrastructure faults raise.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mediaposter.publishing.targets import TARGETS_MAX
from mediaposter.stores.video_record import VIDEO_ID_MAX_CHARACTERS

# A network's name, a separator and an account's id of up to 64 characters.
POST_ID_MAX_CHARACTERS = 128
# The longest partition key of DynamoDB (its developer guide, "Quotas").
_PARTITION_MAX_CHARACTERS = 2_048
# In the name of a later execution: separates the video's id from the execution number.
LAUNCH = "-launch-"
# The same in older names of executions that posted a video again, from before these shared the numbering.
_POSTING_RUN = "-posts-"
# A fault is one error name or a few; further details of a service go to its own logs.
_FAULT_MAX_CHARACTERS = 300
Fault = Annotated[str, AfterValidator(lambda fault: fault[:_FAULT_MAX_CHARACTERS])]


class StepInput(BaseModel):
    """Which video, and how often the state machine ran this step for it (from 1).

    `launch` is the execution number, because another execution may have taken over the video.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(min_length=1)
    attempt: int = Field(default=1, ge=1)
    launch: int = Field(default=0, ge=0)


class CheckInput(StepInput):
    """Adds how long the state machine waited before this step."""

    waited_seconds: int = Field(default=0, ge=0)


class PostStepInput(StepInput):
    """Which post of which video."""

    post_id: str = Field(min_length=1)


class RenderToCancel(BaseModel):
    """A provider's job that no video needs any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(min_length=1)
    provider: str = Field(min_length=1)
    model: str = Field(min_length=1)
    job_id: str = Field(min_length=1)


class AwaitApprovalInput(StepInput):
    """Adds the task token of the wait for a person; anyone with the token can resume the execution."""

    task_token: str = Field(min_length=1, repr=False)


class PostFault(BaseModel):
    """The fault of one post; "" means none."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    fault: Fault = ""


class CloseInput(BaseModel):
    """Which video to close, and the fault if the state machine could not continue.

    `launch` is the number of the ended execution; Step Functions itself sends the execution's name instead. None is the
    last execution. `posts` are the faults of the posts that it carried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(min_length=1)
    launch: int | None = Field(default=None, ge=0)
    fault: Fault | None = None
    posts: tuple[PostFault, ...] = ()

    @property
    def reason(self) -> str | None:
        """Give the fault of the execution or of one of its posts."""
        return self.fault or next((post.fault for post in self.posts if post.fault), None)

    @model_validator(mode="before")
    @classmethod
    def _read_execution(cls, fields: object) -> object:
        """Read the video's id and the execution number from an execution's name."""
        if not isinstance(fields, dict):
            return fields
        # Executions that began before reposts shared the numbering still send `run`.
        others = {name: value for name, value in fields.items() if name not in ("execution", "run")}
        if not isinstance(fields.get("execution"), str):
            return others
        name, _, run = fields["execution"].partition(_POSTING_RUN)
        video_id, _, launch = name.partition(LAUNCH)
        return {**others, "video_id": video_id, "launch": None if run else launch or 0}


class Outcome(StrEnum):
    """Which way the state machine continues."""

    WAIT = "wait"  # repeat this step after wait_seconds
    STARTED = "started"  # the generation runs
    HINTED = "hinted"  # a webhook says that the job's status changed
    QUEUED_FOR_CAPACITY = "parked"  # this execution ends; a later one continues the video
    NEXT_MODEL = "next_model"  # the provider refused; start the next model
    COMPLETED = "completed"  # the provider is done
    STORED = "stored"  # the MP4 is stored
    AWAITING_APPROVAL = "awaiting_approval"  # it is stored, and a person must approve posting
    APPROVED = "approved"  # a person approved
    REJECTED = "rejected"  # a person rejected, or did not decide in time
    SUBMITTED = "submitted"  # the publisher has the post
    SETTLED = "settled"  # the post will not change by itself any more
    FAILED = "failed"  # the video has failed, and the record says why
    CLOSED = "closed"  # the record is closed


class PostReference(BaseModel):
    """The id of one post to make."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(max_length=VIDEO_ID_MAX_CHARACTERS)
    post_id: str = Field(max_length=POST_ID_MAX_CHARACTERS)


class Listen(BaseModel):
    """Where, and how long at most, to wait for a provider's webhook about a job.

    Attributes:
        pk: the partition key of the item.
        seconds: the time to wait, instead of the result's `wait_seconds`.
        ttl: when the item expires.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pk: str = Field(max_length=_PARTITION_MAX_CHARACTERS)
    seconds: int = Field(ge=1)
    ttl: int


class StepResult(BaseModel):
    """The result of a step. With `listen`, a webhook can end the wait.

    Every field has a maximum length: too much data ends an execution (Step Functions, "Service quotas").
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    wait_seconds: int = Field(default=0, ge=0)
    listen: Listen | None = None
    posts: tuple[PostReference, ...] = Field(default=(), max_length=TARGETS_MAX)


def wait(seconds: float) -> StepResult:
    """Build the result that repeats the step after a wait of one second to one hour."""
    return StepResult(outcome=Outcome.WAIT, wait_seconds=min(max(math.ceil(seconds), 1), 3600))
