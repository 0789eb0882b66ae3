"""The routes that continue a video: approve, post, move, cancel, resolve, and store again."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.contract import contract
from mediaposter.wire.http import authorize, create_resolver, read_body, read_query, reply
from mediaposter.wire.objects import ListObject, present_posts, present_schedules
from mediaposter.wire.post_requests import (
    ApprovalRequest,
    MoveRequest,
    PostPath,
    PublishAgainRequest,
    ResolveRequest,
    parse_approval,
    parse_move,
    parse_post_path,
    parse_publish_again,
    parse_resolve,
)
from mediaposter.wire.queries import PostsQuery, ScheduleQuery
from mediaposter.wire.requests import check_video_id
from mediaposter.wire.video_object import PostObject, VideoObject, present_post, present_video

app = create_resolver()


@app.post(
    "/videos/<video_id>/posts", openapi_extensions=contract(VideoObject, form=PublishAgainRequest, errors=(409, 503))
)
def publish_again(video_id: str) -> Response[str]:
    """Post a kept video once more: to these targets, or where it failed."""
    caller = authorize(app, "publish")
    request = parse_publish_again(*read_body(app))
    video, posts = stack().repeat_posts(check_video_id(video_id), request, caller=caller)
    return reply(present_video(video, posts, stack().read_posts.find_approval(video)))


@app.get("/videos/<video_id>/posts", openapi_extensions=contract(ListObject[PostObject], query=PostsQuery))
def list_posts(video_id: str) -> Response[str]:
    """Answer the posts of a video."""
    caller = authorize(app, "read")
    query = read_query(app, PostsQuery)
    return reply(present_posts(stack().read_posts.list_posts(check_video_id(video_id), query, caller=caller)))


@app.patch(
    "/videos/<video_id>/posts/<platform>/<account_id>",
    openapi_extensions=contract(PostObject, path=PostPath, json=MoveRequest, errors=(409, 502)),
)
def move_post(video_id: str, platform: str, account_id: str) -> Response[str]:
    """Give a scheduled post another time."""
    caller = authorize(app, "publish")
    path = parse_post_path(video_id, platform, account_id)
    request = parse_move(*read_body(app))
    return reply(present_post(stack().reschedule_post.move(path.video_id, path.post_id, request, caller=caller)))


@app.delete(
    "/videos/<video_id>/posts/<platform>/<account_id>",
    openapi_extensions=contract(PostObject, path=PostPath, errors=(409, 502)),
)
def cancel_post(video_id: str, platform: str, account_id: str) -> Response[str]:
    """Take a scheduled post away before it is public."""
    caller = authorize(app, "publish")
    path = parse_post_path(video_id, platform, account_id)
    return reply(present_post(stack().reschedule_post.cancel(path.video_id, path.post_id, caller=caller)))


@app.post(
    "/videos/<video_id>/posts/<platform>/<account_id>/resolve",
    openapi_extensions=contract(VideoObject, path=PostPath, json=ResolveRequest, errors=(409, 503)),
)
def resolve_post(video_id: str, platform: str, account_id: str) -> Response[str]:
    """Say what a person saw of a post that nobody could find: it is there, or it is to be sent again."""
    caller = authorize(app, "publish")
    path = parse_post_path(video_id, platform, account_id)
    request = parse_resolve(*read_body(app))
    video, posts = stack().repeat_posts.resolve(path.video_id, path.post_id, request, caller=caller)
    return reply(present_video(video, posts, stack().read_posts.find_approval(video)))


@app.post("/videos/<video_id>/approval", openapi_extensions=contract(VideoObject, json=ApprovalRequest, errors=(409,)))
def decide_approval(video_id: str) -> Response[str]:
    """Decide whether a video that waits for it is posted, and as what."""
    caller = authorize(app, "approve")
    request = parse_approval(*read_body(app))
    video, posts = stack().decide_approval(check_video_id(video_id), request, caller=caller)
    return reply(present_video(video, posts, stack().read_posts.find_approval(video)))


@app.post("/videos/<video_id>/store", openapi_extensions=contract(VideoObject, errors=(409,)))
def store_again(video_id: str) -> Response[str]:
    """Fetch a video again whose render is finished and whose download failed; nothing is rendered."""
    caller = authorize(app, "create")
    video, posts = stack().store_again(check_video_id(video_id), caller=caller)
    return reply(present_video(video, posts, stack().read_posts.find_approval(video)))


@app.get("/schedules", openapi_extensions=contract(ListObject[PostObject], query=ScheduleQuery, errors=(404,)))
def list_schedules() -> Response[str]:
    """Answer a page of the caller's posts that wait for their time."""
    caller = authorize(app, "read")
    query = read_query(app, ScheduleQuery)
    return reply(present_schedules(stack().read_posts.list_schedules(query, caller=caller)))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a request."""
    return app.resolve(event, context)
