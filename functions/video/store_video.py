"""The step "Store Video" of the video state machine."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.usecases.steps import StepInput


@logger.inject_lambda_context(correlation_id_path="video_id", clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the step once."""
    del context
    result = stack().store_video(StepInput.model_validate(event))
    logger.info("step", extra={"outcome": result.outcome, "wait_seconds": result.wait_seconds})
    return result.model_dump(mode="json")
