"""Translate between API Gateway and the use cases: bodies in, replies and errors out."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFound
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from mediaposter.domain.errors import (
    BudgetExceeded,
    Contention,
    Forbidden,
    IdempotencyKeyReused,
    InvalidRequest,
    NotAllowedInState,
    NotFound,
    NotStarted,
    PartiallyDone,
    PublisherError,
    RateExceeded,
    UnknownJob,
    VersionConflict,
    VideoDeleted,
    VideoModelError,
    WebhookRejected,
)
from mediaposter.domain.text import refuse_unwritable
from mediaposter.stores.keys import Scope
from mediaposter.wire.caller import Caller, read_caller
from mediaposter.wire.errors import invalid_request, limit_reached, present_refusal, server_error
from mediaposter.wire.queries import AnyQuery, parse_query
from mediaposter.wire.request_context import RequestContext

REQUEST_ID_HEADER = "x-request-id"
IDEMPOTENCY_KEY_MAX_CHARACTERS = 255
# The interval of `client.videos.poll`; its default is a second, but a video takes minutes.
POLL_AFTER_MS = 5_000
# The wait if a publisher or a provider does not say how long.
_PUBLISHER_AFTER_SECONDS = 5.0
_PROVIDER_AFTER_SECONDS = 60.0
# A provider's webhook holds a job and the URLs of its files.
WEBHOOK_MAX_BYTES = 1024 * 1024
_REPLACEMENT = "\ufffd"
# Without it, OpenAI's SDKs retry after a 409 or 5xx.
_FINAL = {"x-should-retry": "false"}


class _Resolver(APIGatewayRestResolver):
    """A resolver that adds the request id to every response, as OpenAI does: its SDKs show it as `_request_id`."""

    def resolve(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        answer = super().resolve(event, context)
        # The access log and the gateway's own errors have the same id.
        request_id = (event.get("requestContext") or {}).get("requestId") or getattr(context, "aws_request_id", "")
        answer["multiValueHeaders"][REQUEST_ID_HEADER] = [str(request_id)]
        return answer


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

    @app.exception_handler(InvalidRequest)
    def _refuse(error: InvalidRequest) -> Response[str]:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if error.code == "request_too_large" else HTTPStatus.BAD_REQUEST
        return reply(present_refusal(error), status)

    @app.exception_handler(NotFound)
    def _miss(error: NotFound) -> Response[str]:
        # Its message names the record; the caller only learns that it does not exist.
        body = invalid_request(f"There is no such {error.what}.", param=None, code="not_found")
        return reply(body, HTTPStatus.NOT_FOUND)

    @app.exception_handler(Forbidden)
    def _forbid(error: Forbidden) -> Response[str]:
        return reply(invalid_request(str(error), param=error.param, code=error.code), HTTPStatus.FORBIDDEN)

    @app.exception_handler(IdempotencyKeyReused)
    def _refuse_reuse(error: IdempotencyKeyReused) -> Response[str]:
        return reply(present_refusal(error), HTTPStatus.UNPROCESSABLE_ENTITY)

    @app.exception_handler(VideoDeleted)
    def _refuse_deleted(error: VideoDeleted) -> Response[str]:
        return reply(present_refusal(error), HTTPStatus.GONE)

    @app.exception_handler(PartiallyDone)
    def _call_back(error: PartiallyDone) -> Response[str]:
        body = invalid_request(str(error), param=None, code="conflict")
        return reply(body, HTTPStatus.CONFLICT, headers={"Retry-After": "1"})

    @app.exception_handler(NotAllowedInState)
    def _stand_by(error: NotAllowedInState) -> Response[str]:
        body = invalid_request(str(error), param=None, code="already_decided")
        return reply(body, HTTPStatus.CONFLICT, headers=_FINAL)

    @app.exception_handler([Contention, VersionConflict])
    def _hold_off(error: Contention | VersionConflict) -> Response[str]:
        del error  # its message names records
        body = invalid_request(
            "Another request is writing the same record. Nothing was changed; send this one again.",
            param=None,
            code="conflict",
        )
        return reply(body, HTTPStatus.CONFLICT, headers={"Retry-After": "1"})

    @app.exception_handler(BudgetExceeded)
    def _spare(error: BudgetExceeded) -> Response[str]:
        return reply(present_refusal(error), HTTPStatus.TOO_MANY_REQUESTS)

    @app.exception_handler(RateExceeded)
    def _slow_down(error: RateExceeded) -> Response[str]:
        body = limit_reached(str(error), code="rate_limit_exceeded")
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return reply(body, HTTPStatus.TOO_MANY_REQUESTS, headers=headers)

    @app.exception_handler(NotStarted)
    def _regret(error: NotStarted) -> Response[str]:
        return reply(
            server_error(str(error), code="not_started"), HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "5"}
        )

    @app.exception_handler(WebhookRejected)
    def _doubt(error: WebhookRejected) -> Response[str]:
        code = "unknown_job" if isinstance(error, UnknownJob) else "invalid_signature"
        return reply(invalid_request(str(error), param=None, code=code), HTTPStatus.UNAUTHORIZED)

    @app.exception_handler(VideoModelError)
    def _defer(error: VideoModelError) -> Response[str]:
        headers = {"Retry-After": str(math.ceil(error.retry_after_seconds or _PROVIDER_AFTER_SECONDS))}
        body = server_error(error.message, code="provider_error")
        return reply(body, HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)

    @app.exception_handler(PublisherError)
    def _blame(error: PublisherError) -> Response[str]:
        sentence = f"The publisher did not do it: {error.message}"
        headers = _FINAL
        if error.transient:
            sentence += " It may have taken effect; you can safely send it again."
            headers = {"Retry-After": str(math.ceil(error.retry_after_seconds or _PUBLISHER_AFTER_SECONDS))}
        return reply(server_error(sentence, code="publisher_error"), HTTPStatus.BAD_GATEWAY, headers=headers)

    @app.not_found
    def _no_route(error: RouteNotFound) -> Response[str]:
        del error
        return reply(invalid_request("There is no such route.", param=None, code="not_found"), HTTPStatus.NOT_FOUND)

    return app


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
    body = invalid_request(
        "No model here supports characters. Describe the character in the prompt, or send a picture as "
        "input_reference.",
        param=None,
        code="unsupported_operation",
    )
    return reply(body, HTTPStatus.BAD_REQUEST)


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
            "The body is not valid JSON: it is not UTF-8, or has the character U+FFFD, which replaces invalid "
            r"bytes. Send UTF-8; write an intended U+FFFD as \ufffd.",
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
        raise InvalidRequest("The body arrived incomplete. Send the request again.", code="invalid_body") from error


def read_webhook(app: APIGatewayRestResolver) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a webhook unchanged, because the signature covers them.

    Raises:
        InvalidRequest: it is too large.
    """
    body = _decode_body(app.current_event)
    if len(body) > WEBHOOK_MAX_BYTES:
        raise InvalidRequest(
            f"A webhook has at most {WEBHOOK_MAX_BYTES:,} bytes. Nothing was done.", code="request_too_large"
        )
    return dict(app.current_event.headers.items()), body


def read_query(app: APIGatewayRestResolver, model: type[AnyQuery]) -> AnyQuery:
    """Read the query of this request.

    Raises:
        InvalidRequest: names the parameter and the error.
    """
    return parse_query(model, app.current_event.query_string_parameters)


def authorize(app: APIGatewayRestResolver, scope: Literal["read", "create", "publish", "approve", "admin"]) -> Caller:
    """Return the caller of this request, after checking for `scope`.

    Raises:
        Forbidden: the key lacks that scope.
    """
    caller = read_caller(app.current_event.request_context.authorizer)
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
