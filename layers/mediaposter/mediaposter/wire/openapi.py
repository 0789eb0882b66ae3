"""Generate the OpenAPI 3.1 document of the API from its resolvers (spec.openapis.org/oas/v3.1.1).

Routes, operation ids and summaries come from the handlers, the models from each route's contract. The rest follows from
the functions of `mediaposter.wire.http` that the handler calls. Powertools' own generator is not used: it knows none of
the bodies and queries read there, and adds errors that the API never returns.

Only `python -m checks.openapi` imports this module; a Lambda reads the generated file.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, get_args

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core.core_schema import DataclassField, ModelField, ModelSchema, TypedDictField, WithDefaultSchema

from mediaposter.stores.keys import KEY_PREFIX
from mediaposter.wire.contract import Contract, find_contract
from mediaposter.wire.errors import ErrorEnvelope
from mediaposter.wire.forms import BRACKETS_MAX
from mediaposter.wire.http import IDEMPOTENCY_KEY_MAX_CHARACTERS, POLL_AFTER_MS
from mediaposter.wire.pictures import URL_MAX_CHARACTERS, ContentType, UploadReference

JsonObject: TypeAlias = dict[str, Any]

_JSON = "application/json"
_FORM = "multipart/form-data"
_COMPONENT = "#/components/schemas/"

_DESCRIPTION = f"""\
OpenAI's Videos API, over any video model, and what this stack adds to it: other models, posts on social networks, \
budgets, estimates.

Every request carries an API key of the stack, `Authorization: Bearer {KEY_PREFIX}…`; only the webhooks of providers \
are signed instead. Every refusal is an error in OpenAI's envelope, those of the gateway too. Ignore fields \
that this document does not list: fields are added within a version."""
_SERVER = "The stage of the stack, which also serves this document. Its address ends in `/v1`, like OpenAI's."
_FORM_BODY = (
    "As JSON, or as a form. In a form, send nested fields as JSON text, or under bracketed names: "
    "`metadata[campaign]`, `fallback_models[]`, `publish[0][platform]`."
)


class _Refusal(NamedTuple):
    name: str
    description: str


_REFUSALS: Mapping[str, _Refusal] = MappingProxyType(
    {
        "400": _Refusal(
            "BadRequest", "The request is wrong: `param` names the field, `message` the rule. Nothing was done."
        ),
        "401": _Refusal(
            "Unauthorized",
            "The API key is missing, unknown, revoked or expired. Or a webhook has no valid signature and time, or "
            "no video here has its job (`unknown_job`). Nothing was done.",
        ),
        "403": _Refusal(
            "Forbidden",
            "The API key lacks the scope for this (`insufficient_scope`), or is limited to other accounts "
            "(`account_not_allowed`). Nothing was done.",
        ),
        "404": _Refusal("NotFound", "It does not exist, or it belongs to another owner."),
        "409": _Refusal(
            "Conflict",
            "Another request is writing the same record: send this one again. Or, as `already_decided`, it was "
            "decided before, or is no longer possible. Nothing was changed, unless `message` says what was.",
        ),
        "410": _Refusal(
            "VideoDeleted", "The request was accepted before, and its video was deleted since. Nothing was recorded."
        ),
        "413": _Refusal("TooLarge", "The request or its picture is too large; POST /uploads takes larger pictures."),
        "422": _Refusal("KeyReused", "The Idempotency-Key was used for another request. Nothing was recorded."),
        "429": _Refusal(
            "LimitReached", "Too many requests or uploads, or the day's budget is used up. Nothing was recorded."
        ),
        "502": _Refusal(
            "PublisherFailed",
            "The publisher refused it, or did not answer. With a `Retry-After` you can safely send it again.",
        ),
        "503": _Refusal(
            "NotStarted",
            "The video, or its posts, could not be started. Nothing was spent or posted: send the request again.",
        ),
        "5XX": _Refusal("Failure", "The service failed. Reading again is safe; a create may have been accepted."),
    }
)
# The gateway and the scope check can refuse on every route.
_ANYWHERE = ("401", "403", "429", "5XX")
_HEADERS: Mapping[str, JsonObject] = MappingProxyType(
    {
        "Location": {
            "description": "The URL of the bytes, valid for some minutes. Keep it secret.",
            "required": True,
            "schema": {"type": "string", "format": "uri"},
        },
        "Retry-After": {
            "description": "After how many seconds to send the request again.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "openai-poll-after-ms": {
            "description": f"How long to wait before asking for the video again; {POLL_AFTER_MS} as a rule.",
            "schema": {"type": "integer", "minimum": 1},
        },
    }
)
# On every response, as on OpenAI's: the resolver and the gateway add the request id.
_REQUEST_ID: JsonObject = {
    "x-request-id": {
        "description": "The id of the request, as in the logs of the stack.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_RETRIED = frozenset({"409", "429", "502", "503"})
_IDEMPOTENCY_KEY: JsonObject = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Your own key for this request. Sent again within a day, the request makes no second video.",
    "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_MAX_CHARACTERS},
}


_WEBHOOK_BODY: JsonObject = {
    "required": True,
    "description": "What the provider sends, signed by its rules. Only the job in it is used.",
    "content": {_JSON: {"schema": {}}},
}


class UndescribedRoute(Exception):
    """A route has no contract, or an incomplete one; the message names the route."""


class _Route(NamedTuple):
    """A route of a resolver.

    Attributes:
        calls: the names that the handler's code refers to.
    """

    method: str
    path: str
    operation_id: str
    documentation: str
    calls: frozenset[str]
    contract: Contract

    @property
    def path_parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def body(self) -> type[BaseModel] | None:
        return self.contract.json or self.contract.form

    @property
    def is_webhook(self) -> bool:
        return "read_webhook" in self.calls


def describe_api(resolvers: Iterable[APIGatewayRestResolver], *, version: str) -> str:
    """Write the OpenAPI document of all routes, as JSON whose keys are sorted.

    Raises:
        UndescribedRoute: a route has no contract, or one that does not fit its code.
    """
    routes = [route for resolver in resolvers for route in _list_routes(resolver)]
    schemas = _Schemas(routes)
    paths: dict[str, JsonObject] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _describe_operation(route, schemas)
    document: JsonObject = {
        "openapi": "3.1.1",
        "info": {"title": "MediaPoster", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": ".", "description": _SERVER}],
        "security": [{"ApiKey": []}],
        "paths": paths,
        "components": {
            "headers": {**_HEADERS, **_REQUEST_ID},
            "responses": {refusal.name: _describe_refusal(status) for status, refusal in _REFUSALS.items()},
            "schemas": schemas.keep_used(paths),
            "securitySchemes": {
                "ApiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of this stack; `mediaposter keys create` makes one.",
                }
            },
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _list_routes(resolver: APIGatewayRestResolver) -> Iterator[_Route]:
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
        calls = frozenset(route.func.__code__.co_names)
        made = frozenset(_list_made({name: route.func.__globals__.get(name) for name in calls}))
        for wrong in _compare_with_code(found, calls, made):
            raise UndescribedRoute(f"{place} {wrong}.")
        yield _Route(route.method, path, route.func.__name__, documentation, calls, found)


def _list_made(used: Mapping[str, object]) -> Iterator[str]:
    """List the models that a handler uses: classes, and the return types of functions."""
    for value in used.values():
        if inspect.isclass(value):
            yield value.__name__
        elif inspect.isfunction(value):
            yield str(value.__annotations__.get("return"))


def _compare_with_code(contract: Contract, calls: frozenset[str], made: frozenset[str]) -> Iterator[str]:
    """Find the differences between a handler and its contract."""
    if ("read_body" in calls) != bool(contract.json or contract.form):
        yield "reads a body or names a model of one, but not both: name the model as json= or form="
    if ("read_query" in calls) != bool(contract.query):
        yield "reads a query or names a model of one, but not both: name the model as query="
    if not contract.answers and "redirect" not in calls and not contract.errors:
        yield "names no answer: name its models, or as errors= the refusals that are all it gives"
    # Text that is JSON already shows no model.
    answers = () if "reply_text" in calls else contract.answers
    for model in (contract.path, contract.query, contract.json, contract.form, *answers):
        if model and model.__name__ not in made:
            yield f"names {model.__name__}, and its code makes none"


class _Schemas:
    """The JSON schemas of all models that the routes name."""

    def __init__(self, routes: Sequence[_Route]) -> None:
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
            self.of(model, "serialization").setdefault("description", _read_summary(model))
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
                publish["items"] = {"$ref": f"{_COMPONENT}PublishTarget"}
        for model in {route.contract.form: None for route in routes if route.contract.form}:
            self._components[f"{model.__name__}Form"] = _write_form(self.of(model, "validation"))
        bodies = [self.refer(route.body, "validation") for route in routes if route.body]
        for schema in collect_schemas(bodies, self._components).values():
            _take_null(schema)

    def refer(self, model: type[BaseModel], mode: JsonSchemaMode) -> JsonObject:
        return dict(self._references[model, mode])

    def of(self, model: type[BaseModel], mode: JsonSchemaMode) -> JsonObject:
        return self._components[self.refer(model, mode)["$ref"].removeprefix(_COMPONENT)]

    def of_path_parameter(self, name: str) -> JsonObject:
        """Return the schema of a path parameter, or of the body's field that it fills."""
        return self._path_parameters.get(name, {"type": "string"})

    def keep_used(self, paths: JsonObject) -> dict[str, JsonObject]:
        """Return the schemas that the paths and the errors refer to."""
        return collect_schemas([paths, self.refer(ErrorEnvelope, "serialization")], self._components)

    def _take_path_parameters(self, route: _Route) -> None:
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


def _take_video(schema: JsonObject) -> JsonObject:
    return {"anyOf": [schema, _describe_object("id", schema)]}


def _take_reference(schema: JsonObject) -> JsonObject:
    del schema
    upload_id = UploadReference.model_json_schema()["properties"]["upload_id"]["pattern"]
    return {
        "description": "The first frame of the video: an https URL, a data URL, or the id of an upload by POST "
        "/uploads.",
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
        "seconds": _take_number,
        "url": _take_https_url,
        "stagger_minutes": _take_number,
        "video": _take_video,
        "input_reference": _take_reference,
        "webhook_url": _take_https_url,
    }
)
# The fields of a form that may be files, and their types.
_FILES = MappingProxyType({"input_reference": ", ".join(get_args(ContentType))})


def _describe_object(name: str, schema: JsonObject) -> JsonObject:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}


def _write_form(schema: JsonObject) -> JsonObject:
    """Write a body as a form: fields are texts and files; nested fields are JSON text or have bracketed names."""
    properties: dict[str, JsonObject] = schema["properties"]
    nested = sorted(name for name, field in properties.items() if _is_nested(field))
    form = {
        **schema,
        "properties": {
            name: _describe_file(field) if name in _FILES else _write_text(field) for name, field in properties.items()
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


def _write_text(schema: JsonObject) -> JsonObject:
    """Write a field for a form or a query: without null, and nested values as JSON text."""
    if "anyOf" in schema:
        options = [_write_text(option) for option in schema["anyOf"] if option != {"type": "null"}]
        kept = {name: value for name, value in schema.items() if name != "anyOf" and value is not None}
        return {**kept, **(options[0] if len(options) == 1 else {"anyOf": options})}
    if _is_nested(schema):
        content = {name: value for name, value in schema.items() if name != "default"}
        return {"type": "string", "contentMediaType": _JSON, "contentSchema": content}
    return schema


def _describe_operation(route: _Route, schemas: _Schemas) -> JsonObject:
    summary, _, description = route.documentation.partition("\n\n")
    operation: JsonObject = {
        "operationId": route.operation_id,
        "summary": summary,
        "parameters": list(_describe_parameters(route, schemas)),
        "responses": {
            **_describe_answer(route, schemas),
            **{
                status: {"$ref": f"#/components/responses/{_REFUSALS[status].name}"} for status in _list_refusals(route)
            },
        },
    }
    if description:
        operation["description"] = description
    if route.body:
        operation["requestBody"] = _describe_body(route, route.body, schemas)
    if route.is_webhook:
        operation |= {"requestBody": _WEBHOOK_BODY, "security": []}
    return operation


def _describe_parameters(route: _Route, schemas: _Schemas) -> Iterator[JsonObject]:
    for name in route.path_parameters:
        yield {"name": name, "in": "path", "required": True, "schema": schemas.of_path_parameter(name)}
    if route.contract.query:
        query = schemas.of(route.contract.query, "validation")
        for name, schema in query["properties"].items():
            # A query has no null: an unset parameter is omitted.
            is_required = name in query.get("required", [])
            yield {"name": name, "in": "query", "required": is_required, "schema": _write_text(schema)}
    if "read_request_context" in route.calls:
        yield _IDEMPOTENCY_KEY


def _describe_body(route: _Route, model: type[BaseModel], schemas: _Schemas) -> JsonObject:
    content: JsonObject = {_JSON: {"schema": schemas.refer(model, "validation")}}
    is_required = any(field.is_required() for field in model.model_fields.values())
    if route.contract.form is None:
        return {"required": is_required, "content": content}
    form = f"{model.__name__}Form"
    content[_FORM] = {"schema": {"$ref": f"{_COMPONENT}{form}"}}
    files = {name: {"contentType": types} for name, types in _FILES.items() if name in model.model_fields}
    if files:
        content[_FORM]["encoding"] = files
    return {"required": is_required, "description": _FORM_BODY, "content": content}


def _describe_answer(route: _Route, schemas: _Schemas) -> JsonObject:
    if "redirect" in route.calls:
        return {"302": {"description": "It is elsewhere.", "headers": _refer_headers("Location", *_REQUEST_ID)}}
    if not route.contract.answers:
        return {}
    models = [schemas.refer(model, "serialization") for model in route.contract.answers]
    answer: JsonObject = {
        "description": " Or: ".join(_read_summary(model) for model in route.contract.answers),
        "content": {_JSON: {"schema": models[0] if len(models) == 1 else {"anyOf": models}}},
        "headers": _refer_headers(*_REQUEST_ID),
    }
    if "poll_headers" in route.calls:
        answer["headers"] |= _refer_headers("openai-poll-after-ms")
    return {"200": answer}


def _read_summary(model: type[BaseModel]) -> str:
    # A generic model takes its docstring from its origin class.
    return next(doc for base in model.__mro__ if (doc := base.__doc__)).strip().partition("\n\n")[0]


def _list_refusals(route: _Route) -> list[str]:
    statuses = {*_ANYWHERE, *map(str, route.contract.errors)}
    if route.is_webhook:
        # Without a key there is no scope to lack.
        statuses = {*statuses - {"403"}, "400", "413"}
    if route.path_parameters:
        # No id has a lone surrogate or a null character.
        statuses |= {"400", "404"}
    if route.contract.query:
        statuses.add("400")
    if route.body:
        statuses |= {"400", "413"}
    if "read_request_context" in route.calls:
        statuses |= {"400", "409", "410", "422", "503"}
    return sorted(statuses)


def _describe_refusal(status: str) -> JsonObject:
    refusal: JsonObject = {
        "description": _REFUSALS[status].description,
        "content": {_JSON: {"schema": {"$ref": f"{_COMPONENT}{ErrorEnvelope.__name__}"}}},
        "headers": _refer_headers(*_REQUEST_ID),
    }
    if status in _RETRIED:
        refusal["headers"] |= _refer_headers("Retry-After")
    return refusal


def _refer_headers(*names: str) -> JsonObject:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
