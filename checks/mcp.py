"""Keep the schemas of MCP's tools as their models have them: `python -m checks.mcp --write` writes them.

They are made as those of the OpenAPI document are, of which most of these models are a part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from checks.command import compare, keep
from checks.openapi.routes import Route
from checks.openapi.schemas import Schemas
from mediaposter.wire.contract import contract, find_contract
from mediaposter.wire.errors import ErrorDetail, ErrorEnvelope
from mediaposter.wire.mcp_tools import TOOLS

DOCUMENT = "layers/mediaposter/mediaposter/wire/mcp_tools.json"
_COMPONENT = "#/components/schemas/"


def write_tools(_: Path) -> dict[str, str]:
    """Give the file that tools/list answers with."""
    schemas = Schemas([_as_route(name) for name in TOOLS])
    tools = [
        {
            "name": name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": _write_schema(schemas, tool.arguments, "validation"),
            "outputSchema": _write_schema(schemas, tool.answer, "serialization"),
            "annotations": tool.annotations,
        }
        for name, tool in TOOLS.items()
    ]
    return {
        DOCUMENT: json.dumps(tools, ensure_ascii=False, separators=(",", ":")).replace('{"name":', '\n{"name":') + "\n"
    }


def check_mcp(root: Path) -> Iterator[str]:
    """Find a file that says something else than the models do."""
    return compare(root, write_tools(root), "python -m checks.mcp --write")


def _as_route(name: str) -> Route:
    tool = TOOLS[name]
    found = find_contract(contract(tool.answer, json=tool.arguments))
    if found is None:
        raise AssertionError("a contract was just made")
    return Route("POST", f"/{name}", name, tool.description, found)


def _write_schema(schemas: Schemas, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
    """Write a model's schema with those that it refers to: a client resolves nothing beyond the tool."""
    schema = schemas.of(model, mode)
    used = schemas.keep_used(schema)
    own = {
        name: part for name, part in sorted(used.items()) if name not in (ErrorEnvelope.__name__, ErrorDetail.__name__)
    }
    whole = {"type": "object", **schema, **({"$defs": own} if own else {})}
    written: dict[str, Any] = json.loads(json.dumps(whole).replace(_COMPONENT, "#/$defs/"))
    _drop_discriminators(written)
    return written


def _drop_discriminators(part: object) -> None:
    """Drop what OpenAPI alone knows."""
    if isinstance(part, dict):
        # A field may be called so, too.
        if isinstance(part.get("discriminator"), dict) and "propertyName" in part["discriminator"]:
            del part["discriminator"]
        for value in part.values():
            _drop_discriminators(value)
    elif isinstance(part, list):
        for value in part:
            _drop_discriminators(value)


if __name__ == "__main__":
    keep(write_tools, check_mcp)
