"""A stand-in for Blotato's REST API v2: `python -m sandbox.blotato --port 0`.

It behaves as help.blotato.com says and as clients saw it live, the traps included: 201 is not published, an unknown
submission is "in-progress", an unknown field is dropped, a nested schedule is ignored. Nothing leaves the machine.

Faults are put in with `POST /_sandbox/faults` (see `sandbox.blotato_faults`) and taken out with DELETE;
`GET /_sandbox/calls`, `/posts` and `/uploads` tell what came of it all; `DELETE /_sandbox/accounts/{accountId}`
disconnects an account, and PUT connects it again; `POST /_sandbox/reset` forgets everything.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import PurePosixPath
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import ValidationError
from starlette import routing
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from sandbox.blotato_faults import AcceptTwice, BlotatoFaultScript, DelayBefore, OnCall, build_subject
from sandbox.blotato_networks import (
    ACCOUNTS,
    FACEBOOK_PAGE,
    LINKEDIN_PAGE,
    PINTEREST_BOARD,
    SUBACCOUNTS,
    YOUTUBE_PLAYLIST,
    Closed,
    Sent,
)
from sandbox.blotato_state import BlotatoState, UploadRow
from sandbox.blotato_wire import (
    LIMITS_PER_MINUTE,
    AcceptedPost,
    AccountsQuery,
    ApiError,
    CreateMedia,
    CreatePost,
    CreateUpload,
    MirroredMedia,
    Page,
    PatchSchedule,
    PostsQuery,
    Route,
    ScheduleAnswer,
    SchedulesQuery,
    SubaccountsQuery,
    UploadPlace,
    User,
    find_dropped_fields,
    read_body,
    read_claim,
    read_query,
)
from sandbox.faults import AcceptThenDrop, AcceptThenRespond, Delay, Drop, Respond
from sandbox.serving import DropConnection, build_response, serve

__all__ = [
    "ACCOUNTS",
    "FACEBOOK_PAGE",
    "LIMITS_PER_MINUTE",
    "LINKEDIN_PAGE",
    "PINTEREST_BOARD",
    "YOUTUBE_PLAYLIST",
    "Route",
    "create_app",
]

_HEAD_BYTES = 65_536

Handler = Callable[[Request], Awaitable[Response]]


class BlotatoApi:
    """The routes under `/v2`, and the storage that presigned URLs lead to."""

    def __init__(self, state: BlotatoState, *, api_key: str, plan_upload_bytes: int) -> None:
        self._state = state
        self._api_key = api_key
        self._plan_upload_bytes = plan_upload_bytes

    async def show_user(self, _: Request) -> Response:
        """Tell who the key belongs to."""
        return _answer(User(id="sandbox-user", subscription_status="active", api_key=self._api_key))

    async def list_accounts(self, request: Request) -> Response:
        """List the connected accounts."""
        platform = read_query(request, AccountsQuery).platform
        return _answer_items(account for account in self._state.list_accounts() if platform in (None, account.platform))

    async def list_subaccounts(self, request: Request) -> Response:
        """List the pages and playlists of an account."""
        return self._answer_subaccounts(request.path_params["accountId"])

    async def list_linkedin_pages(self, request: Request) -> Response:
        """List the company pages of a LinkedIn account."""
        return self._answer_subaccounts(read_query(request, SubaccountsQuery).account_id)

    def _answer_subaccounts(self, account_id: str) -> Response:
        account = self._state.find_account(account_id)
        return _answer_items(subaccount for subaccount in SUBACCOUNTS if subaccount.account_id == account.id)

    async def list_boards(self, request: Request) -> Response:
        """List the boards of a Pinterest account."""
        account = self._state.find_account(read_query(request, SubaccountsQuery).account_id)
        return _answer_items([PINTEREST_BOARD] if account == ACCOUNTS["pinterest"] else [])

    async def create_upload(self, request: Request) -> Response:
        """Hand out a place in storage."""
        body = await read_body(request, CreateUpload)
        upload = self._state.create_upload(PurePosixPath(body.filename).name)
        origin = _give_origin(request)
        return _answer(
            UploadPlace(presigned_url=f"{origin}/storage/uploads/{upload.token}", public_url=origin + upload.path), 201
        )

    async def store_upload(self, request: Request) -> Response:
        """Take the bytes of an upload: raw, of a declared length, without the key."""
        upload = self._state.open_upload(request.path_params["token"])
        content_type = self._check_storage_headers(request.headers)
        digest, head, size_bytes = sha256(), bytearray(), 0
        async for chunk in request.stream():
            digest.update(chunk)
            head += chunk[: _HEAD_BYTES - len(head)]
            size_bytes += len(chunk)
        upload.received_at = self._state.now()
        upload.file = UploadRow(
            public_url_path=upload.path,
            filename=upload.filename,
            size_bytes=size_bytes,
            sha256=digest.hexdigest(),
            content_type=content_type,
            is_mp4=b"ftyp" in head,
        )
        return Response(status_code=200)

    def _check_storage_headers(self, headers: Headers) -> str:
        """Refuse what storage does not take; give the content type."""
        if "blotato-api-key" in headers:
            raise ApiError(400, "The API key must not be sent to storage")
        if "transfer-encoding" in headers or "content-length" not in headers:
            raise ApiError(411, "Content-Length is required; chunked bodies are not taken")
        if int(headers["content-length"]) > self._plan_upload_bytes:
            raise ApiError(413, f"The file is larger than the plan allows ({self._plan_upload_bytes} bytes)")
        if "content-type" not in headers:
            raise ApiError(400, "Content-Type is required")
        return headers["content-type"]

    async def create_media(self, request: Request) -> Response:
        """Let Blotato fetch a public URL or take a data URI; here nothing is fetched or decoded."""
        body = await read_body(request, CreateMedia)
        is_data = body.url.startswith("data:")
        if not is_data and not self._state.is_readable(body.url, self._state.now()):
            raise ApiError(422, "Failed to read media metadata")
        filename = "media" if is_data else PurePosixPath(urlsplit(body.url).path).name or "media"
        path = self._state.mirror(filename)
        return _answer(MirroredMedia(id=str(uuid4()), url=_give_origin(request) + path), 201)

    async def create_post(self, request: Request) -> Response:
        """Accept a post: 201 says that it is queued or scheduled, not that it is public."""
        body = await read_body(request, CreatePost)
        dropped_fields = find_dropped_fields(await request.json(), body)
        self._state.note(request.state.call_id, dropped_fields=dropped_fields)
        post = self._state.create_post(body)
        self._state.note(request.state.call_id, post_submission_id=post.submission_id)
        return _answer(AcceptedPost(post_submission_id=post.submission_id, scheduled_time=post.scheduled_time), 201)

    async def show_post(self, request: Request) -> Response:
        """Tell how a submission stands."""
        return _answer(self._state.describe_submission(request.path_params["postSubmissionId"]))

    async def list_posts(self, request: Request) -> Response:
        """List scheduled, published and failed posts."""
        return _answer(self._state.list_posts(read_query(request, PostsQuery)))

    async def list_schedules(self, request: Request) -> Response:
        """List what is still to come."""
        return _answer(self._state.list_schedules(read_query(request, SchedulesQuery)))

    async def show_schedule(self, request: Request) -> Response:
        """Give one schedule."""
        post = self._state.find_scheduled(request.path_params["id"])
        return _answer(ScheduleAnswer(schedule=self._state.describe_schedule(post)))

    async def patch_schedule(self, request: Request) -> Response:
        """Change a schedule."""
        body = await read_body(request, PatchSchedule)
        self._state.patch_schedule(request.path_params["id"], body.patch)
        return Response(status_code=204)

    async def cancel_schedule(self, request: Request) -> Response:
        """Cancel a schedule."""
        self._state.cancel_schedule(request.path_params["id"])
        return Response(status_code=204)


class Gate:
    """What a call passes before and after its handler: the log, the key, the limit, the faults."""

    def __init__(self, state: BlotatoState, *, api_key: str, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._state = state
        self._api_key = api_key
        self._sleep = sleep

    def guard(self, route: Route, handler: Handler) -> routing.Route:
        """Put a handler under the address of its route."""

        async def answer(request: Request) -> Response:
            request.state.call_id = self._state.begin_call(route)
            try:
                response = await self._pass(route, request, handler)
            except ApiError as error:
                response = JSONResponse({"message": error.message}, error.status)
            except ClientDisconnect:
                # The client went away in the middle of its body: nobody is left to answer.
                return DropConnection()
            if not isinstance(response, DropConnection):
                self._state.note(request.state.call_id, status=response.status_code)
            return response

        method, path = route.split(" ")
        prefix = "" if route is Route.STORE_UPLOAD else "/v2"
        return routing.Route(prefix + path, answer, methods=[method])

    async def _pass(self, route: Route, request: Request, handler: Handler) -> Response:
        if route is not Route.STORE_UPLOAD:
            self._check_key(request.headers)
        self._state.count_call(route)
        subject = await self._find_subject(route, request)
        fault = self._state.faults.pick(OnCall, subject, fits=lambda rule: rule.on is route)
        action = fault.action if fault else None
        if isinstance(action, Respond):
            return build_response(action)
        if isinstance(action, Drop):
            return DropConnection()
        if isinstance(action, DelayBefore):
            await self._sleep(action.seconds)
        response = await handler(request)
        if isinstance(action, AcceptTwice):
            response = await handler(request)
        if isinstance(action, Delay):
            await self._sleep(action.seconds)
        if isinstance(action, AcceptThenDrop):
            return DropConnection()
        if isinstance(action, AcceptThenRespond):
            return build_response(action)
        return response

    def _check_key(self, headers: Headers) -> None:
        key = headers.get("blotato-api-key", "")
        if not hmac.compare_digest(key.encode(), self._api_key.encode()):
            raise ApiError(401, "Invalid API key")

    async def _find_subject(self, route: Route, request: Request) -> str:
        """Find what the rules of this call are matched with; note what it says of a post."""
        if route is Route.STORE_UPLOAD:
            upload = self._state.uploads.get(request.path_params["token"])
            return upload.filename if upload else ""
        if route is Route.CREATE_POST:
            claim = read_claim(await request.body())
            self._state.note(request.state.call_id, **claim.model_dump())
            return build_subject(claim.platform, claim.text)
        if route is Route.SHOW_POST:
            post = self._state.posts.get(request.path_params["postSubmissionId"])
            if post is None:
                return ""
            self._state.note(
                request.state.call_id,
                post_submission_id=post.submission_id,
                account_id=post.account.id,
                platform=post.account.platform,
                text=post.text,
                media_urls=post.media_urls,
            )
            return build_subject(post.account.platform, post.text)
        return f"{request.url.path}?{request.url.query}\n{(await request.body()).decode(errors='replace')}"


class SandboxRoutes:
    """The routes under `/_sandbox`, which steer the stand-in and ask what it saw."""

    def __init__(self, state: BlotatoState) -> None:
        self._state = state

    async def add_faults(self, request: Request) -> Response:
        """Take a fault script."""
        try:
            script = BlotatoFaultScript.model_validate_json(await request.body())
        except ValidationError as error:
            return Response(error.json(include_url=False), 422, media_type="application/json")
        self._state.faults.add(script.rules)
        return Response(status_code=204)

    async def clear_faults(self, _: Request) -> Response:
        """Forget every fault; posts keep those they met."""
        self._state.faults.clear()
        return Response(status_code=204)

    async def show_calls(self, _: Request) -> Response:
        """Give every call in the order of arrival."""
        return _answer_rows("calls", self._state.calls.values())

    async def show_posts(self, _: Request) -> Response:
        """Give every post that exists, in the order of acceptance."""
        return _answer_rows("posts", (self._state.describe_row(post) for post in self._state.posts.values()))

    async def show_uploads(self, _: Request) -> Response:
        """Give every file whose bytes arrived."""
        return _answer_rows("uploads", (upload.file for upload in self._state.uploads.values() if upload.file))

    async def disconnect_account(self, request: Request) -> Response:
        """Disconnect an account."""
        try:
            self._state.disconnect(request.path_params["accountId"])
        except ApiError as error:
            return JSONResponse({"message": error.message}, error.status)
        return Response(status_code=204)

    async def reconnect_account(self, request: Request) -> Response:
        """Connect an account again."""
        self._state.reconnect(request.path_params["accountId"])
        return Response(status_code=204)

    async def reset(self, _: Request) -> Response:
        """Forget posts, uploads, faults, calls, disconnected accounts and spent limits."""
        self._state.reset()
        return Response(status_code=204)


def _answer(body: Sent, status: int = 200) -> Response:
    """Answer a body; what has no value is absent rather than null."""
    return JSONResponse(body.model_dump(mode="json", by_alias=True, exclude_none=True), status)


def _answer_items(items: Iterable[Sent]) -> Response:
    return _answer(Page(items=tuple(items)))


def _answer_rows(name: str, rows: Iterable[Closed]) -> Response:
    return JSONResponse({name: [row.model_dump(mode="json") for row in rows]})


def _give_origin(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _read_clock() -> datetime:
    return datetime.now(UTC)


def create_app(
    *,
    api_key: str = "blotato-sandbox-key=",
    publish_seconds: float = 2.0,
    plan_upload_bytes: int = 1_000_000_000,
    limits_per_minute: Mapping[str, int] | None = None,
    now: Callable[[], datetime] = _read_clock,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Starlette:
    """Build the stand-in.

    Args:
        api_key: compared verbatim, the trailing `=` included.
        publish_seconds: how long a post that is due takes to be published or refused.
        plan_upload_bytes: the largest upload of the plan; 400 MB or 1 GB at Blotato.
        limits_per_minute: calls per minute by `Route`, over those of `LIMITS_PER_MINUTE`.
        now: the clock of posts, schedules, presigned URLs and limits; UTC-aware.
        sleep: how a delay fault waits.
    """
    state = BlotatoState(
        publish_time=timedelta(seconds=publish_seconds),
        limits_per_minute={**LIMITS_PER_MINUTE, **(limits_per_minute or {})},
        now=now,
    )
    api = BlotatoApi(state, api_key=api_key, plan_upload_bytes=plan_upload_bytes)
    gate = Gate(state, api_key=api_key, sleep=sleep)
    sandbox = SandboxRoutes(state)
    return Starlette(
        routes=[
            gate.guard(Route.SHOW_USER, api.show_user),
            gate.guard(Route.LIST_ACCOUNTS, api.list_accounts),
            gate.guard(Route.LIST_SUBACCOUNTS, api.list_subaccounts),
            gate.guard(Route.LIST_BOARDS, api.list_boards),
            gate.guard(Route.LIST_LINKEDIN_PAGES, api.list_linkedin_pages),
            gate.guard(Route.CREATE_UPLOAD, api.create_upload),
            gate.guard(Route.STORE_UPLOAD, api.store_upload),
            gate.guard(Route.CREATE_MEDIA, api.create_media),
            gate.guard(Route.CREATE_POST, api.create_post),
            gate.guard(Route.SHOW_POST, api.show_post),
            gate.guard(Route.LIST_POSTS, api.list_posts),
            gate.guard(Route.LIST_SCHEDULES, api.list_schedules),
            gate.guard(Route.SHOW_SCHEDULE, api.show_schedule),
            gate.guard(Route.PATCH_SCHEDULE, api.patch_schedule),
            gate.guard(Route.CANCEL_SCHEDULE, api.cancel_schedule),
            routing.Route("/_sandbox/faults", sandbox.add_faults, methods=["POST"]),
            routing.Route("/_sandbox/faults", sandbox.clear_faults, methods=["DELETE"]),
            routing.Route("/_sandbox/calls", sandbox.show_calls, methods=["GET"]),
            routing.Route("/_sandbox/posts", sandbox.show_posts, methods=["GET"]),
            routing.Route("/_sandbox/uploads", sandbox.show_uploads, methods=["GET"]),
            routing.Route("/_sandbox/accounts/{accountId}", sandbox.disconnect_account, methods=["DELETE"]),
            routing.Route("/_sandbox/accounts/{accountId}", sandbox.reconnect_account, methods=["PUT"]),
            routing.Route("/_sandbox/reset", sandbox.reset, methods=["POST"]),
        ]
    )


def main() -> None:
    """Serve the stand-in on the loopback interface until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.blotato", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--rate-scale", type=float, default=1.0, help="multiply every limit per minute by this")
    arguments = parser.parse_args()
    limits = {route: max(1, round(limit * arguments.rate_scale)) for route, limit in LIMITS_PER_MINUTE.items()}
    serve(create_app(limits_per_minute=limits), port=arguments.port, base_path="/v2")


if __name__ == "__main__":
    main()
