"""The queue of outgoing webhooks: send each event to its owner's receiver."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.webhooks import QueuedEvent


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Try each message once; the ones named in the response stay in the queue."""
    del context
    kept = []
    for message in [QueuedEvent.model_validate(record) for record in event["Records"]]:
        delivery = stack().deliver_event(message)
        what = {"webhook_id": message.event.id, "type": message.event.type}
        logger.info("webhook", extra={**what, "tries": message.tries, **delivery.model_dump(mode="json")})
        if not delivery.is_over:
            kept.append({"itemIdentifier": message.message_id})
    return {"batchItemFailures": kept}
