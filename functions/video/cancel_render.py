"""Stop a render that no video needs any more; invoked asynchronously."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.usecases.steps import RenderToCancel


@logger.inject_lambda_context(correlation_id_path="video_id", clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Cancel one render."""
    del context
    stack().cancel_render(RenderToCancel.model_validate(event))
