"""Blotato's REST API v2: media, posts, schedules, accounts.

Wire facts: help.blotato.com, rest-api-reference. The key goes verbatim into the header `blotato-api-key`. It is sent to
Blotato's own origin only, never with an upload to a presigned URL.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter
from pydantic_core import from_json

from mediaposter.domain.errors import ConfigurationError, ErrorCode, PostUnknown, PublisherError
from mediaposter.env_file import find_variable
from mediaposter.http.addresses import parse_base_url
from mediaposter.http.bounded import Deadline
from mediaposter.http.reply import Reply, parse_json
from mediaposter.http.vendor import Vendor, read_bounded
from mediaposter.publishing.blotato_errors import BlotatoErrors
from mediaposter.publishing.blotato_wire import (
    AccountsReply,
    ListedItem,
    ListPage,
    Media,
    PostAccepted,
    PostState,
    ScheduledItem,
    ScheduleReply,
    SubAccountsReply,
    Upload,
    UserReply,
    WireReply,
    read_items,
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
# The maximum page size. A list with more pages than this cannot be read whole.
_POSTS_PAGE_ITEMS = 250
_POSTS_PAGES_MAX = 10
_SCHEDULES_PAGE_ITEMS = 50
# The largest plan allows 3,000 scheduled posts.
_SCHEDULES_PAGES_MAX = 60

ReplyT = TypeVar("ReplyT", bound=WireReply)


class BlotatoClient:
    """A client of one Blotato account. It never retries by itself.

    `PublisherInterface` says what its methods return and raise. An item of a list that cannot be read is left out, and
    logged.
    """

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
            ConfigurationError: there is no key, or it or the address cannot be used.
        """
        key = api_key or find_variable("BLOTATO_API_KEY")
        if not key:
            raise ConfigurationError(
                "Blotato needs BLOTATO_API_KEY in the environment or in .env (or api_key as an argument)."
            )
        self._call_seconds = CALL_SECONDS if timeout_seconds is None else timeout_seconds
        self._errors = BlotatoErrors(key)
        self._blotato = Vendor(
            base_url=parse_base_url(base_url or find_variable("BLOTATO_BASE_URL") or BASE_URL, BASE_URL),
            api_key=key,
            errors=self._errors,
            key_header="blotato-api-key",
            key_prefix="",
            transport=transport,
            timeout_seconds=self._call_seconds,
            connect_seconds=_CONNECT_SECONDS,
            max_reply_bytes=_REPLY_BYTES_MAX,
        )

    def upload_media(self, path_or_url: str | os.PathLike[str]) -> str:
        """Pass a video to Blotato, and return the URL for a post.

        Blotato fetches a public URL itself; this uploads a file.

        Raises:
            PublisherError: with Blotato's own sentence.
        """
        if re.match(r"https?://", str(path_or_url)):
            return self._read(self._call("POST", "/media", json={"url": str(path_or_url)}), Media).url
        path = Path(path_or_url)
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(_READ_BYTES), b"")
            return self.upload_stream(chunks, size_bytes=path.stat().st_size, filename=path.name)

    def upload_stream(self, chunks: Iterator[bytes], *, size_bytes: int, filename: str) -> str:
        """Upload the bytes of a video, and return the URL for a post.

        The presigned URL is short-lived, so it is requested just before the upload. It takes no chunked body.
        """
        upload = self._read(self._call("POST", "/media/uploads", json={"filename": filename}), Upload)
        request = self._write_upload(upload.presigned_url, chunks, size_bytes)
        sending_seconds = _UPLOAD_WAIT_SECONDS + size_bytes / _SLOWEST_UPLOAD_BYTES_PER_SECOND
        deadline = Deadline.after(min(sending_seconds, _UPLOAD_SECONDS_MAX))
        try:
            # The status is enough: storage may go on talking.
            reply = self._blotato.exchange(
                request, deadline=deadline, wait_seconds=_UPLOAD_WAIT_SECONDS, read=lambda _body: b""
            )
        except httpx.RequestError as error:
            raise self._errors.lose_upload(error) from error
        if not reply.is_success:
            raise self._errors.refuse_upload(reply, size_bytes)
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
        """Submit one post of one video: now, at a time, or in the account's next free slot."""
        return self._post(target, text, [media_url], write_when(scheduled_time, next_free_slot=next_free_slot))

    def get_post(self, submission_id: str) -> PostReport:
        """Get the status of a submitted post; an id that Blotato does not know reads as in progress forever."""
        state = self._read(self._call("GET", f"/posts/{_quote(submission_id)}"), PostState)
        return state.to_report(submission_id)

    def list_posts(self, *, since: datetime, until: datetime, platform: str) -> list[ListedPost]:
        """List the published, failed and scheduled posts of a network between two times, but none in progress."""
        # Without them Blotato lists seven days back and ahead.
        window = {"since": write_time(since), "until": write_time(until), "platform": platform}
        items = self._list("/posts", window, ListedItem, page_items=_POSTS_PAGE_ITEMS, pages_max=_POSTS_PAGES_MAX)
        return [item.to_listed_post() for item in items]

    def list_schedules(self) -> list[Schedule]:
        """List every scheduled post, including those scheduled outside this stack."""
        items = self._list(
            "/schedules", {}, ScheduledItem, page_items=_SCHEDULES_PAGE_ITEMS, pages_max=_SCHEDULES_PAGES_MAX
        )
        return [item.to_schedule() for item in items]

    def move_schedule(self, schedule_id: str, scheduled_time: datetime) -> bool:
        """Move a scheduled post to another time and change nothing else; a retry is safe."""
        time = write_time(scheduled_time)
        path = f"/schedules/{_quote(schedule_id)}"
        kept = self._find("GET", path)
        if kept is None:
            return False
        # PATCH does not merge: a field missing from the draft is lost. So the draft goes back unchanged, with unknown
        # fields.
        patch = {"scheduledTime": time, "draft": self._read(kept, ScheduleReply, is_kept=True).schedule.draft}
        return self._find("PATCH", path, json={"patch": patch}) is not None

    def cancel_schedule(self, schedule_id: str) -> bool:
        """Cancel a scheduled post."""
        return self._find("DELETE", f"/schedules/{_quote(schedule_id)}") is not None

    def show_user(self) -> User:
        """Return the user of the key: the cheapest way to test a key.

        Raises:
            PublisherError: the key is invalid (`AUTHENTICATION`), or Blotato did not answer.
        """
        return self._read(self._call("GET", "/users/me"), UserReply).to_user()

    def list_accounts(self) -> list[Account]:
        """List the connected accounts."""
        found = self._read(self._call("GET", "/users/me/accounts"), AccountsReply)
        return [item.to_account() for item in found.items]

    def list_pages(self, account_id: str) -> list[Page]:
        """List the pages of a Facebook or LinkedIn account, or the playlists of a YouTube account."""
        reply = self._call("GET", f"/users/me/accounts/{_quote(account_id)}/subaccounts")
        found = self._read(reply, SubAccountsReply)
        return [item.to_page(account_id) for item in found.items]

    def list_boards(self, account_id: str) -> list[Board]:
        """List the boards of a Pinterest account."""
        reply = self._call("GET", "/social/pinterest/boards", params={"accountId": account_id})
        found = self._read(reply, SubAccountsReply)
        return [item.to_board(account_id) for item in found.items]

    def _post(self, target: PublishTarget, text: str, media_urls: list[str], when: dict[str, object]) -> PostReport:
        content = {"text": text, "mediaUrls": media_urls, "platform": target.platform}
        post = {"accountId": target.account_id, "content": content, "target": target.to_wire()}
        # Outside of `post`: inside it, Blotato silently ignores the time and publishes at once.
        reply = self._blotato.submit("/posts", json={"post": post, **when})
        if not reply.is_success:
            raise self._errors.refuse_post(reply)
        try:
            accepted = PostAccepted.model_validate(parse_json(reply.content))
        except ValueError as error:
            raise PostUnknown("Blotato took the post but its answer has no id. It may be public.") from error
        return accepted.to_report()

    def _list(
        self, path: str, query: dict[str, str], item_type: type[ReplyT], *, page_items: int, pages_max: int
    ) -> list[ReplyT]:
        """Read a list to its end."""
        found: list[ReplyT] = []
        cursor: dict[str, str] = {}
        deadline = Deadline.after(min(self._call_seconds, _LIST_SECONDS))
        for _ in range(pages_max):
            params = {**query, "limit": str(page_items), **cursor}
            page = self._read(self._call("GET", path, params=params, deadline=deadline), ListPage)
            found += read_items(page, path, item_type)
            if not page.cursor:
                return found
            cursor = {"cursor": page.cursor}
        # The posts on the unread pages are unknown.
        sentence = f"Blotato's {path} goes on after {pages_max} pages of {page_items}."
        raise PublisherError(ErrorCode.PROVIDER_ERROR, sentence)

    def _find(self, method: str, path: str, *, json: object = None) -> Reply | None:
        """Make a call about one object, which may be gone."""
        reply = self._blotato.ask(method, path, json=json)
        if reply.status_code == 404:
            return None
        return self._check(reply)

    def _call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: dict[str, str] | None = None,
        deadline: Deadline | None = None,
    ) -> Reply:
        """Make a call that publishes nothing; one with a deadline reads a page of a list."""
        read = None if deadline is None else partial(read_bounded, max_bytes=_PAGE_BYTES_MAX)
        return self._check(self._blotato.ask(method, path, json=json, params=params, deadline=deadline, read=read))

    def _check(self, reply: Reply) -> Reply:
        if not reply.is_success:
            raise self._errors.refuse(reply)
        return reply

    def _read(self, reply: Reply, reply_type: type[ReplyT], *, is_kept: bool = False) -> ReplyT:
        """Read a response; one that goes back to Blotato (`is_kept`) is not repaired."""
        try:
            parsed = from_json(reply.content) if is_kept else parse_json(reply.content)
            return reply_type.model_validate(parsed)
        except ValueError as error:
            raise PublisherError(
                ErrorCode.PROVIDER_ERROR,
                f"{self._blotato.base_url.host} answered {reply.status_code} with an unexpected body.",
                transient=True,
            ) from error

    def _write_upload(self, presigned_url: str, chunks: Iterator[bytes], size_bytes: int) -> httpx.Request:
        """Write the upload request to Blotato's presigned URL, which must be as secure as Blotato's own."""
        headers = {"Content-Type": "video/mp4", "Content-Length": str(size_bytes), "Accept-Encoding": "identity"}
        schemes = ("http", "https") if self._blotato.base_url.scheme == "http" else ("https",)
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


def _quote(part: str) -> str:
    return quote(part, safe="")
