"""Decode a stored video. The decoder reads untrusted files, so the function's role can read videos and nothing else."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.media.inspection import StoredVersion
from mediaposter.observability import logger


@logger.inject_lambda_context(correlation_id_path="key", clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Inspect one video."""
    del context
    reply = stack().inspect_video(StoredVersion.model_validate(event))
    logger.info("inspected", extra={"playable": reply.inspection is not None})
    return reply.model_dump(mode="json")
