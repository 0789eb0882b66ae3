"""The vendor's own fields that a request may set, and their valid values.

A vendor's API has more fields than a prompt, a length and a size. Some change the price, fetch an address, call a
webhook, switch moderation off, or access other jobs. So only the fields in the model's catalog row are sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictFloat, StrictInt, StringConstraints
from pydantic import model_validator as validate_model

from mediaposter.domain.errors import InvalidRequest

# The integer range of the vendors' servers (vllm-omni 0.30.0, `seed`).
_INTEGER_MAX = 2**63 - 1
TEXT_MAX_CHARACTERS = 2_000  # of a text whose vendor documents no limit
# Forms and spreadsheets hold only text.
_WHOLE_NUMBER = re.compile(r"-?\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,19}(\.\d{1,19})?", re.ASCII)
_SHOWN_NAME_CHARACTERS = 80

OptionName = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class ProviderOption(BaseModel):
    """One of the vendor's own fields that callers may set.

    Attributes:
        type: the type of its value; only `object` is not a single value.
        min: the least number, itself included.
        max: the greatest.
        max_characters: of a text.
        values: the only valid texts, if limited.
        fields: the only valid fields of an object.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["integer", "number", "boolean", "text", "object"]
    min: StrictInt | StrictFloat | None = None
    max: StrictInt | StrictFloat | None = None
    max_characters: int = Field(default=TEXT_MAX_CHARACTERS, gt=0)
    values: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    fields: dict[OptionName, ProviderOption] = Field(default_factory=dict)

    @validate_model(mode="after")
    def _check_bounds(self) -> ProviderOption:
        bounds = {
            "min": ("integer", "number"),
            "max": ("integer", "number"),
            "max_characters": ("text",),
            "values": ("text",),
            "fields": ("object",),
        }
        for name, types in bounds.items():
            if name in self.model_fields_set and self.type not in types:
                raise ValueError(f"{name} is no bound of an option of the type {self.type}")
        if self.type == "object" and not self.fields:
            raise ValueError("an option of the type object says which fields it has")
        numbers = [bound for bound in (self.min, self.max) if bound is not None]
        if not all(math.isfinite(number) for number in numbers) or numbers != sorted(numbers):
            raise ValueError("min and max are finite numbers, the least first")
        if self.type == "integer" and not all(isinstance(number, int) for number in numbers):
            raise ValueError("min and max of an integer are whole numbers")
        return self

    @property
    def rule(self) -> str:
        """Describe the valid values."""
        match self.type:
            case "integer" | "number":
                kind = "a whole number" if self.type == "integer" else "a number"
                return " ".join([kind, *_say_bounds(self.min, self.max)])
            case "boolean":
                return "true or false"
            case "text" if self.values:
                return f"one of {', '.join(self.values)}"
            case "text":
                return f"a text of 1 to {self.max_characters} characters"
            case "object":
                return f"an object with no other fields than {', '.join(self.fields)}"

    def read(self, value: JsonValue) -> JsonValue:
        """Read a single value, which is text in a form or a spreadsheet.

        Raises:
            ValueError: it is not valid for the option.
        """
        match self.type:
            case "integer" | "number":
                return self._read_number(value)
            case "boolean":
                return _read_boolean(value)
            case "text" if isinstance(value, str):
                is_taken = value in self.values if self.values else 0 < len(value) <= self.max_characters
                if is_taken:
                    return value
        raise ValueError(f"must be {self.rule}")

    def _read_number(self, value: JsonValue) -> int | float:
        if isinstance(value, str) and (_WHOLE_NUMBER if self.type == "integer" else _NUMBER).fullmatch(value):
            value = float(value) if "." in value else int(value)
        # True is a number in Python, but not for callers.
        if isinstance(value, bool) or not isinstance(value, int | float) or not self._takes_number(value):
            raise ValueError(f"must be {self.rule}")
        return int(value) if self.type == "integer" else value

    def _takes_number(self, number: float) -> bool:
        # NaN compares with no bound, and infinity exceeds every one.
        if not -_INTEGER_MAX <= number <= _INTEGER_MAX or (self.type == "integer" and number != int(number)):
            return False
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)


class PickedOptions(NamedTuple):
    """The options of a request that a model takes, and warnings about the others."""

    taken: dict[str, JsonValue]
    warnings: tuple[str, ...]


def read_options(
    model: str,
    allowed: Mapping[str, ProviderOption],
    options: Mapping[str, JsonValue],
    *,
    path: str = "provider_options",
) -> dict[str, JsonValue]:
    """Convert the options of a request to the vendor's types: `"7"` becomes a number for a number option.

    Args:
        model: the model's name, for the error messages.
        allowed: what its row lists.
        options: what the request sets.
        path: where they are in the request.

    Raises:
        InvalidRequest: about the first unlisted or invalid option; `param` is its path.
    """
    read: dict[str, JsonValue] = {}
    for name, value in options.items():
        place = f"{path}.{name[:_SHOWN_NAME_CHARACTERS]}"
        option = allowed.get(name)
        if option is None:
            raise InvalidRequest(
                f"{place}: {model} takes no such option; {_list_names(allowed)}",
                param=place,
                code="unknown_parameter",
            )
        if option.type == "object" and isinstance(value, dict):
            read[name] = read_options(model, option.fields, value, path=place)
            continue
        try:
            read[name] = option.read(value)
        except ValueError as error:
            raise InvalidRequest(f"{place}: {error} for {model}.", param=place, code="invalid_value") from error
    return read


def pick_options(model: str, allowed: Mapping[str, ProviderOption], options: Mapping[str, JsonValue]) -> PickedOptions:
    """Take the options that a model supports, and omit the others with a warning."""
    taken: dict[str, JsonValue] = {}
    warnings = []
    for name, value in options.items():
        try:
            taken |= read_options(model, allowed, {name: value})
        except InvalidRequest as refusal:
            warnings.append(f"{refusal.message.rstrip('.')}. It is left out.")
    return PickedOptions(taken, tuple(warnings))


def _read_boolean(value: JsonValue) -> bool:
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower())
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 (every refusal of a value is a ValueError here)
    return value


def _say_bounds(least: float | None, greatest: float | None) -> list[str]:
    if least is not None and greatest is not None:
        return [f"from {least} to {greatest}"]
    if least is not None:
        return [f"of at least {least}"]
    return [] if greatest is None else [f"of at most {greatest}"]


def _list_names(allowed: Iterable[str]) -> str:
    names = ", ".join(allowed)
    return f"it takes {names}." if names else "it takes none."
