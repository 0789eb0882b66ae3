"""Translate between API Gateway and the use cases: bodies in, replies and errors out."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFound
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from mediaposter.domain.errors import ApiError, InvalidRequest, NotFound, RequestTooLarge
from mediaposter.domain.text import refuse_unwritable
from mediaposter.stores.keys import Scope
from mediaposter.wire.caller import Caller, read_caller
from mediaposter.wire.errors import list_retry_headers, present_error
from mediaposter.wire.queries import AnyQuery, parse_query
from mediaposter.wire.request_context import RequestContext

REQUEST_ID_HEADER = "x-request-id"
IDEMPOTENCY_KEY_MAX_CHARACTERS = 255
# The interval of `client.videos.poll`; its default is a second, but a video takes minutes.
POLL_AFTER_MS = 5_000
# A provider's webhook holds a job and the URLs of its files.
WEBHOOK_MAX_BYTES = 1024 * 1024
_REPLACEMENT = "\ufffd"


class _Request:
    """A request that a resolver is answering, and what Powertools keeps with it."""

    def __init__(self, event: APIGatewayProxyEvent, lambda_context: LambdaContext) -> None:
        self.event = event
        self.lambda_context = lambda_context
        self.context: dict[str, Any] = {}


_REQUEST: ContextVar[_Request] = ContextVar("request")


class _Resolver(APIGatewayRestResolver):
    """A resolver that may answer several requests at once, each on a thread of its own.

    Powertools keeps the current request once for the process: on threads, a caller was answered as another owner. Here
    it is a context variable. Every response has the request id, as OpenAI's: its SDKs show it as `_request_id`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    # Powertools declares attributes. It sets them on their first class, and nothing here sets them at all.
    @property
    def current_event(self) -> APIGatewayProxyEvent:  # type: ignore[override]
        return _REQUEST.get().event

    @property
    def lambda_context(self) -> LambdaContext:  # type: ignore[override]
        return _REQUEST.get().lambda_context

    @property
    def context(self) -> dict[str, Any]:
        return _REQUEST.get().context

    @context.setter
    def context(self, context: dict[str, Any]) -> None:
        """Leave out the one that Powertools makes with the resolver: each request brings its own."""

    def resolve(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        self._build_chains()
        token = _REQUEST.set(_Request(APIGatewayProxyEvent(dict(event)), context))
        try:
            answer = super().resolve(event, context)
        finally:
            _REQUEST.reset(token)
        # The access log and the gateway's own errors have the same id.
        request_id = (event.get("requestContext") or {}).get("requestId") or getattr(context, "aws_request_id", "")
        answer["multiValueHeaders"][REQUEST_ID_HEADER] = [str(request_id)]
        return answer

    def _build_chains(self) -> None:
        """Wrap each route in its middlewares. Powertools does so at its first request, and twice for two at once."""
        with self._lock:
            for route in (*self._static_routes, *self._dynamic_routes):
                if not route._middleware_stack_built:
                    route._build_middleware_stack(self._router_middlewares, self)


def _check_path(app: APIGatewayRestResolver, answer: NextMiddleware) -> Response[str]:
    """Refuse a path that cannot hold an id; the ids in it are looked up unchanged."""
    try:
        refuse_unwritable(app.current_event.path)
    except ValueError as error:
        raise InvalidRequest(f"The path {error}.", code="invalid_value") from error
    return answer(app)


def create_resolver() -> APIGatewayRestResolver:
    """Make a resolver that writes errors in OpenAI's envelope."""
    app = _Resolver()
    app.use([_check_path])
    app.exception_handler(ApiError)(reply_error)

    @app.not_found
    def _no_route(error: RouteNotFound) -> Response[str]:
        return reply_error(NotFound(str(error), what="route"))

    return app


def reply_error(error: ApiError) -> Response[str]:
    """Answer with an error, and say whether to send the request again."""
    return reply(present_error(error), error.status, headers=list_retry_headers(error))


def reply(
    body: BaseModel, status: HTTPStatus = HTTPStatus.OK, *, headers: dict[str, str] | None = None
) -> Response[str]:
    """Answer with a model as JSON."""
    return Response(
        status_code=status,
        content_type=content_types.APPLICATION_JSON,
        body=body.model_dump_json(),
        headers=headers or {},
    )


def reply_text(body: str) -> Response[str]:
    """Answer with text that is JSON already."""
    return Response(status_code=HTTPStatus.OK, content_type=content_types.APPLICATION_JSON, body=body)


def refuse_characters() -> Response[str]:
    """Answer 400 on the routes of OpenAI's SDK for characters: they are not supported."""
    return reply_error(
        InvalidRequest(
            "No model here offers characters, which only Sora had. Describe the character in the prompt, or send a "
            "picture as input_reference.",
            code="unsupported_operation",
        )
    )


def redirect(url: str) -> Response[str]:
    """Redirect to a URL; it is a secret until it expires."""
    return Response(status_code=HTTPStatus.FOUND, headers={"Location": url, "Cache-Control": "no-store"}, body="")


def poll_headers() -> dict[str, str]:
    """Tell `client.videos.poll` its interval."""
    return {"openai-poll-after-ms": str(POLL_AFTER_MS)}


def read_body(app: APIGatewayRestResolver) -> tuple[bytes, str]:
    """Return the body as it was sent, and its content type.

    Raises:
        InvalidRequest: the gateway changed the body.
    """
    event = app.current_event
    content_type = event.headers.get("content-type") or ""
    # API Gateway decodes a body of a non-binary media type as UTF-8, and replaces each invalid byte with U+FFFD.
    if not event.is_base64_encoded and _REPLACEMENT in (event.body or ""):
        raise InvalidRequest(
            "The body is not UTF-8, or it has the character U+FFFD, which replaces invalid bytes. Send UTF-8; in JSON, "
            r"write U+FFFD itself as \ufffd.",
            code="invalid_json" if "json" in content_type.lower() else "invalid_body",
        )
    return _decode_body(event), content_type


def _decode_body(event: APIGatewayProxyEvent) -> bytes:
    body = event.body or ""
    if not event.is_base64_encoded:
        # A lone surrogate is kept, so that the parser refuses it.
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise InvalidRequest(
            "The body is not complete. Nothing was done; send it again.", code="invalid_body"
        ) from error


def read_webhook(app: APIGatewayRestResolver) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a webhook unchanged, because the signature covers them.

    Raises:
        RequestTooLarge: it has more than `WEBHOOK_MAX_BYTES`.
    """
    body = _decode_body(app.current_event)
    if len(body) > WEBHOOK_MAX_BYTES:
        raise RequestTooLarge(f"A webhook has at most {WEBHOOK_MAX_BYTES:,} bytes. Nothing was done.")
    return dict(app.current_event.headers.items()), body


def read_query(app: APIGatewayRestResolver, model: type[AnyQuery]) -> AnyQuery:
    """Read the query of this request.

    Raises:
        InvalidRequest: names the parameter and the error.
    """
    event = app.current_event
    repeated = event.multi_value_query_string_parameters or {}
    given = dict(event.query_string_parameters or {})
    joined = {name: ",".join(repeated[name]) for name in model.repeatable if repeated.get(name)}
    return parse_query(model, {**given, **joined})


def identify(app: APIGatewayRestResolver) -> Caller:
    """Return the caller of this request, whatever its key may do: for what any key may know of itself."""
    return read_caller(app.current_event.request_context.authorizer)


def authorize(app: APIGatewayRestResolver, scope: Literal["read", "create", "publish", "approve", "admin"]) -> Caller:
    """Return the caller of this request, after checking for `scope`.

    Raises:
        Forbidden: the key lacks that scope.
    """
    caller = identify(app)
    caller.require(Scope(scope))
    return caller


def read_request_context(app: APIGatewayRestResolver) -> RequestContext:
    """Read the idempotency key of a request, and which attempt of an SDK's call it is.

    Every SDK of OpenAI sends `x-stainless-retry-count`. The limit of 255 characters for a key is Stripe's.

    Raises:
        InvalidRequest: the key is empty, too long, or cannot be encoded.
    """
    headers = app.current_event.headers
    key = headers.get("idempotency-key")
    if key is not None:
        try:
            _check_idempotency_key(key)
        except ValueError as error:
            raise InvalidRequest(f"Idempotency-Key: {error}.", param="Idempotency-Key", code="invalid_value") from error
    count = headers.get("x-stainless-retry-count") or ""
    return RequestContext(key, int(count) if count.isascii() and count.isdigit() and len(count) < 4 else None)


def _check_idempotency_key(key: str) -> None:
    refuse_unwritable(key)
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_MAX_CHARACTERS:
        raise ValueError(f"must have 1 to {IDEMPOTENCY_KEY_MAX_CHARACTERS} characters, got {len(key)}")
