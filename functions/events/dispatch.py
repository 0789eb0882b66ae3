"""Read the table's stream: when a provider's slots change, start waiting videos."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.table_stream import list_providers


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Start as many waiting videos as there are free slots."""
    del context
    providers = list_providers(event)
    dispatched = stack().dispatch_videos.dispatch_each(providers)
    logger.info("dispatch", extra={"providers": providers, "dispatched": dispatched})
