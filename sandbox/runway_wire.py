"""What goes over the wire of Runway's API, and what its server refuses.

Written from the types of runwayml 5.24.0 and from docs.dev.runwayml.com (assets/inputs, assets/outputs, errors). Of the
models there are gen4.5, gen4_turbo, veo3.1, seedance2_5 and aleph2, each with the fields below; what Runway takes
beyond them (other output formats, drafts, keyframes, references of sound and video) is refused as unknown.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

API_VERSION = "2024-11-06"
MODELS = ("gen4.5", "gen4_turbo", "veo3.1", "seedance2_5", "aleph2")

_MAX_URL_CHARACTERS = 2048
# Of the data URI as it is sent, so an image may be 3.3 MB or so: docs.dev.runwayml.com/assets/inputs.
_MAX_DATA_URI_BYTES = 5 * 1024 * 1024
_IMAGE_TYPES = ("image/jpeg", "image/jpg", "image/png", "image/webp")
_VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm")


class ApiError(Exception):
    """A refusal: a JSON body with an `error` member (docs.dev.runwayml.com/errors/errors)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Wire(BaseModel):
    """What goes over the wire: camelCase there, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


def _limit_units(units: int) -> AfterValidator:
    def check(text: str) -> str:
        if not 1 <= len(text.encode("utf-16-le")) // 2 <= units:
            raise ValueError(f"must be a non-empty string of at most {units} UTF-16 code units")
        return text

    return AfterValidator(check)


def _check_asset(uri: str, media_types: tuple[str, ...]) -> str:
    """Refuse an address that Runway would not fetch. Nobody fetches one here."""
    if uri.startswith("data:"):
        head, _, content = uri.partition(",")
        media_type, _, encoding = head.removeprefix("data:").partition(";")
        if media_type not in media_types or encoding != "base64":
            raise ValueError("Unsupported asset type: a data URI must tell the media type of what it encodes.")
        if len(uri) >= _MAX_DATA_URI_BYTES:
            raise ValueError("The data URI is too long: it must be under 5MB.")
        try:
            base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise ValueError("Invalid data URI.") from error
        return uri
    address = urlsplit(uri)
    if address.scheme == "runway" and address.netloc:
        return uri
    if len(uri) > _MAX_URL_CHARACTERS:
        raise ValueError(f"URLs must not be longer than {_MAX_URL_CHARACTERS} characters.")
    if address.scheme != "https":
        raise ValueError("Only HTTPS URLs are allowed.")
    if not address.hostname or _is_ip_address(address.hostname):
        raise ValueError("URLs must be hosted on a domain.")
    return uri


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _list_prompt_image(value: object) -> object:
    """Read the short form, one address, as what it stands for: the first frame."""
    return [{"uri": value, "position": "first"}] if isinstance(value, str) else value


ShortPrompt = Annotated[str, _limit_units(1000)]
LongPrompt = Annotated[str, _limit_units(15_000)]
ImageUri = Annotated[str, AfterValidator(lambda uri: _check_asset(uri, _IMAGE_TYPES))]
VideoUri = Annotated[str, AfterValidator(lambda uri: _check_asset(uri, _VIDEO_TYPES))]


class Given(Wire):
    """What a client gives."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_nulls(cls, fields: object) -> object:
        """Refuse null, as the types of the SDK have none. That Runway's server refuses it is this stand-in's guess."""
        if isinstance(fields, dict) and None in fields.values():
            raise ValueError("a field that is not wanted is left out, not null")
        return fields


class FirstFrame(Given):
    """The image a clip starts from."""

    uri: ImageUri
    position: Literal["first"]


class Keyframe(Given):
    """The image a clip starts from or ends with."""

    uri: ImageUri
    position: Literal["first", "last"]


class KeyframeOrReference(Given):
    """A keyframe or, without a position, an image that shows what is to be in the clip."""

    uri: ImageUri
    position: Literal["first", "last"] | None = None


class Reference(Given):
    """An image that shows what is to be in the clip."""

    uri: ImageUri


class ContentModeration(Given):
    """How strict the moderation is."""

    public_figure_threshold: Literal["auto", "low"] = "auto"


def _check_keyframes(images: tuple[Keyframe, ...]) -> tuple[Keyframe, ...]:
    if sorted(image.position for image in images) not in (["first"], ["first", "last"]):
        raise ValueError("must be a first frame and, if wanted, a last frame")
    return images


def _check_one_kind(images: tuple[KeyframeOrReference, ...]) -> tuple[KeyframeOrReference, ...]:
    if len({image.position is None for image in images}) != 1:
        raise ValueError("must be all keyframes or all references")
    return images


OneFrame = Annotated[tuple[FirstFrame], BeforeValidator(_list_prompt_image)]
Keyframes = Annotated[tuple[Keyframe, ...], AfterValidator(_check_keyframes), BeforeValidator(_list_prompt_image)]
KeyframesOrReferences = Annotated[
    tuple[KeyframeOrReference, ...], AfterValidator(_check_one_kind), BeforeValidator(_list_prompt_image)
]
References = Annotated[tuple[Reference, ...], Field(max_length=30)]
SixRatios = Literal["1280:720", "720:1280", "1104:832", "960:960", "832:1104", "1584:672"]
TwoToTenSeconds = Annotated[int, Field(strict=True, ge=2, le=10)]


class Create(Given):
    """What every create tells."""

    model: str
    prompt_text: str | None = None
    seed: Annotated[int, Field(strict=True, ge=0, le=4_294_967_295)] | None = None


class CreateSized(Create):
    """A create that says how large, in pixels, and how long the clip is to be."""

    ratio: str
    duration: int


class _Gen4(CreateSized):
    duration: TwoToTenSeconds
    content_moderation: ContentModeration | None = None


class Gen45Text(_Gen4):
    """gen4.5 of `POST /v1/text_to_video`."""

    model: Literal["gen4.5"]
    prompt_text: ShortPrompt
    ratio: Literal["1280:720", "720:1280"]


class Gen45Image(_Gen4):
    """gen4.5 of `POST /v1/image_to_video`."""

    model: Literal["gen4.5"]
    prompt_text: ShortPrompt
    prompt_image: OneFrame
    ratio: SixRatios


class Gen4TurboImage(_Gen4):
    """gen4_turbo of `POST /v1/image_to_video`; how long the clip is by default is this stand-in's guess."""

    model: Literal["gen4_turbo"]
    prompt_text: ShortPrompt | None = None
    prompt_image: OneFrame
    ratio: SixRatios
    duration: TwoToTenSeconds = 10


class _Veo31(CreateSized):
    """What veo3.1 takes on both routes; the defaults of `duration` and `audio` are this stand-in's guess."""

    model: Literal["veo3.1"]
    prompt_text: ShortPrompt | None = None
    ratio: Literal["1280:720", "720:1280", "1080:1920", "1920:1080"]
    duration: Literal[4, 6, 8] = 8
    audio: StrictBool = True
    negative_prompt: str | None = None


class Veo31Text(_Veo31):
    """veo3.1 of `POST /v1/text_to_video`."""

    prompt_text: ShortPrompt


class Veo31Image(_Veo31):
    """veo3.1 of `POST /v1/image_to_video`."""

    prompt_image: Keyframes


class _Seedance25(CreateSized):
    """What seedance2_5 takes on every route; the bounds of `duration` are this stand-in's guess."""

    model: Literal["seedance2_5"]
    prompt_text: LongPrompt | None = None
    ratio: Literal[
        "992:432", "854:480", "752:560", "640:640", "560:752", "480:854",
        "1470:630", "1280:720", "1112:834", "960:960", "834:1112", "720:1280",
        "2206:946", "1920:1080", "1664:1248", "1440:1440", "1248:1664", "1080:1920",
    ] = "1280:720"  # fmt: skip
    duration: Annotated[int, Field(strict=True, ge=4, le=15)] = 5
    audio: StrictBool = True


class Seedance25Text(_Seedance25):
    """seedance2_5 of `POST /v1/text_to_video`."""

    references: References = ()


class Seedance25Image(_Seedance25):
    """seedance2_5 of `POST /v1/image_to_video`."""

    prompt_image: KeyframesOrReferences


class Seedance25Video(_Seedance25):
    """seedance2_5 of `POST /v1/video_to_video`, in its mode `reference`."""

    prompt_video: VideoUri
    references: References = ()


class Aleph2Video(Create):
    """aleph2 of `POST /v1/video_to_video`, whose clip is as large and as long as the one that comes in."""

    model: Literal["aleph2"]
    prompt_text: ShortPrompt | None = None
    video_uri: VideoUri
    content_moderation: ContentModeration | None = None


Kind = Literal["text_to_video", "image_to_video", "video_to_video"]
_BODIES: dict[Kind, TypeAdapter[Create]] = {
    "text_to_video": TypeAdapter(Annotated[Gen45Text | Veo31Text | Seedance25Text, Field(discriminator="model")]),
    "image_to_video": TypeAdapter(
        Annotated[Gen45Image | Gen4TurboImage | Veo31Image | Seedance25Image, Field(discriminator="model")]
    ),
    "video_to_video": TypeAdapter(Annotated[Seedance25Video | Aleph2Video, Field(discriminator="model")]),
}


@dataclass(frozen=True, slots=True)
class Order:
    """A create that was found to be in order: the clip it asks for, and what it costs at most."""

    model: str
    prompt: str
    width: int
    height: int
    seconds: int
    credits: int
    has_image: bool


def read_order(kind: Kind, body: bytes) -> Order:
    """Read the body of a create; refuse the first field that is wrong."""
    try:
        create = _BODIES[kind].validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        # The place starts with the model, which told how to read the rest.
        field = ".".join(str(part) for part in first["loc"][1:]) or "body"
        raise ApiError(400, f"Validation of body failed: {field}: {first['msg']}") from error
    # Nobody fetches the video that comes in, so how large and how long it is stays unknown.
    ratio, seconds = (create.ratio, create.duration) if isinstance(create, CreateSized) else ("1280:720", 5)
    width, height = ratio.split(":")
    return Order(
        model=create.model,
        prompt=create.prompt_text or "",
        width=int(width),
        height=int(height),
        seconds=seconds,
        credits=seconds * _price_second(create),
        has_image=isinstance(create, Gen45Image | Gen4TurboImage | Veo31Image | Seedance25Image),
    )


def _price_second(create: Create) -> int:
    """Give the price of a second in credits, each of them a cent."""
    match create:
        case Veo31Text() | Veo31Image():
            return 40 if create.audio else 20
        case Seedance25Text() | Seedance25Image() | Seedance25Video():
            width, height = create.ratio.split(":")
            megapixels = int(width) * int(height) / 1e6
            return 20 if megapixels < 0.6 else 30 if megapixels < 1.5 else 68
    return {"gen4.5": 12, "gen4_turbo": 5, "aleph2": 28}[create.model]


class Shown(Wire):
    """What the server shows; here it is built by the names of Python."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


class Credits(Shown):
    """A cost; one credit is one cent."""

    credits: int


class Created(Shown):
    """The answer to a create."""

    id: str
    estimated_cost: Credits


class _Task(Shown):
    id: str
    created_at: datetime


class WaitingTask(_Task):
    """A task that waits for its turn or, THROTTLED, for other tasks of the organization to end."""

    status: Literal["PENDING", "THROTTLED"]
    estimated_cost: Credits


class RunningTask(_Task):
    """A task under way; `progress` is from 0 to 1."""

    status: Literal["RUNNING"] = "RUNNING"
    progress: float
    estimated_cost: Credits


class SucceededTask(_Task):
    """A task whose clip is there, at addresses that expire."""

    status: Literal["SUCCEEDED"] = "SUCCEEDED"
    output: tuple[str, ...]
    cost: Credits


class FailedTask(_Task):
    """A task that failed. `failure_code` is dotted, from the general to the particular, or null."""

    status: Literal["FAILED"] = "FAILED"
    failure: str
    failure_code: str | None
    cost: Credits


class CancelledTask(_Task):
    """A task that somebody stopped."""

    status: Literal["CANCELLED"] = "CANCELLED"
    cost: Credits


TaskView = WaitingTask | RunningTask | SucceededTask | FailedTask | CancelledTask


class ModelLimits(Shown):
    """How much of a model an organization may use."""

    max_concurrent_generations: int
    max_daily_generations: int


class ModelUsage(Shown):
    """How much of a model an organization has used in the past day."""

    daily_generations: int


class Tier(Shown):
    """The limits of an organization."""

    max_monthly_credit_spend: int
    models: dict[str, ModelLimits]


class Usage(Shown):
    """What an organization has used."""

    models: dict[str, ModelUsage]


class Organization(Shown):
    """The answer to `GET /v1/organization`."""

    credit_balance: int
    tier: Tier
    usage: Usage
