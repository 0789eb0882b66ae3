"""The routes for videos, their posts and batches; those that request a video are in submit.py.

One resolver in one file: Lambda puts this folder on its path, not the package that it is of in the tests.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
from mediaposter.wire.accounts import AccountListObject, present_accounts
from mediaposter.wire.batch_check import BatchCheckObject, present_check
from mediaposter.wire.batches import (
    BatchListQuery,
    BatchObject,
    CancelBatchRequest,
    CreateBatchRequest,
    ResultsQuery,
    check_batch_id,
    parse_cancel_batch,
    parse_create_batch,
    present_batch,
    present_batches,
)
from mediaposter.wire.captions import CaptionsObject, CaptionsRequest, parse_captions
from mediaposter.wire.contract import OpenApiDocument, contract, read_openapi
from mediaposter.wire.http import (
    authorize,
    create_resolver,
    identify,
    poll_headers,
    read_body,
    read_query,
    read_request_context,
    redirect,
    refuse_characters,
    reply,
    reply_text,
)
from mediaposter.wire.key_object import KeyObject, present_key
from mediaposter.wire.objects import (
    DeletedVideoObject,
    ListObject,
    ModelObject,
    UsageObject,
    present_models,
    present_page,
    present_posts,
    present_schedules,
    present_usage,
)
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
from mediaposter.wire.queries import (
    ContentQuery,
    CreateQuery,
    EventsQuery,
    ListQuery,
    ModelsQuery,
    PostsQuery,
    ScheduleQuery,
    UsageQuery,
)
from mediaposter.wire.requests import check_video_id
from mediaposter.wire.video_events import VideoEventObject, present_events
from mediaposter.wire.video_object import NO_OUTLOOK, PostObject, VideoObject, present_post, present_video

app = create_resolver()

# Videos, models and usage.


@app.get("/videos", openapi_extensions=contract(ListObject[VideoObject], query=ListQuery, errors=(404,)))
def list_videos() -> Response[str]:
    """Answer a page of the caller's videos, with signed links of those that are kept.

    `stage`, `include` and `ids` may be repeated, or have commas between their values. `stage` lists what is at one of
    these stages now; failed videos are at none. `include=posts` adds the posts and the approval of each video. `ids`
    lists these videos, in this order, and leaves out what the caller has not. `created_after` and `created_before` are
    seconds since 1970. `remixed_from` lists what is made from a video.
    """
    caller = authorize(app, "read")
    query = read_query(app, ListQuery)
    page = stack().read_videos.list_videos(query, caller=caller)
    details = stack().find_details(page.videos, has_posts="posts" in query.include)
    return reply(present_page(page.videos, has_more=page.has_more, details=details))


@app.get("/videos/<video_id>", openapi_extensions=contract(VideoObject, tells_poll_interval=True))
def retrieve_video(video_id: str) -> Response[str]:
    """Answer one video with its posts."""
    video, posts = stack().read_videos.retrieve(video_id, caller=authorize(app, "read"))
    approval, links = stack().read_posts.find_approval(video), stack().read_videos.link(video)
    outlook = stack().tell_outlook([video]).get(video_id, NO_OUTLOOK)
    return reply(present_video(video, posts, approval, links, outlook), headers=poll_headers())


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


@app.get("/accounts", openapi_extensions=contract(AccountListObject))
def list_accounts() -> Response[str]:
    """Answer the connected accounts that the key may post to.

    Blotato is asked when its last answer is older than five minutes. If it does not answer, the last list is returned,
    with a `warning`.
    """
    listed = stack().list_accounts(caller=authorize(app, "publish"))
    return reply(present_accounts(listed, notice=stack().edges.posts_notice))


@app.post("/captions", openapi_extensions=contract(CaptionsObject, json=CaptionsRequest, errors=(404, 409, 502)))
def write_captions() -> Response[str]:
    """Have a model write one caption for each network. Off without a key for such a model."""
    caller = authorize(app, "create")
    return reply(stack().write_captions(parse_captions(*read_body(app)), caller=caller))


@app.get("/key", openapi_extensions=contract(KeyObject))
def describe_key() -> Response[str]:
    """Answer what the key of this request may do, and until when. Every key may ask."""
    return reply(present_key(identify(app)))


@app.get("/openapi.json", openapi_extensions=contract(OpenApiDocument))
def describe_api() -> Response[str]:
    """Answer the contract of this API."""
    authorize(app, "read")
    return reply_text(read_openapi())


# What continues a video: approve, post, move, cancel, resolve, and store again.


@app.post(
    "/videos/<video_id>/posts", openapi_extensions=contract(VideoObject, form=PublishAgainRequest, errors=(409, 503))
)
def publish_again(video_id: str) -> Response[str]:
    """Post a kept video once more: to these targets, or where it failed."""
    caller = authorize(app, "publish")
    request = parse_publish_again(*read_body(app))
    video, posts = stack().repeat_posts(check_video_id(video_id), request, caller=caller)
    return reply(present_video(video, posts, stack().read_posts.find_approval(video), stack().read_videos.link(video)))


@app.get("/videos/<video_id>/posts", openapi_extensions=contract(ListObject[PostObject], query=PostsQuery))
def list_posts(video_id: str) -> Response[str]:
    """Answer the posts of a video."""
    caller = authorize(app, "read")
    query = read_query(app, PostsQuery)
    return reply(present_posts(stack().read_posts.list_posts(check_video_id(video_id), query, caller=caller)))


@app.get("/videos/<video_id>/events", openapi_extensions=contract(ListObject[VideoEventObject], query=EventsQuery))
def list_events(video_id: str) -> Response[str]:
    """Answer who did what to a video: requested, tried, stored, asked, decided, posted, moved, cancelled, deleted.

    A deleted video's can be read for 90 days. Of a record with very many events those in the middle are left out.
    """
    caller = authorize(app, "read")
    query = read_query(app, EventsQuery)
    page = stack().read_events(check_video_id(video_id), query, caller=caller)
    return reply(present_events(page.events, has_more=page.has_more))


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
    """Say what a person saw of a post in doubt: it is public, or it is to be sent again."""
    caller = authorize(app, "publish")
    path = parse_post_path(video_id, platform, account_id)
    request = parse_resolve(*read_body(app))
    video, posts = stack().repeat_posts.resolve(path.video_id, path.post_id, request, caller=caller)
    return reply(present_video(video, posts, stack().read_posts.find_approval(video), stack().read_videos.link(video)))


@app.post("/videos/<video_id>/approval", openapi_extensions=contract(VideoObject, json=ApprovalRequest, errors=(409,)))
def decide_approval(video_id: str) -> Response[str]:
    """Decide whether a video that waits for it is posted, and as what."""
    caller = authorize(app, "approve")
    request = parse_approval(*read_body(app))
    video, posts = stack().decide_approval(check_video_id(video_id), request, caller=caller)
    return reply(present_video(video, posts, stack().read_posts.find_approval(video), stack().read_videos.link(video)))


@app.post("/videos/<video_id>/store", openapi_extensions=contract(VideoObject, errors=(409,)))
def store_again(video_id: str) -> Response[str]:
    """Fetch a video again whose render is finished and whose download failed; nothing is rendered."""
    caller = authorize(app, "create")
    video, posts = stack().store_again(check_video_id(video_id), caller=caller)
    return reply(present_video(video, posts, stack().read_posts.find_approval(video), stack().read_videos.link(video)))


@app.get("/schedules", openapi_extensions=contract(ListObject[PostObject], query=ScheduleQuery, errors=(404,)))
def list_schedules() -> Response[str]:
    """Answer a page of the caller's posts that wait for their time."""
    caller = authorize(app, "read")
    query = read_query(app, ScheduleQuery)
    return reply(present_schedules(stack().read_posts.list_schedules(query, caller=caller)))


# Batches: files with one request per row.


@app.post(
    "/batches",
    openapi_extensions=contract(
        BatchObject, BatchCheckObject, query=CreateQuery, json=CreateBatchRequest, is_idempotent=True
    ),
)
def create_batch() -> Response[str]:
    """Record a batch of requests and start to take its rows; with `dry_run` only check them.

    A check takes 20 seconds at most and writes nothing. It tells which rows would be refused and why, and what the
    others would cost. Pictures are not looked at.
    """
    caller, query = authorize(app, "create"), read_query(app, CreateQuery)
    request = parse_create_batch(*read_body(app))
    if query.dry_run:
        return reply(present_check(stack().check_batch(request, caller=caller)))
    batch = stack().open_batch(request, caller=caller, request_context=read_request_context(app))
    view = stack().read_batches.retrieve(batch.id, caller=caller)
    return reply(present_batch(view, base_url=stack().edges.public_url()))


@app.get("/batches", openapi_extensions=contract(ListObject[BatchObject], query=BatchListQuery))
def list_batches() -> Response[str]:
    """Answer a page of the caller's batches."""
    caller = authorize(app, "read")
    views, has_more = stack().read_batches.list_batches(read_query(app, BatchListQuery), caller=caller)
    return reply(present_batches(views, has_more=has_more, base_url=stack().edges.public_url()))


@app.get("/batches/<batch_id>", openapi_extensions=contract(BatchObject))
def retrieve_batch(batch_id: str) -> Response[str]:
    """Answer how a batch stands, and what it cost so far."""
    view = stack().read_batches.retrieve(check_batch_id(batch_id), caller=authorize(app, "read"))
    return reply(present_batch(view, base_url=stack().edges.public_url()))


@app.get("/batches/<batch_id>/results", openapi_extensions=contract(query=ResultsQuery, redirects=True))
def download_results(batch_id: str) -> Response[str]:
    """Redirect to what became of each row of a batch, as JSONL or as CSV."""
    caller = authorize(app, "read")
    query = read_query(app, ResultsQuery)
    return redirect(stack().read_batches.locate(check_batch_id(batch_id), query.format, caller=caller))


@app.post(
    "/batches/<batch_id>/cancel", openapi_extensions=contract(BatchObject, json=CancelBatchRequest, errors=(409,))
)
def cancel_batch(batch_id: str) -> Response[str]:
    """Stop what of a batch is not started, and on request what runs."""
    caller = authorize(app, "create")
    request = parse_cancel_batch(*read_body(app))
    stack().cancel_batch(check_batch_id(batch_id), request, caller=caller)
    view = stack().read_batches.retrieve(batch_id, caller=caller)
    return reply(present_batch(view, base_url=stack().edges.public_url()))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route a request."""
    return app.resolve(event, context)
