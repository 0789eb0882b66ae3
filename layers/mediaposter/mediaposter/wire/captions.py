"""POST /captions: what to write captions about, and one text for each network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from mediaposter.ai.catalog import PROMPT_MAX_CHARACTERS
from mediaposter.wire.bodies import parse_body, validate_fields
from mediaposter.wire.body_fields import refuse_blank
from mediaposter.wire.requests import RequestBody, VideoId

HASHTAGS_MAX = 30
Platform = Literal[
    "twitter", "instagram", "facebook", "linkedin", "tiktok", "youtube", "pinterest", "threads", "bluesky"
]


def _refuse_repeated(platforms: list[Platform]) -> list[Platform]:
    if len({*platforms}) < len(platforms):
        raise ValueError("must not name a network twice")
    return platforms


class CaptionsRequest(RequestBody):
    """What the captions are about: a prompt, or a video by its id; and for which networks.

    `hashtags` is how many a caption may have. `brand` is what is to be known of the sender, with the links and names
    that may be used.
    """

    prompt: (
        Annotated[str, Field(min_length=1, max_length=PROMPT_MAX_CHARACTERS), AfterValidator(refuse_blank)] | None
    ) = None
    video_id: VideoId | None = None
    platforms: Annotated[list[Platform], Field(min_length=1, max_length=9), AfterValidator(_refuse_repeated)]
    tone: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    language: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    hashtags: Annotated[int, Field(ge=0, le=HASHTAGS_MAX)] | None = None
    brand: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] | None = None

    @model_validator(mode="after")
    def _require_one_subject(self) -> CaptionsRequest:
        if (self.prompt is None) == (self.video_id is None):
            raise ValueError("needs either prompt or video_id")
        return self


class CaptionObject(BaseModel):
    """The caption for a network, and its title where the network has one.

    `source` is `model`, or `template` where the model wrote nothing that the network takes; `warning` says why.
    """

    model_config = ConfigDict(frozen=True)

    object: Literal["caption"] = "caption"
    platform: Platform
    text: str
    title: str | None
    source: Literal["model", "template"]
    warning: str | None


class CaptionsObject(BaseModel):
    """One caption for each network that was asked for, in that order."""

    model_config = ConfigDict(frozen=True)

    object: Literal["list"] = "list"
    model: str
    data: list[CaptionObject]


def parse_captions(body: bytes, content_type: str) -> CaptionsRequest:
    """Read the body of POST /captions, which is JSON.

    Raises:
        InvalidRequest: names the field and the rule.
    """
    return validate_fields(CaptionsRequest, parse_body(body, content_type, allow_form=False).fields)
