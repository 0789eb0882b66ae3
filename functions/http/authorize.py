"""Turn an API key into an IAM policy; API Gateway caches it by the header."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.authorization import decide, read_bearer_key


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Allow the stage for a key that exists; the routes check what the key may do."""
    del context
    secret = read_bearer_key(event["authorizationToken"])
    api_key = stack().keys.find(secret) if secret else None
    return decide(api_key, event["methodArn"]).model_dump(by_alias=True, exclude_none=True)
