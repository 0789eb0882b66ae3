"""The routes of the API, collected from the resolvers that answer them on AWS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from mediaposter.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver

# The modules of functions/http whose `app` answers routes.
_MODULES = ("submit", "api", "mcp", "provider_webhooks")
# A wheel has functions/ within the package; a checkout has it at the top.
_PACKAGES = ("mediaposter.functions", "functions")
# Providers sign their webhooks. Every other route takes an API key.
_WITHOUT_KEY = frozenset({("POST", "/webhooks/{provider}")})


class Route(NamedTuple):
    """A method of a path, and what answers it.

    Attributes:
        method: the HTTP method.
        path: the template of its path, such as `/videos/{video_id}`.
        needs_key: whether a caller must send an API key.
        resolver: what answers it.
    """

    method: str
    path: str
    needs_key: bool
    resolver: APIGatewayRestResolver


class Routes:
    """Finds routes as API Gateway does: the path first, then its method."""

    def __init__(self, resolvers: Iterable[APIGatewayRestResolver]) -> None:
        by_path: dict[str, dict[str, Route]] = {}
        for resolver in resolvers:
            for each in (*resolver._static_routes, *resolver._dynamic_routes):
                # A handler's unused argument begins with _.
                path = each.openapi_path.replace("{_", "{")
                needs_key = (each.method, path) not in _WITHOUT_KEY
                by_path.setdefault(path, {})[each.method] = Route(each.method, path, needs_key, resolver)
        # A fixed part goes before a parameter: /videos/edits is not the video "edits".
        ordered = sorted(by_path, key=lambda path: [part.startswith("{") for part in path.split("/")])
        self._paths = [(_compile(path), by_path[path]) for path in ordered]

    def __iter__(self) -> Iterator[Route]:
        """Give every route."""
        return chain.from_iterable(methods.values() for _, methods in self._paths)

    def find(self, method: str, path: str) -> Route | None:
        """Find the route of a request; `path` begins with a slash, and one at its end counts for nothing."""
        for pattern, methods in self._paths:
            if pattern.fullmatch(path):
                return methods.get(method)
        return None


def find_functions() -> str:
    """Find the package of the functions.

    Raises:
        ConfigurationError: it is not installed.
    """
    package = next((name for name in _PACKAGES if find_spec(name) is not None), None)
    if package is None:
        raise ConfigurationError(
            "The routes of the API are not installed: neither mediaposter.functions nor functions can be imported. "
            "Install the package from its wheel, or work in a checkout after `make install`."
        )
    return package


def load_routes() -> Routes:
    """Import the route modules, and collect their routes.

    Raises:
        ConfigurationError: there are no route modules.
    """
    package = find_functions()
    return Routes(import_module(f"{package}.http.{name}").app for name in _MODULES)


def _compile(path: str) -> re.Pattern[str]:
    parts = ("[^/]+" if part.startswith("{") else re.escape(part) for part in path.split("/"))
    return re.compile("/".join(parts) + "/?")
