"""Keep docs/events as the models of the events are: `python -m checks.events --write` writes it.

A file is the JSON schema of the `detail` of one event, in or out, and is named after its `detail-type`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from checks.command import compare, keep
from checks.openapi import describe_routes
from checks.openapi.schemas import collect_schemas
from mediaposter.events import (
    BatchEvent,
    BudgetEvent,
    PostEvent,
    SeriesExhausted,
    VideoEvent,
    VideoQueued,
    VideoRejected,
)
from mediaposter.wire.intake import CORRELATION_ID_MAX_CHARACTERS

DIRECTORY = "docs/events"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SENT: tuple[type[BaseModel], ...] = (
    *(VideoEvent, PostEvent, BatchEvent, BudgetEvent),
    *(VideoQueued, VideoRejected, SeriesExhausted),
)


def write_schemas(_: Path) -> dict[str, str]:
    """Give the schema of every event, by the path of its file."""
    schemas = {"video.requested": _describe_request(), **dict(_describe_sent())}
    return {
        f"{DIRECTORY}/{name}.json": json.dumps(
            {"$schema": _DIALECT, "title": name, **schema}, indent=2, ensure_ascii=False
        )
        + "\n"
        for name, schema in schemas.items()
    }


def check_events(root: Path) -> Iterator[str]:
    """Find the files that say something else than the models."""
    return compare(root, write_schemas(root), "python -m checks.events --write")


def _describe_request() -> dict[str, Any]:
    """Describe a request as the OpenAPI document does, with a correlation id beside it."""
    components = json.loads(describe_routes())["components"]["schemas"]
    schema = components["CreateVideoRequest"]
    correlation_id = {
        "description": "By what the one who asks knows the answer.",
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": CORRELATION_ID_MAX_CHARACTERS,
    }
    request = {
        **schema,
        "description": "Asks for a video. Put it on the stack's bus, under any source but mediaposter.",
        "properties": {"correlation_id": correlation_id, **schema["properties"]},
        "$defs": dict(sorted(collect_schemas(schema, components).items())),
    }
    described: dict[str, Any] = json.loads(json.dumps(request).replace("#/components/schemas/", "#/$defs/"))
    return described


def _describe_sent() -> Iterator[tuple[str, dict[str, Any]]]:
    for model in _SENT:
        schema = model.model_json_schema()
        properties = {name: _drop_null(field) for name, field in schema["properties"].items()}
        for event_type in get_args(model.model_fields["type"].annotation):
            yield (
                event_type,
                {
                    **schema,
                    "title": event_type,
                    "properties": {**properties, "type": {"const": event_type}},
                    "required": sorted({*schema["required"], "type"}),
                },
            )


def _drop_null(field: dict[str, Any]) -> dict[str, Any]:
    """Leave out null: an event has no field whose value is not known."""
    kept = {name: value for name, value in field.items() if name not in {"title", "default", "anyOf"}}
    return {**kept, **next((option for option in field.get("anyOf", []) if option != {"type": "null"}), {})}


if __name__ == "__main__":
    keep(write_schemas, check_events)
