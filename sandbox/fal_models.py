"""What the models behind fal's queue take.

Written on 2026-11-23 from the types that fal-js carries (libs/client/src/types/endpoints.ts of 2026-08-02) and from
fal.ai/models/<id>/llms.txt. Left out are Kling's `elements` and H3's `sync_mode`. A field that a model does not have is
refused here, so that it shows; whether fal's models refuse it, or drop it, they do not say.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from sandbox.engine import Clip

# The height of a clip that is wider than high.
_SHORT_SIDES = {"480p": 480, "720p": 720, "768p": 768, "1080p": 1080, "2k": 1440, "4k": 2160}
# How long a clip is when the model is to decide; this stand-in's guess.
_AUTO_SECONDS = 5


def _check_address(uri: str) -> str:
    """Refuse what fal could not fetch. The stand-in fetches nothing."""
    if not re.match(r"https?://[^/]|data:[a-z]+/[^;,]+;base64,", uri):
        raise PydanticCustomError("file_download_error", "File download error")
    return uri


_Address = Annotated[str, AfterValidator(_check_address)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Closed):
    """What every model is asked. Some count the seconds in strings, some in integers; each refuses the other."""

    tells_seed: ClassVar[bool] = False

    prompt: str | None
    duration: str | int

    @property
    def clip(self) -> Clip:
        """Give the clip. One that takes after an image is 16:9, as the image is not fetched."""
        shape = getattr(self, "aspect_ratio", "auto").replace("auto", "16:9")
        across, down = (int(part) for part in shape.split(":"))
        short_side = _SHORT_SIDES[getattr(self, "resolution", "1080p").lower()]
        long_side = short_side * max(across, down) // min(across, down) // 2 * 2
        seconds = _AUTO_SECONDS if self.duration == "auto" else int(self.duration)
        return Clip(long_side, short_side, seconds) if across >= down else Clip(short_side, long_side, seconds)


class _Seedance20Text(Input):
    tells_seed = True

    prompt: str
    resolution: Literal["480p", "720p", "1080p", "4k"] = "720p"
    duration: Literal["auto", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"] = "auto"
    aspect_ratio: Literal["auto", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"] = "auto"
    generate_audio: bool = True
    bitrate_mode: Literal["standard", "high"] = "standard"
    end_user_id: str | None = None


class _Seedance20Image(_Seedance20Text):
    image_url: _Address
    end_image_url: _Address | None = None


# Kling's limit was seen on the live API (github.com/TanStack/ai/pull/396).
_KlingPrompt = Annotated[str, Field(max_length=2500)]
_KlingSeconds = Literal["3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"]


class _KlingShot(_Closed):
    prompt: _KlingPrompt
    duration: Literal["1", "2"] | _KlingSeconds = "5"


class _Kling3(Input):
    prompt: _KlingPrompt | None = None
    multi_prompt: tuple[_KlingShot, ...] | None = None
    duration: _KlingSeconds = "5"
    generate_audio: bool = True
    shot_type: Literal["customize", "intelligent"] = "customize"
    negative_prompt: str = "blur, distort, and low quality"
    cfg_scale: Annotated[float, Field(ge=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _check_prompt(self) -> _Kling3:
        if (self.prompt is None) == (self.multi_prompt is None):
            raise PydanticCustomError("value_error", "Either prompt or multi_prompt must be provided, but not both.")
        return self


class _Kling3Text(_Kling3):
    aspect_ratio: Literal["16:9", "9:16", "1:1"] = "16:9"


class _Kling3Image(_Kling3):
    # No other model calls its first frame so.
    start_image_url: _Address
    end_image_url: _Address | None = None


class _H3(Input):
    prompt: Annotated[str, Field(max_length=7000)]
    resolution: Literal["480P", "768P", "2K", "4K"] = "2K"
    duration: Annotated[int, Field(ge=5, le=15)] = 5
    seed: int | None = None
    enable_safety_checker: bool = True
    prompt_expansion_mode: str = "balanced"


class _H3Text(_H3):
    aspect_ratio: Literal["21:9", "16:9", "4:3", "1:1", "3:4", "9:16"] = "16:9"


class _H3Image(_H3):
    image_url: _Address
    end_image_url: _Address | None = None


class _Wan27(Input):
    tells_seed = True

    prompt: Annotated[str, Field(max_length=5000)] | None = None
    resolution: Literal["720p", "1080p"] = "1080p"
    duration: Literal[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] = 5
    negative_prompt: Annotated[str, Field(max_length=500)] | None = None
    audio_url: _Address | None = None
    enable_prompt_expansion: bool = True
    enable_safety_checker: bool = True
    seed: Annotated[int, Field(ge=0, le=2_147_483_647)] | None = None


class _Wan27Text(_Wan27):
    prompt: Annotated[str, Field(max_length=5000)]
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4"] = "16:9"


class _Wan27Image(_Wan27):
    image_url: _Address | None = None
    end_image_url: _Address | None = None
    video_url: _Address | None = None

    @model_validator(mode="after")
    def _check_start(self) -> _Wan27Image:
        if self.image_url is not None and self.video_url is not None:
            raise PydanticCustomError("value_error", "video_url cannot be combined with image_url.")
        return self


class _Pika22(Input):
    prompt: str
    resolution: Literal["720p", "1080p"] = "720p"
    duration: Literal[5, 10] = 5
    negative_prompt: str = ""
    seed: int | None = None


class _Pika22Text(_Pika22):
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:5", "5:4", "3:2", "2:3"] = "16:9"


class _Pika22Image(_Pika22):
    image_url: _Address


MODELS: dict[str, type[Input]] = {
    "bytedance/seedance-2.0/text-to-video": _Seedance20Text,
    "bytedance/seedance-2.0/image-to-video": _Seedance20Image,
    "fal-ai/kling-video/v3/pro/text-to-video": _Kling3Text,
    "fal-ai/kling-video/v3/pro/image-to-video": _Kling3Image,
    "minimax/h3/text-to-video": _H3Text,
    "minimax/h3/image-to-video": _H3Image,
    "fal-ai/wan/v2.7/text-to-video": _Wan27Text,
    "fal-ai/wan/v2.7/image-to-video": _Wan27Image,
    "fal-ai/pika/v2.2/text-to-video": _Pika22Text,
    "fal-ai/pika/v2.2/image-to-video": _Pika22Image,
}
