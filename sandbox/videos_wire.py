"""What goes over the wire of OpenAI's Videos API, and what its server refuses.

Written from OpenAI's Videos reference (developers.openai.com/api/reference/resources/videos) as openai-python 3.54.0
carries it. OpenAI switched the API off on 2026-09-24.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.requests import Request

Prompt = Annotated[str, Field(min_length=1, max_length=32_000)]
ModelT = TypeVar("ModelT", bound=BaseModel)

_MODELS = ("sora-2", "sora-2-pro", "sora-2-2025-10-06", "sora-2-pro-2025-10-06", "sora-2-2025-12-08")
_PRO_SIZES = ("1024x1792", "1792x1024")
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
_VALIDATION_CODES = {
    "missing": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
    "string_too_short": "string_below_min_length",
    "string_too_long": "string_above_max_length",
    "string_type": "invalid_type",
    "int_parsing": "invalid_type",
    "model_type": "invalid_type",
    "greater_than_equal": "integer_below_min_value",
    "less_than_equal": "integer_above_max_value",
}


class ApiError(Exception):
    """A refusal in OpenAI's envelope."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageLink(_Closed):
    """A reference image by its address, which nobody fetches.

    There is no Files API here, so `file_id` is an unknown parameter.
    """

    image_url: str


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """A reference image as it came."""

    content_type: str | None
    content: bytes


class CreateVideo(_Closed):
    """The fields of `POST /videos`; an uploaded image is looked at apart."""

    prompt: Prompt
    model: str = "sora-2"
    seconds: Literal["4", "8", "12"] = "4"
    size: Literal["720x1280", "1280x720", "1024x1792", "1792x1024"] = "720x1280"
    input_reference: ImageLink | None = None

    @property
    def width(self) -> int:
        """Give the width in pixels."""
        return int(self.size.split("x")[0])

    @property
    def height(self) -> int:
        """Give the height in pixels."""
        return int(self.size.split("x")[1])


class RemixVideo(_Closed):
    """The fields of `POST /videos/{id}/remix`."""

    prompt: Prompt


class ListVideos(_Closed):
    """The query of `GET /videos`."""

    after: str | None = None
    limit: int = Field(default=20, ge=0, le=100)
    order: Literal["asc", "desc"] = "desc"


class FetchContent(_Closed):
    """The query of `GET /videos/{id}/content`."""

    variant: Literal["video", "thumbnail", "spritesheet"] = "video"


class VideoError(_Closed):
    """Why a job failed."""

    code: str
    message: str


class Video(_Closed):
    """OpenAI's Video object. Times are Unix seconds; `seconds` is a string; `progress` is a percentage."""

    id: str
    object: Literal["video"] = "video"
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    model: str
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    seconds: str
    size: str
    prompt: str
    remixed_from_video_id: str | None = None
    error: VideoError | None = None


class VideoPage(_Closed):
    """One page of a list; the next one starts after `last_id`."""

    object: Literal["list"] = "list"
    data: tuple[Video, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(_Closed):
    """The answer to a DELETE."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


async def read_create(request: Request) -> tuple[CreateVideo, bool]:
    """Read `POST /videos`, multipart or JSON; tell whether a reference image came with it."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if content_type == "multipart/form-data":
        fields, image = await _read_form(request)
    elif content_type == "application/json":
        fields, image = await read_json(request), None
    else:
        raise ApiError(
            400,
            f"Unsupported content type: '{content_type}'. This method accepts multipart/form-data or application/json.",
            code="unsupported_content_type",
        )
    order = validate(CreateVideo, fields)
    if order.model not in _MODELS:
        raise ApiError(404, f"The model '{order.model}' does not exist.", param="model", code="model_not_found")
    if order.size in _PRO_SIZES and not order.model.startswith("sora-2-pro"):
        raise ApiError(
            400,
            f"Invalid value: '{order.size}'. Supported values are: '720x1280' and '1280x720'.",
            param="size",
            code="invalid_value",
        )
    if image is not None:
        _check_image(image, order)
    return order, image is not None or order.input_reference is not None


async def read_json(request: Request) -> dict[str, JsonValue]:
    """Read a body that must be a JSON object."""
    try:
        fields = json.loads(await request.body())
    except ValueError as error:
        raise ApiError(400, "The body of the request is not valid JSON.") from error
    if not isinstance(fields, dict):
        raise ApiError(400, "The body of the request is not a JSON object.")
    return fields


def validate(model: type[ModelT], fields: Mapping[str, JsonValue]) -> ModelT:
    """Check fields against a model; refuse the first that is wrong in OpenAI's words."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"])
        code = _VALIDATION_CODES.get(first["type"], "invalid_value")
        if first["type"] == "literal_error" and not isinstance(first["input"], str):
            # `"seconds": 4` is refused: the numbers are strings on this wire.
            code = "invalid_type"
        messages = {
            "missing_required_parameter": f"Missing required parameter: '{param}'.",
            "unknown_parameter": f"Unknown parameter: '{param}'.",
        }
        raise ApiError(
            400, messages.get(code, f"Invalid '{param}': {first['msg']}."), param=param, code=code
        ) from error


async def _read_form(request: Request) -> tuple[dict[str, JsonValue], UploadedImage | None]:
    """Split a form into its text fields and the uploaded image."""
    fields: dict[str, JsonValue] = {}
    image: UploadedImage | None = None
    async with request.form() as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                if name.startswith("input_reference[") and name.endswith("]"):
                    fields["input_reference"] = {name.removeprefix("input_reference[").removesuffix("]"): value}
                else:
                    fields[name] = value
            elif name == "input_reference":
                image = UploadedImage(value.content_type, await value.read())
            else:
                raise ApiError(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    return fields, image


def _check_image(image: UploadedImage, order: CreateVideo) -> None:
    """Refuse an image of another type or size than the video, as OpenAI does."""
    if image.content_type not in _IMAGE_TYPES:
        raise ApiError(
            400,
            f"Invalid file 'input_reference': unsupported mimetype ('{image.content_type}'). "
            "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.",
            param="input_reference",
            code="unsupported_file_mimetype",
        )
    try:
        with Image.open(io.BytesIO(image.content)) as picture:
            size = picture.size
    except UnidentifiedImageError as error:
        raise ApiError(400, "Invalid image file.", param="input_reference", code="invalid_image_file") from error
    if size != (order.width, order.height):
        raise ApiError(400, "Inpaint image must match the requested width and height", param="input_reference")
