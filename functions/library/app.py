"""GET routes: what is kept."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter import bootstrap
from mediaposter.api.http import create_resolver, poll_headers, read_owner, redirect, reply
from mediaposter.api.video_object import present_video
from mediaposter.observability import logger

app = create_resolver()


@app.get("/videos/<video_id>")
def retrieve_video(video_id: str) -> Response[str]:
    """Answer one video with its posts."""
    video, posts = bootstrap.read_library().retrieve(video_id, owner=read_owner(app))
    return reply(present_video(video, posts), headers=poll_headers())


@app.get("/videos/<video_id>/content")
def download_content(video_id: str) -> Response[str]:
    """Redirect to the bytes of a kept video."""
    variant = app.current_event.get_query_string_value("variant", "video")
    return redirect(bootstrap.read_library().locate(video_id, owner=read_owner(app), variant=variant))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a request."""
    return app.resolve(event, context)
