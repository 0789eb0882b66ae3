"""POST routes: take a video."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter import bootstrap
from mediaposter.api.http import create_resolver, poll_headers, read_body, read_owner, reply
from mediaposter.api.requests import parse_create_video
from mediaposter.api.video_object import present_video
from mediaposter.observability import logger

app = create_resolver()


@app.post("/videos")
def create_video() -> Response[str]:
    """Record a video and start its execution."""
    request = parse_create_video(*read_body(app))
    submission = bootstrap.submit_video()(request, owner=read_owner(app))
    return reply(present_video(submission.video, submission.posts), headers=poll_headers())


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a request."""
    return app.resolve(event, context)
