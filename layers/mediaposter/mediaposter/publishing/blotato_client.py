"""Blotato's REST API v2: media, posts, schedules, accounts.

Wire facts: help.blotato.com, rest-api-reference. The key goes verbatim into `blotato-api-key` and is
sent to Blotato's own origin only, never with an upload to a presigned URL.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from mediaposter.errors import ConfigurationError, ErrorCode, PostUnknown, PublisherError
from mediaposter.publishing.blotato_wire import (
    Accepted,
    AccountsReply,
    BelowReply,
    ListedItem,
    ListPage,
    Media,
    PostState,
    Refusal,
    Reply,
    ScheduledItem,
    ScheduleReply,
    Upload,
    Whoever,
    read_wait_seconds,
    write_time,
    write_when,
)
from mediaposter.publishing.publisher_interface import Account, Board, ListedPost, Page, PostReport, Schedule, User
from mediaposter.publishing.targets import AnyTarget, PublishTarget

BASE_URL = "https://backend.blotato.com/v2"
_CALL_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_UPLOAD_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_READ_BYTES = 256 * 1024
_FINAL_UPLOAD_STATUSES = (413, 415, 422)
# The largest pages there are. A list that is longer than so many of them was not seen whole.
_POSTS_PAGE_ITEMS = 250
_POSTS_PAGES_MAX = 10
_SCHEDULES_PAGE_ITEMS = 50
# 3,000 posts may wait on the largest plan.
_SCHEDULES_PAGES_MAX = 60

_logger = logging.getLogger(__name__)

# DNS, TCP or TLS failed, or no connection was free: not a byte of the request went out.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

ReplyType = TypeVar("ReplyType", bound=Reply)


class BlotatoClient:
    """A client of one Blotato account. Nothing is ever sent twice by itself."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        """Make a client; the key may come from `BLOTATO_API_KEY`, another address from `BLOTATO_BASE_URL`.

        `timeout_seconds` is how long one question may wait for its answer, uploads apart; 30 without it.

        Raises:
            ConfigurationError: there is no key.
        """
        key = api_key or os.environ.get("BLOTATO_API_KEY")
        if not key:
            raise ConfigurationError("Blotato needs BLOTATO_API_KEY in the environment (or api_key as an argument).")
        self._key = key
        self._base_url = (base_url or os.environ.get("BLOTATO_BASE_URL") or BASE_URL).rstrip("/")
        self._http = httpx.Client(
            transport=transport,
            timeout=_CALL_TIMEOUT if timeout_seconds is None else httpx.Timeout(timeout_seconds),
            trust_env=False,
            # A connection that died while a Lambda was frozen would make the next post look sent and lost.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def upload_media(self, path_or_url: str | os.PathLike[str]) -> str:
        """Give Blotato a video and get the URL a post may name.

        A public URL is fetched by Blotato; a file is sent.

        Raises:
            PublisherError: with Blotato's own sentence.
        """
        if re.match(r"https?://", str(path_or_url)):
            answer = self._call("POST", "/media", json={"url": str(path_or_url)})
            return _read(answer, Media).url
        path = Path(path_or_url)
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(_READ_BYTES), b"")
            return self.upload_stream(chunks, size_bytes=path.stat().st_size, filename=path.name)

    def upload_stream(self, chunks: Iterator[bytes], *, size_bytes: int, filename: str) -> str:
        """Send the bytes of a video and get the URL a post may name.

        The presigned URL is short-lived, so it is asked for right before; it takes no chunked body.

        Raises:
            PublisherError: with Blotato's own sentence.
        """
        upload = _read(self._call("POST", "/media/uploads", json={"filename": filename}), Upload)
        headers = {"Content-Type": "video/mp4", "Content-Length": str(size_bytes)}
        try:
            answer = self._http.put(upload.presigned_url, content=chunks, headers=headers, timeout=_UPLOAD_TIMEOUT)
        except httpx.HTTPError as error:
            raise PublisherError(
                ErrorCode.PROVIDER_ERROR, f"The upload to Blotato broke off: {_name(error)}.", transient=True
            ) from error
        if not answer.is_success:
            # Too large stays too large; anything else may be a presigned URL that ran out, and a fresh one helps.
            raise PublisherError(
                ErrorCode.INVALID_REQUEST if answer.status_code in _FINAL_UPLOAD_STATUSES else ErrorCode.PROVIDER_ERROR,
                f"Blotato's storage answered {answer.status_code} to the upload of {size_bytes} bytes.",
                transient=answer.status_code not in _FINAL_UPLOAD_STATUSES,
            )
        return upload.public_url

    def create_post(
        self,
        *,
        account_id: str,
        platform: str,
        text: str,
        media_urls: list[str],
        scheduled_time: datetime | None = None,
        next_free_slot: bool = False,
        **target_fields: object,
    ) -> PostReport:
        """Submit one post. `target_fields` are those of the network's target, `privacy_level=…` for TikTok.

        Raises:
            ValueError: the target is not complete, the text does not fit, or the time makes no sense.
            PostUnknown: it was sent, and nobody can tell what became of it.
            PublisherError: it certainly was not accepted.
        """
        fields = {"platform": platform, "account_id": account_id, "text": text, **target_fields}
        target: PublishTarget = TypeAdapter[PublishTarget](AnyTarget).validate_python(fields)
        when = write_when(scheduled_time, next_free_slot=next_free_slot)
        return self._post(target, target.compose_caption(prompt=text, title=None, default_text=None), media_urls, when)

    def publish(
        self,
        target: PublishTarget,
        *,
        text: str,
        media_url: str,
        scheduled_time: datetime | None = None,
        next_free_slot: bool = False,
    ) -> PostReport:
        """Submit one post of one video, for now, for a time, or for the next free slot of the account.

        Raises:
            ValueError: it is given both, or a time without its offset from UTC; nothing was sent.
            PostUnknown: it was sent, and nobody can tell what became of it.
            PublisherError: it certainly was not accepted.
        """
        return self._post(target, text, [media_url], write_when(scheduled_time, next_free_slot=next_free_slot))

    def get_post(self, submission_id: str) -> PostReport:
        """Ask how a submitted post stands; an id Blotato does not know reads as in progress for ever.

        Raises:
            PublisherError: Blotato did not answer the question.
        """
        return _read(self._call("GET", f"/posts/{_quote(submission_id)}"), PostState).to_report(submission_id)

    def list_posts(self, *, since: datetime, until: datetime, platform: str) -> list[ListedPost]:
        """List what went out, failed or is scheduled on a network between two times; what is in progress is not there.

        An item that cannot be read is left out, and logged.

        Raises:
            PublisherError: the list could not be read, or not to its end.
        """
        # Without them Blotato looks seven days back and ahead.
        window = {"since": write_time(since), "until": write_time(until), "platform": platform}
        items = self._list("/posts", window, ListedItem, page_items=_POSTS_PAGE_ITEMS, pages_max=_POSTS_PAGES_MAX)
        return [item.to_listed_post() for item in items]

    def list_schedules(self) -> list[Schedule]:
        """List every post that is still to come, whoever scheduled it.

        An item that cannot be read is left out, and logged.

        Raises:
            PublisherError: the list could not be read, or not to its end.
        """
        items = self._list(
            "/schedules", {}, ScheduledItem, page_items=_SCHEDULES_PAGE_ITEMS, pages_max=_SCHEDULES_PAGES_MAX
        )
        return [item.to_schedule() for item in items]

    def move_schedule(self, schedule_id: str, scheduled_time: datetime) -> bool:
        """Give a scheduled post another time and change nothing else; may be repeated.

        Returns:
            False when there is no such schedule: it was published, or cancelled.

        Raises:
            ValueError: the time has no offset from UTC; nothing was sent.
            PublisherError: it was refused, or nobody knows whether it was moved.
        """
        time = write_time(scheduled_time)
        path = f"/schedules/{_quote(schedule_id)}"
        kept = self._find("GET", path)
        if kept is None:
            return False
        # Not a merge: a draft that leaves something out loses it. So it goes back as it came, unknown fields too.
        patch = {"scheduledTime": time, "draft": _read(kept, ScheduleReply).schedule.draft}
        return self._find("PATCH", path, json={"patch": patch}) is not None

    def cancel_schedule(self, schedule_id: str) -> bool:
        """Take a scheduled post away.

        Returns:
            False when there is no such schedule: it was published, or cancelled before.

        Raises:
            PublisherError: it was refused, or nobody knows whether it was cancelled.
        """
        return self._find("DELETE", f"/schedules/{_quote(schedule_id)}") is not None

    def show_user(self) -> User:
        """Tell whom the key belongs to: the cheapest way to try a key.

        Raises:
            PublisherError: the key is not good (`AUTHENTICATION`), or Blotato did not answer.
        """
        return _read(self._call("GET", "/users/me"), Whoever).to_user()

    def list_accounts(self) -> list[Account]:
        """List the connected accounts.

        Raises:
            PublisherError: Blotato did not answer the question.
        """
        found = _read(self._call("GET", "/users/me/accounts"), AccountsReply)
        return [item.to_account() for item in found.items]

    def list_pages(self, account_id: str) -> list[Page]:
        """List the pages of a Facebook or LinkedIn account, or the playlists of a YouTube account.

        Raises:
            PublisherError: Blotato did not answer the question.
        """
        found = _read(self._call("GET", f"/users/me/accounts/{_quote(account_id)}/subaccounts"), BelowReply)
        return [item.to_page(account_id) for item in found.items]

    def list_boards(self, account_id: str) -> list[Board]:
        """List the boards of a Pinterest account.

        Raises:
            PublisherError: Blotato did not answer the question.
        """
        found = _read(self._call("GET", f"/social/pinterest/boards?{urlencode({'accountId': account_id})}"), BelowReply)
        return [item.to_board(account_id) for item in found.items]

    def _post(self, target: PublishTarget, text: str, media_urls: list[str], when: dict[str, object]) -> PostReport:
        content = {"text": text, "mediaUrls": media_urls, "platform": target.platform}
        post = {"accountId": target.account_id, "content": content, "target": target.to_wire()}
        try:
            # Beside the post: inside it Blotato ignores the time without a word, and the post goes out now.
            answer = self._send("POST", "/posts", json={"post": post, **when})
        except _NEVER_SENT as error:
            raise _unreachable(error) from error
        except httpx.HTTPError as error:
            raise PostUnknown(f"Blotato did not answer the post: {_name(error)}. It may be public.") from error
        if answer.status_code >= 500 or answer.is_redirect or answer.status_code == 408:
            raise PostUnknown(f"Blotato answered {answer.status_code} to the post. It may be public.")
        _refuse_failure(answer)
        try:
            accepted = Accepted.model_validate_json(answer.content)
        except ValidationError as error:
            raise PostUnknown("Blotato took the post but its answer has no id. It may be public.") from error
        return accepted.to_report()

    def _list(
        self, path: str, query: dict[str, str], item_type: type[ReplyType], *, page_items: int, pages_max: int
    ) -> list[ReplyType]:
        """Read a list to its end."""
        found: list[ReplyType] = []
        cursor: dict[str, str] = {}
        for _ in range(pages_max):
            asked = urlencode({**query, "limit": page_items, **cursor})
            page = _read(self._call("GET", f"{path}?{asked}"), ListPage)
            found += _read_items(page, path, item_type)
            if not page.cursor:
                return found
            cursor = {"cursor": page.cursor}
        # What was not seen may be there.
        sentence = f"Blotato's {path} goes on after {pages_max} pages of {page_items}."
        raise PublisherError(ErrorCode.PROVIDER_ERROR, sentence)

    def _find(self, method: str, path: str, *, json: object = None) -> httpx.Response | None:
        """Make a call to one thing, which may be gone."""
        answer = self._reach(method, path, json=json)
        if answer.status_code == 404:
            return None
        _refuse_failure(answer)
        return answer

    def _call(self, method: str, path: str, *, json: object = None) -> httpx.Response:
        answer = self._reach(method, path, json=json)
        _refuse_failure(answer)
        return answer

    def _reach(self, method: str, path: str, *, json: object = None) -> httpx.Response:
        """Make a call that nobody sees, so that a failure is only a failure."""
        try:
            return self._send(method, path, json=json)
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    def _send(self, method: str, path: str, *, json: object = None) -> httpx.Response:
        return self._http.request(method, self._base_url + path, json=json, headers={"blotato-api-key": self._key})


def _quote(part: str) -> str:
    return quote(part, safe="")


def _read_items(page: ListPage, path: str, item_type: type[ReplyType]) -> list[ReplyType]:
    """Read the items of a page; one that is odd does not hide the others."""
    found = []
    for item in page.items:
        try:
            found.append(item_type.model_validate(item))
        except ValidationError as error:
            # Without what it holds: that is somebody's caption.
            _logger.warning("An item of Blotato's %s cannot be read: %s", path, error)
    if page.items and not found:
        raise PublisherError(ErrorCode.PROVIDER_ERROR, f"No item of Blotato's {path} can be read.")
    return found


def _read(answer: httpx.Response, reply_type: type[ReplyType]) -> ReplyType:
    try:
        return reply_type.model_validate_json(answer.content)
    except ValidationError as error:
        host = urlsplit(str(answer.request.url)).hostname
        raise PublisherError(
            ErrorCode.PROVIDER_ERROR,
            f"{host} answered {answer.status_code} with something else than expected.",
            transient=True,
        ) from error


_CODES = {
    401: ErrorCode.AUTHENTICATION,
    402: ErrorCode.INSUFFICIENT_CREDIT,
    403: ErrorCode.AUTHENTICATION,
    429: ErrorCode.RATE_LIMITED,
}


def _refuse_failure(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    try:
        message = Refusal.model_validate_json(answer.content).message
    except ValidationError:
        message = ""
    is_client_error = 400 <= answer.status_code < 500
    default = ErrorCode.INVALID_REQUEST if is_client_error else ErrorCode.PROVIDER_ERROR
    raise PublisherError(
        _CODES.get(answer.status_code, default),
        message or f"Blotato answered {answer.status_code}.",
        # Every 4xx but these two is final (Blotato, errors and retries).
        transient=answer.status_code in (408, 429) or answer.status_code >= 500,
        retry_after_seconds=read_wait_seconds(answer.headers.get("retry-after", ""), message)
        if answer.status_code == 429
        else None,
    )


def _unreachable(error: httpx.HTTPError) -> PublisherError:
    return PublisherError(ErrorCode.PROVIDER_ERROR, f"Blotato could not be reached: {_name(error)}.", transient=True)


def _name(error: httpx.HTTPError) -> str:
    # The text of an httpx error may hold the URL, and a presigned one is a secret.
    return type(error).__name__
