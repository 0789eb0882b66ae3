"""A stand-in for Blotato's REST API v2: `python -m sandbox.blotato --port 0`.

It behaves as help.blotato.com says and as clients saw it live, the traps included: 201 is not published, an unknown
submission is "in-progress", an unknown field is dropped, a nested schedule is ignored. Nothing leaves the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import itertools
import json
import math
import uuid
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

import starlette.routing
from pydantic import BaseModel, JsonValue, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from sandbox.blotato_faults import (
    BlotatoFaults,
    BlotatoFaultScript,
    CallAction,
    DelayBefore,
    DuplicateListing,
    FailPublish,
    ListingAction,
    ListLag,
    PublishAction,
    StayInProgress,
)
from sandbox.blotato_schema import (
    ACCOUNTS,
    LIMITS_PER_MINUTE,
    NETWORKS,
    PINTEREST_BOARD,
    SUBACCOUNTS,
    AcceptedPost,
    Account,
    AccountsQuery,
    CallRow,
    CreateMedia,
    CreatePost,
    CreateUpload,
    Draft,
    ListedPost,
    ListedState,
    PatchSchedule,
    PostAnswer,
    PostRow,
    PostsQuery,
    PostStatus,
    Route,
    Schedule,
    ScheduledContent,
    ScheduledDraft,
    SchedulePatch,
    SchedulesQuery,
    SubaccountsQuery,
    TiktokTarget,
    UploadRow,
    describe_invalid,
    find_dropped_fields,
    find_refusal,
)
from sandbox.faults import AcceptThenDrop, AcceptThenRespond, Delay, Drop, Respond
from sandbox.serving import DropConnection, build_response, serve

__all__ = ["ACCOUNTS", "LIMITS_PER_MINUTE", "Route", "create_app"]

# "Short-lived", say the pages, without a number.
PRESIGN_LIFETIME: Final = timedelta(minutes=10)
# One recurring slot a day and account stands for what a user sets up under /schedule/slots.
SLOT_HOUR_UTC: Final = 15
LIST_WINDOW: Final = timedelta(days=7)

_MEDIA_PATH = "/storage/media/"
_VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v"})
_HEAD_BYTES = 65_536

ModelT = TypeVar("ModelT", bound=BaseModel)
RowT = TypeVar("RowT")
# The place of a row in a listing; listings go from small to large.
Place = tuple[int, ...]


class ApiError(Exception):
    """A refusal, as Blotato words it: `{"message": …}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class Call:
    """A call as far as it is known; `status` stays None when no answer went out."""

    route: Route
    status: int | None = None
    account_id: str | None = None
    platform: str | None = None
    text: str | None = None
    media_urls: tuple[str, ...] = ()
    dropped_fields: tuple[str, ...] = ()
    post_submission_id: str | None = None

    @property
    def subject(self) -> str:
        """Give what the rule of a fault is matched with."""
        return f"{self.platform or ''}\n{self.text or ''}"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is kept of the bytes that came."""

    size_bytes: int
    sha256: str
    content_type: str
    is_mp4: bool
    received_at: datetime


@dataclass(slots=True)
class Upload:
    """A place in storage; `is_mirrored` when Blotato was to fetch the file itself."""

    token: str
    filename: str
    path: str
    expires_at: datetime
    file: StoredFile | None = None
    is_mirrored: bool = False


@dataclass(slots=True)
class PostRecord:
    """An accepted post. How it stands follows from the clock, its draft and the faults it was given."""

    number: int
    submission_id: str
    account: Account
    draft: Draft
    created_at: datetime
    scheduled_time: datetime | None
    publish_fault: PublishAction | None
    listing_fault: ListingAction | None

    @property
    def schedule_id(self) -> str:
        """Give its id among the schedules."""
        return f"sch_{self.number}"

    @property
    def due_at(self) -> datetime:
        """Tell when Blotato begins to publish it."""
        return max(self.created_at, self.scheduled_time or self.created_at)

    def find_public_url(self) -> str | None:
        """Give the address at the network; a TikTok draft lies in an inbox and has none."""
        if isinstance(self.draft.target, TiktokTarget) and self.draft.target.is_draft:
            return None
        template = NETWORKS[self.account.platform].post_url
        return template.format(number=17_900_000_000_000_000 + self.number, code=f"Sbx{self.number:08d}")


class BlotatoState:
    """What the stand-in knows: posts, uploads, faults, calls and how often each route was called."""

    def __init__(
        self, *, publish_time: timedelta, limits_per_minute: Mapping[str, int], now: Callable[[], datetime]
    ) -> None:
        self.now = now
        self._publish_time = publish_time
        self._limits_per_minute = limits_per_minute
        self.reset()

    def reset(self) -> None:
        """Forget everything but the seeds."""
        self.faults = BlotatoFaults()
        self.calls: list[Call] = []
        self.posts: dict[str, PostRecord] = {}
        self.uploads: dict[str, Upload] = {}
        self._uploads_by_path: dict[str, Upload] = {}
        self._call_times: defaultdict[Route, deque[datetime]] = defaultdict(deque)
        self._numbers = itertools.count(1)

    def count_call(self, route: Route) -> None:
        """Hold the limit of a route over the last sixty seconds."""
        limit = self._limits_per_minute.get(route)
        if limit is None:
            return
        times, now, window = self._call_times[route], self.now(), timedelta(minutes=1)
        while times and times[0] <= now - window:
            times.popleft()
        if len(times) >= limit:
            wait_seconds = math.ceil((times[0] + window - now).total_seconds())
            raise ApiError(429, f"Rate limit exceeded, retry in {wait_seconds} seconds")
        times.append(now)

    def create_upload(self, filename: str, *, is_mirrored: bool = False) -> Upload:
        """Make a place in storage with an address of its own."""
        upload = Upload(
            token=uuid.uuid4().hex,
            filename=filename,
            path=f"{_MEDIA_PATH}{uuid.uuid4()}/{quote(filename)}",
            expires_at=self.now() + PRESIGN_LIFETIME,
            is_mirrored=is_mirrored,
        )
        self.uploads[upload.token] = upload
        self._uploads_by_path[upload.path] = upload
        return upload

    def open_upload(self, token: str) -> Upload:
        """Give the place a presigned URL leads to, while it may be written."""
        upload = self.uploads.get(token)
        if upload is None:
            raise ApiError(404, "There is no such upload")
        if self.now() >= upload.expires_at:
            raise ApiError(403, "The presigned URL has expired")
        if upload.file is not None or upload.is_mirrored:
            raise ApiError(409, "The file was uploaded before")
        return upload

    def is_readable(self, url: str, at: datetime) -> bool:
        """Tell whether Blotato can read a media URL at this time. Hosts other than this one are taken at their word."""
        parts = urlsplit(url)
        if not parts.path.startswith(_MEDIA_PATH):
            return parts.scheme in ("http", "https")
        upload = self._uploads_by_path.get(parts.path)
        if upload is None or upload.is_mirrored:
            return upload is not None
        if upload.file is None or upload.file.received_at > at:
            return False
        return upload.file.is_mp4 or PurePosixPath(upload.filename).suffix.lower() not in _VIDEO_SUFFIXES

    def create_post(self, body: CreatePost) -> PostRecord:
        """Accept a post, which is not to publish it."""
        content, target = body.post.content, body.post.target
        account = find_account(body.post.account_id)
        if target.target_type != content.platform:
            raise ApiError(400, "body.post.target.targetType must equal body.post.content.platform")
        if account.platform != content.platform:
            raise ApiError(400, f"Account {account.id} is connected to {account.platform}, not to {content.platform}")
        subject = f"{content.platform}\n{content.text}"
        post = PostRecord(
            number=next(self._numbers),
            submission_id=str(uuid.uuid4()),
            account=account,
            draft=Draft(text=content.text, media_urls=content.media_urls, target=target),
            created_at=self.now(),
            scheduled_time=body.scheduled_time or (self._find_free_slot(account) if body.use_next_free_slot else None),
            publish_fault=self.faults.pick_publish(subject),
            listing_fault=self.faults.pick_listing(subject),
        )
        self.posts[post.submission_id] = post
        return post

    def _find_free_slot(self, account: Account) -> datetime:
        now = self.now().astimezone(UTC)
        taken = {post.scheduled_time for post in self.posts.values() if post.account == account}
        slot = now.replace(hour=SLOT_HOUR_UTC, minute=0, second=0, microsecond=0)
        while slot <= now or slot in taken:
            slot += timedelta(days=1)
        return slot

    def describe_post(self, post: PostRecord) -> PostAnswer:
        """Give a post as it stands now."""
        answer = partial(PostAnswer, post_submission_id=post.submission_id, scheduled_time=post.scheduled_time)
        if self.now() < post.due_at:
            return answer(status=PostStatus.SCHEDULED)
        if self.now() < post.due_at + self._publish_time or isinstance(post.publish_fault, StayInProgress):
            return answer(status=PostStatus.IN_PROGRESS)
        if refusal := self._find_refusal(post):
            return answer(status=PostStatus.FAILED, error_message=refusal)
        return answer(status=PostStatus.PUBLISHED, public_url=post.find_public_url())

    def _find_refusal(self, post: PostRecord) -> str | None:
        if isinstance(post.publish_fault, FailPublish):
            return post.publish_fault.error_message
        at = post.due_at + self._publish_time
        if not all(self.is_readable(url, at) for url in post.draft.media_urls):
            return "Failed to read media metadata"
        return find_refusal(post.account.platform, post.draft)

    def describe_submission(self, submission_id: str) -> PostAnswer:
        """Answer for any id: one that matches no record is "in-progress" too, as get-post.md says."""
        post = self.posts.get(submission_id)
        if post is None:
            return PostAnswer(post_submission_id=submission_id, status=PostStatus.IN_PROGRESS)
        return self.describe_post(post)

    def list_posts(self, query: PostsQuery) -> tuple[list[ListedPost], str | None]:
        """List the latest first, and give the cursor of the next page. What is in progress is not listed."""
        since = query.since or self.now() - LIST_WINDOW
        until = query.until or self.now() + LIST_WINDOW
        rows: list[tuple[Place, ListedPost]] = []
        for post in self.posts.values():
            item = self._list_post(post)
            if (
                item is None
                or not since <= item.post_time <= until
                or query.status not in (None, item.state.type)
                or query.platform not in (None, item.platform)
            ):
                continue
            copies = 2 if isinstance(post.listing_fault, DuplicateListing) else 1
            rows += [((-_microseconds(item.post_time), -post.number, copy), item) for copy in range(copies)]
        return _paginate(rows, query.cursor, query.limit)

    def _list_post(self, post: PostRecord) -> ListedPost | None:
        answer = self.describe_post(post)
        lag = post.listing_fault.list_lag_seconds if isinstance(post.listing_fault, ListLag) else 0
        if answer.status is PostStatus.IN_PROGRESS or self.now() < post.created_at + timedelta(seconds=lag):
            return None
        is_scheduled = answer.status is PostStatus.SCHEDULED
        return ListedPost(
            id=post.schedule_id if is_scheduled else f"{answer.status}_{post.number}",
            post_time=post.due_at if is_scheduled else post.due_at + self._publish_time,
            platform=post.account.platform,
            text=post.draft.text,
            media_urls=post.draft.media_urls,
            state=ListedState(type=answer.status, post_url=answer.public_url, error_message=answer.error_message),
        )

    def list_schedules(self, query: SchedulesQuery) -> tuple[list[Schedule], str | None, int]:
        """List what is still to come, soonest first; give the cursor of the next page and how many there are in all."""
        rows: list[tuple[Place, Schedule]] = [
            ((_microseconds(post.due_at), post.number), _describe_schedule(post))
            for post in self.posts.values()
            if self.now() < post.due_at
        ]
        return *_paginate(rows, query.cursor, query.limit), len(rows)

    def find_scheduled(self, schedule_id: str) -> PostRecord:
        """Give the post of a schedule that is still to come."""
        for post in self.posts.values():
            if post.schedule_id == schedule_id and self.now() < post.due_at:
                return post
        raise ApiError(404, "Schedule not found")

    def patch_schedule(self, schedule_id: str, patch: SchedulePatch) -> None:
        """Change the time or the draft; a draft is not merged, so what it leaves out is lost."""
        post = self.find_scheduled(schedule_id)
        if patch.scheduled_time is not None:
            post.scheduled_time = patch.scheduled_time
        if patch.draft is not None:
            content = patch.draft.content
            post.draft = Draft(text=content.text, media_urls=content.media_urls, target=patch.draft.target)

    def cancel_schedule(self, schedule_id: str) -> None:
        """Take a scheduled post away; its submission id then matches no record."""
        del self.posts[self.find_scheduled(schedule_id).submission_id]


def find_account(account_id: str) -> Account:
    """Give a connected account."""
    for account in ACCOUNTS.values():
        if account.id == account_id:
            return account
    raise ApiError(404, f"Account {account_id} not found")


def _describe_schedule(post: PostRecord) -> Schedule:
    content = ScheduledContent(text=post.draft.text, media_urls=post.draft.media_urls, platform=post.account.platform)
    return Schedule(
        id=post.schedule_id,
        scheduled_at=post.due_at,
        account=post.account,
        draft=ScheduledDraft(account_id=post.account.id, content=content, target=post.draft.target),
    )


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)


def _paginate(rows: list[tuple[Place, RowT]], cursor: str | None, limit: int) -> tuple[list[RowT], str | None]:
    ordered = sorted(rows, key=lambda row: row[0])
    if cursor is not None:
        try:
            last = tuple(int(part) for part in cursor.split("."))
        except ValueError as error:
            raise ApiError(400, "querystring.cursor is not a cursor of this list") from error
        ordered = [row for row in ordered if row[0] > last]
    page = ordered[:limit]
    next_cursor = ".".join(str(part) for part in page[-1][0]) if len(ordered) > limit else None
    return [row for _, row in page], next_cursor


Handler = Callable[[Request, Call], Awaitable[Response]]


class BlotatoApi:
    """The routes: each reads a request, asks the state, and answers."""

    def __init__(
        self,
        state: BlotatoState,
        *,
        api_key: str,
        plan_upload_bytes: int,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._state = state
        self._api_key = api_key
        self._plan_upload_bytes = plan_upload_bytes
        self._sleep = sleep

    def routes(self) -> list[starlette.routing.Route]:
        """Give Blotato's routes and those of the sandbox."""
        handlers: dict[Route, Handler] = {
            Route.SHOW_USER: self.show_user,
            Route.LIST_ACCOUNTS: self.list_accounts,
            Route.LIST_SUBACCOUNTS: self.list_subaccounts,
            Route.LIST_BOARDS: self.list_boards,
            Route.LIST_LINKEDIN_PAGES: self.list_linkedin_pages,
            Route.CREATE_UPLOAD: self.create_upload,
            Route.STORE_UPLOAD: self.store_upload,
            Route.CREATE_MEDIA: self.create_media,
            Route.CREATE_POST: self.create_post,
            Route.SHOW_POST: self.show_post,
            Route.LIST_POSTS: self.list_posts,
            Route.LIST_SCHEDULES: self.list_schedules,
            Route.SHOW_SCHEDULE: self.show_schedule,
            Route.PATCH_SCHEDULE: self.patch_schedule,
            Route.CANCEL_SCHEDULE: self.cancel_schedule,
        }
        return [
            *(self._route(route, handler) for route, handler in handlers.items()),
            starlette.routing.Route("/_sandbox/faults", self.add_faults, methods=["POST"]),
            starlette.routing.Route("/_sandbox/faults", self.clear_faults, methods=["DELETE"]),
            starlette.routing.Route("/_sandbox/calls", self.show_calls, methods=["GET"]),
            starlette.routing.Route("/_sandbox/posts", self.show_posts, methods=["GET"]),
            starlette.routing.Route("/_sandbox/uploads", self.show_uploads, methods=["GET"]),
            starlette.routing.Route("/_sandbox/reset", self.reset, methods=["POST"]),
        ]

    def _route(self, route: Route, handler: Handler) -> starlette.routing.Route:
        async def answer(request: Request) -> Response:
            call = Call(route)
            self._state.calls.append(call)
            try:
                response = await self._answer(request, call, handler)
            except ApiError as error:
                response = JSONResponse({"message": error.message}, error.status)
            except ClientDisconnect:
                # The client went away in the middle of its body: nobody is left to answer.
                return DropConnection()
            if not isinstance(response, DropConnection):
                call.status = response.status_code
            return response

        method, path = route.split(" ")
        prefix = "" if route is Route.STORE_UPLOAD else "/v2"
        return starlette.routing.Route(prefix + path, answer, methods=[method])

    async def _answer(self, request: Request, call: Call, handler: Handler) -> Response:
        if call.route is not Route.STORE_UPLOAD:
            self._authorise(request.headers)
        self._state.count_call(call.route)
        fault = self._state.faults.pick_call(call.route, await self._find_subject(request, call))
        if isinstance(fault, Respond):
            return build_response(fault)
        if isinstance(fault, Drop):
            return DropConnection()
        if isinstance(fault, DelayBefore):
            await self._sleep(fault.seconds)
        response = await handler(request, call)
        return await self._follow(fault, response)

    async def _follow(self, fault: CallAction | None, response: Response) -> Response:
        if isinstance(fault, Delay):
            await self._sleep(fault.seconds)
        if isinstance(fault, AcceptThenDrop):
            return DropConnection()
        if isinstance(fault, AcceptThenRespond):
            return build_response(fault)
        return response

    def _authorise(self, headers: Headers) -> None:
        key = headers.get("blotato-api-key", "")
        if not hmac.compare_digest(key.encode(), self._api_key.encode()):
            raise ApiError(401, "Invalid API key")

    async def _find_subject(self, request: Request, call: Call) -> str:
        if call.route is Route.STORE_UPLOAD:
            upload = self._state.uploads.get(request.path_params["token"])
            return upload.filename if upload else ""
        if call.route is Route.CREATE_POST:
            _note_body(call, await request.body())
            return call.subject
        if call.route is Route.SHOW_POST:
            post = self._state.posts.get(request.path_params["postSubmissionId"])
            if post is not None:
                _note_post(call, post)
            return call.subject
        return f"{request.url.path}?{request.url.query}\n{(await request.body()).decode(errors='replace')}"

    async def show_user(self, _request: Request, _call: Call) -> Response:
        """Tell who the key belongs to; the live service echoes the key, so a client must not log this."""
        return JSONResponse({"id": "sandbox-user", "subscriptionStatus": "active", "apiKey": self._api_key})

    async def list_accounts(self, request: Request, _call: Call) -> Response:
        """List the connected accounts."""
        query = _read_query(request, AccountsQuery)
        found = [account for account in ACCOUNTS.values() if query.platform in (None, account.platform)]
        return JSONResponse({"items": [account.to_json() for account in found]})

    async def list_subaccounts(self, request: Request, _call: Call) -> Response:
        """List the pages and playlists of an account."""
        return _answer_subaccounts(find_account(request.path_params["accountId"]))

    async def list_linkedin_pages(self, request: Request, _call: Call) -> Response:
        """List the company pages of a LinkedIn account."""
        return _answer_subaccounts(find_account(_read_query(request, SubaccountsQuery).account_id))

    async def list_boards(self, request: Request, _call: Call) -> Response:
        """List the boards of a Pinterest account."""
        account = find_account(_read_query(request, SubaccountsQuery).account_id)
        boards = [PINTEREST_BOARD.to_json()] if account == ACCOUNTS["pinterest"] else []
        return JSONResponse({"items": boards})

    async def create_upload(self, request: Request, _call: Call) -> Response:
        """Hand out a place in storage: where to put the bytes, and where they will be read."""
        body = await _read_body(request, CreateUpload)
        upload = self._state.create_upload(PurePosixPath(body.filename).name)
        origin = str(request.base_url).rstrip("/")
        return JSONResponse(
            {"presignedUrl": f"{origin}/storage/uploads/{upload.token}", "publicUrl": origin + upload.path}, 201
        )

    async def store_upload(self, request: Request, _call: Call) -> Response:
        """Take the bytes of an upload: raw, of a declared length, without the key."""
        upload = self._state.open_upload(request.path_params["token"])
        content_type = self._check_storage_headers(request.headers)
        digest, head, size_bytes = sha256(), bytearray(), 0
        async for chunk in request.stream():
            digest.update(chunk)
            head += chunk[: _HEAD_BYTES - len(head)]
            size_bytes += len(chunk)
        upload.file = StoredFile(
            size_bytes=size_bytes,
            sha256=digest.hexdigest(),
            content_type=content_type,
            is_mp4=b"ftyp" in head,
            received_at=self._state.now(),
        )
        return Response(status_code=200)

    def _check_storage_headers(self, headers: Headers) -> str:
        if "blotato-api-key" in headers:
            raise ApiError(400, "The API key must not be sent to storage")
        if "transfer-encoding" in headers or "content-length" not in headers:
            raise ApiError(411, "Content-Length is required; chunked bodies are not taken")
        if int(headers["content-length"]) > self._plan_upload_bytes:
            raise ApiError(413, f"The file is larger than the plan allows ({self._plan_upload_bytes} bytes)")
        if "content-type" not in headers:
            raise ApiError(400, "Content-Type is required")
        return headers["content-type"]

    async def create_media(self, request: Request, _call: Call) -> Response:
        """Let Blotato fetch a public URL or take a data URI; here nothing is fetched or decoded."""
        body = await _read_body(request, CreateMedia)
        is_data = body.url.startswith("data:")
        if not is_data and not self._state.is_readable(body.url, self._state.now()):
            raise ApiError(422, "Failed to read media metadata")
        filename = "media" if is_data else PurePosixPath(urlsplit(body.url).path).name or "media"
        upload = self._state.create_upload(filename, is_mirrored=True)
        return JSONResponse({"url": str(request.base_url).rstrip("/") + upload.path, "id": upload.token}, 201)

    async def create_post(self, request: Request, call: Call) -> Response:
        """Accept a post: 201 says that it is queued or scheduled, not that it is public."""
        body = await _read_body(request, CreatePost)
        call.dropped_fields = find_dropped_fields(json.loads(await request.body()), body)
        post = self._state.create_post(body)
        call.post_submission_id = post.submission_id
        answer = AcceptedPost(post_submission_id=post.submission_id, scheduled_time=post.scheduled_time)
        return JSONResponse(answer.to_json(), 201)

    async def show_post(self, request: Request, _call: Call) -> Response:
        """Tell how a submission stands."""
        return JSONResponse(self._state.describe_submission(request.path_params["postSubmissionId"]).to_json())

    async def list_posts(self, request: Request, _call: Call) -> Response:
        """List scheduled, published and failed posts."""
        items, cursor = self._state.list_posts(_read_query(request, PostsQuery))
        return JSONResponse(_page(items=[item.to_json() for item in items], cursor=cursor))

    async def list_schedules(self, request: Request, _call: Call) -> Response:
        """List what is still to come; `count` is a string on the wire."""
        items, cursor, count = self._state.list_schedules(_read_query(request, SchedulesQuery))
        return JSONResponse(_page(items=[item.to_json() for item in items], cursor=cursor, count=str(count)))

    async def show_schedule(self, request: Request, _call: Call) -> Response:
        """Give one schedule, wrapped."""
        post = self._state.find_scheduled(request.path_params["id"])
        return JSONResponse({"schedule": _describe_schedule(post).to_json()})

    async def patch_schedule(self, request: Request, _call: Call) -> Response:
        """Change a schedule."""
        body = await _read_body(request, PatchSchedule)
        self._state.patch_schedule(request.path_params["id"], body.patch)
        return Response(status_code=204)

    async def cancel_schedule(self, request: Request, _call: Call) -> Response:
        """Cancel a schedule."""
        self._state.cancel_schedule(request.path_params["id"])
        return Response(status_code=204)

    async def add_faults(self, request: Request) -> Response:
        """Take a fault script."""
        try:
            self._state.faults.add(BlotatoFaultScript.model_validate_json(await request.body()))
        except ValidationError as error:
            return Response(error.json(include_url=False), 422, media_type="application/json")
        return Response(status_code=204)

    async def clear_faults(self, _request: Request) -> Response:
        """Forget every fault; posts keep those they met."""
        self._state.faults.clear()
        return Response(status_code=204)

    async def show_calls(self, _request: Request) -> Response:
        """Give every call in the order of arrival."""
        rows = [CallRow(**asdict(call)) for call in self._state.calls]
        return JSONResponse({"calls": [row.model_dump(mode="json") for row in rows]})

    async def show_posts(self, _request: Request) -> Response:
        """Give every post that exists, in the order of acceptance."""
        rows = [self._describe_row(post) for post in self._state.posts.values()]
        return JSONResponse({"posts": [row.model_dump(mode="json") for row in rows]})

    def _describe_row(self, post: PostRecord) -> PostRow:
        answer = self._state.describe_post(post)
        target = post.draft.target
        return PostRow(
            post_submission_id=post.submission_id,
            account_id=post.account.id,
            platform=post.account.platform,
            text=post.draft.text,
            media_urls=post.draft.media_urls,
            target=target.model_dump(mode="json", by_alias=True, exclude_none=True) if target else None,
            state=answer.status,
            public_url=answer.public_url,
            error_message=answer.error_message,
            scheduled_time=post.scheduled_time,
        )

    async def show_uploads(self, _request: Request) -> Response:
        """Give every file whose bytes arrived."""
        rows = [
            UploadRow(
                public_url_path=upload.path,
                filename=upload.filename,
                size_bytes=upload.file.size_bytes,
                sha256=upload.file.sha256,
                content_type=upload.file.content_type,
                is_mp4=upload.file.is_mp4,
            )
            for upload in self._state.uploads.values()
            if upload.file is not None
        ]
        return JSONResponse({"uploads": [row.model_dump(mode="json") for row in rows]})

    async def reset(self, _request: Request) -> Response:
        """Forget posts, uploads, faults, calls and spent limits."""
        self._state.reset()
        return Response(status_code=204)


def _answer_subaccounts(account: Account) -> Response:
    found = [subaccount.to_json() for subaccount in SUBACCOUNTS if subaccount.account_id == account.id]
    return JSONResponse({"items": found})


def _page(*, items: list[dict[str, JsonValue]], cursor: str | None, **more: str) -> dict[str, object]:
    return {"items": items, **more, **({"cursor": cursor} if cursor else {})}


async def _read_body(request: Request, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise ApiError(400, describe_invalid(error, "body")) from error


def _read_query(request: Request, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise ApiError(400, describe_invalid(error, "querystring")) from error


def _note_post(call: Call, post: PostRecord) -> None:
    call.account_id = post.account.id
    call.platform = post.account.platform
    call.text = post.draft.text
    call.media_urls = post.draft.media_urls
    call.post_submission_id = post.submission_id


def _note_body(call: Call, body: bytes) -> None:
    """Note what a post says of itself, also when it will be refused."""
    try:
        document: JsonValue = json.loads(body)
    except ValueError:
        return
    call.account_id = _find_text(document, "post", "accountId")
    call.platform = _find_text(document, "post", "content", "platform")
    call.text = _find_text(document, "post", "content", "text")
    media_urls = _find(document, "post", "content", "mediaUrls")
    if isinstance(media_urls, list):
        call.media_urls = tuple(url for url in media_urls if isinstance(url, str))


def _find(document: JsonValue, *path: str) -> JsonValue:
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _find_text(document: JsonValue, *path: str) -> str | None:
    found = _find(document, *path)
    return found if isinstance(found, str) else None


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
    api = BlotatoApi(state, api_key=api_key, plan_upload_bytes=plan_upload_bytes, sleep=sleep)
    return Starlette(routes=api.routes())


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
