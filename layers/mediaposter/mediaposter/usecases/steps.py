"""What a step of the state machine is told and what it answers.

Outcomes are data: everything a provider can answer comes back as an outcome that the machine routes.
Only bugs and infrastructure raise.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mediaposter.publishing.targets import TARGETS_MAX
from mediaposter.stores.videos import VIDEO_ID_MAX_CHARACTERS

# A network's name, a sign and an account's id of up to 64 characters.
POST_ID_MAX_CHARACTERS = 128
# DynamoDB takes no longer partition key (its developer guide, "Quotas").
_PARTITION_MAX_CHARACTERS = 2_048
# Between the id of a video and the number of the execution that carries it after another, in the name of the execution.
LAUNCH = "-launch-"
# The same in the names of executions that posted a video again, before these were numbered with the others.
_POSTING_RUN = "-posts-"
# A fault is a name, or a few of them; what else a service adds goes to its own logs.
_FAULT_MAX_CHARACTERS = 300
Fault = Annotated[str, AfterValidator(lambda fault: fault[:_FAULT_MAX_CHARACTERS])]


class StepInput(BaseModel):
    """Which video, and how often the machine has come here for it (from 1).

    `launch` is which of the executions that carry the video it is, where another may have taken over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(min_length=1)
    attempt: int = Field(default=1, ge=1)
    launch: int = Field(default=0, ge=0)


class CheckInput(StepInput):
    """How long the machine has waited before it came."""

    waited_seconds: int = Field(default=0, ge=0)


class PostStepInput(StepInput):
    """Which post of which video."""

    post_id: str = Field(min_length=1)


class RenderToCancel(BaseModel):
    """A provider's job that no video waits for any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(min_length=1)
    provider: str = Field(min_length=1)
    model: str = Field(min_length=1)
    job_id: str = Field(min_length=1)


class AwaitApprovalInput(StepInput):
    """What the machine waits on while a person decides; who has it can carry the execution on."""

    task_token: str = Field(min_length=1, repr=False)


class PostFault(BaseModel):
    """What broke at one post; "" is nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    fault: Fault = ""


class CloseInput(BaseModel):
    """Which video to close, and what broke if the machine could not go on.

    `launch` is the number of the execution that ends; the service itself names the execution instead. None is whichever
    is the last. `posts` are what broke at each of the posts that it carried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(min_length=1)
    launch: int | None = Field(default=None, ge=0)
    fault: Fault | None = None
    posts: tuple[PostFault, ...] = ()

    @property
    def reason(self) -> str | None:
        """Give what broke, in the execution or at one of its posts."""
        return self.fault or next((post.fault for post in self.posts if post.fault), None)

    @model_validator(mode="before")
    @classmethod
    def _read_execution(cls, fields: object) -> object:
        """Find the video and the number of an execution by its name."""
        if not isinstance(fields, dict):
            return fields
        # `run` is what executions still say that began before posting again was numbered with the rest.
        others = {name: value for name, value in fields.items() if name not in ("execution", "run")}
        if not isinstance(fields.get("execution"), str):
            return others
        name, _, run = fields["execution"].partition(_POSTING_RUN)
        video_id, _, launch = name.partition(LAUNCH)
        return {**others, "video_id": video_id, "launch": None if run else launch or 0}


class Outcome(StrEnum):
    """What the machine does next."""

    WAIT = "wait"  # come back to this step after wait_seconds
    STARTED = "started"  # the generation runs
    HINTED = "hinted"  # its provider says that it has moved
    QUEUED_FOR_CAPACITY = "parked"  # this execution ends: another carries it on, when its turn or its time has come
    NEXT_MODEL = "next_model"  # the provider refused, and another is to start
    COMPLETED = "completed"  # the provider is done
    STORED = "stored"  # the MP4 is kept
    AWAITING_APPROVAL = "awaiting_approval"  # it is kept, and a person is to say whether it may be posted
    APPROVED = "approved"  # a person said so
    REJECTED = "rejected"  # a person said no, or nothing in time
    SUBMITTED = "submitted"  # the publisher has the post
    SETTLED = "settled"  # nothing more will become of the post by itself
    FAILED = "failed"  # the video has failed, and the record says why
    CLOSED = "closed"  # the record is closed


class PostReference(BaseModel):
    """One post to make."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(max_length=VIDEO_ID_MAX_CHARACTERS)
    post_id: str = Field(max_length=POST_ID_MAX_CHARACTERS)


class Listen(BaseModel):
    """Where to wait for a provider's word about a job, and for how long at the most.

    Attributes:
        pk: the partition of the item.
        seconds: how long; instead of `wait_seconds` of the answer.
        ttl: until when the item is kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pk: str = Field(max_length=_PARTITION_MAX_CHARACTERS)
    seconds: int = Field(ge=1)
    ttl: int


class StepResult(BaseModel):
    """The answer of a step. What it says to `listen` for may end the wait.

    Every field has a greatest length: too much data ends an execution (Step Functions, "Service quotas").
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    wait_seconds: int = Field(default=0, ge=0)
    listen: Listen | None = None
    posts: tuple[PostReference, ...] = Field(default=(), max_length=TARGETS_MAX)


def wait(seconds: float) -> StepResult:
    """Answer that the machine shall come back; a second at the least, an hour at the most."""
    return StepResult(outcome=Outcome.WAIT, wait_seconds=min(max(math.ceil(seconds), 1), 3600))
