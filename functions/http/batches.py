"""The routes for batches: files with one request per row."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from mediaposter.current import stack
from mediaposter.observability import logger
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
from mediaposter.wire.contract import contract
from mediaposter.wire.http import (
    authorize,
    create_resolver,
    read_body,
    read_query,
    read_request_context,
    redirect,
    reply,
)
from mediaposter.wire.objects import ListObject

app = create_resolver()


@app.post("/batches", openapi_extensions=contract(BatchObject, json=CreateBatchRequest, is_idempotent=True))
def create_batch() -> Response[str]:
    """Record a batch of requests and start to take its rows."""
    caller = authorize(app, "create")
    request = parse_create_batch(*read_body(app))
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
