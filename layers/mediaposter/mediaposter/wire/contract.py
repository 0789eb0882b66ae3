"""What each route takes and answers, named beside it, and the document that is made of all of them."""

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
        answers: what it answers when all is well, one of them; none where that has no body.
        path: what its path must fit, where that is more than any text.
        query: how its query is read.
        json: how its body is read, where that must be JSON.
        form: how its body is read, where that may be a multipart form or JSON.
        errors: the statuses of refusals that its code alone does not show.
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
    """Give the `openapi_extensions` of a route; `mediaposter.wire.openapi` reads them, a Lambda never does."""
    return {_EXTENSION: Contract(answers, path, query, json, form, errors)}


def find_contract(extensions: Mapping[str, Any] | None) -> Contract | None:
    """Find the contract among the `openapi_extensions` of a route."""
    found = (extensions or {}).get(_EXTENSION)
    return found if isinstance(found, Contract) else None


def read_openapi() -> str:
    """Read the OpenAPI document of this version, as JSON."""
    return resources.files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")
