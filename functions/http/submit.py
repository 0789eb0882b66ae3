"""The POST routes that request a video, new or made from another."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.contract import contract
from mediaposter.wire.http import (
    authorize,
    create_resolver,
    poll_headers,
    read_body,
    read_query,
    read_request_context,
    refuse_characters,
    reply,
)
from mediaposter.wire.objects import EstimateObject, UploadObject, present_estimate, present_upload
from mediaposter.wire.queries import CreateQuery
from mediaposter.wire.requests import (
    CreateVideoRequest,
    EditVideoRequest,
    ExtendVideoRequest,
    RemixVideoRequest,
    parse_create_video,
    parse_edit_video,
    parse_extend_video,
    parse_remix_video,
)
from mediaposter.wire.uploads import UploadRequest, parse_upload
from mediaposter.wire.video_object import VideoObject, present_video

app = create_resolver()


@app.post(
    "/videos",
    openapi_extensions=contract(
        VideoObject,
        EstimateObject,
        query=CreateQuery,
        form=CreateVideoRequest,
        is_idempotent=True,
        tells_poll_interval=True,
    ),
)
def create_video() -> Response[str]:
    """Record a video and start its execution; with `dry_run` only tell what it would be."""
    caller = authorize(app, "create")
    query = read_query(app, CreateQuery)
    request = parse_create_video(*read_body(app))
    if query.dry_run:
        return reply(present_estimate(stack().submit_video.estimate(request, caller=caller)))
    submission = stack().submit_video(request, caller=caller, request_context=read_request_context(app))
    return reply(present_video(submission.video, submission.posts), headers=poll_headers())


@app.post(
    "/videos/<video_id>/remix",
    openapi_extensions=contract(VideoObject, form=RemixVideoRequest, is_idempotent=True, tells_poll_interval=True),
)
def remix_video(video_id: str) -> Response[str]:
    """Record a new video that is made from a finished one and a changed prompt."""
    caller = authorize(app, "create")
    request = parse_remix_video(*read_body(app), video_id=video_id)
    submission = stack().submit_video.derive(request, caller=caller, request_context=read_request_context(app))
    return reply(present_video(submission.video, submission.posts), headers=poll_headers())


@app.post(
    "/videos/edits",
    openapi_extensions=contract(
        VideoObject, form=EditVideoRequest, errors=(404,), is_idempotent=True, tells_poll_interval=True
    ),
)
def edit_video() -> Response[str]:
    """Record a video that changes a finished one as the prompt says."""
    caller = authorize(app, "create")
    request = parse_edit_video(*read_body(app))
    submission = stack().submit_video.derive(request, caller=caller, request_context=read_request_context(app))
    return reply(present_video(submission.video, submission.posts), headers=poll_headers())


@app.post(
    "/videos/extensions",
    openapi_extensions=contract(
        VideoObject, form=ExtendVideoRequest, errors=(404,), is_idempotent=True, tells_poll_interval=True
    ),
)
def extend_video() -> Response[str]:
    """Record a video that goes on where a finished one ends."""
    caller = authorize(app, "create")
    request = parse_extend_video(*read_body(app))
    submission = stack().submit_video.derive(request, caller=caller, request_context=read_request_context(app))
    return reply(present_video(submission.video, submission.posts), headers=poll_headers())


@app.post("/videos/characters", openapi_extensions=contract(errors=(400,)))
def create_character() -> Response[str]:
    """Refuse: characters were OpenAI's alone."""
    authorize(app, "create")
    return refuse_characters()


@app.post("/uploads", openapi_extensions=contract(UploadObject, json=UploadRequest))
def create_upload() -> Response[str]:
    """Give a place to PUT a picture that is too large for a request."""
    caller = authorize(app, "create")
    upload = stack().open_upload(parse_upload(*read_body(app)), caller=caller)
    return reply(present_upload(upload.upload_id, upload.presigned))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a request."""
    return app.resolve(event, context)
