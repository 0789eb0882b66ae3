"""The routes of a resolver, each with its contract."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel

from mediaposter.wire.contract import Contract, find_contract


class UndescribedRoute(Exception):
    """A route has no contract, or an incomplete one; the message names the route."""


class Route(NamedTuple):
    """A route of a resolver."""

    method: str
    path: str
    operation_id: str
    documentation: str
    contract: Contract

    @property
    def path_parameters(self) -> list[str]:
        """The names in its path, in order."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def body(self) -> type[BaseModel] | None:
        """The model of its body, if it has one."""
        return self.contract.json or self.contract.form


def list_routes(resolver: APIGatewayRestResolver) -> Iterator[Route]:
    """List the routes.

    Raises:
        UndescribedRoute: a route has no docstring, no contract, or one without any answer.
    """
    # Powertools lists its routes only in the document that it generates.
    for route in [*resolver._static_routes, *resolver._dynamic_routes]:
        # A handler's unused argument begins with _.
        path = route.openapi_path.replace("{_", "{")
        found = find_contract(route.openapi_extensions)
        place = f"{route.method} {path} ({route.func.__name__})"
        if found is None:
            raise UndescribedRoute(
                f"{place} does not say what it takes and answers: give its decorator openapi_extensions=contract(…)."
            )
        documentation = inspect.getdoc(route.func)
        if not documentation:
            raise UndescribedRoute(f"{place} has no docstring, whose first line becomes its summary.")
        if not (found.answers or found.redirects or found.errors):
            raise UndescribedRoute(
                f"{place} names no answer: name its models, or as errors= the refusals that are all it gives."
            )
        yield Route(route.method, path, route.func.__name__, documentation, found)
