"""The table's stream: the slots of a provider changed, and videos wait for one."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.table_stream import list_providers


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Start as many of those who wait as have a slot."""
    del context
    providers = list_providers(event)
    dispatched = stack().dispatch_videos.dispatch_each(providers)
    logger.info("dispatch", extra={"providers": providers, "dispatched": dispatched})
