"""The route for agents: the Model Context Protocol (docs/mcp.md)."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.http import create_resolver
from mediaposter.wire.mcp_http import answer_message, refuse_method

app = create_resolver()


@app.post("/mcp")
def answer_agent() -> Response[str]:
    """Answer one message of an agent's client."""
    return answer_message(app, stack().call_tool)


@app.get("/mcp")
def refuse_stream() -> Response[str]:
    """Refuse to open a stream: nothing is ever sent that was not asked for."""
    return refuse_method()


@app.delete("/mcp")
def refuse_end_of_session() -> Response[str]:
    """Refuse to end a session: there is none."""
    return refuse_method()


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a request."""
    return app.resolve(event, context)
