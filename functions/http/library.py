"""The GET and DELETE routes for videos, models and usage."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.contract import OpenApiDocument, contract, read_openapi
from mediaposter.wire.http import (
    authorize,
    create_resolver,
    poll_headers,
    read_query,
    redirect,
    refuse_characters,
    reply,
    reply_text,
)
from mediaposter.wire.objects import (
    DeletedVideoObject,
    ListObject,
    ModelObject,
    UsageObject,
    present_models,
    present_page,
    present_usage,
)
from mediaposter.wire.queries import ContentQuery, ListQuery, ModelsQuery, UsageQuery
from mediaposter.wire.video_object import VideoObject, present_video

app = create_resolver()


@app.get("/videos", openapi_extensions=contract(ListObject[VideoObject], query=ListQuery, errors=(404,)))
def list_videos() -> Response[str]:
    """Answer a page of the caller's videos."""
    caller = authorize(app, "read")
    page = stack().read_videos.list_videos(read_query(app, ListQuery), caller=caller)
    return reply(present_page(page.videos, has_more=page.has_more, link=stack().read_videos.link))


@app.get("/videos/<video_id>", openapi_extensions=contract(VideoObject, tells_poll_interval=True))
def retrieve_video(video_id: str) -> Response[str]:
    """Answer one video with its posts."""
    video, posts = stack().read_videos.retrieve(video_id, caller=authorize(app, "read"))
    approval = stack().read_posts.find_approval(video)
    return reply(present_video(video, posts, approval, stack().read_videos.link(video)), headers=poll_headers())


@app.get("/videos/<video_id>/content", openapi_extensions=contract(query=ContentQuery, redirects=True))
def download_content(video_id: str) -> Response[str]:
    """Redirect to the bytes of a kept video, its thumbnail or its spritesheet."""
    caller = authorize(app, "read")
    variant = read_query(app, ContentQuery).variant
    return redirect(stack().read_videos.locate(video_id, caller=caller, variant=variant))


@app.delete("/videos/<video_id>", openapi_extensions=contract(DeletedVideoObject, errors=(409,)))
def delete_video(video_id: str) -> Response[str]:
    """Stop, remove and forget a video."""
    stack().delete_video(video_id, caller=authorize(app, "create"))
    return reply(DeletedVideoObject(id=video_id))


@app.get("/videos/characters/<_character_id>", openapi_extensions=contract(errors=(400,)))
def retrieve_character(_character_id: str) -> Response[str]:
    """Refuse: characters were OpenAI's alone."""
    authorize(app, "read")
    return refuse_characters()


@app.get("/models", openapi_extensions=contract(ListObject[ModelObject], query=ModelsQuery))
def list_models() -> Response[str]:
    """Answer the models that can be asked for."""
    authorize(app, "read")
    query = read_query(app, ModelsQuery)
    return reply(present_models(stack().edges.read_catalog(), today=stack().edges.now().date(), after=query.after))


@app.get("/usage", openapi_extensions=contract(UsageObject, query=UsageQuery, errors=(404,)))
def sum_usage() -> Response[str]:
    """Answer what was spent."""
    caller = authorize(app, "read")
    usage = stack().read_videos.sum_usage(read_query(app, UsageQuery), caller=caller)
    return reply(present_usage(usage))


@app.get("/openapi.json", openapi_extensions=contract(OpenApiDocument))
def describe_api() -> Response[str]:
    """Answer the contract of this API."""
    authorize(app, "read")
    return reply_text(read_openapi())


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a request."""
    return app.resolve(event, context)
