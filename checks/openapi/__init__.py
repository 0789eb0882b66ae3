"""Keep the OpenAPI document as the resolvers have it: `python -m checks.openapi --write` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from checks.command import compare
from checks.openapi.document import describe_api
from functions.http.api import app as api
from functions.http.provider_webhooks import app as webhooks
from functions.http.submit import app as submit

RESOLVERS = (submit, api, webhooks)
# One to be read, and one that GET /openapi.json answers.
DOCUMENTS = ("docs/openapi.json", "layers/mediaposter/mediaposter/wire/openapi.json")


def describe_routes() -> str:
    """Describe all routes.

    Raises:
        UndescribedRoute: a route does not say what it takes and answers.
    """
    return describe_api(RESOLVERS, version=version("mediaposter"))


def write_documents(_: Path) -> dict[str, str]:
    """Give each document, by its path."""
    return dict.fromkeys(DOCUMENTS, describe_routes())


def check_openapi(root: Path) -> Iterator[str]:
    """Find the documents that say something else than the resolvers."""
    return compare(root, write_documents(root), "make openapi")
