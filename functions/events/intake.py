"""The queue of requests without HTTP: files in the bucket, events on the bus, and runs of schedules."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.intake import QueuedNotice


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle each message; the queue retries the failed ones."""
    del context
    for message in [QueuedNotice.model_validate(record) for record in event["Records"]]:
        result = stack().take_request(message.body)
        logger.info("intake", extra=result.model_dump(mode="json", exclude_none=True))
