"""The step "Cancel Part" of the batch state machine."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.batches import PartLine


@logger.inject_lambda_context(correlation_id_path="batch_id", clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Take the step once."""
    del context
    stack().cancel_part(PartLine.model_validate(event))
    logger.info("step")
