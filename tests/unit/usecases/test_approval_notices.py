"""Telling people that a video waits: each channel by itself, from the table, and never after the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from mediaposter.domain.channels import Channel
from mediaposter.domain.receipt import Receipt
from mediaposter.events import ApprovalNotice, VideoEvent
from mediaposter.stores.approvals import open_approval
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.scheduled.approval_notices import SendNotice, TelegramChat
from mediaposter.usecases.steps import AwaitApprovalInput
from mediaposter.wire.chats import ChatAddress
from mediaposter.wire.post_requests import ApprovalRequest
from tests.builders import NOW, OWNER, VIDEO_ID, a_caller, a_post, a_stored_video, a_target, an_attempt
from tests.fakes.effects import Effects, Moment, SimulatedCrash
from tests.fakes.world import World
from tests.unit.usecases.posting import a_kept_video

ASK = AwaitApprovalInput(video_id=VIDEO_ID, task_token="token-1")
LINK = f"https://api.example/v1/studio#/approvals/{VIDEO_ID}"
SECRETS = {"approvals/slack-url": "https://hooks.slack.com/services/T0/B0/s", "approvals/telegram-token": "7:s"}


class People:
    """Chats and a mailbox, and a world whose video waits."""

    def __init__(self, **world: Any) -> None:
        self.world = World(approval_channels="slack,telegram,email", **world)
        video = a_kept_video(stage=Stage.AWAITING_APPROVAL, approval_hours=24, attempts=(an_attempt(),))
        other = a_post(a_target("threads"), text="Over", state=PostState.PUBLISHED)
        self.world.keep(video, a_post(a_target("twitter"), text="A kite!"), other)
        self.world.media.objects[a_stored_video().spritesheet_key] = b"\xff\xd8frames"
        self.world.table.commit([open_approval(VIDEO_ID, now=NOW, hours=24)])
        self.sent: list[tuple[str, bytes]] = []
        self.emails: list[tuple[str, str]] = []
        self.send = SendNotice(
            videos=self.world.video_store,
            posts=self.world.post_store,
            approvals=self.world.approvals,
            pictures=lambda: self.world.media,
            post_document=lambda: self._receive,
            send_email=lambda subject, text: self.emails.append((subject, text)),
            read_secret=SECRETS.__getitem__,
            telegram=TelegramChat("https://api.telegram.org", "-100200"),
            studio_url=lambda: "https://api.example/v1/studio",
            clock=self.world.clock,
        )

    def ask(self, channel: Channel, *, tries: int = 1, **changes: Any) -> Receipt | None:
        notice = ApprovalNotice(video_id=VIDEO_ID, owner=OWNER, occurred_at=NOW, channel=channel)
        return self.send.ask(notice.model_copy(update=changes), tries=tries)

    def _receive(self, url: str, content: bytes, *, headers: Mapping[str, str]) -> Receipt:
        assert headers["Content-Type"]
        self.sent.append((url, content))
        return Receipt(200)


def test_each_channel_of_the_stack_is_told_once_by_a_message_of_its_own_however_often_the_machine_asks() -> None:
    people = People()

    people.world.ask(ASK)
    people.world.ask(ASK)

    assert [notice.channel for notice in people.world.notices] == ["slack", "telegram", "email"]
    assert len({notice.id for notice in people.world.notices}) == 3


def test_a_crash_before_it_is_noted_tells_again_under_the_same_ids() -> None:
    effects = Effects()
    people = People(effects=effects)
    effects.crash_at(3, Moment.BEFORE)

    with pytest.raises(SimulatedCrash):
        people.world.ask(ASK)
    people.world.ask(ASK)

    assert {notice.channel for notice in people.world.notices} == {"slack", "telegram", "email"}
    assert len({notice.id for notice in people.world.notices}) == 3


def test_slack_gets_the_captions_that_wait_the_price_and_the_link() -> None:
    people = People()

    assert people.ask("slack") == Receipt(200)

    ((url, content),) = people.sent
    assert url == SECRETS["approvals/slack-url"]
    text = json.dumps(json.loads(content)["blocks"])
    assert all(part in text for part in ("A kite!", "$0.40", LINK, "spritesheet.jpg"))
    assert "Over" not in text


def test_telegram_gets_the_picture_at_the_first_try_alone() -> None:
    people = People()

    people.ask("telegram")
    people.ask("telegram", tries=2)

    (first_url, first), (second_url, second) = people.sent
    assert (first_url, second_url) == (
        "https://api.telegram.org/bot7:s/sendPhoto",
        "https://api.telegram.org/bot7:s/sendMessage",
    )
    assert b"\xff\xd8frames" in first
    assert json.loads(second)["chat_id"] == "-100200"


def test_an_email_is_sent() -> None:
    people = People()

    people.ask("email")

    ((subject, text),) = people.emails
    assert subject == "A video waits for your approval: 1 post, $0.40"
    assert LINK in text


@pytest.mark.parametrize(
    "changes", [{"owner": "key_of_another"}, {"video_id": "video_2"}, {"round": 2}], ids=["owner", "video", "round"]
)
def test_what_the_table_does_not_tell_is_not_told(changes: dict[str, Any]) -> None:
    people = People()

    assert people.ask("slack", **changes) is None
    assert people.sent == []


@pytest.mark.parametrize("is_answered", [True, False], ids=["answered", "too late"])
def test_a_question_that_is_over_is_not_asked_any_more(is_answered: bool) -> None:
    people = People()
    if is_answered:
        people.world.decide(VIDEO_ID, ApprovalRequest(decision="reject"), caller=a_caller())
    else:
        people.world.clock.advance(timedelta(hours=24).total_seconds())

    assert (people.ask("email"), people.ask("slack")) == (None, None)
    assert (people.emails, people.sent) == ([], [])


def test_the_chat_of_a_key_is_asked_and_told_what_else_happened() -> None:
    people = People()
    chat = ChatAddress("slack", "https://hooks.slack.com/services/T1/B1/k")
    fields = {"video_id": VIDEO_ID, "owner": OWNER, "occurred_at": NOW}
    people.send.tell(VideoEvent(type="video.awaiting_approval", **fields), chat, tries=1)
    people.send.tell(VideoEvent(type="video.completed", **fields), chat, tries=1)

    (asked_at, asked), (told_at, told) = people.sent
    assert LINK.encode() in asked
    assert json.loads(told)["text"] == "The video video_1 is finished."
    assert asked_at == told_at == chat.url
