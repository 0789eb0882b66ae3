"""Keep the OpenAPI document as the resolvers have it: `python -m checks.openapi --write` writes it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from functions.batches.app import app as batches
from functions.library.app import app as library
from functions.posts.app import app as posts
from functions.submit.app import app as submit
from functions.webhooks.app import app as webhooks
from mediaposter.api.openapi import UndescribedRoute, collect_schemas, describe_api

# One to be read, and one that GET /openapi.json answers.
DOCUMENTS = ("docs/openapi.json", "layers/mediaposter/mediaposter/api/openapi.json")


def check_openapi(root: Path) -> list[str]:
    """Find the routes of which a document says something else than their resolvers.

    Raises:
        UndescribedRoute: a route does not say what it takes and answers.
    """
    expected = write_openapi()
    return [
        f"{name}: {difference} is not what the resolvers have; run `make openapi`"
        for name in DOCUMENTS
        for difference in _compare(root / name, expected)
    ]


def write_openapi() -> str:
    """Write the document of all routes."""
    return describe_api([submit, library, posts, batches, webhooks], version=version("mediaposter"))


def _compare(path: Path, expected_text: str) -> Iterator[str]:
    text = path.read_text(encoding="utf-8") if path.exists() else "{}"
    if text == expected_text:
        return
    found, expected = _list_operations(json.loads(text)), _list_operations(json.loads(expected_text))
    different = sorted(route for route in found.keys() | expected.keys() if found.get(route) != expected.get(route))
    yield from different or ["what belongs to no route"]


def _list_operations(document: dict[str, Any]) -> dict[str, Any]:
    """Give each operation, by its route, with the schemas that it refers to."""
    schemas = document.get("components", {}).get("schemas", {})
    return {
        f"{method.upper()} {path}": (operation, collect_schemas(operation, schemas))
        for path, operations in document.get("paths", {}).items()
        for method, operation in operations.items()
    }


def main() -> None:
    """Check the documents, or write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parent.parent)
    parser.add_argument("--write", action="store_true", help="write them from the resolvers")
    arguments = parser.parse_args()
    try:
        if arguments.write:
            for name in DOCUMENTS:
                (arguments.root / name).write_text(write_openapi(), encoding="utf-8")
        findings = check_openapi(arguments.root)
    except UndescribedRoute as error:
        raise SystemExit(str(error)) from error
    for finding in findings:
        print(finding)
    raise SystemExit(1 if findings else 0)


if __name__ == "__main__":
    main()
