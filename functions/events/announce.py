"""Read the table's stream, and emit an event for each recorded video."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.table_stream import list_video_ids


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Send one event for each video to the bus; the stream retries the failed ones."""
    del context
    video_ids = list_video_ids(event)
    for video_id in video_ids:
        stack().announce_video(video_id)
    logger.info("announce", extra={"video_ids": video_ids})
