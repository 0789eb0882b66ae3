"""Tell people in a chat or by e-mail that a video waits for approval, and other events in a chat of a key.

What is told is read from the table at each try. A question that was answered meanwhile is not told any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

from mediaposter.domain.errors import NotFound
from mediaposter.domain.receipt import Receipt
from mediaposter.events import AnyEvent, ApprovalNotice, VideoEvent
from mediaposter.media.video_stream import VideoStream
from mediaposter.stores.approvals import Approval, ApprovalStore, Decision
from mediaposter.stores.keys import name_account
from mediaposter.stores.media import PRESIGNED_SECONDS
from mediaposter.stores.posts import PostState, PostStore
from mediaposter.stores.video_money import count_spent_micros
from mediaposter.stores.video_record import Video
from mediaposter.stores.videos import VideoStore
from mediaposter.wire.chats import ChatAddress, Message, write_event, write_question
from mediaposter.wire.questions import Caption, Question, write_email
from mediaposter.wire.video_object import to_dollars

SLACK_SECRET = "approvals/slack-url"  # noqa: S105 (a name)
TELEGRAM_SECRET = "approvals/telegram-token"  # noqa: S105 (a name)
# A link by Signature Version 4 lives for a week at most, and on AWS no longer than the role's session.
_PICTURE_SECONDS_MAX = 7 * 86_400
# Telegram takes photos of 10 MB; a spritesheet has far less.
_PICTURE_MAX_BYTES = 5 * 1024**2


class PostDocument(Protocol):
    """Posts a document to a URL that someone else chose."""

    def __call__(self, url: str, content: bytes, *, headers: Mapping[str, str]) -> Receipt:
        """Give the answer. Raises VideoModelError if there was none."""


class Pictures(Protocol):
    """Reads and signs the pictures of stored videos."""

    def open_stored(self, key: str) -> AbstractContextManager[VideoStream]: ...

    def presign_download(self, key: str, *, filename: str, seconds: int = PRESIGNED_SECONDS) -> str: ...


class TelegramChat(NamedTuple):
    """The stack's chat: the address of the Bot API, and the chat's id."""

    base_url: str
    chat_id: str


class SendNotice:
    """Sends one message once; the queue that brings a notice tries again."""

    def __init__(
        self,
        *,
        videos: VideoStore,
        posts: PostStore,
        approvals: ApprovalStore,
        pictures: Callable[[], Pictures],
        post_document: Callable[[], PostDocument],
        send_email: Callable[[str, str], None],
        read_secret: Callable[[str], str],
        telegram: TelegramChat,
        studio_url: Callable[[], str | None],
        clock: Callable[[], datetime],
    ) -> None:
        """Take the collaborators.

        Args:
            videos: for the prompt and the price.
            posts: for the captions.
            approvals: for the time limit.
            pictures: builds what reads and signs pictures.
            post_document: builds what reaches a chat.
            send_email: takes a subject and a text; raises VideoModelError if they were not taken.
            read_secret: gives a secret by its name; raises ConfigurationError if it is missing.
            telegram: the chat of the stack.
            studio_url: tells where the studio is, if there is one.
            clock: the time in UTC.
        """
        self._videos = videos
        self._posts = posts
        self._approvals = approvals
        self._pictures = pictures
        self._post_document = post_document
        self._send_email = send_email
        self._read_secret = read_secret
        self._telegram = telegram
        self._studio_url = studio_url
        self._clock = clock

    def ask(self, notice: ApprovalNotice, *, tries: int) -> Receipt | None:
        """Tell one channel of the stack that a video waits; None if it does not wait any more.

        Raises:
            ConfigurationError: a secret is missing.
            VideoModelError: no answer came.
        """
        video = self._find_waiting(notice.video_id, notice.owner, notice.round)
        if video is None:
            return None
        if notice.channel == "email":
            self._send_email(*write_email(self._describe(*video)))
            return Receipt(200)
        return self._ask_chat(self._find_address(notice), *video, tries=tries)

    def tell(self, event: AnyEvent, address: ChatAddress, *, tries: int) -> Receipt | None:
        """Tell the chat of a key or of a request an event; None if it is a question that was answered.

        Raises:
            VideoModelError: no answer came.
        """
        if not isinstance(event, VideoEvent) or event.type != "video.awaiting_approval":
            return self._post(address, write_event(address, event))
        video = self._find_waiting(event.video_id, event.owner, event.round)
        return None if video is None else self._ask_chat(address, *video, tries=tries)

    def _find_address(self, notice: ApprovalNotice) -> ChatAddress:
        if notice.channel == "slack":
            return ChatAddress("slack", self._read_secret(SLACK_SECRET))
        token = self._read_secret(TELEGRAM_SECRET)
        return ChatAddress("telegram", f"{self._telegram.base_url}/bot{token}", self._telegram.chat_id)

    def _find_waiting(self, video_id: str, owner: str, asked_round: int | None) -> tuple[Video, Approval] | None:
        """Find a video that waits for the answer to this question."""
        try:
            video, approval = self._videos.get_unchecked(video_id), self._approvals.get(video_id)
        except NotFound:
            return None
        is_this = video.owner == owner and approval.round == (asked_round or 1)
        is_open = approval.decision is Decision.WAITING and self._clock() < approval.expires_at
        return (video, approval) if is_this and is_open else None

    def _describe(self, video: Video, approval: Approval) -> Question:
        studio_url = self._studio_url()
        waiting = [post for post in self._posts.list(video) if post.state is PostState.PENDING]
        return Question(
            video_id=video.id,
            prompt=video.prompt,
            captions=tuple(
                Caption(name_account(post.target.platform, post.target.account_id), post.text) for post in waiting
            ),
            price_usd=_write_price(count_spent_micros(video)),
            expires_at=approval.expires_at,
            approval_url=f"{studio_url}#/approvals/{video.id}" if studio_url else None,
            picture_url=self._sign_picture(video, approval),
        )

    def _sign_picture(self, video: Video, approval: Approval) -> str | None:
        if video.stored is None:
            return None
        left = int((approval.expires_at - self._clock()).total_seconds())
        return self._pictures().presign_download(
            video.stored.spritesheet_key,
            filename=f"{video.id}.jpg",
            seconds=min(max(left, PRESIGNED_SECONDS), _PICTURE_SECONDS_MAX),
        )

    def _ask_chat(self, address: ChatAddress, video: Video, approval: Approval, *, tries: int) -> Receipt:
        # The picture may be what was refused, so only the first try has it.
        is_first = tries == 1
        picture = self._read_picture(video) if is_first and address.kind == "telegram" else None
        question = self._describe(video, approval)
        return self._post(address, write_question(address, question, picture=picture, has_picture=is_first))

    def _read_picture(self, video: Video) -> bytes | None:
        if video.stored is None:
            return None
        try:
            with self._pictures().open_stored(video.stored.spritesheet_key) as stream:
                if (stream.size_bytes or 0) > _PICTURE_MAX_BYTES:
                    return None
                return b"".join(stream.chunks)
        except NotFound:
            return None

    def _post(self, address: ChatAddress, message: Message) -> Receipt:
        return self._post_document()(
            f"{address.url}{message.path}", message.content, headers={"Content-Type": message.content_type}
        )


def _write_price(micros: int) -> str:
    """Write dollars with two decimals at least."""
    dollars, _, cents = to_dollars(micros).partition(".")
    return f"{dollars}.{cents.ljust(2, '0')}"
