"""The scheduled sweep: fail what a crash left between a record and its execution."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter import bootstrap
from mediaposter.observability import logger


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Sweep once."""
    del event, context
    swept = bootstrap.sweep_videos()()
    logger.info("swept", extra={"videos": swept})
