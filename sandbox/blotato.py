"""A stand-in for Blotato's REST API v2: `python -m sandbox.blotato --port 0`.

Written on 2026-11-23 from help.blotato.com (api/llm, rest-api-reference, get-post.md, platform-publishing) and from
what clients saw live, the traps included: 201 is not published, an unknown submission is "in-progress", an unknown
field is dropped, a nested schedule is ignored. Nothing leaves the machine.

Beyond what steers any stand-in, `GET /_sandbox/posts` and `/uploads` tell what came of it all, and
`DELETE /_sandbox/accounts/{accountId}` disconnects an account, PUT connects it again. A rule's `match` is looked for in
a post's platform and text; on routes without a post, in the address and the body.
"""

from __future__ import annotations

import hmac
import math
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import PurePosixPath
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from starlette import routing
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.blotato_networks import (
    ACCOUNTS,
    FACEBOOK_PAGE,
    LINKEDIN_PAGE,
    PINTEREST_BOARD,
    SUBACCOUNTS,
    YOUTUBE_PLAYLIST,
    Sent,
)
from sandbox.blotato_state import BlotatoState, FailPublish, ListLag, StayInProgress, dump, format_time, leave_out_nulls
from sandbox.blotato_wire import (
    LIMITS_PER_MINUTE,
    AccountsQuery,
    CreateMedia,
    CreatePost,
    CreateUpload,
    PageQuery,
    PatchSchedule,
    PostsQuery,
    Route,
    SubaccountsQuery,
    find_dropped_fields,
    read_body,
    read_claim,
    read_query,
    refuse,
)
from sandbox.engine import Body, Handler, Job, Refusal, StandIn, find_origin
from sandbox.faults import AcceptThenDrop, AcceptThenRespond, Action, Delay, Drop, Plays, Respond
from sandbox.serving import run

__all__ = ["ACCOUNTS", "FACEBOOK_PAGE", "LINKEDIN_PAGE", "PINTEREST_BOARD", "YOUTUBE_PLAYLIST", "Route", "create_app"]

# Compared verbatim, the trailing `=` included.
API_KEY = "blotato-sandbox-key="

_LIMIT_WINDOW_SECONDS = 60
_HEAD_BYTES = 65_536
_ACCOUNT_CONTROL = "/_sandbox/accounts/{accountId}"


class AcceptTwice(Action):
    """Do the work twice and answer for the second time, as behind a proxy that sends again what it thinks lost."""

    type: Literal["accept_twice"] = "accept_twice"


class Blotato(StandIn[Job]):
    """The routes under `/v2`, and the storage that presigned URLs lead to."""

    plays: ClassVar[Plays] = {
        # Only a call that would have been accepted plays what comes after accepting.
        **dict.fromkeys(Route, (Respond, Delay, Drop, AcceptThenDrop, AcceptThenRespond, AcceptTwice)),
        # These are met when a post is created; it can lose its answer, fail, and be listed late.
        "publish": (StayInProgress, FailPublish),
        "listing": (ListLag,),
    }

    def __init__(self, *, publish_seconds: float, rate_scale: float, now: Callable[[], datetime]) -> None:
        self._publish_time = timedelta(seconds=publish_seconds)
        self._limits = {route: max(1, round(limit * rate_scale)) for route, limit in LIMITS_PER_MINUTE.items()}
        self._now = now
        super().__init__(clock=lambda: now().timestamp())

    def reset(self) -> None:
        """Forget everything but the seeds."""
        super().reset()
        self._state = BlotatoState(publish_time=self._publish_time, now=self._now, faults=self.faults)
        self._call_times: defaultdict[Route, deque[float]] = defaultdict(deque)

    def refuse(self, status: int, message: str) -> Refusal:
        """Give the message as Blotato does."""
        return refuse(status, message)

    def list_routes(self) -> Sequence[routing.BaseRoute]:
        """List them."""
        handlers: dict[Route, Handler] = {
            Route.SHOW_USER: self._show_user,
            Route.LIST_ACCOUNTS: self._list_accounts,
            Route.LIST_SUBACCOUNTS: self._list_subaccounts,
            Route.LIST_BOARDS: self._list_boards,
            Route.CREATE_UPLOAD: self._create_upload,
            Route.STORE_UPLOAD: self._store_upload,
            Route.CREATE_MEDIA: self._create_media,
            Route.CREATE_POST: self._create_post,
            Route.SHOW_POST: self._show_post,
            Route.LIST_POSTS: self._list_posts,
            Route.LIST_SCHEDULES: self._list_schedules,
            Route.SHOW_SCHEDULE: self._show_schedule,
            Route.PATCH_SCHEDULE: self._patch_schedule,
            Route.CANCEL_SCHEDULE: self._cancel_schedule,
        }
        return [
            *(self._guard(route, handler) for route, handler in handlers.items()),
            routing.Route("/_sandbox/posts", self._tell_posts, methods=["GET"]),
            routing.Route("/_sandbox/uploads", self._tell_uploads, methods=["GET"]),
            routing.Route(_ACCOUNT_CONTROL, self._disconnect, methods=["DELETE"]),
            routing.Route(_ACCOUNT_CONTROL, self._reconnect, methods=["PUT"]),
        ]

    def authorize(self, request: Request) -> None:
        """Ask for the key, but not at storage."""
        key = request.headers.get("blotato-api-key", "")
        is_known = hmac.compare_digest(key.encode(), API_KEY.encode())
        if request.url.path.startswith("/v2/") and not is_known:
            raise refuse(401, "Invalid API key")

    def _guard(self, route: Route, handler: Handler) -> routing.Route:
        """Put a handler under the address of its route, behind its limit and its faults."""

        async def answer(request: Request) -> Response:
            self.note(request, route=route)
            self._count_call(route)
            action = self.begin(request, route, await self._find_subject(route, request))
            response = await handler(request)
            if isinstance(action, AcceptTwice):
                response = await handler(request)
            await self.finish(action)
            return response

        method, path = route.split(" ")
        prefix = "" if route is Route.STORE_UPLOAD else "/v2"
        return routing.Route(prefix + path, answer, methods=[method])

    def _count_call(self, route: Route) -> None:
        """Hold the limit of a route over the last sixty seconds."""
        times, now = self._call_times[route], self.clock()
        while times and times[0] <= now - _LIMIT_WINDOW_SECONDS:
            times.popleft()
        if len(times) >= self._limits.get(route, math.inf):
            wait_seconds = math.ceil(times[0] + _LIMIT_WINDOW_SECONDS - now)
            raise refuse(429, f"Rate limit exceeded, retry in {wait_seconds} seconds")
        times.append(now)

    async def _find_subject(self, route: Route, request: Request) -> str:
        """Find what the rules of this call are matched with; note what it says of a post."""
        if route is Route.STORE_UPLOAD:
            upload = self._state.uploads.get(request.path_params["token"])
            return upload.filename if upload else ""
        if route is Route.CREATE_POST:
            claim = read_claim(await request.body())
            self.note(request, **claim)
            return f"{claim['platform']}\n{claim['text']}"
        if route is Route.SHOW_POST:
            post = self._state.posts.get(request.path_params["postSubmissionId"])
            if post is None:
                return ""
            self.note(request, post_submission_id=post.submission_id, account_id=post.account.id, text=post.text)
            return post.subject
        return f"{request.url.path}?{request.url.query}\n{(await request.body()).decode(errors='replace')}"

    async def _show_user(self, _: Request) -> Response:
        """Echo the key: a client must not log it."""
        return JSONResponse({"id": "sandbox-user", "subscriptionStatus": "active", "apiKey": API_KEY})

    async def _list_accounts(self, request: Request) -> Response:
        platform = read_query(request, AccountsQuery).platform
        return _answer_items(one for one in self._state.list_accounts() if platform in (None, one.platform))

    async def _list_subaccounts(self, request: Request) -> Response:
        account = self._state.find_account(request.path_params["accountId"])
        return _answer_items(subaccount for subaccount in SUBACCOUNTS if subaccount.account_id == account.id)

    async def _list_boards(self, request: Request) -> Response:
        account = self._state.find_account(read_query(request, SubaccountsQuery).account_id)
        return _answer_items([PINTEREST_BOARD] if account == ACCOUNTS["pinterest"] else [])

    async def _create_upload(self, request: Request) -> Response:
        body, origin = await read_body(request, CreateUpload), find_origin(request)
        token, upload = self._state.create_upload(PurePosixPath(body.filename).name)
        urls = {"presignedUrl": f"{origin}/storage/uploads/{token}", "publicUrl": origin + upload.path}
        return JSONResponse(urls, 201)

    async def _store_upload(self, request: Request) -> Response:
        """Take the bytes of an upload: raw, of a declared length, once, without the key."""
        upload = self._state.open_upload(request.path_params["token"])
        if "blotato-api-key" in request.headers:
            raise refuse(400, "The API key must not be sent to storage")
        if "transfer-encoding" in request.headers or "content-length" not in request.headers:
            raise refuse(411, "Content-Length is required; chunked bodies are not taken")
        if "content-type" not in request.headers:
            raise refuse(400, "Content-Type is required")
        digest, head, size_bytes = sha256(), bytearray(), 0
        async for chunk in request.stream():
            digest.update(chunk)
            head += chunk[: _HEAD_BYTES - len(head)]
            size_bytes += len(chunk)
        upload.received_at = self._now()
        upload.file = {
            "public_url_path": upload.path,
            "filename": upload.filename,
            "size_bytes": size_bytes,
            "sha256": digest.hexdigest(),
            "content_type": request.headers["content-type"],
            "is_mp4": b"ftyp" in head,
        }
        return Response(status_code=200)

    async def _create_media(self, request: Request) -> Response:
        """Let Blotato fetch a public URL or take a data URI; here nothing is fetched or decoded."""
        url = (await read_body(request, CreateMedia)).url
        is_data = url.startswith("data:")
        if not is_data and not self._state.is_readable(url, self._now()):
            raise refuse(422, "Failed to read media metadata")
        path = self._state.mirror("media" if is_data else PurePosixPath(urlsplit(url).path).name or "media")
        return JSONResponse({"id": str(uuid.uuid4()), "url": find_origin(request) + path}, 201)

    async def _create_post(self, request: Request) -> Response:
        """Accept a post: 201 says that it is queued or scheduled, not that it is public."""
        body = await read_body(request, CreatePost)
        self.note(request, dropped_fields=list(find_dropped_fields(await request.json(), body)))
        post = self._state.create_post(body)
        self.note(request, post_submission_id=post.submission_id)
        accepted: Body = {"postSubmissionId": post.submission_id, "scheduledTime": format_time(post.scheduled_time)}
        return JSONResponse(leave_out_nulls(accepted), 201)

    async def _show_post(self, request: Request) -> Response:
        """Answer for any id: one that matches no record is "in-progress" too, as get-post.md says."""
        submission_id = request.path_params["postSubmissionId"]
        post = self._state.posts.get(submission_id)
        unknown: Body = {"postSubmissionId": submission_id, "status": "in-progress"}
        return JSONResponse(unknown if post is None else leave_out_nulls(self._state.describe(post)))

    async def _list_posts(self, request: Request) -> Response:
        return JSONResponse(self._state.list_posts(read_query(request, PostsQuery)))

    async def _list_schedules(self, request: Request) -> Response:
        return JSONResponse(self._state.list_schedules(read_query(request, PageQuery)))

    async def _show_schedule(self, request: Request) -> Response:
        post = self._state.find_scheduled(request.path_params["id"])
        return JSONResponse({"schedule": self._state.describe_schedule(post)})

    async def _patch_schedule(self, request: Request) -> Response:
        """Change the time or the draft; a draft is not merged, so what it leaves out is lost."""
        patch = (await read_body(request, PatchSchedule)).patch
        post = self._state.find_scheduled(request.path_params["id"])
        post.scheduled_time = patch.scheduled_time or post.scheduled_time
        if patch.draft is not None:
            content = patch.draft.content
            post.text, post.media_urls, post.target = content.text, content.media_urls, patch.draft.target
        return Response(status_code=204)

    async def _cancel_schedule(self, request: Request) -> Response:
        """Take a scheduled post away; its submission id then matches no record."""
        self._state.cancel(self._state.find_scheduled(request.path_params["id"]))
        return Response(status_code=204)

    async def _tell_posts(self, _: Request) -> Response:
        """Tell every post that exists, in the order of acceptance, and each that was cancelled."""
        tell = self._state.tell_post
        posts, cancelled = self._state.posts.values(), self._state.cancelled
        return JSONResponse({"posts": [tell(post) for post in posts], "cancelled": [tell(post) for post in cancelled]})

    async def _tell_uploads(self, _: Request) -> Response:
        """Tell every file whose bytes arrived."""
        return JSONResponse({"uploads": [upload.file for upload in self._state.uploads.values() if upload.file]})

    async def _disconnect(self, request: Request) -> Response:
        self._state.disconnect(request.path_params["accountId"])
        return Response(status_code=204)

    async def _reconnect(self, request: Request) -> Response:
        self._state.reconnect(request.path_params["accountId"])
        return Response(status_code=204)


def _answer_items(items: Iterable[Sent]) -> Response:
    return JSONResponse({"items": [dump(item) for item in items]})


def _read_clock() -> datetime:
    return datetime.now(UTC)


def create_app(
    *, publish_seconds: float = 2.0, rate_scale: float = 1.0, now: Callable[[], datetime] = _read_clock
) -> Starlette:
    """Build the stand-in.

    Args:
        publish_seconds: how long a post that is due takes to be published or refused.
        rate_scale: multiplies every limit of `LIMITS_PER_MINUTE`.
        now: the clock of posts, schedules, presigned URLs and limits; UTC-aware.
    """
    return Blotato(publish_seconds=publish_seconds, rate_scale=rate_scale, now=now).build_app()


if __name__ == "__main__":
    run(create_app, base_path="/v2", rate_scale=1.0, publish_seconds=2.0)
