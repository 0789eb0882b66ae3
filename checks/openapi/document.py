"""Write the OpenAPI 3.1 document of the API from its resolvers (spec.openapis.org/oas/v3.1.1).

Paths, operation ids and summaries come from the handlers, everything else from the contract of each route. Powertools'
own generator cannot write it (docs/decisions/0033).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel

from checks.openapi.responses import (
    ANYWHERE,
    DESCRIPTION,
    FORM_BODY,
    HEADERS,
    IDEMPOTENCY_KEY,
    REFUSALS,
    REQUEST_ID,
    SERVER,
    WEBHOOK_BODY,
    describe_refusal,
    refer_headers,
)
from checks.openapi.routes import Route, list_routes
from checks.openapi.schemas import FILES, JSON, JsonObject, Schemas, read_summary, refer_component, write_text

_FORM = "multipart/form-data"


def describe_api(resolvers: Iterable[APIGatewayRestResolver], *, version: str) -> str:
    """Write the OpenAPI document of all routes, as JSON whose keys are sorted.

    Raises:
        UndescribedRoute: a route has no contract, or one that does not fit its code.
    """
    routes = [route for resolver in resolvers for route in list_routes(resolver)]
    schemas = Schemas(routes)
    paths: dict[str, JsonObject] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _describe_operation(route, schemas)
    document: JsonObject = {
        "openapi": "3.1.1",
        "info": {"title": "MediaPoster", "version": version, "description": DESCRIPTION},
        "servers": [{"url": ".", "description": SERVER}],
        "security": [{"ApiKey": []}],
        "paths": paths,
        "components": {
            "headers": {**HEADERS, **REQUEST_ID},
            "responses": {refusal.name: describe_refusal(status) for status, refusal in REFUSALS.items()},
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


def _describe_operation(route: Route, schemas: Schemas) -> JsonObject:
    summary, _, description = route.documentation.partition("\n\n")
    operation: JsonObject = {
        "operationId": route.operation_id,
        "summary": summary,
        "parameters": list(_describe_parameters(route, schemas)),
        "responses": {
            **_describe_answer(route, schemas),
            **{status: {"$ref": f"#/components/responses/{REFUSALS[status].name}"} for status in _list_refusals(route)},
        },
    }
    if description:
        operation["description"] = description
    if route.body:
        operation["requestBody"] = _describe_body(route, route.body, schemas)
    if route.contract.is_webhook:
        operation |= {"requestBody": WEBHOOK_BODY, "security": []}
    return operation


def _describe_parameters(route: Route, schemas: Schemas) -> Iterator[JsonObject]:
    for name in route.path_parameters:
        yield {"name": name, "in": "path", "required": True, "schema": schemas.of_path_parameter(name)}
    if route.contract.query:
        query = schemas.of(route.contract.query, "validation")
        for name, schema in query["properties"].items():
            # A query has no null: an unset parameter is omitted.
            is_required = name in query.get("required", [])
            yield {"name": name, "in": "query", "required": is_required, "schema": write_text(schema)}
    if route.contract.is_idempotent:
        yield IDEMPOTENCY_KEY


def _describe_body(route: Route, model: type[BaseModel], schemas: Schemas) -> JsonObject:
    content: JsonObject = {JSON: {"schema": schemas.refer(model, "validation")}}
    is_required = any(field.is_required() for field in model.model_fields.values())
    if route.contract.form is None:
        return {"required": is_required, "content": content}
    form = f"{model.__name__}Form"
    content[_FORM] = {"schema": refer_component(form)}
    files = {name: {"contentType": types} for name, types in FILES.items() if name in model.model_fields}
    if files:
        content[_FORM]["encoding"] = files
    return {"required": is_required, "description": FORM_BODY, "content": content}


def _describe_answer(route: Route, schemas: Schemas) -> JsonObject:
    if route.contract.redirects:
        return {"302": {"description": "It is elsewhere.", "headers": refer_headers("Location", *REQUEST_ID)}}
    if not route.contract.answers:
        return {}
    models = [schemas.refer(model, "serialization") for model in route.contract.answers]
    answer: JsonObject = {
        "description": " Or: ".join(read_summary(model) for model in route.contract.answers),
        "content": {JSON: {"schema": models[0] if len(models) == 1 else {"anyOf": models}}},
        "headers": refer_headers(*REQUEST_ID),
    }
    if route.contract.tells_poll_interval:
        answer["headers"] |= refer_headers("openai-poll-after-ms")
    return {"200": answer}


def _list_refusals(route: Route) -> list[str]:
    statuses = {*ANYWHERE, *map(str, route.contract.errors)}
    if route.contract.is_webhook:
        # Without a key there is no scope to lack.
        statuses = {*statuses - {"403"}, "400", "413"}
    if route.path_parameters:
        # No id has a lone surrogate or a null character.
        statuses |= {"400", "404"}
    if route.contract.query:
        statuses.add("400")
    if route.body:
        statuses |= {"400", "413"}
    if route.contract.is_idempotent:
        statuses |= {"400", "409", "410", "422", "503"}
    return sorted(statuses)
