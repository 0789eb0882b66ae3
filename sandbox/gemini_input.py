"""What an interaction with a Gemini Omni video model may ask for, and how Google refuses it.

Written on 2026-11-23, and last gone over on 2026-11-30, from ai.google.dev/gemini-api/docs (omni, interactions,
api-errors), the model pages of Gemini Omni Flash 1.1 and 1.2, and google-genai 3.4.0 (`_gaos/types/interactions`).
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
from typing import Annotated, Literal

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, ValidationError, field_validator

from sandbox.engine import Clip, Refusal

# Seconds a clip may last.
_SECONDS = {"gemini-omni-1.2-flash": (3, 15), "gemini-omni-1.1-flash": (3, 10)}
# Seconds one extension adds, and those a clip may have become by it. Source: /docs/omni, "Video extension".
_EXTENSION_SECONDS = (3, 10)
_EXTENDED_SECONDS_MAX = {"gemini-omni-1.2-flash": 30, "gemini-omni-1.1-flash": 40}
# Google's defaults (google-genai 3.6.1, VideoResponseFormat; ten seconds were measured). What an
# earlier interaction asked for applies to that one only.
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


def refuse(code: int, message: str, status: str = "INVALID_ARGUMENT") -> Refusal:
    """Refuse in Google's envelope, with a name of google.rpc.Code.

    /docs/api-errors writes `code` as a word (`invalid_request`) instead; let a fault answer so.
    """
    return Refusal(code, {"error": {"code": code, "message": message, "status": status}})


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Text(_Closed):
    type: Literal["text"] = "text"
    text: str = Field(min_length=1)


class _Picture(_Closed):
    type: Literal["image"] = "image"
    mime_type: Literal[
        "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "image/gif", "image/bmp", "image/tiff"
    ]
    data: str

    @field_validator("data")
    @classmethod
    def _check_base64(cls, data: str) -> str:
        try:
            base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ValueError("Base64 decoding failed") from error
        return data


class _UserInput(_Closed):
    type: Literal["user_input"] = "user_input"
    content: tuple[Annotated[_Text | _Picture, Field(discriminator="type")], ...] = Field(min_length=1)


class _VideoFormat(_Closed):
    """What the clip shall be; None is what was not said. `gcs_uri` belongs to Vertex and is an unknown field here."""

    type: Literal["video"] = "video"
    aspect_ratio: Literal["16:9", "9:16"] | None = None
    resolution: Literal["360p", "720p", "1080p", "4k"] = "720p"
    duration: str | None = None
    delivery: Literal["inline", "uri"] = "inline"


class _VideoConfig(_Closed):
    task: Literal["text_to_video", "image_to_video", "reference_to_video", "edit", "extend", "upscale"] | None = None


class _GenerationConfig(_Closed):
    """How the model works. Omni takes no temperature, seed, or stop sequence.

    Source of the two fields about thinking: google-gemini/cookbook, quickstarts/Get_started_Omni.ipynb.
    """

    video_config: _VideoConfig = _VideoConfig()
    thinking_level: Literal["low", "high"] | None = None
    thinking_summaries: Literal["auto", "none"] | None = None


class _WebhookConfig(_Closed):
    """The webhook of the interaction's end; the stand-in sends none."""

    uris: tuple[str, ...] = ()
    user_metadata: dict[str, JsonValue] = {}


class CreateInteraction(_Closed):
    """The fields of `POST /interactions` that a video model has."""

    model: str
    input: tuple[_UserInput, ...] = Field(min_length=1)
    response_format: _VideoFormat = _VideoFormat()
    generation_config: _GenerationConfig = _GenerationConfig()
    background: StrictBool = False
    store: StrictBool = True
    previous_interaction_id: str | None = None
    webhook_config: _WebhookConfig | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _gather_steps(cls, value: object) -> object:
        """Bring the short ways to write an input, a string or the parts alone, into the long one."""
        if isinstance(value, str):
            value = [{"type": "text", "text": value}]
        if isinstance(value, list) and any(
            isinstance(part, dict) and part.get("type") != "user_input" for part in value
        ):
            return [{"type": "user_input", "content": value}]
        return value

    @property
    def prompt(self) -> str:
        """Give the text of all parts, a part a line."""
        return "\n".join(part.text for step in self.input for part in step.content if isinstance(part, _Text))

    @property
    def images(self) -> tuple[_Picture, ...]:
        """Give the pictures in their order."""
        return tuple(part for step in self.input for part in step.content if isinstance(part, _Picture))

    @property
    def is_extension(self) -> bool:
        """Tell whether it goes on with the video of the interaction before it."""
        return self.previous_interaction_id is not None and _EXTENDS.search(self.prompt) is not None

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
        was_upright = extended is not None and extended.height > extended.width
        shape = self.response_format.aspect_ratio or ("9:16" if was_upright else "16:9")
        short_side = _SHORT_SIDES[self.response_format.resolution]
        long_side = short_side * 16 // 9
        seconds = self.seconds + (extended.seconds if extended else 0)
        if seconds > _EXTENDED_SECONDS_MAX[self.model]:
            longest = _EXTENDED_SECONDS_MAX[self.model]
            raise refuse(400, f"The extended video would be longer than {longest} seconds.")
        return Clip(short_side, long_side, seconds) if shape == "9:16" else Clip(long_side, short_side, seconds)


def read_create(body: bytes) -> CreateInteraction:
    """Read the body of a create, and refuse what no Omni model takes."""
    try:
        order = CreateInteraction.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        messages = {
            "json_invalid": "Invalid JSON payload received.",
            "extra_forbidden": f'Invalid JSON payload received. Unknown name "{place}": Cannot find field.',
        }
        raise refuse(400, messages.get(first["type"], f"Invalid value at '{place}': {first['msg']}.")) from error
    if order.model not in _SECONDS:
        message = f"models/{order.model} is not found, or is not supported for interactions."
        raise refuse(404, message, "NOT_FOUND")
    _check_length(order)
    _check_task(order)
    if order.background and not order.store:
        raise refuse(400, "background=true requires store=true.")
    _check_images(order)
    return order


def _check_length(order: CreateInteraction) -> None:
    duration = order.response_format.duration
    if duration is None:
        return
    if not _DURATION.fullmatch(duration):
        raise refuse(400, f"Invalid value at 'response_format.duration': \"{duration}\".")
    shortest, longest = _EXTENSION_SECONDS if order.is_extension else _SECONDS[order.model]
    if not shortest <= float(duration.removesuffix("s")) <= longest:
        between = f"between {shortest}s and {longest}s for {order.model}, not {duration}"
        raise refuse(400, f"'response_format.duration' must be {between}.")


def _check_task(order: CreateInteraction) -> None:
    """Refuse a task in the words that Google was seen to use (August and September 2026, by several of its users).

    There is no video among the inputs here, so the tasks that need one have nothing to work on.
    """
    task = order.generation_config.video_config.task
    if task is not None and order.previous_interaction_id is not None:
        raise refuse(400, "previous_interaction_id is not allowed when video task is set.")
    if task in _TASKS_OF_A_VIDEO:
        raise refuse(400, f"Exactly one input video is required for {task} task.")


def _check_images(order: CreateInteraction) -> None:
    """Refuse pictures that are none, and tags that bind no picture.

    Simple tags take the pictures in their order, `@Image2` names one: /docs/omni, "Using tags in prompts to set image
    and video roles". What Google answers to a wrong use is not documented; a stand-in that let it pass would hide it.
    """
    for image in order.images:
        if image.mime_type in _UNREADABLE_IMAGES:
            continue
        try:
            Image.open(io.BytesIO(base64.b64decode(image.data))).close()
        except UnidentifiedImageError as error:
            raise refuse(400, "Unable to process input image.") from error
    tags = _FRAME_TAG.findall(order.prompt)
    roles = {role for role, _ in tags}
    if roles == {"LAST"}:
        raise refuse(400, "<LAST_FRAME> must be used with <FIRST_FRAME>.")
    needed = max([int(number) for _, number in tags if number], default=len(roles))
    if needed > len(order.images):
        raise refuse(400, f"The prompt binds {needed} image(s) to frames, and the input has {len(order.images)}.")
