"""The step "Await Approval" of the video state machine; the decision arrives by the task token."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.usecases.steps import AwaitApprovalInput


@logger.inject_lambda_context(correlation_id_path="video_id", clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Request the approval once."""
    del context
    stack().await_approval(AwaitApprovalInput.model_validate(event))
    logger.info("asked")
