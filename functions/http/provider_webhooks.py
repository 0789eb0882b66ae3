"""The route for the video models' providers, which sign their calls instead of sending a key."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.contract import contract
from mediaposter.wire.http import create_resolver, read_webhook, reply
from mediaposter.wire.objects import WebhookReceipt

app = create_resolver()


@app.post("/webhooks/<provider>", openapi_extensions=contract(WebhookReceipt, errors=(409,), is_webhook=True))
def hear_webhook(provider: str) -> Response[str]:
    """Take a provider's word that one of its jobs has moved: a hint to ask, no more."""
    heard = stack().receive_provider_webhook(provider, *read_webhook(app))
    return reply(WebhookReceipt(repeated=heard == "repeated"))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a request."""
    return app.resolve(event, context)
