"""What the stand-in for Blotato remembers: accounts, uploads and posts, and how they move on with the clock."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, JsonValue

from sandbox.blotato_networks import ACCOUNTS, NETWORKS, Account, Sent, Target, TiktokTarget, find_refusal
from sandbox.blotato_wire import CreatePost, PageQuery, PostsQuery, refuse
from sandbox.engine import Body
from sandbox.faults import Action, FaultBook

# "Short-lived", say the pages, without a number.
_PRESIGN_LIFETIME = timedelta(minutes=10)
# One recurring slot a day and account stands for what a user sets up under /schedule/slots.
_SLOT_HOUR_UTC = 15
_LIST_WINDOW = timedelta(days=7)
_MEDIA_PATH = "/storage/media/"
_VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v"})

# The place of a row in a listing; listings go from small to large.
_Place = tuple[int, ...]


class StayInProgress(Action):
    """Accept the post, and never publish it."""

    type: Literal["stay_in_progress"] = "stay_in_progress"


class FailPublish(Action):
    """Accept the post, and let the network refuse it."""

    type: Literal["fail_publish"] = "fail_publish"
    error_message: str = Field(default="The network refused the post.", min_length=1)


class ListLag(Action):
    """Leave the post out of GET /posts and GET /schedules until so long after it was accepted."""

    type: Literal["list_lag"] = "list_lag"
    list_lag_seconds: float = Field(gt=0)


@dataclass(slots=True)
class Upload:
    """A place in storage, and what arrived there; the bytes are not kept."""

    filename: str
    path: str
    expires_at: datetime
    received_at: datetime | None = None
    file: Body | None = None


@dataclass(slots=True)
class _Absence:
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
    publish_fault: Action | None
    listing_fault: Action | None

    @property
    def schedule_id(self) -> str:
        """Give its id among the schedules."""
        return f"sch_{self.number}"

    @property
    def due_at(self) -> datetime:
        """Tell when Blotato begins to publish it."""
        return max(self.created_at, self.scheduled_time or self.created_at)

    @property
    def subject(self) -> str:
        """Give what rules are matched with."""
        return f"{self.account.platform}\n{self.text}"

    def find_public_url(self) -> str | None:
        """Give the address at the network; a TikTok draft lies in an inbox and has none."""
        if isinstance(self.target, TiktokTarget) and self.target.is_draft:
            return None
        template = NETWORKS[self.account.platform].post_url
        return template.format(number=17_900_000_000_000_000 + self.number, code=f"Sbx{self.number:08d}")

    def describe_target(self) -> JsonValue:
        """Show the target as it will be sent on."""
        return None if self.target is None else self.target.model_dump(mode="json", by_alias=True, exclude_none=True)


class BlotatoState:
    """Accounts, uploads and posts; `faults` has the rules that a post meets when it is created."""

    def __init__(self, *, publish_time: timedelta, now: Callable[[], datetime], faults: FaultBook) -> None:
        self.now = now
        self._publish_time = publish_time
        self._faults = faults
        self.posts: dict[str, PostRecord] = {}
        self.cancelled: list[PostRecord] = []
        self.uploads: dict[str, Upload] = {}
        self._absences: list[_Absence] = []
        self._mirrored_paths: set[str] = set()
        self._numbers = itertools.count(1)

    def list_accounts(self) -> list[Account]:
        """List the connected accounts."""
        return [account for account in ACCOUNTS.values() if self._is_connected(account, self.now())]

    def find_account(self, account_id: str) -> Account:
        """Give a connected account."""
        for account in self.list_accounts():
            if account.id == account_id:
                return account
        raise refuse(404, f"Account {account_id} not found")

    def _is_connected(self, account: Account, at: datetime) -> bool:
        return not any(
            absence.account_id == account.id and absence.since <= at and (absence.until is None or at < absence.until)
            for absence in self._absences
        )

    def disconnect(self, account_id: str) -> None:
        """Disconnect an account, as its owner does on Blotato's page: what is scheduled there will fail."""
        self._absences.append(_Absence(self.find_account(account_id).id, since=self.now()))

    def reconnect(self, account_id: str) -> None:
        """Connect an account again; what was due meanwhile stays failed."""
        for absence in self._absences:
            if absence.account_id == account_id and absence.until is None:
                absence.until = self.now()

    def create_upload(self, filename: str) -> tuple[str, Upload]:
        """Make a place in storage; give the token of its presigned URL."""
        token = uuid.uuid4().hex
        self.uploads[token] = Upload(filename, _build_media_path(filename), self.now() + _PRESIGN_LIFETIME)
        return token, self.uploads[token]

    def open_upload(self, token: str) -> Upload:
        """Give the place that a presigned URL leads to, while it may be written."""
        upload = self.uploads.get(token)
        if upload is None:
            raise refuse(404, "There is no such upload")
        if self.now() >= upload.expires_at:
            raise refuse(403, "The presigned URL has expired")
        if upload.file is not None:
            raise refuse(409, "The file was uploaded before")
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
                is_video = PurePosixPath(upload.filename).suffix.lower() in _VIDEO_SUFFIXES
                return upload.file["is_mp4"] is True or not is_video
        return False

    def create_post(self, body: CreatePost) -> PostRecord:
        """Accept a post, which is not to publish it."""
        content, target = body.post.content, body.post.target
        account = self.find_account(body.post.account_id)
        if target.target_type != content.platform:
            raise refuse(400, "body.post.target.targetType must equal body.post.content.platform")
        if account.platform != content.platform:
            raise refuse(400, f"Account {account.id} is connected to {account.platform}, not to {content.platform}")
        subject = f"{content.platform}\n{content.text}"
        post = PostRecord(
            number=next(self._numbers),
            submission_id=str(uuid.uuid4()),
            account=account,
            text=content.text,
            media_urls=content.media_urls,
            target=target,
            created_at=self.now(),
            scheduled_time=body.scheduled_time or (self._find_free_slot(account) if body.use_next_free_slot else None),
            publish_fault=self._faults.pick("publish", subject),
            listing_fault=self._faults.pick("listing", subject),
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

    def describe(self, post: PostRecord) -> Body:
        """Tell how a post stands; what does not apply is null."""
        answer: Body = {"postSubmissionId": post.submission_id, "scheduledTime": format_time(post.scheduled_time)}
        answer |= {"publicUrl": None, "errorMessage": None}
        if self.now() < post.due_at:
            return {**answer, "status": "scheduled"}
        if self.now() < post.due_at + self._publish_time or isinstance(post.publish_fault, StayInProgress):
            return {**answer, "status": "in-progress"}
        if refusal := self._find_refusal(post):
            return {**answer, "status": "failed", "errorMessage": refusal}
        return {**answer, "status": "published", "publicUrl": post.find_public_url()}

    def _find_refusal(self, post: PostRecord) -> str | None:
        if isinstance(post.publish_fault, FailPublish):
            return post.publish_fault.error_message
        if not self._is_connected(post.account, post.due_at):
            return f"Account {post.account.id} is not connected."
        at = post.due_at + self._publish_time
        if not all(self.is_readable(url, at) for url in post.media_urls):
            return "Failed to read media metadata"
        return find_refusal(post.account.platform, post.text, post.media_urls, post.target)

    def list_posts(self, query: PostsQuery) -> Body:
        """List the latest first. What is in progress is not listed."""
        since, until = query.since or self.now() - _LIST_WINDOW, query.until or self.now() + _LIST_WINDOW
        rows: list[tuple[_Place, Body]] = []
        for post in self.posts.values():
            answer, time = self.describe(post), post.due_at
            status = answer["status"]
            if status != "scheduled":
                time += self._publish_time
            is_asked_for = query.status in (None, status) and query.platform in (None, post.account.platform)
            if status == "in-progress" or not since <= time <= until or not is_asked_for or self._is_lagging(post):
                continue
            state: Body = {"type": status, "postUrl": answer["publicUrl"], "errorMessage": answer["errorMessage"]}
            item: Body = {
                # It belongs to the state, and is not the submission's.
                "id": post.schedule_id if status == "scheduled" else f"{status}_{post.number}",
                "postTime": format_time(time),
                "platform": post.account.platform,
                "text": post.text,
                "mediaUrls": list(post.media_urls),
                "state": leave_out_nulls(state),
            }
            rows.append(((-_microseconds(time), -post.number), item))
        return _paginate(rows, query)

    def list_schedules(self, query: PageQuery) -> Body:
        """List what is still to come, soonest first. The count is a string."""
        rows: list[tuple[_Place, Body]] = [
            ((_microseconds(post.due_at), post.number), self.describe_schedule(post))
            for post in self.posts.values()
            if self.now() < post.due_at and not self._is_lagging(post)
        ]
        return {**_paginate(rows, query), "count": str(len(rows))}

    def _is_lagging(self, post: PostRecord) -> bool:
        """Tell whether a list does not yet show a post."""
        fault = post.listing_fault
        lag_seconds = fault.list_lag_seconds if isinstance(fault, ListLag) else 0.0
        return self.now() < post.created_at + timedelta(seconds=lag_seconds)

    def find_scheduled(self, schedule_id: str) -> PostRecord:
        """Give the post of a schedule that is still to come."""
        for post in self.posts.values():
            if post.schedule_id == schedule_id and self.now() < post.due_at:
                return post
        raise refuse(404, "Schedule not found")

    def cancel(self, post: PostRecord) -> None:
        """Take a post that is still to come out of what exists."""
        self.cancelled.append(self.posts.pop(post.submission_id))

    def describe_schedule(self, post: PostRecord) -> Body:
        """Show a schedule; its account is null once it is disconnected."""
        content: Body = {"text": post.text, "mediaUrls": list(post.media_urls), "platform": post.account.platform}
        draft: Body = {"accountId": post.account.id, "content": content, "target": post.describe_target()}
        return {
            "id": post.schedule_id,
            "scheduledAt": format_time(post.due_at),
            "account": dump(post.account) if self._is_connected(post.account, self.now()) else None,
            "draft": leave_out_nulls(draft),
        }

    def tell_post(self, post: PostRecord) -> Body:
        """Give a post as `GET /_sandbox/posts` tells it."""
        answer = self.describe(post)
        return {
            "post_submission_id": post.submission_id,
            "account_id": post.account.id,
            "platform": post.account.platform,
            "text": post.text,
            "media_urls": list(post.media_urls),
            "target": post.describe_target(),
            "state": answer["status"],
            "public_url": answer["publicUrl"],
            "error_message": answer["errorMessage"],
            "scheduled_time": answer["scheduledTime"],
        }


def dump(model: Sent) -> Body:
    """Give a body as Blotato answers it."""
    return model.model_dump(mode="json", by_alias=True)


def leave_out_nulls(body: Body) -> Body:
    """Leave out what has no value: it is absent rather than null."""
    return {name: value for name, value in body.items() if value is not None}


def _build_media_path(filename: str) -> str:
    return f"{_MEDIA_PATH}{uuid.uuid4()}/{quote(filename)}"


def format_time(time: datetime | None) -> str | None:
    """Write a time as Blotato does."""
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def _microseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)


def _paginate(rows: Iterable[tuple[_Place, Body]], query: PageQuery) -> Body:
    """Put rows in order and cut out the page a query asks for; a cursor is the place of the last row seen."""
    ordered = sorted(rows, key=lambda row: row[0])
    if query.cursor is not None:
        try:
            last = tuple(int(part) for part in query.cursor.split("."))
        except ValueError as error:
            raise refuse(400, "querystring.cursor is not a cursor of this list") from error
        ordered = [row for row in ordered if row[0] > last]
    page = ordered[: query.limit]
    cursor = ".".join(str(part) for part in page[-1][0]) if len(ordered) > query.limit else None
    return leave_out_nulls({"items": [item for _, item in page], "cursor": cursor})
