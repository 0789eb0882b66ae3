"""What the host asks a decoding child, and what that answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from mediaposter.media.inspection import InspectionReply


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Drawing(_Closed):
    """A clip to draw, into a file that appears whole or not at all."""

    prompt: str
    width: int
    height: int
    seconds: int
    path: str


class ChildJob(_Closed):
    """One job: a video to inspect, or a clip to draw. `seconds` is the CPU time for it."""

    seconds: float = Field(gt=0)
    inspect: str | None = None
    draw: Drawing | None = None


class ChildAnswer(_Closed):
    """What came of a job.

    Attributes:
        inspected: of a job to inspect.
        fault: why nothing is known of the file, or nothing was drawn.
    """

    inspected: InspectionReply | None = None
    fault: str | None = None
