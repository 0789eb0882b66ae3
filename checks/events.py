"""Keep docs/events as the models of the events are: `python -m checks.events --write` writes it.

A file is the JSON schema of the `detail` of one event, in or out, and is named after its `detail-type`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from checks.openapi import write_openapi
from mediaposter.api.intake import CORRELATION_ID_MAX_CHARACTERS
from mediaposter.api.openapi import collect_schemas
from mediaposter.events import BatchEvent, PostEvent, SeriesExhausted, VideoEvent, VideoQueued, VideoRejected

DIRECTORY = "docs/events"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_COMPONENT = "#/components/schemas/"
_TOLD: tuple[type[BaseModel], ...] = (VideoEvent, PostEvent, BatchEvent, VideoQueued, VideoRejected, SeriesExhausted)


def check_events(root: Path) -> list[str]:
    """Find the files that say something else than the models, and those that are of no event."""
    expected = write_schemas()
    found = {path.stem: path.read_text(encoding="utf-8") for path in (root / DIRECTORY).glob("*.json")}
    return [
        f"{DIRECTORY}/{name}.json: is not what the models have; run `python -m checks.events --write`"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]


def write_schemas() -> dict[str, str]:
    """Write the schema of every event, by its type."""
    schemas = {"video.requested": _describe_requested(), **dict(_describe_told())}
    return {
        name: json.dumps({"$schema": _DIALECT, "title": name, **schema}, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def _describe_requested() -> dict[str, Any]:
    """Describe what is asked for as the API's own document does, and the name of the answer beside it."""
    components = json.loads(write_openapi())["components"]["schemas"]
    schema = components["CreateVideoRequest"]
    correlation_id = {
        "description": "By what the one who asks knows the answer.",
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": CORRELATION_ID_MAX_CHARACTERS,
    }
    requested = {
        **schema,
        "description": "Asks for a video. Put it on the stack's bus, under any source but mediaposter.",
        "properties": {"correlation_id": correlation_id, **schema["properties"]},
        "$defs": dict(sorted(collect_schemas(schema, components).items())),
    }
    described: dict[str, Any] = json.loads(json.dumps(requested).replace(_COMPONENT, "#/$defs/"))
    return described


def _describe_told() -> Iterator[tuple[str, dict[str, Any]]]:
    for model in _TOLD:
        for event_type in get_args(model.model_fields["type"].annotation):
            schema = model.model_json_schema()
            # What is not known is left out of an event.
            properties = {name: _drop_null(field) for name, field in schema["properties"].items()}
            properties["type"] = {"const": event_type}
            required = sorted({*schema["required"], "type"})
            yield event_type, {**schema, "title": event_type, "properties": properties, "required": required}


def _drop_null(field: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in field.items() if name not in {"title", "default", "anyOf"}}
    options = [option for option in field.get("anyOf", []) if option != {"type": "null"}]
    return {**kept, **(options[0] if options else {})}


def main() -> None:
    """Check the files, or write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parent.parent)
    parser.add_argument("--write", action="store_true", help="write them from the models")
    arguments = parser.parse_args()
    if arguments.write:
        (arguments.root / DIRECTORY).mkdir(exist_ok=True)
        for name, schema in write_schemas().items():
            (arguments.root / DIRECTORY / f"{name}.json").write_text(schema, encoding="utf-8")
    findings = check_events(arguments.root)
    for finding in findings:
        print(finding)
    raise SystemExit(1 if findings else 0)


if __name__ == "__main__":
    main()
