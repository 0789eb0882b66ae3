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
        errors: the error statuses that do not follow from the rest of the contract.
        is_idempotent: whether it reads an Idempotency-Key, and starts an execution.
        tells_poll_interval: whether its response says when to ask again.
        redirects: whether its response is a redirect.
        is_webhook: whether its body is a provider's, signed instead of authorized.
    """

    answers: tuple[type[BaseModel], ...]
    path: type[BaseModel] | None
    query: type[BaseModel] | None
    json: type[BaseModel] | None
    form: type[BaseModel] | None
    errors: tuple[int, ...]
    is_idempotent: bool
    tells_poll_interval: bool
    redirects: bool
    is_webhook: bool


def contract(
    *answers: type[BaseModel],
    path: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    json: type[BaseModel] | None = None,
    form: type[BaseModel] | None = None,
    errors: tuple[int, ...] = (),
    is_idempotent: bool = False,
    tells_poll_interval: bool = False,
    redirects: bool = False,
    is_webhook: bool = False,
) -> dict[str, Any]:
    """Return the `openapi_extensions` of a route; `python -m checks.openapi` reads them, no Lambda does."""
    return {
        _EXTENSION: Contract(
            answers=answers,
            path=path,
            query=query,
            json=json,
            form=form,
            errors=errors,
            is_idempotent=is_idempotent,
            tells_poll_interval=tells_poll_interval,
            redirects=redirects,
            is_webhook=is_webhook,
        )
    }


def find_contract(extensions: Mapping[str, Any] | None) -> Contract | None:
    """Find the contract among the `openapi_extensions` of a route."""
    found = (extensions or {}).get(_EXTENSION)
    return found if isinstance(found, Contract) else None


def read_openapi() -> str:
    """Read the OpenAPI document of this version, as JSON."""
    return resources.files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")
