"""The request and response models that each route names, and the OpenAPI document that is built from them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue

_EXTENSION = "contract"


class OpenApiDocument(BaseModel):
    """An OpenAPI document (spec.openapis.org/oas/v3.1.1)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    openapi: str
    info: dict[str, JsonValue]
    paths: dict[str, JsonValue]


class Contract(NamedTuple):
    """The models of a route.

    Attributes:
        answers: the possible models of a success response; none if it has no body.
        path: the model of its path parameters, if these are more than any text.
        query: the model of its query.
        json: the model of its body, if that must be JSON.
        form: the model of its body, if that may be a multipart form or JSON.
        errors: the error statuses that the route's code alone does not show.
    """

    answers: tuple[type[BaseModel], ...]
    path: type[BaseModel] | None
    query: type[BaseModel] | None
    json: type[BaseModel] | None
    form: type[BaseModel] | None
    errors: tuple[int, ...]


def contract(
    *answers: type[BaseModel],
    path: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    json: type[BaseModel] | None = None,
    form: type[BaseModel] | None = None,
    errors: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Return the `openapi_extensions` of a route; only `mediaposter.wire.openapi` reads them, no Lambda does."""
    return {_EXTENSION: Contract(answers, path, query, json, form, errors)}


def find_contract(extensions: Mapping[str, Any] | None) -> Contract | None:
    """Find the contract among the `openapi_extensions` of a route."""
    found = (extensions or {}).get(_EXTENSION)
    return found if isinstance(found, Contract) else None


def read_openapi() -> str:
    """Read the OpenAPI document of this version, as JSON."""
    return resources.files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")
