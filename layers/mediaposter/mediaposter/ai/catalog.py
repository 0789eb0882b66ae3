"""Which models exist, what fits them, what a video costs, and where they are retired."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from mediaposter.ai.video_model_interface import Capabilities
from mediaposter.errors import InvalidRequest

PROMPT_MAX_CHARACTERS = 32_000  # OpenAI's bound on `prompt`, POST /videos

Size = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{1,4}x[1-9]\d{1,4}$")]


def parse_size(size: str) -> tuple[int, int]:
    """Split `WIDTHxHEIGHT` into pixels."""
    width, height = size.split("x")
    return int(width), int(height)


class Retirement(BaseModel):
    """A host that no longer serves a model, and since when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    on: date


class CatalogEntry(BaseModel):
    """One model: its provider, what it can do, and what it costs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    provider: str
    durations_seconds: tuple[int, ...] = Field(min_length=1)
    sizes: tuple[Size, ...] = Field(min_length=1)
    price_usd_per_second: dict[str, Decimal]
    expected_render_seconds: int = Field(gt=0)
    capabilities: Capabilities = Capabilities()
    retired: tuple[Retirement, ...] = ()

    def check(self, *, seconds: int, size: str) -> None:
        """Refuse a length or size this model cannot do, naming what it can.

        Raises:
            InvalidRequest: with `param` seconds or size.
        """
        if seconds not in self.durations_seconds:
            offered = ", ".join(str(value) for value in self.durations_seconds)
            raise InvalidRequest(
                f"{self.name} makes videos of {offered} seconds, not {seconds}.", param="seconds", code="invalid_value"
            )
        if size not in self.sizes:
            raise InvalidRequest(
                f"{self.name} makes videos of {', '.join(self.sizes)}, not {size}.", param="size", code="invalid_value"
            )

    def estimate_cost_micros(self, *, seconds: int, size: str) -> int:
        """Price a video in micro-dollars."""
        shorter_side = str(min(parse_size(size)))
        return int(self.price_usd_per_second[shorter_side] * 1_000_000) * seconds


class Catalog(BaseModel):
    """All models a stack offers, by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[str, CatalogEntry]

    def get(self, name: str) -> CatalogEntry:
        """Find a model by name.

        Raises:
            InvalidRequest: with the names that exist.
        """
        entry = self.models.get(re.sub(r"-\d{4}-\d{2}-\d{2}$", "", name))
        if entry is None:
            raise InvalidRequest(
                f"There is no model {name[:80]!r} here. There are: {', '.join(sorted(self.models))}.",
                param="model",
                code="model_not_found",
            )
        return entry


def parse_catalog(text: str) -> Catalog:
    """Read a catalog from TOML."""
    models = {name: {"name": name, **row} for name, row in tomllib.loads(text)["models"].items()}
    return Catalog.model_validate({"models": models})


@cache
def built_in_catalog() -> Catalog:
    """Read the catalog this package ships."""
    return parse_catalog(resources.files(__package__).joinpath("catalog.toml").read_text(encoding="utf-8"))
