"""The wire between API Gateway and the use cases: bodies in, replies and errors out."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFound
from pydantic import BaseModel

from mediaposter.api.errors import invalid_request, server_error
from mediaposter.errors import InvalidRequest, NotFound, NotStarted

# What `client.videos.poll` waits between two questions; a video takes minutes, its default is a second.
POLL_AFTER_MS = 5_000


def create_resolver() -> APIGatewayRestResolver:
    """Make a resolver whose errors are OpenAI's envelope."""
    app = APIGatewayRestResolver()

    @app.exception_handler(InvalidRequest)
    def _refuse(error: InvalidRequest) -> Response[str]:
        return reply(invalid_request(error.message, param=error.param, code=error.code), HTTPStatus.BAD_REQUEST)

    @app.exception_handler(NotFound)
    def _miss(error: NotFound) -> Response[str]:
        del error  # it names the record; the caller learns only that there is none
        return reply(invalid_request("There is no such video.", param=None, code="not_found"), HTTPStatus.NOT_FOUND)

    @app.exception_handler(NotStarted)
    def _regret(error: NotStarted) -> Response[str]:
        return reply(
            server_error(str(error), code="not_started"), HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "5"}
        )

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


def redirect(url: str) -> Response[str]:
    """Answer with another place to look; the URL is a secret for as long as it lives."""
    return Response(status_code=HTTPStatus.FOUND, headers={"Location": url, "Cache-Control": "no-store"}, body="")


def poll_headers() -> dict[str, str]:
    """Tell `client.videos.poll` how long to wait between two questions."""
    return {"openai-poll-after-ms": str(POLL_AFTER_MS)}


def read_body(app: APIGatewayRestResolver) -> tuple[bytes, str]:
    """Give the body as it was sent, and its content type."""
    event = app.current_event
    content_type = event.headers.get("content-type") or ""
    if not event.is_base64_encoded:
        return (event.body or "").encode(), content_type
    try:
        return base64.b64decode(event.body or "", validate=True), content_type
    except binascii.Error as error:
        raise InvalidRequest("The body did not arrive whole.", code="invalid_body") from error


def read_owner(app: APIGatewayRestResolver) -> str:
    """Give the owner the authorizer found for the key of this request."""
    return str(app.current_event.request_context.authorizer["owner"])
