"""Which models exist, what fits them, what a video costs, and what replaces those that are gone."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from pydantic import model_validator as validate_model

from mediaposter.errors import ConfigurationError, InvalidRequest
from mediaposter.validation_errors import find_problem, tell_rule

PROMPT_MAX_CHARACTERS = 32_000  # OpenAI's bound on `prompt`, POST /videos

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
        """Tell whether a video can begin with a picture."""
        return ImageRole.FIRST_FRAME in self.image_roles


# TOML has no null.
OptionalFieldName = Annotated[str | None, BeforeValidator(lambda name: name or None)]


class FieldMap(BaseModel):
    """How a model is asked for a video, where every model of a provider names its inputs in its own way.

    Attributes:
        text_to_video: the address of the model for a prompt alone.
        image_to_video: the address for a prompt and a first frame, where it is another one.
        duration: the field of the length.
        duration_form: how the length is written: `8`, `"8"` or `"8s"`.
        aspect_ratio: the field of the shape; "" where there is none.
        image_aspect_ratio: whether the shape is also taken beside a first frame, which has a shape of its own.
        resolution: the field of the resolution; "" where there is none.
        first_frame: the field of the first frame's URL.
        last_frame: the field of the last frame's URL.
        fixed: what is sent with every request.
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
    """A size in the words of a vendor who asks for a shape and a resolution."""

    aspect_ratio: str
    resolution: str


class FittedRequest(NamedTuple):
    """The length and size nearest to what was asked for, and what had to change."""

    seconds: int
    size: str
    warnings: tuple[str, ...]


def _expand_range(value: object) -> object:
    """Write a range of whole seconds, `{ min = 3, max = 15 }`, as the list of them."""
    if (
        isinstance(value, dict)
        and value.keys() == {"min", "max"}
        and all(isinstance(end, int) for end in value.values())
    ):
        return list(range(value["min"], value["max"] + 1))
    return value


class CatalogEntry(BaseModel):
    """One model: its provider, what it can do, and what it costs.

    Its sizes are listed one by one, or are every aspect ratio at every resolution (the vendor's word, and the pixels
    of the shorter side).
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
    price_usd_per_second: dict[str, Decimal]
    expected_render_seconds: int = Field(gt=0)
    capabilities: Capabilities = Capabilities()
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
        """Refuse a length or size this model cannot do, naming what it can.

        Raises:
            InvalidRequest: with `param` seconds or size.
        """
        if seconds not in self.durations_seconds:
            raise InvalidRequest(
                f"{self.name} makes videos of {_list_numbers(self.durations_seconds)} seconds, not {seconds}.",
                param="seconds",
                code="invalid_value",
            )
        if size not in self.sizes:
            raise InvalidRequest(
                f"{self.name} makes videos of {', '.join(self.sizes)}, not {size}.", param="size", code="invalid_value"
            )

    def fit(self, *, seconds: int, size: str) -> FittedRequest:
        """Move a request to the nearest length and size this model can do, and say what changed.

        The nearest size has the most similar shape, and among those the most similar number of pixels.

        Raises:
            InvalidRequest: `size` is not a size at all.
        """
        warnings = []
        if not re.fullmatch(r"[1-9]\d{1,4}x[1-9]\d{1,4}", size):
            raise InvalidRequest(f"{size} is not a size; write it as 1280x720.", param="size", code="invalid_value")
        # Of two equally near lengths the shorter: it never costs more than what was asked for.
        nearest_seconds = min(self.durations_seconds, key=lambda offered: (abs(offered - seconds), offered))
        if nearest_seconds != seconds:
            warnings.append(f"seconds: {self.name} makes no video of {seconds} seconds; it becomes {nearest_seconds}.")
        nearest_size = min(self.sizes, key=lambda offered: (offered != size, *_distance(offered, size)))
        if nearest_size != size:
            warnings.append(f"size: {self.name} makes no video of {size}; it becomes {nearest_size}.")
        return FittedRequest(nearest_seconds, nearest_size, tuple(warnings))

    def find_shape(self, size: str) -> Shape:
        """Say a size as an aspect ratio and a resolution.

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
        """Tell whether its vendor has switched it off."""
        return self.retires_on is not None and today >= self.retires_on


class GoneModel(BaseModel):
    """A model that people still ask for, and that nobody serves any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retired_on: date
    replaced_by: str | None = None


# What is asked of a provider at once whose limit nobody wrote down.
RENDERS_AT_ONCE = 10


class ProviderEntry(BaseModel):
    """What holds for all models of a provider: how many videos it renders for one account at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    renders_at_once: int = Field(gt=0)


class Resolution(NamedTuple):
    """The model behind a name, and whether the name was an alias for it."""

    entry: CatalogEntry
    is_alias: bool


class Catalog(BaseModel):
    """All models a stack offers, by name, with the names that lead to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[str, CatalogEntry]
    aliases: dict[str, str] = Field(default_factory=dict)
    gone: dict[str, GoneModel] = Field(default_factory=dict)
    providers: dict[str, ProviderEntry] = Field(default_factory=dict)

    @validate_model(mode="after")
    def _lead_somewhere(self) -> Catalog:
        for alias, name in self.aliases.items():
            if name not in self.models:
                raise ValueError(f"the alias {alias} leads to {name}, which is no model here")
        return self

    def resolve(self, name: str, *, today: date) -> Resolution:
        """Find the model that a caller's name leads to; a date at the end of one that is not here is left out.

        Raises:
            InvalidRequest: there is none (the sentence names those that exist) or it is retired (and what replaces it).
        """
        is_known = name in self.models or name in self.aliases or name in self.gone
        plain = name if is_known else re.sub(r"-\d{4}-\d{2}-\d{2}$", "", name)
        target = self.aliases.get(plain, plain)
        entry = self.get(target)
        if entry.is_retired(today):
            raise _retired(entry.name, entry.retires_on, entry.replaced_by)
        return Resolution(entry, is_alias=target != plain)

    def with_aliases(self, aliases: Mapping[str, str]) -> Catalog:
        """Let names lead elsewhere.

        Raises:
            ConfigurationError: an alias leads to a model that is not here.
        """
        for alias, name in aliases.items():
            if name not in self.models:
                raise ConfigurationError(
                    f"The alias {alias} leads to {name}, which is no model here. There are: "
                    f"{', '.join(sorted(self.models))}."
                )
        return self.model_copy(update={"aliases": {**self.aliases, **aliases}})

    def count_renders_at_once(self, provider: str) -> int:
        """Tell how many videos a provider renders at once, if a new account asks for them."""
        entry = self.providers.get(provider)
        return RENDERS_AT_ONCE if entry is None else entry.renders_at_once

    def list_providers(self) -> list[str]:
        """List whose models there are."""
        return sorted({entry.provider for entry in self.models.values()})

    def has_living(self, name: str, *, today: date) -> bool:
        """Tell whether a name leads to a model that can be asked today."""
        try:
            self.resolve(name, today=today)
        except InvalidRequest:
            return False
        return True

    def get(self, name: str) -> CatalogEntry:
        """Find a model by its own name.

        Raises:
            InvalidRequest: with the names that exist, or with what replaces one that is gone.
        """
        entry = self.models.get(name)
        if entry is not None:
            return entry
        if name in self.gone:
            raise _retired(name, self.gone[name].retired_on, self.gone[name].replaced_by)
        raise InvalidRequest(
            f"There is no model {name[:80]!r} here. There are: {', '.join(sorted({*self.models, *self.aliases}))}.",
            param="model",
            code="model_not_found",
        )

    def list_fitting(
        self, *, seconds: int, size: str, today: date, image_roles: frozenset[ImageRole] = frozenset()
    ) -> list[CatalogEntry]:
        """List the living models that can make such a video, the cheapest first."""
        fitting = [
            entry
            for entry in self.models.values()
            if seconds in entry.durations_seconds
            and size in entry.sizes
            and image_roles <= set(entry.capabilities.image_roles)
            and not entry.is_retired(today)
        ]
        return sorted(fitting, key=lambda entry: entry.estimate_cost_micros(seconds=seconds, size=size))


def parse_catalog(text: str, *, extending: str | None = None) -> Catalog:
    """Read a catalog from TOML.

    Args:
        text: the catalog.
        extending: another catalog's text, whose rows stay where `text` says nothing else.

    Raises:
        ConfigurationError: naming the line, or the row and field, that is wrong.
    """
    tables = _read_toml(text)
    if extending is not None:
        base = _read_toml(extending)
        for name, row in tables.get("models", {}).items():
            tables["models"][name] = {**base.get("models", {}).get(name, {}), **row}
        tables = {name: {**base.get(name, {}), **tables.get(name, {})} for name in {*base, *tables}}
    tables["models"] = {name: {**row, "name": name} for name, row in tables.get("models", {}).items()}
    try:
        return Catalog.model_validate(tables)
    except ValidationError as error:
        problem = find_problem(error)
        place = ".".join(map(str, problem["loc"])) or "the catalog"
        raise ConfigurationError(f"The catalog is wrong at {place}: {tell_rule(problem)}.") from error


@cache
def built_in_catalog() -> Catalog:
    """Read the catalog this package ships."""
    return parse_catalog(built_in_catalog_text())


def built_in_catalog_text() -> str:
    """Read the text of the catalog this package ships."""
    return resources.files(__package__).joinpath("catalog.toml").read_text(encoding="utf-8")


def _read_toml(text: str) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The catalog is not TOML: {error}.") from error
    for name, table in tables.items():
        _require_table(name, table)
    for name, row in tables.get("models", {}).items():
        _require_table(f"models.{name}", row)
    return tables


def _require_table(place: str, value: object) -> None:
    if not isinstance(value, dict):
        raise ConfigurationError(f"The catalog is wrong at {place}: it must be a table.")


def _retired(name: str, on: date | None, replaced_by: str | None) -> InvalidRequest:
    instead = f" Ask for {replaced_by} instead." if replaced_by else ""
    return InvalidRequest(f"{name} was retired on {on}.{instead}", param="model", code="model_not_found")


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


def _list_numbers(numbers: tuple[int, ...]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 3 and numbers == tuple(range(first, last + 1)):
        return f"{first} to {last}"
    return ", ".join(map(str, numbers))
