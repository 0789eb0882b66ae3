"""The JSON schemas of what the routes take and answer: pydantic's, as the wire has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core.core_schema import DataclassField, ModelField, ModelSchema, TypedDictField, WithDefaultSchema

from checks.openapi.routes import Route
from mediaposter.wire.errors import ErrorEnvelope
from mediaposter.wire.forms import BRACKETS_MAX
from mediaposter.wire.picture_header import ContentType
from mediaposter.wire.pictures import UploadReference
from mediaposter.wire.urls import URL_MAX_CHARACTERS

JsonObject: TypeAlias = dict[str, Any]

JSON = "application/json"
_COMPONENT = "#/components/schemas/"


def refer_component(name: str) -> JsonObject:
    """Refer to a schema among the components."""
    return {"$ref": f"{_COMPONENT}{name}"}


class Schemas:
    """The JSON schemas of all models that the routes name."""

    def __init__(self, routes: Sequence[Route]) -> None:
        models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ErrorEnvelope, "serialization"): None}
        for route in routes:
            read = (route.contract.path, route.contract.query, route.body)
            models |= {(model, "validation"): None for model in read if model}
            models |= {(model, "serialization"): None for model in route.contract.answers}
        self._references, document = models_json_schema(
            list(models), ref_template=f"{_COMPONENT}{{model}}", schema_generator=_SchemaGenerator
        )
        self._components: dict[str, JsonObject] = document["$defs"]
        for component in self._components.values():
            component.pop("title", None)
        for model in {model: None for route in routes for model in route.contract.answers}:
            self.of(model, "serialization").setdefault("description", read_summary(model))
        self._path_parameters: dict[str, JsonObject] = {}
        for route in routes:
            self._take_path_parameters(route)
        for model in {route.body: None for route in routes if route.body}:
            properties = self.of(model, "validation")["properties"]
            properties |= {name: _WIRE[name](properties[name]) for name in properties.keys() & _WIRE.keys()}
        for schema in list(self._components.values()):
            publish = schema.get("properties", {}).get("publish")
            if publish:
                self._components["PublishTarget"] = publish["items"]
                publish["items"] = refer_component("PublishTarget")
        for model in {route.contract.form: None for route in routes if route.contract.form}:
            self._components[f"{model.__name__}Form"] = _write_form(self.of(model, "validation"))
        bodies = [self.refer(route.body, "validation") for route in routes if route.body]
        for schema in collect_schemas(bodies, self._components).values():
            _take_null(schema)

    def refer(self, model: type[BaseModel], mode: JsonSchemaMode) -> JsonObject:
        """Return the reference to a model's schema."""
        return dict(self._references[model, mode])

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> JsonObject:
        """Return a model's schema."""
        return self._components[self.refer(model, mode)["$ref"].removeprefix(_COMPONENT)]

    def of_path_parameter(self, name: str) -> JsonObject:
        """Return the schema of a path parameter, or of the body's field that it fills."""
        return self._path_parameters.get(name, {"type": "string"})

    def keep_used(self, paths: JsonObject) -> dict[str, JsonObject]:
        """Return the schemas that the paths and the errors refer to."""
        return collect_schemas([paths, self.refer(ErrorEnvelope, "serialization")], self._components)

    def _take_path_parameters(self, route: Route) -> None:
        """Take the path's model, and remove from a body the fields that the path sets."""
        if route.contract.path:
            self._path_parameters |= self.of(route.contract.path, "validation")["properties"]
        if route.body is None:
            return
        schema = self.of(route.body, "validation")
        for name in route.path_parameters:
            field = route.body.model_fields.get(name)
            if field is not None:
                alias = str(field.validation_alias or name)
                self._path_parameters[name] = schema["properties"].pop(alias)
                schema["required"].remove(alias)


class _SchemaGenerator(GenerateJsonSchema):
    """Pydantic's, without titles that only repeat names. A response has all of its fields, and may gain more."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False

    def field_is_required(self, field: ModelField | DataclassField | TypedDictField, total: bool) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)

    def default_schema(self, schema: WithDefaultSchema) -> JsonObject:
        return self.generate_inner(schema["schema"]) if self.mode == "serialization" else super().default_schema(schema)

    def model_schema(self, schema: ModelSchema) -> JsonObject:
        written = super().model_schema(schema)
        if self.mode == "serialization" and written.get("additionalProperties") is False:
            del written["additionalProperties"]
        return written

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(name).strip("_")


def collect_schemas(part: object, schemas: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    """Collect the component schemas that a part of a document refers to, directly or through others."""
    collected: dict[str, JsonObject] = {}
    waiting = [part]
    while waiting:
        for name in _find_references(waiting.pop()) - collected.keys():
            collected[name] = schemas[name]
            waiting.append(schemas[name])
    return collected


def _find_references(value: object) -> set[str]:
    if isinstance(value, dict):
        reference = str(value.get("$ref", ""))
        found = {reference.removeprefix(_COMPONENT)} if reference.startswith(_COMPONENT) else set()
        return found.union(*map(_find_references, value.values()))
    if isinstance(value, list):
        return set().union(*map(_find_references, value))
    return set()


# What a field accepts on the wire, where its model only shows the parsed type.


def _take_null(schema: JsonObject) -> None:
    """Allow null for each optional field."""
    for name, field in schema.get("properties", {}).items():
        if name not in schema.get("required", []) and {"type": "null"} not in field.get("anyOf", []):
            kept = {key: field.pop(key) for key in ("default", "description") if key in field}
            options = field["anyOf"] if field.keys() == {"anyOf"} else [field]
            schema["properties"][name] = {**kept, "anyOf": [*options, {"type": "null"}]}


def _take_number(schema: JsonObject) -> JsonObject:
    kept = {name: schema.pop(name) for name in ("default",) if name in schema}
    # OpenAI's SDK writes a number as text, and a form holds only text.
    pattern = "^[0-9]+$" if schema.get("minimum") == 0 else "^[1-9][0-9]*$"
    return {"anyOf": [schema, {"type": "string", "pattern": pattern}], **kept}


def _take_dollars(schema: JsonObject) -> JsonObject:
    del schema
    number = {"type": "number", "minimum": 0, "maximum": 1_000_000_000}
    text = {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?$"}
    return {
        "description": "The most that the video may cost, in dollars; a higher price is refused before it is made.",
        "anyOf": [number, text, {"type": "null"}],
    }


def _take_video(schema: JsonObject) -> JsonObject:
    return {"anyOf": [schema, _describe_object("id", schema)]}


def _take_reference(schema: JsonObject) -> JsonObject:
    del schema
    upload_id = UploadReference.model_json_schema()["properties"]["upload_id"]["pattern"]
    return {
        "description": "The picture that the video begins with: behind an https URL, as a data URL, or put to the URL "
        "of POST /uploads before.",
        "anyOf": [
            _describe_object("image_url", {"type": "string"}),
            _describe_object("upload_id", {"type": "string", "pattern": upload_id}),
            {"type": "string", "description": "The URL or the id alone."},
            {"type": "null"},
        ],
    }


def _take_https_url(schema: JsonObject) -> JsonObject:
    url = {"type": "string", "maxLength": URL_MAX_CHARACTERS, "pattern": "^https://[!-~]+$"}
    return {**schema, "anyOf": [url, {"type": "null"}]}


_WIRE: Mapping[str, Callable[[JsonObject], JsonObject]] = MappingProxyType(
    {
        "approval_hours": _take_number,
        "max_cost_usd": _take_dollars,
        "seconds": _take_number,
        "url": _take_https_url,
        "stagger_minutes": _take_number,
        "video": _take_video,
        "input_reference": _take_reference,
        "webhook_url": _take_https_url,
    }
)
# The fields of a form that may be files, and their types.
FILES = MappingProxyType({"input_reference": ", ".join(get_args(ContentType))})


def _describe_object(name: str, schema: JsonObject) -> JsonObject:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _write_form(schema: JsonObject) -> JsonObject:
    """Write a body as a form: fields are texts and files; nested fields are JSON text or have bracketed names."""
    properties: dict[str, JsonObject] = schema["properties"]
    nested = sorted(name for name, field in properties.items() if _is_nested(field))
    form = {
        **schema,
        "properties": {
            name: _describe_file(field) if name in FILES else write_text(field) for name, field in properties.items()
        },
        "required": [name for name in schema.get("required", []) if name not in nested],
    }
    if nested:
        form["patternProperties"] = {rf"^({'|'.join(nested)})(\[\w*\]){{1,{BRACKETS_MAX}}}$": {"type": "string"}}
    return form


def _is_nested(schema: JsonObject) -> bool:
    return schema.get("type") in {"array", "object"} or any(map(_is_nested, schema.get("anyOf", [])))


def _describe_file(schema: JsonObject) -> JsonObject:
    return {"type": "string", "format": "binary", "description": f"{schema['description']} Or the file itself."}


def write_text(schema: JsonObject) -> JsonObject:
    """Write a field for a form or a query: without null, and nested values as JSON text."""
    if "anyOf" in schema:
        options = [write_text(option) for option in schema["anyOf"] if option != {"type": "null"}]
        kept = {name: value for name, value in schema.items() if name != "anyOf" and value is not None}
        return {**kept, **(options[0] if len(options) == 1 else {"anyOf": options})}
    if _is_nested(schema):
        content = {name: value for name, value in schema.items() if name != "default"}
        return {"type": "string", "contentMediaType": JSON, "contentSchema": content}
    return schema


def read_summary(model: type[BaseModel]) -> str:
    """Return the first paragraph of a model's docstring."""
    # A generic model takes its docstring from its origin class.
    return next(doc for base in model.__mro__ if (doc := base.__doc__)).strip().partition("\n\n")[0]
