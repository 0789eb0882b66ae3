"""What goes over the wire of Google's Interactions API for Gemini Omni video models, and what its server refuses.

Written from Google's guide to Gemini Omni, ai.google.dev/gemini-api/docs/interactions, ai.google.dev/api/files, and the
types that google-genai 3.4.0 carries (`_gaos/types/interactions`).
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, ValidationError, field_validator
from pydantic.alias_generators import to_camel

# Seconds a clip may last. Source: the model pages of Gemini Omni Flash 1.1 and 1.2.
_SECONDS = {"gemini-omni-1.2-flash": (3, 15), "gemini-omni-1.1-flash": (3, 10)}
# Seconds one extension adds, and those a clip may have become by it. Source: /docs/omni, "Video extension".
_EXTENSION_SECONDS = (3, 10)
_EXTENDED_SECONDS_MAX = {"gemini-omni-1.2-flash": 30, "gemini-omni-1.1-flash": 40}
# What Google is told and what it makes when it is not (google-genai 3.6.1, VideoResponseFormat; ten seconds were
# measured). What an earlier interaction was told holds for that one alone.
_DEFAULT_SECONDS = 10
# The words by which the guide has a video extended, "Prompts for extending a video".
_EXTENDS = re.compile(r"\b(extend|continue|continues)\b", re.IGNORECASE)
_TASKS_OF_A_VIDEO = ("edit", "extend", "upscale")
_SHORT_SIDES = {"360p": 360, "720p": 720, "1080p": 1080, "4k": 2160}
_DURATION = re.compile(r"\d+(\.\d+)?s")
# A frame of the video in the prompt, and the picture it is, where the prompt names one.
_FRAME_TAG = re.compile(r"<(FIRST|LAST)_FRAME>(?:@Image(\d+))?")
# Pillow does not read these two, so their bytes are taken on trust.
_UNREADABLE_IMAGES = ("image/heic", "image/heif")

Status = Literal["INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND"]


class ApiError(Exception):
    """A refusal in Google's envelope: an HTTP status, a name of google.rpc.Code, and a message.

    ai.google.dev/gemini-api/docs/api-errors writes `code` as a word (`invalid_request`) instead; let a fault answer so.
    """

    def __init__(self, code: int, status: Status, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TextContent(_Closed):
    """A part of the prompt."""

    type: Literal["text"] = "text"
    text: str = Field(min_length=1)


class ImageContent(_Closed):
    """A picture, as base64. There is no upload to the Files API here, so `uri` is an unknown field."""

    type: Literal["image"] = "image"
    mime_type: Literal[
        "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "image/gif", "image/bmp", "image/tiff"
    ]
    data: str

    @field_validator("data")
    @classmethod
    def check_base64(cls, data: str) -> str:
        """Refuse what is not base64."""
        try:
            base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ValueError("Base64 decoding failed") from error
        return data


class UserInput(_Closed):
    """A step that the caller gives."""

    type: Literal["user_input"] = "user_input"
    content: tuple[Annotated[TextContent | ImageContent, Field(discriminator="type")], ...] = Field(min_length=1)


class VideoFormat(_Closed):
    """What the clip shall be; None is what was not said. `gcs_uri` belongs to Vertex and is an unknown field here."""

    type: Literal["video"]
    aspect_ratio: Literal["16:9", "9:16"] | None = None
    resolution: Literal["360p", "720p", "1080p", "4k"] = "720p"
    duration: str | None = None
    delivery: Literal["inline", "uri"] = "inline"


class VideoConfig(_Closed):
    """What the model is to do; it finds out by itself when this is not said."""

    task: Literal["text_to_video", "image_to_video", "reference_to_video", "edit", "extend", "upscale"] | None = None


class GenerationConfig(_Closed):
    """How the model works. Omni takes no temperature, seed, or stop sequence.

    Source of the two fields about thinking: google-gemini/cookbook, quickstarts/Get_started_Omni.ipynb.
    """

    video_config: VideoConfig | None = None
    thinking_level: Literal["low", "high"] | None = None
    thinking_summaries: Literal["auto", "none"] | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """What is made: its size, its length, and how much of that is new and charged."""

    width: int
    height: int
    seconds: int
    added_seconds: int

    @property
    def aspect_ratio(self) -> Literal["16:9", "9:16"]:
        """Give its shape in Google's words."""
        return "9:16" if self.height > self.width else "16:9"


class WebhookConfig(_Closed):
    """Who is told when the interaction ends; the stand-in calls nobody."""

    uris: tuple[str, ...] = ()
    user_metadata: dict[str, JsonValue] = {}


class CreateInteraction(_Closed):
    """The fields of `POST /interactions` that a video model has; not `stream`."""

    model: str
    input: tuple[UserInput, ...] = Field(min_length=1)
    response_format: VideoFormat = VideoFormat(type="video")
    generation_config: GenerationConfig | None = None
    background: StrictBool = False
    store: StrictBool = True
    previous_interaction_id: str | None = None
    webhook_config: WebhookConfig | None = None

    @field_validator("input", mode="before")
    @classmethod
    def gather_steps(cls, value: object) -> object:
        """Bring the short ways to write an input, a string or the parts alone, into the long one."""
        if isinstance(value, str):
            return [{"type": "user_input", "content": [{"type": "text", "text": value}]}]
        if isinstance(value, list) and any(
            isinstance(item, dict) and item.get("type") != "user_input" for item in value
        ):
            return [{"type": "user_input", "content": value}]
        return value

    @property
    def prompt(self) -> str:
        """Give the text of all parts, a part a line."""
        return "\n".join(part.text for step in self.input for part in step.content if isinstance(part, TextContent))

    @property
    def images(self) -> tuple[ImageContent, ...]:
        """Give the pictures in their order."""
        return tuple(part for step in self.input for part in step.content if isinstance(part, ImageContent))

    @property
    def is_extension(self) -> bool:
        """Tell whether it goes on with the video of the interaction before it."""
        return self.previous_interaction_id is not None and _EXTENDS.search(self.prompt) is not None

    @property
    def task(self) -> str | None:
        """Give what the caller says that the model is to do."""
        config = self.generation_config.video_config if self.generation_config else None
        return config.task if config else None

    @property
    def seconds(self) -> int:
        """Give the length that is rendered: a fraction of a second is rounded up."""
        duration = self.response_format.duration
        return _DEFAULT_SECONDS if duration is None else math.ceil(float(duration.removesuffix("s")))

    def plan_clip(self, previous: Clip | None) -> Clip:
        """Say what is made, given what the interaction before this one made.

        An extension is what was there and what was added, and so has its shape; anything else is made anew, from what
        this interaction says.
        """
        extended = previous if self.is_extension else None
        aspect_ratio = self.response_format.aspect_ratio or (extended.aspect_ratio if extended else "16:9")
        short_side = _SHORT_SIDES[self.response_format.resolution]
        long_side = short_side * 16 // 9
        is_upright = aspect_ratio == "9:16"
        return Clip(
            width=short_side if is_upright else long_side,
            height=long_side if is_upright else short_side,
            seconds=self.seconds + (extended.seconds if extended else 0),
            added_seconds=self.seconds,
        )

    def check_extension(self, previous: Clip) -> None:
        """Refuse to make a clip longer than the model makes one."""
        longest = _EXTENDED_SECONDS_MAX[self.model]
        if self.is_extension and previous.seconds + self.seconds > longest:
            raise ApiError(400, "INVALID_ARGUMENT", f"The extended video would be longer than {longest} seconds.")


class VideoContent(_Closed):
    """The clip: `data` is base64, `uri` is where the Files API hands it out."""

    type: Literal["video"] = "video"
    mime_type: Literal["video/mp4"] = "video/mp4"
    data: str | None = None
    uri: str | None = None


class Thought(_Closed):
    """A step in which the model thinks."""

    type: Literal["thought"] = "thought"
    signature: str


class ModelOutput(_Closed):
    """The step that has the clip."""

    type: Literal["model_output"] = "model_output"
    content: tuple[VideoContent, ...]


class InteractionError(_Closed):
    """Why an interaction failed."""

    code: str
    message: str


class Usage(_Closed):
    """What is charged."""

    total_output_tokens: int


class Interaction(_Closed):
    """Google's Interaction resource. Times are ISO 8601 in UTC; null fields are left out on the wire.

    `status` is any string, since a fault may show any word.
    """

    id: str
    object: Literal["interaction"] = "interaction"
    status: str
    model: str
    created: str
    updated: str
    previous_interaction_id: str | None = None
    steps: tuple[UserInput | Thought | ModelOutput, ...] = ()
    errors: tuple[InteractionError, ...] | None = None
    usage: Usage | None = None


class File(_Closed):
    """Google's File resource. `sizeBytes` is a string (an int64 in JSON)."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    name: str
    mime_type: str
    size_bytes: str
    create_time: str
    expiration_time: str
    uri: str
    download_uri: str
    state: Literal["PROCESSING", "ACTIVE", "FAILED"]
    source: Literal["GENERATED"] = "GENERATED"


def read_create(body: bytes) -> CreateInteraction:
    """Read the body of `POST /interactions`, and refuse what no Omni model takes."""
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise ApiError(400, "INVALID_ARGUMENT", "Invalid JSON payload received.") from error
    try:
        order = CreateInteraction.model_validate(fields)
    except ValidationError as error:
        raise _refuse(error) from error
    _check_model_and_length(order)
    _check_task(order)
    if order.background and not order.store:
        raise ApiError(400, "INVALID_ARGUMENT", "background=true requires store=true.")
    for image in order.images:
        _check_image(image)
    _check_frames(order)
    return order


def _check_model_and_length(order: CreateInteraction) -> None:
    if order.model not in _SECONDS:
        raise ApiError(404, "NOT_FOUND", f"models/{order.model} is not found, or is not supported for interactions.")
    duration = order.response_format.duration
    if duration is None:
        return
    if not _DURATION.fullmatch(duration):
        raise ApiError(400, "INVALID_ARGUMENT", f"Invalid value at 'response_format.duration': \"{duration}\".")
    shortest, longest = _EXTENSION_SECONDS if order.is_extension else _SECONDS[order.model]
    if not shortest <= float(duration.removesuffix("s")) <= longest:
        raise ApiError(
            400,
            "INVALID_ARGUMENT",
            f"'response_format.duration' must be between {shortest}s and {longest}s for {order.model}, not {duration}.",
        )


def _check_task(order: CreateInteraction) -> None:
    """Refuse a task in the words that Google was seen to use (August and September 2026, by several of its users).

    There is no video among the inputs here, so the tasks that need one have nothing to work on.
    """
    if order.task is not None and order.previous_interaction_id is not None:
        message = "previous_interaction_id is not allowed when video task is set."
        raise ApiError(400, "INVALID_ARGUMENT", message)
    if order.task in _TASKS_OF_A_VIDEO:
        raise ApiError(400, "INVALID_ARGUMENT", f"Exactly one input video is required for {order.task} task.")


def _check_image(image: ImageContent) -> None:
    if image.mime_type in _UNREADABLE_IMAGES:
        return
    try:
        Image.open(io.BytesIO(base64.b64decode(image.data))).close()
    except UnidentifiedImageError as error:
        raise ApiError(400, "INVALID_ARGUMENT", "Unable to process input image.") from error


def _check_frames(order: CreateInteraction) -> None:
    """Refuse tags that bind no picture: simple ones take the pictures in their order, `@Image2` names one.

    Source: ai.google.dev/gemini-api/docs/omni, "Using tags in prompts to set image and video roles". What Google
    answers to a wrong use is not documented; a stand-in that let it pass would hide it.
    """
    tags = _FRAME_TAG.findall(order.prompt)
    roles = {role for role, _ in tags}
    if roles == {"LAST"}:
        raise ApiError(400, "INVALID_ARGUMENT", "<LAST_FRAME> must be used with <FIRST_FRAME>.")
    needed = max([int(number) for _, number in tags if number], default=len(roles))
    if needed > len(order.images):
        message = f"The prompt binds {needed} image(s) to frames, and the input has {len(order.images)}."
        raise ApiError(400, "INVALID_ARGUMENT", message)


def _refuse(error: ValidationError) -> ApiError:
    """Name the first wrong field in the words of Google's JSON reader."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        message = f'Invalid JSON payload received. Unknown name "{place}": Cannot find field.'
    else:
        message = f"Invalid value at '{place}': {first['msg']}."
    return ApiError(400, "INVALID_ARGUMENT", message)
