"""Blotato's REST API v2: media, posts, schedules, accounts.

Wire facts: help.blotato.com, rest-api-reference. The key goes verbatim into the header `blotato-api-key`. It is sent to
Blotato's own origin only, never with an upload to a presigned URL.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from mediaposter.domain.errors import ConfigurationError, ErrorCode, PostUnknown, PublisherError
from mediaposter.http.bounded import DEADLINE, BoundedTransport, Deadline, keep_to
from mediaposter.http.reply import clean_sentence, parse_json, read_pieces
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
CALL_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
# A list has many pages; CheckPostFunction, which reads two lists, may run for a minute.
_LIST_SECONDS = 25.0
# Limits each wait of an upload. The whole upload gets the time that its bytes take at the slowest allowed rate, but at
# most a large part of CreatePostFunction's 15 minutes.
_UPLOAD_WAIT_SECONDS = 60.0
_UPLOAD_SECONDS_MAX = 840.0
_SLOWEST_UPLOAD_BYTES_PER_SECOND = 512 * 1024
_READ_BYTES = 256 * 1024
# The limit for a response: a page holds up to 250 posts with their captions.
_REPLY_BYTES_MAX = 1024 * 1024
_PAGE_BYTES_MAX = 8 * 1024 * 1024
_FINAL_UPLOAD_STATUSES = (413, 415, 422)
# The maximum page size. A list with more pages than this cannot be read whole.
_POSTS_PAGE_ITEMS = 250
_POSTS_PAGES_MAX = 10
_SCHEDULES_PAGE_ITEMS = 50
# The largest plan allows 3,000 scheduled posts.
_SCHEDULES_PAGES_MAX = 60

_logger = logging.getLogger(__name__)

# DNS, TCP or TLS failed, or no connection was free: no byte of the request was sent.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

ReplyType = TypeVar("ReplyType", bound=Reply)


@dataclass(frozen=True, slots=True)
class _Answer:
    """Blotato's response, up to a maximum length."""

    host: str
    status_code: int
    headers: httpx.Headers
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300


class BlotatoClient:
    """A client of one Blotato account. It never retries by itself."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        """Make a client; the default key is `BLOTATO_API_KEY`, and `BLOTATO_BASE_URL` overrides the address.

        Args:
            api_key: sent to Blotato's own origin only.
            base_url: the URL before Blotato's paths.
            transport: sends the calls; sockets by default.
            timeout_seconds: for a whole call, from the DNS lookup to the last byte; for a list, all pages together. The
                default is 30, or 25 for a list. An upload gets more.

        Raises:
            ConfigurationError: there is no key.
        """
        key = api_key or os.environ.get("BLOTATO_API_KEY")
        if not key:
            raise ConfigurationError("Blotato needs BLOTATO_API_KEY in the environment (or api_key as an argument).")
        self._key = key
        self._base_url = (base_url or os.environ.get("BLOTATO_BASE_URL") or BASE_URL).rstrip("/")
        self._call_seconds = CALL_SECONDS if timeout_seconds is None else timeout_seconds
        # Each call opens its own connection. If a kept connection died while a Lambda was frozen, the next post would
        # look as if it was sent and lost.
        self._transport = BoundedTransport() if transport is None else transport

    def upload_media(self, path_or_url: str | os.PathLike[str]) -> str:
        """Pass a video to Blotato, and return the URL for a post.

        Blotato fetches a public URL itself; this uploads a file.

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
        """Upload the bytes of a video, and return the URL for a post.

        The presigned URL is short-lived, so it is requested just before the upload. It takes no chunked body.

        Raises:
            PublisherError: with Blotato's own sentence.
        """
        upload = _read(self._call("POST", "/media/uploads", json={"filename": filename}), Upload)
        request = self._write_upload(upload.presigned_url, chunks, size_bytes)
        sending_seconds = _UPLOAD_WAIT_SECONDS + size_bytes / _SLOWEST_UPLOAD_BYTES_PER_SECOND
        deadline = Deadline.after(min(sending_seconds, _UPLOAD_SECONDS_MAX))
        try:
            answer = self._exchange(request, deadline, wait_seconds=_UPLOAD_WAIT_SECONDS, max_bytes=0)
        except httpx.HTTPError as error:
            raise PublisherError(
                ErrorCode.PROVIDER_ERROR, f"The upload to Blotato broke off: {_name(error)}.", transient=True
            ) from error
        if not answer.is_success:
            # A file that is too large fails again. Any other error may mean an expired presigned URL, which a retry
            # replaces.
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
            ValueError: the target is incomplete, the text does not fit, or the time is invalid.
            PostUnknown: it was sent, and its outcome is unknown.
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
        """Submit one post of one video: now, at a time, or in the account's next free slot.

        Raises:
            ValueError: both are set, or the time has no offset from UTC; nothing was sent.
            PostUnknown: it was sent, and its outcome is unknown.
            PublisherError: it certainly was not accepted.
        """
        return self._post(target, text, [media_url], write_when(scheduled_time, next_free_slot=next_free_slot))

    def get_post(self, submission_id: str) -> PostReport:
        """Get the status of a submitted post; an id that Blotato does not know reads as in progress forever.

        Raises:
            PublisherError: Blotato did not answer the question.
        """
        return _read(self._call("GET", f"/posts/{_quote(submission_id)}"), PostState).to_report(submission_id)

    def list_posts(self, *, since: datetime, until: datetime, platform: str) -> list[ListedPost]:
        """List the published, failed and scheduled posts of a network between two times, but none in progress.

        An item that cannot be read is left out, and logged.

        Raises:
            PublisherError: the list could not be read, or not to its end.
        """
        # # Without them Blotato lists seven days back and ahead.
        window = {"since": write_time(since), "until": write_time(until), "platform": platform}
        items = self._list("/posts", window, ListedItem, page_items=_POSTS_PAGE_ITEMS, pages_max=_POSTS_PAGES_MAX)
        return [item.to_listed_post() for item in items]

    def list_schedules(self) -> list[Schedule]:
        """List every scheduled post, including those scheduled outside this stack.

        An item that cannot be read is left out, and logged.

        Raises:
            PublisherError: the list could not be read, or not to its end.
        """
        items = self._list(
            "/schedules", {}, ScheduledItem, page_items=_SCHEDULES_PAGE_ITEMS, pages_max=_SCHEDULES_PAGES_MAX
        )
        return [item.to_schedule() for item in items]

    def move_schedule(self, schedule_id: str, scheduled_time: datetime) -> bool:
        """Move a scheduled post to another time and change nothing else; a retry is safe.

        Returns:
            False when there is no such schedule: it was published, or cancelled.

        Raises:
            ValueError: the time has no offset from UTC; nothing was sent.
            PublisherError: it was refused, or it is unknown whether it was moved.
        """
        time = write_time(scheduled_time)
        path = f"/schedules/{_quote(schedule_id)}"
        kept = self._find("GET", path)
        if kept is None:
            return False
        # PATCH does not merge: a field missing from the draft is lost. So the draft goes back unchanged, with unknown
        # fields.
        patch = {"scheduledTime": time, "draft": _read(kept, ScheduleReply, is_kept=True).schedule.draft}
        return self._find("PATCH", path, json={"patch": patch}) is not None

    def cancel_schedule(self, schedule_id: str) -> bool:
        """Cancel a scheduled post.

        Returns:
            False when there is no such schedule: it was published, or cancelled before.

        Raises:
            PublisherError: it was refused, or it is unknown whether it was cancelled.
        """
        return self._find("DELETE", f"/schedules/{_quote(schedule_id)}") is not None

    def show_user(self) -> User:
        """Return the user of the key: the cheapest way to test a key.

        Raises:
            PublisherError: the key is invalid (`AUTHENTICATION`), or Blotato did not answer.
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
            # Outside of `post`: inside it, Blotato silently ignores the time and publishes at once.
            answer = self._send("POST", "/posts", Deadline.after(self._call_seconds), json={"post": post, **when})
        except _NEVER_SENT as error:
            raise _unreachable(error) from error
        except httpx.HTTPError as error:
            raise PostUnknown(f"Blotato did not answer the post: {_name(error)}. It may be public.") from error
        if answer.status_code >= 500 or 300 <= answer.status_code < 400 or answer.status_code == 408:
            raise PostUnknown(f"Blotato answered {answer.status_code} to the post. It may be public.")
        self._refuse_failure(answer)
        try:
            accepted = Accepted.model_validate(parse_json(answer.content))
        except ValueError as error:
            raise PostUnknown("Blotato took the post but its answer has no id. It may be public.") from error
        return accepted.to_report()

    def _list(
        self, path: str, query: dict[str, str], item_type: type[ReplyType], *, page_items: int, pages_max: int
    ) -> list[ReplyType]:
        """Read a list to its end."""
        found: list[ReplyType] = []
        cursor: dict[str, str] = {}
        deadline = Deadline.after(min(self._call_seconds, _LIST_SECONDS))
        for _ in range(pages_max):
            asked = urlencode({**query, "limit": page_items, **cursor})
            page = _read(self._call("GET", f"{path}?{asked}", deadline, max_bytes=_PAGE_BYTES_MAX), ListPage)
            found += _read_items(page, path, item_type)
            if not page.cursor:
                return found
            cursor = {"cursor": page.cursor}
        # The posts on the unread pages are unknown.
        sentence = f"Blotato's {path} goes on after {pages_max} pages of {page_items}."
        raise PublisherError(ErrorCode.PROVIDER_ERROR, sentence)

    def _find(self, method: str, path: str, *, json: object = None) -> _Answer | None:
        """Make a call about one object, which may be gone."""
        answer = self._reach(method, path, json=json)
        if answer.status_code == 404:
            return None
        self._refuse_failure(answer)
        return answer

    def _call(
        self,
        method: str,
        path: str,
        deadline: Deadline | None = None,
        *,
        json: object = None,
        max_bytes: int = _REPLY_BYTES_MAX,
    ) -> _Answer:
        answer = self._reach(method, path, deadline, json=json, max_bytes=max_bytes)
        self._refuse_failure(answer)
        return answer

    def _reach(
        self,
        method: str,
        path: str,
        deadline: Deadline | None = None,
        *,
        json: object = None,
        max_bytes: int = _REPLY_BYTES_MAX,
    ) -> _Answer:
        """Make a call that publishes nothing, so that any failure is a plain PublisherError."""
        try:
            deadline = deadline or Deadline.after(self._call_seconds)
            return self._send(method, path, deadline, json=json, max_bytes=max_bytes)
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    def _send(
        self, method: str, path: str, deadline: Deadline, *, json: object = None, max_bytes: int = _REPLY_BYTES_MAX
    ) -> _Answer:
        """Make a call to Blotato itself, with the key."""
        headers = {"blotato-api-key": self._key, "Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            request = httpx.Request(method, self._base_url + path, json=json, headers=headers)
        except (httpx.InvalidURL, ValueError) as error:
            # Half an emoji, a number that JSON does not have, or an invalid base URL.
            sentence = f"The call to Blotato cannot be written, so nothing was sent: {clean_sentence(str(error))}."
            raise PublisherError(ErrorCode.INVALID_REQUEST, sentence) from error
        return self._exchange(request, deadline, wait_seconds=self._call_seconds, max_bytes=max_bytes)

    def _write_upload(self, presigned_url: str, chunks: Iterator[bytes], size_bytes: int) -> httpx.Request:
        """Write the upload request to Blotato's presigned URL, which must be as secure as Blotato's own."""
        headers = {"Content-Type": "video/mp4", "Content-Length": str(size_bytes), "Accept-Encoding": "identity"}
        schemes = ("http", "https") if self._base_url.startswith("http://") else ("https",)
        try:
            request = httpx.Request("PUT", presigned_url, content=chunks, headers=headers)
            is_usable = request.url.scheme in schemes and bool(request.url.host)
        except (httpx.InvalidURL, ValueError):
            is_usable = False
        if not is_usable:
            # The message omits the URL: even a malformed one may hold a signature.
            raise PublisherError(
                ErrorCode.PROVIDER_ERROR, "Blotato gave no https URL to send the video to.", transient=True
            )
        return request

    def _exchange(self, request: httpx.Request, deadline: Deadline, *, wait_seconds: float, max_bytes: int) -> _Answer:
        """Send once, and read up to `max_bytes` and one piece of the response; if it is 0, read nothing.

        Raises:
            httpx.HTTPError: no complete response came in time.
        """
        timeout = httpx.Timeout(wait_seconds, connect=min(wait_seconds, _CONNECT_SECONDS))
        request.extensions.update({"timeout": timeout.as_dict(), DEADLINE: deadline})
        content = bytearray()
        with closing(self._transport.handle_request(request)) as response:
            try:
                for piece in keep_to(deadline, read_pieces(response)) if max_bytes else ():
                    content += piece
                    if len(content) > max_bytes:
                        break
            except httpx.DecodingError:
                # Treat the body as empty; the status is still useful.
                content.clear()
        return _Answer(request.url.host, response.status_code, response.headers, bytes(content))

    def _refuse_failure(self, answer: _Answer) -> None:
        if answer.is_success:
            return
        try:
            message = Refusal.model_validate(parse_json(answer.content)).message
        except ValueError:
            message = ""
        message = clean_sentence(message, self._key)
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


def _quote(part: str) -> str:
    return quote(part, safe="")


def _read_items(page: ListPage, path: str, item_type: type[ReplyType]) -> list[ReplyType]:
    """Read the items of a page; an unreadable item does not hide the others."""
    found = []
    for item in page.items:
        try:
            found.append(item_type.model_validate(item))
        except ValidationError as error:
            # Without its content, which is a user's caption.
            _logger.warning("An item of Blotato's %s cannot be read: %s", path, error)
    if page.items and not found:
        raise PublisherError(ErrorCode.PROVIDER_ERROR, f"No item of Blotato's {path} can be read.")
    return found


def _read(answer: _Answer, reply_type: type[ReplyType], *, is_kept: bool = False) -> ReplyType:
    """Read a response; one that goes back to Blotato (`is_kept`) is not repaired."""
    try:
        parsed = from_json(answer.content) if is_kept else parse_json(answer.content)
        return reply_type.model_validate(parsed)
    except ValueError as error:
        raise PublisherError(
            ErrorCode.PROVIDER_ERROR,
            f"{answer.host} answered {answer.status_code} with something else than expected.",
            transient=True,
        ) from error


_CODES = {
    401: ErrorCode.AUTHENTICATION,
    402: ErrorCode.INSUFFICIENT_CREDIT,
    403: ErrorCode.AUTHENTICATION,
    429: ErrorCode.RATE_LIMITED,
}


def _unreachable(error: httpx.HTTPError) -> PublisherError:
    return PublisherError(ErrorCode.PROVIDER_ERROR, f"Blotato could not be reached: {_name(error)}.", transient=True)


def _name(error: httpx.HTTPError) -> str:
    # The text of an httpx error may hold the URL, and a presigned one is a secret.
    return type(error).__name__
