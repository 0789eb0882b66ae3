"""The nightly account check: store the connected accounts, and report posts whose account is gone."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Check once."""
    del event, context
    missing = stack().read_accounts()
    logger.info("accounts checked", extra={"missing": missing})
