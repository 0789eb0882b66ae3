"""The bodies of requests for videos."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mediaposter.ai.catalog import PROMPT_MAX_CHARACTERS
from mediaposter.config import FALLBACK_MODELS_MAX
from mediaposter.domain.errors import InvalidRequest, NotFound
from mediaposter.domain.text import refuse_unwritable_within
from mediaposter.publishing.targets import TARGETS_MAX, TEXT_MAX_CHARACTERS, AnyTarget, Delivery, Text
from mediaposter.wire.bodies import parse_body, refuse_files, validate_fields
from mediaposter.wire.body_fields import (
    check_options,
    parse_json_text,
    parse_number,
    parse_object,
    parse_reference,
    parse_targets,
    parse_video,
    refuse_blank,
    refuse_flag,
    refuse_repeated_accounts,
)
from mediaposter.wire.pictures import InputReference
from mediaposter.wire.urls import ReceiverUrl

PROVIDER_OPTIONS_MAX = 32
TITLE_MAX_CHARACTERS = 100
STAGGER_MAX_MINUTES = 24 * 60
APPROVAL_MAX_HOURS = 7 * 24
METADATA_PAIRS_MAX = 16  # as in OpenAI's other resources
SECONDS_MAX = 24 * 60 * 60  # the catalog has each model's limits; no clip is longer than a day
EXTENSION_MAX_SECONDS = 60  # OpenAI's maximum is 20; the catalog has each model's limits
# The SDK's types require a file, so a placeholder may come with the video's id. No MP4 is as short.
VIDEO_STAND_IN_MAX_BYTES = 1_024

_VIDEO_ID = r"^[A-Za-z0-9_-]{1,128}$"

# The most that a video may cost, with all of its tries.
MaxCost = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False), BeforeValidator(refuse_flag)]
MetadataText = Annotated[str, StringConstraints(max_length=512)]
VideoId = Annotated[str, StringConstraints(pattern=_VIDEO_ID)]


class RequestBody(BaseModel):
    """A request body, by HTTP, file or event: text must be encodable, and null means not sent."""

    # Errors do not repeat the value: it may be a prompt.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True, validate_by_alias=True
    )

    # Fields whose texts are checked later, one by one.
    unchecked_fields: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _read(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        refuse_unwritable_within({name: field for name, field in fields.items() if name not in cls.unchecked_fields})
        known = {str(field.validation_alias or name) for name, field in cls.model_fields.items()}
        return {name: field for name, field in fields.items() if field is not None or name not in known}


class PostsRequest(RequestBody):
    """The fields of every request that may make posts: targets, texts and times.

    `text` is the caption of targets without their own. Posts without their own time go out `stagger_minutes` apart.
    """

    publish: Annotated[
        list[AnyTarget],
        Field(max_length=TARGETS_MAX),
        AfterValidator(refuse_repeated_accounts),
        BeforeValidator(parse_targets),
    ] = []
    text: Annotated[Text, Field(max_length=TEXT_MAX_CHARACTERS)] | None = None
    title: Annotated[str, Field(max_length=TITLE_MAX_CHARACTERS), AfterValidator(refuse_blank)] | None = None
    stagger_minutes: Annotated[int, Field(ge=0, le=STAGGER_MAX_MINUTES), BeforeValidator(parse_number)] = 0
    delivery: Delivery = "direct"

    # The last two belong to a request that also makes the video.
    @field_validator("stagger_minutes", "delivery", "approval", "approval_hours", mode="after", check_fields=False)
    @classmethod
    def _require_targets(cls, value: int | str, info: ValidationInfo) -> int | str:
        if value != cls.model_fields[str(info.field_name)].default:
            _require_publish(info)
        return value


def _require_publish(info: ValidationInfo) -> None:
    # An invalid publish is missing here, and was reported already.
    if info.data.get("publish") == []:
        raise ValueError("needs publish: without targets there are no posts that it could be about")


class PublishRequest(PostsRequest):
    """The posts of a request that makes a video.

    `approval_hours` is how long they wait for a person. With `captions`, a model writes the caption of each target
    without a text of its own, when the request is taken. If it cannot, the caption is the `text`, or else the prompt.
    """

    # Whether "none" counts only if an approver says it, whatever the stack's default is.
    is_approval_default: ClassVar[bool] = False

    captions: Literal["write"] | None = None
    approval: Literal["none", "required"] = "none"
    approval_hours: Annotated[int, Field(ge=1, le=APPROVAL_MAX_HOURS), BeforeValidator(parse_number)] = 24

    @field_validator("captions", mode="after")
    @classmethod
    def _require_captioned(cls, captions: str | None, info: ValidationInfo) -> str | None:
        if captions is not None:
            _require_publish(info)
        return captions

    @field_validator("approval_hours", mode="after")
    @classmethod
    def _require_approval(cls, hours: int, info: ValidationInfo) -> int:
        if hours != cls.model_fields["approval_hours"].default and info.data.get("approval") == "none":
            raise ValueError('needs approval to be "required"')
        return hours


class _VideoRequest(PublishRequest):
    """The fields of every request for a video."""

    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_MAX_CHARACTERS), AfterValidator(refuse_blank)]
    metadata: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], MetadataText],
        Field(max_length=METADATA_PAIRS_MAX),
        BeforeValidator(parse_object),
    ] = {}
    webhook_url: ReceiverUrl | None = None
    max_cost_usd: MaxCost | None = None

    def fingerprint(self) -> str:
        """Return a hash that is equal for equal requests, however they were sent.

        A field with its default counts as not sent, so that a new field changes no fingerprint. A picture counts by its
        hash. `max_cost_usd` does not count: it says whether the video is made, not which.
        """
        content = self.model_dump(mode="json", exclude_defaults=True, exclude={"max_cost_usd"})
        canonical = json.dumps([type(self).__name__, content], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


class CreateVideoRequest(_VideoRequest):
    """POST /videos: OpenAI's fields, and ours."""

    model: Annotated[str, Field(min_length=1, max_length=128)] = "sora-2"
    seconds: Annotated[int, Field(le=SECONDS_MAX), BeforeValidator(parse_number)] = 4
    # The catalog refuses a size that the model does not make, and its error lists the valid sizes.
    size: Annotated[str, Field(max_length=32)] = "720x1280"
    input_reference: Annotated[InputReference | None, BeforeValidator(parse_reference)] = None
    # If omitted, the stack's fallback models apply; an empty list means none.
    fallback_models: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=128)]] | None,
        Field(max_length=FALLBACK_MODELS_MAX),
        BeforeValidator(parse_json_text),
    ] = None
    resubmit: bool = False
    provider_options: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=64)], JsonValue],
        Field(max_length=PROVIDER_OPTIONS_MAX),
        AfterValidator(check_options),
        BeforeValidator(parse_object),
    ] = {}


class DeriveVideoRequest(_VideoRequest):
    """A request to make a video from a stored one."""

    video_id: Annotated[VideoId, BeforeValidator(parse_video)] = Field(validation_alias="video")


class RemixVideoRequest(DeriveVideoRequest):
    """POST /videos/{id}/remix: the same once more, by another prompt."""


class EditVideoRequest(DeriveVideoRequest):
    """POST /videos/edits: the same, but for what the prompt changes."""


class ExtendVideoRequest(DeriveVideoRequest):
    """POST /videos/extensions: what comes after it; `seconds` are those to be added."""

    seconds: Annotated[int, Field(ge=1, le=EXTENSION_MAX_SECONDS), BeforeValidator(parse_number)]


def parse_create_video(body: bytes, content_type: str) -> CreateVideoRequest:
    """Read the body of POST /videos.

    Raises:
        InvalidRequest: names the field, the rule and what was sent.
    """
    fields, files = parse_body(body, content_type)
    picture = files.pop("input_reference", None)
    refuse_files(files)
    if picture is not None:
        if "input_reference" in fields:
            raise InvalidRequest(
                "input_reference: the request has it as a file and as a field; send one of them.",
                param="input_reference",
                code="mixed_field",
            )
        fields["input_reference"] = picture
    return validate_fields(CreateVideoRequest, fields)


def parse_remix_video(body: bytes, content_type: str, *, video_id: str) -> RemixVideoRequest:
    """Read the body of POST /videos/{video_id}/remix.

    Raises:
        InvalidRequest: names the field, the rule and what was sent.
        NotFound: no video can have this id.
    """
    fields, files = parse_body(body, content_type)
    refuse_files(files)
    if "video" in fields:
        raise InvalidRequest("video: a remix names its video in the path.", param="video", code="unknown_parameter")
    return validate_fields(RemixVideoRequest, {**fields, "video": check_video_id(video_id)})


def parse_edit_video(body: bytes, content_type: str) -> EditVideoRequest:
    """Read the body of POST /videos/edits.

    Raises:
        InvalidRequest: names the field, the rule and what was sent.
    """
    return validate_fields(EditVideoRequest, _parse_derivation(body, content_type, verb="Editing"))


def parse_extend_video(body: bytes, content_type: str) -> ExtendVideoRequest:
    """Read the body of POST /videos/extensions.

    Raises:
        InvalidRequest: names the field, the rule and what was sent.
    """
    return validate_fields(ExtendVideoRequest, _parse_derivation(body, content_type, verb="Extending"))


def _parse_derivation(body: bytes, content_type: str, *, verb: str) -> dict[str, Any]:
    fields, files = parse_body(body, content_type)
    file = files.pop("video", None)
    refuse_files(files)
    is_stand_in = "video" in fields and file is not None and len(file) <= VIDEO_STAND_IN_MAX_BYTES
    if file is not None and not is_stand_in:
        raise InvalidRequest(
            f"{verb} needs a video of this library: send its id as video[id], and no file.",
            param="video",
            code="unsupported_file",
        )
    return fields


def check_video_id(video_id: str) -> str:
    """Return the video id of a path.

    Raises:
        NotFound: no video can have this id.
    """
    if not re.fullmatch(_VIDEO_ID, video_id):
        raise NotFound("There is no video with this id.")
    return video_id
