"""What goes over the wire of fal's queue API, and what its models refuse.

The queue is written from fal.ai/docs (inference-api/queue, documentation/model-apis/{inference/queue, errors,
request-errors}) and from fal-client 1.0.3; the inputs of the models from the types that fal-js carries
(libs/client/src/types/endpoints.ts of 2026-08-02) and from fal.ai/models/<id>/llms.txt. Left out are Kling's `elements`
and H3's `sync_mode`. A field that a model does not have is refused here, so that it shows; whether fal's models refuse
it, or drop it, they do not say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator
from pydantic_core import PydanticCustomError

# The height of a clip that is wider than high.
_SHORT_SIDES = {"480p": 480, "720p": 720, "768p": 768, "1080p": 1080, "2k": 1440, "4k": 2160}
# How long a clip is when the model is to decide; this stand-in's guess.
_AUTO_SECONDS = 5


def _check_address(uri: str) -> str:
    """Refuse what fal could not fetch. Nobody fetches it here."""
    if not re.match(r"https?://[^/]|data:[a-z]+/[^;,]+;base64,", uri):
        raise PydanticCustomError("file_download_error", "File download error")
    return uri


Address = Annotated[str, AfterValidator(_check_address)]
# Kling's limit was seen on the live API (github.com/TanStack/ai/pull/396).
KlingPrompt = Annotated[str, Field(max_length=2500)]
WanPrompt = Annotated[str, Field(max_length=5000)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2_147_483_647)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Closed):
    """What every model is asked. Some count the seconds in strings, some in integers; each refuses the other."""

    prompt: str | None
    duration: str | int


class _Sized(Input):
    resolution: str


class _Shaped(Input):
    aspect_ratio: str


class _Seedance20(_Sized, _Shaped):
    prompt: str
    resolution: Literal["480p", "720p", "1080p", "4k"] = "720p"
    duration: Literal["auto", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"] = "auto"
    aspect_ratio: Literal["auto", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"] = "auto"
    generate_audio: bool = True
    bitrate_mode: Literal["standard", "high"] = "standard"
    end_user_id: str | None = None


class Seedance20Text(_Seedance20):
    """bytedance/seedance-2.0/text-to-video."""


class Seedance20Image(_Seedance20):
    """bytedance/seedance-2.0/image-to-video."""

    image_url: Address
    end_image_url: Address | None = None


class KlingShot(_Closed):
    """One shot of several."""

    prompt: KlingPrompt
    duration: Literal["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"] = "5"


class _Kling3(Input):
    prompt: KlingPrompt | None = None
    multi_prompt: tuple[KlingShot, ...] | None = None
    duration: Literal["3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"] = "5"
    generate_audio: bool = True
    shot_type: Literal["customize", "intelligent"] = "customize"
    negative_prompt: str = "blur, distort, and low quality"
    cfg_scale: Share = 0.5

    @model_validator(mode="after")
    def _check_prompt(self) -> _Kling3:
        if (self.prompt is None) == (self.multi_prompt is None):
            raise PydanticCustomError("value_error", "Either prompt or multi_prompt must be provided, but not both.")
        return self


class Kling3Text(_Kling3, _Shaped):
    """fal-ai/kling-video/v3/{standard,pro}/text-to-video."""

    aspect_ratio: Literal["16:9", "9:16", "1:1"] = "16:9"


class Kling3Image(_Kling3):
    """fal-ai/kling-video/v3/{standard,pro}/image-to-video; no other model calls its first frame so."""

    start_image_url: Address
    end_image_url: Address | None = None


class _Kling25(Input):
    prompt: KlingPrompt
    duration: Literal["5", "10"] = "5"
    negative_prompt: str = "blur, distort, and low quality"
    cfg_scale: Share = 0.5


class Kling25Text(_Kling25, _Shaped):
    """fal-ai/kling-video/v2.5-turbo/pro/text-to-video."""

    aspect_ratio: Literal["16:9", "9:16", "1:1"] = "16:9"


class Kling25Image(_Kling25):
    """fal-ai/kling-video/v2.5-turbo/pro/image-to-video."""

    image_url: Address
    tail_image_url: Address | None = None


class _H3(_Sized):
    prompt: Annotated[str, Field(max_length=7000)]
    resolution: Literal["480P", "768P", "2K", "4K"] = "2K"
    duration: Annotated[int, Field(ge=5, le=15)] = 5
    seed: int | None = None
    enable_safety_checker: bool = True
    prompt_expansion_mode: str = "balanced"


class H3Text(_H3, _Shaped):
    """minimax/h3/text-to-video."""

    aspect_ratio: Literal["21:9", "16:9", "4:3", "1:1", "3:4", "9:16"] = "16:9"


class H3Image(_H3):
    """minimax/h3/image-to-video."""

    image_url: Address
    end_image_url: Address | None = None


class _Wan27(_Sized):
    resolution: Literal["720p", "1080p"] = "1080p"
    duration: Literal[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] = 5
    negative_prompt: Annotated[str, Field(max_length=500)] | None = None
    audio_url: Address | None = None
    enable_prompt_expansion: bool = True
    enable_safety_checker: bool = True
    seed: Seed | None = None


class Wan27Text(_Wan27, _Shaped):
    """fal-ai/wan/v2.7/text-to-video."""

    prompt: WanPrompt
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"] = "16:9"


class Wan27Image(_Wan27):
    """fal-ai/wan/v2.7/image-to-video."""

    prompt: WanPrompt | None = None
    image_url: Address | None = None
    end_image_url: Address | None = None
    video_url: Address | None = None

    @model_validator(mode="after")
    def _check_start(self) -> Wan27Image:
        if self.image_url is not None and self.video_url is not None:
            raise PydanticCustomError("value_error", "video_url cannot be combined with image_url.")
        return self


class _Pika22(_Sized):
    prompt: str
    resolution: Literal["720p", "1080p"] = "720p"
    duration: Literal[5, 10] = 5
    negative_prompt: str = ""
    seed: int | None = None


class Pika22Text(_Pika22, _Shaped):
    """fal-ai/pika/v2.2/text-to-video."""

    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:5", "5:4", "3:2", "2:3"] = "16:9"


class Pika22Image(_Pika22):
    """fal-ai/pika/v2.2/image-to-video."""

    image_url: Address


@dataclass(frozen=True, slots=True)
class Model:
    """A row of the catalog: what the model takes, how large its clips are when nobody says, if it tells its seed."""

    input: type[Input]
    resolution: str = "1080p"
    tells_seed: bool = False


MODELS = {
    "bytedance/seedance-2.0/text-to-video": Model(Seedance20Text, tells_seed=True),
    "bytedance/seedance-2.0/image-to-video": Model(Seedance20Image, tells_seed=True),
    "fal-ai/kling-video/v3/standard/text-to-video": Model(Kling3Text, resolution="720p"),
    "fal-ai/kling-video/v3/standard/image-to-video": Model(Kling3Image, resolution="720p"),
    "fal-ai/kling-video/v3/pro/text-to-video": Model(Kling3Text),
    "fal-ai/kling-video/v3/pro/image-to-video": Model(Kling3Image),
    "fal-ai/kling-video/v2.5-turbo/pro/text-to-video": Model(Kling25Text),
    "fal-ai/kling-video/v2.5-turbo/pro/image-to-video": Model(Kling25Image),
    "minimax/h3/text-to-video": Model(H3Text),
    "minimax/h3/image-to-video": Model(H3Image),
    "fal-ai/wan/v2.7/text-to-video": Model(Wan27Text, tells_seed=True),
    "fal-ai/wan/v2.7/image-to-video": Model(Wan27Image, tells_seed=True),
    "fal-ai/pika/v2.2/text-to-video": Model(Pika22Text),
    "fal-ai/pika/v2.2/image-to-video": Model(Pika22Image),
}


def find_app(model_id: str) -> str:
    """Give the application that a model belongs to: its owner and alias, which is all the queue knows of it."""
    return "/".join(model_id.split("/")[:2])


APPS = frozenset(map(find_app, MODELS))


@dataclass(frozen=True, slots=True)
class Order:
    """A submit that was found to be in order: the clip it asks for."""

    prompt: str
    width: int
    height: int
    seconds: int
    has_image: bool
    tells_seed: bool


class Shown(_Closed):
    """What the server shows."""


class ErrorDetail(Shown):
    """What a model found wrong; `input` is what it was sent there."""

    loc: tuple[str | int, ...]
    msg: str
    type: str
    url: str
    input: JsonValue


class ModelFailure(Shown):
    """What a model answers that refused its input, or failed (fal.ai/docs/documentation/model-apis/errors)."""

    detail: tuple[ErrorDetail, ...]


class RequestFailure(Shown):
    """What fal answers when a request did not get through its model (…/model-apis/request-errors)."""

    detail: str
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The result of a request that was completed without a video."""

    status: int
    body: ModelFailure | RequestFailure

    @property
    def message(self) -> str:
        """Give the sentence for a person."""
        return self.body.detail[0].msg if isinstance(self.body, ModelFailure) else self.body.detail

    @property
    def error_type(self) -> str | None:
        """Give the word for a machine."""
        return self.body.detail[0].type if isinstance(self.body, ModelFailure) else self.body.error_type


class ApiError(Exception):
    """A refusal by the queue itself: `{"detail": "…"}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def read_order(model_id: str, body: bytes) -> Order | Failure:
    """Read the input of a model as its runner does, or give what the runner answers instead.

    The queue looks at neither the path behind the application nor the body: both are accepted, and what is wrong with
    them is the result of the request (seen on the live API: github.com/TanStack/ai/pull/396).
    """
    model = MODELS.get(model_id)
    if model is None:
        return Failure(404, RequestFailure(detail=f"Path {model_id.removeprefix(find_app(model_id))} not found"))
    try:
        given = model.input.model_validate_json(body.decode(errors="replace"))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        details = tuple(
            build_detail(each["type"], each["msg"], ("body", *each["loc"]), each["input"]) for each in found
        )
        return Failure(422, ModelFailure(detail=details))
    width, height = _find_size(
        given.resolution if isinstance(given, _Sized) else model.resolution,
        given.aspect_ratio if isinstance(given, _Shaped) else "auto",
    )
    return Order(
        prompt=given.prompt or "",
        width=width,
        height=height,
        seconds=_AUTO_SECONDS if given.duration == "auto" else int(given.duration),
        has_image=model_id.endswith("/image-to-video"),
        tells_seed=model.tells_seed,
    )


def build_detail(error_type: str, message: str, loc: tuple[str | int, ...], given: JsonValue) -> ErrorDetail:
    """Build what a model found wrong with what it was given at a place of its input."""
    url = f"https://docs.fal.ai/errors/#{error_type}"
    return ErrorDetail(loc=loc, msg=message, type=error_type, url=url, input=given)


def _find_size(resolution: str, aspect_ratio: str) -> tuple[int, int]:
    """Find how large a clip is, in pixels. One that takes after an image is 16:9, as nobody fetches the image."""
    across, down = (int(part) for part in aspect_ratio.replace("auto", "16:9").split(":"))
    short_side = _SHORT_SIDES[resolution.lower()]
    long_side = short_side * max(across, down) // min(across, down) // 2 * 2
    return (long_side, short_side) if across >= down else (short_side, long_side)


Status = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]


class Metrics(Shown):
    """What a runner measured, in seconds."""

    inference_time: float


class StatusView(Shown):
    """A request, as the answer to its submit and its status show it; what does not apply is absent.

    The addresses have the application in them, and not the model. `queue_position` is how many requests are ahead,
    while it is IN_QUEUE. COMPLETED is not to say that there is a video.
    """

    status: Status
    request_id: str
    gateway_request_id: str
    response_url: str
    status_url: str
    cancel_url: str
    queue_position: int | None = None
    logs: tuple[str, ...] | None = None
    metrics: Metrics | None = None
    error: str | None = None
    error_type: str | None = None


class Cancellation(Shown):
    """The answer to a cancel."""

    status: Literal["OK", "CANCELLATION_REQUESTED", "ALREADY_COMPLETED", "NOT_FOUND"]


class File(Shown):
    """A file that a model made."""

    url: str
    content_type: str = "video/mp4"
    file_name: str
    file_size: int


class Output(Shown):
    """The result of a request that has a video; some models tell the seed they took."""

    video: File
    seed: int | None = None


class WebhookBody(Shown):
    """What is posted to `fal_webhook` when a request has ended."""

    request_id: str
    gateway_request_id: str
    status: Literal["OK", "ERROR"]
    error: str | None = None
    payload: Output | ModelFailure | RequestFailure
