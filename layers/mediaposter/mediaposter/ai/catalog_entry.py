"""One model of the catalog: its limits, its vendor's fields, and its prices."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints
from pydantic import model_validator as validate_model

from mediaposter.ai.provider_options import OptionName, PickedOptions, ProviderOption, pick_options, read_options
from mediaposter.domain.errors import InvalidRequest

_SHOWN_CHARACTERS = 40

Size = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{1,4}x[1-9]\d{1,4}$")]
AspectRatio = Annotated[str, StringConstraints(pattern=r"^[1-9]\d?:[1-9]\d?$")]


def parse_size(size: str) -> tuple[int, int]:
    """Split `WIDTHxHEIGHT` into pixels."""
    width, height = size.split("x")
    return int(width), int(height)


class ImageRole(StrEnum):
    """What a reference image is to a video."""

    FIRST_FRAME = "first_frame"
    LAST_FRAME = "last_frame"


class Capabilities(BaseModel):
    """What a model can do, as its row in the catalog says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    audio: bool = False
    image_roles: tuple[ImageRole, ...] = ()
    remix: bool = False
    extend: bool = False
    edit: bool = False
    cancel: bool = False
    delete: bool = False
    list_jobs: bool = False
    webhook: bool = False
    idempotent_submit: bool = False

    @property
    def image_input(self) -> bool:
        """Tell whether the model takes a first frame."""
        return ImageRole.FIRST_FRAME in self.image_roles


# TOML has no null.
OptionalFieldName = Annotated[str | None, BeforeValidator(lambda name: name or None)]


class FieldMap(BaseModel):
    """The names of a model's inputs, for a provider whose models each use their own.

    Attributes:
        text_to_video: the address of the model for a prompt alone.
        image_to_video: the address for a prompt and a first frame, if it differs.
        duration: the field of the length.
        duration_form: the format of the length: `8`, `"8"` or `"8s"`.
        aspect_ratio: the field of the shape; "" if there is none.
        image_aspect_ratio: whether the model takes the shape together with a first frame, which has its own shape.
        resolution: the field of the resolution; "" if there is none.
        first_frame: the field of the first frame's URL.
        last_frame: the field of the last frame's URL.
        fixed: fields that are sent with every request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text_to_video: str
    image_to_video: str | None = None
    duration: str = "duration"
    duration_form: Literal["number", "text", "text_with_unit"] = "text"
    aspect_ratio: OptionalFieldName = "aspect_ratio"
    image_aspect_ratio: bool = False
    resolution: OptionalFieldName = "resolution"
    first_frame: str = "image_url"
    last_frame: str | None = None
    fixed: dict[str, JsonValue] = Field(default_factory=dict)


class Shape(NamedTuple):
    """A size as a vendor's aspect ratio and resolution."""

    aspect_ratio: str
    resolution: str


class FittedRequest(NamedTuple):
    """The nearest possible length and size, and the changes to the request."""

    seconds: int
    size: str
    warnings: tuple[str, ...]


class FittedExtension(NamedTuple):
    """The nearest possible added length, and the changes to the request."""

    seconds: int
    warnings: tuple[str, ...]


def _expand_range(value: object) -> object:
    """Expand a range of whole seconds, `{ min = 3, max = 15 }`, to a list."""
    if (
        isinstance(value, dict)
        and value.keys() == {"min", "max"}
        and all(isinstance(end, int) for end in value.values())
    ):
        return list(range(value["min"], value["max"] + 1))
    return value


class CatalogEntry(BaseModel):
    """One model: its provider, capabilities and prices.

    Its sizes are listed one by one, or are every aspect ratio at every resolution (the vendor's name, and the pixels of
    the shorter side). `extension_seconds` is what one extension may add, and `extended_seconds_max` limits the video's
    length after it. `options` are the vendor's own fields that a request may set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    provider: str
    provider_model: str = Field(default_factory=lambda row: row["name"])
    durations_seconds: Annotated[tuple[Annotated[int, Field(gt=0)], ...], BeforeValidator(_expand_range)] = Field(
        min_length=1
    )
    aspect_ratios: tuple[AspectRatio, ...] = ()
    resolutions: dict[str, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)
    sizes: tuple[Size, ...] = Field(
        default_factory=lambda row: [
            _size(ratio, side) for side in row["resolutions"].values() for ratio in row["aspect_ratios"]
        ],
        min_length=1,
        validate_default=True,
    )
    extension_seconds: Annotated[tuple[Annotated[int, Field(gt=0)], ...], BeforeValidator(_expand_range)] = Field(
        default_factory=lambda row: row["durations_seconds"], min_length=1
    )
    extended_seconds_max: int | None = Field(default=None, gt=0)
    price_usd_per_second: dict[str, Decimal]
    expected_render_seconds: int = Field(gt=0)
    # What everyone is told who asks for this model.
    notice: str = ""
    capabilities: Capabilities = Capabilities()
    options: dict[OptionName, ProviderOption] = Field(default_factory=dict)
    fields: FieldMap | None = None
    retires_on: date | None = None
    replaced_by: str | None = None

    @validate_model(mode="after")
    def _price_every_size(self) -> CatalogEntry:
        for size in self.sizes:
            if str(min(parse_size(size))) not in self.price_usd_per_second:
                raise ValueError(f"{size} has no price: price_usd_per_second names no {min(parse_size(size))}")
        for price in self.price_usd_per_second.values():
            micros = price * 1_000_000
            if price < 0 or micros != micros.to_integral_value():
                raise ValueError(f"a price of {price} is not a whole number of micro-dollars")
        return self

    def check(self, *, seconds: int, size: str) -> None:
        """Refuse a length or size that this model does not support, and list those it does.

        Raises:
            InvalidRequest: with `param` seconds or size.
        """
        if seconds not in self.durations_seconds:
            raise InvalidRequest(
                f"{self.name} makes videos of {_list_numbers(self.durations_seconds)} seconds, not "
                f"{cut_short(seconds)}.",
                param="seconds",
                code="invalid_value",
            )
        if size not in self.sizes:
            raise InvalidRequest(
                f"{self.name} makes videos of {', '.join(self.sizes)}, not {size}.", param="size", code="invalid_value"
            )

    def fit(self, *, seconds: int, size: str) -> FittedRequest:
        """Change a request to the nearest length and size that this model supports, and report the changes.

        The nearest size has the most similar shape, and among equals the most similar number of pixels.

        Raises:
            InvalidRequest: `size` is not a size at all.
        """
        warnings = []
        if not re.fullmatch(r"[1-9]\d{1,4}x[1-9]\d{1,4}", size):
            raise InvalidRequest(f"{size} is not a size; write it as 1280x720.", param="size", code="invalid_value")
        nearest_seconds = _find_nearest(seconds, self.durations_seconds)
        if nearest_seconds != seconds:
            warnings.append(f"seconds: {self.name} makes no video of {seconds} seconds; it becomes {nearest_seconds}.")
        nearest_size = min(self.sizes, key=lambda offered: (offered != size, *_distance(offered, size)))
        if nearest_size != size:
            warnings.append(f"size: {self.name} makes no video of {size}; it becomes {nearest_size}.")
        return FittedRequest(nearest_seconds, nearest_size, tuple(warnings))

    def check_source(self, *, size: str, seconds: int | None = None) -> None:
        """Refuse a source video of a size or length that this model does not make.

        Raises:
            InvalidRequest: with `param` video.
        """
        if size in self.sizes and (seconds is None or seconds in self.durations_seconds):
            return
        what = size if seconds is None else f"{seconds} seconds in {size}"
        raise InvalidRequest(
            f"The video has {what}, and what is made from it would be like it; {self.name} makes videos of "
            f"{_list_numbers(self.durations_seconds)} seconds in {', '.join(self.sizes)}.",
            param="video",
            code="invalid_value",
        )

    def check_extension(self, *, seconds: int, source_seconds: int) -> None:
        """Refuse a length that this model cannot add to a video of `source_seconds`, and list those it can.

        Raises:
            InvalidRequest: with `param` seconds, or video if nothing can be added.
        """
        offered = self._list_extensions(source_seconds)
        if seconds not in offered:
            raise InvalidRequest(
                f"{self.name} adds {_list_numbers(offered)} seconds to a video of {source_seconds}, not {seconds}.",
                param="seconds",
                code="invalid_value",
            )

    def fit_extension(self, *, seconds: int, source_seconds: int) -> FittedExtension:
        """Change an extension to the nearest length that this model can add, and report the change.

        Raises:
            InvalidRequest: with `param` video: nothing can be added.
        """
        nearest = _find_nearest(seconds, self._list_extensions(source_seconds))
        if nearest == seconds:
            return FittedExtension(nearest, ())
        warning = f"seconds: {self.name} adds no {seconds} seconds to a video of {source_seconds}; it adds {nearest}."
        return FittedExtension(nearest, (warning,))

    def check_options(self, options: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Read the vendor's own fields of a request, and refuse those missing from this row.

        Raises:
            InvalidRequest: names the option and its valid values, or lists the options.
        """
        return read_options(self.name, self.options, options)

    def pick_options(self, options: Mapping[str, JsonValue]) -> PickedOptions:
        """Take the vendor's own fields that this row lists, and report the omitted ones."""
        return pick_options(self.name, self.options, options)

    def _list_extensions(self, source_seconds: int) -> tuple[int, ...]:
        """List the lengths that can be added to a video of this many seconds.

        Raises:
            InvalidRequest: it already has the maximum length of this model.
        """
        longest = self.extended_seconds_max
        offered = tuple(
            seconds for seconds in self.extension_seconds if longest is None or source_seconds + seconds <= longest
        )
        if not offered:
            raise InvalidRequest(
                f"The video has {source_seconds} seconds. {self.name} adds at least {min(self.extension_seconds)}, and "
                f"makes no video longer than {longest}.",
                param="video",
                code="invalid_value",
            )
        return offered

    def find_shape(self, size: str) -> Shape:
        """Translate a size into an aspect ratio and a resolution.

        Raises:
            InvalidRequest: this model has no such size.
        """
        shape = self._shapes.get(size)
        if shape is None:
            raise InvalidRequest(
                f"{self.name} makes videos of {', '.join(self._shapes)}, not {size}.",
                param="size",
                code="invalid_value",
            )
        return shape

    @cached_property
    def _shapes(self) -> Mapping[str, Shape]:
        return {
            _size(ratio, side): Shape(ratio, word)
            for word, side in self.resolutions.items()
            for ratio in self.aspect_ratios
        }

    def estimate_cost_micros(self, *, seconds: int, size: str) -> int:
        """Price a video in micro-dollars."""
        shorter_side = str(min(parse_size(size)))
        return int(self.price_usd_per_second[shorter_side] * 1_000_000) * seconds

    def is_retired(self, today: date) -> bool:
        """Tell whether its vendor has retired it."""
        return self.retires_on is not None and today >= self.retires_on


def _size(aspect_ratio: str, shorter_side: int) -> str:
    """Compute a size in pixels; the longer side is even, as H.264 wants it."""
    across, down = map(int, aspect_ratio.split(":"))
    longer_side = round(shorter_side * max(across, down) / min(across, down) / 2) * 2
    return f"{longer_side}x{shorter_side}" if across >= down else f"{shorter_side}x{longer_side}"


def _distance(offered: str, wanted: str) -> tuple[float, float]:
    width, height = parse_size(offered)
    wanted_width, wanted_height = parse_size(wanted)
    shapes_apart = abs(math.log(width / height) - math.log(wanted_width / wanted_height))
    pixels_apart = abs(math.log(width * height) - math.log(wanted_width * wanted_height))
    # Sizes of one shape differ by rounding: 854x480 is no closer to 1280x720 than 1920x1080 is.
    return round(shapes_apart, 2), pixels_apart


def _find_nearest(seconds: int, offered: tuple[int, ...]) -> int:
    """Find the nearest length, or the shorter of two equally near: it never costs more than the requested one."""
    return min(offered, key=lambda length: (abs(length - seconds), length))


def cut_short(said: object) -> str:
    """Shorten a caller's text for an error message."""
    text = str(said)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _list_numbers(numbers: tuple[int, ...]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 3 and numbers == tuple(range(first, last + 1)):
        return f"{first} to {last}"
    return ", ".join(map(str, numbers))
