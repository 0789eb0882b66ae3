"""Stand-ins of where people are told: an incoming webhook of Slack, a bot of Telegram and a mail server, on loopback.

They refuse what the vendors refuse: Slack's block limits (docs.slack.dev/reference/block-kit/blocks), and the lengths
of Telegram's texts (core.telegram.org/bots/api#sendmessage, #sendphoto).
"""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.serving import serve_in_thread

SLACK_PATH = "/services/T00000000/B00000000/slack-sandbox-secret"
TELEGRAM_TOKEN = "70000000:telegram-sandbox-secret"  # noqa: S105 (of a stand-in)
TELEGRAM_CHAT = "-1001234567890"
EMAIL = "ann@people.example"
_LIMITS = {"header": 150, "section": 3_000}


class Photo(NamedTuple):
    """A photo that a bot sent, and its caption."""

    caption: str
    content: bytes


class People:
    """What was received.

    Attributes:
        slack: the messages of the incoming webhook.
        texts: the texts of the bot, also the captions of its photos.
        photos: the photos of the bot.
        emails: the e-mails.
        busy: how many of the next requests of a chat are answered with 429, and after how many seconds to try again.
    """

    def __init__(self) -> None:
        self.slack: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.photos: list[Photo] = []
        self.emails: list[EmailMessage] = []
        self.busy: list[int] = []
        self.variables: dict[str, str] = {}

    def build_app(self) -> Starlette:
        """Build the server of both chats."""
        return Starlette(
            routes=[
                Route(SLACK_PATH, self._take_slack, methods=["POST"]),
                Route("/bot{token}/sendMessage", self._take_text, methods=["POST"]),
                Route("/bot{token}/sendPhoto", self._take_photo, methods=["POST"]),
            ]
        )

    async def _take_slack(self, request: Request) -> Response:
        if self.busy:
            return PlainTextResponse("rate_limited", 429, {"Retry-After": str(self.busy.pop())})
        try:
            message = json.loads(await request.body())
        except ValueError:
            return PlainTextResponse("invalid_payload", 400)
        blocks = message.get("blocks", [])
        if not message.get("text"):
            return PlainTextResponse("no_text", 400)
        if len(blocks) > 50 or not all(map(_is_block, blocks)):
            return PlainTextResponse("invalid_blocks", 400)
        self.slack.append(message)
        return PlainTextResponse("ok")

    async def _take_text(self, request: Request) -> Response:
        message = await request.json()
        text = str(message.get("text", ""))
        return self._answer(request, message.get("chat_id"), text, most=4_096)

    async def _take_photo(self, request: Request) -> Response:
        form = await request.form()
        photo, caption = form.get("photo"), str(form.get("caption", ""))
        if photo is None or isinstance(photo, str):
            return _refuse(400, "Bad Request: there is no photo in the request")
        content = await photo.read()
        if not content.startswith(b"\xff\xd8"):
            return _refuse(400, "Bad Request: IMAGE_PROCESS_FAILED")
        answer = self._answer(request, form.get("chat_id"), caption, most=1_024)
        if answer.status_code == 200:
            self.photos.append(Photo(caption, content))
        return answer

    def _answer(self, request: Request, chat_id: object, text: str, *, most: int) -> Response:
        if request.path_params["token"] != TELEGRAM_TOKEN:
            return _refuse(401, "Unauthorized")
        if self.busy:
            return _refuse(429, "Too Many Requests", retry_after=self.busy.pop())
        if chat_id != TELEGRAM_CHAT:
            return _refuse(400, "Bad Request: chat not found")
        if not 0 < len(text.encode("utf-16-le")) // 2 <= most:
            return _refuse(400, "Bad Request: message is too long")
        self.texts.append(text)
        return JSONResponse({"ok": True, "result": {"message_id": len(self.texts)}})


@contextmanager
def meet_people() -> Iterator[People]:
    """Run the three while the block runs; `variables` of what is given leads a host to them."""
    people = People()

    class Mail(_Mail):
        inbox = people.emails

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as mail:
        threading.Thread(target=mail.serve_forever, daemon=True).start()
        with serve_in_thread(people.build_app(), base_path="") as base_url:
            people.variables = {
                "APPROVAL_SLACK_URL": f"{base_url}{SLACK_PATH}",
                "APPROVAL_TELEGRAM_TOKEN": TELEGRAM_TOKEN,
                "APPROVAL_TELEGRAM_CHAT": TELEGRAM_CHAT,
                "TELEGRAM_BASE_URL": base_url,
                "APPROVAL_EMAIL": EMAIL,
                "SMTP_URL": f"smtp://127.0.0.1:{mail.server_address[1]}",
            }
            yield people
        mail.shutdown()


class _Mail(socketserver.StreamRequestHandler):
    """Takes e-mails without an account (RFC 5321)."""

    inbox: list[EmailMessage]

    def handle(self) -> None:
        """Answer one connection."""
        self._say("220 people.example")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self._say("354 Go on")
                self._take()
            self._say("221 Bye" if command == b"QUIT" else "250 OK")

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        self.inbox.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def _is_block(block: dict[str, Any]) -> bool:
    if block["type"] == "image":
        return str(block["image_url"]).startswith("https://") and len(block["image_url"]) <= 3_000
    text = block["text"]
    is_text = text["type"] == "plain_text" or (text["type"] == "mrkdwn" and block["type"] == "section")
    return is_text and 0 < len(text["text"]) <= _LIMITS.get(block["type"], 0)


def _refuse(code: int, description: str, *, retry_after: int | None = None) -> Response:
    body = {"ok": False, "error_code": code, "description": description}
    if retry_after is None:
        return JSONResponse(body, code)
    return JSONResponse({**body, "parameters": {"retry_after": retry_after}}, code, {"Retry-After": str(retry_after)})
