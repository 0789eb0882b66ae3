"""What API Gateway does for template.yaml: find the route, authorize the key, and hand the resolver an event."""

from __future__ import annotations

import base64
import json
import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.host.routes import Route, Routes
from mediaposter.observability import correlate, logger
from mediaposter.stores.keys import ApiKey
from mediaposter.wire.authorization import decide, read_bearer_key
from mediaposter.wire.gateway_errors import (
    ACCESS_DENIED,
    FAILED,
    NO_ROUTE,
    REQUEST_TOO_LARGE,
    UNAUTHORIZED,
    GatewayError,
)

STAGE = "v1"
# The body that API Gateway takes, and the event that Lambda takes. The body is in the event as text.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
BODY_MAX_BYTES = 10 * 1024 * 1024
EVENT_MAX_BYTES = 6 * 1024 * 1024
# As text, a byte has six characters at most: \u0000.
_SURELY_FITS_BYTES = EVENT_MAX_BYTES // 6 - 64 * 1024
# As template.yaml has them.
BINARY_MEDIA_TYPES = ("multipart/form-data", "text/html")
KEY_HEADER = re.compile(r"^[Bb][Ee][Aa][Rr][Ee][Rr] mp_[A-Za-z0-9_-]{40,64}$")

# Powertools logs a fault as well, without the id of its request. Without any handler Python prints that to stderr.
logging.getLogger("aws_lambda_powertools.event_handler.api_gateway").addHandler(logging.NullHandler())


class Request(NamedTuple):
    """A request as a server received it.

    Attributes:
        id: its id, which is answered as `x-request-id`.
        method: the HTTP method.
        path: the path below the stage, with a slash at its beginning, percent-decoded.
        query: the query string as it was sent.
        headers: names and values as they were sent.
        client: the address of the client.
        body: the bytes of the body.
    """

    id: str
    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    client: str
    body: bytes = b""


class Answer(NamedTuple):
    """The response to a request.

    Attributes:
        status: the HTTP status.
        headers: names and values; a name may come twice.
        body: the bytes of the body.
        route: for the log: the template of the route's path, if there is such a route.
        owner: for the log: the owner of the key, if there is such a key.
        error: for the log: API Gateway's name for the error, if no route answered.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    route: str | None = None
    owner: str | None = None
    error: str | None = None


class Gateway:
    """Answers the requests of the API. Its methods may be called from several threads at once."""

    def __init__(self, routes: Routes, find_key: Callable[[str], ApiKey | None]) -> None:
        """Take the routes, which use `mediaposter.current.stack`, and how a valid key is found: `stack.keys.find`."""
        self._routes = routes
        self._find_key = find_key

    def admit(self, request: Request) -> Route | Answer:
        """Give the route of a request, or refuse it: it has none, or nothing that looks like a key. No body is read."""
        route = self._routes.find(request.method, request.path)
        if route is None:
            return present_error(NO_ROUTE)
        if route.needs_key and not KEY_HEADER.match(_read_authorization(request)):
            return present_error(UNAUTHORIZED, route)
        return route

    def answer(self, request: Request, route: Route) -> Answer:
        """Answer a request that was admitted. A fault is logged with its traceback, and answered as 500 without it."""
        with correlate(request.id):
            try:
                return self._pass_on(request, route)
            except Exception:
                logger.exception("fault")
                return present_error(FAILED, route)

    def _pass_on(self, request: Request, route: Route) -> Answer:
        authorizer = self._authorize(request) if route.needs_key else {}
        if authorizer is None:
            return present_error(ACCESS_DENIED, route)
        owner = authorizer.get("owner")
        event = _write_event(request, route, authorizer)
        if len(request.body) > BODY_MAX_BYTES or not _fits_lambda(event["body"]):
            return present_error(REQUEST_TOO_LARGE, route, owner)
        answer = route.resolver.resolve(event, LambdaContext())
        body = answer["body"] or ""
        return Answer(
            int(answer["statusCode"]),
            [(name, value) for name, values in answer["multiValueHeaders"].items() for value in values],
            base64.b64decode(body) if answer["isBase64Encoded"] else body.encode(),
            route.path,
            owner,
        )

    def _authorize(self, request: Request) -> dict[str, str] | None:
        """Give the context that AuthorizeFunction would give the route; None if it would deny the key."""
        secret = read_bearer_key(_read_authorization(request))
        decision = decide(self._find_key(secret) if secret else None, f"host/{STAGE}")
        if decision.context is None:
            return None
        return {**decision.context.model_dump(), "principalId": decision.principal_id}


def present_error(error: GatewayError, route: Route | None = None, owner: str | None = None) -> Answer:
    """Write an error of the gateway."""
    headers = [("content-type", "application/json")]
    if error.retry_after_seconds is not None:
        headers.append(("retry-after", str(error.retry_after_seconds)))
    body = error.body.model_dump_json().encode()
    return Answer(error.status, headers, body, None if route is None else route.path, owner, error.name)


def _read_authorization(request: Request) -> str:
    """Give the header with the key. Two of them contradict each other."""
    values = [value for name, value in request.headers if name.lower() == "authorization"]
    return values[0] if len(values) == 1 else ""


def _write_event(request: Request, route: Route, authorizer: dict[str, str]) -> dict[str, Any]:
    """Write the event of a Lambda proxy integration.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """
    query = parse_qsl(request.query, keep_blank_values=True)
    content_type = dict(_lower(request.headers)).get("content-type", "")
    is_binary = content_type.partition(";")[0].strip().lower() in BINARY_MEDIA_TYPES
    # API Gateway writes U+FFFD for bytes that are not UTF-8.
    body = base64.b64encode(request.body).decode() if is_binary else request.body.decode("utf-8", "replace")
    context = {
        "authorizer": authorizer,
        "requestId": request.id,
        "stage": STAGE,
        "path": f"/{STAGE}{request.path}",
        "resourcePath": route.path,
        "httpMethod": request.method,
        "requestTimeEpoch": time.time_ns() // 1_000_000,
        "identity": {"sourceIp": request.client, "userAgent": dict(_lower(request.headers)).get("user-agent")},
    }
    return {
        "resource": route.path,
        "path": request.path,
        "httpMethod": request.method,
        "headers": dict(request.headers),
        "multiValueHeaders": _group(request.headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _group(query) or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": context,
        "body": body if request.body else None,
        "isBase64Encoded": is_binary,
    }


def _fits_lambda(body: str | None) -> bool:
    """Tell whether Lambda would take an event with this body: what is answered here is answered on AWS, too."""
    return (
        body is None
        or len(body) <= _SURELY_FITS_BYTES
        or len(json.dumps(body, ensure_ascii=False).encode()) <= EVENT_MAX_BYTES
    )


def _lower(headers: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]


def _group(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        grouped[name].append(value)
    return dict(grouped)
