"""Messages in the shapes of Slack's incoming webhooks and Telegram's Bot API, and the addresses that take them.

Slack: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, /reference/block-kit/blocks and
/messaging/formatting-message-text. Telegram: https://core.telegram.org/bots/api#sendmessage and #sendphoto.
"""

from __future__ import annotations

import json
import re
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from pydantic import JsonValue

from mediaposter.events import AnyEvent, BatchEvent, BudgetEvent, VideoEvent
from mediaposter.wire.questions import CAPTIONS_SHOWN, PROMPT_SHOWN_CHARACTERS, Question, clean, cut, write_moment

# A section has 3,000 characters, and Slack refuses about 13,000 in all blocks (msg_blocks_too_long).
_SLACK_CAPTION_CHARACTERS = 800
_SLACK_URL_CHARACTERS = 3_000
_TELEGRAM_TEXT_UNITS = 4_096
_TELEGRAM_CAPTION_UNITS = 1_024
# The longest that a caption may be; the first with which all of them fit is taken.
_TELEGRAM_CAPTIONS_UNITS = (4_000, 2_000, 1_000, 500, 200)

_SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
_TELEGRAM_HOST = "api.telegram.org"
_SEND_MESSAGE = re.compile(r"(/bot[^/]+)/sendMessage")

Document: TypeAlias = dict[str, JsonValue]


class ChatAddress(NamedTuple):
    """Where a chat takes messages.

    Attributes:
        kind: in which shape.
        url: of the incoming webhook, or of the bot before its methods. It holds a secret.
        chat_id: the chat of the bot, and for a group with topics the topic behind a slash.
    """

    kind: Literal["slack", "telegram"]
    url: str
    chat_id: str = ""

    def __repr__(self) -> str:
        return f"ChatAddress({self.kind})"


class Message(NamedTuple):
    """A request to a chat: its path behind the address, its body and the type of that."""

    path: str
    content: bytes
    content_type: str = "application/json; charset=utf-8"


def find_chat(url: str) -> ChatAddress | None:
    """Tell which chat a webhook's URL is of; None for a receiver that takes events as they are.

    A bot's URL is `https://api.telegram.org/bot<token>/sendMessage?chat_id=<id>`, with `message_thread_id` for a topic.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme == "https" and parts.netloc in _SLACK_HOSTS and parts.path.startswith("/services/"):
        return ChatAddress("slack", url)
    found = _SEND_MESSAGE.fullmatch(parts.path)
    query = parse_qs(parts.query)
    if parts.scheme != "https" or parts.netloc != _TELEGRAM_HOST or found is None or "chat_id" not in query:
        return None
    topic = query.get("message_thread_id", [""])[0]
    chat_id = query["chat_id"][0] + (f"/{topic}" if topic else "")
    return ChatAddress("telegram", f"https://{_TELEGRAM_HOST}{found[1]}", chat_id)


def hide_secret(url: str) -> str:
    """Write a webhook's URL for a person: that of a chat without its secret."""
    address = find_chat(url)
    return url if address is None else f"{'/'.join(url.split('/')[:3])}/…"


def write_question(
    address: ChatAddress, question: Question, *, picture: bytes | None = None, has_picture: bool = True
) -> Message:
    """Write the message that asks for an approval.

    Args:
        address: of the chat.
        question: what it asks.
        picture: a JPEG of frames, which a bot uploads; Slack takes the signed link.
        has_picture: False leaves the picture out, for a chat that may have refused it.
    """
    if address.kind == "slack":
        return _write_json("", _present_slack(question, has_picture=has_picture))
    text = _write_text(question)
    if has_picture and picture is not None and count_units(text) <= _TELEGRAM_CAPTION_UNITS:
        return _write_photo(address, text, picture)
    preview: Document = {"is_disabled": True}
    url = question.picture_url or ""
    if has_picture and url.startswith("https://"):
        # Telegram leaves out a preview that it cannot fetch.
        preview = {"url": url, "prefer_large_media": True, "show_above_text": True}
    return _write_json("/sendMessage", {**_name_chat(address), "text": text, "link_preview_options": preview})


def write_event(address: ChatAddress, event: AnyEvent) -> Message:
    """Write the message of any other event: one sentence."""
    sentence = _tell(event)
    if address.kind == "slack":
        return _write_json("", {"text": escape_slack(sentence), "unfurl_links": False, "unfurl_media": False})
    document: Document = {**_name_chat(address), "text": sentence, "link_preview_options": {"is_disabled": True}}
    return _write_json("/sendMessage", document)


def escape_slack(text: str) -> str:
    """Escape Slack's three control characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def count_units(text: str) -> int:
    """Count UTF-16 units, as Telegram does."""
    return len(text.encode("utf-16-le")) // 2


def _present_slack(question: Question, *, has_picture: bool) -> Document:
    """Write the blocks: texts of strangers are `plain_text`, in which nothing is formatting, a mention or an emoji."""
    until = int(question.expires_at.timestamp())
    link = question.approval_url
    decide = f"*<{escape_slack(link)}|Look at it and decide>*" if link else f"Decide: `{question.how_to_decide}`"
    facts = (
        f"{decide}\n*Price:* ${question.price_usd}  *Until:* <!date^{until}^{{date_short_pretty}} {{time}}|"
        f"{write_moment(question.expires_at)}>"
    )
    blocks: list[JsonValue] = [
        {"type": "header", "text": _plain("A video waits for your approval")},
        {"type": "section", "text": {"type": "mrkdwn", "text": facts}},
        _section("Prompt", question.prompt, PROMPT_SHOWN_CHARACTERS),
        *(_section(c.target, c.text, _SLACK_CAPTION_CHARACTERS) for c in question.captions[:CAPTIONS_SHOWN]),
    ]
    if question.left_out:
        blocks.append({"type": "section", "text": _plain(question.left_out)})
    url = question.picture_url or ""
    # Slack fetches the picture itself, so it must be on the internet.
    if has_picture and url.startswith("https://") and len(url) <= _SLACK_URL_CHARACTERS:
        blocks.append({"type": "image", "image_url": url, "alt_text": "Frames of the video"})
    return {"text": question.summary, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _section(title: str, text: str, most: int) -> Document:
    shown = cut(clean(text), most, measure=lambda part: len(escape_slack(part))) or "(no caption)"
    return {"type": "section", "text": _plain(escape_slack(f"{title}\n") + escape_slack(shown))}


def _plain(text: str) -> Document:
    return {"type": "plain_text", "text": text, "emoji": False}


def _write_text(question: Question) -> str:
    """Write a text without a parse_mode: then no character of it is formatting. The link comes first and is not cut."""
    link = question.approval_url
    texts = [clean(caption.text) for caption in question.captions[:CAPTIONS_SHOWN]]
    for most in _TELEGRAM_CAPTIONS_UNITS:
        parts = [
            f"{question.summary}.",
            f"Look at it and decide: {link}" if link else f"Decide: {question.how_to_decide}",
            f"Until {write_moment(question.expires_at)}",
            f"Prompt: {cut(clean(question.prompt), PROMPT_SHOWN_CHARACTERS, measure=count_units)}",
            *(
                f"{caption.target}:\n{cut(text, most, measure=count_units) or '(no caption)'}"
                for caption, text in zip(question.captions, texts, strict=False)
            ),
            question.left_out,
        ]
        written = "\n\n".join(filter(None, parts))
        if count_units(written) <= _TELEGRAM_TEXT_UNITS:
            break
    return cut(written, _TELEGRAM_TEXT_UNITS, measure=count_units)


def _name_chat(address: ChatAddress) -> Document:
    chat_id, _, topic = address.chat_id.partition("/")
    return {"chat_id": chat_id, **({"message_thread_id": int(topic)} if topic.isdecimal() else {})}


def _write_json(path: str, document: Document) -> Message:
    return Message(path, json.dumps(document, ensure_ascii=False).encode())


def _write_photo(address: ChatAddress, caption: str, picture: bytes) -> Message:
    """Write the form that uploads a picture: Telegram need not reach the host that has it."""
    boundary = uuid4().hex
    fields = {**_name_chat(address), "caption": caption}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="frames.jpg"\r\n'
    parts += [f"{head}Content-Type: image/jpeg\r\n\r\n".encode(), picture, f"\r\n--{boundary}--\r\n".encode()]
    return Message("/sendPhoto", b"".join(parts), f"multipart/form-data; boundary={boundary}")


def _tell(event: AnyEvent) -> str:
    """Tell an event in a sentence."""
    if isinstance(event, BudgetEvent):
        whose = "all keys of this stack" if event.scope == "stack" else "your keys"
        used = f"${event.used_usd} of ${event.limit_usd} for {event.period_name} are used up by {whose}"
        return f"{used}. The limit renews at {write_moment(event.renews_at)}."
    code = f": {event.error_code}" if event.error_code else ""
    if isinstance(event, BatchEvent):
        return (
            f"The batch {event.batch_id} is over ({event.type.removeprefix('batch.')}{code}): {event.completed} of "
            f"{event.rows} videos, {event.failed} failed, {event.refused} refused."
        )
    if isinstance(event, VideoEvent):
        ended = {"video.completed": "is finished", "video.failed": "failed"}.get(event.type, "waits for your approval")
        link = f" {event.approval_url}" if event.approval_url else ""
        return f"The video {event.video_id} {ended}{code}.{link}"
    where = f"of {event.video_id} on {event.platform}:{event.account_id}"
    if event.type == "post.published":
        return f"The post {where} is public{f': {event.url}' if event.url else '.'}"
    if event.type == "post.failed":
        return f"The post {where} failed{code}."
    return f"We could not tell whether the post {where} went out. Check the network, then resolve it."
