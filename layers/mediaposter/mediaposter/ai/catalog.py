"""The model catalog: models, their limits and prices, aliases, and replacements of retired models."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic import model_validator as validate_model

from mediaposter.ai.catalog_entry import (
    Capabilities,
    CatalogEntry,
    FieldMap,
    FittedExtension,
    FittedRequest,
    ImageRole,
    Shape,
    cut_short,
    parse_size,
)
from mediaposter.ai.provider_options import ProviderOption
from mediaposter.domain.errors import ConfigurationError, InvalidRequest
from mediaposter.domain.validation_errors import find_problem, tell_rule

__all__ = [
    "ALIAS_SECONDS",
    "ALIAS_SIZES",
    "PROMPT_MAX_CHARACTERS",
    "Capabilities",
    "Catalog",
    "CatalogEntry",
    "FieldMap",
    "FittedExtension",
    "FittedRequest",
    "ImageRole",
    "ProviderOption",
    "Resolution",
    "Shape",
    "built_in_catalog",
    "built_in_catalog_text",
    "check_alias_seconds",
    "parse_catalog",
    "parse_size",
]

PROMPT_MAX_CHARACTERS = 32_000  # OpenAI's bound on `prompt`, POST /videos
# The lengths and sizes that an alias accepts: those in code for OpenAI's Videos API (openai-python 3.54.0, `VideoSize`,
# and 1080p). Anything else is a mistake, and the nearest match to a mistake may be the most expensive video.
ALIAS_SECONDS = range(2, 21)
ALIAS_SIZES = ("720x1280", "1280x720", "1024x1792", "1792x1024", "1080x1920", "1920x1080")


class GoneModel(BaseModel):
    """A model that callers still request, but no vendor serves any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retired_on: date
    replaced_by: str | None = None


# The concurrent renders for a provider without a documented limit.
RENDERS_AT_ONCE = 10
# OpenAI kept a video for a day (its Videos API, `expires_at`); this is the default for the others.
KEEPS_HOURS = 24


class ProviderEntry(BaseModel):
    """The settings for all models of a provider.

    Attributes:
        renders_at_once: its concurrent renders for one account.
        keeps_hours: how long a finished video can be downloaded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    renders_at_once: int = Field(default=RENDERS_AT_ONCE, gt=0)
    keeps_hours: int = Field(default=KEEPS_HOURS, gt=0)


class Resolution(NamedTuple):
    """The model of a name, and whether the name was an alias for it."""

    entry: CatalogEntry
    is_alias: bool

    def check(self, name: str, *, seconds: int, size: str) -> None:
        """Refuse a length or size that the requested name does not accept.

        Raises:
            InvalidRequest: with `param` seconds or size.
        """
        if not self.is_alias:
            self.entry.check(seconds=seconds, size=size)
            return
        check_alias_seconds(name, seconds)
        if size not in ALIAS_SIZES:
            raise InvalidRequest(
                f"{cut_short(name)} takes the sizes {', '.join(ALIAS_SIZES)}, not {size}. A model asked for by its own "
                "name may make others; GET /models lists them.",
                param="size",
                code="invalid_value",
            )


def check_alias_seconds(name: str, seconds: int) -> None:
    """Refuse a length that an alias does not take.

    Raises:
        InvalidRequest: with `param` seconds.
    """
    if seconds not in ALIAS_SECONDS:
        raise InvalidRequest(
            f"{cut_short(name)} takes {ALIAS_SECONDS[0]} to {ALIAS_SECONDS[-1]} seconds, not {cut_short(seconds)}.",
            param="seconds",
            code="invalid_value",
        )


class Catalog(BaseModel):
    """All models that a stack offers, by name, with their aliases.

    `withheld` says, by provider, why its models cannot be asked for: their key is missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[str, CatalogEntry]
    aliases: dict[str, str] = Field(default_factory=dict)
    gone: dict[str, GoneModel] = Field(default_factory=dict)
    providers: dict[str, ProviderEntry] = Field(default_factory=dict)
    withheld: dict[str, str] = Field(default_factory=dict)

    @validate_model(mode="after")
    def _lead_somewhere(self) -> Catalog:
        for alias, name in self.aliases.items():
            if name not in self.models:
                raise ValueError(f"the alias {alias} leads to {name}, which is no model here")
        return self

    def resolve(self, name: str, *, today: date) -> Resolution:
        """Find the model of a caller's name; for an unknown name, a date at its end is ignored.

        Raises:
            InvalidRequest: it is unknown (the message lists the models) or retired (the message names the replacement).
        """
        plain = self._leave_out_date(name)
        target = self.aliases.get(plain, plain)
        entry = self.get(target)
        if entry.is_retired(today):
            raise _retired(entry.name, entry.retires_on, entry.replaced_by)
        self.check_offered(entry)
        return Resolution(entry, is_alias=target != plain)

    def check_offered(self, entry: CatalogEntry, *, param: str = "model") -> None:
        """Refuse a model whose provider is withheld.

        Raises:
            InvalidRequest: with the reason.
        """
        if entry.provider in self.withheld:
            raise InvalidRequest(f"{entry.name}: {self.withheld[entry.provider]}", param=param, code="model_not_found")

    def is_alias(self, name: str) -> bool:
        """Tell whether a caller's name, with or without a date at its end, is an alias of a model."""
        plain = self._leave_out_date(name)
        return self.aliases.get(plain, plain) != plain

    def _leave_out_date(self, name: str) -> str:
        is_known = name in self.models or name in self.aliases or name in self.gone
        return name if is_known else re.sub(r"-\d{4}-\d{2}-\d{2}$", "", name)

    def with_aliases(self, aliases: Mapping[str, str]) -> Catalog:
        """Return a catalog with additional aliases.

        Raises:
            ConfigurationError: an alias refers to an unknown model.
        """
        for alias, name in aliases.items():
            if name not in self.models:
                raise ConfigurationError(
                    f"The alias {alias} leads to {name}, which is no model here. There are: "
                    f"{', '.join(sorted(self.models))}."
                )
        return self.model_copy(update={"aliases": {**self.aliases, **aliases}})

    def withhold(self, reasons: Mapping[str, str], *, instead: str) -> Catalog:
        """Return a catalog that offers nothing of some providers; aliases to their models lead to `instead`."""
        aliases = {
            alias: instead if self.models[name].provider in reasons else name for alias, name in self.aliases.items()
        }
        return self.model_copy(update={"aliases": aliases, "withheld": dict(reasons)})

    def can_ask_for(self, name: str, *, today: date) -> bool:
        """Tell whether a model of this name may be asked for today."""
        entry = self.models[name]
        return entry.provider not in self.withheld and not entry.is_retired(today)

    def list_offered(self) -> list[CatalogEntry]:
        """List the models that can be asked for, unless they are retired."""
        return [entry for entry in self.models.values() if entry.provider not in self.withheld]

    def count_renders_at_once(self, provider: str) -> int:
        """Return how many videos a provider renders at once for a new account."""
        entry = self.providers.get(provider)
        return RENDERS_AT_ONCE if entry is None else entry.renders_at_once

    def count_kept_hours(self, provider: str) -> int:
        """Return for how many hours a provider keeps a finished video."""
        entry = self.providers.get(provider)
        return KEEPS_HOURS if entry is None else entry.keeps_hours

    def list_providers(self) -> list[str]:
        """List the providers of the models."""
        return sorted({entry.provider for entry in self.models.values()})

    def has_living(self, name: str, *, today: date) -> bool:
        """Tell whether a name leads to a model that is not retired today."""
        try:
            self.resolve(name, today=today)
        except InvalidRequest:
            return False
        return True

    def get(self, name: str) -> CatalogEntry:
        """Find a model by its own name, without aliases.

        Raises:
            InvalidRequest: lists the existing names, or names the replacement of a retired model.
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
        """List the available models that can make such a video, the cheapest first."""
        fitting = [
            entry
            for entry in self.list_offered()
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
        extending: another catalog's text; `text` overrides its rows.

    Raises:
        ConfigurationError: names the wrong line, or row and field.
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
