"""What a step of the state machine is told and what it answers.

Outcomes are data: everything a provider can answer comes back as an outcome that the machine routes.
Only bugs and infrastructure raise.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class StepInput(BaseModel):
    """Which video, and how often the machine has come here for it (from 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: str = Field(min_length=1)
    attempt: int = Field(default=1, ge=1)


class CheckInput(StepInput):
    """How long the machine has waited before it came."""

    waited_seconds: int = Field(default=0, ge=0)


class PostStepInput(StepInput):
    """Which post of which video."""

    post_id: str = Field(min_length=1)


class AskInput(StepInput):
    """What the machine waits on while a person decides; who has it can carry the execution on."""

    task_token: str = Field(min_length=1, repr=False)


def _read_execution_name(name: object) -> object:
    """Find the video of an execution: one that posts it again has a number behind its id."""
    return re.sub(r"-posts-\d+$", "", name) if isinstance(name, str) else name


class CloseInput(BaseModel):
    """Which video to close, and what broke if the machine could not go on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    video_id: Annotated[str, BeforeValidator(_read_execution_name), Field(min_length=1)]
    fault: str | None = None


class Outcome(StrEnum):
    """What the machine does next."""

    WAIT = "wait"  # come back to this step after wait_seconds
    STARTED = "started"  # the generation runs
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

    video_id: str
    post_id: str


class StepResult(BaseModel):
    """The answer of a step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    wait_seconds: int = Field(default=0, ge=0)
    posts: tuple[PostReference, ...] = ()


def wait(seconds: float) -> StepResult:
    """Answer that the machine shall come back; a second at the least, an hour at the most."""
    return StepResult(outcome=Outcome.WAIT, wait_seconds=min(max(math.ceil(seconds), 1), 3600))
