"""The step "Finish Submitting" of the batch state machine."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.batches import BatchStepInput


@logger.inject_lambda_context(correlation_id_path="batch_id", clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the step once."""
    del context
    result = stack().finish_submitting(BatchStepInput.model_validate(event).batch_id)
    logger.info("step", extra={"outcome": result.outcome})
    return result.model_dump(mode="json")
