"""The scheduled sweep: clean up after crashes, and continue with what is due."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Sweep once, then measure what waits."""
    del event, context
    logger.info("swept", extra={**stack().sweep()._asdict(), "waiting": stack().measure_queues()})
