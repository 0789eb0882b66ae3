"""What the stand-in for Blotato remembers: posts, uploads, faults, calls and how often each route was called."""

from __future__ import annotations

import itertools
import math
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from pydantic import AwareDatetime, JsonValue

from sandbox.blotato_faults import (
    BlotatoFault,
    DuplicateListing,
    FailPublish,
    ListingAction,
    ListLag,
    OnListing,
    OnPublish,
    PublishAction,
    StayInProgress,
    build_subject,
)
from sandbox.blotato_networks import (
    ACCOUNTS,
    NETWORKS,
    Account,
    Closed,
    Platform,
    Sent,
    Target,
    TiktokTarget,
    find_refusal,
)
from sandbox.blotato_wire import (
    ApiError,
    CreatePost,
    ListedPost,
    ListedState,
    Page,
    PostAnswer,
    PostClaim,
    PostsQuery,
    PostStatus,
    Route,
    Schedule,
    ScheduledContent,
    ScheduledDraft,
    SchedulePatch,
    SchedulesQuery,
)
from sandbox.faults import FaultBook

# "Short-lived", say the pages, without a number.
_PRESIGN_LIFETIME = timedelta(minutes=10)
# One recurring slot a day and account stands for what a user sets up under /schedule/slots.
_SLOT_HOUR_UTC = 15
_LIST_WINDOW = timedelta(days=7)
_LIMIT_WINDOW = timedelta(minutes=1)
_MEDIA_PATH = "/storage/media/"
_VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v"})

# The place of a row in a listing; listings go from small to large.
Place = tuple[int, ...]


class CallRow(PostClaim):
    """A call and what it said; `status` is null while it runs, and when its connection was dropped."""

    route: Route
    status: int | None = None
    dropped_fields: tuple[str, ...] = ()
    post_submission_id: str | None = None


class PostRow(Closed):
    """A post that exists, be it scheduled, under way, public or failed; `target` is as it will be sent on."""

    post_submission_id: str
    account_id: str
    platform: Platform
    text: str
    media_urls: tuple[str, ...]
    target: JsonValue
    state: PostStatus
    public_url: str | None
    error_message: str | None
    scheduled_time: AwareDatetime | None


class UploadRow(Closed):
    """A file that arrived in storage; its bytes are not kept."""

    public_url_path: str
    filename: str
    size_bytes: int
    sha256: str
    content_type: str
    is_mp4: bool


@dataclass(slots=True)
class Upload:
    """A place in storage, and the file that was put there."""

    token: str
    filename: str
    path: str
    expires_at: datetime
    file: UploadRow | None = None
    received_at: datetime | None = None


@dataclass(slots=True)
class Absence:
    """A time for which an account was disconnected."""

    account_id: str
    since: datetime
    until: datetime | None = None


@dataclass(slots=True)
class PostRecord:
    """An accepted post. How it stands follows from the clock, its content and the faults it was given."""

    number: int
    submission_id: str
    account: Account
    text: str
    media_urls: tuple[str, ...]
    target: Target | None
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
        if isinstance(self.target, TiktokTarget) and self.target.is_draft:
            return None
        template = NETWORKS[self.account.platform].post_url
        return template.format(number=17_900_000_000_000_000 + self.number, code=f"Sbx{self.number:08d}")

    def describe_schedule(self, *, is_connected: bool) -> Schedule:
        """Give the post as a schedule shows it."""
        content = ScheduledContent(text=self.text, media_urls=self.media_urls, platform=self.account.platform)
        return Schedule(
            id=self.schedule_id,
            scheduled_at=self.due_at,
            account=self.account if is_connected else None,
            draft=ScheduledDraft(account_id=self.account.id, content=content, target=self.target),
        )


class BlotatoState:
    """The stand-in's state, and how it moves on."""

    def __init__(
        self, *, publish_time: timedelta, limits_per_minute: Mapping[str, int], now: Callable[[], datetime]
    ) -> None:
        self.now = now
        self._publish_time = publish_time
        self._limits_per_minute = limits_per_minute
        self.reset()

    def reset(self) -> None:
        """Forget everything but the seeds."""
        self.faults: FaultBook[BlotatoFault] = FaultBook()
        self.calls: dict[str, CallRow] = {}
        self.posts: dict[str, PostRecord] = {}
        self.uploads: dict[str, Upload] = {}
        self._absences: list[Absence] = []
        self._mirrored_paths: set[str] = set()
        self._call_times: defaultdict[Route, deque[datetime]] = defaultdict(deque)
        self._numbers = itertools.count(1)

    def begin_call(self, route: Route) -> str:
        """Write a call down, and give the id under which more can be noted."""
        call_id = uuid.uuid4().hex
        self.calls[call_id] = CallRow(route=route)
        return call_id

    def note(self, call_id: str, **facts: str | int | tuple[str, ...] | None) -> None:
        """Add what has become known to the entry of a call; a reset may have taken the entry away."""
        if call_id in self.calls:
            self.calls[call_id] = self.calls[call_id].model_copy(update=facts)

    def count_call(self, route: Route) -> None:
        """Hold the limit of a route over the last sixty seconds."""
        limit = self._limits_per_minute.get(route)
        if limit is None:
            return
        times, now = self._call_times[route], self.now()
        while times and times[0] <= now - _LIMIT_WINDOW:
            times.popleft()
        if len(times) >= limit:
            wait_seconds = math.ceil((times[0] + _LIMIT_WINDOW - now).total_seconds())
            raise ApiError(429, f"Rate limit exceeded, retry in {wait_seconds} seconds")
        times.append(now)

    def create_upload(self, filename: str) -> Upload:
        """Make a place in storage with an address of its own."""
        upload = Upload(uuid.uuid4().hex, filename, _build_media_path(filename), self.now() + _PRESIGN_LIFETIME)
        self.uploads[upload.token] = upload
        return upload

    def open_upload(self, token: str) -> Upload:
        """Give the place a presigned URL leads to, while it may be written."""
        upload = self.uploads.get(token)
        if upload is None:
            raise ApiError(404, "There is no such upload")
        if self.now() >= upload.expires_at:
            raise ApiError(403, "The presigned URL has expired")
        if upload.file is not None:
            raise ApiError(409, "The file was uploaded before")
        return upload

    def mirror(self, filename: str) -> str:
        """Give the path of a copy that Blotato made itself; nothing is fetched."""
        path = _build_media_path(filename)
        self._mirrored_paths.add(path)
        return path

    def is_readable(self, url: str, at: datetime) -> bool:
        """Tell whether Blotato can read a media URL at this time. Hosts other than this one are taken at their word."""
        parts = urlsplit(url)
        if not parts.path.startswith(_MEDIA_PATH):
            return parts.scheme in ("http", "https")
        if parts.path in self._mirrored_paths:
            return True
        for upload in self.uploads.values():
            if upload.path == parts.path and upload.file and upload.received_at and upload.received_at <= at:
                return upload.file.is_mp4 or PurePosixPath(upload.filename).suffix.lower() not in _VIDEO_SUFFIXES
        return False

    def create_post(self, body: CreatePost) -> PostRecord:
        """Accept a post, which is not to publish it."""
        content, target = body.post.content, body.post.target
        account = self.find_account(body.post.account_id)
        if target.target_type != content.platform:
            raise ApiError(400, "body.post.target.targetType must equal body.post.content.platform")
        if account.platform != content.platform:
            raise ApiError(400, f"Account {account.id} is connected to {account.platform}, not to {content.platform}")
        subject = build_subject(content.platform, content.text)
        publish_fault = self.faults.pick(OnPublish, subject)
        listing_fault = self.faults.pick(OnListing, subject)
        post = PostRecord(
            number=next(self._numbers),
            submission_id=str(uuid.uuid4()),
            account=account,
            text=content.text,
            media_urls=content.media_urls,
            target=target,
            created_at=self.now(),
            scheduled_time=body.scheduled_time or (self._find_free_slot(account) if body.use_next_free_slot else None),
            publish_fault=publish_fault.action if publish_fault else None,
            listing_fault=listing_fault.action if listing_fault else None,
        )
        self.posts[post.submission_id] = post
        return post

    def _find_free_slot(self, account: Account) -> datetime:
        now = self.now().astimezone(UTC)
        taken = {post.scheduled_time for post in self.posts.values() if post.account == account}
        slot = now.replace(hour=_SLOT_HOUR_UTC, minute=0, second=0, microsecond=0)
        while slot <= now or slot in taken:
            slot += timedelta(days=1)
        return slot

    def describe_submission(self, submission_id: str) -> PostAnswer:
        """Answer for any id: one that matches no record is "in-progress" too, as get-post.md says."""
        post = self.posts.get(submission_id)
        if post is None:
            return PostAnswer(post_submission_id=submission_id, status=PostStatus.IN_PROGRESS)
        return self._describe(post)

    def _describe(self, post: PostRecord) -> PostAnswer:
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
        if not self._is_connected(post.account, post.due_at):
            return f"Account {post.account.id} is not connected."
        at = post.due_at + self._publish_time
        if not all(self.is_readable(url, at) for url in post.media_urls):
            return "Failed to read media metadata"
        return find_refusal(post.account.platform, post.text, post.media_urls, post.target)

    def describe_row(self, post: PostRecord) -> PostRow:
        """Give a post as `GET /_sandbox/posts` shows it."""
        answer, target = self._describe(post), post.target
        return PostRow(
            post_submission_id=post.submission_id,
            account_id=post.account.id,
            platform=post.account.platform,
            text=post.text,
            media_urls=post.media_urls,
            target=target.model_dump(mode="json", by_alias=True, exclude_none=True) if target else None,
            state=answer.status,
            public_url=answer.public_url,
            error_message=answer.error_message,
            scheduled_time=post.scheduled_time,
        )

    def list_posts(self, query: PostsQuery) -> Page:
        """List the latest first. What is in progress is not listed."""
        since = query.since or self.now() - _LIST_WINDOW
        until = query.until or self.now() + _LIST_WINDOW
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
            place = (-_microseconds(item.post_time), -post.number)
            rows += [((*place, copy), item) for copy in range(self._count_copies(post))]
        return _paginate(rows, query)

    def _list_post(self, post: PostRecord) -> ListedPost | None:
        answer = self._describe(post)
        if answer.status is PostStatus.IN_PROGRESS:
            return None
        is_scheduled = answer.status is PostStatus.SCHEDULED
        return ListedPost(
            id=post.schedule_id if is_scheduled else f"{answer.status}_{post.number}",
            post_time=post.due_at if is_scheduled else post.due_at + self._publish_time,
            platform=post.account.platform,
            text=post.text,
            media_urls=post.media_urls,
            state=ListedState(type=answer.status, post_url=answer.public_url, error_message=answer.error_message),
        )

    def _count_copies(self, post: PostRecord) -> int:
        """Tell how often a list shows a post now."""
        match post.listing_fault:
            case ListLag(list_lag_seconds=seconds) if self.now() < post.created_at + timedelta(seconds=seconds):
                return 0
            case DuplicateListing():
                return 2
        return 1

    def list_schedules(self, query: SchedulesQuery) -> Page:
        """List what is still to come, soonest first."""
        rows = [
            ((_microseconds(post.due_at), post.number, copy), self.describe_schedule(post))
            for post in self.posts.values()
            if self.now() < post.due_at
            for copy in range(self._count_copies(post))
        ]
        return _paginate(rows, query).model_copy(update={"count": str(len(rows))})

    def describe_schedule(self, post: PostRecord) -> Schedule:
        """Give a post that is still to come, as a schedule shows it now."""
        return post.describe_schedule(is_connected=self._is_connected(post.account, self.now()))

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
            post.text = patch.draft.content.text
            post.media_urls = patch.draft.content.media_urls
            post.target = patch.draft.target

    def cancel_schedule(self, schedule_id: str) -> None:
        """Take a scheduled post away; its submission id then matches no record."""
        del self.posts[self.find_scheduled(schedule_id).submission_id]

    def list_accounts(self) -> list[Account]:
        """List the connected accounts."""
        return [account for account in ACCOUNTS.values() if self._is_connected(account, self.now())]

    def find_account(self, account_id: str) -> Account:
        """Give a connected account."""
        for account in self.list_accounts():
            if account.id == account_id:
                return account
        raise ApiError(404, f"Account {account_id} not found")

    def disconnect(self, account_id: str) -> None:
        """Disconnect an account, as its owner does on Blotato's page: what is scheduled there will fail."""
        self._absences.append(Absence(self.find_account(account_id).id, since=self.now()))

    def reconnect(self, account_id: str) -> None:
        """Connect an account again; what was due meanwhile stays failed."""
        for absence in self._absences:
            if absence.account_id == account_id and absence.until is None:
                absence.until = self.now()

    def _is_connected(self, account: Account, at: datetime) -> bool:
        return not any(
            absence.account_id == account.id and absence.since <= at and (absence.until is None or at < absence.until)
            for absence in self._absences
        )


def _build_media_path(filename: str) -> str:
    return f"{_MEDIA_PATH}{uuid.uuid4()}/{quote(filename)}"


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)


def _paginate(rows: Iterable[tuple[Place, Sent]], query: PostsQuery | SchedulesQuery) -> Page:
    """Put rows in order and cut out the page a query asks for; a cursor is the place of the last row seen."""
    ordered = sorted(rows, key=lambda row: row[0])
    if query.cursor is not None:
        try:
            last = tuple(int(part) for part in query.cursor.split("."))
        except ValueError as error:
            raise ApiError(400, "querystring.cursor is not a cursor of this list") from error
        ordered = [row for row in ordered if row[0] > last]
    page = ordered[: query.limit]
    cursor = ".".join(str(part) for part in page[-1][0]) if len(ordered) > query.limit else None
    return Page(items=tuple(item for _, item in page), cursor=cursor)
